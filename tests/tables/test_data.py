import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import (
    VideoRow,
    is_segment_table,
    read_actions,
    read_annotations,
    read_excluded,
    read_excluded_table,
    read_object_table,
    read_objects,
    read_segment_table,
    read_segments,
    read_video_table,
    write_annotations,
    write_excluded_table,
    write_object_table,
    write_segment_table,
    write_video_table,
)
from aia.tables.sealed import check_seal

ROW = "b,0902,0.1,0.2,0.5,0.75,7,3\n"
SEGMENTS = (
    "segment,video,start_sec,stop_sec,verb,noun\n7,P01_01,0.14,3.37,2,8\n3,P01_02,1,1.5,0,11\n"
)


@pytest.fixture
def csv(tmp_path):
    def csv(text):
        (tmp_path / "table.csv").write_text(text)
        return tmp_path / "table.csv"

    return csv


@pytest.mark.parametrize(
    "text",
    [
        "empty,903\n",
        ROW + "none,1\n" + ROW.replace("b,0902", "a,1.0000000000000002").replace(",3", ",-5"),
        ROW.replace(",3\n", "\n"),
        "empty,903\n" + ROW.replace(",3\n", "\n"),
        ROW.replace(",3\n", ",-1\n"),
    ],
    ids=["no action", "mixed", "without persons", "no action without persons", "unknown person"],
)
def test_annotations_are_those_of_the_csv_file(csv, tmp_path, text):
    expected = read_actions(csv(text))
    write_annotations(tmp_path / "a.parquet", expected.set_axis([5] * len(expected)))
    found = read_annotations(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert found.attrs == expected.attrs
    check_seal(tmp_path / "a.parquet")


def test_the_annotations_of_ava_and_pets_come_through(shared_data, tmp_path):
    for path in [
        shared_data / "pets09" / "train.csv",
        *(shared_data / "ava").glob("ava_*_v2.2.csv"),
    ]:
        if "excluded" not in path.name and "predicted" not in path.name:
            expected = read_actions(path)
            write_annotations(tmp_path / "a.parquet", expected)
            found = read_annotations(tmp_path / "a.parquet")
            pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_where_nothing_happens_the_file_says_null(csv, tmp_path):
    write_annotations(
        tmp_path / "a.parquet", read_actions(csv(ROW.replace(",3\n", "\n") + "c,5\n"))
    )
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["video", "time_sec", "x1", "y1", "x2", "y2", "class_id", "person"]
    assert table["class_id"].to_pylist() == [7, None]
    assert table["x1"].to_pylist() == [0.1, None]
    assert table["person"].to_pylist() == [None, None]
    assert table.schema.metadata[b"aia"] == b'{"table": "annotations"}'


@pytest.mark.parametrize(
    ("column", "cells", "message"),
    [
        ("video", ["b", "../b"], r"row 1: video id is '\.\./b'"),
        ("video", ["b", None], "column video has empty cells"),
        ("time_sec", [1.0, -1.0], r"row 1: time_sec is -1, expected seconds"),
        ("x1", [0.1, 12.0], r"row 1: x1 = 12 is outside 0..1; .*look like pixels"),
        ("x1", [0.1, 0.5], r"row 1: x1 = 0.5 is not below x2 = 0.5"),
        ("x1", [0.1, None], r"row 1: has part of a box and class; expected all"),
        ("class_id", [7, None], r"row 1: has part of a box and class"),
        ("class_id", [7, -7], r"row 1: class_id is -7, expected a class id, 0 or more"),
        ("class_id", [7, 8], r"row 1: class_id 8 is not a class; the list has 1"),
        ("class_id", ["sit", "go"], "column class_id holds string, expected int64"),
    ],
)
def test_annotations_that_make_no_sense_are_refused(csv, tmp_path, column, cells, message):
    path = tmp_path / "a.parquet"
    write_annotations(path, read_actions(csv(ROW * 2)))
    table = pq.read_table(path)
    place = table.column_names.index(column)
    pq.write_table(table.set_column(place, column, pa.array(cells)), path)
    with pytest.raises(InputError, match=message):
        read_annotations(path, labels=ClassList((7,), ("sit",), ("",)))


def test_each_reader_refuses_the_tables_of_the_others(csv, tmp_path):
    write_segment_table(tmp_path / "s.parquet", read_segments(csv(SEGMENTS)))
    write_annotations(tmp_path / "a.parquet", read_actions(csv(ROW)))
    write_object_table(tmp_path / "o.parquet", {})
    write_excluded_table(tmp_path / "x.parquet", {})
    own = {
        "a": read_annotations, "s": read_segment_table, "o": read_object_table,
        "x": read_excluded_table,
    }  # fmt: skip
    for reader, read in own.items():
        for name in own:
            if name != reader:
                with pytest.raises(InputError, match=rf"{name}.parquet: has no column '.*another"):
                    read(tmp_path / f"{name}.parquet")
        with pytest.raises(InputError, match="there is no such file"):
            read(tmp_path / "none.parquet")
    assert is_segment_table(tmp_path / "s.parquet")
    assert not is_segment_table(tmp_path / "a.parquet")


def test_segments_are_those_of_the_csv_file(csv, tmp_path):
    expected = read_segments(csv(SEGMENTS))
    path = tmp_path / "s.parquet"
    write_segment_table(path, expected)
    check_seal(path)
    pd.testing.assert_frame_equal(read_segment_table(path), expected, check_exact=True)
    nouns = read_segments(csv(SEGMENTS), task="noun")
    pd.testing.assert_frame_equal(read_segment_table(path, task="noun"), nouns, check_exact=True)
    with pytest.raises(InputError, match="has no column scene; its tasks are verb, noun"):
        read_segment_table(path, task="scene")
    with pytest.raises(InputError, match=r"row 0: noun 8 is not a class; the list has 1"):
        read_segment_table(path, task="noun", labels=ClassList((11,), ("cup",), ("",)))
    write_segment_table(path, expected.assign(stop_sec=[3.37, 0.5]))
    with pytest.raises(InputError, match=r"row 1: stop_sec is 0.5, not after start_sec"):
        read_segment_table(path)
    write_segment_table(path, expected[:0])
    with pytest.raises(InputError, match="has no segment"):
        read_segment_table(path)


def test_objects_are_those_of_each_splits_csv_file(csv, tmp_path):
    train = read_objects(csv("a,1,.1,.1,.2,.2,tv\na,0.3,.1,.1,.2,.25,cup\n"))
    val, none = read_objects(csv("b,1,.1,.1,.2,.2,tv\n")), read_objects(csv(""))
    path = tmp_path / "o.parquet"
    write_object_table(path, {"train": train, "test": none, "val": val})
    check_seal(path)
    for split, expected in (("train", train), ("val", val), ("test", none)):
        found = read_object_table(path, split=split)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert read_object_table(path)["video"].tolist() == ["a", "a", "b"]
    write_object_table(path, {})
    pd.testing.assert_frame_equal(read_object_table(path), none, check_exact=True)
    write_object_table(path, {"train": train.assign(label=["tv", " "])})
    with pytest.raises(InputError, match=r"row 1: label is empty"):
        read_object_table(path)


def test_excluded_seconds_are_those_of_each_splits_csv_file(csv, tmp_path):
    train = read_excluded(csv("b,907\na,0906\n"))
    path = tmp_path / "x.parquet"
    write_excluded_table(path, {"train": train, "val": {("c", 5)}})
    check_seal(path)
    assert read_excluded_table(path, split="train") == train == {("a", 906), ("b", 907)}
    assert read_excluded_table(path, split="test") == set()
    assert read_excluded_table(path) == train | {("c", 5)}
    write_excluded_table(path, {"val": {("c", -5)}})
    with pytest.raises(InputError, match=r"row 0: second is -5, expected seconds"):
        read_excluded_table(path)


def test_videos_are_read_as_they_were_written(csv, tmp_path):
    path = tmp_path / "videos.csv"
    videos = [VideoRow("b", "train", "/films/a, b.mkv", "frames/b.h5"), VideoRow("b", "val"),
              VideoRow("a", "val", "", "12")]  # fmt: skip
    for some in (videos, []):
        write_video_table(path, some)
        assert read_video_table(path) == some
    header = "video,split,path,frames\n"
    for text, message in (
        (header + "a,val,,\n../b,val,,\n", "line 3: video id is '../b'"),
        (header + "a,,,\n", "line 2: split is empty"),
        (header + "a,val,,\na,val,x,\n", "line 3: 'a' is in split 'val' twice, expected once"),
        ("video,split\n", "line 1: the header is 'video,split', expected video,split,path,frames"),
    ):
        with pytest.raises(InputError, match=message):
            read_video_table(csv(text))
