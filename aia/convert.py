"""Inspect and convert published checkpoints (`aia weights inspect`, `aia weights convert`).

The layout of a file is recognised by the names of its tensors; `LAYOUTS` lists all layouts.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aia.config import (
    BackboneConfig,
    DetectorConfig,
    Perception,
    RunName,
    build_section,
    overlay,
    packaged_settings,
    parse_run,
    run_settings,
)
from aia.detect.model import load_detector, save_detector
from aia.errors import InputError
from aia.files import atomic_path
from aia.labels import ClassList, read_labels
from aia.log import say
from aia.run import Model, Run
from aia.tensors import read_tensors, write_tensors
from aia.weights import alphaction_network, maskrcnn_benchmark, pyslowfast

AVA_LABELS = Path(__file__).parent / "datasets" / "ava_v2.2.pbtxt"
VARIANT = "released"
"""Variant in config.yaml with the settings of the authors' published networks."""
_SHOWN = 8  # names of unused tensors that are listed


class Checkpoint(NamedTuple):
    """A checkpoint to convert, and the options of its conversion."""

    path: Path | str
    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any]
    labels: Path | str | None = None
    network: str | None = None

    @property
    def source(self) -> str:
        """Name of the checkpoint in errors."""
        return str(self.path)


class Layout(NamedTuple):
    """Naming scheme of tensors, and how files of this scheme are inspected and converted."""

    name: str
    recognise: Callable[[Mapping[str, Tensor]], bool]
    inspect: Callable[[Checkpoint], list[str]]
    """Describe network and unused tensors, as lines of text."""
    convert: Callable[[Checkpoint, Path | str], str]
    """Write the converted file, and return a description of its network."""


def inspect(path: Path | str, *, settings: Mapping[str, Any]) -> list[str]:
    """Describe layout, network and unused tensors of a checkpoint, as lines of text.

    Args:
        path: The checkpoint.
        settings: A complete config.yaml, for its backbones and the variant `released`.

    Raises:
        InputError: The layout is unknown.
    """
    checkpoint = Checkpoint(path, read_tensors(path), settings)
    layout = _layout(checkpoint)
    numbers = sum(tensor.numel() for tensor in checkpoint.tensors.values())
    return [
        f"layout: {layout.name}, {len(checkpoint.tensors)} tensors, {numbers:,} numbers",
        *layout.inspect(checkpoint),
    ]


def convert(
    path: Path | str,
    output: Path | str,
    *,
    settings: Mapping[str, Any],
    labels: Path | str | None = None,
    network: str | None = None,
) -> None:
    """Convert a checkpoint to a file of ours.

    A checkpoint of AlphAction becomes a model for `aia score` and `train.init`, one of PySlowFast a
    backbone for `train.init`, and a detector a file for `detector.weights`.

    Args:
        path: The checkpoint.
        output: A .safetensors file.
        settings: A complete config.yaml; its variant `released` has what AlphAction's files lack.
        labels: Classes in the order of the network's outputs; None: AVA's 80, if it has 80.
        network: Expected name of the network, or None: of a run without its seed, of a backbone or
            of a detector.
    """
    if Path(output).suffix != ".safetensors":
        raise InputError(f"{output}: expected a .safetensors file, the form of models")
    checkpoint = Checkpoint(path, read_tensors(path), settings, labels, network)
    layout = _layout(checkpoint)
    say(f"{output}: {layout.convert(checkpoint, output)}")


def convert_back(path: Path | str, output: Path | str) -> None:
    """Convert a model of ours to a file for the authors' code: a .pth with the state under `model`.

    Raises:
        InputError: The file is not a model, or the authors' code does not have its network.
    """
    run, network, _ = Model.load(Path(path), device=torch.device("cpu"))
    if run.backbone.family != "slowfast" or network.feature_norm:
        raise InputError(
            f"{path}: AlphAction does not have this network: expected a SlowFast, and "
            "network.feature_norm: false"
        )
    if run.name.structure in ("nl", "lfb") or run.name.has_bank:
        raise InputError(
            f"{path}: {run.name} is a baseline that AlphAction's code does not have: expected "
            "IA (parallel, serial, dense; with AMU where it has a memory) or none"
        )
    state = alphaction_network.to_theirs(network.state_dict())
    with atomic_path(output) as temporary:
        torch.save({"model": state}, temporary)


