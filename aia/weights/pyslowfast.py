"""Map the names of PySlowFast's and its Caffe2 files' SlowFast, I3D and C2D tensors to ours.

    s1.pathway0_stem.conv.weight          conv1_w               slow.stem.0.conv.weight
    s1.pathway0_stem.bn.running_var       res_conv1_bn_riv      slow.stem.0.norm.running_var
    s2.pathway1_res0.branch1.weight       t_res2_0_branch1_w    fast.stages.0.0.shortcut.conv.weight
    s4.pathway0_res5.branch2.b_bn.weight  res4_5_branch2b_bn_s  slow.stages.2.5.spatial.norm.weight
    s1_fuse.conv_f2s.weight               t_pool1_subsample_w   laterals.0.0.conv.weight
    head.projection.weight                pred_w                (none: the classifier)

In networks with one pathway, our names lack `slow.`. No tensor is transposed, and Caffe2's `riv` is
the variance, as in PySlowFast. Its settings for Kinetics and AVA read frames as RGB for both kinds
of files, as we do, so no channels are swapped.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from aia.config import BackboneConfig, ResNet3DConfig, SlowFastConfig
from aia.errors import InputError
from aia.features import build_backbone

_UNITS = {"a": "reduce", "b": "spatial", "c": "expand"}
_BRANCHES = {"shortcut": "branch1"} | {unit: f"branch2.{x}" for x, unit in _UNITS.items()}
_NORM = r"(weight|bias|running_mean|running_var|num_batches_tracked)"

_STEM = re.compile(rf"s1\.pathway([01])_stem\.(?:conv\.(weight)|bn\.{_NORM})")
_BLOCK = re.compile(
    r"s([2-5])\.pathway([01])_res(\d+)\.(?:branch1|branch2\.([abc]))"
    rf"(?:\.(weight)|_bn\.{_NORM})"
)
_LATERAL = re.compile(rf"s([1-4])_fuse\.(?:conv_f2s\.(weight)|bn\.{_NORM})")

_OURS = re.compile(
    r"(?:(slow|fast)\.)?(?:stem\.0|stages\.(\d)\.(\d+)\.(\w+)|laterals\.(\d)\.0)\.(conv|norm)\.(\w+)"
)

_PARTS = {"w": "weight", "s": "weight", "b": "bias", "rm": "running_mean", "riv": "running_var"}
_BLOB_NORM = "(s|b|rm|riv)"
_BLOB_STEM = re.compile(rf"(t_)?(?:conv1_(w)|res_conv1_bn_{_BLOB_NORM})")
_BLOB_BLOCK = re.compile(
    rf"(t_)?res([2-5])_(\d+)_branch(?:1|2([abc]))_(?:(w)|bn_{_BLOB_NORM})",
)
_BLOB_LATERAL = re.compile(
    rf"t_(?:pool1|res([2-4])_\d+_branch2c_bn)_subsample_(?:(w)|bn_{_BLOB_NORM})"
)

_NON_LOCAL = re.compile(r"s\d\.pathway\d_nonlocal\d+|nonlocal_conv\d+_\d+")


class Renamed(NamedTuple):
    """Tensors of a checkpoint by our names."""

    state: dict[str, Tensor]
    names: dict[str, str]
    """Name in the file of each tensor."""
    left_over: list[str]
    """Names in the file of tensors that a backbone does not have, such as the classifier's."""


def is_pyslowfast(names: Iterable[str]) -> bool:
    """Return True for tensor names of a ResNet of PySlowFast."""
    return "s1.pathway0_stem.conv.weight" in names


def is_caffe2(names: Iterable[str]) -> bool:
    """Return True for blobs of a video network; Detectron's have no statistics of norms."""
    return {"conv1_w", "res_conv1_bn_rm", "res_conv1_bn_riv"} <= set(names)


