"""Ω on disk: whole generations in Zarr.

    memory.zarr/                one generation, one Zarr group
      features  [persons, d]    remembered persons alone, in the order of the pool's rows
      count     [rows]          number of remembered persons of each second of each video
      loss_tag  [rows]          δ
      step      [rows]          training step of the last write
      attributes                first and last second of every video, which gives each row its
                                second; persons_per_clip, d, dtype; a SHA-256 of each array and
                                of these

Rows of one flat array instead of a padded array, or a group, for each video: padding is most of a
pool (AVA remembers 1.7 of 5 persons) and small files are slow. The whole pool is written
every time, since random sampling of clips touches nearly all of it between two checkpoints.

A generation appears by one rename, after it was flushed, and is never changed. The caller says
which generation is the present one, by an equally atomic step (train/checkpoint.py).
"""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import zarr

from aia.errors import InputError
from aia.files import sync
from aia.memory.pool import FeaturePool

FORMAT = "aia memory pool 1"
CHUNK_BYTES = 1 << 23  # larger files are slower, smaller ones too many


class Snapshot(NamedTuple):
    """Copy of a pool that can be written to disk while the pool changes."""

    arrays: dict[str, np.ndarray]
    description: dict[str, Any]
    room: torch.Tensor
    """Buffer that holds the features, perhaps with more behind them."""


def snapshot(pool: FeaturePool, before: Snapshot | None = None) -> Snapshot:
    """Copy the content of a generation; of the features only those of remembered persons.

    Args:
        pool: Pool to copy.
        before: An earlier snapshot that is no longer needed: its buffer is reused, since fresh
            memory costs more than the copy itself (docs/LOG.md).
    """
    pool.flush()
    filled = torch.arange(pool.persons_per_clip, device=pool.device) < pool.count[:, None]
    persons = filled.flatten().nonzero()[:, 0]
    # A copy, row by row: an index by the mask itself takes several times as long.
    every = pool.features.flatten(0, 1)
    if before is not None and pool.device.type == "cpu" and len(before.room) >= len(persons):
        room = before.room
        torch.index_select(every, 0, persons, out=room[: len(persons)])
    else:
        room = every.index_select(0, persons).cpu()
    features = room[: len(persons)].numpy()
    others = (pool.count, pool.loss_tag, pool.step)
    copies = (features, *(array.to("cpu", copy=True).numpy() for array in others))
    return Snapshot(dict(zip(_ARRAYS, copies, strict=True)), _description(pool), room)


