import json

import numpy as np
import pandas as pd
import pytest

from aia.clip import ClipKey
from aia.datasets.ava import (
    annotated_clips,
    detected_clips,
    listed_clips,
    seconds_of,
    with_objects,
)
from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import write_boxes

LABELS = ClassList(ids=(1, 3, 17), names=("stand", "walk", "listen"), groups=("A", "A", "P"))


@pytest.fixture
def annotations(tmp_path):
    path = tmp_path / "train.csv"
    path.write_text(
        "kitchen,0007,0.1,0.2,0.3,0.9,3,0\n"
        "kitchen,0007,0.5,0.2,0.7,0.9,1,1\n"
        "kitchen,0007,0.5,0.2,0.7,0.9,17,1\n"
        "kitchen,0005,0.1,0.2,0.3,0.9,1,0\n"
        "other,0007,0.1,0.2,0.3,0.9,1,0\n"
    )
    return path


def detections(path, scores, video="kitchen", label="person"):
    write_boxes(
        path,
        pd.DataFrame(
            {
                "video": video,
                "time_sec": 7.0,
                "x1": 0.1,
                "y1": 0.2,
                "x2": 0.3,
                "y2": np.linspace(0.5, 0.9, len(scores)),
                "score": scores,
                "label": label,
                "track": pd.array([None] * len(scores), dtype="Int32"),
            }
        ),
        provenance={},
    )
    return path


def test_the_rows_of_one_box_are_one_person(annotations):
    clips = annotated_clips(annotations, labels=LABELS)
    assert [clip.key for clip in clips] == [
        ClipKey("kitchen", 5),
        ClipKey("kitchen", 7),
        ClipKey("other", 7),
    ]
    assert clips[1].labels.tolist() == [[0, 1, 0], [1, 0, 1]]
    np.testing.assert_allclose(clips[1].persons_xyxy[1], [0.5, 0.2, 0.7, 0.9], rtol=1e-6)


def test_excluded_seconds_are_left_out(annotations, tmp_path):
    (tmp_path / "excluded.csv").write_text("kitchen,0007\n")
    clips = annotated_clips(annotations, labels=LABELS, excluded=tmp_path / "excluded.csv")
    assert [clip.key for clip in clips] == [ClipKey("kitchen", 5), ClipKey("other", 7)]


def test_excluding_everything_is_an_error(annotations, tmp_path):
    (tmp_path / "excluded.csv").write_text("kitchen,0005\nkitchen,0007\nother,0007\n")
    with pytest.raises(InputError, match="no key frame is left"):
        annotated_clips(annotations, labels=LABELS, excluded=tmp_path / "excluded.csv")


def test_an_empty_frame_is_a_clip_without_persons(tmp_path):
    (tmp_path / "a.csv").write_text("kitchen,0007\nkitchen,0008,0.1,0.2,0.3,0.9,1,0\n")
    clips = annotated_clips(tmp_path / "a.csv", labels=LABELS)
    assert [len(clip.persons_xyxy) for clip in clips] == [0, 1]


def test_listed_seconds_of_listed_videos_are_clips_without_persons(tmp_path):
    (tmp_path / "excluded.csv").write_text("b,0007\nc,0005\n")
    excluded = tmp_path / "excluded.csv"
    assert listed_clips({}, labels=LABELS) == []
    clips = listed_clips({"b": [7.0, 5.0], "a": [7.0, 5.0]}, labels=LABELS, excluded=excluded)
    assert [clip.key for clip in clips] == [ClipKey("a", 5), ClipKey("a", 7), ClipKey("b", 5)]
    assert {clip.labels.shape for clip in clips} == {(0, 3)}


