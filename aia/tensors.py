"""Safe reading of checkpoints of any format as names and tensors, and our own files of tensors.

.safetensors                 read directly
.pth .pt .pyth, zip or old   torch.load with weights_only: nothing in it is executed
.pkl                         Detectron's and Caffe2's arrays, by the restricted unpickler; or a file
                             of torch, as PySlowFast's later ones are in spite of their name
"""

import hashlib
import json
import os
import pickle
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from aia.errors import InputError
from aia.files import atomic_path
from aia.pickles import read_pickle

DIGEST = "content_sha256"
"""Key of the digest of a file's tensors and metadata, by which damage is found."""

_INSIDE = ("model", "model_state", "state_dict", "blobs")
"""Names under which training scripts keep the weights beside optimizer and schedule."""


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """Read the named tensors of a checkpoint, in the file's order, without a common `module.`.

    Raises:
        InputError: There is no such file, it is damaged, holds no tensors, or would execute code.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected a checkpoint")
    if path.suffix == ".safetensors":
        content: Any = load_tensors(path)
    elif path.suffix == ".pkl" and not _is_of_torch(path):
        content = read_pickle(path, encoding="latin1")
    else:
        content = _read_torch(path)
    for name in _INSIDE:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
            break
    tensors = {
        str(name): torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        for name, value in (content.items() if isinstance(content, Mapping) else ())
        if isinstance(value, Tensor)
        or (isinstance(value, np.ndarray) and value.dtype.kind in "biuf")
    }
    if not tensors:
        raise InputError(
            f"{path}: holds no named tensors; expected a state dict, or one under "
            f"{', '.join(_INSIDE)}"
        )
    if all(name.startswith("module.") for name in tensors):
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    return tensors


def write_tensors(
    path: Path | str, tensors: Mapping[str, Tensor], *, entry: str, about: Mapping[str, Any]
) -> None:
    """Write tensors with metadata as safetensors, whole or not at all.

    Args:
        path: The file.
        tensors: Tensors by name.
        entry: Name of the only metadata entry: several would be written in changing order, which
            changes the file's hash.
        about: Content of the entry, as JSON.
    """
    content = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    about = json.loads(json.dumps(about))  # as it will be read
    said = json.dumps({**about, DIGEST: _digest(content, about)}, sort_keys=True)
    with atomic_path(path) as temporary:
        try:
            save_file(content, temporary, metadata={entry: said})
        except SafetensorError as error:
            number = re.search(r"\(os error (\d+)\)", str(error))
            if number is None:
                raise
            code = int(number[1])  # the error of the disk, which safetensors gives in words alone
            raise OSError(code, os.strerror(code), str(path)) from error


def load_tensors(path: Path | str) -> dict[str, Tensor]:
    """Read the tensors of a .safetensors file; compare them with its digest if it is ours.

    Raises:
        InputError: It is not a safetensors file, or damaged.
    """
    try:
        tensors = load_file(path)
        with safe_open(path, framework="pt") as file:
            said = (file.metadata() or {}).values()
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a safetensors file ({error}); is it whole?") from None
    for text in said:
        if DIGEST not in text:
            continue  # of another program
        try:
            about = json.loads(text)
            right = about.pop(DIGEST, None) == _digest(tensors, about)
        except (ValueError, AttributeError):
            right = False
        if not right:
            raise InputError(
                f"{path}: its content is not what was written (the SHA-256 differs); is the disk "
                "damaged? Remove the file (aia verify --remove); it is recreated when it is needed"
            )
    return tensors


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> str:
    """Compute SHA-256 of the metadata and the tensors' names, types, shapes and bytes."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        if tensor.numel():
            digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def put_weights(network: nn.Module, state: Mapping[str, Tensor], source: Path | str) -> None:
    """Load a file's tensors into a network, all of them and no others.

    Raises:
        InputError: They do not fit the network, or hold NaN or infinity.
    """
    expected = network.state_dict()
    missing, unknown = (
        sorted(expected.keys() - state.keys()),
        sorted(state.keys() - expected.keys()),
    )
    shared = sorted(expected.keys() & state.keys())
    wrong = [name for name in shared if expected[name].shape != state[name].shape]
    if missing or unknown or wrong:
        raise InputError(
            f"{source}: does not fit its network: {len(missing)} tensors are missing, "
            f"{len(unknown)} are left over and {len(wrong)} have another shape, the first is "
            f"{(missing or unknown or wrong)[0]}; was it changed by another program?"
        )
    for name in shared:
        if not state[name].isfinite().all():
            raise InputError(f"{source}: {name} holds what is not a number; did training diverge?")
    network.load_state_dict(state)


def _is_of_torch(path: Path) -> bool:
    """Return True if a file begins as those of torch.save: a zip, or torch's magic number."""
    with path.open("rb") as file:
        beginning = file.read(16)
    return beginning.startswith((b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."))


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # torch warns of pickles of others
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"{path}: holds more than tensors and plain values, which is refused because loading "
            f"it could run a program ({reason})"
        ) from None
    except Exception as error:  # a damaged file raises almost anything
        raise InputError(
            f"{path}: cannot be read as a checkpoint ({error}); is it whole?"
        ) from None
