"""Faster R-CNN as maskrcnn-benchmark computes it, the detector of the paper (§4.1).

    frame ─▶ PIL resize, BGR ─▶ ResNet, FPN ─▶ RPN: 1000 proposals ─▶ RoI heads: 100 boxes

Published weights reproduce the published boxes only with the original arithmetic. The networks are
torchvision's; this module has the differences: preprocessing, norms without ε, the convolution
with the stride, and boxes that include their last pixel (legacy_boxes.py).
"""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, UInt8
from PIL import Image
from torch import Tensor
from torchvision.models import get_model_weights
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead
from torchvision.models.detection.transform import GeneralizedRCNNTransform, resize_boxes
from torchvision.models.resnet import Bottleneck, ResNet
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

from aia.detect import legacy_boxes
from aia.detect.legacy_boxes import ANCHOR_RATIOS, STRIDES, LegacyAnchors, LegacyBoxCoder
from aia.errors import InputError

PYRAMID_CHANNELS = 256
HEAD_WIDTH = 1024
ROI_RESOLUTION = 7
BGR_MEAN = (102.9801, 115.9465, 122.7717)  # of values 0..255; the standard deviation is 1
DIVISIBLE = 32  # images are padded to multiples of this


class Body(NamedTuple):
    """Architecture of a ResNet."""

    blocks: tuple[int, int, int, int]
    groups: int
    width_per_group: int
    stride_in_1x1: bool
    """True if a stage's stride is in its first convolution, not the second; no weight shows it."""


BODIES = {
    "maskrcnn_r50_fpn": Body((3, 4, 6, 3), 1, 64, stride_in_1x1=True),
    "maskrcnn_r101_fpn": Body((3, 4, 23, 3), 1, 64, stride_in_1x1=True),
    "maskrcnn_x101_32x8d_fpn": Body((3, 4, 23, 3), 32, 8, stride_in_1x1=False),
}
MASKRCNN_BENCHMARK = tuple(BODIES)


def build_maskrcnn_benchmark(
    name: str,
    *,
    classes: int = 81,
    short_side: int = 800,
    long_side: int = 1333,
    detections_per_image: int = 100,
) -> GeneralizedRCNN:
    """Build an untrained network with torchvision's interface and maskrcnn-benchmark's results.

    It takes RGB images [3, h, w], as bytes or as bytes / 255, and returns `boxes`, `scores` and
    `labels` of each, best first, in pixels of the input image. A box includes its last pixel, and
    label 1 is the first class.

    Args:
        name: One of `MASKRCNN_BENCHMARK`.
        classes: Number of classes, including the background.
        short_side: Pixels to which an image's shorter side is resized.
        long_side: Limit of the longer side, which may make the shorter one smaller.
        detections_per_image: Most boxes of an image, more where the last ones tie; 0: all.
    """
    if name not in BODIES:
        raise InputError(f"{name} is not one of {', '.join(BODIES)}")
    return GeneralizedRCNN(
        _backbone(BODIES[name]),
        LegacyRegionProposals(
            LegacyAnchors(),
            RPNHead(PYRAMID_CHANNELS, len(ANCHOR_RATIOS)),
            fg_iou_thresh=0.7,
            bg_iou_thresh=0.3,
            batch_size_per_image=256,
            positive_fraction=0.5,
            pre_nms_top_n={"training": 2000, "testing": 1000},
            post_nms_top_n={"training": 2000, "testing": 1000},
            nms_thresh=0.7,
        ),
        LegacyRoIHeads(
            _roi_pool(),
            TwoMLPHead(PYRAMID_CHANNELS * ROI_RESOLUTION**2, HEAD_WIDTH),
            FastRCNNPredictor(HEAD_WIDTH, classes),
            fg_iou_thresh=0.5,
            bg_iou_thresh=0.5,
            batch_size_per_image=512,
            positive_fraction=0.25,
            bbox_reg_weights=(10.0, 10.0, 5.0, 5.0),
            score_thresh=0.05,
            nms_thresh=0.5,
            detections_per_img=detections_per_image,
        ),
        LegacyTransform(short_side=short_side, long_side=long_side),
    )


def coco_classes() -> tuple[str, ...]:
    """Return COCO's 80 class names in order, without the gaps of torchvision's list."""
    categories = get_model_weights("fasterrcnn_resnet50_fpn").COCO_V1.meta["categories"]
    return tuple(name for name in categories[1:] if name != "N/A")


