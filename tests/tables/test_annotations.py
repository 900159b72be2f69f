import pytest

from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import (
    check_video_id,
    read_actions,
    read_excluded,
    read_objects,
    read_tracks,
)

ROW = "film-1,0902,0.1,0.2,0.5,0.75,7,3\n"
LABELS = ClassList((1, 7), ("sit", "walk"), ("", ""))


@pytest.fixture
def write(tmp_path):
    def write(text, name="table.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("text", ["", "\n\n"], ids=["no byte", "blank lines"])
def test_annotations_without_a_line_are_refused(write, text):
    with pytest.raises(InputError, match="table.csv: is empty; expected lines of video,second"):
        read_actions(write(text))


def test_annotations_are_read_in_file_order(write):
    table = read_actions(
        write(ROW + "\n" + ROW.replace("0902", "901.5").replace("film-1", "a.b_c"))
    )
    assert table["video"].tolist() == ["film-1", "a.b_c"]
    assert table["time_sec"].tolist() == [902.0, 901.5]
    assert table.loc[0, ["x1", "y1", "x2", "y2"]].tolist() == [0.1, 0.2, 0.5, 0.75]
    assert table["action"].tolist() == [7, 7]
    assert table["person"].tolist() == [3, 3]
    assert [str(kind) for kind in table.dtypes.iloc[1:]] == ["float64"] * 5 + ["int64"] * 2


def test_without_a_column_of_persons_they_are_minus_one(write):
    assert read_actions(write(ROW.replace(",3\n", "\n")))["person"].tolist() == [-1]


def test_a_row_of_video_and_second_marks_a_key_frame_without_actions(write):
    table = read_actions(write("empty,903\n" + ROW))
    assert table["video"].tolist() == ["film-1", "empty"]
    assert table["action"].tolist() == [7, -1]
    assert table.loc[1, ["x1", "y1", "x2", "y2"]].isna().all()
    assert read_actions(write("empty,903\n"))["time_sec"].tolist() == [903.0]


def test_windows_line_ends_and_a_byte_order_mark_do_no_harm(write):
    table = read_actions(write("\ufeff" + ROW.replace("\n", "\r\n") * 2))
    assert table["video"].tolist() == ["film-1"] * 2


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("a,1,.1,.1,.2\n", "5 columns, expected 8: video,second,x1,y1,x2,y2,action,person"),
        ("a;1;.1;.1;.2;.2;7;0\n", "are the cells separated by something else than commas?"),
        ('"a,1,.1,.1,.2,.2,7,0\n', "is a quotation mark never closed?"),
        ("a,1,.1,.1,.2,.2,7,x\n", "person is 'x', expected a whole number"),
        ("a,1,.1,,.2,.2,7,0\n", "y1 is empty, expected a number"),
        ("a,1,.1,.1,.2,.2,7.5,0\n", "action is '7.5', expected a whole number"),
        ("a,1,.1,.1,.2,.2,-7,0\n", "action is -7, expected a class id, 0 or more"),
        ("a,1,.1,.1,.2,.2,8,0\n", "action 8 is not a class; the list has 2, with ids 1 to 7"),
        ("a,1,10,.1,812.5,.2,7,0\n", "boxes are fractions of the frame, these look like pixels"),
        ("a,1,-.25,.1,.5,.2,7,0\n", "x1 = -0.25 is outside 0..1"),
        ("a,1,.1,.1,.5,nan,7,0\n", "y2 = nan is outside 0..1"),
        ("a,1,.5,.1,.25,.2,7,0\n", "x1 = 0.5 is not below x2 = 0.25"),
        ("a,1,.1,.5,.25,.5,7,0\n", "y1 = 0.5 is not below y2 = 0.5"),
        ("films/a,1,.1,.1,.2,.2,7,0\n", "video id is 'films/a', expected letters, digits"),
        ("..,1,.1,.1,.2,.2,7,0\n", "video id is '..'"),
        (",1,.1,.1,.2,.2,7,0\n", "video id is empty"),
        ("a,-1,.1,.1,.2,.2,7,0\n", "second is -1, expected seconds of the video"),
        ("a,inf,.1,.1,.2,.2,7,0\n", "second is inf, expected seconds of the video"),
        ("a,late\n", "second is 'late', expected a number"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_annotations_is_named_by_line(write, bad, message):
    path = write(ROW + "\n" + "empty,903\n" + bad + ROW)
    with pytest.raises(InputError) as caught:
        read_actions(path, labels=LABELS)
    assert f"{path}, line 4: " in str(caught.value)
    assert message in str(caught.value)


def test_a_header_is_told_from_a_bad_first_row(write):
    with pytest.raises(InputError, match="line 1: .* looks like a header; this file has none"):
        read_actions(write("video_id,timestamp,x1,y1,x2,y2,action_id,person_id\n" + ROW))
    with pytest.raises(InputError, match="line 1: x1 is 'left', expected a number"):
        read_actions(write(ROW.replace("0.1", "left")))


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(InputError, match="none.csv: there is no such file; annotations expected"):
        read_actions(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is not a file"):
        read_actions(tmp_path)
    (tmp_path / "film.csv").write_bytes(bytes(range(256)) * 7)
    with pytest.raises(InputError, match=r"film.csv"):
        read_actions(tmp_path / "film.csv")


@pytest.mark.parametrize("video", ["", ".", "..", "a/b", "a\\b", "ä", "a b", "a\n"])
def test_a_video_id_that_could_not_name_a_file_is_refused(video):
    with pytest.raises(InputError, match="here: video id is"):
        check_video_id(video, "here")


def test_a_video_id_that_is_too_long_or_hidden_is_refused():
    check_video_id("a" * 180, "here")
    with pytest.raises(InputError, match="here: video id a{20}… has 181 characters, expected at m"):
        check_video_id("a" * 181, "here")
    with pytest.raises(
        InputError, match=r"here: video id is '\.a', expected one that does not beg"
    ):
        check_video_id(".a", "here")


def test_ava_and_ucf_video_ids_pass():
    for video in ("-5KQ66BBWC4", "v_Basketball_g01_c02", "film0", "a.b"):
        check_video_id(video, "here")


def test_nothing_is_excluded_without_a_file_or_a_line(write):
    assert read_excluded(None) == set()
    assert read_excluded(write("")) == set()


def test_excluded_seconds_are_whole(write):
    assert read_excluded(write("a,0906\nb,907.0\n")) == {("a", 906), ("b", 907)}
    with pytest.raises(InputError, match="line 2: second is 907.5, expected a whole number"):
        read_excluded(write("a,0906\nb,907.5\n"))
    with pytest.raises(InputError, match="there is no such file; excluded seconds expected"):
        read_excluded("none.csv")


def test_objects_have_a_name(write):
    assert len(read_objects(write(""))) == 0
    table = read_objects(write("a,1,.1,.1,.2,.2,tv\n"))
    assert table["label"].tolist() == ["tv"]
    with pytest.raises(InputError, match="line 1: label is empty"):
        read_objects(write("a,1,.1,.1,.2,.2,\n"))


def test_tracks_have_their_header(write):
    table = read_tracks(write("frame,id,x1,y1,x2,y2\n0,9,.1,.1,.2,.2\n"))
    assert table[["frame", "id"]].to_numpy().tolist() == [[0, 9]]
    with pytest.raises(InputError, match="line 1: the header is '0,9,.1"):
        read_tracks(write("0,9,.1,.1,.2,.2\n"))
    with pytest.raises(InputError, match="line 3: y2 = 5 is outside 0..1"):
        read_tracks(write("frame,id,x1,y1,x2,y2\n0,9,.1,.1,.2,.2\n1,9,.1,.1,.2,5\n"))
    with pytest.raises(InputError, match="line 2: frame is -1"):
        read_tracks(write("frame,id,x1,y1,x2,y2\n-1,9,.1,.1,.2,.2\n"))


def test_the_real_annotations_are_read(shared_data):
    pets = shared_data / "pets09"
    assert read_actions(pets / "train.csv")["video"].unique().tolist() == ["vtest"]
    assert read_tracks(pets / "tracks.csv")["frame"].max() == 794
    assert len(read_excluded(shared_data / "ava" / "ava_val_excluded_timestamps_v2.2.csv")) > 0
