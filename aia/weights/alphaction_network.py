"""Whole checkpoints of the authors' code (AlphAction): what network they hold, and its tensors.

    backbone.*                                    backbone.*         (alphaction_backbone.py)
    roi_heads.action.feature_extractor.ia_…      interaction.*      (alphaction.py)
    roi_heads.action.feature_extractor.fc1.*      classifier.fc1.*
    roi_heads.action.predictor.cls_score.*        classifier.cls.*

The keys and shapes say everything but the frames' pace, which the two published depths decide, and
how many persons of a second are remembered, which is 5 in every published recipe.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aia.errors import InputError
from aia.weights.alphaction import interaction_key, reference_interaction_key
from aia.weights.alphaction_backbone import backbone_key, reference_backbone_key

BACKBONES = {6: "slowfast_r50_4x16", 23: "slowfast_r101_8x8"}  # by the blocks of res4
PERSONS_PER_CLIP = 5
_EXTRACTOR = "roi_heads.action.feature_extractor."
_IA = f"{_EXTRACTOR}ia_structure."
_HEAD = {
    f"{_EXTRACTOR}fc1": "classifier.fc1",
    f"{_EXTRACTOR}fc2": "classifier.fc2",
    "roi_heads.action.predictor.cls_score": "classifier.cls",
}
_STRUCTURES = ("serial", "dense", "parallel")


class Form(NamedTuple):
    """The network that a checkpoint holds."""

    backbone: str
    structure: str
    """none, parallel, serial or dense."""
    blocks: str
    width: int
    hidden: int
    classes: int
    reach: int
    """L; 0 without memory."""
    ordered: bool = True
    """Whether the order of `blocks` is known: keys name each block, their order says which is next;
    but some files keep their keys in the order of the alphabet."""

    def __str__(self) -> str:
        interaction = f"{self.structure}-{self.blocks}" if self.blocks else "none"
        sizes = f"width {self.width}, " if self.blocks else ""
        memory = f"L = {self.reach}, " if self.reach else ""
        return f"{self.backbone}-{interaction} ({sizes}{memory}{self.classes} classes)"


class Entry(NamedTuple):
    """One tensor of the authors' state dict."""

    name: str
    shape: tuple[int, ...]
    kind: str
    """param or buffer; frozen norms are buffers there."""


def is_alphaction(names: Sequence[str]) -> bool:
    """Whether these are names of the authors' network."""
    return any(name.startswith("backbone.slow.res_nl") for name in names) and any(
        name.startswith("roi_heads.action.") for name in names
    )


def recognise(shapes: Mapping[str, Sequence[int]], *, source: str) -> Form:
    """Read from names and shapes which network this is.

    Args:
        shapes: Of every tensor, by the authors' names, in the file's order.
        source: What an error calls them.
    """
    stage = re.compile(r"backbone\.slow\.res_nl3\.res_(\d+)\.")
    depth = len({found[1] for name in shapes if (found := stage.match(name))})
    if depth not in BACKBONES:
        raise InputError(
            f"{source}: res4 of the slow pathway has {depth} blocks; known are "
            + ", ".join(f"{blocks} ({name})" for blocks, name in BACKBONES.items())
        )
    rows = {}
    for theirs, ours in _HEAD.items():
        shape = shapes.get(f"{theirs}.weight", ())
        if len(shape) != 2:
            raise InputError(f"{source}: {theirs}.weight is missing or not a matrix")
        rows[ours] = shape[0]
    hidden, classes = rows["classifier.fc1"], rows["classifier.cls"]
    form = Form(BACKBONES[depth], "none", "", 0, hidden, classes, 0)
    inside = {name[len(_IA) :]: tuple(s) for name, s in shapes.items() if name.startswith(_IA)}
    if not inside:
        return form
    layer = re.compile(r"([POM])_block_(\d+)\.")
    blocks = list(dict.fromkeys(found[0] for name in inside if (found := layer.match(name))))
    widened = [block for block in blocks if f"{block}shortcut.weight" in inside]
    structure = "serial" if len(widened) <= 1 else "parallel"
    if any(name.startswith("dense_params.") for name in inside):
        structure = "dense"
    position = inside.get("M_block_1.temporal_position_k")
    reduction = inside.get("person_dim_reduce.weight")
    if reduction is None:
        raise InputError(f"{source}: {_IA}person_dim_reduce.weight is missing; is the file whole?")
    word = "".join(block[0] for block in blocks)
    return form._replace(
        structure=structure,
        blocks=word,
        width=reduction[0],
        reach=0 if position is None else (position[0] - 1) // 2,
        ordered=len(word) < 2 or structure == "parallel" or list(shapes) != sorted(shapes),
    )


