import numpy as np
import pytest

from aia.boxes import area, clip, flip, iou_matrix, valid


def xyxy(*boxes):
    return np.array(boxes, np.float64).reshape(-1, 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (xyxy(), xyxy((0, 0, 1, 1)), np.zeros((0, 1))),
        (xyxy((0, 0, 0.5, 0.5)), xyxy(), np.zeros((1, 0))),
        (xyxy((0, 0, 0.5, 1)), xyxy((0, 0, 1, 1)), [[0.5]]),
        (xyxy((0, 0, 0.4, 0.4)), xyxy((0.4, 0, 0.8, 0.4)), [[0.0]]),  # they touch
        (xyxy((0, 0, 0.2, 0.2)), xyxy((0.1, 0.1, 0.3, 0.3)), [[1 / 7]]),
        (xyxy((0.3, 0.3, 0.3, 0.3)), xyxy((0.3, 0.3, 0.3, 0.3)), [[0.0]]),  # both empty
    ],
)
def test_iou_by_hand(a, b, expected):
    np.testing.assert_allclose(iou_matrix(a, b), expected, atol=1e-12)


def test_flipping_twice_is_nothing():
    boxes = np.random.default_rng(0).random((7, 4))
    np.testing.assert_allclose(flip(flip(boxes)), boxes)
    np.testing.assert_allclose(flip(xyxy((0.1, 0.2, 0.4, 0.9))), xyxy((0.6, 0.2, 0.9, 0.9)))


def test_valid_boxes_lie_inside_and_have_an_area():
    boxes = xyxy((0, 0, 1, 1), (0.5, 0, 0.5, 1), (0.6, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1.1, 1))
    assert valid(boxes).tolist() == [True, False, False, False, False]
    np.testing.assert_allclose(area(boxes[:2]), [1, 0])
    assert clip(boxes).min() == 0
