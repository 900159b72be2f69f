"""Two-pass scoring: first fill Ω with the features of every clip, then score each with its memory.

In training the memory is what the network saw some steps ago; at inference it can be fresh, so the
first pass extracts all features once and the second runs IA and the classifier alone. A network
without M-Blocks needs the first pass only for its features. A frozen bank (LFB, "w/o AMU" in Table
1e) is filled in the first pass by the network's frozen backbone; all else is the trained one's. A
memory of objects (§6.1) comes from what the detector saw, and is brought along.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from safetensors import safe_open
from torch import Tensor

from aia.clip import ClipKey, ClipSample, Slots
from aia.config import (
    BackboneConfig,
    LossConfig,
    MemoryConfig,
    NetworkConfig,
    RunName,
    ScoreConfig,
    TrainConfig,
    build_section,
    parse_run,
)
from aia.datasets.ava import seconds_of
from aia.datasets.loader import ClipFrames, scoring_batches
from aia.errors import InputError
from aia.evaluate.attention import attention_rows
from aia.files import file_digest
from aia.labels import ClassList
from aia.log import progress, say
from aia.memory import FeaturePool, ObjectBank, recall, recall_objects, remembered_persons
from aia.network import Network, arithmetic, build_network
from aia.tensors import put_weights, read_tensors
from aia.video.store import FrameStore
from aia.video.transforms import AS_KEPT, View


class TrainedRun(NamedTuple):
    """A run's network and what it is made of."""

    name: RunName
    network: Network
    backbone: BackboneConfig
    memory: MemoryConfig | None
    loss: LossConfig
    labels: ClassList
    digest: str
    seen_by: str | None = None
    """Hash of the detector that saw what a memory of objects holds."""


class ScoredBoxes(NamedTuple):
    """Persons with a score for each class."""

    boxes: pd.DataFrame
    """video, time_sec, x1, y1, x2, y2, score (of the detector); segment, where there are such."""
    scores: Float[np.ndarray, "boxes classes"]


class ClipFeatures(NamedTuple):
    """What the first pass keeps of some clips."""

    keys: list[ClipKey]
    P: Slots
    O: Slots
    H: Slots | None
    times_sec: Sequence[float]
    bank: Slots | None
    """The persons as Ω gets them, where a frozen backbone makes those."""


def load_trained(path: Path, *, device: torch.device) -> TrainedRun:
    """The network of a published model.safetensors, ready to score.

    Raises:
        InputError: the file is missing, not ours, or lacks weights.
    """
    try:
        with safe_open(path, framework="pt") as file:
            described = json.loads((file.metadata() or {})["run"])
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such model") from None
    except Exception as error:  # safetensors raises its own classes for each kind of damage
        raise InputError(f"{path}: not a model of aia train ({error})") from None
    try:
        trained = _built(path, described)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path}: describes a run in another way than this program ({type(error).__name__}: "
            f"{error}); expected run, classes, backbone, network, memory, loss and train, as "
            "aia train writes them"
        ) from None
    put_weights(trained.network, read_tensors(path), path)
    return trained._replace(network=trained.network.to(device).eval(), digest=file_digest(path))


def _built(path: Path, described: dict[str, Any]) -> TrainedRun:
    """The run that a model's file describes, its network with fresh weights."""
    try:
        name = parse_run(described["run"])
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    backbone = build_section(BackboneConfig, described["backbone"], f"{path}: backbone")
    network_config = build_section(NetworkConfig, described["network"], f"{path}: network")
    memory = described["memory"]
    memory = build_section(MemoryConfig, memory, f"{path}: memory") if memory else None
    train_config = build_section(TrainConfig, described["train"], f"{path}: train")
    classes = described["classes"]
    ids, names, groups = (tuple(classes[part]) for part in ("ids", "names", "groups"))
    if not len(set(ids)) == len(names) == len(groups) or not all(type(i) is int for i in ids):
        raise ValueError(f"classes: {len(ids)} ids, {len(names)} names, {len(groups)} groups")
    seen = described.get("objects_seen") or {}
    network = build_network(
        backbone=backbone,
        frozen_norm=train_config.frozen_norm,
        structure=name.structure,
        blocks=name.blocks,
        network=network_config,
        memory=memory,
        classes=len(ids),
        bank=name.memory == "frozen",
        d_memory=seen.get("channels"),
    )
    return TrainedRun(
        name=name,
        network=network,
        backbone=backbone,
        memory=memory,
        loss=build_section(LossConfig, described["loss"], f"{path}: loss"),
        labels=ClassList(ids, names, groups),
        digest="",
        seen_by=seen.get("detector"),
    )


