"""Box arithmetic of maskrcnn-benchmark, whose boxes include their last pixel.

A box (x1, y1, x2, y2) of its checkpoints is x2 - x1 + 1 pixels wide, so a single pixel has area 1.
Most functions here add 1 to x2 and y2 and call torchvision's; anchors and pyramid levels follow
rules of their own.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchvision.models.detection._utils import BoxCoder
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.ops import boxes as box_ops

STRIDES = (4, 8, 16, 32, 64)  # of the pyramid's levels P2 to P6
ANCHOR_SIZES = (32, 64, 128, 256, 512)  # one for each level
ANCHOR_RATIOS = (0.5, 1.0, 2.0)  # height over width
POOLED_LEVELS = (2, 5)  # RoIs are pooled from P2 to P5
CANONICAL_SIZE, CANONICAL_LEVEL = 224, 4  # a square RoI of this size belongs to P4


def exclusive(xyxy: Float[Tensor, "*boxes 4"]) -> Float[Tensor, "*boxes 4"]:
    """Convert boxes that include their last pixel to boxes that end behind it."""
    return xyxy + xyxy.new_tensor([0, 0, 1, 1])


def inclusive(xyxy: Float[Tensor, "*boxes 4"]) -> Float[Tensor, "*boxes 4"]:
    """Convert boxes that end behind their last pixel to boxes that include it."""
    return xyxy - xyxy.new_tensor([0, 0, 1, 1])


def area(xyxy: Float[Tensor, "boxes 4"]) -> Float[Tensor, " boxes"]:
    """Compute the area of each box in pixels.

    >>> area(torch.tensor([[3.0, 5.0, 3.0, 5.0]]))
    tensor([1.])
    """
    x1, y1, x2, y2 = xyxy.unbind(1)
    return (x2 - x1 + 1) * (y2 - y1 + 1)


def iou(one: Float[Tensor, "n 4"], other: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Compute the intersection over union of all pairs."""
    return box_ops.box_iou(exclusive(one), exclusive(other))


def clip(xyxy: Float[Tensor, "*boxes 4"], size_hw: tuple[int, int]) -> Float[Tensor, "*boxes 4"]:
    """Clip boxes to the image, whose last pixel is at (w - 1, h - 1)."""
    h, w = size_hw
    return box_ops.clip_boxes_to_image(xyxy, (h - 1, w - 1))


def nms(
    xyxy: Float[Tensor, "boxes 4"], scores: Float[Tensor, " boxes"], threshold: float
) -> Int[Tensor, " kept"]:
    """Return the indices of the boxes that non-maximum suppression keeps, best first.

    Where the IoU with a better box equals the threshold, the reference's CPU operator suppresses a
    box and its GPU operator does not; both are reproduced here.
    """
    # on a CPU torchvision compares with a double: pass the one just below the reference's float;
    # on a GPU it compares with a float, to which this value is rounded
    just_below = math.nextafter(float(np.float32(threshold)), 0.0)
    return box_ops.nms(exclusive(xyxy), scores, just_below)


def pyramid_levels(boxes: Sequence[Float[Tensor, "_boxes 4"]]) -> Int[Tensor, " all_boxes"]:
    """Return the level that each RoI is pooled from, counted from the finest of `POOLED_LEVELS`.

    Args:
        boxes: RoIs of each image, as torchvision's RoIAlign passes them.
    """
    side = torch.cat([area(xyxy) for xyxy in boxes]).sqrt()
    finest, coarsest = POOLED_LEVELS
    levels = torch.floor(CANONICAL_LEVEL + torch.log2(side / CANONICAL_SIZE + 1e-6))
    return levels.clamp(finest, coarsest).to(torch.int64) - finest


class LegacyBoxCoder(BoxCoder):
    """Box regression relative to boxes that include their last pixel."""

    def encode_single(
        self, reference_boxes: Float[Tensor, "boxes 4"], proposals: Float[Tensor, "boxes 4"]
    ) -> Float[Tensor, "boxes 4"]:
        """Encode reference boxes relative to their proposals."""
        return super().encode_single(exclusive(reference_boxes), exclusive(proposals))

    def decode_single(
        self, rel_codes: Float[Tensor, "boxes codes"], boxes: Float[Tensor, "boxes 4"]
    ) -> Float[Tensor, "boxes codes"]:
        """Decode boxes from their codes, four numbers for each class."""
        decoded = super().decode_single(rel_codes, exclusive(boxes))
        return inclusive(decoded.unflatten(1, (-1, 4))).flatten(1)


class LegacyAnchors(AnchorGenerator):
    """Anchors of whole pixels, at the nominal strides of the pyramid.

    Torchvision computes a stride as image size by map size, which on P6 is not 64 where half a
    cell is cut off.
    """

    def __init__(self) -> None:
        super().__init__(tuple((size,) for size in ANCHOR_SIZES), (ANCHOR_RATIOS,) * len(STRIDES))
        self.cell_anchors = [
            cell_anchors(stride=stride, size=size)
            for stride, size in zip(STRIDES, ANCHOR_SIZES, strict=True)
        ]

    def forward(
        self, image_list: Any, feature_maps: list[Float[Tensor, "images channels _h _w"]]
    ) -> list[Float[Tensor, "anchors 4"]]:
        """Return the anchors of each image, from P2 to P6, row by row."""
        self.set_cell_anchors(feature_maps[0].dtype, feature_maps[0].device)
        sizes_hw = [map_.shape[-2:] for map_ in feature_maps]
        grid = self.grid_anchors(sizes_hw, [[stride, stride] for stride in STRIDES])
        return [torch.cat(grid)] * len(image_list.image_sizes)


def cell_anchors(*, stride: int, size: int) -> Float[Tensor, "ratios 4"]:
    """Return the anchors around the first cell of a level, one for each of `ANCHOR_RATIOS`.

    They are rounded at the size of a cell, then enlarged.

    >>> cell_anchors(stride=4, size=32).tolist()[0]
    [-22.0, -10.0, 25.0, 13.0]
    """
    centre = (stride - 1) / 2
    anchors = []
    for ratio in ANCHOR_RATIOS:
        w = round(math.sqrt(stride * stride / ratio))  # halves to even, as in the reference
        h = round(w * ratio)
        reach_w, reach_h = ((side * (size / stride) - 1) / 2 for side in (w, h))
        anchors.append([centre - reach_w, centre - reach_h, centre + reach_w, centre + reach_h])
    return torch.tensor(anchors, device="cpu")  # also within torch.device("meta")