def _layout(checkpoint: Checkpoint) -> Layout:
    for layout in LAYOUTS:
        if layout.recognise(checkpoint.tensors):
            return layout
    few = ", ".join(list(checkpoint.tensors)[:3])
    raise InputError(
        f"{checkpoint.path}: its layout is unknown ({len(checkpoint.tensors)} tensors, the first "
        f"are {few}); known are {', '.join(layout.name for layout in LAYOUTS)}"
    )


def _inspect_alphaction(checkpoint: Checkpoint) -> list[str]:
    form = _form(checkpoint)
    with torch.device("meta"):
        network = _run(form, checkpoint.settings, ClassList.numbered(form.classes)).build()
    _, left_over = alphaction_network.to_ours(checkpoint.tensors, network, source=checkpoint.source)
    return [
        f"network: {form}" + ("" if form.ordered else ", the order of its blocks unknown"),
        *_left_over_lines(left_over),
    ]


def _convert_alphaction(checkpoint: Checkpoint, output: Path | str) -> str:
    form = _as_asked(_form(checkpoint), checkpoint.network, checkpoint.path)
    run = _run(form, checkpoint.settings, _labels(form, checkpoint.labels, checkpoint.path))
    if run.classes.ids == read_labels(AVA_LABELS).ids:  # the authors' rules on AVA
        sees = Perception.from_settings(packaged_settings("config/ava_v22.yaml"))
        run = replace(run, perception=sees)
    with torch.device("meta"):
        network = run.build()
    state, left_over = alphaction_network.to_ours(
        checkpoint.tensors, network, source=checkpoint.source
    )
    for line in _left_over_lines(left_over):
        say(line)
    run.write(output, state)
    return f"{run.name}, {form}"


def _inspect_pyslowfast(checkpoint: Checkpoint) -> list[str]:
    renamed = pyslowfast.rename(checkpoint.tensors, source=checkpoint.source)
    name, *others = pyslowfast.recognise(
        renamed, _backbones(checkpoint.settings), source=checkpoint.source
    )
    also = f" (the tensors of {', '.join(others)} too)" if others else ""
    return [f"network: backbone {name}{also}", *_pyslowfast_lines(renamed)]


def _convert_pyslowfast(checkpoint: Checkpoint, output: Path | str) -> str:
    _needs_no_labels(checkpoint)
    backbones = _backbones(checkpoint.settings)
    renamed = pyslowfast.rename(checkpoint.tensors, source=checkpoint.source)
    name = pyslowfast.recognise(
        renamed, backbones, source=checkpoint.source, asked=checkpoint.network
    )[0]
    for line in _pyslowfast_lines(renamed):
        say(line)
    state = pyslowfast.backbone_state(renamed, backbones[name])
    tensors = {f"backbone.{key}": tensor for key, tensor in state.items()}
    write_tensors(output, tensors, entry="backbone", about={"backbone": name})
    return f"backbone {name}, for train.init"


def _pyslowfast_lines(renamed: pyslowfast.Renamed) -> list[str]:
    blocks = pyslowfast.non_local_blocks(renamed)
    warning = f"not the same network: our backbones lack its {blocks} non-local blocks"
    return ([warning] if blocks else []) + _left_over_lines(renamed.left_over)


def _inspect_detector(checkpoint: Checkpoint) -> list[str]:
    renamed = maskrcnn_benchmark.rename_tensors(checkpoint.tensors, source=checkpoint.source)
    model = maskrcnn_benchmark.recognise(renamed, source=checkpoint.source)
    classes = len(renamed.state["roi_heads.box_predictor.cls_score.weight"]) - 1
    return [
        f"network: detector {model} ({classes} classes)",
        *_left_over_lines(renamed.left_over),
    ]


