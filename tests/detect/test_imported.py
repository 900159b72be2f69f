"""Published boxes of every layout, recognised by content, and their errors."""

import json

import numpy as np
import pandas as pd
import pytest

from aia.cli import main
from aia.detect.imported import import_boxes, layout_of, read_any
from aia.errors import InputError
from aia.tables import BOX_COLUMNS, read_boxes, write_boxes

VIDEOS = ("a-video", "b_video")


@pytest.fixture
def write(tmp_path):
    def write(content, name="boxes"):
        path = tmp_path / name  # without an ending: only the content tells
        if isinstance(content, pd.DataFrame):
            content.to_parquet(path)
        else:
            path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


@pytest.fixture
def images(write):
    listed = write("zero.mp4\na-video.mkv\nb_video.mp4\nother.mp4\n", "list.txt")
    return {"images": listed, "frame_sizes": write("a-video,100,50\nb_video,200,40\n", "sizes.csv")}


def coco(image_id=10902, bbox=(10, 5, 20, 30), score=0.5, category_id=1):
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox, "score": score}


def table(**columns):
    given = {"video": ["a-video"], "time_sec": [902.0], "x1": [0.1], "y1": [0.2], "x2": [0.5],
             "y2": [0.75], "score": [0.9]}  # fmt: skip
    return pd.DataFrame(given | columns)


def persons(path, videos=VIDEOS, kind="persons", **known):
    return read_any(path, kind=kind, videos=videos, **known)


def sides(boxes):
    return boxes[["x1", "y1", "x2", "y2"]].to_numpy().round(6).tolist()


# --- layouts ---


def test_each_layout_is_known_by_its_content(write):
    assert layout_of(write(" [\n]")) == "json"
    assert layout_of(write('{"images": []}')) == "json"
    assert layout_of(write("a-video,0902,0.1,0.2,0.5,0.75,,0.9\n")) == "csv"
    assert layout_of(write("")) == "csv"
    assert layout_of(write(table())) == "parquet"
    binary = write("")
    binary.write_bytes(b"\x80\x04\x95")
    assert layout_of(binary) == "pickle"
    binary.write_bytes(b"\x80\x00\x95")
    with pytest.raises(InputError, match="neither JSON, nor CSV, nor Parquet, nor a pickle"):
        layout_of(binary)
    with pytest.raises(InputError, match="there is no such file"):
        layout_of(binary.parent / "none")


def test_pixels_with_the_last_one_included_become_fractions(write, images):
    found = persons(write([coco(), coco(image_id=21798, bbox=[0, 0, 200, 40])]), **images)
    assert found.boxes["video"].tolist() == ["a-video", "b_video"]
    assert found.boxes["time_sec"].tolist() == [902, 1798]
    assert sides(found.boxes) == [[0.1, 0.1, 0.3, 0.7], [0, 0, 1, 1]]
    assert set(found.boxes["label"]) == {"person"}


def test_objects_are_called_by_their_category(write, images):
    boxes = [coco(category_id=44), coco(category_id=1)]
    found = persons(write(boxes), kind="objects", **images)
    assert found.boxes["label"].tolist() == ["44", "1"]


def test_boxes_are_cut_at_the_frame_and_left_out_where_a_pixel_remains(write, images):
    boxes = [
        coco(bbox=[-10, -5, 30, 30]),
        coco(bbox=[90, 40, 50, 50]),
        coco(bbox=[99, 0, 50, 50]),  # one column of pixels
        coco(bbox=[300, 10, 50, 50]),
        coco(bbox=[10, 10, 1, 20]),
    ]
    found = persons(write(boxes), **images)
    assert sides(found.boxes) == [[0, 0, 0.2, 0.5], [0.9, 0.8, 1, 1]]
    assert "2 clipped to the frame; 3 without an area skipped" in found.summary


