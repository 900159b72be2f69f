"""Build, save and load detectors: from scratch, with COCO's weights, or from a file (§4.1).

The paper fine-tunes a ResNeXt-101-FPN Faster R-CNN of COCO on AVA's boxes of persons. The networks
here are torchvision's, the paper's (maskrcnn_benchmark.py), and a small one (small.py). A file of
`save_detector` has all that is needed to rebuild its detector.
"""

import json
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import torch
from safetensors import safe_open
from torch import Tensor
from torchvision.models import get_model_weights

from aia.detect.faster_rcnn import TORCHVISION, Detector, exchange_classes
from aia.detect.maskrcnn_benchmark import MASKRCNN_BENCHMARK, coco_classes
from aia.errors import InputError
from aia.tensors import DIGEST, read_tensors, write_tensors

FORMAT, ABOUT = 1, "aia.detector"  # version and name of the entry in a file's metadata

_DESCRIBED = ("model", "classes", "short_side", "norm_eps")

Weights: TypeAlias = dict[str, Tensor]
Reader: TypeAlias = Callable[[Path, str], Weights]  # from a file and one of `MASKRCNN_BENCHMARK`


def build_detector(
    model: str,
    *,
    classes: Sequence[str],
    short_side: int,
    weights: str = "scratch",
    finetune: bool = True,
    seed: int = 0,
    read: Reader | None = None,
) -> Detector:
    """Build a detector, ready for fine-tuning or for use.

    Args:
        model: One of `MODELS`.
        classes: Class names; the first is the person.
        short_side: Pixels to which a frame's shorter side is resized.
        weights: `scratch`; `coco`, torchvision's by name; or a .safetensors, .pth or .pkl file.
        finetune: True: replace the class head if the weights have other classes; False: keep the
            classes of the weights (COCO's names, for `coco`).
        seed: Seed of random weights.
        read: See `load_detector`.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if weights == "scratch":
            return Detector(model=model, classes=classes, short_side=short_side)
        if weights == "coco":
            detector = _coco_detector(model, short_side=short_side)
        else:
            detector = load_detector(
                weights, model=model, classes=tuple(classes), short_side=short_side, read=read
            )
        if detector.model != model:
            raise InputError(
                f"{weights}: holds a {detector.model}, but detector.model says {model}"
            )
        detector.resize_to(short_side)
        if finetune and detector.classes != tuple(classes):
            exchange_classes(detector, classes)
    return detector


def save_detector(path: Path | str, detector: Detector) -> None:
    """Write the weights as safetensors, with the metadata that `load_detector` needs."""
    about = {
        "format": FORMAT,
        "model": detector.model,
        "classes": detector.classes,
        "short_side": detector.short_side,
        "norm_eps": detector.norm_eps,
    }
    write_tensors(path, detector.network.state_dict(), entry=ABOUT, about=about)


def load_detector(
    path: Path | str,
    *,
    model: str | None = None,
    classes: tuple[str, ...] = (),
    short_side: int | None = None,
    read: Reader | None = None,
) -> Detector:
    """Load a detector in evaluation mode.

    A file of `save_detector` needs no other argument. The others describe a bare state dict of
    torchvision (.pth or .safetensors), which names neither its network nor its classes.

    Args:
        path: The file.
        model: One of `MODELS`.
        classes: Class names; the first is the person.
        short_side: Pixels to which a frame's shorter side is resized.
        read: Reader of published files of `MASKRCNN_BENCHMARK`; None: they are not supported.
    """
    path = Path(path)
    metadata: Mapping[str, str] = {}
    if read is not None and model in MASKRCNN_BENCHMARK and path.suffix != ".safetensors":
        weights = read(path, model)
    else:
        weights, metadata = read_weights(path)
    if ABOUT in metadata:
        detector = _described(path, metadata[ABOUT])
    elif model is None or short_side is None:
        raise InputError(
            f"{path}: has no description of its detector; give it through detector.weights, "
            "with detector.model and detector.short_side"
        )
    else:
        detector = Detector(
            model=model,
            classes=_classes_of(weights, classes, model, path),
            short_side=short_side,
            norm_eps=_frozen_eps(model, counted=any("num_batches" in name for name in weights)),
        )
    _load(detector, weights, path)
    return detector.eval()


def _described(path: Path, text: str) -> Detector:
    """Build the detector that a file's metadata describe, with random weights."""
    try:
        about = json.loads(text)
        about.pop(DIGEST, None)  # verified when the tensors were read
        if about.pop("format") != FORMAT:
            raise InputError(f"{path}: is of another version of aia; fine-tune the detector again")
        model, classes, short_side, norm_eps = (about.pop(name) for name in _DESCRIBED)
        right = {
            "classes": isinstance(classes, list)
            and bool(classes)
            and all(isinstance(name, str) for name in classes),
            "short_side": type(short_side) is int and short_side >= 16,
            "norm_eps": norm_eps is None or isinstance(norm_eps, int | float),
        }
        wrong = [*about, *(name for name, good in right.items() if not good)]
        if wrong:
            raise ValueError(wrong[0])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: its detector metadata are incompatible with this version ({error}); expected "
            f"format, {', '.join(_DESCRIBED)}; was it changed by another program?"
        ) from None
    try:
        return Detector(model=model, classes=classes, short_side=short_side, norm_eps=norm_eps)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def compute_on(*, threads: int) -> torch.device:
    """Return the GPU if there is one, else the CPU; limit the number of CPU threads."""
    torch.set_num_threads(max(1, min(threads, len(os.sched_getaffinity(0)))))
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _coco_detector(model: str, *, short_side: int) -> Detector:
    """Download torchvision's COCO weights of a network, and build its detector."""
    if model not in TORCHVISION:
        raise InputError(
            f"detector.weights: there are no coco weights of {model}; "
            f"they exist for {', '.join(TORCHVISION)}"
        )
    published = get_model_weights(model).COCO_V1
    try:
        weights = published.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError) as error:
        raise InputError(
            f"{published}: cannot be downloaded ({error}); if offline, download {published.url} "
            "elsewhere and give the file as detector.weights"
        ) from error
    classes = tuple(published.meta["categories"][1:])  # the first one is the background
    detector = Detector(
        model=model,
        classes=classes,
        short_side=short_side,
        norm_eps=_frozen_eps(model, counted=False),
    )
    _load(detector, weights, published.url)
    return detector


