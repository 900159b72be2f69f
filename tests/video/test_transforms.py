"""Sizes, batches and boxes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aia.video.transforms import (
    COLOUR_SHIFT,
    JITTER,
    View,
    draw_shift,
    extend_boxes,
    jitter_boxes,
    move_sides,
    pad_batch,
    resize_size_hw,
    shift_colours,
    view_frames,
)


@pytest.fixture
def numbers(golden: Path) -> dict[str, Any]:
    return json.loads((golden / "transforms" / "transforms.json").read_text())


def as_fractions(inclusive_xyxy: list[list[float]], size_hw: tuple[int, int]) -> np.ndarray:
    """Convert boxes that include their last pixel to fractions of the frame."""
    height, width = size_hw
    return (np.array(inclusive_xyxy) + [0, 0, 1, 1]) / [width, height, width, height]


def test_no_boxes_stay_no_boxes() -> None:
    none = np.zeros((0, 4))
    assert jitter_boxes(none, np.random.default_rng(0)).shape == (0, 4)
    assert extend_boxes(none, (0.1, 0.05)).shape == (0, 4)


@pytest.mark.parametrize(
    ("size_hw", "short_side", "expected"),
    [
        ((360, 640), 256, (256, 455)),
        ((640, 360), 256, (455, 256)),
        ((576, 768), 112, (112, 149)),
        ((256, 340), 112, (112, 149)),  # 148.75
        ((3, 7), 31, (31, 72)),  # a small frame grows
        ((17, 17), 13, (13, 13)),
        ((112, 160), 112, (112, 160)),
    ],
)
def test_the_short_side_is_scaled_and_the_long_side_follows(
    size_hw: tuple[int, int], short_side: int, expected: tuple[int, int]
) -> None:
    assert resize_size_hw(size_hw, short_side) == expected


def test_a_frame_that_becomes_too_long_is_scaled_to_stay_within() -> None:
    assert resize_size_hw((200, 2000), 256, max_long=464) == (46, 460)
    assert resize_size_hw((2000, 200), 256, max_long=464) == (460, 46)


def test_sizes_are_the_authors_to_a_pixel(numbers: dict[str, Any]) -> None:
    sizes = numbers["resize_get_size (h,w)->(target_w,target_h), min 256 max 464"]
    assert len(sizes) == 18
    for (height, width), (target_width, target_height) in sizes:
        found = resize_size_hw((height, width), 256, max_long=464)
        if found == (height, width):
            continue  # a frame that fits already: there the authors' code swaps height and width
        # they cut the long side to whole pixels, we round it
        assert np.abs(np.subtract(found, (target_height, target_width))).max() <= 1
        assert max(found) <= 464


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_view_scales_the_frames_and_mirrors_them(mirrored: bool) -> None:
    ramp = np.tile(np.arange(34, dtype=np.uint8)[None, None, :, None] * 7, (2, 20, 1, 3))
    small = view_frames(ramp, View(short_side=10, flip=mirrored))
    assert small.shape == (2, 10, 17, 3)
    pairs = ramp[:, ::2].reshape(2, 10, 17, 2, 3).mean(axis=3)
    np.testing.assert_allclose(small, pairs[:, :, ::-1] if mirrored else pairs, atol=0.5)
    assert view_frames(ramp, View(short_side=50)).shape == (2, 50, 85, 3)


def test_the_view_as_kept_has_the_very_frames() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 20, 34, 3)).astype(np.uint8)
    for view in (View(), View(short_side=20)):
        np.testing.assert_array_equal(view_frames(frames, view), frames)
    assert str(View(20, flip=True)) == "short side 20, mirrored"


def test_a_batch_of_one_size_is_only_filled_to_the_multiple() -> None:
    clip = np.full((3, 5, 7, 3), 9, dtype=np.uint8)
    batch, sizes_hw = pad_batch([clip, clip], multiple=1)
    assert batch.shape == (2, 3, 5, 7, 3)
    assert (batch == 9).all()
    assert sizes_hw.tolist() == [[5, 7], [5, 7]]
    assert pad_batch([clip])[0].shape == (1, 3, 16, 16, 3)


def test_smaller_clips_are_filled_below_and_on_the_right() -> None:
    tall, wide = np.full((2, 11, 3, 3), 5, np.uint8), np.full((2, 7, 13, 3), 6, np.uint8)
    batch, sizes_hw = pad_batch([tall, wide], multiple=2)
    assert batch.shape == (2, 2, 12, 14, 3)
    assert sizes_hw.tolist() == [[11, 3], [7, 13]]
    np.testing.assert_array_equal(batch[0, :, :11, :3], tall)
    np.testing.assert_array_equal(batch[1, :, :7, :13], wide)
    assert batch.sum() == tall.sum() + wide.sum()


def test_batches_have_the_authors_size(numbers: dict[str, Any]) -> None:
    clips = [np.zeros((4, height, width, 3), np.uint8) for height, width in ((33, 40), (20, 50))]
    batch, _ = pad_batch(clips, multiple=16)
    clip_count, channels, frames, height, width = numbers[
        "collate shapes (3,4,33,40)+(3,4,20,50), div 16"
    ]
    assert batch.shape == (clip_count, frames, height, width, channels)


@pytest.mark.parametrize("shift", [(7, -13, 20), (-10, 26, -26), (0, 0, 0)])
def test_colours_move_as_the_authors_do(golden: Path, shift: tuple[int, int, int]) -> None:
    file = np.load(golden / "transforms" / "transforms.npz")
    expected = file["color_h{}_s{}_v{}".format(*shift)]
    difference = np.abs(shift_colours(file["raw"], shift).astype(int) - expected)
    assert difference.max() <= 1  # between builds of OpenCV


def test_shifts_of_colours_fill_their_ranges() -> None:
    rng = np.random.default_rng(0)
    drawn = np.array([draw_shift(rng) for _ in range(2000)])
    assert drawn.max(axis=0).tolist() == list(COLOUR_SHIFT)
    assert drawn.min(axis=0).tolist() == [-most for most in COLOUR_SHIFT]


def test_a_batch_needs_a_clip() -> None:
    with pytest.raises(ValueError, match="at least one clip"):
        pad_batch([])


def test_boxes_grow_by_half_the_share_on_each_side() -> None:
    grown = extend_boxes(np.array([[0.25, 0.5, 0.75, 0.75]]), (0.5, 1.0))
    np.testing.assert_allclose(grown, [[0.125, 0.375, 0.875, 0.875]])


def test_boxes_grow_no_further_than_the_frame() -> None:
    grown = extend_boxes(np.array([[0.0, 0.125, 1.0, 1.0]], dtype=np.float32), (0.5, 0.5))
    np.testing.assert_array_equal(grown, np.array([[0.0, 0.0, 1.0, 1.0]], dtype=np.float32))
    assert grown.dtype == np.float32


def test_boxes_grow_as_the_authors(numbers: dict[str, Any]) -> None:
    boxes = numbers["box"]
    found = extend_boxes(as_fractions(boxes["clipped_remove_empty"], (360, 480)), (0.1, 0.05))
    np.testing.assert_allclose(found, as_fractions(boxes["extend_0.1_0.05"], (360, 480)), atol=1e-6)


def test_given_the_same_chances_boxes_are_jittered_as_the_authors(numbers: dict[str, Any]) -> None:
    boxes = numbers["box"]
    ranges = np.array(JITTER)
    shares = ranges[:, 0] + np.array([0.25, 0.5, 0.75, 1.0]) * (ranges[:, 1] - ranges[:, 0])
    start = as_fractions(boxes["clipped_remove_empty"], (360, 480))
    expected = boxes["random_aug(0.2,0.1,0.1,0.05) with u=.25(xmin) .5(ymin) .75(xmax) 1.0(ymax)"]
    found = move_sides(start, np.tile(shares, (len(start), 1)))
    np.testing.assert_allclose(found, as_fractions(expected, (360, 480)), atol=1e-6)


def test_jitter_fills_its_ranges_and_leaves_them_not() -> None:
    box = np.tile([0.375, 0.25, 0.625, 0.75], (5003, 1))
    size = np.array([0.25, 0.5, 0.25, 0.5])
    moved = (jitter_boxes(box, np.random.default_rng(7)) - box) / size
    for side, (low, high) in enumerate(JITTER):
        assert low <= moved[:, side].min() < low + 0.01
        assert high - 0.01 < moved[:, side].max() <= high
        assert moved[:, side].mean() == pytest.approx((low + high) / 2, abs=0.01)


@given(
    st.lists(st.tuples(*[st.floats(0, 1)] * 4), min_size=1, max_size=5),
    st.integers(0, 2**32),
)
def test_jittered_boxes_stay_in_the_frame_and_are_never_empty(
    corners: list[tuple[float, float, float, float]], seed: int
) -> None:
    first, second = np.array(corners)[:, :2], np.array(corners)[:, 2:]
    boxes = np.concatenate([np.minimum(first, second), np.maximum(first, second)], axis=1)
    moved = jitter_boxes(boxes, np.random.default_rng(seed))
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert (moved[:, 2:] > moved[:, :2]).all()


def test_the_same_seed_gives_the_same_jitter() -> None:
    boxes = np.array([[0.25, 0.25, 0.5, 0.5], [0.125, 0.25, 0.875, 1.0]])
    first, second = (jitter_boxes(boxes, np.random.default_rng(11)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
