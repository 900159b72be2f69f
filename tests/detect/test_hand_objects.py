"""Pickles of hands and objects as EPIC-Kitchens publishes them, and what is wrong with some."""

import os
import pickle

import numpy as np
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from aia.cli import main
from aia.detect.hand_objects import read_hand_objects
from aia.detect.imported import import_boxes
from aia.errors import InputError
from aia.tables import read_boxes

BOX = (0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def published():
    """The published message with all of its fields, not only those that are read."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="types.proto", package="m", syntax="proto3")
    kinds = {"f": field.TYPE_FLOAT, "i": field.TYPE_INT32, "s": field.TYPE_STRING}
    for message, fields in {
        "FloatVector": "x:f y:f",
        "BBox": "left:f top:f right:f bottom:f",
        "Hand": "bbox:BBox score:f state:i object_offset:FloatVector side:i",
        "Object": "bbox:BBox score:f",
        "Detections": "video_id:s frame_number:i hands:Hand* objects:Object*",
    }.items():
        described = file.message_type.add(name=message)
        for number, (name, kind) in enumerate((f.split(":") for f in fields.split()), start=1):
            one = described.field.add(name=name, number=number)
            one.label = field.LABEL_REPEATED if "*" in kind else field.LABEL_OPTIONAL
            one.type = kinds.get(kind, field.TYPE_MESSAGE)
            if kind not in kinds:
                one.type_name = ".m." + kind.strip("*")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("m.Detections"))


@pytest.fixture
def frame(published):
    def frame(number, hands=((*BOX, 0.75),), objects=(), video="P01_01"):
        made = published(video_id=video, frame_number=number)
        for group, found in (("hands", hands), ("objects", objects)):
            for left, top, right, bottom, score in found:
                one = getattr(made, group).add(score=score)
                one.bbox.left, one.bbox.top, one.bbox.right, one.bbox.bottom = (
                    left, top, right, bottom,
                )  # fmt: skip
                if group == "hands":
                    one.state, one.side, one.object_offset.x = 3, 1, 0.125
        return made.SerializeToString()

    return frame


@pytest.fixture
def write(tmp_path):
    def write(content, name="P01_01.pkl"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))
        return path

    return write


def sides(boxes):
    return boxes[["x1", "y1", "x2", "y2"]].to_numpy().tolist()


# --- one film ---


def test_hands_take_the_place_of_persons_and_objects_have_no_names(write, frame):
    path = write([frame(1, [(*BOX, 0.75)], [(0, 0, 0.5, 0.5, 0.25), (*BOX, 0.5)])])
    hands, objects = (read_hand_objects(path, kind=kind).boxes for kind in ("persons", "objects"))
    assert (hands["label"].tolist(), objects["label"].tolist()) == (["hand"], ["object"] * 2)
    assert (sides(hands), hands["score"].tolist()) == ([list(BOX)], [0.75])
    assert sides(objects) == [[0, 0, 0.5, 0.5], list(BOX)]
    assert objects["score"].tolist() == [0.25, 0.5]


def test_frames_count_from_1_and_are_60_a_second_and_50_of_later_films(write, frame):
    numbers = (1, 2, 61, 99_121)
    early = read_hand_objects(write([frame(n) for n in numbers]), kind="persons")
    assert early.boxes["time_sec"].tolist() == [0, 1 / 60, 1, 1652]
    late = write([frame(n, video="P01_101") for n in (1, 51)], "P01_101.pkl")
    assert read_hand_objects(late, kind="persons").boxes["time_sec"].tolist() == [0, 1]


def test_of_key_times_the_nearest_frames_alone_are_kept_and_called_by_them(write, frame):
    path = write([frame(n, [(0, 0, 0.5, n / 128, 0.5)]) for n in range(1, 128)])
    times = {"P01_01": [0.0, 1.004, 1.006, 2.0], "P01_02": [1.5]}
    found = read_hand_objects(path, kind="persons", times=times)
    assert found.boxes["time_sec"].tolist() == [0.0, 1.004, 1.006, 2.0]
    assert (found.boxes["y2"] * 128).tolist() == [1, 61, 61, 121]
    assert found.missing == 0


def test_a_film_of_which_no_moment_is_asked_keeps_nothing(write, frame):
    found = read_hand_objects(write([frame(1)]), kind="persons", times={"P01_02": [0.0]})
    assert (len(found.boxes), found.frames) == (0, 1)


def test_key_times_beyond_the_frames_are_counted(write, frame):
    path = write([frame(n) for n in range(1, 13)])
    found = read_hand_objects(path, kind="persons", times={"P01_01": [0.0, 7.0, 11.0]})
    assert (len(found.boxes), found.missing) == (1, 2)


def test_frames_without_a_hand_are_none(write, frame):
    assert read_hand_objects(write([frame(5, [])]), kind="persons").boxes.empty


# --- what is wrong ---


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (lambda f: [f(1), f(2, video="P01_02")], "frame 1 of the list .* is of film 'P01_02'"),
        (lambda f: [f(1), f(1)], "frame 1 of the list .*: frame number 1 is there twice"),
        (lambda f: [f(0)], "frame number 0 is no number from 1 on"),
        (lambda f: [f(1, video="a_film")], "'a_film' is no film of EPIC-Kitchens"),
        (lambda f: [f(1, video="../P01_01")], r"video id is '\.\./P01_01'"),
        (lambda f: [f(1)[:-3]], "frame 0 of the list .*: is damaged"),
        (lambda f: [b"no message at all"], "is damaged"),
        (lambda f: [b""], "video id is empty"),
        (lambda f: [f(1) + b"\x1a\x00"], "one of its persons has no box"),
        (lambda f: [], "has no frame"),
        (lambda f: {"P01_01": [f(1)]}, "is a pickle of a dict, expected a list of a film's frames"),
        (lambda f: [f(1), "text"], "is a pickle of a list of other things"),
        (lambda f: np.zeros(3), "is a pickle of a ndarray"),
    ],
)
def test_a_file_that_is_no_film_of_frames_is_refused(write, frame, frames, message):
    with pytest.raises(InputError, match=message):
        read_hand_objects(write(frames(frame)), kind="persons")


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


def test_a_pickle_that_would_run_something_is_refused(write, frame, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write([frame(1), Evil()])
    with pytest.raises(InputError, match=r"would run \w+\.system"):
        import_boxes([path], kind="persons", films=["P01_01"], output_dir=tmp_path / "out")
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((10, 20, 30, 40, 0.5), "are these pixels?"),
        ((0.5, 0.5, 0.25, 0.75, 0.5), "is it left, top, width, height?"),
        ((*BOX, 1.5), "has a score outside 0..1"),
        ((float("nan"), *BOX[1:], 0.5), "is outside 0..1"),
    ],
)
def test_boxes_that_are_none_are_refused(write, frame, tmp_path, box, message):
    path = write([frame(1, [box])])
    with pytest.raises(InputError) as caught:
        import_boxes([path], kind="persons", films=["P01_01"], output_dir=tmp_path / "out")
    assert message in str(caught.value)


# --- many films ---


def test_each_film_gets_its_file_and_others_are_left_out(write, frame, tmp_path, capsys):
    paths = [
        write([frame(2), frame(1), frame(61, [(-0.125, 0, 0.5, 0.5, 0.5)])]),
        write([frame(1, video="P02_01")], "P02_01.pkl"),
    ]
    out, films = tmp_path / "out", ["P01_01", "P03_01"]
    import_boxes(paths, kind="persons", films=films, output_dir=out)
    assert sorted(path.name for path in out.iterdir()) == ["P01_01.parquet", "P03_01.parquet"]
    boxes = read_boxes(out / "P01_01.parquet")
    assert boxes["time_sec"].tolist() == [0, 1 / 60, 1]
    assert boxes["x1"].tolist() == [0.25, 0.25, 0]
    assert set(boxes["label"]) == {"hand"}
    assert boxes.attrs["provenance"]["files"] == "P01_01.pkl"
    assert read_boxes(out / "P03_01.parquet").empty
    said = capsys.readouterr().err
    assert "3 frames of P01_01, 3 persons; 1 cut at the frame's edge" in said
    assert "of P02_01, which is not asked for; left out" in said
    assert "no file of 1 film (P03_01)" in said


def test_files_that_do_not_go_together_are_refused(write, frame, tmp_path):
    film, again = write([frame(1)]), write([frame(1)], "again.pkl")
    other = write(b"P01_01,0,0.1,0.1,0.2,0.2,,0.5\n", "boxes.csv")
    options = {"kind": "persons", "films": ["P01_01"], "output_dir": tmp_path / "out"}
    with pytest.raises(InputError, match="again.pkl: is of P01_01, as .*P01_01.pkl is"):
        import_boxes([film, again], **options)
    with pytest.raises(InputError, match="boxes.csv: is no pickle, but others are"):
        import_boxes([film, other], **options)
    with pytest.raises(InputError, match="key times are for pickles"):
        import_boxes([other], **options, times={"P01_01": [0.0]})
    with pytest.raises(InputError, match=r"is of none of 1 film \(P09_09\)"):
        import_boxes([film], **options | {"films": ["P09_09"]})


def test_the_command_takes_films_from_the_key_times(write, frame, tmp_path, capsys):
    path = write([frame(n) for n in range(1, 128)])
    times = write(b"P01_01,1.25\nP01_01,0.5\nP02_02,3\n", "times.csv")
    command = ["boxes", "import", str(path), "--kind", "persons", "--output-dir", str(tmp_path)]
    assert main([*command, "--times", str(times)]) == 0
    assert read_boxes(tmp_path / "P01_01.parquet")["time_sec"].tolist() == [0.5, 1.25]
    assert read_boxes(tmp_path / "P02_02.parquet").empty
    assert main(command) == 2
    assert "one must say which videos get a file" in capsys.readouterr().err