def write_generation(pool: FeaturePool | Snapshot, path: Path | str) -> None:
    """Write the pool to a new folder `path`, whole or not at all."""
    taken = pool if isinstance(pool, Snapshot) else snapshot(pool)
    path = Path(path)
    if path.exists():
        raise InputError(f"{path}: already there; a generation of the memory is written only once")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.writing"
    shutil.rmtree(temporary, ignore_errors=True)  # left by a killed process
    arrays = taken.arrays
    try:
        group = zarr.open_group(temporary, mode="w-", zarr_format=3)
        for name, array in arrays.items():
            row_bytes = max(array[:1].nbytes, 1)
            chunk = max(min(CHUNK_BYTES // row_bytes, len(array)), 1)
            group.create_array(
                name,
                shape=array.shape,
                chunks=(chunk, *array.shape[1:]),
                dtype=array.dtype,
                compressors=None,  # features are noise to a compressor
                config={"write_empty_chunks": True},  # no comparison with the fill value
            )[:] = array
        digests = {name: _digest(array) for name, array in arrays.items()}
        digests["attributes"] = _digest_of_words(taken.description)
        group.attrs.update(taken.description | {"sha256": digests})
        for file in [*temporary.rglob("*"), temporary]:
            sync(file)
        temporary.rename(path)
        sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_generation(path: Path | str, pool: FeaturePool) -> None:
    """Fill the pool from the generation at `path`; an InputError leaves the pool unchanged.

    The generation must be of a pool with the same videos, seconds, persons_per_clip, d and dtype,
    and intact.
    """
    path = Path(path)
    if not path.is_dir():
        raise InputError(f"{path}: there is no memory pool")
    group, attributes, digests = _open(path)
    _check_fits(path, attributes, pool)
    found = {name: _read_array(path, group, name, digests) for name in _ARRAYS}

    count = torch.from_numpy(found["count"])
    slot = torch.arange(pool.persons_per_clip)
    filled = slot < count[:, None]
    if len(count) != len(pool.count) or int(filled.sum()) != len(found["features"]):
        raise InputError(f"{path}: its arrays do not belong together; were files exchanged?")
    pool.features.zero_()
    pool.features[filled.to(pool.device)] = torch.from_numpy(found["features"]).to(pool.device)
    pool.count.copy_(count)
    pool.loss_tag.copy_(torch.from_numpy(found["loss_tag"]))
    pool.step.copy_(torch.from_numpy(found["step"]))


def verify_generation(path: Path | str) -> None:
    """Compare a generation's arrays with their digests, whatever pool it is of.

    Raises:
        InputError: It is not a generation, or damaged.
    """
    path = Path(path)
    group, _, digests = _open(path)
    for name in _ARRAYS:
        _read_array(path, group, name, digests)


_ARRAYS = ("features", "count", "loss_tag", "step")


def _open(path: Path) -> tuple[zarr.Group, dict[str, Any], dict[str, str]]:
    """Open a generation: its group, its attributes, and the digests among them."""
    try:
        group = zarr.open_group(path, mode="r", zarr_format=3)
        attributes = json.loads(json.dumps(dict(group.attrs)))
    except Exception as error:  # Zarr raises almost anything for a damaged file
        raise InputError(f"{path}: not readable as a memory pool ({_short(error)})") from None
    if attributes.get("format") != FORMAT:
        raise InputError(f"{path}: not a memory pool of this program (format '{FORMAT}')")
    stated = attributes.pop("sha256", None)
    digests = stated if isinstance(stated, dict) else {}
    # Older generations lack this digest.
    if digests.get("attributes", known := _digest_of_words(attributes)) != known:
        raise InputError(
            f"{path}: its attributes are not what was written (their SHA-256 differs); disk damage?"
        )
    return group, attributes, digests


def _description(pool: FeaturePool) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "seconds": {video: list(span) for video, span in pool.seconds.items()},
        "persons_per_clip": pool.persons_per_clip,
        "d": pool.d,
        "dtype": str(pool.features.dtype).removeprefix("torch."),
    }


def _check_fits(path: Path, attributes: dict[str, Any], pool: FeaturePool) -> None:
    """Refuse a pool on disk that differs from the run's, and say in what."""
    for name, wanted in _description(pool).items():
        found = attributes.get(name)
        if found == wanted:
            continue
        if name == "seconds":
            found = found if isinstance(found, dict) else {}
            video = next(v for v in {**wanted, **found} if wanted.get(v) != found.get(v))
            name, found, wanted = f"seconds of {video}", found.get(video), wanted.get(video)
        raise InputError(
            f"{path}: a memory pool of another run: its {name} is {_word(found)}, this run's "
            f"{_word(wanted)}; were data or settings changed since it was written?"
        )


def _read_array(path: Path, group: zarr.Group, name: str, digests: dict[str, str]) -> np.ndarray:
    try:
        array = group[name]
        missing = array.nchunks - array.nchunks_initialized
        content = np.ascontiguousarray(array[:])
    except Exception as error:  # Zarr raises almost anything for a damaged file
        raise InputError(f"{path}/{name}: not readable ({_short(error)})") from None
    if missing:
        raise InputError(f"{path}/{name}: {missing} of {array.nchunks} chunks are missing")
    if _digest(content) != digests.get(name):
        raise InputError(f"{path}/{name}: not what was written (its SHA-256 differs); disk damage?")
    return content


def _digest(array: np.ndarray) -> str:
    """Compute SHA-256 of an array's type, shape and content."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape} ".encode())
    digest.update(np.ascontiguousarray(array).data.cast("B") if array.size else b"")
    return digest.hexdigest()


def _digest_of_words(attributes: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(attributes, sort_keys=True).encode()).hexdigest()


def _word(value: object) -> str:
    return "none" if value is None else str(value)


def _short(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
