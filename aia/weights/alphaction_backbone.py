"""Map the authors' names of the backbone's tensors to ours.

    backbone.slow.res_nl2.res_0.btnk.conv1.bn.weight    slow.stages.1.0.reduce.norm.weight
    backbone.fast.Tconv3.conv.bias                      laterals.2.bias

BatchNorm is frozen in every published checkpoint: four tensors per norm, no batch counter.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor

_UNITS = {"conv1": "reduce", "conv2": "spatial", "conv3": "expand", "shortcut": "shortcut"}
_PARTS = {"conv": "conv", "bn": "norm"}
_THEIR_UNITS = {ours: theirs for theirs, ours in _UNITS.items()}
_THEIR_PARTS = {ours: theirs for theirs, ours in _PARTS.items()}
_STEM = re.compile(r"(slow|fast)\.(conv|bn)1\.(\w+)")
_BLOCK = re.compile(
    r"(slow|fast)\.res_nl(\d+)\.res_(\d+)\.(?:btnk\.(conv[123])|(shortcut))\.(conv|bn)\.(\w+)"
)
_LATERAL = re.compile(r"fast\.Tconv(\d+)\.conv\.(weight|bias)")


class Renamed(NamedTuple):
    """Tensors by our names, and the reference's names of those that the network does not have."""

    state: dict[str, Tensor]
    left_over: list[str]


def backbone_key(reference: str) -> str | None:
    """Return our name of an entry of the authors' state dict; None if not of the backbone.

    >>> backbone_key("backbone.slow.res_nl2.res_0.btnk.conv1.bn.weight")
    'slow.stages.1.0.reduce.norm.weight'
    >>> backbone_key("roi_heads.action.predictor.cls_score.bias") is None
    True
    """
    if not reference.startswith("backbone."):
        return None
    name = reference.removeprefix("backbone.")
    if found := _STEM.fullmatch(name):
        path, part, tensor = found.groups()
        return f"{path}.stem.0.{_PARTS[part]}.{tensor}"
    if found := _BLOCK.fullmatch(name):
        path, stage, block, conv, shortcut, part, tensor = found.groups()
        unit = _UNITS[conv or shortcut]
        return f"{path}.stages.{int(stage) - 1}.{block}.{unit}.{_PARTS[part]}.{tensor}"
    if found := _LATERAL.fullmatch(name):
        return f"laterals.{int(found[1]) - 1}.{found[2]}"
    return None


def reference_backbone_key(ours: str) -> str:
    """Return the authors' name of an entry of `SlowFast`; the inverse of `backbone_key`.

    >>> reference_backbone_key("slow.stages.1.0.reduce.norm.weight")
    'backbone.slow.res_nl2.res_0.btnk.conv1.bn.weight'
    """
    path, *parts = ours.split(".")
    if path == "laterals":
        number, tensor = parts
        return f"backbone.fast.Tconv{int(number) + 1}.conv.{tensor}"
    if parts[0] == "stem":
        _, _, part, tensor = parts
        return f"backbone.{path}.{_THEIR_PARTS[part]}1.{tensor}"
    _, stage, block, unit, part, tensor = parts
    conv = _THEIR_UNITS[unit]
    inside = conv if conv == "shortcut" else f"btnk.{conv}"
    return (
        f"backbone.{path}.res_nl{int(stage) + 1}.res_{block}.{inside}.{_THEIR_PARTS[part]}.{tensor}"
    )


def rename_backbone(reference: Mapping[str, Tensor]) -> Renamed:
    """Rename to a state dict for `SlowFast.load_state_dict`, which adds the batch counters."""
    state, left_over = {}, []
    for name, tensor in reference.items():
        ours = backbone_key(name)
        if ours is None:
            left_over.append(name)
        else:
            state[ours] = tensor
    return Renamed(state, left_over)
