import pickle
from pathlib import Path

import numpy as np
import pytest

from aia.datasets.ava import annotated_clips
from aia.datasets.tubes import to_fractions, video_id
from aia.datasets.ucf101_24 import read_annotations, read_split, split_videos
from aia.errors import InputError
from aia.labels import read_labels
from aia.video.decode import VideoFile
from tests.datasets.preparing import prepare

UCF = {"format": "ucf101_24", "labels": None, "train": None}


def write(path, **changes):
    """One video with one tube of three frames, as the corrected annotations have it."""
    tube = {"label": 1, "sf": 4, "ef": 7, "boxes": np.tile(np.uint8([200, 20, 100, 60]), (3, 1))}
    video = {"numf": np.uint8(250), "label": 1, "annotations": [tube]}
    video.update({key: value for key, value in changes.items() if key in video})
    tube.update({key: value for key, value in changes.items() if key in tube})
    path.write_bytes(pickle.dumps({"BasketballDunk/v_BasketballDunk_g01_c01": video}))
    return path


def test_sums_of_small_integers_do_not_overflow(tmp_path):
    [tube] = read_annotations(write(tmp_path / "a.pkl")).tubes
    assert tube.boxes_xyxy.tolist() == [[200, 20, 300, 80]] * 3  # 200 + 100 is 44 in uint8
    assert (tube.label, tube.first_frame) == (1, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ef": 8}, "3 boxes for frames 4 to 7"),
        ({"numf": 6}, "ends before frame 7, but the video has 6 frames; is ef the last"),
        ({"boxes": np.zeros((3, 4), np.uint8)}, "no width or no height"),
        ({"boxes": np.zeros((3, 3), np.uint8)}, r"the shape \(3, 3\)"),
        ({"numf": None}, "video 'BasketballDunk/v_BasketballDunk_g01_c01'.*TypeError"),
        ({"label": -1}, "label -1"),
    ],
)
def test_a_video_that_makes_no_sense_is_refused_by_name(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read_annotations(write(tmp_path / "a.pkl", **changes))


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match=r"would run os\.system"):
        read_annotations(tmp_path / "a.pkl")


def test_a_video_whose_name_leads_elsewhere_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a/..": {"numf": 3, "annotations": []}}))
    with pytest.raises(InputError, match="video id"):
        read_annotations(tmp_path / "a.pkl")


def test_a_split_may_have_extensions_and_labels(tmp_path):
    (tmp_path / "list.txt").write_text("Diving/v_a.avi 6\nDiving/v_b\n\n")
    assert read_split(tmp_path / "list.txt") == ["Diving/v_a", "Diving/v_b"]


def test_a_split_of_other_videos_is_refused(tmp_path):
    annotations = read_annotations(write(tmp_path / "a.pkl"))
    with pytest.raises(InputError, match="Diving/v_a and 0 more of its 1 videos are not annotated"):
        annotations.only(["Diving/v_a"], "list.txt")


def test_the_counts_of_the_corrected_annotations(shared_data):
    folder = shared_data / "ucf101-24"
    all_videos = read_annotations(folder / "pyannot.pkl")
    assert len(all_videos.frames) == 3194
    assert len(all_videos.tubes) == 4458
    assert sum(len(tube.boxes_xyxy) for tube in all_videos.tubes) == 573_862
    fractions = to_fractions(np.concatenate([tube.boxes_xyxy for tube in all_videos.tubes]))
    assert fractions.min() > 0
    assert fractions.max() <= 1


def test_the_counts_of_the_first_split(shared_data):
    folder = shared_data / "ucf101-24"
    annotations = read_annotations(folder / "pyannot.pkl")
    test = annotations.only(read_split(folder / "testlist01.txt"), "testlist01.txt")
    frames = {
        (tube.video, tube.first_frame + i)
        for tube in test.tubes
        for i in range(len(tube.boxes_xyxy))
    }
    boxes = sum(len(tube.boxes_xyxy) for tube in test.tubes)
    assert (len(test.frames), len(frames), boxes, len(test.tubes)) == (910, 138_527, 170_580, 1315)


def two_videos(folder):
    """A video with a tube of three of its six frames, and one with nothing."""
    tube = {"label": 1, "sf": 2, "ef": 5, "boxes": np.tile(np.uint8([160, 60, 80, 60]), (3, 1))}
    videos = {
        "BasketballDunk/v_a": {"numf": 6, "annotations": [tube]},
        "Diving/v_b": {"numf": 2, "annotations": []},
    }
    (folder / "pyannot.pkl").write_bytes(pickle.dumps(videos))
    (folder / "val.txt").write_text("BasketballDunk/v_a.avi\n")
    return folder / "pyannot.pkl", folder / "val.txt"


