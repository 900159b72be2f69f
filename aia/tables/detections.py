"""Detections of actions as a stream of column blocks, from AVA's CSV or from a table of scores.

`aia predict` writes AVA's columns with a header, and the class's name and the track after them.

A validation split has millions of rows; the evaluator looks at each once, so they never have to
be in memory as text or as a DataFrame.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float, Int
from pyarrow import csv as pa_csv

from aia import lines
from aia.errors import InputError
from aia.files import atomic_path
from aia.labels import ClassList
from aia.tables import csv
from aia.tables.annotations import ACTIONS
from aia.tables.schema import SIDES, TEXT, Cells, Data, Rows, Table, expect
from aia.tables.scores import ScoreTable, read_scores

_SCORE = expect(
    lambda score: (score >= 0) & (score < np.inf),
    "a number from 0 on; is it a logit, before the sigmoid?",
)
_DETECTIONS = Table("detections", {**ACTIONS.columns, "score": Cells(pa.float64(), _SCORE)})
_PREDICTED = replace(_DETECTIONS, header=True).extended({"name": TEXT, "track": TEXT})
_BOXES = 4096  # of a table of scores at once


class DetectionBlock(NamedTuple):
    """Consecutive detections: a box, an action, a score. Boxes may be inverted, scores are ≥ 0."""

    videos: tuple[str, ...]
    video: Int[np.ndarray, " rows"]
    """Index into `videos`."""
    time_sec: Float[np.ndarray, " rows"]
    xyxy: Float[np.ndarray, "rows 4"]
    action: Int[np.ndarray, " rows"]
    score: Float[np.ndarray, " rows"]


def read_detections(
    path: Path | str, *, actions: Collection[int] | None = None
) -> Iterator[DetectionBlock]:
    """Read blocks of a CSV file of AVA's form, or (named *.parquet) of a table of scores.

    Args:
        path: the file.
        actions: ids in use. A data set may list only some of its classes, so that an id between
            them is no mistake; one below or above all of them is an error.
    """
    if Path(path).is_dir():
        raise InputError(
            f"{path}: is a folder; expected a CSV or a table of scores. YOWO's detections by frame "
            "are for `aia evaluate ucf24`"
        )
    if Path(path).suffix == ".parquet":
        return _from_parquet(path, actions)
    return _from_csv(path, actions)


def write_predictions(path: Path | str, table: ScoreTable, classes: ClassList) -> None:
    """Write every score as a line: AVA's columns, the class's name and the track.

    Numbers are as exact as in the Parquet table, so that both evaluate alike.
    """
    count = len(table.class_ids)
    boxes, each = table.boxes, np.repeat(np.arange(len(table.boxes)), count)
    names = [classes.names[classes.index[class_id]] for class_id in table.class_ids]
    quoted = any(set(name) & set(',"\r\n') for name in names)
    track = boxes.get("track", pd.Series(pd.NA, index=boxes.index, dtype="Int32"))
    columns: dict[str, Any] = {
        "video": boxes["video"].to_numpy(dtype=object)[each],
        "second": boxes["time_sec"].to_numpy(np.float64)[each],
        **{side: boxes[side].to_numpy(np.float32)[each] for side in SIDES},
        "action": np.tile(np.array(table.class_ids, np.int64), len(boxes)),
        "score": table.scores.astype(np.float32).ravel(),
        "name": np.tile(np.array(names, dtype=object), len(boxes)),
        "track": pa.Array.from_pandas(track.to_numpy(dtype=object)[each], type=pa.int32()),
    }
    options = pa_csv.WriteOptions(
        include_header=False, quoting_style="needed" if quoted else "none"
    )
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        file.write(f"{_PREDICTED.form}\n".encode())
        pa_csv.write_csv(pa.table(columns), file, options)


def _from_csv(path: Path | str, actions: Collection[int] | None) -> Iterator[DetectionBlock]:
    def check_actions(data: Data, rows: Rows) -> None:
        if actions:
            action = data["action"].to_numpy()
            beyond = (action < min(actions)) | (action > max(actions))
            rows.refuse(beyond, f"action {{}} {_beyond(actions)}", action)

    first = next(lines.rows(path), (0, []))[1] if Path(path).is_file() else []
    form = _PREDICTED if first == list(_PREDICTED.columns) else _DETECTIONS
    for batch in csv.read_blocks(path, form.extended({}, check_actions)):
        video = batch["video"]
        yield DetectionBlock(
            videos=tuple(video.dictionary.to_pylist()),
            video=video.indices.to_numpy(),
            time_sec=batch["second"].to_numpy(),
            xyxy=np.stack([batch[side].to_numpy() for side in SIDES], axis=1),
            action=batch["action"].to_numpy(),
            score=batch["score"].to_numpy(),
        )


def _from_parquet(path: Path | str, actions: Collection[int] | None) -> Iterator[DetectionBlock]:
    boxes, scores, class_ids, _ = read_scores(path)
    if not len(boxes):
        raise InputError(f"{path}: holds no box; did the detector find none above its threshold?")
    if actions:
        for action in class_ids:
            if not min(actions) <= action <= max(actions):
                raise InputError(f"{path}: class {action} {_beyond(actions)}")
    video, names = pd.factorize(boxes["video"])
    time_sec = boxes["time_sec"].to_numpy()
    xyxy = boxes[list(SIDES)].to_numpy(np.float64)
    classes = len(class_ids)
    for start in range(0, len(boxes), _BOXES):
        some = slice(start, start + _BOXES)
        yield DetectionBlock(
            videos=tuple(names),
            video=video[some].repeat(classes),
            time_sec=time_sec[some].repeat(classes),
            xyxy=xyxy[some].repeat(classes, axis=0),
            action=np.tile(np.array(class_ids), len(video[some])),
            score=scores[some].astype(np.float64).ravel(),
        )


def _beyond(actions: Collection[int]) -> str:
    return (
        f"is none of the classes, whose ids are {min(actions)} to {max(actions)}; "
        "is it a position in the list rather than an id? AVA counts from 1"
    )
