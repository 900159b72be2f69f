"""Map maskrcnn-benchmark's and Detectron's names of a Faster R-CNN's tensors to ours.

    backbone.body.stem.conv1.weight           conv1_w    backbone.body.conv1.weight
    rpn.head.cls_logits.bias    rpn_cls_logits_fpn2_b    rpn.head.cls_logits.bias
    roi_heads.box.feature_extractor.fc6.bias    fc6_b    roi_heads.box_head.fc6.bias

Our names are torchvision's. Nothing is transposed or reordered: the background is the first class
and images are BGR in all of them. Names are matched exactly.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aia.detect.legacy_boxes import ANCHOR_SIZES, STRIDES, cell_anchors
from aia.detect.maskrcnn_benchmark import MASKRCNN_BENCHMARK, build_maskrcnn_benchmark
from aia.errors import InputError
from aia.log import say
from aia.tensors import read_tensors

_PREFIXES = {  # theirs and ours, one to one; the rest of a name is the same
    "backbone.body.stem.conv1.": "backbone.body.conv1.",
    "backbone.body.stem.bn1.": "backbone.body.bn1.",
    **{f"backbone.body.layer{n}.": f"backbone.body.layer{n}." for n in (1, 2, 3, 4)},
    **{
        f"backbone.fpn.fpn_inner{n}.": f"backbone.fpn.inner_blocks.{n - 1}.0." for n in (1, 2, 3, 4)
    },
    **{
        f"backbone.fpn.fpn_layer{n}.": f"backbone.fpn.layer_blocks.{n - 1}.0." for n in (1, 2, 3, 4)
    },
    "rpn.head.conv.": "rpn.head.conv.0.0.",
    "rpn.head.cls_logits.": "rpn.head.cls_logits.",
    "rpn.head.bbox_pred.": "rpn.head.bbox_pred.",
    "roi_heads.box.feature_extractor.fc6.": "roi_heads.box_head.fc6.",
    "roi_heads.box.feature_extractor.fc7.": "roi_heads.box_head.fc7.",
    "roi_heads.box.predictor.cls_score.": "roi_heads.box_predictor.cls_score.",
    "roi_heads.box.predictor.bbox_pred.": "roi_heads.box_predictor.bbox_pred.",
}
_BACK = {ours: theirs for theirs, ours in _PREFIXES.items()}
_ANCHORS = tuple(f"rpn.anchor_generator.cell_anchors.{level}" for level in range(len(STRIDES)))

_PARTS = {"w": "weight", "b": "bias", "s": "weight"}
_BLOB_BLOCK = re.compile(r"res([2-5])_(\d+)_branch(1|2a|2b|2c)_(?:(bn)_([sb])|(w))")
_BLOB_PYRAMID = re.compile(r"fpn_(inner_)?res([2-5])_\d+_sum(?:_lateral)?_([wb])")
_BLOBS = {
    "conv1_w": "backbone.body.stem.conv1.weight",
    "res_conv1_bn_s": "backbone.body.stem.bn1.weight",
    "res_conv1_bn_b": "backbone.body.stem.bn1.bias",
    **{
        f"{blob}_{part}": f"{theirs}.{_PARTS[part]}"
        for blob, theirs in {
            "conv_rpn_fpn2": "rpn.head.conv",
            "rpn_cls_logits_fpn2": "rpn.head.cls_logits",
            "rpn_bbox_pred_fpn2": "rpn.head.bbox_pred",
            "fc6": "roi_heads.box.feature_extractor.fc6",
            "fc7": "roi_heads.box.feature_extractor.fc7",
            "cls_score": "roi_heads.box.predictor.cls_score",
            "bbox_pred": "roi_heads.box.predictor.bbox_pred",
        }.items()
        for part in "wb"
    },
}


class Renamed(NamedTuple):
    """Tensors of a checkpoint by our names."""

    state: dict[str, Tensor]
    names: dict[str, str]
    """Name in the file of each tensor that the file has."""
    left_over: list[str]
    """Names in the file of tensors that the network does not have, such as heads for masks."""


def is_maskrcnn_benchmark(names: Iterable[str]) -> bool:
    """Return True for names of its Faster R-CNN, or Detectron2's, which is then rejected."""
    return any(name.startswith(("backbone.body.stem.", "backbone.bottom_up.")) for name in names)


def is_detectron(names: Iterable[str]) -> bool:
    """Return True for blobs of Detectron's (Caffe2) Faster R-CNN with FPN."""
    return "conv_rpn_fpn2_w" in names


