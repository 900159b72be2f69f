"""Key frames with boxes: each person's predicted and true actions, the detector's boxes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aia.boxes import iou_matrix
from aia.errors import InputError
from aia.labels import ClassList
from aia.report import style
from aia.report.choice import Second, by_second, choose_seconds, spread
from aia.report.drawing import XYXY, Videos, draw_box, show_frame, tag_box, write_lines
from aia.tables import ScoreTable

COLUMNS = 3
LINE = 46
"""Letters that fit below a picture."""
MOST_PERSONS = 6
"""Persons of one picture that are written about."""
LINE_HEIGHT = 0.17
"""Inches of a line below a picture."""
SAME_IOU = 0.5
"""Overlap from which a detected box is an annotated person's (§4.1)."""
_DETECTED = {"person": style.BLUE, "object": style.ORANGE}


class Judged(NamedTuple):
    """Person of a key frame with their actions, each with its score."""

    xyxy: Float[np.ndarray, "4"]
    right: dict[str, float]
    """Actions predicted and true."""
    wrong: dict[str, float]
    """Actions predicted and not true."""
    missed: dict[str, float]
    """Actions true and not predicted."""
    known: bool
    """True if a person is annotated here; else the detector alone sees one."""


def draw_keyframes(
    videos: Videos,
    actions: pd.DataFrame,
    scores: ScoreTable,
    labels: ClassList,
    output: Path | str,
    *,
    excluded: Collection[tuple[str, int]] = (),
    threshold: float = 0.5,
    most: int = 12,
) -> None:
    """Draw a grid of key frames, each person with a number, their actions below the picture.

    Args:
        videos: Frames.
        actions: Annotations.
        scores: Scores of the network.
        labels: Names of the classes.
        output: PNG, SVG or PDF.
        excluded: Seconds that are not scored.
        threshold: Score from which a class counts as predicted.
        most: Number of key frames.
    """
    true = by_second(actions[actions["action"] >= 0])
    scored = by_second(scores.boxes.assign(row=np.arange(len(scores.boxes))))
    candidates = {
        second: rows
        for second, rows in true.items()
        if second.video in videos and second not in excluded and second in scored
    }
    if not candidates:
        raise InputError(
            "no annotated key frame has both frames and scores; are they of the same data set?"
        )
    persons = {
        second: judge(true[second], scored[second], scores, labels, threshold=threshold)
        for second in choose_seconds(candidates, most=most)
    }
    fullest = min(max(map(len, persons.values())), MOST_PERSONS + 1)
    row_height = 3.3 + LINE_HEIGHT * max(fullest - 3, 0)  # three persons fit below a frame
    with style.look():
        figure, panels = _grid(videos, list(persons), row_height=row_height, below=0.5)
        for second, axes in panels.items():
            _draw_persons(axes, persons[second])
        _explain(figure, threshold)
        style.save(figure, output)


