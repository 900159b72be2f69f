"""Look, mend, evaluate again, look again: from a file of detections to findings.

Films, times and corners come first: with them wrong, nothing can be told of classes and scores.
Then ids and scores, then rows, and at last what is not in the file at all.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aia.doctor import absent, classes, clock, geometry, names, numbers, rows
from aia.doctor.case import Case, Symptom
from aia.doctor.detections import Detections
from aia.doctor.finding import SEPARATOR, Finding
from aia.doctor.formats import FORMATS, TURNS, in_order
from aia.doctor.reading import ScoreFile, lines_of, read_score_file
from aia.doctor.scaling import fit_affine
from aia.errors import InputError
from aia.evaluate.protocols import protocol_named
from aia.labels import ClassList, read_labels
from aia.tables import read_actions, read_excluded

Look = Callable[[Case], Symptom | None]

_FILES: tuple[Look, ...] = (names.other_names, numbers.pixels)
_BOXES: tuple[Look, ...] = (
    geometry.box_format, geometry.swapped_corners, clock.clock, geometry.scaled_or_shifted,
)  # fmt: skip
_CLASSES: tuple[Look, ...] = (
    classes.ids_or_inverted_scores, classes.exchanged_classes, classes.score_range,
)  # fmt: skip
_ROWS: tuple[Look, ...] = (
    rows.unknown_ids, rows.duplicates, rows.order_of_rows,
    rows.several_boxes_a_person, rows.excluded_key_frames, rows.unlisted_key_frames,
)  # fmt: skip
_SCORES: tuple[Look, ...] = (absent.constant_scores, absent.ties)
_LITTLE = 0.3  # of the persons have a box; one mend does not explain it
_ROUNDS = 5  # of looking at boxes
_SHOWN = 3  # rows of an example


class Diagnosis(NamedTuple):
    """What is wrong with a file of detections."""

    findings: list[Finding]
    """The greatest gain of mAP first."""
    map_before: float
    """Of the file as it is, as a fraction."""
    map_after: float
    """With all mended that the file allows."""
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
    if not 0 < iou <= 1:
        raise InputError(f"iou is {iou}, expected more than 0 and at most 1")
    truth = read_actions(groundtruth)
    present = tuple(int(i) for i in np.unique(truth["action"][truth["action"] >= 0]))
    if labels is None:
        listed = ClassList(present, tuple(f"action {i}" for i in present), ("",) * len(present))
    else:
        listed = read_labels(labels)
    if not set(present) & set(listed.ids):
        raise InputError(
            f"{groundtruth}: none of its {len(present)} actions is "
            f"{'there' if labels is None else f'in {labels}'}; do the files belong together?"
        )
    file = read_score_file(scores)
    case = Case(
        detections=file.detections,
        truth=truth,
        labels=listed,
        listed=labels is not None,
        excluded=read_excluded(excluded),
        protocol=protocol_named(protocol),
        iou=iou,
        sizes_hw=_sizes(frames),
    )
    return _Course(scores, file, case).diagnosis()


class _Course:
    """One file on its way from symptom to symptom."""

    def __init__(self, path: Path | str, file: ScoreFile, case: Case) -> None:
        self.path, self.file, self.case = path, file, case
        self.rows = len(file.detections) + len(file.no_numbers)
        self.map = self.first_map = case.mean_ap() if len(file.detections) else 0.0
        self.findings: list[Finding] = []

    def diagnosis(self) -> Diagnosis:
        """Go through all symptoms."""
        self._of_file()
        if len(self.case.detections):
            for look in _FILES:
                self._look(look)
            as_they_were = self.case.detections.xyxy
            self._boxes()
            if self.case.detections.xyxy is as_they_were:
                self._look(numbers.beyond_the_frame)
            self._look(geometry.boxes_elsewhere)
            while any([self._look(look) for look in _CLASSES]) and len(self.findings) < 12:
                self._boxes()
            for look in _ROWS:
                self._look(look)
            if not self._look(absent.high_threshold):
                self._look(absent.no_detections)
                self._look(absent.missing_classes)
            for look in _SCORES:
                self._look(look)
        ranked = sorted(self.findings, key=lambda one: -one.gain)
        return Diagnosis(ranked, self.first_map, self.map, self.rows)

    def _boxes(self) -> None:
        """Mend what covers the persons best, and look again."""
        for _ in range(_ROUNDS):
            found = [symptom for look in _BOXES if (symptom := look(self.case)) is not None]
            if all(self._covers_little(one) for one in [None, *found]):
                both = two_mistakes(self.case)
                found = [both] if both else found
            if not found:
                return
            self._accept(max(found, key=lambda one: round(self.case.seen(one.mended).mean(), 2)))

    def _covers_little(self, symptom: Symptom | None) -> bool:
        return self.case.seen(symptom and symptom.mended).found(self.case.iou) < _LITTLE

    def _look(self, look: Look) -> bool:
        symptom = look(self.case)
        return symptom is not None and self._accept(symptom)

    def _accept(self, symptom: Symptom) -> bool:
        """Mend and evaluate; whether it is a finding."""
        before = self.map if symptom.before is None else symptom.before
        mended_map = self.map
        if symptom.mended is not None and symptom.after is None:
            if not symptom.certain and symptom.before is None and self._hopeless(symptom):
                return False
            mended_map = self.case.mean_ap(symptom.mended)
        after = mended_map if symptom.after is None else symptom.after
        enough = after >= before + symptom.least_gain and after >= before * symptom.least_ratio
        if not symptom.certain and not enough:
            return False
        examples = lines_of(self.path, self.file, np.sort(symptom.rows)[:_SHOWN])
        self.findings.append(
            Finding(
                finding=symptom.finding,
                rows=len(symptom.rows),
                share=len(symptom.rows) / max(self.rows, 1),
                map_before=before,
                map_after=after,
                example=SEPARATOR.join(examples),
                cause=symptom.cause,
                mend=symptom.mend,
                estimated=symptom.mended is None,
            )
        )
        if symptom.mended is not None:
            self.case, self.map = self.case.having(symptom.mended), mended_map
        return True

    def _hopeless(self, symptom: Symptom) -> bool:
        """Whether some films already tell that the gain is far too small."""
        trial = self.case.trial()
        if trial is self.case or symptom.mended is None:
            return False
        after = self.case.having(symptom.mended).trial().mean_ap()
        return after < trial.mean_ap() + symptom.least_gain / 2

    def _of_file(self) -> None:
        """Values that are no numbers, and a header."""
        if self.file.header:
            self._accept(
                Symptom(
                    finding="the file begins with the names of its columns",
                    rows=np.zeros(0, np.int64),
                    cause="it was written with a header, which AVA's files do not have",
                    mend="leave the first line out",
                    certain=True,
                    after=self.map,
                )
            )
        if not self.rows:
            self._accept(
                Symptom(
                    finding="no detections: the file is empty",
                    rows=np.zeros(0, np.int64),
                    cause="a threshold on persons or scores leaves no boxes, or the run broke off",
                    mend="lower the threshold and score again",
                    certain=True,
                )
            )
        if len(self.file.no_numbers):
            self._accept(
                Symptom(
                    finding=f"{len(self.file.no_numbers)} rows hold a value that is no number, or "
                    "a class that is not whole",
                    rows=self.file.no_numbers,
                    cause="training diverged, or the rows were cut",
                    mend="leave these rows out (they are left out in all that follows)",
                    certain=True,
                    after=self.map,
                )
            )


def two_mistakes(case: Case) -> Symptom | None:
    """A wrong format or turn of boxes that only shows once another mistake is mended, too."""
    found, best, best_iou = case.detections, None, case.seen().mean() + 0.15
    for form in FORMATS + TURNS:
        changed = replace(found, xyxy=in_order(form.to_xyxy(found.xyxy)))
        follower = _best_after(case.having(changed))
        reached = case.seen(follower).mean()
        if reached > best_iou + 0.01 and geometry.believable(case, follower):
            best, best_iou = (form, changed), reached
    if best is None:
        return None
    return Symptom(
        finding=f"{best[0].is_wrong} (it shows once the next mistake is mended, too)",
        rows=found.row,
        cause="the program that wrote them keeps boxes in another way than AVA's files do",
        mend=best[0].mend,
        mended=best[1],
        certain=True,
    )


def _best_after(case: Case) -> Detections:
    """The detections with the one mend more that covers the persons best."""
    found = case.detections
    affine = fit_affine(case)
    boxes = [form.to_xyxy(found.xyxy) for form in TURNS]
    boxes += [affine.of(found.xyxy)] if affine else []
    options = [replace(found, xyxy=some) for some in boxes]
    moved = clock.shifted(case)
    options += [moved.detections] if moved else []
    return max(options, key=lambda option: case.seen(option).mean())


def _sizes(frames: Sequence[Path | str]) -> dict[str, tuple[int, int]]:
    if not frames:
        return {}
    from aia.video.store import readable_stores

    return {video: store.size_hw for video, store in readable_stores(frames).items()}
