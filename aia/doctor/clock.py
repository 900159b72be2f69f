"""Detections whose times are of another clock: shifted, in other units, not on whole seconds.

Every box votes for the differences of time at which a person of its video stands where it is.
Where persons hardly move, many differences find them; then the mAP decides.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float

from aia.boxes import iou_matrix
from aia.doctor.detections import DetectionSet
from aia.doctor.finding import Finding
from aia.doctor.truth import FEW, SIDES, GroundTruth, where_better

_VOTERS, _PERSONS = 150, 3000  # of a video
_COMMON, _OWN = 12, 4  # differences that are tried for all videos, for each
_NEAR = 0.03  # of mean IoU: as good
_SEEN = 0.1  # mean IoU below which no difference is the common one, and mAP tells nothing
_RATES = (24, 25, 30)
_UNITS = {"in milliseconds": 1000.0} | {
    f"in frames at {rate:g} a second": rate
    for rate in (30, 29.97, 25, 24, 23.976, 15, 12, 10, 8, 50, 60)
}
_OTHER_RATES = {
    f"of another rate: {real} frames a second were counted as {taken}": real / taken
    for real in _RATES
    for taken in _RATES
    if real != taken
}


def clock(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Times are of another clock: too early or late, in frames, of another rate, not whole.

    Recognised by the times at which boxes cover persons best.
    The user should write the seconds of the key frames as the ground truth has them.
    """
    best, base, unit = shifted(scores, truth), scores, ""
    others = [(name, replace(scores, time_sec=some)) for name, some in _other_times(scores, truth)]
    for shift in (False, True):
        if truth.found(best or scores) >= 0.5:
            break
        for name, changed in others:
            if not shift:
                better = where_better(scores, changed, truth)
            else:
                better = None if name in _OTHER_RATES else shifted(changed, truth)
            least = truth.overlap(best or scores).iou.mean() + _NEAR
            if better and truth.overlap(better).iou.mean() > least:
                best, base, unit = better, changed, name
    moved = shifted(base, truth) if unit else None
    if moved and best and truth.overlap(moved).iou.mean() > truth.overlap(best).iou.mean() + _NEAR:
        best = moved
    return None if best is None else _finding(scores, best, base, unit, truth)


def shifted(scores: DetectionSet, truth: GroundTruth) -> DetectionSet | None:
    """Add the difference of times, common or each video's own, that covers persons better."""
    votes = _votes(scores, truth)
    if not len(votes):
        return None
    common = votes.groupby("offset")["weight"].sum().nlargest(_COMMON).index
    tried = {some: truth.overlap(_moved(scores, some)).iou for some in (0.0, *common, 1.0, -1.0)}
    top = max(iou.mean() for iou in tried.values())
    near = [offset for offset, iou in tried.items() if iou.mean() >= top - _NEAR]
    undecided = len(near) > 1 and top >= _SEEN
    maps = {some: truth.trial_map(_moved(scores, some)) if undecided else 0.0 for some in near}
    chosen = max(near, key=lambda offset: maps[offset] + tried[offset].mean())
    if tried[chosen].mean() <= tried[0.0].mean():  # it must bring boxes to annotated key frames
        listed = truth.annotations["key"]
        both = scores, _moved(scores, chosen)
        there = [np.isin(truth.key(some), listed).sum() for some in both]
        chosen = chosen if there[1] > there[0] else 0.0

    offsets = np.full(len(truth.videos), chosen)
    best = truth.by_video(tried[chosen]) + 0.05
    persons = np.bincount(truth.persons["place"], minlength=len(truth.videos))
    votes = votes.sort_values("weight", ascending=False, kind="stable")
    video = truth.place(scores)
    for place in range(_OWN):
        own = votes.groupby("video")["offset"].nth(place)
        tries = np.full(len(truth.videos), chosen)
        tries[votes.loc[own.index, "video"]] = own
        now = truth.by_video(truth.overlap(_moved(scores, np.append(tries, chosen)[video])).iou)
        better = (now > best) & (persons >= FEW)
        offsets[better], best[better] = tries[better], now[better]
    if not offsets.any():
        return None
    return where_better(scores, _moved(scores, np.append(offsets, chosen)[video]), truth)


