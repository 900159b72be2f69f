"""Whom, what and which second a person attended to (Fig. 4): the softmax of a P-, O- and M-Block.

Each row of the picture is one person of one key frame, the target. For each kind of interaction
the last block is shown, as in the paper's Fig. 4c and 4g. The memory is drawn over its seconds:
how much of the attention each got, and the persons who got most.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpecBase, SubplotSpec
from matplotlib.ticker import MaxNLocator

from aia.boxes import iou_matrix
from aia.labels import ClassList
from aia.report import style
from aia.report.drawing import Films, crop, draw_box, line_width, show_frame, tag_box
from aia.report.keyframes import XYXY, Judged, Second, by_second, judge, second_of
from aia.tables import ScoreTable

TARGET_XYXY = [f"target_{name}" for name in XYXY]
TITLES = {"P": "other persons", "O": "objects", "M": "memory"}
GROUPS = {
    "P": ("PERSON", "PERSON_INTERACTION"),
    "O": ("OBJECT", "OBJECT_MANIPULATION"),
    "M": ("MEMORY",),
}
"""Groups of classes (label_type) that a kind of block is made for, where a data set has them."""
TARGET, ATTENDED = style.BLUE, style.VERMILION
THUMBNAILS = 3


class Target(NamedTuple):
    """Whose attention it is."""

    video: str
    time_sec: float
    number: int


class Example(NamedTuple):
    """A target with its attention and its actions."""

    target: Target
    rows: pd.DataFrame
    actions: Judged | None


def draw_attention(
    attention: pd.DataFrame,
    films: Films,
    actions: pd.DataFrame,
    scores: ScoreTable,
    labels: ClassList,
    output: Path | str,
) -> None:
    """One row of panels for each kind of block that there is, on an action made for that kind.

    Args:
        attention: Normalised weights (aia.tables.attention.read_attention).
        films: Frames.
        actions: Annotations.
        scores: Of the same network on annotated boxes.
        labels: Names and groups of the classes.
        output: The picture.
    """
    attention = attention[attention["video"].map(films.__contains__).astype(bool)]
    examples = _examples(attention, actions, scores, labels)
    kinds = [kind for kind in TITLES if any(attention["block"].str.startswith(kind))]
    with style.look():
        if not examples:
            figure = style.new_figure(6.0, 1.5)
            style.write_note(figure.add_subplot(), "This network has no interaction block.")
            style.save(figure, output)
            return
        widths = [1.6 if kind == "M" else 1.0 for kind in kinds]
        figure = style.new_figure(3.4 * sum(widths), 3.3 * len(examples))
        rows = figure.add_gridspec(len(examples), len(kinds), width_ratios=widths)
        for row, example in enumerate(examples):
            for column, kind in enumerate(kinds):
                picked = last_block(example.rows, kind)
                if kind == "M":
                    _draw_memory(figure, rows[row, column], picked, films, actions)
                else:
                    draw_scene(figure.add_subplot(rows[row, column]), picked, films, kind)
                if column == 0:
                    figure.axes[-1].set_xlabel(_caption(example), loc="left", fontsize=8)
        style.save(figure, output)


def _examples(
    attention: pd.DataFrame, actions: pd.DataFrame, scores: ScoreTable, labels: ClassList
) -> list[Example]:
    """For each kind of block the target who does an action of that kind with the highest score."""
    true = by_second(actions[actions["action"] >= 0])
    scored = by_second(scores.boxes.assign(row=np.arange(len(scores.boxes))))
    examples = []
    for _, rows in attention.groupby(["video", "time_sec", "target"], sort=True):
        first = rows.iloc[0]
        target = Target(first["video"], float(first["time_sec"]), int(first["target"]))
        second = second_of(target.video, target.time_sec)
        judged = None
        if second in true and second in scored:
            persons = judge(true[second], scored[second], scores, labels, threshold=0.5)
            judged = _nearest(persons, rows[TARGET_XYXY].to_numpy(float)[0])
        examples.append(Example(target, rows, judged))
    chosen: dict[Target, Example] = {}
    for kind in TITLES:
        usable = [e for e in examples if _others(last_block(e.rows, kind), e.target, kind)]
        if usable:
            best = max(usable, key=lambda e: (_fitness(e, kind, labels), e.target not in chosen))
            chosen[best.target] = best
    return list(chosen.values())


def _fitness(example: Example, kind: str, labels: ClassList) -> float:
    """The score of a true action that the kind of block is made for; less where there is none."""
    if example.actions is None:
        return -1.0
    group = dict(zip(labels.names, labels.groups, strict=True))
    right = example.actions.right
    return max((score for name, score in right.items() if group[name] in GROUPS[kind]), default=0.0)


def _others(rows: pd.DataFrame, target: Target, kind: str) -> bool:
    """Whether there was anything but the target to attend to."""
    if kind == "P":
        return bool((rows["slot"] != target.number).any())
    if kind == "M":
        return bool((rows["slot_sec"] != target.time_sec).any())
    return not rows.empty


def _nearest(persons: list[Judged], xyxy: Float[np.ndarray, "4"]) -> Judged | None:
    if not persons:
        return None
    overlap = iou_matrix(np.stack([person.xyxy for person in persons]), xyxy[None])[:, 0]
    return persons[int(overlap.argmax())]


def last_block(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    """The rows of the last block of a kind."""
    blocks = sorted(
        {block for block in rows["block"] if block.startswith(kind)},
        key=lambda block: int(block[1:]),
    )
    return rows[rows["block"] == blocks[-1]] if blocks else rows.iloc[:0]


def draw_scene(axes: Axes, rows: pd.DataFrame, films: Films, kind: str) -> None:
    """The key frame with what is in it, boxes as thick as their weights."""
    if rows.empty:
        style.write_note(axes, f"no {TITLES[kind]} in this frame")
        return
    first = rows.iloc[0]
    axes.set_title(f"{first['block']}: {TITLES[kind]}")
    show_frame(axes, films.frame(first["video"], first["time_sec"]))
    target_xyxy = rows[TARGET_XYXY].to_numpy(float)[0]
    is_self = (rows["slot"] == first["target"]) & (kind == "P")
    for xyxy, weight, own in zip(rows[XYXY].to_numpy(float), rows["weight"], is_self, strict=True):
        if not own:
            draw_box(axes, xyxy, colour=ATTENDED, width=line_width(float(weight)))
        tag_box(axes, xyxy, f"{weight:.0%}", colour=TARGET if own else ATTENDED)
    draw_box(axes, target_xyxy, colour=TARGET, width=2.2)


def _draw_memory(
    figure: Figure,
    place: SubplotSpec,
    rows: pd.DataFrame,
    films: Films,
    actions: pd.DataFrame,
) -> None:
    """Bars over the seconds of the memory, and below them the persons who got most."""
    grid = place.subgridspec(2, THUMBNAILS, height_ratios=[1.0, 1.0])
    bars = figure.add_subplot(grid[0, :])
    if rows.empty:
        style.write_note(bars, "no memory")
        return
    first = rows.iloc[0]
    bars.set_title(f"{first['block']}: {TITLES['M']}, by second")
    own = is_target(rows, actions)
    offset = rows["slot_sec"] - first["time_sec"]
    total = rows["weight"].groupby(offset).sum()
    parts: dict[str, Any] = {"all": (np.ones(len(rows), bool), ATTENDED)}
    if own is not None:
        parts = {"the target": (own, TARGET), "others": (~own, ATTENDED)}
    base = pd.Series(0.0, index=total.index)
    for name, (mask, colour) in parts.items():
        height = rows["weight"][mask].groupby(offset[mask]).sum().reindex(total.index, fill_value=0)
        bars.bar(total.index, height, bottom=base, width=0.8, color=colour, label=name)
        base = base + height
    bars.axvline(0, color=style.GREY, linewidth=0.8, linestyle=":")
    bars.set_xlabel("seconds from the key frame")
    bars.xaxis.set_major_locator(MaxNLocator(integer=True))
    bars.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    bars.grid(visible=False, axis="x")
    if len(parts) > 1:
        bars.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize=8, borderpad=0.0
        )
    _draw_thumbnails(figure, grid, rows, own, films)


def _draw_thumbnails(
    figure: Figure,
    grid: GridSpecBase,
    rows: pd.DataFrame,
    own: pd.Series | None,
    films: Films,
) -> None:
    """The persons of the memory who got most, in the order of time."""
    target_sec = rows["time_sec"].iloc[0]
    most = rows.assign(own=False if own is None else own)
    most = most.sort_values("weight", ascending=False, kind="stable").head(THUMBNAILS)
    shown = most.sort_values("slot_sec", kind="stable")
    for column, row in enumerate(shown.to_dict("records")):
        axes = figure.add_subplot(grid[1, column])
        rgb = films.frame(row["video"], row["slot_sec"])
        axes.imshow(crop(rgb, [row[name] for name in XYXY]))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.grid(visible=False)
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color(TARGET if row["own"] else ATTENDED)
            spine.set_linewidth(line_width(row["weight"]) + 0.8)
        when = f"{row['slot_sec'] - target_sec:+.0f} s, {row['weight']:.0%}"
        axes.set_title(when, fontsize=7.5, fontweight="normal", loc="center")


def is_target(rows: pd.DataFrame, actions: pd.DataFrame) -> pd.Series | None:
    """Which remembered persons are the target, where the annotations number persons."""
    known: dict[Second, list[tuple[np.ndarray, int]]] = {}
    numbered = actions[(actions["person"] >= 0) & (actions["video"] == rows["video"].iloc[0])]
    for second, group in by_second(numbered).items():
        people = group.drop_duplicates([*XYXY, "person"])
        known[second] = list(
            zip(people[XYXY].to_numpy(float), people["person"].astype(int), strict=True)
        )

    def who(time_sec: float, xyxy: np.ndarray) -> int:
        people = known.get(second_of(str(rows["video"].iloc[0]), time_sec), [])
        if not people:
            return -1
        overlap = iou_matrix(np.stack([box for box, _ in people]), xyxy[None])[:, 0]
        return people[int(overlap.argmax())][1] if overlap.max() > 0.5 else -1

    first = rows.iloc[0]
    target = who(float(first["time_sec"]), rows[TARGET_XYXY].to_numpy(float)[0])
    if target < 0:
        return None
    same = [
        who(float(t), xyxy) == target
        for t, xyxy in zip(rows["slot_sec"], rows[XYXY].to_numpy(float), strict=True)
    ]
    return pd.Series(same, index=rows.index)


def _caption(example: Example) -> str:
    """Where this is, what the target does and what is predicted."""
    lines = [f"{example.target.video}, {example.target.time_sec:g} s"]
    if example.actions is not None:
        parts: Mapping[str, Mapping[str, float]] = {
            "✓": example.actions.right,
            "✗": example.actions.wrong,
            "○": example.actions.missed,
        }
        words = [f"{sign} {name}" for sign, group in parts.items() for name in group]
        lines.append("   ".join(words))
    return "\n".join(lines)
