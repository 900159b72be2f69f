"""Start of a training run: its device and network."""

import os
from pathlib import Path

import torch

from aia.config import TorchvisionConfig
from aia.errors import InputError
from aia.features.shared_norm import share_norms
from aia.features.torchvision_video import TorchvisionVideo
from aia.network import Network
from aia.ranks import SINGLE_PROCESS, Ranks
from aia.run import Run
from aia.tensors import read_tensors
from aia.weights.torchvision_video import load_torchvision


def pick_device(name: str, ranks: Ranks = SINGLE_PROCESS) -> torch.device:
    """Pick the device; `auto` is the GPU if there is one, another for each process of a node."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"train.device = '{name}', expected auto, cpu or cuda") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InputError("train.device = 'cuda', but torch sees no GPU; use auto or cpu")
    if device.type == "cuda" and ranks.count > 1:
        if torch.cuda.device_count() < ranks.local_count:
            raise InputError(
                f"{ranks.local_count} processes train on this node, each on a GPU of its own, but "
                f"torch sees {torch.cuda.device_count()}; train.processes is the GPUs of a job"
            )
        torch.cuda.set_device(ranks.local_rank)
        return torch.device("cuda", ranks.local_rank)
    return device


def usable_threads(wanted: int) -> int:
    """Limit threads to the cores that this process may use."""
    return max(1, min(wanted, len(os.sched_getaffinity(0))))


def starting_network(run: Run, *, init: Path | None, device: torch.device, ranks: Ranks) -> Network:
    """Build the network at the start of training, the same one in every process.

    Args:
        run: The run.
        init: Weights that the backbone begins with; None: none, or those of its own section.
        device: Device to train on.
        ranks: The processes that train it.
    """
    torch.manual_seed(run.name.seed)
    network = run.build()
    if run.train.keep_maps:
        network.backbone.requires_grad_(False)
    if init is not None:
        load_backbone(network, init)
    elif isinstance(network.backbone, TorchvisionVideo):
        assert isinstance(run.backbone, TorchvisionConfig)
        load_torchvision(network.backbone, run.backbone.weights)
    network.start_bank()
    if ranks.count > 1 and not run.train.frozen_norm:
        share_norms(network.backbone, device)
    network.to(device)
    if run.train.compile:
        network.backbone.compile()  # in place: weights keep their names
    return network


def load_backbone(network: Network, path: Path) -> None:
    """Take the backbone's weights from a model of ours or a converted backbone.

    IA and classifier keep fresh weights: a classifier that was trained without IA has learned to
    work without it (docs/LOG.md).
    """
    weights = read_tensors(path)
    found = {
        key.removeprefix("backbone."): value
        for key, value in weights.items()
        if key.startswith("backbone.")
    }
    expected = network.backbone.state_dict()
    missing = sorted(expected.keys() - found.keys())
    wrong = sorted(
        key for key in expected.keys() & found.keys() if expected[key].shape != found[key].shape
    )
    if missing or wrong:
        key = (missing or wrong)[0]
        raise InputError(
            f"{path}: does not fit the backbone: {len(missing)} weights are missing and "
            f"{len(wrong)} have another shape, the first is {key}; were they trained with another "
            "backbone?"
        )
    network.backbone.load_state_dict({key: found[key] for key in expected})