def detector_key(reference: str) -> str | None:
    """Return our name of an entry of maskrcnn-benchmark's state dict; None if we have none.

    >>> detector_key("backbone.fpn.fpn_layer4.bias")
    'backbone.fpn.layer_blocks.3.0.bias'
    >>> detector_key("roi_heads.mask.predictor.conv5_mask.bias") is None
    True
    """
    return _exchange(reference, _PREFIXES)


def reference_key(ours: str) -> str | None:
    """Return maskrcnn-benchmark's name of an entry of our state dict; None if it has none.

    >>> reference_key("backbone.fpn.layer_blocks.3.0.bias")
    'backbone.fpn.fpn_layer4.bias'
    """
    return _exchange(ours, _BACK)


def blob_key(blob: str) -> str | None:
    """Return maskrcnn-benchmark's name of a blob of Detectron's (Caffe2); None if it has none.

    >>> blob_key("res4_22_branch2b_bn_s")
    'backbone.body.layer3.22.bn2.weight'
    >>> blob_key("fpn_inner_res5_2_sum_w")
    'backbone.fpn.fpn_inner4.weight'
    >>> blob_key("conv1_w_momentum") is None
    True
    """
    if found := _BLOB_BLOCK.fullmatch(blob):
        stage, block, branch, norm, norm_part, part = found.groups()
        if branch == "1":
            layer = f"downsample.{1 if norm else 0}"
        else:
            layer = f"{'bn' if norm else 'conv'}{'abc'.index(branch[1]) + 1}"
        return f"backbone.body.layer{int(stage) - 1}.{block}.{layer}.{_PARTS[norm_part or part]}"
    if found := _BLOB_PYRAMID.fullmatch(blob):
        inner, stage, part = found.groups()
        return f"backbone.fpn.fpn_{'inner' if inner else 'layer'}{int(stage) - 1}.{_PARTS[part]}"
    return _BLOBS.get(blob)


def rename_detector(reference: Mapping[str, Tensor], *, source: str) -> Renamed:
    """Rename the tensors of a maskrcnn-benchmark state dict.

    Its anchors are compared with ours, and are not part of the result.

    Args:
        reference: The tensors by name; all names may begin with `module.`.
        source: Name of the source in errors, such as the file's path.
    """
    _refuse_detectron2(reference, source)
    wrapped = bool(reference) and all(name.startswith("module.") for name in reference)
    state: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    left_over = []
    for name, tensor in reference.items():
        bare = name.removeprefix("module.") if wrapped else name
        if bare in _ANCHORS:
            _check_anchors(tensor, level=_ANCHORS.index(bare), where=f"{source}: {name}")
        elif (ours := detector_key(bare)) is None:
            left_over.append(name)
        else:
            state[ours], names[ours] = tensor, name
    return Renamed(state, names, left_over)


def rename_blobs(blobs: Mapping[str, Any], *, source: str) -> Renamed:
    """Convert the arrays of a Detectron (Caffe2) file to tensors by our names.

    Its norms are a scale and a shift, so their statistics become mean 0 and variance 1.

    Args:
        blobs: The arrays by name; entries of other types are left over.
        source: Name of the source in errors, such as the file's path.
    """
    _refuse_detectron2(blobs, source)
    reference: dict[str, Tensor] = {}
    blob_of: dict[str, str] = {}
    left_over = []
    for blob, array in blobs.items():
        theirs = blob_key(str(blob))
        if theirs is None or not isinstance(array, np.ndarray):
            left_over.append(str(blob))
            continue
        if theirs in reference:
            raise InputError(
                f"{source}: {blob_of[theirs]} and {blob} are both {theirs}; is it of one network?"
            )
        reference[theirs] = torch.from_numpy(array.astype(np.float32))
        blob_of[theirs] = str(blob)
    renamed = rename_detector(reference, source=source)
    state = dict(renamed.state)
    for ours, theirs in renamed.names.items():
        if blob_of[theirs].endswith("_bn_s"):
            norm = ours.removesuffix("weight")
            state[f"{norm}running_mean"] = torch.zeros_like(state[ours])
            state[f"{norm}running_var"] = torch.ones_like(state[ours])
    names = {ours: blob_of[theirs] for ours, theirs in renamed.names.items()}
    return Renamed(state, names, left_over)


def rename_tensors(tensors: Mapping[str, Tensor], *, source: str) -> Renamed:
    """Rename the tensors of a file of either kind."""
    if is_detectron(tensors):
        blobs = {name: tensor.numpy() for name, tensor in tensors.items()}
        return rename_blobs(blobs, source=source)
    return rename_detector(tensors, source=source)


