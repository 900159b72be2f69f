"""Which frames make up a clip."""

import json
from pathlib import Path

import numpy as np
import pytest

from aia.clip import clip_indices, clip_offsets


def test_a_span_shorter_than_half_a_stride_has_no_frame() -> None:
    assert clip_offsets(span=2, stride=7).tolist() == []


@pytest.mark.parametrize(
    ("span", "stride", "offsets"),
    [
        (5, 1, [0, 1, 2, 3, 4]),
        (7, 2, [0, 2, 4, 6]),  # of two middles the earlier
        (7, 3, [1, 4]),
        (64, 16, [7, 23, 39, 55]),  # the slow pathway of SlowFast 4x16
    ],
)
def test_a_pathway_looks_at_the_middle_of_each_stride(
    span: int, stride: int, offsets: list[int]
) -> None:
    assert clip_offsets(span, stride).tolist() == offsets


def test_half_of_the_window_is_before_the_key_frame() -> None:
    indices = clip_indices(50, offsets=clip_offsets(64, 1), span=64, length=100)
    assert indices.tolist() == list(range(18, 82))


def test_the_ends_of_the_film_stand_in_for_what_is_beyond_them() -> None:
    offsets = clip_offsets(span=7, stride=1)
    assert clip_indices(1, offsets=offsets, span=7, length=5).tolist() == [0, 0, 0, 1, 2, 3, 4]
    assert clip_indices(4, offsets=offsets, span=7, length=5).tolist() == [1, 2, 3, 4, 4, 4, 4]
    assert clip_indices(0, offsets=offsets, span=7, length=1).tolist() == [0] * 7


def test_windows_are_the_authors_temporal_crops(golden: Path) -> None:
    numbers = json.loads((golden / "transforms" / "transforms.json").read_text())
    crops = numbers["temporal_crop [raw_frames,frame_num,sample_rate]->indices"]
    assert len(crops) == 7
    for (length, count, rate), expected in crops:
        offsets = clip_offsets(count * rate, rate)
        indices = clip_indices(length // 2, offsets=offsets, span=count * rate, length=length)
        np.testing.assert_array_equal(indices, expected)


def test_pathways_are_the_authors_slow_and_fast_frames(golden: Path) -> None:
    numbers = json.loads((golden / "transforms" / "transforms.json").read_text())
    pathways = numbers["slowfast_crop [tau,alpha]->slow,fast (64 frames, eval)"]
    for (tau, alpha), slow, fast in pathways:
        np.testing.assert_array_equal(clip_offsets(64, tau), slow)
        np.testing.assert_array_equal(clip_offsets(64, tau // alpha), fast)