def draw_detections(
    videos: Videos,
    actions: pd.DataFrame,
    persons: pd.DataFrame,
    output: Path | str,
    *,
    objects: pd.DataFrame | None = None,
    object_boxes: pd.DataFrame | None = None,
    person_threshold: float,
    object_threshold: float,
    excluded: Collection[tuple[str, int]] = (),
    most: int = 9,
) -> None:
    """Draw a grid of key frames, spread over the videos, with detected and annotated boxes.

    Args:
        videos: Frames.
        actions: Annotated persons.
        persons: Detected persons.
        output: PNG, SVG or PDF.
        objects: Annotated objects.
        object_boxes: Detected objects.
        person_threshold: Score from which persons are drawn.
        object_threshold: Score from which objects are drawn.
        excluded: Seconds that are not scored.
        most: Number of key frames.
    """
    annotated = by_second(actions[actions["action"] >= 0])
    candidates = sorted(
        second for second in annotated if second.video in videos and second not in excluded
    )
    if not candidates:
        raise InputError("no annotated key frame has frames; are they of the same data set?")
    thresholds = {"person": person_threshold, "object": object_threshold}
    found = {
        kind: by_second(boxes[boxes["score"] >= thresholds[kind]])
        for kind, boxes in (("person", persons), ("object", object_boxes))
        if boxes is not None
    }
    things = {} if objects is None else by_second(objects)
    with style.look():
        chosen = spread(candidates, most=most)
        figure, panels = _grid(videos, chosen, row_height=2.9, below=0.4)
        for second, axes in panels.items():
            _outline(axes, annotated[second].drop_duplicates(XYXY))
            _outline(axes, things.get(second))
            for kind, boxes in found.items():
                _draw_detected(axes, boxes.get(second), _DETECTED[kind])
        words = {f"{kind}, score from {at:g}": _DETECTED[kind] for kind, at in thresholds.items()}
        handles = [Line2D([], [], color=colour, linewidth=2.5) for colour in words.values()]
        handles.append(Line2D([], [], color="black", linewidth=1.4, linestyle=(0, (3, 2))))
        figure.legend(handles, [*words, "annotated"], loc="outside lower center", ncols=3)
        style.save(figure, output)