def test_annotations_as_json_say_video_second_and_size(write):
    described = {"id": 7, "movie": "a-video", "timestamp": 905, "width": 100, "height": 50}
    annotations = write({"images": [described], "annotations": []}, "val.json")
    found = persons(write([coco(7), coco(8)]), images=annotations)
    assert found.boxes["time_sec"].tolist() == [905]
    assert sides(found.boxes) == [[0.1, 0.1, 0.3, 0.7]]
    assert "1 on images that" in found.summary


def test_entries_may_name_video_and_second(write, images):
    named = {"video_id": "a-video", "timestamp": 903.0, "bbox": [10, 5, 20, 30], "score": 0.5}
    found = persons(write([named]), frame_sizes=images["frame_sizes"])
    assert found.boxes[["video", "time_sec"]].values.tolist() == [["a-video", 903]]


def test_rows_of_one_box_with_several_actions_are_one_person(write):
    """Read the forms of PySlowFast's lines: empty, -1, and one line for each action."""
    found = persons(
        write(
            "a-video,0902,0.036,0.098,0.550,0.979,,0.995518\n"
            "a-video,0902,0.003,0.125,0.119,0.837,-1,0.742486\n"
            "b_video,0903,0.1,0.2,0.3,0.4,12,0.97\n"
            "b_video,0903,0.1,0.2,0.3,0.4,17,0.97\n"
            "b_video,0903,0.1,0.2,0.3,0.4,79,0.98\n"
            "b_video,0904,0.1,0.2,0.3,0.4,79,0.97\n"
        )
    )
    assert found.boxes["score"].tolist() == [0.995518, 0.742486, 0.98, 0.97]
    assert found.boxes["time_sec"].tolist() == [902, 902, 903, 904]
    assert "4 persons of 2 of 2 videos" in found.summary


def test_our_own_parquet_goes_through_unchanged(tmp_path):
    rows = table(label=["person"], track=pd.array([7], dtype="Int32"))
    write_boxes(tmp_path / "ours.parquet", rows, provenance={})
    import_boxes(
        [tmp_path / "ours.parquet"], kind="persons", videos=["a-video"], output_dir=tmp_path / "out"
    )
    ours, imported = (read_boxes(tmp_path / f) for f in ("ours.parquet", "out/a-video.parquet"))
    pd.testing.assert_frame_equal(ours, imported)


def test_any_parquet_with_our_columns_will_do_and_others_are_told(write):
    rows = table(x1=np.array([0.1], "f8"), time_sec=np.array([902]), mask=[b"x"], pose=[1])
    found = persons(write(rows))
    assert list(found.boxes.columns) == list(BOX_COLUMNS)
    assert found.boxes["label"].tolist() == ["person"]
    assert "columns mask, pose ignored" in found.summary


def test_labels_of_a_parquet_tell_persons_from_objects(write):
    both = pd.concat([table(label=["person"]), table(label=["cup"])])
    assert persons(write(both)).boxes["label"].tolist() == ["person"]
    found = persons(write(both), kind="objects")
    assert found.boxes["label"].tolist() == ["cup"]
    assert "1 that are not objects skipped" in found.summary
    with pytest.raises(InputError, match="has no persons, only 1 label .cup"):
        persons(write(table(label=["cup"])))


# --- videos ---


def test_every_video_gets_a_file_and_videos_without_boxes_are_named(
    write, images, tmp_path, capsys
):
    out = tmp_path / "out"
    import_boxes([write([coco()])], kind="persons", videos=VIDEOS, output_dir=out, **images)
    assert sorted(path.name for path in out.iterdir()) == ["a-video.parquet", "b_video.parquet"]
    assert len(read_boxes(out / "a-video.parquet")) == 1
    assert read_boxes(out / "b_video.parquet").empty
    assert "no persons in 1 video (b_video)" in capsys.readouterr().err


