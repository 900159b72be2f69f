"""Two-pass scoring: first fill Ω with the features of every clip, then score each with its memory.

In training the memory is what the network saw some steps ago; at inference it can be fresh, so the
first pass extracts all features once and the second runs IA and the classifier alone. A network
without M-Blocks needs the first pass only for its features. A frozen bank (LFB, "w/o AMU" in Table
1e) is filled in the first pass by the network's frozen backbone; all else is the trained one's. A
memory of objects (§6.1) comes from what the detector saw, and is brought along.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from aia.clip import ClipKey, ClipSample, Slots
from aia.config import ScoreConfig
from aia.datasets.ava import seconds_of
from aia.datasets.loader import ClipFrames, scoring_batches
from aia.errors import InputError
from aia.evaluate.attention import attention_rows
from aia.log import progress, say
from aia.memory import FeaturePool, ObjectBank, recall, recall_objects, remembered_persons
from aia.network import arithmetic
from aia.run import Model, Run
from aia.video.store import FrameStore
from aia.video.transforms import AS_KEPT, View


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


@torch.inference_mode()
def score_clips(
    model: Model,
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
        model: The run and its network.
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
    run, network = model.run, model.network
    clips = [clip for clip in clips if len(clip.persons_xyxy)]
    if not clips:
        raise InputError("no clip has a person to score")
    passed: Iterable[ClipFeatures] = _first_pass(
        model, clips, stores, config=config, extend=extend, device=device, view=view
    )
    pool = None
    if run.name.memory == "objects":
        pool = _checked_bank(run, bank).pool
    elif network.remembers:  # else each batch is scored as it comes, and nothing is kept
        passed = list(passed)
        pool = _filled_pool(model, clips, passed, device)
    scores, rows = [], []
    by_key = {clip.key: clip for clip in clips}
    for features in passed:  # second pass
        keys, P, O, H, times_sec, _ = features
        M = None
        if pool is not None and run.memory is not None and bank is not None:
            reach = run.memory.reach
            where = P.features.device
            M = recall_objects(pool, keys, times_sec, reach=reach, reuse=True, device=where)
        elif pool is not None and run.memory is not None:
            kept = remembered_persons(keys, P, run.memory.persons_per_clip)
            reach = run.memory.reach
            M, _ = recall(pool, keys, kept, err=1.0, reach=reach, penalty=False, reuse=True)
        with arithmetic(device, config.precision):
            logits = network.actions(P, O, M, H).float()
        scores.append(_probabilities(logits[P.filled], run).float().cpu().numpy())
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
                    reach=run.memory.reach if run.memory else 0,
                    persons_per_clip=run.memory.persons_per_clip if run.memory else 1,
                )
                for place in wanted
            ]
    attention_table = pd.concat(rows) if rows else pd.DataFrame()
    return ScoredBoxes(_boxes_of(clips), np.concatenate(scores)), attention_table


def _first_pass(
    model: Model,
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
        span=model.run.backbone.span,
        strides=model.run.backbone.strides,
        extend=config.extend if extend else (0.0, 0.0),
        view=view,
    )
    batches = scoring_batches(frames, batch=config.batch, workers=config.workers)
    for batch in progress(batches, what=f"{model.run.name}  features, batch", total=len(batches)):
        batch = batch.to(device)
        with arithmetic(device, config.precision):
            P, O, H = model.network.features(batch)
            frozen = model.network.bank_backbone is not None
            bank = model.network.bank_persons(batch) if frozen else None
        yield ClipFeatures(batch.keys, P, O, H, batch.times_sec, bank)


def _filled_pool(
    model: Model,
    clips: Sequence[ClipSample],
    passed: Sequence[ClipFeatures],
    device: torch.device,
) -> FeaturePool:
    """Ω with the features of all clips: fresh ones, or the frozen backbone's."""
    assert model.run.memory is not None
    pool = FeaturePool(
        seconds=seconds_of(clips),
        persons_per_clip=model.run.memory.persons_per_clip,
        d=model.network.d,
        dtype=getattr(torch, model.run.memory.dtype),
        device=device,
    )
    for features in passed:
        P = features.P if features.bank is None else features.bank
        kept = remembered_persons(features.keys, P, model.run.memory.persons_per_clip)
        pool.write(features.keys, kept, loss_tag=1.0, step=0)
    say(f"{model.run.name}  memory pool: {len(clips)} clips of {len(pool.seconds)} videos")
    return pool


def _probabilities(
    logits: Float[Tensor, "persons classes"], run: Run
) -> Float[Tensor, "persons classes"]:
    """Sigmoid; with the focal loss, softmax over the poses (one at a time) as it was trained.

    Softmax over all classes, where exactly one is true.
    """
    if run.loss.kind == "softmax":
        return logits.softmax(dim=1)
    probabilities = logits.sigmoid()
    poses = [i for i, group in enumerate(run.classes.groups) if group == "PERSON_MOVEMENT"]
    if run.loss.kind == "focal" and poses:
        probabilities[:, poses] = logits[:, poses].softmax(dim=1)
    return probabilities


def _checked_bank(run: Run, bank: ObjectBank | None) -> ObjectBank:
    """The memory of objects, if it is the one that the run learned with."""
    if bank is None:
        raise InputError(
            f"{run.name}: remembers objects, but what the detector saw of them was not given "
            "(--object-features)"
        )
    seen_by = run.objects_seen.detector if run.objects_seen else None
    if bank.detector != seen_by:
        raise InputError(
            f"{run.name}: learned with what another detector saw (weights {seen_by}, "
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