def recognise(renamed: Renamed, *, source: str) -> str:
    """Find which of `MASKRCNN_BENCHMARK` has exactly these tensors, for any number of classes.

    Raises:
        InputError: None has them; the message has the first difference from the nearest one.
    """

    def like(model: str) -> int:
        shapes = _shapes(model, 81)
        return sum(shapes.get(ours) == tuple(t.shape) for ours, t in renamed.state.items())

    nearest = max(MASKRCNN_BENCHMARK, key=like)
    check_fit(renamed, nearest, source=source)
    return nearest


def to_reference(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a state dict of ours to maskrcnn-benchmark's names, and add the anchors.

    Raises:
        InputError: A name is not of these networks.
    """
    reference = {}
    for ours, tensor in state.items():
        if (theirs := reference_key(ours)) is None:
            raise InputError(f"{ours} has no name in maskrcnn-benchmark; is it another network's?")
        reference[theirs] = tensor
    return reference | {name: _anchors(level) for level, name in enumerate(_ANCHORS)}


def read_maskrcnn_benchmark(path: Path, model: str) -> dict[str, Tensor]:
    """Read a published file by our names, and check that it is complete.

    Args:
        path: A checkpoint of maskrcnn-benchmark (.pth), or of Detectron (.pkl).
        model: The network, one of `MASKRCNN_BENCHMARK`.

    Raises:
        InputError: The file does not fit, or is of another kind.
    """
    renamed = rename_tensors(read_tensors(path), source=str(path))
    check_fit(renamed, model, source=str(path))
    more = len(renamed.left_over)
    shown = ", ".join(renamed.left_over[:5]) + (", ..." if more > 5 else "")
    say(
        f"{path}: {len(renamed.names)} entries placed in {model}, {more} left over"
        + (f" ({shown})" if more else "")
    )
    return renamed.state


def check_fit(renamed: Renamed, model: str, *, source: str) -> None:
    """Check that the tensors are those of `model`, for any number of classes.

    Raises:
        InputError: They are not; the message has the first difference and the networks that fit.
    """
    misfit = _misfit(renamed, model)
    if misfit is None:
        return
    fitting = [other for other in MASKRCNN_BENCHMARK if _misfit(renamed, other) is None]
    would = f"it would fit {fitting[0]}" if fitting else "it fits no other network either"
    raise InputError(
        f"{source}: {misfit}; {would} (of {', '.join(MASKRCNN_BENCHMARK)}). "
        "Is detector.model right?"
    )


def _misfit(renamed: Renamed, model: str) -> str | None:
    """Describe the first difference between a checkpoint and a network; None if there is none."""
    head = renamed.state.get("roi_heads.box_predictor.cls_score.weight")
    expected = _shapes(model, 81 if head is None or not head.ndim else len(head))
    for ours, shape in expected.items():
        tensor = renamed.state.get(ours)
        if tensor is not None and tuple(tensor.shape) != shape:
            name = renamed.names.get(ours, ours)
            return f"{name} has shape {list(tensor.shape)}, {model} expects {list(shape)}"
    if missing := [ours for ours in expected if ours not in renamed.state]:
        return (
            f"lacks {len(missing)} of the {len(expected)} weights of {model}, the first is "
            f"{reference_key(missing[0])}"
        )
    if unplaced := [ours for ours in renamed.state if ours not in expected]:
        name = renamed.names.get(unplaced[0], unplaced[0])
        return f"has {len(unplaced)} weights that {model} has not, the first is {name}"
    return None


@cache
def _shapes(model: str, classes: int) -> dict[str, tuple[int, ...]]:
    with torch.device("meta"):
        network = build_maskrcnn_benchmark(model, classes=classes)
    return {ours: tuple(tensor.shape) for ours, tensor in network.state_dict().items()}


def _refuse_detectron2(names: Iterable[Any], source: str) -> None:
    if any(str(name).startswith("backbone.bottom_up.") for name in names):
        raise InputError(
            f"{source}: is of Detectron2, whose networks differ (background last, other "
            "anchors and boxes); expected a checkpoint of maskrcnn-benchmark or Detectron"
        )


def _check_anchors(tensor: Tensor, *, level: int, where: str) -> None:
    expected = _anchors(level)
    if tensor.shape != expected.shape or not torch.equal(tensor.float().cpu(), expected):
        raise InputError(
            f"{where}: has other anchors ({tensor.tolist()}) than the published networks "
            f"({expected.tolist()}); it was trained with other settings, which are not supported"
        )


def _anchors(level: int) -> Tensor:
    return cell_anchors(stride=STRIDES[level], size=ANCHOR_SIZES[level])


def _exchange(name: str, prefixes: Mapping[str, str]) -> str | None:
    for prefix, other in prefixes.items():
        if name.startswith(prefix):
            return other + name.removeprefix(prefix)
    return None