def test_several_files_are_put_together_in_the_order_of_time(write, images, tmp_path):
    late, early = write([coco(10910)], "late"), write("a-video,903,.1,.1,.2,.2,,0.5\n", "early")
    import_boxes(
        [late, early], kind="persons", videos=VIDEOS, output_dir=tmp_path / "out", **images
    )
    boxes = read_boxes(tmp_path / "out" / "a-video.parquet")
    assert boxes["time_sec"].tolist() == [903, 910]
    assert boxes.attrs["provenance"]["files"] == "late, early"


def test_videos_that_the_annotations_do_not_name_are_counted(write, images):
    found = persons(write([coco(), coco(30902)]), **images)  # other's size is not even known
    assert "1 video (other) skipped" in found.summary
    with pytest.raises(InputError, match="has boxes of 1 video .other., but none of 2 videos"):
        persons(write([coco(30902)]), **images)


# --- what is wrong ---


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"annotations": []}, "is not a list of boxes; is it the annotations"),
        ([coco(), coco(bbox=[1, 2, 3])], "box 1 (from 0): is {'image_id'"),
        ([coco(bbox=[1, 2, "3", 4])], "expected bbox: [x, y, width, height] in pixels"),
        ([coco(bbox=[1, 2, float("nan"), 4])], "bbox has a side that is not a number"),
        ([coco(bbox=[1, 2, -3, 4])], "negative width or height"),
        ([coco(score=1.5)], "score is outside 0..1 (bbox [10, 5, 20, 30], score 1.5)"),
        ([coco(score=None)], "expected a score"),
        ([coco(image_id="10902")], "expected image_id (a whole number), or video and second"),
        ([{"video": "a-video", "bbox": [1, 2, 3, 4], "score": 1}], "expected image_id"),
        ([coco(40902)], "image_id 40902 is second 902 of video 4, counted from 0"),
        (
            [{"video": "../x", "second": 1, "bbox": [1, 2, 3, 4], "score": 1}],
            "video id is '../x'",
        ),
        ([1], "box 0 (from 0): is 1, expected"),
        ([coco(bbox=[500, 500, 9, 9])] * 3 + [coco()], "3 of 4 boxes lie outside the frame"),
    ],
)
def test_what_is_wrong_with_json_is_named_by_its_place(write, images, entries, message):
    path = write(entries)
    with pytest.raises(InputError) as caught:
        persons(path, **images)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_json_that_is_cut_off_is_refused(write, images):
    with pytest.raises(InputError, match="is not JSON or is cut off"):
        persons(write('[{"image_id": 1,'), **images)


def test_ids_and_pixels_need_something_that_says_what_they_mean(write, images):
    with pytest.raises(InputError, match="--images has to say what it means"):
        persons(write([coco()]))
    with pytest.raises(InputError, match="the size of a-video's frames is not known"):
        persons(write([coco()]), images=images["images"])
    other = {"id": 1, "movie": "a-video", "timestamp": 902, "width": 100, "height": 50}
    with pytest.raises(InputError, match="has none of its image ids"):
        persons(write([coco()]), images=write({"images": [other]}, "other.json"))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ({}, "expected id, movie, timestamp, width and height"),
        ({"movie": "../a"}, "video id is '../a'"),
        ({"width": 0}, "expected pixels"),
        ({"width": 99}, "all frames of a video have one size"),
    ],
)
def test_what_is_wrong_with_the_annotations_is_named(write, image, message):
    good = {"id": 1, "movie": "a-video", "timestamp": 902, "width": 100, "height": 50}
    bad = good | {"id": 2} | image if image else {}
    annotations = write({"images": [good, bad]}, "val.json")
    with pytest.raises(InputError) as caught:
        persons(write([coco(1)]), images=annotations)
    assert message in str(caught.value)
    assert "images[1]" in str(caught.value)


