"""Key frames with what each person does and what the network thinks that they do."""

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
from aia.report.drawing import Films, draw_box, show_frame, tag_box, write_lines
from aia.tables import ScoreTable

XYXY = ["x1", "y1", "x2", "y2"]
COLUMNS = 3
LINE = 46
"""Letters that fit below a picture."""
MOST_PERSONS = 6
"""Persons of one picture that are written about."""
LINE_HEIGHT = 0.17
"""Inches of a line below a picture."""
SAME_IOU = 0.5
"""Overlap from which a detected box is of an annotated person (§4.1)."""


class Second(NamedTuple):
    """A key frame's name."""

    video: str
    t: float
    """In seconds, to the millisecond."""


class Judged(NamedTuple):
    """A person of a key frame with their actions."""

    xyxy: Float[np.ndarray, "4"]
    right: dict[str, float]
    """Predicted and true, with the scores."""
    wrong: dict[str, float]
    """Predicted and not true."""
    missed: dict[str, float]
    """True and not predicted."""
    known: bool
    """Whether somebody is annotated here; else the detector made this person up."""


def draw_keyframes(
    films: Films,
    actions: pd.DataFrame,
    scores: ScoreTable,
    labels: ClassList,
    output: Path | str,
    *,
    excluded: Collection[tuple[str, int]] = (),
    threshold: float = 0.5,
    most: int = 12,
) -> None:
    """A grid of key frames, each person with a number, their actions below the picture.

    Args:
        films: Frames.
        actions: Annotations.
        scores: Of the network.
        labels: Names of the classes.
        output: The picture.
        excluded: Seconds that are not scored.
        threshold: Score from which a class counts as predicted.
        most: Number of key frames.
    """
    true = by_second(actions[actions["action"] >= 0])
    scored = by_second(scores.boxes.assign(row=np.arange(len(scores.boxes))))
    candidates = {
        second: rows
        for second, rows in true.items()
        if second.video in films and second not in excluded and second in scored
    }
    if not candidates:
        raise InputError(
            "no annotated key frame has both frames and scores; are they of the same data set?"
        )
    with style.look():
        chosen = choose_seconds(candidates, most=most)
        rows = -(-len(chosen) // COLUMNS)
        columns = min(COLUMNS, len(chosen))
        judged = [
            judge(true[second], scored[second], scores, labels, threshold=threshold)
            for second in chosen
        ]
        fullest = min(max(map(len, judged)), MOST_PERSONS + 1)
        row_height = 3.3 + LINE_HEIGHT * max(fullest - 3, 0)  # three persons fit below a frame
        figure = style.new_figure(3.5 * columns, row_height * rows + 0.5)
        for number, (second, persons) in enumerate(zip(chosen, judged, strict=True), start=1):
            axes = figure.add_subplot(rows, columns, number)
            show_frame(axes, films.frame(second.video, second.t))
            axes.set_title(f"{second.video}, {second.t:g} s", fontsize=8, fontweight="normal")
            _draw_persons(axes, persons)
        _explain(figure, threshold)
        style.save(figure, output)


def second_of(video: str, time_sec: float) -> Second:
    """The key frame at a time.

    >>> second_of("a", 2.3199999) == second_of("a", 2.32), second_of("a", 2.0)
    (True, Second(video='a', t=2.0))
    """
    return Second(video, round(float(time_sec), 3))


def by_second(rows: pd.DataFrame) -> dict[Second, pd.DataFrame]:
    """The rows of each key frame."""
    places: dict[Second, list[int]] = {}
    for place, (video, t) in enumerate(
        zip(rows["video"], rows["time_sec"].to_numpy(float), strict=True)
    ):
        places.setdefault(second_of(video, t), []).append(place)
    return {second: rows.iloc[found] for second, found in places.items()}


def choose_seconds(candidates: Mapping[Second, pd.DataFrame], *, most: int) -> list[Second]:
    """Key frames that together show every action, rare ones first, from as many films as can be.

    The choice depends on the annotations alone: neither flattering nor picked by hand.
    """
    with_action: dict[int, list[Second]] = {}
    for second, rows in candidates.items():
        for action in rows["action"].unique():
            with_action.setdefault(int(action), []).append(second)
    chosen: list[Second] = []
    queue = sorted(with_action, key=lambda action: (len(with_action[action]), action))
    while len(chosen) < min(most, len(candidates)):
        for action in queue:
            left = [second for second in with_action[action] if second not in chosen]
            if left and len(chosen) < most:
                seen = [second.video for second in chosen]
                # the middle one of the film that was shown least: it has a before and an after
                least = min(seen.count(second.video) for second in left)
                fresh = [second for second in left if seen.count(second.video) == least]
                chosen.append(fresh[len(fresh) // 2])
    return sorted(chosen)


def judge(
    true: pd.DataFrame,
    scored: pd.DataFrame,
    scores: ScoreTable,
    labels: ClassList,
    *,
    threshold: float,
) -> list[Judged]:
    """The persons of a key frame: annotated ones with the scores of their box, then invented ones.

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
    """Which found box belongs to which annotated one, the best overlaps first."""
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
        yield "(nobody is annotated here)", style.GREY


def wrap(words: Iterable[tuple[str, str]], *, letters: int = LINE) -> list[list[tuple[str, str]]]:
    """Words with their colours as lines of not more than so many letters, later ones indented.

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