def resized_hw(size_hw: tuple[int, int], *, short_side: int, long_side: int) -> tuple[int, int]:
    """Compute the size to which an image is resized; the longer side is truncated, not rounded.

    >>> resized_hw((1080, 1920), short_side=800, long_side=1333)
    (750, 1333)
    """
    h, w = size_hw
    short, long = min(h, w), max(h, w)
    if long / short * short_side > long_side:
        short_side = round(long_side * short / long)
    if short == short_side:
        return h, w
    if w < h:
        return int(short_side * h / w), short_side
    return short_side, int(short_side * w / h)


class LegacyTransform(GeneralizedRCNNTransform):
    """Preprocessing as in training: resize by PIL, BGR, subtract the mean from values 0..255.

    Args:
        short_side: See `resized_hw`.
        long_side: See `resized_hw`.
    """

    def __init__(self, *, short_side: int, long_side: int) -> None:
        super().__init__(short_side, long_side, list(BGR_MEAN), [1.0] * 3, size_divisible=DIVISIBLE)

    def forward(
        self, images: list[Tensor], targets: list[dict[str, Tensor]] | None = None
    ) -> tuple[ImageList, list[dict[str, Tensor]] | None]:
        """Return one padded batch of BGR images with their sizes, and the targets resized."""
        resized = [self._resized(_bytes(image)) for image in images]
        sizes_hw = [(image.shape[-2], image.shape[-1]) for image in resized]
        if targets is not None:
            targets = [
                {**target, "boxes": resize_boxes(target["boxes"], image.shape[-2:], size_hw)}
                for target, image, size_hw in zip(targets, images, sizes_hw, strict=True)
            ]
        inputs = [self.normalize(rgb.flip(0).float()) for rgb in resized]
        return ImageList(self.batch_images(inputs, self.size_divisible), sizes_hw), targets

    def _resized(self, rgb: UInt8[Tensor, "3 h w"]) -> UInt8[Tensor, "3 h_out w_out"]:
        h, w = resized_hw(
            (rgb.shape[1], rgb.shape[2]), short_side=self.min_size[-1], long_side=self.max_size
        )
        if (h, w) == rgb.shape[1:]:
            return rgb
        # PIL's filter widens when downscaling and rounds to bytes; no operator of torch is equal
        picture = Image.fromarray(rgb.permute(1, 2, 0).cpu().contiguous().numpy())
        smaller = np.array(picture.resize((w, h), Image.Resampling.BILINEAR))
        return torch.from_numpy(smaller).to(rgb.device).permute(2, 0, 1)


class StrideIn1x1(Bottleneck):
    """A bottleneck whose first convolution has the stride, as in MSRA's ResNets."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.conv1.stride, self.conv2.stride = self.conv2.stride, self.conv1.stride


class LegacyRegionProposals(RegionProposalNetwork):
    """Torchvision's RPN for boxes that include their last pixel; it drops no small boxes."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.box_coder = LegacyBoxCoder(weights=(1.0, 1.0, 1.0, 1.0))
        self.box_similarity = legacy_boxes.iou

    def filter_proposals(
        self,
        proposals: Float[Tensor, "images anchors 4"],
        objectness: Float[Tensor, "all_anchors 1"],
        image_shapes: list[tuple[int, int]],
        num_anchors_per_level: list[int],
    ) -> tuple[list[Float[Tensor, "_proposals 4"]], list[Float[Tensor, " _proposals"]]]:
        """Select the best boxes of each level after NMS, then the best of all levels, in order."""
        # sigmoid before top-k: where it saturates, scores tie although logits do not
        scores = objectness.detach().reshape(len(proposals), -1).sigmoid()
        kept: list[list[tuple[Tensor, Tensor]]] = [[] for _ in image_shapes]
        levels = zip(
            proposals.split(num_anchors_per_level, 1),
            scores.split(num_anchors_per_level, 1),
            strict=True,
        )
        for level_boxes, level_scores in levels:
            best = min(self.pre_nms_top_n(), level_scores.shape[1])
            top_scores, order = level_scores.topk(best, dim=1)
            for image, size_hw in enumerate(image_shapes):
                xyxy = legacy_boxes.clip(level_boxes[image, order[image]], size_hw)
                keep = legacy_boxes.nms(xyxy, top_scores[image], self.nms_thresh)
                keep = keep[: self.post_nms_top_n()]
                kept[image].append((xyxy[keep], top_scores[image, keep]))
        boxes, objectness_of = [], []
        for parts in kept:
            xyxy, score = (torch.cat(part) for part in zip(*parts, strict=True))
            score, order = score.topk(min(self.post_nms_top_n(), len(score)))
            boxes.append(xyxy[order])
            objectness_of.append(score)
        return boxes, objectness_of


