"""Boxes by frame number, in pixels: what data sets whose every frame is labelled come in (§5)."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
from jaxtyping import Float

from aia.errors import InputError
from aia.tables import csv
from aia.tables.schema import (
    COUNT,
    FINITE,
    INTEGER,
    NOT_INVERTED,
    SIDES,
    TEXT,
    Table,
)

_FORM = Table(
    "boxes by frame",
    {"video": TEXT, "frame": COUNT, "label": INTEGER, **dict.fromkeys(SIDES, FINITE)},
    NOT_INVERTED,
    header=True,
)
_MORE = {"score": FINITE, "tube": INTEGER}
DETECTIONS_BY_FRAME = replace(_FORM.extended({"score": FINITE}), header=False)


class Tube(NamedTuple):
    """A person's boxes on consecutive frames, doing one thing."""

    video: str
    label: int
    first_frame: int
    boxes_xyxy: Float[np.ndarray, "frames 4"]
    """In pixels."""
    score: float = 1.0


def read_frame_boxes(path: Path | str, *, needs: str | None = None) -> pd.DataFrame:
    """Read a CSV with the columns video, frame, label, x1, y1, x2 and y2, in any order.

    It may have the columns score and tube too; others are an error.

    Args:
        path: The file; its first line names the columns.
        needs: `score` or `tube`, if the rows must have it.

    Raises:
        InputError: A column is missing or unknown, or a cell is not what it must be.
    """
    csv.check_file(path, _FORM.what)
    cells = [cell.strip() for cell in csv.first_cells(path)]
    known = {**_FORM.columns, **_MORE}
    required = [*_FORM.columns, *([needs] if needs else [])]
    missing = [name for name in required if name not in cells]
    if missing or not set(cells) <= known.keys() or len(set(cells)) < len(cells):
        problem = f"has no column {missing[0]}" if missing else "is not one of columns once each"
        raise InputError(
            f"{path}, line 1: {','.join(cells)[:80]!r} {problem}; expected a header of "
            f"{', '.join(required)} in any order, and optionally {', '.join(_MORE)}"
        )
    return csv.read_frame(path, replace(_FORM, columns={name: known[name] for name in cells}))


def write_frame_boxes(path: Path | str, boxes: pd.DataFrame) -> None:
    """Write rows as `read_frame_boxes` reads them, with every digit, whole or not at all."""
    csv.write_frame(path, boxes)


def tubes_of(boxes: pd.DataFrame, path: Path | str) -> list[Tube]:
    """Join rows with a column `tube` into tubes: same video, label and number, frame after frame.

    A tube's score is the mean of its rows', where they have one.

    Raises:
        InputError: a tube has a frame twice, or misses one between its first and last.
    """
    tubes = []
    for key, rows in boxes.groupby(["video", "label", "tube"], sort=True):
        video, label, number = cast(tuple[str, int, int], key)  # the stubs know no triples
        rows = rows.sort_values("frame")
        frames = rows["frame"].to_numpy()
        steps = np.diff(frames)
        if (steps != 1).any():
            at = int(frames[:-1][steps != 1][0])
            raise InputError(
                f"{path}: tube {number} of {video} (label {label}) has "
                f"{'frame ' + str(at) + ' twice' if 0 in steps else f'no frame {at + 1}'}; "
                "expected a box on each frame from its first to its last; is an interruption not a "
                "new tube?"
            )
        xyxy = rows[list(SIDES)].to_numpy(float)
        score = float(rows["score"].mean()) if "score" in rows else 1.0
        tubes.append(Tube(video, int(label), int(frames[0]), xyxy, score))
    return tubes


def boxes_of(tubes: list[Tube]) -> pd.DataFrame:
    """Turn tubes into rows of video, frame, label, tube (place in the list), x1 … y2, score."""
    lengths = [len(tube.boxes_xyxy) for tube in tubes]
    xyxy = np.concatenate([np.zeros((0, 4)), *(tube.boxes_xyxy for tube in tubes)])
    frames = [np.arange(len(tube.boxes_xyxy)) + tube.first_frame for tube in tubes]
    return pd.DataFrame(
        {
            "video": np.repeat(np.array([tube.video for tube in tubes], object), lengths),
            "frame": np.concatenate([np.zeros(0, np.int64), *frames]),
            "label": np.repeat(np.array([tube.label for tube in tubes], np.int64), lengths),
            "tube": np.repeat(np.arange(len(tubes)), lengths),
            **{name: xyxy[:, i] for i, name in enumerate(SIDES)},
            "score": np.repeat(np.array([tube.score for tube in tubes], float), lengths),
        }
    )
