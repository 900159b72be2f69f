"""`aia weights inspect` and `convert`: what a checkpoint is, and what of ours it becomes.

A file is told by its names: `LAYOUTS` has them all.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from aia.config import (
    BackboneConfig,
    DetectorConfig,
    RunName,
    build_section,
    overlay,
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
"""Of config.yaml: the settings of the authors' published networks."""
_SHOWN = 8  # names of left-over tensors


class Given(NamedTuple):
    """A checkpoint, and what was said of it."""

    path: Path | str
    tensors: Mapping[str, Tensor]
    settings: Mapping[str, Any]
    labels: Path | str | None = None
    network: str | None = None


class Layout(NamedTuple):
    """One way of naming tensors, and what becomes of a file that has it."""

    name: str
    recognise: Callable[[Mapping[str, Tensor]], bool]
    inspect: Callable[[Given], list[str]]
    """Lines that say which network it is, and what is left over."""
    convert: Callable[[Given, Path | str], str]
    """Writes what we make of it, and says which network that is."""


def inspect(path: Path | str, *, settings: Mapping[str, Any]) -> list[str]:
    """Lines that say which layout a checkpoint has, which network, and what is left over.

    Args:
        path: The checkpoint.
        settings: A whole config.yaml, for its backbones and the variant `released`.

    Raises:
        InputError: It is of no layout that is known.
    """
    given = Given(path, read_tensors(path), settings)
    layout = _layout(given)
    numbers = sum(tensor.numel() for tensor in given.tensors.values())
    return [
        f"layout: {layout.name}, {len(given.tensors)} tensors, {numbers:,} numbers",
        *layout.inspect(given),
    ]


def convert(
    path: Path | str,
    output: Path | str,
    *,
    settings: Mapping[str, Any],
    labels: Path | str | None = None,
    network: str | None = None,
) -> None:
    """Write a checkpoint as what takes its place here.

    AlphAction's becomes a model that `aia score` and `train.init` take, PySlowFast's a backbone for
    `train.init`, and a detector's a file for `detector.weights`.

    Args:
        path: The checkpoint.
        output: A .safetensors file.
        settings: A whole config.yaml: its variant `released` says what AlphAction's leave open.
        labels: The classes in the order of the network's outputs; AVA's 80 if it has so many.
        network: The name that the network must have, or None: a run's without its seed, a
            backbone's or a detector's.
    """
    if Path(output).suffix != ".safetensors":
        raise InputError(f"{output}: a model is written as a .safetensors file")
    given = Given(path, read_tensors(path), settings, labels, network)
    layout = _layout(given)
    say(f"{output}: {layout.convert(given, output)}")


