"""The detector itself: torchvision's Faster R-CNN with FPN, and what its file must tell (§4.1).

model.py makes one and keeps it in a file; finetune.py trains it, predict.py runs it over films.
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
    """What one frame holds: boxes as fractions, the position of each one's class, its score."""

    xyxy: Float[Tensor, "boxes 4"]
    label: Int[Tensor, " boxes"]
    score: Float[Tensor, " boxes"]


class Found(NamedTuple):
    """What a frame holds, and what the network saw of each box."""

    boxes: Boxes
    features: Float[Tensor, "boxes d"]
    """Of the box head, before classes are told: what LFB remembers of objects."""


class Detector(nn.Module):
    """A Faster R-CNN together with what its file must tell.

    Args:
        model: one of `MODELS`.
        classes: names, the first is the person; the background is not among them.
        short_side: pixels to which a frame's shorter side is resized.
        norm_eps: None where BatchNorm learns; a number where it is frozen, with this ε.
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
        self.see(short_side)

    def see(self, short_side: int) -> None:
        """Have frames resized to `short_side` pixels from now on."""
        self.short_side = short_side
        self.network.transform.min_size = (short_side,)
        # The longer side's limit, in torchvision's proportion of 800 to 1333.
        self.network.transform.max_size = round(short_side * 1333 / 800)

    def forward(self, frames: list[Frame]) -> list[Boxes]:
        """Boxes of each frame, best first; at most 100 a frame, with scores of at least 0.05.

        Those of maskrcnn-benchmark's networks are its own, which include their last pixel.
        """
        assert not self.training, "losses() is for training"
        if not frames:
            return []
        found, _ = self._run(frames, None)
        return [_as_fractions(frame, boxes) for frame, boxes in zip(frames, found, strict=True)]

    @property
    def d(self) -> int:
        """Channels of a box's features."""
        return self.network.roi_heads.box_predictor.cls_score.in_features

    def find(self, frames: list[Frame]) -> list[Found]:
        """The same boxes, each with the features of the box head at its final place."""
        assert not self.training, "losses() is for training"
        if not frames:
            return []
        found, _ = self._run(frames, None, features=True)
        return [
            Found(_as_fractions(frame, boxes), boxes["features"])
            for frame, boxes in zip(frames, found, strict=True)
        ]

    def losses(self, frames: list[Frame], truth: list[Boxes]) -> dict[str, Float[Tensor, ""]]:
        """The four losses of Faster R-CNN: objectness and boxes of the RPN, class and boxes.

        A frame without boxes is a negative. Scores are not read.
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
        """Torchvision's flow, written out for the sake of one line: what runs in bfloat16.

        A pixel position above 256 has no exact bfloat16, so anchors, proposals and boxes must
        stay in float32; the backbone is where the time goes. Where the numbers are to be
        maskrcnn-benchmark's, it stays in float32 too.
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
                places = [boxes["boxes"] for boxes in found]
                heads = network.roi_heads
                seen = heads.box_head(heads.box_roi_pool(maps, places, images.image_sizes))
                for boxes, own in zip(found, seen.split([len(p) for p in places]), strict=True):
                    boxes["features"] = own
        sizes_hw = [(frame.shape[0], frame.shape[1]) for frame in frames]
        found = network.transform.postprocess(found, images.image_sizes, sizes_hw)
        return found, {**rpn_losses, **box_losses}


def _as_fractions(frame: Frame, boxes: dict[str, Tensor]) -> Boxes:
    h, w = frame.shape[:2]
    fractions = boxes["boxes"] / boxes["boxes"].new_tensor([w, h, w, h])
    return Boxes(fractions.clamp(0, 1), boxes["labels"] - 1, boxes["scores"])


def exchange_classes(detector: Detector, classes: Sequence[str]) -> None:
    """Give the detector a class head for `classes`, in place.

    What the old head knew about the background and about classes of the same name is kept.
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
    """Have a GPU's convolutions keep all of float32, which by default they round to TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = before


def _freeze_norms(module: nn.Module, *, eps: float) -> None:
    """Put a FrozenBatchNorm2d in the place of every BatchNorm2d, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            frozen: Any = FrozenBatchNorm2d(child.num_features, eps=eps)
            setattr(module, name, frozen)
        else:
            _freeze_norms(child, eps=eps)