def test_only_sure_detections_become_persons_and_other_key_frames_are_dropped(
    annotations, tmp_path
):
    clips = annotated_clips(annotations, labels=LABELS)
    boxes = detections(tmp_path / "kitchen.parquet", [0.95, 0.79, 0.8])
    found = detected_clips(clips, [boxes], threshold=0.8)
    assert [clip.key for clip in found] == [ClipKey("kitchen", 7)]
    np.testing.assert_allclose(found[0].persons_score, [0.95, 0.8], rtol=1e-6)
    assert found[0].labels.shape == (2, 3)
    assert not found[0].labels.any()


def test_no_sure_detection_at_all_is_an_error(annotations, tmp_path):
    clips = annotated_clips(annotations, labels=LABELS)
    boxes = detections(tmp_path / "kitchen.parquet", [0.5])
    with pytest.raises(InputError, match="no person box has a score of 0.8"):
        detected_clips(clips, [boxes], threshold=0.8)


def test_detected_objects_are_the_best_ones_above_the_threshold(annotations, tmp_path):
    clips = annotated_clips(annotations, labels=LABELS)
    boxes = detections(tmp_path / "kitchen.parquet", [0.5, 0.9, 0.2, 0.7, 0.6], label="cup")
    clips = with_objects(clips, detected=[boxes], threshold=0.5, most=3)
    assert [len(clip.objects_xyxy) for clip in clips] == [0, 3, 0]
    np.testing.assert_allclose(clips[1].objects_xyxy[:, 3], [0.6, 0.8, 0.9], rtol=1e-6)


def test_annotated_objects_are_matched_by_video_and_second(annotations, tmp_path):
    (tmp_path / "objects.csv").write_text("other,0007,0.1,0.2,0.3,0.4,cup\n")
    clips = annotated_clips(annotations, labels=LABELS)
    clips = with_objects(clips, annotated=tmp_path / "objects.csv", most=5)
    assert [len(clip.objects_xyxy) for clip in clips] == [0, 0, 1]


def test_the_memory_has_a_place_for_every_second_between_first_and_last(annotations):
    clips = annotated_clips(annotations, labels=LABELS)
    assert seconds_of(clips) == {"kitchen": (5, 7), "other": (7, 7)}


@pytest.mark.parametrize("part", ["train", "train_noobj"])
def test_clips_have_the_authors_persons_and_labels(golden, part):
    """Compare with boxes in pixels, including the last one: x2 = 0.5 of 480 is pixel 239."""
    folder = golden / "dataset"
    expected = json.loads((folder / "expected.json").read_text())["dataset"][part]
    labels = ClassList(tuple(range(1, 81)), tuple(map(str, range(80))), ("",) * 80)
    clips = {clip.key: clip for clip in annotated_clips(folder / "ann.csv", labels=labels)}
    assert len(clips) == len(expected)
    for theirs in expected:
        clip = clips[ClipKey(theirs["movie"], theirs["timestamp"])]
        width, height = theirs["size"]
        pixels = clip.persons_xyxy * np.array([width, height, width, height]) - [0, 0, 1, 1]
        np.testing.assert_allclose(pixels, theirs["boxes"], atol=0.011)  # they round to 0.01
        assert [np.flatnonzero(row).tolist() for row in clip.labels] == theirs["labels"]


def test_every_frame_may_be_a_key_frame(tmp_path):
    rows = [f"a,{t / 25},0.1,0.1,0.2,0.2,1,0" for t in (10, 11, 12)]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    clips = annotated_clips(tmp_path / "a.csv", labels=LABELS, per_sec=25.0)
    assert [clip.key.t for clip in clips] == [10, 11, 12]
    assert seconds_of(clips) == {"a": (10, 12)}


def test_key_frames_that_would_share_a_place_in_the_memory_are_refused(tmp_path):
    (tmp_path / "a.csv").write_text("a,2.0,0.1,0.1,0.2,0.2,1,0\na,2.2,0.1,0.1,0.2,0.2,1,0\n")
    with pytest.raises(InputError, match=r"at 2 and 2\.2 s, which are one clip at 1 a second"):
        annotated_clips(tmp_path / "a.csv", labels=LABELS)
