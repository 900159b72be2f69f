"""What a run's network takes, counted on tensors without content: nothing is computed.

Operations are torch's own count (multiplications and additions), of convolutions and products.
"""

import json
from dataclasses import replace
from typing import NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from aia.clip import Slots
from aia.network import Network
from aia.run import Run

PERSONS = 3
"""Persons of the clip that is counted."""


class NetworkCost(NamedTuple):
    """A network on one clip."""

    parameters: int
    """All parameters, those of a frozen second backbone too."""
    trained_parameters: int
    d: int
    """Channels of a person's features."""
    frames: int
    """Frames of a clip, all pathways together."""
    backbone_flops: int
    head_flops: int
    """Operations of IA and the classifier."""
    saved_bytes: int
    """What the trained part keeps in float32 for its backward pass."""


def network_cost(run: Run, size_hw: tuple[int, int]) -> NetworkCost:
    """Count the network of a run on one clip of frames of this size; each network once."""
    alike = replace(run, name=run.name._replace(seed=0, variant=None)).to_json()
    key = json.dumps([alike, *size_hw])
    if key not in _counted:
        _counted[key] = _count(run, size_hw)
    return _counted[key]


_counted: dict[str, NetworkCost] = {}


def _count(run: Run, size_hw: tuple[int, int]) -> NetworkCost:
    saved: dict[int, torch.UntypedStorage] = {}  # kept, or an address would be used again

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage
        return tensor

    with torch.device("meta"):
        network = run.build().train()
        paths = [torch.empty(1, 3, length, *size_hw) for length in network.lengths]
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            with FlopCounterMode(display=False) as backbone:
                maps = network.backbone(paths)
            with FlopCounterMode(display=False) as head:
                network.actions(*_slots(run, network, maps))
    weights = sum(p.numel() * p.element_size() for p in network.parameters())
    saved_bytes = sum(storage.nbytes() for storage in saved.values())
    return NetworkCost(
        parameters=sum(p.numel() for p in network.parameters()),
        trained_parameters=sum(p.numel() for p in network.parameters() if p.requires_grad),
        d=network.d,
        frames=sum(network.lengths),
        backbone_flops=backbone.get_total_flops(),
        head_flops=head.get_total_flops(),
        saved_bytes=max(saved_bytes - weights, 0),
    )


def _slots(
    run: Run, network: Network, maps: list[torch.Tensor]
) -> tuple[Slots, Slots, Slots | None, Slots | None]:
    """Return P, O, M and hands of one clip, without content.

    A segment is one query, and has hands beside it; a Non-local branch sees all places of the map.
    """

    def slots(count: int) -> Slots:
        return Slots(torch.empty(1, count, network.d), torch.ones(1, count, dtype=torch.bool))

    places = maps[0].shape[-2] * maps[0].shape[-1]
    objects = slots(places if run.name.structure == "nl" else run.network.max_objects)
    segment = run.network.query == "segment"
    persons = slots(1 if segment else PERSONS)
    hands = slots(run.network.max_persons) if segment else None
    if run.memory is None:
        return persons, objects, None, hands
    seconds = 2 * run.memory.reach + 1
    return persons, objects, slots(seconds * run.memory.persons_per_clip), hands
