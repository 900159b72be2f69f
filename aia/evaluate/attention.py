"""Attention of each person to persons, objects and seconds, as rows of a table (Fig. 4)."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from aia.clip import ClipKey, ClipSample
from aia.memory import sampled
from aia.tables.attention import ATTENTION_COLUMNS


def choose_clips(clips: Sequence[ClipSample], most: int) -> list[ClipKey]:
    """Choose clips whose persons do the rarest actions, one clip for each action.

    Runs can be compared on the same clips, as the choice does not depend on any run.
    """
    labelled = [clip for clip in clips if clip.queries]
    if not labelled:
        return []
    marks = np.stack([clip.labels.max(axis=0) for clip in labelled])
    counts = marks.sum(axis=0)
    chosen: list[int] = []
    for action in np.argsort(np.where(counts > 0, counts, np.iinfo(np.int64).max), kind="stable"):
        candidates = [int(i) for i in np.flatnonzero(marks[:, action]) if i not in chosen]
        if candidates and len(chosen) < most:  # the middle one: memory on both sides
            chosen.append(candidates[len(candidates) // 2])
    return [labelled[i].key for i in sorted(chosen)]


def attention_rows(
    clip: ClipSample,
    weights: Mapping[str, Float[np.ndarray, "persons slots"]],
    *,
    clips: Mapping[ClipKey, ClipSample],
    reach: int,
    persons_per_clip: int,
) -> pd.DataFrame:
    """Build a row for each target person, block and filled slot of one clip.

    Args:
        clip: Clip whose persons are the targets.
        weights: Softmax over the slots, by block (P1, O1, M1, P2 ...).
        clips: All clips that were scored; they are the memory of each other.
        reach: L, seconds on each side.
        persons_per_clip: Memory slots of each second.
    """
    parts = [pd.DataFrame(columns=list(ATTENTION_COLUMNS))]
    for block, weight in weights.items():
        seconds, slots, boxes, places = _attended(
            clip,
            block[0],
            most=weight.shape[1],
            clips=clips,
            reach=reach,
            persons_per_clip=persons_per_clip,
        )
        for target, target_xyxy in enumerate(clip.persons_xyxy):
            part = {
                "video": clip.key.video,
                "time_sec": clip.time_sec,
                "target": target,
                **_corners("target_", np.tile(target_xyxy, (len(places), 1))),
                "block": block,
                "slot_sec": seconds,
                "slot": slots,
                **_corners("", boxes),
                "weight": weight[target, places],
            }
            parts.append(pd.DataFrame(part, index=range(len(places))))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else parts[0]


def _attended(
    clip: ClipSample,
    kind: str,
    *,
    most: int,
    clips: Mapping[ClipKey, ClipSample],
    reach: int,
    persons_per_clip: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """List second, number in its second, box and place in the softmax of every filled slot."""
    if kind != "M":
        persons = clip.persons_xyxy if clip.query == "persons" else clip.hands_xyxy
        present = (persons if kind == "P" else clip.objects_xyxy)[:most]  # a block sees so many
        order = np.arange(len(present))
        return np.full(len(present), clip.time_sec), order, present, order
    seconds: list[float] = []
    numbers: list[int] = []
    places: list[int] = []
    boxes = [np.zeros((0, 4), np.float32)]
    for step, t in enumerate(range(clip.key.t - reach, clip.key.t + reach + 1)):
        remembered = clips.get(ClipKey(clip.key.video, t))
        if remembered is None:
            continue
        kept = sampled(remembered.key, len(remembered.persons_xyxy), persons_per_clip)
        seconds += [remembered.time_sec] * len(kept)
        numbers += kept.tolist()
        boxes.append(remembered.persons_xyxy[kept])
        places += range(step * persons_per_clip, step * persons_per_clip + len(kept))
    return (
        np.array(seconds, np.float64),
        np.array(numbers, np.int64),
        np.concatenate(boxes),
        np.array(places, np.int64),
    )


def _corners(prefix: str, xyxy: Float[np.ndarray, "boxes 4"]) -> dict[str, np.ndarray]:
    return {f"{prefix}{name}": xyxy[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))}
