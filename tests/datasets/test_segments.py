import numpy as np
import pandas as pd
import pytest

from aia.clip import ClipKey, segment_times
from aia.datasets.segments import segment_clips, with_detected
from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import write_boxes

VERBS = ClassList((0, 4, 9), ("take", "put", "wash"), ("", "", ""))
HEADER = "segment,video,start_sec,stop_sec,verb,noun\n"


def segments(tmp_path, *lines):
    path = tmp_path / "train.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    return path


def clips(tmp_path, *lines):
    return segment_clips(segments(tmp_path, *lines), task="verb", labels=VERBS)


def boxes(tmp_path, *rows, name="hands"):
    columns = ["video", "time_sec", "x1", "score"]
    table = pd.DataFrame(rows, columns=columns).assign(y1=0.1, x2=0.9, y2=0.9, label="hand")
    path = tmp_path / f"{name}.parquet"
    write_boxes(path, table, provenance={})
    return path


def test_a_segment_is_one_clip_that_is_asked_about_as_a_whole(tmp_path):
    [clip] = clips(tmp_path, "17,P01_01,2.1,2.7,9,3")
    assert clip.key == ClipKey("P01_01", 0)
    assert clip.segment == 17
    assert clip.time_sec == 2.4
    assert (clip.query, clip.queries, len(clip.persons_xyxy)) == ("clip", 1, 0)
    assert clip.labels.tolist() == [[0, 0, 1]]
    assert clip.places == ()  # no whole second lies in it


def test_clips_are_in_the_order_of_their_middles_and_numbered_by_video(tmp_path):
    found = clips(
        tmp_path,
        "1,P02_01,0,9,0,0",  # its middle is at 4.5
        "2,P01_01,5,6,0,0",
        "3,P02_01,3,4,0,0",
        "4,P02_01,2,7,0,0",  # the middle of 1, too
    )
    assert [(clip.segment, clip.key.video, clip.key.t) for clip in found] == [
        (2, "P01_01", 0),
        (3, "P02_01", 0),
        (1, "P02_01", 1),
        (4, "P02_01", 2),
    ]


def test_a_long_segment_may_be_seen_at_each_of_its_whole_seconds(tmp_path):
    [clip] = clips(tmp_path, "5,P01_01,1.5,4.2,0,0")
    assert [place.time_sec for place in clip.places] == [2.85, 2.0, 3.0, 4.0]
    assert {place.key for place in clip.places} == {clip.key}
    assert segment_times(2.0, 4.0) == [3.0, 2.0, 4.0]  # the middle once


def test_a_class_that_is_not_in_the_list_is_refused(tmp_path):
    with pytest.raises(InputError, match="line 2: verb 5 is not a class"):
        clips(tmp_path, "1,P01_01,0,1,5,0")


def test_hands_and_objects_are_those_of_the_very_moment_best_first(tmp_path):
    [clip] = clips(tmp_path, "5,P01_01,1.5,4.2,0,0")
    hands = boxes(
        tmp_path,
        ("P01_01", 2.85, 0.3, 0.7),
        ("P01_01", 2.85, 0.2, 0.9),
        ("P01_01", 2.85, 0.1, 0.4),  # below the threshold
        ("P01_01", 3.0, 0.5, 0.8),
        ("P02_01", 2.85, 0.6, 0.9),
    )
    objects = boxes(tmp_path, ("P01_01", 4.0, 0.7, 0.6), ("P01_01", 4.0, 0.8, 0.9), name="objects")
    [seen] = with_detected(
        [clip], hands=[hands], objects=[objects], hand_threshold=0.5, most_objects=1
    )
    assert np.allclose(seen.hands_xyxy[:, 0], [0.2, 0.3])
    assert len(seen.objects_xyxy) == 0
    starts = [(place.hands_xyxy[:, 0], place.objects_xyxy[:, 0]) for place in seen.places]
    assert [len(hands) for hands, _ in starts] == [2, 0, 1, 0]
    assert np.allclose(starts[3][1], [0.8])
