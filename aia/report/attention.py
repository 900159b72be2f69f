"""Attention of persons (Fig. 4): to other persons, objects and the memory, network beside network.

A target is one person of one key frame. `draw_attention` shows the last P-, O- and M-Block of one
network, as the paper's Fig. 4c and 4g; the memory is drawn over its seconds, with the persons who
got most. `draw_structures` shows the last P-Block of several networks. Padding is removed and the
rest of the attention normalised, as the paper's caption says.
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
from aia.errors import InputError
from aia.labels import ClassList
from aia.report import style
from aia.report.choice import Second, by_second, second_of
from aia.report.drawing import (
    XYXY,
    Videos,
    crop,
    draw_box,
    hide_ticks,
    line_width,
    show_frame,
    tag_box,
)
from aia.report.mistakes import Judged, compare
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
    """Person of a key frame whose attention is shown."""

    video: str
    time_sec: float
    number: int


class Example(NamedTuple):
    """Target with its attention and its actions."""

    target: Target
    rows: pd.DataFrame
    actions: Judged | None


def draw_attention(
    attention: pd.DataFrame,
    videos: Videos,
    actions: pd.DataFrame,
    scores: ScoreTable,
    labels: ClassList,
    output: Path | str,
) -> None:
    """Draw a row of panels for each kind of block, of a target with an action made for that kind.

    Args:
        attention: Normalised weights (aia.tables.attention.read_attention).
        videos: Frames.
        actions: Annotations.
        scores: Scores of the same network on annotated boxes.
        labels: Names and groups of the classes.
        output: PNG, SVG or PDF.
    """
    attention = attention[attention["video"].map(videos.__contains__).astype(bool)]
    examples = _examples(attention, actions, scores, labels)
    kinds = [kind for kind in TITLES if any(attention["block"].str.startswith(kind))]
    if not examples:
        style.save_note("This network has no interaction block.", output)
        return
    with style.look():
        widths = [1.6 if kind == "M" else 1.0 for kind in kinds]
        figure = style.new_figure(3.4 * sum(widths), 3.3 * len(examples))
        rows = figure.add_gridspec(len(examples), len(kinds), width_ratios=widths)
        for row, example in enumerate(examples):
            for column, kind in enumerate(kinds):
                picked = last_block(example.rows, kind)
                if kind == "M":
                    _draw_memory(figure, rows[row, column], picked, videos, actions)
                else:
                    _draw_scene(figure.add_subplot(rows[row, column]), picked, videos, kind)
                if column == 0:
                    figure.axes[-1].set_xlabel(_caption(example), loc="left", fontsize=8)
        style.save(figure, output)


def draw_structures(
    attentions: Mapping[str, pd.DataFrame],
    videos: Videos,
    actions: pd.DataFrame,
    labels: ClassList,
    output: Path | str,
    *,
    most: int = 4,
) -> None:
    """Draw the attention of the last P-Block: a row for each target, a column for each network.

    Args:
        attentions: Normalised weights of the same key frames, by network.
        videos: Frames.
        actions: Annotations.
        labels: Names and groups of the classes.
        output: PNG, SVG or PDF.
        most: Number of rows.
    """
    blocks = {name: last_block(rows, "P") for name, rows in attentions.items()}
    targets = shown_targets(blocks, actions, labels, most=most)
    targets = [target for target in targets if target.video in videos]
    if not targets:
        style.save_note("In no key frame a P-Block sees another person.", output)
        return
    with style.look():
        figure = style.new_figure(3.4 * len(blocks), 2.9 * len(targets))
        grid = figure.add_gridspec(len(targets), len(blocks))
        for row, target in enumerate(targets):
            for column, (name, rows) in enumerate(blocks.items()):
                axes = figure.add_subplot(grid[row, column])
                picked = _rows_of(rows, target)
                _draw_scene(axes, picked, videos, "P")
                axes.set_title(f"{name}, {picked['block'].iloc[0]}")
                if column == 0:
                    does = ", ".join(_actions_of(picked, actions, labels))
                    where = f"{target.video}, {target.time_sec:g} s\n{does}"
                    axes.set_xlabel(where, loc="left", fontsize=8)
        style.save(figure, output)


def _examples(
    attention: pd.DataFrame, actions: pd.DataFrame, scores: ScoreTable, labels: ClassList
) -> list[Example]:
    """Choose for each kind of block the target with the best score in an action of that kind."""
    seconds = set(map(second_of, attention["video"], attention["time_sec"].astype(float)))
    kept = [
        key in seconds
        for key in map(second_of, actions["video"], actions["time_sec"].astype(float))
    ]
    compared = compare(actions[kept], scores, labels)
    examples = []
    for _, rows in attention.groupby(["video", "time_sec", "target"], sort=True):
        first = rows.iloc[0]
        target = Target(first["video"], float(first["time_sec"]), int(first["target"]))
        second = second_of(target.video, target.time_sec)
        judged = None
        if second in compared.seconds:
            persons = compared.judge(second, threshold=0.5)
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
    """Find the score of a true action that the kind of block is made for; -1 without actions."""
    if example.actions is None:
        return -1.0
    group = dict(zip(labels.names, labels.groups, strict=True))
    right = example.actions.right
    return max((score for name, score in right.items() if group[name] in GROUPS[kind]), default=0.0)


def _others(rows: pd.DataFrame, target: Target, kind: str) -> bool:
    """Return True if there was anything but the target to attend to."""
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
    """Pick the rows of the last block of a kind."""
    blocks = sorted(
        {block for block in rows["block"] if block.startswith(kind)},
        key=lambda block: int(block[1:]),
    )
    return rows[rows["block"] == blocks[-1]] if blocks else rows.iloc[:0]


def shown_targets(
    blocks: Mapping[str, pd.DataFrame], actions: pd.DataFrame, labels: ClassList, *, most: int
) -> list[Target]:
    """Choose a person of each key frame who can attend to others; first who acts on a person."""
    if not blocks:
        raise InputError("no attention is given; expected NAME=FILE of at least one network")
    keys = ["video", "time_sec", "target"]
    common: set[Target] | None = None
    for rows in blocks.values():
        others = rows[rows["slot"] != rows["target"]]
        found = {Target(*key) for key in others[keys].itertuples(index=False)}
        common = found if common is None else common & found
    some = next(iter(blocks.values()))
    group = dict(zip(labels.names, labels.groups, strict=True))

    def acts_on_a_person(target: Target) -> bool:
        names = _actions_of(_rows_of(some, target), actions, labels)
        return any(group[name] in GROUPS["P"] for name in names)

    ranked = sorted(common or (), key=lambda target: (not acts_on_a_person(target), target))
    by_frame: dict[tuple[str, float], Target] = {}
    for target in ranked:
        by_frame.setdefault((target.video, target.time_sec), target)
    return list(by_frame.values())[:most]


def _rows_of(attention: pd.DataFrame, target: Target) -> pd.DataFrame:
    """Pick the rows of one target."""
    return attention[
        (attention["video"] == target.video)
        & (attention["time_sec"] == target.time_sec)
        & (attention["target"] == target.number)
    ]


def _actions_of(rows: pd.DataFrame, actions: pd.DataFrame, labels: ClassList) -> list[str]:
    """Name the actions of the target of these rows."""
    first = rows.iloc[0]
    second = second_of(first["video"], float(first["time_sec"]))
    known = by_second(actions[actions["action"] >= 0]).get(second)
    if known is None:
        return []
    overlap = iou_matrix(known[XYXY].to_numpy(float), rows[TARGET_XYXY].to_numpy(float)[:1])[:, 0]
    ids = known["action"].to_numpy()[overlap > max(0.5, overlap.max() - 1e-6)]
    return [labels.names[labels.index[int(i)]] for i in np.unique(ids) if int(i) in labels.index]


def _draw_scene(axes: Axes, rows: pd.DataFrame, videos: Videos, kind: str) -> None:
    """Show the key frame with its boxes, which are as thick as their weights."""
    if rows.empty:
        style.write_note(axes, f"no {TITLES[kind]} in this frame")
        return
    first = rows.iloc[0]
    axes.set_title(f"{first['block']}: {TITLES[kind]}")
    show_frame(axes, videos.frame(first["video"], first["time_sec"]))
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
    videos: Videos,
    actions: pd.DataFrame,
) -> None:
    """Draw bars over the seconds of the memory, and below them the persons who got most."""
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
    _draw_thumbnails(figure, grid, rows, own, videos)


def _draw_thumbnails(
    figure: Figure,
    grid: GridSpecBase,
    rows: pd.DataFrame,
    own: pd.Series | None,
    videos: Videos,
) -> None:
    """Show the persons of the memory who got most, in the order of time."""
    target_sec = rows["time_sec"].iloc[0]
    most = rows.assign(own=False if own is None else own)
    most = most.sort_values("weight", ascending=False, kind="stable").head(THUMBNAILS)
    shown = most.sort_values("slot_sec", kind="stable")
    for column, row in enumerate(shown.to_dict("records")):
        axes = figure.add_subplot(grid[1, column])
        rgb = videos.frame(row["video"], row["slot_sec"])
        axes.imshow(crop(rgb, [row[name] for name in XYXY]))
        hide_ticks(axes)
        for spine in axes.spines.values():
            spine.set_visible(True)
            spine.set_color(TARGET if row["own"] else ATTENDED)
            spine.set_linewidth(line_width(row["weight"]) + 0.8)
        when = f"{row['slot_sec'] - target_sec:+.0f} s, {row['weight']:.0%}"
        axes.set_title(when, fontsize=7.5, fontweight="normal", loc="center")


def is_target(rows: pd.DataFrame, actions: pd.DataFrame) -> pd.Series | None:
    """Mark the remembered persons who are the target; None if persons are not numbered."""
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
    """Describe the place, the true actions of the target and the predicted ones."""
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