def convert_back(path: Path | str, output: Path | str) -> None:
    """Write a model of ours as the authors' code loads it: a .pth with the state under `model`.

    Raises:
        InputError: The model is none of ours, or has what the authors' code does not.
    """
    run, network, _ = Model.load(Path(path), device=torch.device("cpu"))
    if run.backbone.family != "slowfast" or network.feature_norm:
        raise InputError(
            f"{path}: AlphAction has no place for this network: expected a SlowFast, and "
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


def _layout(given: Given) -> Layout:
    for layout in LAYOUTS:
        if layout.recognise(given.tensors):
            return layout
    few = ", ".join(list(given.tensors)[:3])
    raise InputError(
        f"{given.path}: of no layout that is known ({len(given.tensors)} tensors, the first are "
        f"{few}); known are {', '.join(layout.name for layout in LAYOUTS)}"
    )


def _inspect_alphaction(given: Given) -> list[str]:
    form = _form(given)
    with torch.device("meta"):
        network = _run(form, given.settings, ClassList.numbered(form.classes)).build()
    _, left_over = alphaction_network.to_ours(given.tensors, network, source=str(given.path))
    return [
        f"network: {form}" + ("" if form.ordered else ", the order of its blocks unknown"),
        *_left_over_lines(left_over),
    ]


def _convert_alphaction(given: Given, output: Path | str) -> str:
    form = _as_asked(_form(given), given.network, given.path)
    run = _run(form, given.settings, _labels(form, given.labels, given.path))
    with torch.device("meta"):
        network = run.build()
    state, left_over = alphaction_network.to_ours(given.tensors, network, source=str(given.path))
    for line in _left_over_lines(left_over):
        say(line)
    run.write(output, state)
    return f"{run.name}, {form}"


def _inspect_pyslowfast(given: Given) -> list[str]:
    renamed = pyslowfast.rename(given.tensors, source=str(given.path))
    name, *others = pyslowfast.recognise(
        renamed, _backbones(given.settings), source=str(given.path)
    )
    also = f" (the tensors of {', '.join(others)} too)" if others else ""
    return [f"network: backbone {name}{also}", *_pyslowfast_lines(renamed)]


def _convert_pyslowfast(given: Given, output: Path | str) -> str:
    _needs_no_labels(given)
    backbones = _backbones(given.settings)
    renamed = pyslowfast.rename(given.tensors, source=str(given.path))
    name = pyslowfast.recognise(renamed, backbones, source=str(given.path), asked=given.network)[0]
    for line in _pyslowfast_lines(renamed):
        say(line)
    state = pyslowfast.backbone_state(renamed, backbones[name])
    tensors = {f"backbone.{key}": tensor for key, tensor in state.items()}
    write_tensors(output, tensors, entry="backbone", about={"backbone": name})
    return f"backbone {name}, for train.init"


def _pyslowfast_lines(renamed: pyslowfast.Renamed) -> list[str]:
    blocks = pyslowfast.non_local_blocks(renamed)
    warning = f"not the same network: {blocks} non-local blocks have no place in a backbone of ours"
    return ([warning] if blocks else []) + _left_over_lines(renamed.left_over)


def _inspect_detector(given: Given) -> list[str]:
    renamed = maskrcnn_benchmark.rename_tensors(given.tensors, source=str(given.path))
    model = maskrcnn_benchmark.recognise(renamed, source=str(given.path))
    classes = len(renamed.state["roi_heads.box_predictor.cls_score.weight"]) - 1
    return [
        f"network: detector {model} ({classes} classes)",
        *_left_over_lines(renamed.left_over),
    ]


def _convert_detector(given: Given, output: Path | str) -> str:
    _needs_no_labels(given)
    renamed = maskrcnn_benchmark.rename_tensors(given.tensors, source=str(given.path))
    model = maskrcnn_benchmark.recognise(renamed, source=str(given.path))
    if given.network not in (None, model):
        raise InputError(f"{given.path}: holds {model}, not {given.network}")
    if Path(given.path).suffix == ".safetensors":
        raise InputError(f"{given.path}: expected the published file, a .pth or .pkl")
    config = build_section(DetectorConfig, given.settings["detector"], "detector")
    detector = load_detector(
        given.path,
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


def _needs_no_labels(given: Given) -> None:
    if given.labels is not None:
        raise InputError(
            f"{given.labels}: what {given.path} becomes has no such classes; leave out --labels"
        )


def _form(given: Given) -> alphaction_network.Form:
    shapes = {name: tuple(tensor.shape) for name, tensor in given.tensors.items()}
    return alphaction_network.recognise(shapes, source=str(given.path))


def _as_asked(
    form: alphaction_network.Form, network: str | None, path: Path | str
) -> alphaction_network.Form:
    """The form, if it is the network that was asked for, with its blocks in that one's order."""
    found = _plain(_name(form))
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
        found = _plain(_name(form))
    if _plain(asked) != found:
        raise InputError(f"{path}: holds {found}, not {network}")
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
    """The run that is this network."""
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
        return ["left over: nothing, every tensor has its place"]
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return [f"left over: {len(names)} tensors: {', '.join(names[:_SHOWN])}{more}"]
