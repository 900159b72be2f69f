"""A frame's colours and size. Turns and the shape of pixels: see test_decode.py."""

import av
import numpy as np
import pytest

from aia.video.picture import shown_size_hw, upright_rgb


def plain_frame(yuv: tuple[int, int, int], pix_fmt: str = "yuv420p") -> av.VideoFrame:
    frame = av.VideoFrame(16, 16, pix_fmt)
    for plane, level in zip(frame.planes, yuv, strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    return frame


@pytest.mark.parametrize(
    ("colorspace", "color_range", "red_blue_weights"),
    [
        (2, 0, (0.299, 0.114)),  # unknown
        (5, 1, (0.299, 0.114)),  # BT.601
        (1, 1, (0.2126, 0.0722)),  # BT.709
        (5, 2, (0.299, 0.114)),  # all 256 levels
    ],
)
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
def test_colours_follow_the_videos_matrix_and_range(
    colorspace: int, color_range: int, red_blue_weights: tuple[float, float], pix_fmt: str
) -> None:
    y, u, v = 120, 110, 150
    frame = plain_frame((y, u, v), pix_fmt)
    frame.colorspace, frame.color_range = colorspace, color_range
    whole = color_range == 2
    luma = y if whole else (y - 16) * 255 / 219
    blue, red = ((level - 128) * (1 if whole else 255 / 224) for level in (u, v))
    red_weight, blue_weight = red_blue_weights
    r, b = luma + 2 * (1 - red_weight) * red, luma + 2 * (1 - blue_weight) * blue
    g = (luma - red_weight * r - blue_weight * b) / (1 - red_weight - blue_weight)
    found = upright_rgb(frame, (16, 16))
    assert np.abs(found.astype(float) - [r, g, b]).max() < 2


def test_a_frame_that_shrinks_a_lot_leaves_no_pixel_out() -> None:
    frame = av.VideoFrame.from_ndarray(
        np.tile(np.array([[255, 0, 0, 0, 0, 0, 0, 0]], np.uint8)[:, :, None], (64, 8, 3)), "rgb24"
    )
    # bilinear scaling to an eighth looks at two of eight columns: it would find only black
    assert np.abs(upright_rgb(frame, (8, 8)).astype(float) - 255 / 8).max() < 2


@pytest.mark.parametrize("size_hw", [(17, 23), (16, 23), (17, 22), (1, 1)])
def test_odd_sides_have_the_colours_of_even_ones(size_hw: tuple[int, int]) -> None:
    frame = av.VideoFrame(size_hw[1], size_hw[0], "yuv420p")
    for plane, level in zip(frame.planes, (120, 110, 150), strict=True):
        plane.update(bytes([level]) * plane.buffer_size)
    expected = upright_rgb(plain_frame((120, 110, 150)), (16, 16))[0, 0]
    found = upright_rgb(frame, size_hw)
    assert found.shape == (*size_hw, 3)
    assert (found == expected).all()


def test_without_an_aspect_pixels_are_square() -> None:
    assert shown_size_hw(av.VideoFrame(46, 34, "yuv420p"), None) == (34, 46)
