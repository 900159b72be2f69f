"""The detector: torchvision's Faster R-CNN with FPN, and the metadata of its file (§4.1).

model.py builds, saves and loads it; finetune.py trains it, predict.py runs it on videos.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor, nn
from torchvision.models import detection
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d

from aia.detect.maskrcnn_benchmark import MASKRCNN_BENCHMARK, build_maskrcnn_benchmark
from aia.detect.small import small_faster_rcnn
from aia.errors import InputError

SMALL = "small"
TORCHVISION = (
    "fasterrcnn_resnet50_fpn",
    "fasterrcnn_resnet50_fpn_v2",
    "fasterrcnn_mobilenet_v3_large_fpn",
)
MODELS = (SMALL, *TORCHVISION, *MASKRCNN_BENCHMARK)

Frame: TypeAlias = UInt8[Tensor, "_h _w 3"]  # frames of one batch may differ in size


class Boxes(NamedTuple):
    """Boxes of one frame as fractions, the class index and the score of each."""

    xyxy: Float[Tensor, "boxes 4"]
    label: Int[Tensor, " boxes"]
    score: Float[Tensor, " boxes"]


class Found(NamedTuple):
    """Boxes of one frame and the features of each."""

    boxes: Boxes
    features: Float[Tensor, "boxes d"]
    """Output of the box head before the classifier: LFB's memory of objects."""


class Detector(nn.Module):
    """A Faster R-CNN with its name, classes and input size.

    Args:
        model: One of `MODELS`.
        classes: Class names without the background; the first is the person.
        short_side: Pixels to which a frame's shorter side is resized.
        norm_eps: The ε of frozen BatchNorm; None if BatchNorm is trained.
    """

    def __init__(
        self, *, model: str, classes: Sequence[str], short_side: int, norm_eps: float | None = None
    ) -> None:
        super().__init__()
        if model not in MODELS:
            raise InputError(f"detector.model: {model} is not one of {', '.join(MODELS)}")
        self.model, self.classes, self.norm_eps = model, tuple(classes), norm_eps
        if model == SMALL:
            self.network = small_faster_rcnn(classes=len(self.classes) + 1)
        elif model in MASKRCNN_BENCHMARK:
            self.network = build_maskrcnn_benchmark(model, classes=len(self.classes) + 1)
        else:
            self.network = getattr(detection, model)(
                weights=None, weights_backbone=None, num_classes=len(self.classes) + 1
            )
        if norm_eps is not None:
            _freeze_norms(self.network, eps=norm_eps)
        self.resize_to(short_side)

    def resize_to(self, short_side: int) -> None:
        """Set the size in pixels to which a frame's shorter side is resized."""
        self.short_side = short_side
        self.network.transform.min_size = (short_side,)
        # limit of the longer side, in torchvision's proportion of 800 to 1333
        self.network.transform.max_size = round(short_side * 1333 / 800)

    def forward(self, frames: list[Frame]) -> list[Boxes]:
        """Detect boxes of each frame, best first: at most 100, with scores of at least 0.05.

        Boxes of maskrcnn-benchmark's networks include their last pixel, as in its own code.
        """
        assert not self.training, "losses() is for training"
        if not frames:
            return []
        found, _ = self._run(frames, None)
        return [_as_fractions(frame, boxes) for frame, boxes in zip(frames, found, strict=True)]

    @property
    def d(self) -> int:
        """Number of feature channels of a box."""
        return self.network.roi_heads.box_predictor.cls_score.in_features

    def find(self, frames: list[Frame]) -> list[Found]:
        """Detect the same boxes, each with the box head's features at its final position."""
        assert not self.training, "losses() is for training"
        if not frames:
            return []
        found, _ = self._run(frames, None, features=True)
        return [
            Found(_as_fractions(frame, boxes), boxes["features"])
            for frame, boxes in zip(frames, found, strict=True)
        ]

    def losses(self, frames: list[Frame], truth: list[Boxes]) -> dict[str, Float[Tensor, ""]]:
        """Compute the four losses: objectness and boxes of the RPN, classes and boxes of the RoIs.

        A frame without boxes is a negative. Scores in `truth` are ignored.
        """
        targets = []
        for frame, boxes in zip(frames, truth, strict=True):
            h, w = frame.shape[:2]
            pixels = boxes.xyxy * boxes.xyxy.new_tensor([w, h, w, h])
            targets.append({"boxes": pixels, "labels": boxes.label + 1})
        return self._run(frames, targets)[1]

    def _run(
        self,
        frames: list[Frame],
        targets: list[dict[str, Tensor]] | None,
        *,
        features: bool = False,
    ) -> tuple[list[dict[str, Tensor]], dict[str, Tensor]]:
        """Run torchvision's forward pass, with the backbone alone in bfloat16 on a GPU.

        Pixel positions above 256 have no exact bfloat16, so anchors, proposals and boxes stay in
        float32; the backbone takes most of the time. Networks of maskrcnn-benchmark run in float32
        throughout, to reproduce its numbers.
        """
        network = self.network
        pixels = [frame.permute(2, 0, 1).float() / 255 for frame in frames]
        images, targets = network.transform(pixels, targets)
        device = images.tensors.device.type
        exact = self.model in MASKRCNN_BENCHMARK
        fast = device == "cuda" and not exact
        with _full_float32() if exact else nullcontext():
            with torch.autocast(device, torch.bfloat16, enabled=fast):
                maps = network.backbone(images.tensors)
            maps = {level: map_.float() for level, map_ in maps.items()}
            proposals, rpn_losses = network.rpn(images, maps, targets)
            found, box_losses = network.roi_heads(maps, proposals, images.image_sizes, targets)
            if features:
                rois = [boxes["boxes"] for boxes in found]
                heads = network.roi_heads
                pooled = heads.box_head(heads.box_roi_pool(maps, rois, images.image_sizes))
                for boxes, own in zip(found, pooled.split([len(r) for r in rois]), strict=True):
                    boxes["features"] = own
        sizes_hw = [(frame.shape[0], frame.shape[1]) for frame in frames]
        found = network.transform.postprocess(found, images.image_sizes, sizes_hw)
        return found, {**rpn_losses, **box_losses}


