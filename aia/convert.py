"""`aia weights inspect` and `convert`: what a checkpoint is, and a model of ours from it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from aia.config import (
    BackboneConfig,
    LossConfig,
    MemoryConfig,
    NetworkConfig,
    RunName,
    TrainConfig,
    build_section,
    overlay,
    parse_run,
    run_settings,
)
from aia.errors import InputError
from aia.evaluate.score import load_trained
from aia.files import atomic_path
from aia.labels import ClassList, read_labels
from aia.log import say
from aia.network import Network, build_network
from aia.train.run import Sections, describe_run
from aia.weights import alphaction_network
from aia.weights.files import read_tensors

AVA_LABELS = Path(__file__).parent / "datasets" / "ava_v2.2.pbtxt"
VARIANT = "released"
"""Of config.yaml: the settings of the authors' published networks."""
_SHOWN = 8  # names of left-over tensors


def inspect(path: Path | str, *, settings: Mapping[str, Any]) -> list[str]:
    """Lines that say which layout a checkpoint has, which network, and what is left over.

    Args:
        path: The checkpoint.
        settings: A whole config.yaml, for its backbones and the variant `released`.

    Raises:
        InputError: It is of no layout that is known.
    """
    tensors = read_tensors(path)
    form = _form(tensors, path)
    with torch.device("meta"):
        network = _network(form, _sections(form, settings))
    _, left_over = alphaction_network.to_ours(tensors, network, source=str(path))
    numbers = sum(tensor.numel() for tensor in tensors.values())
    return [
        f"layout: AlphAction, {len(tensors)} tensors, {numbers:,} numbers",
        f"network: {form}" + ("" if form.ordered else ", the order of its blocks unknown"),
        *_left_over_lines(left_over),
    ]


def convert(
    path: Path | str,
    output: Path | str,
    *,
    settings: Mapping[str, Any],
    labels: Path | str | None = None,
    network: str | None = None,
) -> None:
    """Write a checkpoint as a model that `aia score` and `train.init` take.

    Args:
        path: The checkpoint.
        output: A .safetensors file.
        settings: A whole config.yaml: its variant `released` says what the checkpoint leaves open.
        labels: The classes in the order of the network's outputs; AVA's 80 if it has so many.
        network: The name that the network must have, as a run's without its seed, or None.
    """
    if Path(output).suffix != ".safetensors":
        raise InputError(f"{output}: a model is written as a .safetensors file")
    tensors = read_tensors(path)
    form = _as_asked(_form(tensors, path), network, path)
    run = _run(form)
    classes = _labels(form, labels, path)
    sections = _sections(form, settings)
    with torch.device("meta"):
        built = _network(form, sections)
    state, left_over = alphaction_network.to_ours(tensors, built, source=str(path))
    for line in _left_over_lines(left_over):
        say(line)
    state = {name: tensor.contiguous() for name, tensor in state.items()}
    described = describe_run(run, sections, classes)
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(output) as temporary:
        save_file(state, temporary, metadata={"run": json.dumps(described, sort_keys=True)})
    say(f"{output}: {run}, {form}")


def convert_back(path: Path | str, output: Path | str) -> None:
    """Write a model of ours as the authors' code loads it: a .pth with the state under `model`.

    Raises:
        InputError: The model is none of ours, or has what the authors' code does not.
    """
    path = Path(path)
    trained = load_trained(Path(path), device=torch.device("cpu"))
    if trained.backbone.family != "slowfast" or trained.network.feature_norm:
        raise InputError(
            f"{path}: AlphAction has no place for this network: expected a SlowFast, and "
            "network.feature_norm: false"
        )
    if trained.name.structure in ("nl", "lfb") or trained.name.memory == "frozen":
        raise InputError(
            f"{path}: {trained.name} is a baseline that AlphAction's code does not have: expected "
            "IA (parallel, serial, dense; with AMU where it has a memory) or none"
        )
    state = alphaction_network.to_theirs(trained.network.state_dict())
    with atomic_path(output) as temporary:
        torch.save({"model": state}, temporary)


def _form(tensors: Mapping[str, Tensor], path: Path | str) -> alphaction_network.Form:
    if not alphaction_network.is_alphaction(list(tensors)):
        few = ", ".join(list(tensors)[:3])
        raise InputError(
            f"{path}: of no layout that is known ({len(tensors)} tensors, the first are {few}); "
            "known is AlphAction's"
        )
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    return alphaction_network.recognise(shapes, source=str(path))


def _as_asked(
    form: alphaction_network.Form, network: str | None, path: Path | str
) -> alphaction_network.Form:
    """The form, if it is the network that was asked for, with its blocks in that one's order."""
    found = _plain(_run(form))
    if network is None:
        if not form.ordered:
            raise InputError(
                f"{path}: its tensors are sorted by name, so they do not tell the order of its "
                f"blocks; say it as --network, such as {found.replace(form.blocks, 'POMPOM')}"
            )
        return form
    asked = parse_run(f"{network.removesuffix(f'-{VARIANT}')}-s0")
    if not form.ordered and sorted(asked.blocks) == sorted(form.blocks):
        form = form._replace(blocks=asked.blocks, ordered=True)
        found = _plain(_run(form))
    if _plain(asked) != found:
        raise InputError(f"{path}: holds {found}, not {network}")
    return form


def _run(form: alphaction_network.Form) -> RunName:
    middle = f"{form.structure}-{form.blocks}" if form.blocks else "none"
    memory = "" if not form.blocks else "-amu" if "M" in form.blocks else "-none"
    return parse_run(f"{form.backbone}-{middle}{memory}-s0-{VARIANT}")


def _plain(run: RunName) -> str:
    return run._replace(variant=None).without_seed


def _labels(
    form: alphaction_network.Form, labels: Path | str | None, path: Path | str
) -> ClassList:
    if labels is None and form.classes != len(read_labels(AVA_LABELS)):
        raise InputError(
            f"{path}: has {form.classes} classes, which are not AVA's 80; give their list as "
            "--labels, in the order of the network's outputs"
        )
    classes = read_labels(labels or AVA_LABELS)
    if len(classes) != form.classes:
        raise InputError(f"{labels}: has {len(classes)} classes, but {path} has {form.classes}")
    return classes


def _sections(form: alphaction_network.Form, settings: Mapping[str, Any]) -> Sections:
    """The settings of a run that is this network."""
    raw = run_settings(dict(settings), _run(form))
    seen = {
        "network": {"width": form.width or raw["network"]["width"], "hidden": form.hidden},
        "memory": {
            "reach": form.reach,
            "persons_per_clip": alphaction_network.PERSONS_PER_CLIP,
        },
    }
    raw = overlay(raw, {name: part for name, part in seen.items() if name in raw})

    def read(kind: Any, name: str) -> Any:
        return build_section(kind, raw[name], f"settings: {name}") if name in raw else None

    return Sections(
        backbone=build_section(BackboneConfig, raw["backbones"][form.backbone], "backbones"),
        network=read(NetworkConfig, "network"),
        memory=read(MemoryConfig, "memory"),
        loss=read(LossConfig, "loss"),
        train=read(TrainConfig, "train"),
    )


def _network(form: alphaction_network.Form, sections: Sections) -> Network:
    return build_network(
        backbone=sections.backbone,
        frozen_norm=True,
        structure=form.structure,
        blocks=form.blocks,
        network=sections.network,
        memory=sections.memory,
        classes=form.classes,
    )


def _left_over_lines(names: list[str]) -> list[str]:
    if not names:
        return ["left over: nothing, every tensor has its place"]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"left over: {len(names)} tensors: {', '.join(names[:_SHOWN])}{more}"]
