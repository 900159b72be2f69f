"""Key frames with the detector's boxes beside annotated ones."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from aia.errors import InputError
from aia.report import style
from aia.report.choice import Second, by_second, spread
from aia.report.drawing import XYXY, Videos, draw_box, show_frame, tag_box

COLUMNS = 3
_DETECTED = {"person": style.BLUE, "object": style.ORANGE}


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