def our_key(theirs: str, *, pathways: int) -> str | None:
    """Return our name of an entry of PySlowFast's state dict; None if not of the backbone.

    >>> our_key("s4.pathway0_res5.branch2.b_bn.weight", pathways=2)
    'slow.stages.2.5.spatial.norm.weight'
    >>> our_key("s2.pathway0_res0.branch1.weight", pathways=1)
    'stages.0.0.shortcut.conv.weight'
    >>> our_key("head.projection.weight", pathways=1) is None
    True
    """
    paths = ("",) if pathways == 1 else ("slow.", "fast.")
    if found := _STEM.fullmatch(theirs):
        path, conv, norm = found.groups()
        where = f"{paths[int(path)]}stem.0"
    elif found := _BLOCK.fullmatch(theirs):
        stage, path, block, layer, conv, norm = found.groups()
        unit = _UNITS[layer] if layer else "shortcut"
        where = f"{paths[int(path)]}stages.{int(stage) - 2}.{block}.{unit}"
    elif found := _LATERAL.fullmatch(theirs):
        stage, conv, norm = found.groups()
        where = f"laterals.{int(stage) - 1}.0"
    else:
        return None
    return f"{where}.conv.{conv}" if conv else f"{where}.norm.{norm}"


def their_key(ours: str) -> str | None:
    """Return PySlowFast's name of an entry of a backbone's state; None if it has none.

    >>> their_key("laterals.1.0.norm.running_mean")
    's2_fuse.bn.running_mean'
    """
    found = _OURS.fullmatch(ours)
    if found is None:
        return None
    path, stage, block, unit, lateral, part, tensor = found.groups()
    pathway = 1 if path == "fast" else 0
    bn = "_bn" if part == "norm" else ""
    if lateral:
        return f"s{int(lateral) + 1}_fuse.{'bn' if bn else 'conv_f2s'}.{tensor}"
    if stage is None:
        return f"s1.pathway{pathway}_stem.{'bn' if bn else 'conv'}.{tensor}"
    if unit not in _BRANCHES:
        return None
    return f"s{int(stage) + 2}.pathway{pathway}_res{block}.{_BRANCHES[unit]}{bn}.{tensor}"


def blob_key(blob: str) -> str | None:
    """Return PySlowFast's name of a blob of a Caffe2 file; None if not of the backbone.

    >>> blob_key("t_res2_0_branch1_bn_riv")
    's2.pathway1_res0.branch1_bn.running_var'
    >>> blob_key("t_pool1_subsample_bn_s")
    's1_fuse.bn.weight'
    >>> blob_key("conv1_w_momentum") is None
    True
    """
    if found := _BLOB_STEM.fullmatch(blob):
        fast, conv, norm = found.groups()
        layer = f"s1.pathway{1 if fast else 0}_stem.{'conv' if conv else 'bn'}"
    elif found := _BLOB_BLOCK.fullmatch(blob):
        fast, stage, block, letter, conv, norm = found.groups()
        branch = f"branch2.{letter}" if letter else "branch1"
        layer = f"s{stage}.pathway{1 if fast else 0}_res{block}.{branch}{'' if conv else '_bn'}"
    elif found := _BLOB_LATERAL.fullmatch(blob):
        stage, conv, norm = found.groups()
        layer = f"s{stage or 1}_fuse.{'conv_f2s' if conv else 'bn'}"
    else:
        return None
    return f"{layer}.{_PARTS[conv or norm]}"


def rename(tensors: Mapping[str, Tensor], *, source: str) -> Renamed:
    """Rename the tensors of a file of either kind.

    Args:
        tensors: The tensors by their names in the file.
        source: Name of the source in errors.
    """
    blobs = is_caffe2(tensors)
    theirs = {name: blob_key(name) if blobs else name for name in tensors}
    pathways = 2 if any(".pathway1_" in key for key in theirs.values() if key) else 1
    state: dict[str, Tensor] = {}
    names: dict[str, str] = {}
    left_over = []
    for name, tensor in tensors.items():
        key = theirs[name]
        ours = None if key is None else our_key(key, pathways=pathways)
        if ours is None:
            left_over.append(name)
            continue
        if ours in state:
            raise InputError(
                f"{source}: {names[ours]} and {name} are both {key}; is it of one network?"
            )
        state[ours], names[ours] = tensor, name
    return Renamed(state, names, left_over)


