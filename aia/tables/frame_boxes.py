"""Boxes by frame number, in pixels: what data sets whose every frame is labelled come in (§5)."""

from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

from aia.errors import InputError
from aia.files import atomic_path
from aia.tables.csv_reader import Layout, Rows, check_file, first_cells, read_table

_COLUMNS: dict[str, pa.DataType] = {
    "video": pa.string(),
    "frame": pa.int64(),
    "label": pa.int64(),
    "x1": pa.float64(),
    "y1": pa.float64(),
    "x2": pa.float64(),
    "y2": pa.float64(),
}
_MORE = {"score": pa.float64(), "tube": pa.int64()}


class Tube(NamedTuple):
    """A person's boxes on consecutive frames, doing one thing."""

    video: str
    label: int
    first_frame: int
    boxes_xyxy: Float[np.ndarray, "frames 4"]
    """In pixels."""
    score: float = 1.0


def read_frame_boxes(path: Path | str, *, needs: str | None = None) -> pd.DataFrame:
    """The rows of a CSV with the columns video, frame, label, x1, y1, x2 and y2, in any order.

    It may have the columns score and tube too; of others nothing is known.

    Args:
        path: The file; its first line names the columns.
        needs: `score` or `tube`, if the rows must have it.

    Raises:
        InputError: A column is missing, or a cell is not what it must be.
    """
    check_file(path, "boxes by frame")
    cells = [cell.strip() for cell in first_cells(path)]
    known = _COLUMNS | _MORE
    required = [*_COLUMNS, *([needs] if needs else [])]
    missing = [name for name in required if name not in cells]
    strange = [name for name in cells if name not in known]
    if missing or strange or len(set(cells)) < len(cells):
        problem = f"has no column {missing[0]}" if missing else "is not one of columns once each"
        raise InputError(
            f"{path}, line 1: {','.join(cells)[:80]!r} {problem}; expected a header of "
            f"{', '.join(required)} in any order, and as much as there is of {', '.join(_MORE)}"
        )
    layout = Layout("boxes by frame", {name: known[name] for name in cells}, header=True)
    boxes = read_table(path, layout).to_pandas()
    rows = Rows(path, layout)
    frame = boxes["frame"].to_numpy()
    rows.refuse(frame < 0, "frame is {}, expected 0 or more", frame)
    for low, high in (("x1", "x2"), ("y1", "y2")):
        a, b = boxes[low].to_numpy(), boxes[high].to_numpy()
        rows.refuse(
            ~(np.isfinite(a) & np.isfinite(b)),
            f"{low} and {high} are {{}} and {{}}, expected numbers",
            a,
            b,
        )
        rows.refuse(
            b < a, f"{high} is {{}}, less than {low}, {{}}; are these width and height?", b, a
        )
    if "score" in boxes:
        score = boxes["score"].to_numpy()
        rows.refuse(~np.isfinite(score), "score is {}, expected a number", score)
    return boxes


def write_frame_boxes(path: Path | str, boxes: pd.DataFrame) -> None:
    """Write rows as `read_frame_boxes` reads them, with every digit, whole or not at all."""
    with atomic_path(path) as temporary:
        boxes.to_csv(temporary, index=False, lineterminator="\n")


def tubes_of(boxes: pd.DataFrame, path: Path | str) -> list[Tube]:
    """Rows with a column `tube` as tubes: the same video, label and number, frame after frame.

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
        xyxy = rows[["x1", "y1", "x2", "y2"]].to_numpy(float)
        score = float(rows["score"].mean()) if "score" in rows else 1.0
        tubes.append(Tube(video, int(label), int(frames[0]), xyxy, score))
    return tubes


def boxes_of(tubes: list[Tube]) -> pd.DataFrame:
    """Tubes as rows of video, frame, label, tube (its place in the list), x1, y1, x2, y2, score."""
    lengths = [len(tube.boxes_xyxy) for tube in tubes]
    xyxy = np.concatenate([np.zeros((0, 4)), *(tube.boxes_xyxy for tube in tubes)])
    frames = [np.arange(len(tube.boxes_xyxy)) + tube.first_frame for tube in tubes]
    return pd.DataFrame(
        {
            "video": np.repeat(np.array([tube.video for tube in tubes], object), lengths),
            "frame": np.concatenate([np.zeros(0, np.int64), *frames]),
            "label": np.repeat(np.array([tube.label for tube in tubes], np.int64), lengths),
            "tube": np.repeat(np.arange(len(tubes)), lengths),
            **{name: xyxy[:, i] for i, name in enumerate(("x1", "y1", "x2", "y2"))},
            "score": np.repeat(np.array([tube.score for tube in tubes], float), lengths),
        }
    )
