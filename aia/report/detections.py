"""Key frames with the detector's boxes and the annotated ones."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from aia.errors import InputError
from aia.report import style
from aia.report.drawing import Films, draw_box, show_frame, tag_box
from aia.report.keyframes import COLUMNS, XYXY, Second, by_second


def draw_detections(
    films: Films,
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
    """A grid of key frames, spread over the films, with detected and annotated boxes.

    Args:
        films: Frames.
        actions: Annotated persons.
        persons: Detected persons.
        output: The picture.
        objects: Annotated objects.
        object_boxes: Detected objects.
        person_threshold: Score from which persons are drawn.
        object_threshold: Score from which objects are drawn.
        excluded: Seconds that are not scored.
        most: Number of key frames.
    """
    annotated = by_second(actions[actions["action"] >= 0])
    candidates = sorted(
        second for second in annotated if second.video in films and second not in excluded
    )
    if not candidates:
        raise InputError("no annotated key frame has frames; are they of the same data set?")
    chosen = spread(candidates, most=most)
    found = by_second(persons[persons["score"] >= person_threshold])
    things = by_second(objects) if objects is not None else {}
    found_things = (
        by_second(object_boxes[object_boxes["score"] >= object_threshold])
        if object_boxes is not None
        else {}
    )
    rows, columns = -(-len(chosen) // COLUMNS), min(COLUMNS, len(chosen))
    with style.look():
        figure = style.new_figure(3.5 * columns, 2.9 * rows + 0.4)
        for number, second in enumerate(chosen, start=1):
            axes = figure.add_subplot(rows, columns, number)
            show_frame(axes, films.frame(second.video, second.t))
            axes.set_title(f"{second.video}, {second.t:g} s", fontsize=8, fontweight="normal")
            _outline(axes, annotated[second].drop_duplicates(XYXY))
            _outline(axes, things.get(second))
            _draw_found(axes, found.get(second), style.BLUE)
            _draw_found(axes, found_things.get(second), style.ORANGE)
        handles = [
            Line2D([], [], color=style.BLUE, linewidth=2.5),
            Line2D([], [], color=style.ORANGE, linewidth=2.5),
            Line2D([], [], color="black", linewidth=1.4, linestyle=(0, (3, 2))),
        ]
        words = [
            f"person, score from {person_threshold:g}",
            f"object, score from {object_threshold:g}",
            "annotated",
        ]
        figure.legend(handles, words, loc="outside lower center", ncols=3)
        style.save(figure, output)


def spread(seconds: list[Second], *, most: int) -> list[Second]:
    """Evenly chosen ones of a sorted list.

    >>> spread([Second("a", t) for t in range(5)], most=2)
    [Second(video='a', t=1), Second(video='a', t=3)]
    """
    count = min(most, len(seconds))
    places = ((np.arange(count) + 0.5) * len(seconds) / count).astype(int)
    return [seconds[place] for place in places]


def _outline(axes: Axes, boxes: pd.DataFrame | None) -> None:
    if boxes is not None:
        for xyxy in boxes[XYXY].to_numpy(float):
            draw_box(axes, xyxy, colour="black", width=1.2, dashed=True)


def _draw_found(axes: Axes, boxes: pd.DataFrame | None, colour: str) -> None:
    if boxes is not None:
        for xyxy, label, score in zip(
            boxes[XYXY].to_numpy(float), boxes["label"], boxes["score"], strict=True
        ):
            draw_box(axes, xyxy, colour=colour, width=1.5)
            tag_box(axes, xyxy, f"{label} {score:.2f}", colour=colour, size=6.0)