def read_weights(path: Path) -> tuple[Weights, Mapping[str, str]]:
    """Read the tensors of a checkpoint and, if it is a .safetensors file, its metadata."""
    weights = read_tensors(path)
    if path.suffix != ".safetensors":
        return weights, {}
    with safe_open(path, framework="pt") as file:
        return weights, file.metadata() or {}


def _classes_of(
    weights: Weights, classes: tuple[str, ...], model: str, path: Path | str
) -> tuple[str, ...]:
    """Return the class names of a bare state dict, by the size of its class head."""
    head = weights.get("roi_heads.box_predictor.cls_score.weight")
    rows = -1 if head is None else len(head) - 1
    if model in MASKRCNN_BENCHMARK:
        coco = coco_classes()
    else:
        coco = tuple(get_model_weights(TORCHVISION[0]).COCO_V1.meta["categories"][1:])
    if rows == len(coco):
        return coco
    if rows == len(classes):
        return classes
    what = "no class head" if head is None else f"a head for {rows} classes"
    raise InputError(
        f"{path}: has {what}; expected COCO's {len(coco)} or the {len(classes)} of detector.classes"
    )


def _load(detector: Detector, weights: Weights, where: object) -> None:
    try:
        detector.network.load_state_dict(weights)
    except RuntimeError as error:
        first = next((line.strip() for line in str(error).splitlines()[1:]), str(error))
        raise InputError(
            f"{where}: does not fit {detector.model} with {len(detector.classes)} classes "
            f"({first[:200]}); is it another network's?"
        ) from error


def _frozen_eps(model: str, *, counted: bool) -> float:
    """Return the ε of the frozen norms of foreign weights.

    Args:
        model: One of torchvision's.
        counted: True if the weights have batch counters, so that their norms were not frozen.
    """
    # the first ResNet-50 was published when torchvision's frozen norm had no ε
    return 0.0 if model == "fasterrcnn_resnet50_fpn" and not counted else 1e-5
