"""The authors' names of IA's weights: each has its place, or is said to have none."""

import json

import numpy as np
import pytest
import torch

from aia.errors import InputError
from aia.interact import build_interaction
from aia.weights.alphaction import interaction_key, load_interaction

PREFIX = "roi_heads.action.feature_extractor.ia_structure."


def build(structure="dense", blocks="POMPOM", **changes):
    settings = {
        "d_in": 12,
        "width": 8,
        "d_out": 12,
        "dropout": 0.0,
        "empty_slots": "attend",
        "max_persons": 4,
        "max_objects": 3,
        "steps": 4,
        "persons_per_clip": 2,
        "positions": "zero",
        "zero_output": True,
    }
    return build_interaction(structure, blocks=blocks, **settings | changes)


@pytest.fixture
def reference(golden):
    file = np.load(golden / "ia" / "dense.npz")
    return {
        key.removeprefix("sd."): torch.from_numpy(file[key])
        for key in file
        if key.startswith("sd.")
    }


@pytest.mark.parametrize("structure", ["serial", "denseserial", "parallel"])
def test_every_released_tensor_has_one_place_of_its_shape(golden, structure):
    name = structure.removesuffix("serial") or "serial"
    network = build(name, d_in=2304, width=1024, d_out=2304, steps=61)
    expected = {name: tensor.shape.numel() for name, tensor in network.state_dict().items()}
    entries = json.loads((golden / "keys" / f"R50_{structure}.json").read_text())["entries"]
    placed = {interaction_key(key): np.prod(shape) for key, shape, _ in entries if PREFIX in key}
    assert placed == expected
    assert all(interaction_key(key) is None for key, *_ in entries if PREFIX not in key)


@pytest.mark.parametrize("prefix", ["", PREFIX, "module." + PREFIX], ids=["bare", "whole", "ddp"])
@pytest.mark.parametrize("layers", ["convolutions", "linear"])
def test_convolutions_and_linear_layers_are_read_with_any_prefix(reference, prefix, layers):
    if layers == "linear":
        reference = {
            key: tensor.flatten(1) if tensor.dim() == 5 else tensor
            for key, tensor in reference.items()
        }
    reference = {prefix + key: tensor for key, tensor in reference.items()}
    head = "roi_heads.action.predictor.cls_score.weight"
    network = build()
    placed = load_interaction(network, reference | {head: torch.zeros(80, 8)}, source="a.pth")
    assert placed.left_over == [head]
    assert placed.taken == list(reference)
    weight = reference[prefix + "P_block_2.query.weight"].reshape(8, 8)
    assert torch.equal(network.stack["P2"].query.weight, weight)
    assert network.W["5"].shape == (5, 8)


def test_the_unused_key_reduction_is_left_over(reference):
    kept = {key: value for key, value in reference.items() if "dense" not in key}
    placed = load_interaction(build("serial", "OMPOMP"), _renumbered(kept), source="a.pth")
    assert placed.left_over == ["person_key_dim_reduce.weight", "person_key_dim_reduce.bias"]


def _renumbered(reference):
    """Renumber blocks: serial OMPOMP ends in a P-Block, so the wide layers are P2's."""
    narrow = {"out.weight": torch.zeros(8, 8), "out.bias": torch.zeros(8)}
    wide = {
        key.split(".", 1)[1]: value
        for key, value in reference.items()
        if key.startswith(("M_block_2.out", "M_block_2.shortcut"))
    }
    kept = {key: value for key, value in reference.items() if "M_block_2.shortcut" not in key}
    kept |= {f"M_block_2.{key}": value for key, value in narrow.items()}
    return kept | {f"P_block_2.{key}": value for key, value in wide.items()}


def test_a_wrong_shape_is_named(reference):
    key = "M_block_1.temporal_position_k"
    with pytest.raises(InputError, match=rf"a.pth: {key} has shape \[4, .*\], expected \[6, 8\]"):
        load_interaction(build(steps=6), reference, source="a.pth")
    transposed = reference["object_dim_reduce.weight"].transpose(0, 1)
    with pytest.raises(InputError, match="object_dim_reduce.weight has shape"):
        load_interaction(build(), reference | {"object_dim_reduce.weight": transposed}, source="a")


def test_missing_and_doubled_weights_are_named(reference):
    without = {key: value for key, value in reference.items() if "O_block_2.key" not in key}
    with pytest.raises(InputError, match=r"a.pth: 2 of \d+ weights .* stack.O2.key.bias"):
        load_interaction(build(), without, source="a.pth")
    twice = reference | {PREFIX + "O_block_2.key.bias": torch.zeros(8)}
    with pytest.raises(InputError, match="two entries are stack.O2.key.bias"):
        load_interaction(build(), twice, source="a.pth")
