import pickle

import numpy as np
import pytest

from aia.config import JhmdbSourceConfig
from aia.datasets.ava import annotated_clips
from aia.datasets.jhmdb import read_annotations
from aia.datasets.sources import read_tubes
from aia.errors import InputError
from aia.evaluate.ucf24 import evaluate_ucf24, mean_of
from aia.labels import read_labels
from aia.tables import read_frame_boxes
from tests.datasets.preparing import prepare

CATCH, WAVE = "catch/c", "wave/Wie_man_winkt!!"
JHMDB = {"format": "jhmdb", "split": 1}


def tube(first, count, box=(80.0, 60.0, 160.0, 120.0)):
    """Frames `first` (from 1) and on, with the same box."""
    return np.array([[first + i, *box] for i in range(count)], np.float32)


def said(**changes):
    """Two videos in two splits, the second the first the other way round."""
    return {
        "labels": ["catch", "run", "wave"],
        "gttubes": {CATCH: {0: [tube(1, 3)]}, WAVE: {2: [tube(2, 5), tube(1, 2, (0, 0, 40, 30))]}},
        "nframes": {CATCH: 3, WAVE: 7},
        "train_videos": [[CATCH], [WAVE]],
        "test_videos": [[WAVE], [CATCH]],
        "resolution": {CATCH: (240, 320), WAVE: (120, 160)},
    } | changes


@pytest.fixture
def write(tmp_path):
    def write(**changes):
        (tmp_path / "JHMDB-GT.pkl").write_bytes(pickle.dumps(said(**changes), protocol=2))
        return tmp_path / "JHMDB-GT.pkl"

    return write


def test_frames_are_counted_from_0_and_boxes_in_pixels_of_320_x_240(write):
    known, videos = read_annotations(write())
    assert videos == {"train": [CATCH], "val": [WAVE]}
    assert known.labels.names == ("catch", "run", "wave")
    assert known.frames == {CATCH: 3, WAVE: 7}
    placed = [(t.video, t.label, t.first_frame, len(t.boxes_xyxy)) for t in known.tubes]
    assert placed == [(CATCH, 0, 0, 3), (WAVE, 2, 1, 5), (WAVE, 2, 0, 2)]
    assert known.tubes[0].boxes_xyxy[2].tolist() == [80, 60, 160, 120]
    assert known.tubes[1].boxes_xyxy[4].tolist() == [160, 120, 320, 240]  # drawn on 160 x 120


def test_another_split_has_other_videos(write):
    source = JhmdbSourceConfig(format="jhmdb", annotations=str(write()), split=2)
    assert read_tubes(source).ids == {"train": ["Wie_man_winkt__"], "val": ["c"]}


def test_a_file_of_python_2_is_read(tmp_path):
    text = b"(dp0\nS'labels'\np1\n(lp2\nS'catch'\np3\nasS'gttubes'\np4\n(dp5\ns."
    (tmp_path / "a.pkl").write_bytes(text)
    with pytest.raises(InputError, match="has no train_videos; expected the lists labels, train_v"):
        read_annotations(tmp_path / "a.pkl")


def test_a_box_may_reach_one_pixel_out_as_where_pixels_are_counted_from_1(write):
    tubes = {CATCH: {0: [tube(1, 3, (-1, 5, 321, 241))]}, WAVE: {}}
    [found] = read_annotations(write(gttubes=tubes)).known.tubes
    assert found.boxes_xyxy[0].tolist() == [0, 5, 320, 240]


def of_catch(*tubes, label=0):
    return {"gttubes": {CATCH: {label: list(tubes)}, WAVE: {}}}


@pytest.mark.parametrize(
    ("changes", "split", "message"),
    [
        ({}, 3, r"has no split 3; it has 2, counted from 1"),
        ({}, 0, r"has no split 0"),
        ({"train_videos": [[CATCH, WAVE]]}, 1, "split 1 has wave/Wie_man_winkt!! in both lists"),
        ({"nframes": [3, 7]}, 1, "has no nframes; .* by video gttubes, nframes, resolution; is it"),
        ({"train_videos": [[]]}, 1, "split 1 has an empty list"),
        ({"train_videos": [["catch/d"]]}, 1, "video 'catch/d': is not described by.*KeyError"),
        ({"train_videos": [["catch/.."]]}, 1, "video id is '..'"),
        ({"test_videos": [["run/c"]], "gttubes": {CATCH: {}, "run/c": {}},
          "nframes": {CATCH: 3, "run/c": 3}, "resolution": {CATCH: (2, 2), "run/c": (2, 2)}},
         1, "run/c and catch/c have the same name"),
        (of_catch(tube(1, 4)), 1, "'catch/c': a tube ends before frame 4, but the video has 3"),
        (of_catch(tube(0, 3)), 1, "begins before the video does"),
        (of_catch(tube(1, 3)[:0]), 1, "a tube has no frame"),
        (of_catch(tube(1, 3)[[0, 2]]), 1, "frames of a tube do not follow each other"),
        (of_catch(tube(1, 3)[:, :4]), 1, r"a tube has the shape \(3, 4\)"),
        (of_catch(tube(1, 3, (80, 60, 70, 90))), 1, "a box has no width or no height"),
        (of_catch(tube(1, 3, (80, 60, np.nan, 90))), 1, "a box is not finite numbers"),
        (of_catch(tube(1, 3, (80, 60, 90, 251))), 1, "reaches 11 pixels out of a frame of 320 x"),
        (of_catch(tube(1, 3), label=3), 1, "label 3, but there are 3 classes, from 0"),
        ({"resolution": {CATCH: 240, WAVE: (120, 160)}}, 1, "video 'catch/c'.*TypeError"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(write, changes, split, message):
    with pytest.raises(InputError, match=message):
        read_annotations(write(**changes), split=split)


def test_prepared_every_frame_is_a_clip_of_its_own(write, tmp_path):
    ids = prepare(tmp_path, **JHMDB, annotations=write())
    assert ids == {"train": ["c"], "val": ["Wie_man_winkt__"]}
    labels = read_labels(tmp_path / "classes.pbtxt")
    clips = annotated_clips(tmp_path / "val.parquet", labels=labels, per_sec=25.0)
    assert [(clip.key.t, len(clip.persons_xyxy)) for clip in clips] == [
        (0, 1), (1, 2), (2, 1), (3, 1), (4, 1), (5, 1), (6, 0),
    ]  # fmt: skip
    assert clips[2].persons_xyxy == pytest.approx(np.array([[0.5, 0.5, 1.0, 1.0]]))
    assert clips[2].labels[0].tolist() == [0, 0, 1]


def test_the_prepared_tubes_are_what_is_evaluated_against(write, tmp_path):
    prepare(tmp_path, **JHMDB, annotations=write())
    truth = read_frame_boxes(tmp_path / "tubes.csv", needs="tube")
    assert set(truth["video"]) == {"Wie_man_winkt__"}
    assert truth.groupby("tube")["frame"].agg(["min", "max"]).to_numpy().tolist() == [
        [1, 5],
        [0, 1],
    ]
    truth.assign(score=0.5).to_csv(tmp_path / "found.csv", index=False)
    result = evaluate_ucf24(
        tmp_path / "tubes.csv", tmp_path / "found.csv", labels=tmp_path / "classes.pbtxt"
    )
    assert (result.frame.labels.names, result.frame.mean) == (("catch", "run", "wave"), 1)
    assert all(mean_of(maps) == 1 for maps in result.video.values())
