"""Clips whose attention is kept."""

import numpy as np

from aia.clip import ClipKey, ClipSample
from aia.evaluate.attention import attention_rows, choose_clips


def clip(t: int, *labels: tuple[int, ...]) -> ClipSample:
    boxes = np.tile(np.array([0.1, 0.1, 0.5, 0.9], np.float32), (len(labels), 1))
    return ClipSample(
        key=ClipKey("a", t),
        time_sec=float(t),
        persons_xyxy=boxes,
        persons_score=np.ones(len(labels), np.float32),
        labels=np.array(labels, np.uint8).reshape(-1, 2),
        objects_xyxy=boxes[:0],
    )


def test_clips_show_the_rarest_action_first_and_none_without_persons() -> None:
    assert choose_clips([], 3) == []
    assert choose_clips([clip(1)], 3) == []
    clips = [clip(1, (1, 0)), clip(2, (1, 0)), clip(3, (1, 0)), clip(5), clip(7, (0, 1), (1, 0))]
    assert choose_clips(clips, 1) == [ClipKey("a", 7)]
    assert choose_clips(clips, 2) == [ClipKey("a", 2), ClipKey("a", 7)]  # the middle one


def test_a_crowd_has_rows_for_the_persons_that_a_block_sees_and_no_more() -> None:
    crowd = clip(1, *[(1, 0)] * 5)
    weights = {"P1": np.full((5, 3), 1 / 3, np.float32)}  # network.max_persons: 3
    rows = attention_rows(crowd, weights, clips={crowd.key: crowd}, reach=2, persons_per_clip=2)
    assert rows["target"].value_counts().to_dict() == dict.fromkeys(range(5), 3)
    assert rows["slot"].unique().tolist() == [0, 1, 2]
