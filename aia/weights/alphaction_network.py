"""Complete checkpoints of the authors' code (AlphAction): recognise the network, rename tensors.

    backbone.*                                    backbone.*         (alphaction_backbone.py)
    roi_heads.action.feature_extractor.ia_…      interaction.*      (alphaction.py)
    roi_heads.action.feature_extractor.fc1.*      classifier.fc1.*
    roi_heads.action.predictor.cls_score.*        classifier.cls.*

Names and shapes determine all but the strides of the frames, which follow from the two published
depths, and the number of remembered persons per second, which is 5 in every published recipe.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from aia.errors import InputError
from aia.weights.alphaction import (
    interaction_key,
    match_tensors,
    reference_interaction_key,
)
from aia.weights.alphaction_backbone import backbone_key, reference_backbone_key

BACKBONES = {6: "slowfast_r50_4x16", 23: "slowfast_r101_8x8"}  # by number of blocks of res4
PERSONS_PER_CLIP = 5
_EXTRACTOR = "roi_heads.action.feature_extractor."
_IA = f"{_EXTRACTOR}ia_structure."
_HEAD = {
    f"{_EXTRACTOR}fc1": "classifier.fc1",
    f"{_EXTRACTOR}fc2": "classifier.fc2",
    "roi_heads.action.predictor.cls_score": "classifier.cls",
}


class Form(NamedTuple):
    """Architecture of a checkpoint's network."""

    backbone: str
    structure: str
    """Structure of IA: none, parallel, serial or dense."""
    blocks: str
    width: int
    hidden: int
    classes: int
    reach: int
    """Reach L of the memory; 0 without memory."""
    ordered: bool = True
    """True if the order of `blocks` is known: it is that of the file's names, unless these are in
    alphabetical order."""

    def __str__(self) -> str:
        interaction = f"{self.structure}-{self.blocks}" if self.blocks else "none"
        sizes = f"width {self.width}, " if self.blocks else ""
        memory = f"L = {self.reach}, " if self.reach else ""
        return f"{self.backbone}-{interaction} ({sizes}{memory}{self.classes} classes)"


class Entry(NamedTuple):
    """Tensor of the authors' state dict."""

    name: str
    shape: tuple[int, ...]
    kind: str
    """Either param or buffer; frozen norms are buffers."""


def is_alphaction(names: Sequence[str]) -> bool:
    """Return True for tensor names of the authors' network."""
    return any(name.startswith("backbone.slow.res_nl") for name in names) and any(
        name.startswith("roi_heads.action.") for name in names
    )


def recognise(shapes: Mapping[str, Sequence[int]], *, source: str) -> Form:
    """Recognise the network from the names and shapes of its tensors.

    Args:
        shapes: Shape of every tensor by the authors' names, in the file's order.
        source: Name of the source in errors.
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
    """Convert the authors' tensors to the state of `network`; also return unused names.

    Raises:
        InputError: A tensor has another shape or is missing.
    """
    expected = network.state_dict()
    state, left_over = match_tensors(reference, expected, our_key, source=source)
    counters = {key for key in expected if key.endswith("num_batches_tracked")}
    missing = sorted(expected.keys() - state.keys() - counters)
    if missing:
        raise InputError(
            f"{source}: {len(missing)} of {len(expected) - len(counters)} tensors are missing, the "
            f"first is {their_key(missing[0])} ({missing[0]} here); is the file whole?"
        )
    return state | {key: torch.zeros((), dtype=torch.int64) for key in counters}, left_over


def to_theirs(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert our tensors to a state dict that the authors' code loads strictly."""
    theirs = {}
    for name, tensor in state.items():
        if not name.endswith("num_batches_tracked"):
            reference = their_key(name)
            theirs[reference] = tensor.reshape(_their_shape(reference, tensor.shape))
    return theirs


def reference_entries(network: nn.Module) -> list[Entry]:
    """List the tensors that the authors' code has for this network."""
    return [
        Entry(name, tuple(tensor.shape), "buffer" if _of_norm(name) else "param")
        for name, tensor in to_theirs(network.state_dict()).items()
    ]


def our_key(reference: str) -> str | None:
    """Return our name of an entry of the authors' state dict; None if we have none.

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
    """Return the authors' name of an entry of ours.

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
    """Return the shape in the authors' code, where IA's linear layers are 1x1x1 convolutions."""
    if not reference.startswith(_IA) or reference.endswith(".bias"):
        return tuple(shape)
    if ".temporal_position_" in reference:
        steps, d = shape
        return (steps, 1, d, 1, 1, 1)
    return (*shape, 1, 1, 1)