@torch.inference_mode()
def score_clips(
    trained: TrainedRun,
    clips: Sequence[ClipSample],
    stores: Mapping[str, FrameStore],
    *,
    config: ScoreConfig,
    extend: bool,
    device: torch.device,
    view: View = AS_KEPT,
    attention_of: Sequence[ClipKey] = (),
    bank: ObjectBank | None = None,
) -> tuple[ScoredBoxes, pd.DataFrame]:
    """Scores of every person of every clip, and the attention of some clips' blocks.

    Args:
        trained: The run.
        clips: What to score; they also are the memory of each other.
        stores: Frames of every video.
        config: Batch size, growth of boxes.
        extend: Whether boxes grow for RoIAlign (detected ones do).
        device: Where to compute.
        view: In which size, and whether mirrored, the network sees the clips; their memory too.
        attention_of: Clips whose attention is wanted.
        bank: The memory, of a run that remembers objects.

    Returns:
        Boxes with scores in the clips' order, and the rows of aia.tables.attention; boxes are as
        they are, also in a mirrored view.
    """
    network = trained.network
    clips = [clip for clip in clips if len(clip.persons_xyxy)]
    if not clips:
        raise InputError("no clip has a person to score")
    passed: Iterable[ClipFeatures] = _first_pass(
        trained, clips, stores, config=config, extend=extend, device=device, view=view
    )
    pool = None
    if trained.name.memory == "objects":
        pool = _checked_bank(trained, bank).pool
    elif network.remembers:  # else each batch is scored as it comes, and nothing is kept
        passed = list(passed)
        pool = _filled_pool(trained, clips, passed, device)
    scores, rows = [], []
    by_key = {clip.key: clip for clip in clips}
    for features in passed:  # second pass
        keys, P, O, H, times_sec, _ = features
        M = None
        if pool is not None and trained.memory is not None and bank is not None:
            reach = trained.memory.reach
            where = P.features.device
            M = recall_objects(pool, keys, times_sec, reach=reach, reuse=True, device=where)
        elif pool is not None and trained.memory is not None:
            kept = remembered_persons(keys, P, trained.memory.persons_per_clip)
            reach = trained.memory.reach
            M, _ = recall(pool, keys, kept, err=1.0, reach=reach, penalty=False, reuse=True)
        with arithmetic(device, config.precision):
            logits = network.actions(P, O, M, H).float()
        scores.append(_probabilities(logits[P.filled], trained).float().cpu().numpy())
        wanted = [place for place, key in enumerate(keys) if key in attention_of]
        if network.interaction is not None and wanted:
            attention = network.interaction.forward_with_attention(
                *((P, O, M) if H is None else (P, O, M, H))
            ).attention
            rows += [
                attention_rows(
                    by_key[keys[place]],
                    {block: weights[place].cpu().numpy() for block, weights in attention.items()},
                    clips=by_key,
                    reach=trained.memory.reach if trained.memory else 0,
                    persons_per_clip=trained.memory.persons_per_clip if trained.memory else 1,
                )
                for place in wanted
            ]
    attention_table = pd.concat(rows) if rows else pd.DataFrame()
    return ScoredBoxes(_boxes_of(clips), np.concatenate(scores)), attention_table


def _first_pass(
    trained: TrainedRun,
    clips: Sequence[ClipSample],
    stores: Mapping[str, FrameStore],
    *,
    config: ScoreConfig,
    extend: bool,
    device: torch.device,
    view: View,
) -> Iterator[ClipFeatures]:
    frames = ClipFrames(
        clips=clips,
        stores=stores,
        span=trained.backbone.span,
        strides=trained.backbone.strides,
        extend=config.extend if extend else (0.0, 0.0),
        view=view,
    )
    batches = scoring_batches(frames, batch=config.batch, workers=config.workers)
    for batch in progress(batches, what=f"{trained.name}  features, batch", total=len(batches)):
        batch = batch.to(device)
        with arithmetic(device, config.precision):
            P, O, H = trained.network.features(batch)
            frozen = trained.network.bank_backbone is not None
            bank = trained.network.bank_persons(batch) if frozen else None
        yield ClipFeatures(batch.keys, P, O, H, batch.times_sec, bank)


def _filled_pool(
    trained: TrainedRun,
    clips: Sequence[ClipSample],
    passed: Sequence[ClipFeatures],
    device: torch.device,
) -> FeaturePool:
    """Ω with the features of all clips: fresh ones, or the frozen backbone's."""
    assert trained.memory is not None
    pool = FeaturePool(
        seconds=seconds_of(clips),
        persons_per_clip=trained.memory.persons_per_clip,
        d=trained.network.d,
        dtype=getattr(torch, trained.memory.dtype),
        device=device,
    )
    for features in passed:
        P = features.P if features.bank is None else features.bank
        kept = remembered_persons(features.keys, P, trained.memory.persons_per_clip)
        pool.write(features.keys, kept, loss_tag=1.0, step=0)
    say(f"{trained.name}  memory pool: {len(clips)} clips of {len(pool.seconds)} videos")
    return pool


def _probabilities(
    logits: Float[Tensor, "persons classes"], trained: TrainedRun
) -> Float[Tensor, "persons classes"]:
    """Sigmoid; with the focal loss, softmax over the poses (one at a time) as it was trained.

    Softmax over all classes, where exactly one is true.
    """
    if trained.loss.kind == "softmax":
        return logits.softmax(dim=1)
    probabilities = logits.sigmoid()
    poses = [i for i, group in enumerate(trained.labels.groups) if group == "PERSON_MOVEMENT"]
    if trained.loss.kind == "focal" and poses:
        probabilities[:, poses] = logits[:, poses].softmax(dim=1)
    return probabilities


def _checked_bank(trained: TrainedRun, bank: ObjectBank | None) -> ObjectBank:
    """The memory of objects, if it is the one that the run learned with."""
    if bank is None:
        raise InputError(
            f"{trained.name}: remembers objects, but what the detector saw of them was not given "
            "(--object-features)"
        )
    if bank.detector != trained.seen_by:
        raise InputError(
            f"{trained.name}: learned with what another detector saw (weights {trained.seen_by}, "
            f"these are {bank.detector}); detect the objects again with the same weights"
        )
    return bank


def _boxes_of(clips: Sequence[ClipSample]) -> pd.DataFrame:
    counts = [len(clip.persons_xyxy) for clip in clips]
    xyxy = np.concatenate([clip.persons_xyxy for clip in clips])
    boxes = pd.DataFrame(
        {
            "video": np.repeat([clip.key.video for clip in clips], counts),
            "time_sec": np.repeat([clip.time_sec for clip in clips], counts),
            **{name: xyxy[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))},
            "score": np.concatenate([clip.persons_score for clip in clips]),
        }
    )
    if all(clip.segment is not None for clip in clips):
        boxes["segment"] = np.repeat([clip.segment for clip in clips], counts)
    return boxes
