"""Parquet of boxes, scores and remembered objects that is damaged, of another form, or lies."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.broken.case import Case, cut, damaged, flipped, written
from tests.broken.conftest import Refuses
from tests.broken.good import RUN

PERSONS = "evaluate persons --groundtruth good/actions.csv --boxes boxes.parquet --output out/a.csv"
SUBMIT = "submit scores.parquet --output out/submission.csv"
IMPORT = "boxes import boxes.parquet --kind persons --films good/films.txt --output-dir out"
TRAIN = (
    f"train --run {RUN.replace('amu', 'objects')} --frames good/kitchen.h5 --annotations "
    "good/actions.csv --labels good/labels.pbtxt --settings good/settings.yaml --threads 1 "
    "--work out/work --output-dir out --object-features objects.parquet"
)
FIGURE = (
    "figure attention --frames good/kitchen.h5 --groundtruth good/actions.csv --scores "
    "good/scores.parquet --labels good/labels.pbtxt --attention a.parquet --output out/a.png"
)


def table(
    name: str, source: str, more: dict[bytes, Any] | None = None, **columns: Any
) -> Callable[[], None]:
    """A copy of `good/{source}` with other columns (None: without); `more` goes into `aia`."""

    def make() -> None:
        whole = pq.read_table(Path("good") / source)
        ours = json.loads(whole.schema.metadata[b"aia"]) | (more or {})
        for column, values in columns.items():
            place = whole.column_names.index(column)
            whole = whole.remove_column(place)
            if values is not None:
                whole = whole.add_column(place, column, pa.array(values))
        metadata = {b"aia": json.dumps(ours).encode()}
        pq.write_table(whole.replace_schema_metadata(metadata), name)

    return make


def boxes(**columns: Any) -> Callable[[], None]:
    return table("boxes.parquet", "persons.parquet", **columns)


def scores(more: dict[str, Any] | None = None, **columns: Any) -> Callable[[], None]:
    return table("scores.parquet", "scores.parquet", more, **columns)


def objects(more: dict[str, Any] | None = None, **columns: Any) -> Callable[[], None]:
    return table("objects.parquet", "objects.parquet", more, **columns)


def nonsense_metadata() -> None:
    whole = pq.read_table("good/scores.parquet")
    pq.write_table(whole.replace_schema_metadata({b"aia": b"{no json"}), "scores.parquet")


def twice() -> None:
    whole = pq.read_table("good/persons.parquet")
    pq.write_table(whole.append_column("x1", whole["x1"]), "boxes.parquet")


NOT_A_NUMBER = np.array([0.1, np.nan], np.float32)
PAIRS = pa.array([[0.1, 0.9], [0.8]])

CASES = [
    Case("boxes that are not there", lambda: None, PERSONS,
         r"boxes\.parquet: there is no such file; boxes \(Parquet\) expected"),
    Case("boxes of no bytes", written("boxes.parquet", b""), PERSONS,
         r"boxes\.parquet: is not Parquet or is damaged"),
    Case("boxes that are cut off", damaged("boxes.parquet", cut, source="persons.parquet"),
         PERSONS, r"boxes\.parquet: is not Parquet or is damaged"),
    Case("boxes with a flipped bit",
         damaged("boxes.parquet", flipped(0.1), source="persons.parquet"), PERSONS,
         r"boxes\.parquet: is not what was written"),
    Case("boxes that are CSV", written("boxes.parquet", "kitchen,1,0.1,0.1,0.5,0.9,,0.9\n"),
         PERSONS, r"boxes\.parquet: is not Parquet"),
    Case("boxes without a column", boxes(x2=None), PERSONS,
         r"boxes\.parquet: has no column 'x2'; boxes have video, .*another table"),
    Case("boxes with a column twice", twice, PERSONS, r"boxes\.parquet: has column 'x1' twice"),
    Case("boxes whose sides are words", boxes(x1=["left", "left"]), PERSONS,
         r"boxes\.parquet: column x1 holds string, expected float"),
    Case("boxes whose sides are lists", boxes(y2=[[0.5], [0.5]]), PERSONS,
         r"boxes\.parquet: column y2 holds list.*, expected float"),
    Case("boxes whose films are numbers", boxes(video=[1.5, 2.5]), PERSONS,
         r"boxes\.parquet: column video holds double, expected string"),
    Case("boxes whose tracks are too large", boxes(track=[1 << 40, 1]), PERSONS,
         r"boxes\.parquet: column track holds int64, expected int32.*1099511627776"),
    Case("boxes that are not numbers", boxes(x1=NOT_A_NUMBER), PERSONS,
         r"boxes\.parquet, row 1: x1 = nan is outside 0\.\.1; boxes are fractions"),
    Case("boxes in pixels", boxes(x2=[33.0, 33.0]), PERSONS,
         r"boxes\.parquet, row 0: x2 = 33 is outside 0\.\.1; boxes are fractions.* pixels"),
    Case("boxes that are inside out", boxes(x2=[0.05, 0.5]), PERSONS,
         r"boxes\.parquet, row 0: .*left, top, right, bottom"),
    Case("boxes with empty cells", boxes(y1=[0.1, None]), PERSONS,
         r"boxes\.parquet: column y1 has empty cells"),
    Case("boxes without a label in a row", boxes(label=["person", None]), PERSONS,
         r"boxes\.parquet: column label has empty cells"),
    Case("boxes with scores that are not numbers", boxes(score=NOT_A_NUMBER), PERSONS,
         r"boxes\.parquet, row 1: score is nan, expected"),
    Case("boxes before the film", boxes(time_sec=[-1.0, 2.0]), PERSONS,
         r"boxes\.parquet, row 0: time_sec is -1, expected seconds of the video"),
    Case("boxes of a path", boxes(video=["kitchen", "../../../etc/passwd"]), PERSONS,
         r"boxes\.parquet, row 1: video id is '\.\./\.\./\.\./etc/passwd', expected letters.*path"),
    Case("published boxes of an absolute path", boxes(video=["/etc/passwd", "/etc/passwd"]),
         IMPORT, r"boxes\.parquet, row 0: video id is '/etc/passwd', expected letters.*path"),
    Case("published boxes whose score is a word", boxes(score=["high", "low"]), IMPORT,
         r"boxes\.parquet: column score holds string, expected float"),
    Case("published boxes with a column twice", twice, IMPORT,
         r"boxes\.parquet: has column 'x1' twice"),
    Case("scores that are cut off", damaged("scores.parquet", cut), SUBMIT,
         r"scores\.parquet: is not Parquet or is damaged"),
    Case("scores that are boxes", lambda: Path("scores.parquet").symlink_to("good/persons.parquet"),
         SUBMIT, r"scores\.parquet: has no column 'scores'"),
    Case("scores that do not say their classes", scores({"class_ids": []}), SUBMIT,
         r"scores\.parquet: says nothing of its classes"),
    Case("scores whose classes are words", scores({"class_ids": ["stand", "walk"]}), SUBMIT,
         r"scores\.parquet: its class_ids are .*, expected whole numbers"),
    Case("scores whose classes are no list", scores({"class_ids": 2}), SUBMIT,
         r"scores\.parquet: its class_ids are 2, expected whole numbers"),
    Case("scores of another number of classes", scores({"class_ids": [1, 2, 3]}), SUBMIT,
         r"scores\.parquet: rows do not have 3 scores each"),
    Case("scores that lack one", scores(scores=PAIRS), SUBMIT,
         r"scores\.parquet: rows do not have 2 scores each"),
    Case("scores that are one number", scores(scores=[0.5, 0.5]), SUBMIT,
         r"scores\.parquet: column scores holds double, expected a list of numbers"),
    Case("scores that are words", scores(scores=[["a", "b"], ["c", "d"]]), SUBMIT,
         r"scores\.parquet: column scores holds list.*string.*, expected a list of numbers"),
    Case("scores with an empty cell", scores(scores=[[0.5, None], [0.5, 0.5]]), SUBMIT,
         r"scores\.parquet, row 0: a score is nan, expected numbers from 0 on"),
    Case("scores with a row that is empty", scores(scores=[None, [0.5, 0.5]]), SUBMIT,
         r"scores\.parquet: rows do not have 2 scores each"),
    Case("scores that are not numbers", scores(scores=[[0.5, np.nan], [0.5, 0.5]]), SUBMIT,
         r"scores\.parquet, row 0: a score is nan, expected numbers .* diverge"),
    Case("scores whose description is no JSON", nonsense_metadata, SUBMIT,
         r"scores\.parquet: what it says of itself is not JSON"),
    Case("objects that are cut off", damaged("objects.parquet", cut), TRAIN,
         r"objects\.parquet: is not Parquet or is damaged"),
    Case("objects that do not say their film", objects({"seconds": "always"}), TRAIN,
         r"objects\.parquet: says nothing of its video and detector"),
    Case("objects of another width", objects({"d": 5}), TRAIN,
         r"objects\.parquet: its features are .*, expected 5 numbers for each box"),
    Case("objects of a width below 0", objects({"d": -1}), TRAIN,
         r"objects\.parquet: .*d is -1"),
    Case("objects whose features are words", objects(features=[["a"] * 7] * 2), TRAIN,
         r"objects\.parquet: its features are .*string.*, expected 7 numbers"),
    Case("objects whose features are not numbers",
         objects(features=pa.array([[np.nan] * 7, [1.0] * 7], pa.list_(pa.float32(), 7))), TRAIN,
         r"objects\.parquet, row 0: .*not a number"),
    Case("objects beyond the seconds they were sought in", objects({"seconds": [0, 1]}), TRAIN,
         r"objects\.parquet, row 1: .*second 2.*0 to 1"),
    Case("objects of all seconds there are", objects({"seconds": [0, 10**15]}), TRAIN,
         r"objects\.parquet: its seconds are 0 to 1000000000000000, expected those of a video"),
    Case("objects of a path", objects({"video": "../../kitchen"}), TRAIN,
         r"objects\.parquet: video id is '\.\./\.\./kitchen'"),
    Case("attention that is cut off", damaged("a.parquet", cut, source="scores.parquet"), FIGURE,
         r"a\.parquet: is not Parquet or is damaged"),
    Case("attention that is scores", damaged("a.parquet", bytes, source="scores.parquet"), FIGURE,
         r"a\.parquet: has no column 'target'"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_by_name_and_nothing_is_written(case: Case, refuses: Refuses) -> None:
    refuses(case)