def _as_fractions(frame: Frame, boxes: dict[str, Tensor]) -> Boxes:
    h, w = frame.shape[:2]
    fractions = boxes["boxes"] / boxes["boxes"].new_tensor([w, h, w, h])
    return Boxes(fractions.clamp(0, 1), boxes["labels"] - 1, boxes["scores"])


def exchange_classes(detector: Detector, classes: Sequence[str]) -> None:
    """Replace the detector's class head by one for `classes`, in place.

    Weights of the background and of classes of the same name are kept.
    """
    old = detector.network.roi_heads.box_predictor
    new = FastRCNNPredictor(old.cls_score.in_features, len(classes) + 1)
    pairs = [(0, 0)] + [
        (row, detector.classes.index(name) + 1)
        for row, name in enumerate(classes, start=1)
        if name in detector.classes
    ]
    with torch.no_grad():
        for to, source in pairs:
            for layer, rows in (("cls_score", 1), ("bbox_pred", 4)):
                for part in ("weight", "bias"):
                    target = getattr(getattr(new, layer), part)
                    origin = getattr(getattr(old, layer), part)
                    target[to * rows : (to + 1) * rows] = origin[
                        source * rows : (source + 1) * rows
                    ]
    detector.network.roi_heads.box_predictor = new.to(old.cls_score.weight.device)
    detector.classes = tuple(classes)


@contextmanager
def _full_float32() -> Iterator[None]:
    """Disable TF32, to which a GPU's convolutions round float32 by default."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _freeze_norms(module: nn.Module, *, eps: float) -> None:
    """Replace every BatchNorm2d by a FrozenBatchNorm2d, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            frozen: Any = FrozenBatchNorm2d(child.num_features, eps=eps)
            setattr(module, name, frozen)
        else:
            _freeze_norms(child, eps=eps)
