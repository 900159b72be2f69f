"""Checkpoints of strangers as names and tensors, whatever they were saved with, and safely.

.safetensors                 as it is
.pth .pt .pyth, zip or old   torch.load with weights_only: nothing in it is run
.pkl                         Detectron's and Caffe2's arrays, by the restricted unpickler; or a file
                             of torch's, which PySlowFast's later ones are in spite of their name
"""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from aia.errors import InputError
from aia.pickles import read_pickle

_INSIDE = ("model", "model_state", "state_dict", "blobs")
"""Under which name training scripts keep the weights beside optimizer and schedule."""


def read_tensors(path: Path | str) -> dict[str, Tensor]:
    """The named tensors of a checkpoint, in the file's order; `module.` before all is dropped.

    Raises:
        InputError: There is no such file, it is damaged, holds no tensors, or would run something.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; expected a checkpoint")
    if path.suffix == ".safetensors":
        try:
            content: Any = load_file(path)
        except (SafetensorError, OSError) as error:
            raise InputError(f"{path}: not a safetensors file ({error}); is it whole?") from None
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


def _is_of_torch(path: Path) -> bool:
    """Whether a file begins as those of torch.save do: a zip, or the pickle of torch's number."""
    with path.open("rb") as file:
        beginning = file.read(16)
    return beginning.startswith((b"PK\x03\x04", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."))


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles that torch did not write
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