def to_pyslowfast(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a backbone's state to PySlowFast's names.

    Raises:
        InputError: A name has none there.
    """
    theirs = {}
    for ours, tensor in state.items():
        if (key := their_key(ours)) is None:
            raise InputError(f"{ours} has no name in PySlowFast; is it another network's?")
        theirs[key] = tensor
    return theirs


def non_local_blocks(renamed: Renamed) -> int:
    """Count the file's non-local blocks, which our backbones do not have."""
    return len({found[0] for name in renamed.left_over if (found := _NON_LOCAL.match(name))})


def recognise(
    renamed: Renamed,
    backbones: Mapping[str, BackboneConfig],
    *,
    source: str,
    asked: str | None = None,
) -> list[str]:
    """Find the backbones that have exactly these tensors, in the order of the settings.

    There may be several, which differ in strides or pooling alone.

    Args:
        renamed: The file's tensors.
        backbones: All backbones of the settings, by name.
        source: Name of the file in errors.
        asked: Name of the expected backbone, or None.

    Raises:
        InputError: Neither the expected backbone nor, without one, any has them; the message has
            the first tensor that differs, and the backbones that fit.
    """
    known = {name: _shapes(config) for name, config in backbones.items() if _is_of_form(config)}
    if asked is not None and asked not in known:
        raise InputError(
            f"{source}: {asked} is not a backbone of PySlowFast's form; expected one of "
            + ", ".join(known)
        )
    fitting = [name for name, shapes in known.items() if not _differing(renamed, shapes)]
    if asked in fitting:
        return [asked]
    if asked is None and fitting:
        return fitting
    if not known:
        raise InputError(f"{source}: the settings have no backbone of PySlowFast's form")
    meant = asked or min(known, key=lambda name: len(_differing(renamed, known[name])))
    first = _differing(renamed, known[meant])[0]
    would = f"it would fit {', '.join(fitting)}" if fitting else _closest(renamed, first, known)
    raise InputError(f"{source}: {_difference(renamed, first, meant, known[meant])}; {would}")


def backbone_state(renamed: Renamed, config: BackboneConfig) -> dict[str, Tensor]:
    """Return the complete state of a matching backbone; missing batch counters become 0."""
    return {
        ours: renamed.state[ours].to(like.dtype).contiguous()
        if ours in renamed.state
        else torch.zeros((), dtype=like.dtype)
        for ours, like in _without_numbers(config).items()
    }


def _is_of_form(config: BackboneConfig) -> bool:
    """Return True for backbones of PySlowFast, whose laterals have norms, unlike AlphAction's."""
    return isinstance(config, ResNet3DConfig) or (
        isinstance(config, SlowFastConfig) and config.lateral.norm
    )


@cache
def _without_numbers(config: BackboneConfig) -> dict[str, Tensor]:
    with torch.device("meta"):
        return dict(build_backbone(config, frozen_norm=True).state_dict())


@cache
def _shapes(config: BackboneConfig) -> dict[str, tuple[int, ...]]:
    return {ours: tuple(tensor.shape) for ours, tensor in _without_numbers(config).items()}


def _differing(renamed: Renamed, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """List tensors that differ between a file and a backbone, by our names: shapes first."""
    state = renamed.state
    both = [ours for ours in shapes if ours in state]
    return [
        *(ours for ours in both if tuple(state[ours].shape) != shapes[ours]),
        *(ours for ours in shapes if ours not in state and not ours.endswith("batches_tracked")),
        *(ours for ours in state if ours not in shapes),
    ]


def _difference(
    renamed: Renamed, ours: str, name: str, shapes: Mapping[str, tuple[int, ...]]
) -> str:
    if ours not in renamed.state:
        return f"lacks {their_key(ours)}, which {name} has"
    key, found = renamed.names[ours], list(renamed.state[ours].shape)
    if ours not in shapes:
        return f"has {key} of shape {found}, which {name} does not have"
    return f"{key} has shape {found}, {name} expects {list(shapes[ours])}"


def _closest(
    renamed: Renamed, ours: str, known: Mapping[str, Mapping[str, tuple[int, ...]]]
) -> str:
    """Say that a file fits no backbone, and which ones have its first differing tensor."""
    none = f"the file fits no backbone (of {', '.join(known)})"
    if ours not in renamed.state:
        return none
    shape = tuple(renamed.state[ours].shape)
    having = [name for name, shapes in known.items() if shapes.get(ours) == shape]
    return f"{none}; this tensor would fit {', '.join(having)}" if having else none