class LegacyRoIHeads(RoIHeads):
    """Torchvision's RoI heads for boxes that include their last pixel; no small box is dropped."""

    def __init__(
        self, *arguments: Any, bbox_reg_weights: tuple[float, float, float, float], **options: Any
    ) -> None:
        super().__init__(*arguments, bbox_reg_weights=bbox_reg_weights, **options)
        self.box_coder = LegacyBoxCoder(weights=bbox_reg_weights)

    def assign_targets_to_proposals(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Return index and class of the ground-truth box of each proposal, for training."""
        proposals, gt_boxes = (
            [legacy_boxes.exclusive(xyxy) for xyxy in boxes] for boxes in (proposals, gt_boxes)
        )
        return super().assign_targets_to_proposals(proposals, gt_boxes, gt_labels)

    def postprocess_detections(
        self,
        class_logits: Float[Tensor, "rois classes"],
        box_regression: Float[Tensor, "rois codes"],
        proposals: list[Float[Tensor, "_proposals 4"]],
        image_shapes: list[tuple[int, int]],
    ) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Return boxes, scores and labels of each image, best first."""
        counts = [len(xyxy) for xyxy in proposals]
        decoded = self.box_coder.decode(box_regression, proposals).split(counts)
        probabilities = class_logits.softmax(dim=-1).split(counts)
        found = [
            self._best(legacy_boxes.clip(xyxy, size_hw), scores)
            for xyxy, scores, size_hw in zip(decoded, probabilities, image_shapes, strict=True)
        ]
        return [one[0] for one in found], [one[1] for one in found], [one[2] for one in found]

    def _best(
        self, xyxy: Float[Tensor, "rois classes 4"], scores: Float[Tensor, "rois classes"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        roi, label = (scores > self.score_thresh).nonzero(as_tuple=True)
        roi, label = roi[label > 0], label[label > 0]  # 0 is the background
        xyxy, scores = xyxy[roi, label], scores[roi, label]
        kept = [label.new_zeros(0)]
        # class by class: the offsets of torchvision's batched_nms would change the rounding
        for one in label.unique():
            members = (label == one).nonzero().flatten()
            kept.append(members[legacy_boxes.nms(xyxy[members], scores[members], self.nms_thresh)])
        keep = torch.cat(kept)
        keep = keep[scores[keep].argsort(descending=True, stable=True)]
        if 0 < self.detections_per_img < len(keep):
            last = scores[keep[self.detections_per_img - 1]]
            keep = keep[scores[keep] >= last]  # those that tie with the last one stay
        return xyxy[keep], scores[keep], label[keep]


def _backbone(body: Body) -> BackboneWithFPN:
    resnet = ResNet(
        StrideIn1x1 if body.stride_in_1x1 else Bottleneck,
        list(body.blocks),
        groups=body.groups,
        width_per_group=body.width_per_group,
        norm_layer=partial(FrozenBatchNorm2d, eps=0.0),
    )
    resnet.conv1.requires_grad_(False)  # the reference trains neither
    resnet.layer1.requires_grad_(False)
    stages = {f"layer{stage}": str(stage - 1) for stage in (1, 2, 3, 4)}
    channels = [256 * 2**stage for stage in range(len(stages))]
    return BackboneWithFPN(resnet, stages, channels, PYRAMID_CHANNELS, LastLevelMaxPool())


def _roi_pool() -> MultiScaleRoIAlign:
    pool = MultiScaleRoIAlign(["0", "1", "2", "3"], ROI_RESOLUTION, sampling_ratio=2)
    # torchvision would infer the scales from the first batch
    pool.scales = [1 / stride for stride in STRIDES[:4]]
    pool.map_levels = legacy_boxes.pyramid_levels
    return pool


def _bytes(image: Tensor) -> UInt8[Tensor, "3 h w"]:
    """Return an image as bytes; it may come as bytes / 255."""
    return (image * 255).round().to(torch.uint8) if image.is_floating_point() else image
