"""Person AP of a detector (§4.1): AP at IoU 0.5 of person boxes, without actions.

Missed persons get no action, so this bounds the frame mAP from above; recall at the threshold of
inference says by how much.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from aia.errors import InputError
from aia.evaluate.frame_map import average_precision, rank
from aia.evaluate.matching import match
from aia.evaluate.protocols import Protocol
from aia.labels import ClassList
from aia.tables import DetectionBlock, read_actions, read_boxes, read_excluded, write_metrics

_PERSON = ClassList(ids=(1,), names=("person",), groups=("",))
# Only annotated key frames count: a detector also runs on others.
_RULES = Protocol(order="stable", frames="listed", tie_sort="stable")


class PersonAP(NamedTuple):
    """Accuracy of person boxes, as fractions; NaN if there is nothing to divide by."""

    ap: float
    recall: float
    """Share of annotated persons that boxes above the threshold find."""
    precision: float
    """Share of boxes above the threshold that find a person."""
    persons: int
    boxes: int
    """Boxes on annotated key frames, at any score."""


def evaluate_persons(
    groundtruth: Path | str,
    boxes: Sequence[Path | str],
    *,
    excluded: Path | str | None = None,
    label: str = "person",
    threshold: float = 0.8,
    iou: float = 0.5,
) -> PersonAP:
    """Compare the boxes of a detector's files with annotations in AVA's format.

    Args:
        groundtruth: annotations; a person is a box, however many actions it has.
        boxes: tables of boxes, usually one for each video.
        excluded: key frames (video,second) that are left out.
        label: the detector's word for persons.
        threshold: score from which boxes count for recall and precision (§4.1 has 0.8).
        iou: least intersection over union of a hit.
    """
    truth = read_actions(groundtruth)
    tables = [read_boxes(path) for path in boxes]
    if not any(len(table) for table in tables):
        raise InputError(f"{', '.join(map(str, boxes)) or 'no file'}: no box in any of them")
    return person_ap(
        truth,
        tables,
        excluded=read_excluded(excluded),
        label=label,
        threshold=threshold,
        iou=iou,
    )


def person_ap(
    groundtruth: pd.DataFrame,
    boxes: Iterable[pd.DataFrame],
    *,
    excluded: Collection[tuple[str, int]] = (),
    label: str = "person",
    threshold: float = 0.8,
    iou: float = 0.5,
) -> PersonAP:
    """Compute the same from tables."""
    who = ["video", "time_sec", "x1", "y1", "x2", "y2", "person"]
    persons = groundtruth.drop_duplicates(who)
    persons = persons.assign(action=np.where(persons["action"] < 0, -1, 1))
    blocks = [_block(table[table["label"] == label]) for table in boxes]
    matches = match(persons, blocks, labels=_PERSON, excluded=excluded, iou=iou)
    (ranked,) = rank(matches, _RULES, 1)
    above = ranked.hit[ranked.score >= threshold]
    return PersonAP(
        ap=average_precision(ranked),
        recall=float(above.sum() / ranked.truths) if ranked.truths else np.nan,
        precision=float(above.mean()) if len(above) else np.nan,
        persons=ranked.truths,
        boxes=len(ranked.score),
    )


def write_person_ap(path: Path | str, result: PersonAP, *, iou: float = 0.5) -> None:
    """Write the three numbers as metric,class_id,class_name,value."""
    rows = (
        (f"person AP@{iou:g}", result.ap),
        (f"person recall@{iou:g}", result.recall),
        (f"person precision@{iou:g}", result.precision),
    )
    write_metrics(path, [(metric, None, "person", value) for metric, value in rows])


def _block(boxes: pd.DataFrame) -> DetectionBlock:
    number, names = pd.factorize(boxes["video"])
    return DetectionBlock(
        videos=tuple(names),
        video=number,
        time_sec=boxes["time_sec"].to_numpy(),
        xyxy=boxes[["x1", "y1", "x2", "y2"]].to_numpy(np.float64),
        action=np.ones(len(boxes), np.int64),
        score=boxes["score"].to_numpy(np.float64),
    )