GOOD = "a-video,0902,0.1,0.2,0.5,0.75,,0.9\n"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a-video,0902,0.1,0.2,0.5,0.75,0.9\n", "line 2: 7 columns, expected 8"),
        ("a-video,0902,10,20,50,75,,0.9\n", "line 2: x1 = 10 is outside 0..1"),
        ("a-video,0902,nan,0.2,0.5,0.75,,0.9\n", "line 2: x1 = nan is outside 0..1"),
        ("a-video,0902,0.6,0.2,0.5,0.75,,0.9\n", "line 2: x1 = 0.6 is above x2 = 0.5"),
        ("a-video,0902,0.1,0.2,0.5,0.75,stand,0.9\n", "line 2: action is 'stand', expected"),
        ("a-video,0902,0.1,0.2,0.5,0.75,12,3\n", "line 2: score is 3, expected 0 to 1; are these"),
        ("a-video,0902,0.1,0.2,0.5,0.75,,nan\n", "line 2: score is nan"),
        ("../a,0902,0.1,0.2,0.5,0.75,,0.9\n", "line 2: video id is '../a'"),
        ("a-video,-1,0.1,0.2,0.5,0.75,,0.9\n", "line 2: second is -1"),
    ],
)
def test_what_is_wrong_with_csv_is_named_by_line(write, line, message):
    with pytest.raises(InputError) as caught:
        persons(write(GOOD + line))
    assert message in str(caught.value)


def test_annotations_are_not_taken_for_boxes(write):
    with pytest.raises(InputError, match="all scores are 0 or 1; are these annotations"):
        persons(write("a-video,0902,0.1,0.2,0.5,0.75,12,0\na-video,0902,0.6,0.2,0.9,0.75,12,1\n"))
    sure = write("a-video,0902,0.1,0.2,0.5,0.75,12,1.000\n")
    assert len(persons(sure).boxes) == 1


def test_csv_boxes_hold_persons_only(write):
    with pytest.raises(InputError, match="hold persons, not objects"):
        persons(write(GOOD), kind="objects")


def test_rounded_slivers_are_left_out_and_counted(write):
    found = persons(write(GOOD + "a-video,0902,0.5,0.2,0.5,0.75,,0.9\n"))
    assert len(found.boxes) == 1
    assert "1 without an area skipped" in found.summary


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"x2": [50.0]}, "row 0: box [0.1, 0.2, 50.0, 0.75]"),
        ({"x2": [0.05]}, "is it left, top, width, height?"),
        ({"score": [np.nan]}, "column score has empty cells"),
        ({"score": [7.0]}, "has a score outside 0..1"),
        ({"video": ["a/b"]}, "video id is 'a/b'"),
        ({"time_sec": [-1.0]}, "time_sec is -1, expected seconds"),
        ({"x1": ["left"]}, "column x1 holds large_string, expected double"),
    ],
)
def test_what_is_wrong_with_parquet_is_named(write, columns, message):
    with pytest.raises(InputError) as caught:
        persons(write(table(**columns)))
    assert message in str(caught.value)
    with pytest.raises(InputError, match="has no column 'score'; boxes have video, time_sec"):
        persons(write(table().drop(columns="score")))


def test_the_command_imports_and_ends_with_2_leaving_nothing(write, images, tmp_path, capsys):
    annotations, out = write("a-video,902,0.1,0.1,0.5,0.9,1,0\n", "val.csv"), tmp_path / "out"
    options = ["--kind", "persons", "--output-dir", str(out), "--images", str(images["images"])]
    options += ["--frame-sizes", str(images["frame_sizes"])]
    bad = str(write([coco(), coco(score=2)], "bad"))
    good = str(write([coco()], "good"))
    assert main(["boxes", "import", good, bad, *options, "--annotations", str(annotations)]) == 2
    assert "bad, box 1 (from 0): score is outside" in capsys.readouterr().err
    assert not out.exists()
    assert main(["boxes", "import", good, *options, "--annotations", str(annotations)]) == 0
    assert [path.name for path in out.iterdir()] == ["a-video.parquet"]
    videos = write("a-video\nnobody\n", "videos.txt")
    assert main(["boxes", "import", good, *options, "--films", str(videos)]) == 0
    assert read_boxes(out / "nobody.parquet").empty
