"""Box arithmetic against the units that maskrcnn-benchmark gave."""

import runpy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import roi_align

from aia.detect import legacy_boxes
from aia.detect.legacy_boxes import LegacyAnchors, LegacyBoxCoder

WEIGHTS = {"rpn": (1.0, 1.0, 1.0, 1.0), "head": (10.0, 10.0, 5.0, 5.0)}
SIZE_HW = (320, 480)  # of the image that the units speak of


@pytest.fixture(scope="session")
def unit(golden: Path) -> Callable[[str], torch.Tensor]:
    numbers = np.load(golden / "mrcnn" / "units.npz")
    return lambda name: torch.from_numpy(numbers[name])


def test_a_box_of_one_pixel_has_area_one() -> None:
    assert legacy_boxes.area(torch.tensor([[7.0, 3.0, 7.0, 3.0]])).tolist() == [1.0]


def test_inclusive_undoes_exclusive() -> None:
    boxes = torch.tensor([[2.0, 3.0, 5.0, 11.0]])
    assert legacy_boxes.exclusive(boxes).tolist() == [[2.0, 3.0, 6.0, 12.0]]
    assert torch.equal(legacy_boxes.inclusive(legacy_boxes.exclusive(boxes)), boxes)


@pytest.mark.parametrize("kind", ["float", "int"])
def test_areas_and_iou_are_the_references(unit: Callable[[str], torch.Tensor], kind: str) -> None:
    boxes = unit(f"nms.{kind}.boxes")
    assert torch.equal(legacy_boxes.area(boxes), unit(f"nms.{kind}.area"))
    iou = legacy_boxes.iou(boxes[:20], boxes[150:170])
    torch.testing.assert_close(iou, unit(f"nms.{kind}.iou"), atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", ["float", "int"])
@pytest.mark.parametrize("tenths", [3, 5, 7])
def test_suppression_keeps_the_references_boxes(
    unit: Callable[[str], torch.Tensor], kind: str, tenths: int
) -> None:
    boxes, scores = unit(f"nms.{kind}.boxes"), unit("nms.scores")
    kept = legacy_boxes.nms(boxes, scores, tenths / 10)
    assert torch.equal(kept.sort().values, unit(f"nms.{kind}.keep{tenths}"))
    assert (scores[kept].diff() <= 0).all()


def test_a_box_whose_overlap_is_the_threshold_itself_is_suppressed_on_a_cpu() -> None:
    boxes = torch.tensor([[0.0, 0.0, 9.0, 9.0], [0.0, 0.0, 9.0, 4.0]])  # 100 and 50 pixels
    scores = torch.tensor([0.9, 0.8])
    assert legacy_boxes.nms(boxes, scores, 0.5).tolist() == [0]
    assert legacy_boxes.nms(boxes, scores, 0.501).tolist() == [0, 1]


@pytest.mark.parametrize("coder", WEIGHTS)
def test_decoded_boxes_are_the_references(unit: Callable[[str], torch.Tensor], coder: str) -> None:
    deltas = unit(f"coder.{coder}.deltas")
    decoded = LegacyBoxCoder(WEIGHTS[coder]).decode_single(deltas, unit("coder.boxes"))
    torch.testing.assert_close(decoded, unit(f"coder.{coder}.decoded"), atol=1e-3, rtol=1e-6)
    clipped = legacy_boxes.clip(decoded[:, :4], SIZE_HW)
    torch.testing.assert_close(
        clipped, unit(f"coder.{coder}.decoded_clipped"), atol=1e-3, rtol=1e-6
    )


def test_encoded_boxes_are_the_references_and_decode_to_what_they_encode(
    unit: Callable[[str], torch.Tensor],
) -> None:
    coder, boxes = LegacyBoxCoder(WEIGHTS["head"]), unit("coder.boxes")
    targets = boxes + torch.tensor([3.0, -2.0, 5.0, 1.0])
    codes = coder.encode_single(targets, boxes)
    torch.testing.assert_close(codes, unit("coder.encoded_to_shifted"), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(coder.decode_single(codes, boxes), targets, atol=1e-3, rtol=0)


def test_a_clipped_box_ends_at_the_last_pixel() -> None:
    box = torch.tensor([[-3.0, -5.0, 83.0, 61.0]])
    assert legacy_boxes.clip(box, (61, 83)).tolist() == [[0.0, 0.0, 82.0, 60.0]]


def test_anchors_are_the_references_on_every_level(unit: Callable[[str], torch.Tensor]) -> None:
    anchors = LegacyAnchors()
    for level, cell in enumerate(anchors.cell_anchors, start=2):
        assert torch.equal(cell, unit(f"cell_anchors.P{level}"))
    maps = [torch.zeros(1, 1, 2, 3)] * 5
    # A height that 2 rows of no level's stride would give: the strides are the levels' own.
    found = anchors(ImageList(torch.zeros(1, 3, 127, 193), [(127, 193)]), maps)
    expected = [unit(f"grid_anchors_2x3.P{level}") for level in range(2, 7)]
    assert len(found) == 1
    assert torch.equal(found[0], torch.cat(expected))


def test_levels_are_the_references_at_their_boundaries(
    unit: Callable[[str], torch.Tensor],
) -> None:
    levels = legacy_boxes.pyramid_levels(unit("levels.boxes").split([3, 31]))
    assert torch.equal(levels, unit("levels.level"))
    assert set(levels.tolist()) == {0, 1, 2, 3}


def test_torchvisions_unaligned_pooling_is_the_references(
    golden: Path, unit: Callable[[str], torch.Tensor]
) -> None:
    recipe = runpy.run_path(str(golden / "mrcnn" / "recipe.py"))
    maps = torch.from_numpy(recipe["normal"]("roialign", (2, 3, 20, 30)))  # 1/16 of the image
    pooled = roi_align(maps, unit("roialign.rois"), 7, 1 / 16, sampling_ratio=2, aligned=False)
    torch.testing.assert_close(pooled, unit("roialign.out"), atol=1e-6, rtol=0)
