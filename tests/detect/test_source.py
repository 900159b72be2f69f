from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aia.config import FramesConfig
from aia.detect.source import (
    LABEL_COLUMNS,
    LabelledFrame,
    LabelledFrames,
    key_frame_labels,
    track_labels,
    without_seconds,
)
from aia.errors import InputError
from aia.tables import read_actions, read_tracks
from aia.video.store import FrameStore, make_store

BOX = (0.1, 0.2, 0.3, 0.7)
OTHER = (0.5, 0.2, 0.8, 0.9)
NONE = (np.nan,) * 4


def actions(*rows: tuple[str, float, tuple[float, ...], int]) -> pd.DataFrame:
    """Make a table as from `read_actions`, from rows of (video, second, box, action)."""
    flat = [(video, time_sec, *box, action, 0) for video, time_sec, box, action in rows]
    names = ["video", "time_sec", "x1", "y1", "x2", "y2", "action", "person"]
    return pd.DataFrame(flat, columns=names).astype({"time_sec": float})


def labels(*rows: tuple[str, float, tuple[float, ...], str]) -> pd.DataFrame:
    flat = [(video, time_sec, *box, label) for video, time_sec, box, label in rows]
    return pd.DataFrame(flat, columns=LABEL_COLUMNS).astype({"time_sec": float})


def grey(value: int) -> np.ndarray:
    return np.full((96, 128, 3), value, np.uint8)


@pytest.fixture
def video(store_of: Callable[..., FrameStore]) -> FrameStore:
    """Two seconds at 5 frames a second, each 20 brighter than the last."""
    return store_of("kitchen", [grey(20 * number) for number in range(10)], fps=5)


def test_a_person_who_does_several_things_is_one_box() -> None:
    found = key_frame_labels(
        actions(("a", 1, BOX, 3), ("a", 1, BOX, 5), ("a", 1, OTHER, 3), ("a", 2, BOX, 3)),
        None,
        person="person",
    )
    expected = labels(("a", 1, BOX, "person"), ("a", 1, OTHER, "person"), ("a", 2, BOX, "person"))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)


def test_objects_count_where_the_persons_are_known() -> None:
    objects = labels(("a", 1, OTHER, "tv"), ("a", 2, OTHER, "tv"), ("b", 1, OTHER, "phone"))
    found = key_frame_labels(
        actions(("a", 1, BOX, 3), ("b", 1, NONE, -1)), objects, person="person"
    )
    assert found[["video", "time_sec", "label"]].values.tolist() == [
        ["a", 1.0, "person"],
        ["b", 1.0, "person"],  # no box: shows that there is no person
        ["a", 1.0, "tv"],
        ["b", 1.0, "phone"],
    ]


def test_excluded_seconds_are_left_out() -> None:
    table = actions(("a", 1, BOX, 3), ("a", 2, BOX, 3), ("b", 1, BOX, 3))
    assert len(without_seconds(table, set())) == 3
    left = without_seconds(table, {("a", 1), ("b", 2)})
    assert left[["video", "time_sec"]].values.tolist() == [["a", 2.0], ["b", 1.0]]


def test_frames_come_with_their_boxes_and_negatives_without(video: FrameStore) -> None:
    table = labels(
        ("kitchen", 1, BOX, "person"),
        ("kitchen", 1, OTHER, "tv"),
        ("kitchen", 1, OTHER, "lamp"),  # not a class, so background
        ("kitchen", 0, NONE, "person"),
        ("elsewhere", 0, BOX, "person"),
    )
    source = LabelledFrames({"kitchen": video}, table, classes=("person", "tv"), max_images=7)
    assert len(source) == 2
    empty, full = source[0], source[1]
    assert isinstance(empty, LabelledFrame)
    assert empty.xyxy.shape == (0, 4)
    assert empty.names == ()
    assert abs(int(empty.rgb.mean()) - 0) <= 1
    np.testing.assert_allclose(full.xyxy, [BOX, OTHER], rtol=1e-6)
    assert full.names == ("person", "tv")
    assert abs(int(full.rgb.mean()) - 100) <= 1  # the frame at 1 s is the sixth


def test_too_many_frames_are_thinned_evenly(video: FrameStore) -> None:
    table = labels(*[("kitchen", 0.2 * number, BOX, "person") for number in range(9)])
    source = LabelledFrames({"kitchen": video}, table, classes=("person",), max_images=3)
    assert [round(time_sec, 1) for _, time_sec in source.frames] == [0.0, 0.8, 1.6]