def _votes(scores: DetectionSet, truth: GroundTruth) -> pd.DataFrame:
    """How strongly each difference (ground truth less detection) is supported in each video."""
    at, time_sec = truth.persons["place"].to_numpy(), truth.persons["time_sec"].to_numpy()
    persons_xyxy = truth.persons[SIDES].to_numpy(np.float64)
    random = np.random.default_rng(0)
    place = np.where(scores.used(), truth.place(scores), -1)
    votes = [pd.DataFrame({"video": [], "offset": [], "weight": []})]
    for video in np.unique(place[place >= 0]):
        boxes = random.permutation(np.flatnonzero(place == video))[:_VOTERS]
        there = random.permutation(np.flatnonzero(at == video))[:_PERSONS]
        overlap = iou_matrix(scores.xyxy[boxes], persons_xyxy[there])
        box, person = np.nonzero(overlap >= truth.iou)
        offset = np.round(time_sec[there[person]] - scores.time_sec[boxes[box]], 3)
        weight = pd.Series(overlap[box, person] ** 2).groupby(offset).sum()
        votes.append(
            pd.DataFrame({"video": video, "offset": weight.index, "weight": weight.to_numpy()})
        )
    return pd.concat([some for some in votes if len(some)] or votes, ignore_index=True)


def _other_times(
    scores: DetectionSet, truth: GroundTruth
) -> Iterator[tuple[str, Float[np.ndarray, " boxes"]]]:
    """Yield times in seconds if they were in other units; rounded, where the ground truth is."""
    times, annotated = scores.time_sec, truth.table["time_sec"].to_numpy()
    whole = bool((annotated % 1 == 0).all())
    if whole and (times % 1 != 0).any():
        yield "not on whole seconds: rounded", np.rint(times)
        yield "not on whole seconds: cut", np.floor(times)
        yield "not on whole seconds: the next one", np.ceil(times)
    units = _UNITS if np.ptp(times) > 3 * np.ptp(annotated) else _OTHER_RATES
    for name, factor in units.items():
        yield name, np.rint(times / factor) if whole else times / factor


def _moved(scores: DetectionSet, offset: float | np.ndarray) -> DetectionSet:
    return replace(scores, time_sec=np.round(scores.time_sec + offset, 6))


def _finding(
    scores: DetectionSet, fixed: DetectionSet, base: DetectionSet, unit: str, truth: GroundTruth
) -> Finding:
    """Describe the change from `base` (times in seconds, where they were in a unit) to `fixed`."""
    changed = (fixed.time_sec != scores.time_sec) & scores.used()
    offset = pd.Series(np.round(fixed.time_sec - base.time_sec, 6)[changed])
    video = np.array(scores.videos, object)[scores.video[changed]]
    offset = offset.groupby(video, sort=False).first()
    offset = offset[offset != 0]
    words = [f"times are {unit}"] if unit else []
    fix = "write the seconds of the key frames as the ground truth has them"
    if offset.nunique() == 1:
        first = offset.iloc[0]
        late = "late" if first < 0 else "early"
        words.append(f"clock offset: detections are {abs(first):g} s too {late}")
        fix = f"add {first:g} s to their times"
    elif len(offset):
        words.append(f"clock offset by video: {offset.min():g} to {offset.max():g} s are missing")
        few = ", ".join(f"{name} {value:+g} s" for name, value in offset.head().items())
        fix = f"add to each video's times: {few}{', ...' if len(offset) > 5 else ''}"
    extent = f" in {len(offset)} of {len(truth.videos)} videos" if len(offset) else ""
    return Finding(
        finding=f"{' and '.join(words)}{extent}; {truth.evidence(scores, fixed)}",
        where=scores.rows_of(changed),
        cause="seconds were counted from another start (of a cut video, of the annotated part, "
        "from 1 or 0, from a clip's middle), or are frame numbers",
        fix=fix,
        fixed=fixed,
    )