def to_ours(
    reference: Mapping[str, Tensor], network: nn.Module, *, source: str
) -> tuple[dict[str, Tensor], list[str]]:
    """The state of `network` from the authors' tensors, and the names that are left over.

    Raises:
        InputError: A tensor has another shape, or some are missing.
    """
    expected = network.state_dict()
    state: dict[str, Tensor] = {}
    left_over = []
    for name, tensor in reference.items():
        ours = our_key(name)
        if ours is None or ours not in expected:
            left_over.append(name)
            continue
        state[ours] = _fitted(tensor, expected[ours], f"{source}: {name}")
    counters = {key for key in expected if key.endswith("num_batches_tracked")}
    missing = sorted(expected.keys() - state.keys() - counters)
    if missing:
        raise InputError(
            f"{source}: {len(missing)} of {len(expected) - len(counters)} tensors are missing, the "
            f"first is {their_key(missing[0])} ({missing[0]} here); is the file whole?"
        )
    return state | {key: torch.zeros((), dtype=torch.int64) for key in counters}, left_over


def to_theirs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our tensors as the authors' code loads them, strictly."""
    theirs = {}
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            reference = their_key(name)
            theirs[reference] = tensor.reshape(_their_shape(reference, tensor.shape))
    return theirs


def reference_entries(network: nn.Module) -> list[Entry]:
    """Names, shapes and kinds of the tensors that the authors' code has for this network."""
    return [
        Entry(name, tuple(tensor.shape), "buffer" if _of_norm(name) else "param")
        for name, tensor in to_theirs(network.state_dict()).items()
    ]


def our_key(reference: str) -> str | None:
    """Our name for an entry of the authors' state dict; None if it has no place.

    >>> our_key("roi_heads.action.predictor.cls_score.bias")
    'classifier.cls.bias'
    """
    layer, _, tensor = reference.rpartition(".")
    if layer in _HEAD and tensor in ("weight", "bias"):
        return f"{_HEAD[layer]}.{tensor}"
    if reference.startswith(_IA):
        inner = interaction_key(reference)
        return inner and f"interaction.{inner}"
    inner = backbone_key(reference)
    return inner and f"backbone.{inner}"


def their_key(ours: str) -> str:
    """The authors' name for an entry of ours.

    >>> their_key("interaction.stack.M1.position_key")
    'roi_heads.action.feature_extractor.ia_structure.M_block_1.temporal_position_k'
    """
    part, _, name = ours.partition(".")
    if part == "interaction":
        return _IA + reference_interaction_key(name)
    if part == "backbone":
        return reference_backbone_key(name)
    layer, _, tensor = ours.rpartition(".")
    by_ours = {ours: theirs for theirs, ours in _HEAD.items()}
    return f"{by_ours[layer]}.{tensor}"


def _of_norm(reference: str) -> bool:
    return re.search(r"\.bn1?\.", reference) is not None


def _their_shape(reference: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Linear layers within IA are convolutions of one pixel there."""
    if not reference.startswith(_IA) or reference.endswith(".bias"):
        return tuple(shape)
    if ".temporal_position_" in reference:
        steps, d = shape
        return (steps, 1, d, 1, 1, 1)
    return (*shape, 1, 1, 1)


def _fitted(tensor: Tensor, like: Tensor, where: str) -> Tensor:
    """The tensor in the shape of `like`; axes of length 1 may differ."""
    if [n for n in tensor.shape if n != 1] != [n for n in like.shape if n != 1]:
        raise InputError(
            f"{where} has shape {list(tensor.shape)}, expected {list(like.shape)}; is it of "
            "another network?"
        )
    return tensor.reshape(like.shape).to(like.dtype)
