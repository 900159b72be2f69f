import pandas as pd
import pytest

from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import read_key_times, read_segments, write_segments

HEADER = "segment,video,start_sec,stop_sec,verb,noun\n"
GOOD = HEADER + "7,P01_01,0.14,3.37,2,8\n3,P01_02,1,1.5,0,11\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        (tmp_path / "train.csv").write_text(text)
        return tmp_path / "train.csv"

    return write


def test_segments_come_in_file_order_with_their_types(write):
    found = read_segments(write(GOOD))
    assert found.columns.tolist() == ["segment", "video", "start_sec", "stop_sec", "verb", "noun"]
    assert [str(found[name].dtype) for name in ("segment", "start_sec", "noun")] == [
        "int64", "float64", "int64",
    ]  # fmt: skip
    assert found.to_dict("list") == {
        "segment": [7, 3], "video": ["P01_01", "P01_02"], "start_sec": [0.14, 1.0],
        "stop_sec": [3.37, 1.5], "verb": [2, 0], "noun": [8, 11],
    }  # fmt: skip


def test_of_one_task_the_others_are_left_out(write):
    found = read_segments(write(GOOD), task="noun")
    assert found.columns.tolist() == ["segment", "video", "start_sec", "stop_sec", "noun"]
    with pytest.raises(InputError, match="has no column scene; its tasks are verb, noun"):
        read_segments(write(GOOD), task="scene")


def test_what_is_written_is_read_again(write, tmp_path):
    found = read_segments(write(GOOD))
    write_segments(tmp_path / "out" / "again.csv", found)
    pd.testing.assert_frame_equal(read_segments(tmp_path / "out" / "again.csv"), found)
    assert (tmp_path / "out" / "again.csv").read_text() == GOOD.replace(",1,1.5", ",1.0,1.5")


def test_segments_may_overlap(write):
    text = HEADER + "0,a,1,5,0,0\n1,a,2,3,0,0\n2,a,1,5,1,1\n"
    assert len(read_segments(write(text))) == 3


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("7,P01_01,4,5,2,8", "line 4: segment 7 is there twice"),
        ("-1,P01_01,4,5,2,8", "line 4: segment is -1"),
        ("x,P01_01,4,5,2,8", "line 4: segment is 'x', expected a whole number"),
        ("8,../P01,4,5,2,8", r"line 4: video id is '\.\./P01'"),
        ("8,P01_01,5,5,2,8", "line 4: stop_sec is 5, not after start_sec, 5"),
        ("8,P01_01,5,4.5,2,8", "line 4: stop_sec is 4.5, not after start_sec, 5; .* its duration"),
        ("8,P01_01,-1,5,2,8", "line 4: start_sec is -1"),
        ("8,P01_01,1,nan,2,8", "line 4: stop_sec is nan"),
        ("8,P01_01,1,inf,2,8", "line 4: stop_sec is inf"),
        ("8,P01_01,1,5,2.5,8", "line 4: verb is '2.5', expected a whole number"),
        ("8,P01_01,1,5,2,-3", "line 4: noun is -3, expected a class id"),
        ("8,P01_01,1,5,2", "line 4: 5 columns, expected 6"),
    ],
)
def test_a_line_that_makes_no_sense_is_named(write, line, message):
    with pytest.raises(InputError, match=message):
        read_segments(write(GOOD + line + "\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no header"),
        (HEADER, "has no segment"),
        ("video,segment,start_sec,stop_sec,verb\n", "line 1: the header is 'video,segment"),
        ("segment,video,start_sec,stop_sec\n", "and a column for each task"),
        ("segment,video,start_sec,stop_sec,verb,verb\n", "each once"),
        ("segment,video,start_sec,stop_sec,1\n", "the header is"),
    ],
)
def test_another_file_is_refused_by_its_header(write, text, message):
    with pytest.raises(InputError, match=message):
        read_segments(write(text))
    with pytest.raises(InputError, match="there is no such file; segments expected"):
        read_segments("none.csv")


def test_a_class_that_the_list_lacks_is_refused(write):
    labels = ClassList((0, 2), ("take", "open"), ("", ""))
    assert len(read_segments(write(GOOD), task="verb", labels=labels)) == 2
    with pytest.raises(InputError, match="line 2: noun 8 is not a class; the list has 2"):
        read_segments(write(GOOD), task="noun", labels=labels)


def test_key_times_are_those_of_each_film_once_and_rising(write):
    found = read_key_times(write("b,2.5\na,7\nb,0.25\nb,2.5\n"))
    assert found == {"b": [0.25, 2.5], "a": [7.0]}
    with pytest.raises(InputError, match="line 2: second is -1"):
        read_key_times(write("b,2.5\nb,-1\n"))
    with pytest.raises(InputError, match="is empty"):
        read_key_times(write(""))