def test_videos_that_nothing_says_anything_about_are_an_input_error(video: FrameStore) -> None:
    with pytest.raises(InputError, match="none of the videos"):
        LabelledFrames(
            {"kitchen": video}, labels(("b", 1, BOX, "person")), classes=("person",), max_images=7
        )


def test_a_class_without_a_box_is_an_input_error(video: FrameStore) -> None:
    table = labels(("kitchen", 1, BOX, "person"))
    with pytest.raises(InputError, match=r"tv has no box .*\(they have person\)"):
        LabelledFrames({"kitchen": video}, table, classes=("person", "tv"), max_images=7)


def tracks(frames: int) -> pd.DataFrame:
    """Make tracks of one person, whose left edge shows the number of the frame."""
    rows = [(number, 1, number / 100, 0.2, 0.9, 0.8) for number in range(frames)]
    return pd.DataFrame(rows, columns=["frame", "id", "x1", "y1", "x2", "y2"])


def test_tracks_are_read_within_the_training_seconds_alone(
    store_of: Callable[..., FrameStore],
) -> None:
    store = store_of("street", [grey(number) for number in range(50)], fps=10)
    found = track_labels(
        tracks(50),
        actions(("street", 1, BOX, 3), ("street", 2, BOX, 3), ("street", 4, BOX, 3)),
        store=store,
        person="walker",
    )
    # Seconds 1 and 2 are frames 5 to 24, second 4 is frames 35 to 44; 3 may be validation.
    expected = [*range(5, 25), *range(35, 45)]
    assert (found["time_sec"] * 10).round().astype(int).tolist() == expected
    np.testing.assert_allclose(found["x1"], np.array(expected) / 100)
    assert set(found["label"]) == {"walker"}


def test_tracks_follow_the_video_where_the_store_has_fewer_frames(
    store_of: Callable[..., FrameStore],
) -> None:
    store = store_of("street", [grey(number) for number in range(30)], fps=10, stored_fps=2)
    found = track_labels(tracks(30), actions(("street", 1, BOX, 3)), store=store, person="walker")
    assert found["time_sec"].tolist() == [0.5, 1.0]  # 1.5 s belongs to the next second
    np.testing.assert_allclose(found["x1"], [0.05, 0.10])


def test_a_frame_that_no_track_crosses_is_a_negative(
    store_of: Callable[..., FrameStore],
) -> None:
    store = store_of("street", [grey(number) for number in range(20)], fps=10)
    some = tracks(20)[lambda table: table["frame"] != 7]
    found = track_labels(some, actions(("street", 1, BOX, 3)), store=store, person="walker")
    assert found.loc[found["x1"].isna(), "time_sec"].tolist() == [0.7]


def test_tracks_need_annotations_of_their_video(video: FrameStore) -> None:
    with pytest.raises(InputError, match="kitchen: the annotations list no second"):
        track_labels(tracks(10), actions(("a", 1, BOX, 3)), store=video, person="person")


def test_of_a_real_video_no_validation_second_is_seen(shared_data: Path, tmp_path: Path) -> None:
    folder, config = (
        shared_data / "pets09",
        FramesConfig(
            film_start_sec=0.0,
            start_sec=0.0,
            end_sec=None,
            fps=2.0,
            numbered=False,
            short_side=48,
            codec="jpeg",
            quality=50,
        ),
    )
    make_store(folder / "vtest.avi", tmp_path / "vtest.h5", config=config)
    train, val = (read_actions(folder / f"{split}.csv") for split in ("train", "val"))
    found = track_labels(
        read_tracks(folder / "tracks.csv"),
        train,
        store=FrameStore(tmp_path / "vtest.h5"),
        person="person",
    )
    times_sec = found["time_sec"].unique()
    # Seconds 1 to 25 and 50 to 78, two frames in each; validation is 28 to 47.
    assert times_sec.tolist() == [*np.arange(0.5, 25.5, 0.5), *np.arange(49.5, 78.5, 0.5)]
    assert (np.abs(times_sec[:, None] - val["time_sec"].unique()) > 0.5).all()
    # At whole seconds the tracks are the boxes of the annotations.
    at_10 = found.loc[found["time_sec"] == 10, ["x1", "y1", "x2", "y2"]].to_numpy()
    annotated = train.loc[train["time_sec"] == 10, ["x1", "y1", "x2", "y2"]].drop_duplicates()
    np.testing.assert_allclose(np.unique(at_10, axis=0), np.unique(annotated, axis=0), atol=1e-4)