def _grid(
    videos: Videos, seconds: Sequence[Second], *, row_height: float, below: float
) -> tuple[Figure, dict[Second, Axes]]:
    """Show each key frame in a panel of its own, with `below` inches left for a legend."""
    rows, columns = -(-len(seconds) // COLUMNS), min(COLUMNS, len(seconds))
    figure = style.new_figure(3.5 * columns, row_height * rows + below)
    panels = {}
    for number, second in enumerate(seconds, start=1):
        axes = panels[second] = figure.add_subplot(rows, columns, number)
        show_frame(axes, videos.frame(second.video, second.t))
        axes.set_title(f"{second.video}, {second.t:g} s", fontsize=8, fontweight="normal")
    return figure, panels


def judge(
    true: pd.DataFrame,
    scored: pd.DataFrame,
    scores: ScoreTable,
    labels: ClassList,
    *,
    threshold: float,
) -> list[Judged]:
    """Judge the persons of a key frame: annotated ones, then those the detector made up.

    Args:
        true: Annotations of the key frame, one row a person and action.
        scored: Its scored boxes, with the column `row` of their place in `scores`.
        scores: All scores.
        labels: Names of the classes.
        threshold: Score from which a class counts as predicted.
    """
    names = dict(zip(labels.ids, labels.names, strict=True))
    annotated = [
        (np.array(box, float), {names[int(action)] for action in rows["action"]})
        for box, rows in true.groupby(XYXY, sort=False)
    ]
    found = scored[XYXY].to_numpy(float)
    box_of = _matches(np.array([box for box, _ in annotated]).reshape(-1, 4), found)
    persons = []
    for person, (xyxy, actions) in enumerate(annotated):
        predicted: dict[str, float] = {}
        if person in box_of:
            predicted = _predicted(scored, box_of[person], scores, names, threshold)
            xyxy = found[box_of[person]]
        persons.append(_judged(xyxy, actions, predicted, known=True))
    for box in sorted(set(range(len(found))) - set(box_of.values())):
        predicted = _predicted(scored, box, scores, names, threshold)
        persons.append(_judged(found[box], set(), predicted, known=False))
    return persons


def _predicted(
    scored: pd.DataFrame, box: int, scores: ScoreTable, names: Mapping[int, str], threshold: float
) -> dict[str, float]:
    values = scores.scores[int(scored["row"].iloc[box])]
    return {
        names[class_id]: float(value)
        for class_id, value in zip(scores.class_ids, values, strict=True)
        if value >= threshold and class_id in names
    }


def _judged(
    xyxy: Float[np.ndarray, "4"], actions: set[str], predicted: dict[str, float], *, known: bool
) -> Judged:
    return Judged(
        xyxy=xyxy,
        right={name: score for name, score in predicted.items() if name in actions},
        wrong={name: score for name, score in predicted.items() if name not in actions},
        missed=dict.fromkeys(sorted(actions - set(predicted)), 0.0),
        known=known,
    )


def _matches(true: Float[np.ndarray, "a 4"], found: Float[np.ndarray, "b 4"]) -> dict[int, int]:
    """Pair annotated boxes with found ones, the best overlaps first."""
    overlap = iou_matrix(true, found)
    pairs: dict[int, int] = {}
    for flat in np.argsort(-overlap, axis=None, kind="stable"):
        person, box = np.unravel_index(flat, overlap.shape)
        if overlap[person, box] < SAME_IOU:
            break
        if int(person) not in pairs and int(box) not in pairs.values():
            pairs[int(person)] = int(box)
    return pairs


def _draw_persons(axes: Axes, persons: Sequence[Judged]) -> None:
    lines: list[list[tuple[str, str]]] = []
    for number, person in enumerate(persons, start=1):
        colour = style.RIGHT if person.known and not person.wrong else style.WRONG
        if person.known and person.missed and not person.wrong:
            colour = style.MISSED
        draw_box(axes, person.xyxy, colour=colour, dashed=not person.known)
        tag_box(axes, person.xyxy, str(number), colour=colour)
        if number <= MOST_PERSONS:
            lines += wrap([(f"{number}", colour), *_words(person)])
    if len(persons) > MOST_PERSONS:
        lines.append([(f"and {len(persons) - MOST_PERSONS} more persons", style.GREY)])
    write_lines(axes, lines)


def _words(person: Judged) -> Iterable[tuple[str, str]]:
    for sign, group, colour in (
        ("✓", person.right, style.RIGHT),
        ("✗", person.wrong, style.WRONG),
        ("○", person.missed, style.MISSED),
    ):
        for name in group:
            yield f"{sign} {name[:32]}", colour
    if not person.known:
        yield "(no person is annotated here)", style.GREY


def wrap(words: Iterable[tuple[str, str]], *, letters: int = LINE) -> list[list[tuple[str, str]]]:
    """Break words with their colours into lines of at most so many letters, later ones indented.

    >>> wrap([("1", "red"), ("stand", "red"), ("talk to", "red")], letters=9)
    [[('1', 'red'), ('stand', 'red')], [('   ', 'red'), ('talk to', 'red')]]
    """
    lines: list[list[tuple[str, str]]] = [[]]
    for word, colour in words:
        used = sum(len(before) + 2 for before, _ in lines[-1])
        if lines[-1] and used + len(word) > letters:
            lines.append([("   ", colour)])
        lines[-1].append((word, colour))
    return lines


def _explain(figure: Figure, threshold: float) -> None:
    words = (
        ("✓ predicted and true", style.RIGHT),
        ("✗ predicted, not true", style.WRONG),
        ("○ true, not predicted", style.MISSED),
    )
    handles = [Line2D([], [], color=colour, linewidth=4) for _, colour in words]
    figure.legend(
        handles,
        [word for word, _ in words],
        loc="outside lower center",
        ncols=3,
        title=f"a class is predicted from a score of {threshold:g}",
    )


def _outline(axes: Axes, boxes: pd.DataFrame | None) -> None:
    if boxes is not None:
        for xyxy in boxes[XYXY].to_numpy(float):
            draw_box(axes, xyxy, colour="black", width=1.2, dashed=True)


def _draw_detected(axes: Axes, boxes: pd.DataFrame | None, colour: str) -> None:
    if boxes is not None:
        for xyxy, label, score in zip(
            boxes[XYXY].to_numpy(float), boxes["label"], boxes["score"], strict=True
        ):
            draw_box(axes, xyxy, colour=colour, width=1.5)
            tag_box(axes, xyxy, f"{label} {score:.2f}", colour=colour, size=6.0)