def test_prepared_every_frame_is_a_clip_of_its_own(tmp_path):
    annotations, val = two_videos(tmp_path)
    found = prepare(tmp_path, annotations=annotations, val=val, **UCF)
    assert found == {"train": ["v_b"], "val": ["v_a"]}
    labels = read_labels(tmp_path / "classes.pbtxt")
    assert len(labels) == 24
    clips = annotated_clips(tmp_path / "val.parquet", labels=labels, per_sec=25.0)
    assert [(clip.key.t, len(clip.persons_xyxy)) for clip in clips] == [
        (0, 0), (1, 0), (2, 1), (3, 1), (4, 1), (5, 0),
    ]  # fmt: skip
    assert clips[2].persons_xyxy == pytest.approx(np.array([[0.5, 0.25, 0.75, 0.5]]))
    assert clips[2].labels[0].nonzero()[0].tolist() == [labels.index[1]]


def test_tubes_of_one_box_are_one_person_unless_it_does_the_same_twice(tmp_path):
    boxes = np.tile(np.uint16([160, 60, 80, 60]), (4, 1))
    ends = [(3, 0, 2), (5, 1, 4), (5, 1, 3), (7, 3, 4)]
    tubes = [{"label": n, "sf": a, "ef": b, "boxes": boxes[a:b]} for n, a, b in ends]
    videos = {
        "Both/v_a": {"numf": 5, "annotations": tubes},
        "Both/v_b": {"numf": 1, "annotations": []},
    }
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(videos))
    (tmp_path / "val.txt").write_text("Both/v_a\n")
    (tmp_path / "own.pbtxt").write_text(
        "".join(f'label {{ name: "c{n}" label_id: {n} label_type: G }}\n' for n in (3, 5, 7))
    )
    given = UCF | {"val": tmp_path / "val.txt", "labels": tmp_path / "own.pbtxt"}
    prepare(tmp_path, fps=2.0, annotations=tmp_path / "a.pkl", **given)
    labels = read_labels(tmp_path / "classes.pbtxt")
    assert (labels.names, labels.groups) == (("c3", "c5", "c7"), ("G",) * 3)
    clips = annotated_clips(tmp_path / "val.parquet", labels=labels, per_sec=2.0)
    assert [(clip.key.t, clip.labels.tolist()) for clip in clips] == [
        (0, [[1, 0, 0]]),
        (1, [[1, 1, 0], [0, 1, 0]]),
        (2, [[0, 1, 0], [0, 1, 0]]),
        (3, [[0, 1, 1]]),
        (4, []),
    ]


def test_a_tube_of_a_class_that_is_not_listed_is_refused(tmp_path):
    (tmp_path / "own.pbtxt").write_text('label { name: "c" label_id: 3 }\n')
    with pytest.raises(InputError, match="label 1 is not a class of .*own.pbtxt .it has 3 to 3"):
        read_annotations(write(tmp_path / "a.pkl"), labels=tmp_path / "own.pbtxt")


def test_a_split_that_leaves_nothing_to_train_on_is_refused(tmp_path):
    annotations, val = two_videos(tmp_path)
    val.write_text("BasketballDunk/v_a\nDiving/v_b\n")
    with pytest.raises(InputError, match="none is left to train on"):
        split_videos(read_annotations(annotations), val=val)


@pytest.mark.long
def test_the_prepared_first_split_holds_every_frame_and_box(shared_data, tmp_path):
    folder = shared_data / "ucf101-24"
    given = {"annotations": folder / "pyannot.pkl", "val": folder / "testlist01.txt"}
    videos = prepare(tmp_path, **given, **UCF)
    assert (len(videos["train"]), len(videos["val"])) == (2284, 910)
    labels = read_labels(tmp_path / "classes.pbtxt")
    clips = annotated_clips(tmp_path / "val.parquet", labels=labels, per_sec=25.0)
    assert sum(len(clip.persons_xyxy) for clip in clips) == 170_580
    assert sum(bool(len(clip.persons_xyxy)) for clip in clips) == 138_527


def test_the_nine_videos_are_taken_out_of_all_that_are_annotated(shared_data):
    folder = shared_data / "ucf101-24"
    annotations = read_annotations(folder / "pyannot.pkl")
    config = Path(__file__).resolve().parents[2] / "config"
    videos = split_videos(
        annotations, val=config / "ucf_nine_val.txt", train=config / "ucf_nine_train.txt"
    )
    assert {video_id(video) for video in videos["val"]} == {
        path.stem for path in folder.glob("*.mp4")
    }
    assert (len(videos["val"]), len(videos["train"])) == (9, 7)
    assert set(videos["train"]) < set(videos["val"])


def test_the_nine_videos_have_as_many_frames_as_are_annotated(shared_data):
    folder = shared_data / "ucf101-24"
    known = read_annotations(folder / "pyannot.pkl").frames
    annotated = {video_id(video): frames for video, frames in known.items()}
    for name, counted in (("v_Biking_g01_c01", 151), ("v_CliffDiving_g03_c01", 92)):
        video = VideoFile(folder / f"{name}.mp4")
        kept = sum(1 for _ in video.frames(fps=25.0, short_side=16, numbered=True))
        assert kept == video.source_frames == annotated[name] == counted
    # taken by time, a video that says 29.97 frames a second has too few
    slow = VideoFile(folder / "v_Biking_g01_c01.mp4").frames(fps=25.0, short_side=16)
    assert sum(1 for _ in slow) == 126
