"""IA in sizes that are distinct primes, and slots with random features."""

import pytest
import torch

from aia.clip import Slots
from aia.interact import build_interaction

SIZES = {
    "d_in": 11,
    "width": 7,
    "d_out": 13,
    "dropout": 0.0,
    "empty_slots": "mask",
    "max_persons": 17,
    "max_objects": 5,
    "steps": 3,
    "persons_per_clip": 2,
    "positions": "smooth",
    "zero_output": False,
}


@pytest.fixture
def build():
    """IA in eval mode, whose biases are not zero: a layer without bias would hide a lost mask."""

    def build_(structure="serial", blocks="POMPOM", **changes):
        network = build_interaction(structure, blocks=blocks, **SIZES | changes)
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.3)
        return network.eval()

    return build_


@pytest.fixture
def slots():
    """Slots with so many filled in each clip."""

    def slots_(counts, most=None, d=11):
        most = max(counts, default=0) if most is None else most
        filled = torch.arange(most) < torch.tensor(counts).view(-1, 1)
        return Slots(torch.randn(len(counts), most, d) * filled[..., None], filled)

    return slots_


@pytest.fixture
def memory():
    """Two slots for each of three seconds; the first of a second is filled before the second."""

    def memory_(counts):
        filled = (torch.arange(2) < torch.tensor(counts)[..., None]).flatten(1)
        return Slots(torch.randn(len(counts), 6, 11) * filled[..., None], filled)

    return memory_
