"""Two-pass scoring: first fill Ω with the features of every clip, then score each with its memory.

In training the memory holds features of earlier steps; at inference it can be fresh, so the first
pass extracts all features once and the second runs IA and the classifier alone. A network without
M-Blocks needs the first pass only for its features. A frozen bank (LFB, "w/o AMU" in Table 1e) is
filled in the first pass by the network's frozen backbone; all else is from the trained one. A
memory of objects (§6.1) is read from the detector's features.
"""

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from aia.clip import Batch, ClipKey, ClipSample, Slots
from aia.config import ScoreConfig
from aia.datasets.ava import seconds_of
from aia.datasets.loader import ClipFrames, scoring_batches
from aia.errors import InputError
from aia.evaluate.attention import attention_rows
from aia.log import progress, say
from aia.memory import Memory, ObjectBank, build_memory
from aia.network import arithmetic
from aia.run import Model, Run
from aia.video.store import FrameStore
from aia.video.transforms import AS_KEPT, View


class ScoredBoxes(NamedTuple):
    """Persons with a score for each class."""

    boxes: pd.DataFrame
    """Table of video, time_sec, x1, y1, x2, y2, score (the detector's), perhaps segment."""
    scores: Float[np.ndarray, "boxes classes"]


class ClipFeatures(NamedTuple):
    """Result of the first pass for some clips."""

    batch: Batch
    """Batch without its frames."""
    P: Slots
    O: Slots
    H: Slots | None


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
    """Score every person of every clip, and keep the attention of some clips.

    Args:
        model: The run and its network.
        clips: The clips to score; they also are the memory of each other.
        stores: Frames of every video.
        config: Batch size, growth of boxes.
        extend: If True, boxes grow for RoIAlign (detected ones do).
        device: Device to compute on.
        view: Size and mirroring of all clips, also of those in the memory.
        attention_of: Clips whose attention is kept.
        bank: Memory of a run that remembers objects.

    Returns:
        Boxes with scores in the clips' order, never mirrored, and the rows of aia.tables.attention.
    """
    run, network = model.run, model.network
    clips = [clip for clip in clips if clip.queries]
    if not clips:
        raise InputError("no clip has a person to score")
    run.check_queries(clips)
    memory = build_memory(
        run.name,
        run.memory,
        seconds=seconds_of(clips),
        d=network.d,
        device=device,
        objects=_checked_bank(run, bank),
    )
    passes = Passes(model, memory, precision=config.precision, device=device)
    frames = ClipFrames(
        clips=clips,
        stores=stores,
        span=run.backbone.span,
        strides=run.backbone.strides,
        extend=config.extend if extend else (0.0, 0.0),
        view=view,
    )
    batches = scoring_batches(frames, batch=config.batch, workers=config.workers)
    shown = progress(batches, what=f"{run.name}  features, batch", total=len(batches))
    passed: Iterable[ClipFeatures] = map(passes.first, shown)
    if memory.filled_first:  # else each batch is scored as it comes
        passed = list(passed)
        say(f"{run.name}  memory pool: {len(clips)} clips of {len(seconds_of(clips))} videos")
    scores, rows = [], []
    by_key = {clip.key: clip for clip in clips}
    for features in passed:
        found, M = passes.second(features)
        scores.append(found)
        keys = features.batch.keys
        wanted = {n: by_key[key] for n, key in enumerate(keys) if key in attention_of}
        rows += passes.attention(features, M, of=wanted, clips=by_key)
    attention_table = pd.concat(rows) if rows else pd.DataFrame()
    return ScoredBoxes(_boxes_of(clips), np.concatenate(scores)), attention_table


