"""Map the authors' names of the IA structure's tensors to ours.

    ...ia_structure.person_key_dim_reduce.weight       reduce.person_key.weight
    ...ia_structure.P_block_2.query.bias               stack.P2.query.bias
    ...ia_structure.M_block_1.temporal_position_k      stack.M1.position_key
    ...ia_structure.dense_params.3                     W.3

Their linear layers are convolutions of one pixel, so their tensors end in axes of length 1.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor, nn

from aia.errors import InputError

_REDUCTIONS = {"person": "person", "person_key": "person_key", "object": "object", "mem": "memory"}
_REDUCE = re.compile(r"(\w+)_dim_reduce\.(weight|bias)")
_LAYER = re.compile(r"([POM])_block_(\d+)\.(query|key|value|out|shortcut)\.(weight|bias)")
_POSITION = re.compile(r"(M)_block_(\d+)\.temporal_position_([kv])")
_DENSE = re.compile(r"dense_params\.(\d+)")


class Placed(NamedTuple):
    """Used and unused entries of a checkpoint, by the reference's names."""

    taken: list[str]
    left_over: list[str]


def interaction_key(reference: str) -> str | None:
    """Return our name, within IA, of an entry of the authors' state dict; None if not of IA.

    Any prefix up to `ia_structure.` is ignored.

    >>> interaction_key("roi_heads.action.feature_extractor.ia_structure.O_block_1.out.bias")
    'stack.O1.out.bias'
    >>> interaction_key("roi_heads.action.predictor.cls_score.bias") is None
    True
    """
    name = reference.rpartition("ia_structure.")[2]
    if (found := _REDUCE.fullmatch(name)) and found[1] in _REDUCTIONS:
        return f"reduce.{_REDUCTIONS[found[1]]}.{found[2]}"
    if found := _LAYER.fullmatch(name):
        kind, number, layer, tensor = found.groups()
        return f"stack.{kind}{number}.{layer}.{tensor}"
    if found := _POSITION.fullmatch(name):
        return f"stack.M{found[2]}.position_{'key' if found[3] == 'k' else 'value'}"
    if found := _DENSE.fullmatch(name):
        return f"W.{found[1]}"
    return None


def reference_interaction_key(ours: str) -> str:
    """Return the authors' name, within `ia_structure`, of an entry of IA.

    >>> reference_interaction_key("reduce.memory.weight")
    'mem_dim_reduce.weight'
    """
    part, _, rest = ours.partition(".")
    if part == "W":
        return f"dense_params.{rest}"
    name, _, tensor = rest.partition(".")
    if part == "reduce":
        theirs = next(theirs for theirs, known in _REDUCTIONS.items() if known == name)
        return f"{theirs}_dim_reduce.{tensor}"
    if tensor.startswith("position_"):
        tensor = "temporal_position_" + ("k" if tensor == "position_key" else "v")
    return f"{name[0]}_block_{name[1:]}.{tensor}"


def load_interaction(
    interaction: nn.Module, reference: Mapping[str, Tensor], *, source: str
) -> Placed:
    """Load IA from the authors' state dict; other entries are left over.

    The key reduction of a structure that does not begin with a P-Block is left over, too: the
    authors create it and never use it.

    Args:
        interaction: One of the structures of aia.interact.
        reference: The authors' tensors by name.
        source: Name of the source in errors, such as the file's path.
    """
    expected = interaction.state_dict()
    state, left_over = match_tensors(reference, expected, interaction_key, source=source)
    if missing := sorted(expected.keys() - state.keys()):
        raise InputError(
            f"{source}: {len(missing)} of {len(expected)} weights of IA are missing, the first is "
            f"{missing[0]}; are they of another structure, or of other blocks?"
        )
    interaction.load_state_dict(state)
    return Placed([name for name in reference if name not in left_over], left_over)


def match_tensors(
    reference: Mapping[str, Tensor],
    expected: Mapping[str, Tensor],
    our_key: Callable[[str], str | None],
    *,
    source: str,
) -> tuple[dict[str, Tensor], list[str]]:
    """Rename and reshape the tensors that a network expects; also return the unused names.

    Axes of length 1 may differ: the authors' linear layers are 1x1x1 convolutions.
    """
    state: dict[str, Tensor] = {}
    left_over = []
    for name, tensor in reference.items():
        ours = our_key(name)
        if ours is None or ours not in expected:
            left_over.append(name)
            continue
        if ours in state:
            raise InputError(f"{source}: two entries are {ours} here, the second is {name}")
        like = expected[ours]
        if [n for n in tensor.shape if n != 1] != [n for n in like.shape if n != 1]:
            raise InputError(
                f"{source}: {name} has shape {list(tensor.shape)}, expected {list(like.shape)} "
                "(axes of length 1 aside); is it of another network, such as one of another width "
                "or another length of memory?"
            )
        state[ours] = tensor.reshape(like.shape).to(like.dtype)
    return state, left_over
