"""Whom the last P-Block attends to, structure beside structure (Fig. 4).

Each row is one person of one key frame, each column a network. Padding is removed and the rest of
the attention normalised, as the paper's caption says.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from aia.boxes import iou_matrix
from aia.errors import InputError
from aia.labels import ClassList
from aia.report import style
from aia.report.attention import GROUPS, TARGET_XYXY, Target, draw_scene, last_block
from aia.report.drawing import Films
from aia.report.keyframes import XYXY, by_second, second_of


def draw_structures(
    attentions: Mapping[str, pd.DataFrame],
    films: Films,
    actions: pd.DataFrame,
    labels: ClassList,
    output: Path | str,
    *,
    most: int = 4,
) -> None:
    """One row for each person that is shown, one column for each network.

    Args:
        attentions: By the network's name, normalised weights of the same key frames.
        films: Frames.
        actions: Annotations.
        labels: Names and groups of the classes.
        output: The picture.
        most: Rows.
    """
    blocks = {name: last_block(rows, "P") for name, rows in attentions.items()}
    targets = shown_targets(blocks, actions, labels, most=most)
    targets = [target for target in targets if target.video in films]
    with style.look():
        if not targets:
            figure = style.new_figure(6.0, 1.5)
            style.write_note(figure.add_subplot(), "In no key frame a P-Block sees another person.")
            style.save(figure, output)
            return
        figure = style.new_figure(3.4 * len(blocks), 2.9 * len(targets))
        grid = figure.add_gridspec(len(targets), len(blocks))
        for row, target in enumerate(targets):
            for column, (name, rows) in enumerate(blocks.items()):
                axes = figure.add_subplot(grid[row, column])
                picked = rows_of(rows, target)
                draw_scene(axes, picked, films, "P")
                axes.set_title(f"{name}, {picked['block'].iloc[0]}")
                if column == 0:
                    does = ", ".join(_actions_of(picked, actions, labels))
                    where = f"{target.video}, {target.time_sec:g} s\n{does}"
                    axes.set_xlabel(where, loc="left", fontsize=8)
        style.save(figure, output)


def shown_targets(
    blocks: Mapping[str, pd.DataFrame], actions: pd.DataFrame, labels: ClassList, *, most: int
) -> list[Target]:
    """One person of each key frame who can attend to others; first those who act on a person."""
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
        names = _actions_of(rows_of(some, target), actions, labels)
        return any(group[name] in GROUPS["P"] for name in names)

    ranked = sorted(common or (), key=lambda target: (not acts_on_a_person(target), target))
    by_frame: dict[tuple[str, float], Target] = {}
    for target in ranked:
        by_frame.setdefault((target.video, target.time_sec), target)
    return list(by_frame.values())[:most]


def rows_of(attention: pd.DataFrame, target: Target) -> pd.DataFrame:
    """The rows of one target."""
    return attention[
        (attention["video"] == target.video)
        & (attention["time_sec"] == target.time_sec)
        & (attention["target"] == target.number)
    ]


def _actions_of(rows: pd.DataFrame, actions: pd.DataFrame, labels: ClassList) -> list[str]:
    """Names of what the target of these rows does."""
    first = rows.iloc[0]
    second = second_of(first["video"], float(first["time_sec"]))
    known = by_second(actions[actions["action"] >= 0]).get(second)
    if known is None:
        return []
    overlap = iou_matrix(known[XYXY].to_numpy(float), rows[TARGET_XYXY].to_numpy(float)[:1])[:, 0]
    ids = known["action"].to_numpy()[overlap > max(0.5, overlap.max() - 1e-6)]
    return [labels.names[labels.index[int(i)]] for i in np.unique(ids) if int(i) in labels.index]