class Passes:
    """The two passes over a batch of clips, and the memory between them.

    Args:
        model: The run and its network.
        memory: Filled by the first pass, read by the second.
        precision: Of the arithmetic, see `aia.network.arithmetic`.
        device: Device of the network.
    """

    def __init__(
        self, model: Model, memory: Memory, *, precision: str, device: torch.device
    ) -> None:
        self.model, self.memory = model, memory
        self.precision, self.device = precision, device

    @torch.inference_mode()
    def first(self, batch: Batch, remember: Sequence[int] | None = None) -> ClipFeatures:
        """Compute the features of a batch of clips, and fill the memory with them.

        Args:
            batch: The clips.
            remember: Places of those that are remembered; None: all of them.
        """
        network = self.model.network
        batch = batch.to(self.device)
        with arithmetic(self.device, self.precision):
            P, O, H = network.features(batch)
            remembered = network.persons_to_remember(batch, P)
        if remember is None or len(remember) == len(batch.keys):
            self.memory.fill(batch, remembered)
        elif remember:
            chosen = Slots(*(part[list(remember)] for part in remembered))
            self.memory.fill(batch._replace(keys=[batch.keys[n] for n in remember]), chosen)
        return ClipFeatures(batch._replace(frames=batch.frames.new_empty(0)), P, O, H)

    @torch.inference_mode()
    def second(
        self, features: ClipFeatures
    ) -> tuple[Float[np.ndarray, "persons classes"], Slots | None]:
        """Compute the scores of a batch, clip after clip, and the memory M_t that it read."""
        batch, P, O, H = features
        M = self.memory.read(batch, P, err=1.0, step=0).M
        with arithmetic(self.device, self.precision):
            logits = self.model.network.actions(P, O, M, H).float()
        found = _probabilities(logits[P.filled], self.model.run)
        return found.float().cpu().numpy(), M

    @torch.inference_mode()
    def attention(
        self,
        features: ClipFeatures,
        M: Slots | None,
        *,
        of: Mapping[int, ClipSample],
        clips: Mapping[ClipKey, ClipSample],
    ) -> list[pd.DataFrame]:
        """Build the rows of attention of some clips of a batch.

        Args:
            features: The batch.
            M: The memory that it read.
            of: The clips, by their place in the batch.
            clips: All clips that are remembered.
        """
        _, P, O, H = features
        interaction, memory = self.model.network.interaction, self.model.run.memory
        if interaction is None or not of:
            return []
        slots = (P, O, M) if H is None else (P, O, M, H)
        attention = interaction.forward_with_attention(*slots).attention
        return [
            attention_rows(
                clip,
                {block: weights[place].cpu().numpy() for block, weights in attention.items()},
                clips=ChainMap({clip.key: clip}, dict(clips)),
                reach=memory.reach if memory else 0,
                persons_per_clip=memory.persons_per_clip if memory else 1,
            )
            for place, clip in of.items()
        ]


def _probabilities(
    logits: Float[Tensor, "persons classes"], run: Run
) -> Float[Tensor, "persons classes"]:
    """Apply the sigmoid; with the focal loss, softmax over the poses (one at a time).

    If exactly one class is true, softmax over all classes.
    """
    if run.loss.kind == "softmax":
        return logits.softmax(dim=1)
    probabilities = logits.sigmoid()
    poses = [i for i, group in enumerate(run.classes.groups) if group == "PERSON_MOVEMENT"]
    if run.loss.kind == "focal" and poses:
        probabilities[:, poses] = logits[:, poses].softmax(dim=1)
    return probabilities


def _checked_bank(run: Run, bank: ObjectBank | None) -> ObjectBank | None:
    """Check that the bank of objects is of the detector that the run learned with."""
    seen_by = run.objects_seen.detector if run.objects_seen else None
    if bank is not None and run.objects_seen is not None and bank.detector != seen_by:
        raise InputError(
            f"{run.name}: learned with another detector's objects (weights {seen_by}, "
            f"these are {bank.detector}); detect the objects again with the same weights"
        )
    return bank


class _Shown(NamedTuple):
    """Box and detector's score of a query in a table of scores."""

    persons_xyxy: Float[np.ndarray, "queries 4"]
    persons_score: Float[np.ndarray, " queries"]


_WHOLE = _Shown(np.array([[0, 0, 1, 1]], np.float32), np.ones(1, np.float32))
"""Box and score of a clip as a whole."""


def _boxes_of(clips: Sequence[ClipSample]) -> pd.DataFrame:
    counts = [clip.queries for clip in clips]
    shown = [clip if clip.query == "persons" else _WHOLE for clip in clips]
    xyxy = np.concatenate([one.persons_xyxy for one in shown])
    boxes = pd.DataFrame(
        {
            "video": np.repeat([clip.key.video for clip in clips], counts),
            "time_sec": np.repeat([clip.time_sec for clip in clips], counts),
            **{name: xyxy[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))},
            "score": np.concatenate([one.persons_score for one in shown]),
        }
    )
    if all(clip.segment is not None for clip in clips):
        boxes["segment"] = np.repeat([clip.segment for clip in clips], counts)
    return boxes
