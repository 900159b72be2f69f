"""Look, fix, evaluate again, look again: from a file of detections to findings.

Videos, times and corners come first: with them wrong, nothing can be told of classes and scores.
Then classes and scores, then rows, and at last what is not in the file at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aia.doctor import boxes, classes, rows, videos
from aia.doctor.clock import clock
from aia.doctor.detections import DetectionSet
from aia.doctor.finding import SEPARATOR, Finding
from aia.doctor.reading import lines_of, read_detection_set
from aia.doctor.truth import GroundTruth
from aia.evaluate.frame_map import read_groundtruth
from aia.evaluate.protocols import protocol_named
from aia.tables import read_excluded

Symptom = Callable[[DetectionSet, GroundTruth], Finding | None]

_BOXES: tuple[Symptom, ...] = (boxes.box_form, clock, boxes.scaled_or_shifted)
_CLASSES: tuple[Symptom, ...] = (classes.shifted_ids, classes.exchanged_ids)
_ROWS: tuple[Symptom, ...] = (
    classes.unknown_ids, rows.duplicates, rows.several_boxes_a_person, rows.unlisted_key_frames,
)  # fmt: skip
_ROUNDS = 5  # of looking at boxes
_SHOWN = 3  # rows of an example


class Diagnosis(NamedTuple):
    """Findings about a file of detections."""

    findings: list[Finding]
    """The greatest gain of mAP first."""
    map_before: float
    """Frame mAP of the file as it is, as a fraction."""
    map_after: float
    """Frame mAP with all fixed that the file allows."""
    rows: int


def diagnose(
    scores: Path | str,
    groundtruth: Path | str,
    *,
    labels: Path | str | None = None,
    excluded: Path | str | None = None,
    protocol: str = "paper",
    iou: float = 0.5,
    frames: Sequence[Path | str] = (),
) -> Diagnosis:
    """Explain a low frame mAP.

    Args:
        scores: detections as CSV of AVA's form or (named *.parquet) a table of scores, faulty ones
            too.
        groundtruth: annotations in AVA's format, which must be right.
        labels: the classes that are evaluated; those of the ground truth without it.
        excluded: key frames (video,second) that are left out.
        protocol: one of `aia.evaluate.protocols.PROTOCOLS`.
        iou: least intersection over union of a hit.
        frames: frame stores, whose frames' sizes are tried for boxes in pixels.

    Raises:
        InputError: the detections cannot be taken apart into rows, or another file is wrong.
    """
    table, classes_evaluated = read_groundtruth(groundtruth, labels=labels, iou=iou)
    truth = GroundTruth(
        table=table,
        labels=classes_evaluated,
        listed=labels is not None,
        protocol=protocol_named(protocol),
        iou=iou,
        excluded=read_excluded(excluded),
        sizes_wh=_sizes(frames),
    )
    return Diagnoser(Path(scores), read_detection_set(Path(scores)), truth).run()


class Diagnoser:
    """One file on its way from symptom to symptom; what is found is fixed before the next."""

    def __init__(self, path: Path, scores: DetectionSet, truth: GroundTruth) -> None:
        self.path, self.file, self.scores, self.truth = path, scores, scores, truth
        self.map = truth.mean_ap(scores)
        self.findings: list[Finding] = []

    def run(self) -> Diagnosis:
        """Go through all symptoms."""
        first_map = self.map
        if not self._look(rows.nothing):
            self._look(videos.other_names)
            if not self._look(videos.wrong_split):
                self._look_inside()
        ranked = sorted(self.findings, key=lambda one: -one.gain)
        return Diagnosis(ranked, first_map, self.map, len(self.file))

    def _look_inside(self) -> None:
        self._look(boxes.pixels)
        self._look_at_boxes()
        self._look(boxes.boxes_elsewhere)
        while any([self._look(symptom) for symptom in _CLASSES]) and len(self.findings) < 12:
            self._look_at_boxes()
        for symptom in _ROWS:
            self._look(symptom)
        if not self._look(rows.high_threshold):
            self._look(rows.empty_key_frames)
            self._look(classes.missing_classes)

    def _look_at_boxes(self) -> None:
        """Fix what covers the persons best, and look again."""
        for _ in range(_ROUNDS):
            found = [one for symptom in _BOXES if (one := symptom(self.scores, self.truth))]
            if not found:
                return
            self._add(max(found, key=self._covered))

    def _covered(self, finding: Finding) -> float:
        return round(self.truth.overlap(finding.fixed or self.scores).iou.mean(), 2)

    def _look(self, symptom: Symptom) -> bool:
        finding = symptom(self.scores, self.truth)
        if finding is not None:
            self._add(finding)
        return finding is not None

    def _add(self, finding: Finding) -> None:
        """Fix it, and measure what that brings."""
        before, after = self.map, finding.map_after
        if finding.fixed is not None:
            self.scores = finding.fixed
            self.map = after = self.truth.mean_ap(self.scores)
        some = np.sort(finding.where)[:_SHOWN]
        self.findings.append(
            replace(
                finding,
                share=finding.rows / max(len(self.file), 1),
                map_before=before,
                map_after=before if after is None else after,
                example=SEPARATOR.join(lines_of(self.path, self.file, some)),
            )
        )


def _sizes(frames: Sequence[Path | str]) -> dict[str, tuple[int, int]]:
    if not frames:
        return {}
    from aia.video.store import readable_stores

    return {video: store.size_hw[::-1] for video, store in readable_stores(frames).items()}
