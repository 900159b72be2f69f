"""What a prediction is made with: a network, a detector, and the rules that both were used with.

A model is named by a file or a folder; what its file does not say is said when it is assumed.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from aia.config import Perception, packaged_settings, read_yaml
from aia.convert import AVA_LABELS, convert
from aia.detect.faster_rcnn import MODELS, TORCHVISION, Detector
from aia.detect.model import build_detector, load_detector
from aia.errors import InputError
from aia.files import file_digest
from aia.labels import read_labels
from aia.log import say
from aia.predict.models import is_repository, published_file, pull
from aia.run import ENTRY, SEEN, Model, Run
from aia.train.start import pick_device

MODEL, DETECTOR = "model.safetensors", "detector.safetensors"
COCO = "fasterrcnn_resnet50_fpn_v2"
"""Detector of COCO's classes where there is no other: torchvision's best Faster R-CNN."""
COCO_SHORT_SIDE = 800


@dataclass(frozen=True, kw_only=True)
class ActionDetector:
    """A network with a detector, ready to predict."""

    model: Model
    detector: Detector
    perception: Perception
    device: torch.device
    precision: str
    provenance: Mapping[str, str]
    """Names and digests of both, for the files that are written."""


def load_action_detector(
    model: Path | str,
    *,
    detector: Path | str | None = None,
    labels: Path | str | None = None,
    network: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    changes: Mapping[str, Any] | None = None,
) -> ActionDetector:
    """Load a model, and the detector that finds its persons.

    Args:
        model: A run's folder, a model.safetensors, a published checkpoint, a name of `aia models`,
            or a hub's repository (user/name).
        detector: A file, or a name of torchvision's whose COCO weights are downloaded; None: the
            run's own, that in the model's folder, or else `COCO`.
        labels: Classes of a checkpoint that names none.
        network: Run that a checkpoint holds, where its tensors do not say the order of blocks.
        device: auto, cpu or cuda.
        precision: Of the network's arithmetic: float32, bfloat16 or auto.
        changes: Fields of `Perception` that differ from the model's.

    Raises:
        InputError: There is no such file, or it is none that can predict.
    """
    file = _file_of(Path(model), str(model)).absolute()
    on = pick_device(device)
    file = own_form(file, labels=labels, network=network)
    loaded = Model.load(file, device=on)
    _check_asks_about_persons(loaded, model)
    perception = perception_of(loaded.run, Path(model), file)
    if changes:
        perception = replace(perception, **changes)
        say(f"{model}: changed {', '.join(f'{name} = {value}' for name, value in changes.items())}")
    found, source = _detector(detector, Path(model), file)
    return ActionDetector(
        model=loaded,
        detector=found.to(on),
        perception=perception,
        device=on,
        precision=precision,
        provenance={
            "run": str(loaded.run.name),
            "model": loaded.digest,
            "boxes": "detected",
            "detector": found.model,
            "detector_weights": source,
            "perception": json.dumps(asdict(perception), sort_keys=True),
        },
    )


def is_own(path: Path) -> bool:
    """Return True if a file is a model of `aia train` or of a conversion."""
    if path.suffix != ".safetensors":
        return False
    try:
        with safe_open(path, framework="pt") as file:
            return ENTRY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False  # reading it later says what is wrong


def own_form(path: Path, *, labels: Path | str | None, network: str | None) -> Path:
    """Return a model of ours: the file itself, or what a published checkpoint is converted to.

    Conversions are kept in the cache, by the digest of what they were made of.
    """
    if is_own(path):
        return path
    made_of = "-".join([file_digest(path)[:32], *([file_digest(labels)[:8]] if labels else [])])
    converted = cache_folder() / "converted" / f"{made_of}{f'-{network}' if network else ''}"
    converted = converted.with_name(f"{converted.name}.safetensors")
    if not converted.exists():
        settings = packaged_settings("config.yaml")
        convert(path, converted, settings=settings, labels=labels, network=network)
    if not is_own(converted):
        raise InputError(
            f"{path}: holds a backbone or a detector, not a network that names actions; train one "
            "with it, or give a model of `aia train` or AlphAction's"
        )
    return converted


def cache_folder() -> Path:
    """Return the folder for downloads and conversions: AIA_CACHE, or the user's cache."""
    if own := os.environ.get("AIA_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aia"


def _file_of(model: Path, name: str) -> Path:
    """Return the file of a model that is named by its folder or itself, or is known by name."""
    if not model.exists() and not model.suffix:
        if is_repository(name) and not model.parent.is_dir():
            folder = cache_folder() / "hub" / name.replace("/", "--")
            return _file_of(folder if folder.is_dir() else pull(name, folder), name)
        if "/" not in name:
            return published_file(name, cache_folder() / "models")
    if model.is_dir():
        if (model / MODEL).is_file():
            return model / MODEL
        runs = sorted(path.parent.name for path in model.glob(f"*/{MODEL}"))
        inside = f"; there are {', '.join(runs[:5])} in it" if runs else ""
        raise InputError(f"{model}: there is no {MODEL} in this folder; is it a run's?{inside}")
    if not model.is_file():
        raise InputError(
            f"{model}: there is no such model ({model.absolute()}); expected a run's folder, such "
            "as results/playhouse/runs/RUN, a file, or a name of `aia models`"
        )
    return model


def _check_asks_about_persons(loaded: Model, model: Path | str) -> None:
    run = loaded.run
    if not any(run.classes.names):
        raise InputError(f"{model}: its classes have no names, so a prediction would say nothing")
    if run.network.query != "person":
        raise InputError(
            f"{model}: is asked about segments (network.query: segment), not about persons; "
            "its clips are scored by `aia score`"
        )
    if run.objects_seen is not None or run.name.memory == "objects":
        raise InputError(
            f"{model}: remembers features of objects, which `aia predict` does not compute; "
            "score it by `aia score`"
        )


def perception_of(run: Run, model: Path, file: Path) -> Perception:
    """Return what a model sees: as its folder's data set is set, as its file says, or assumed.

    Args:
        run: The run that the file describes.
        model: The file, or its folder.
        file: The file.
    """
    own = run.perception
    settings = file.parents[2] / "settings.yaml" if model.is_dir() else None
    if settings is not None and settings.is_file():
        found = Perception.from_settings(read_yaml(settings))
        if own is not None:
            found = replace(found, **{name: getattr(own, name) for name in SEEN})
        return found
    if own is not None:
        return own
    as_ava = run.classes.ids == read_labels(AVA_LABELS).ids
    name = "config/ava_v22.yaml" if as_ava else "config.yaml"
    found = Perception.from_settings(packaged_settings(name))
    say(
        f"{model}: does not say what it was trained on; assumed from {name}: {found.fps:g} frames "
        f"a second, short side {found.short_side}, persons from {found.person_threshold:g} on"
    )
    return found


def _detector(given: Path | str | None, model: Path, file: Path) -> tuple[Detector, str]:
    """Load the detector; return it with the digest of its file, or its name."""
    if given is not None:
        return _given_detector(str(given))
    places = [file.parent / DETECTOR, *([file.parents[2] / DETECTOR] if model.is_dir() else [])]
    for path in places:
        if path.is_file():
            return load_detector(path), file_digest(path)
    say(f"{model}: has no detector of its own; torchvision's {COCO} with COCO's weights is taken")
    return _coco(COCO)


def _given_detector(given: str) -> tuple[Detector, str]:
    path = Path(given)
    if path.is_file():
        return load_detector(path), file_digest(path)
    if given in ("coco", *TORCHVISION):
        return _coco(COCO if given == "coco" else given)
    raise InputError(
        f"--detector {given}: there is no such file ({path.absolute()}); expected a detector of "
        "`aia finetune-detector` or `aia weights convert`, or one of coco, "
        + ", ".join(TORCHVISION)
        + ("; that network has no published weights here" if given in MODELS else "")
    )


def _coco(name: str) -> tuple[Detector, str]:
    detector = build_detector(
        name, classes=("person",), short_side=COCO_SHORT_SIDE, weights="coco", finetune=False
    )
    return detector.eval(), f"coco {name}"