def _convert_detector(checkpoint: Checkpoint, output: Path | str) -> str:
    _needs_no_labels(checkpoint)
    renamed = maskrcnn_benchmark.rename_tensors(checkpoint.tensors, source=checkpoint.source)
    model = maskrcnn_benchmark.recognise(renamed, source=checkpoint.source)
    if checkpoint.network not in (None, model):
        raise InputError(f"{checkpoint.path}: has {model}, not {checkpoint.network}")
    if Path(checkpoint.path).suffix == ".safetensors":
        raise InputError(f"{checkpoint.path}: expected the published file, a .pth or .pkl")
    config = build_section(DetectorConfig, checkpoint.settings["detector"], "detector")
    detector = load_detector(
        checkpoint.path,
        model=model,
        classes=config.classes,
        short_side=config.short_side,
        read=lambda path, model: renamed.state,
    )
    for line in _left_over_lines(renamed.left_over):
        say(line)
    save_detector(output, detector)
    return f"detector {model} with {len(detector.classes)} classes, for detector.weights"


LAYOUTS = (
    Layout(
        "AlphAction",
        lambda tensors: alphaction_network.is_alphaction(list(tensors)),
        _inspect_alphaction,
        _convert_alphaction,
    ),
    Layout("PySlowFast", pyslowfast.is_pyslowfast, _inspect_pyslowfast, _convert_pyslowfast),
    Layout("Caffe2 of PySlowFast", pyslowfast.is_caffe2, _inspect_pyslowfast, _convert_pyslowfast),
    Layout(
        "maskrcnn-benchmark",
        maskrcnn_benchmark.is_maskrcnn_benchmark,
        _inspect_detector,
        _convert_detector,
    ),
    Layout("Detectron", maskrcnn_benchmark.is_detectron, _inspect_detector, _convert_detector),
)


def _backbones(settings: Mapping[str, Any]) -> dict[str, BackboneConfig]:
    return {
        name: build_section(BackboneConfig, section, f"backbones.{name}")
        for name, section in settings["backbones"].items()
    }


def _needs_no_labels(checkpoint: Checkpoint) -> None:
    if checkpoint.labels is not None:
        raise InputError(
            f"{checkpoint.labels}: the file made from {checkpoint.path} has no classes; leave out "
            "--labels"
        )


def _form(checkpoint: Checkpoint) -> alphaction_network.Form:
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint.tensors.items()}
    return alphaction_network.recognise(shapes, source=checkpoint.source)


def _as_asked(
    form: alphaction_network.Form, network: str | None, path: Path | str
) -> alphaction_network.Form:
    """Check the form against the expected network, and take the order of blocks from it."""
    found = _plain(_name(form))
    if network is None:
        if not form.ordered:
            raise InputError(
                f"{path}: its tensors are sorted by name, so the order of its blocks is unknown; "
                f"give it as --network, such as {found.replace(form.blocks, 'POMPOM')}"
            )
        return form
    asked = parse_run(f"{network.removesuffix(f'-{VARIANT}')}-s0")
    if not form.ordered and sorted(asked.blocks) == sorted(form.blocks):
        form = form._replace(blocks=asked.blocks, ordered=True)
        found = _plain(_name(form))
    if _plain(asked) != found:
        raise InputError(f"{path}: has {found}, not {network}")
    return form


def _name(form: alphaction_network.Form) -> RunName:
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


def _run(form: alphaction_network.Form, settings: Mapping[str, Any], classes: ClassList) -> Run:
    """Return the run of this network."""
    name = _name(form)
    raw = run_settings(settings, name)
    seen = {
        "network": {"width": form.width or raw["network"]["width"], "hidden": form.hidden},
        "memory": {
            "reach": form.reach,
            "persons_per_clip": alphaction_network.PERSONS_PER_CLIP,
        },
    }
    raw = overlay(raw, {section: part for section, part in seen.items() if section in raw})
    return Run.from_settings(name, raw, classes=classes)


def _left_over_lines(names: list[str]) -> list[str]:
    if not names:
        return ["left over: nothing, every tensor is used"]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"left over: {len(names)} tensors: {', '.join(names[:_SHOWN])}{more}"]
