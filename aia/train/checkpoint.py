"""Checkpoints of a run: network, optimizer, Ω, step, err and random numbers, whole or not at all.

    work/
      fingerprint.json      what the run is made of: another run's state is not taken for it
      step-0000050/         one generation: state.pt, memory.zarr, digests.json
      bank.zarr             Ω of a run without AMU: written once, before the first step (bank.py)
      metrics.jsonl         one line a step that was logged

A generation is written under a temporary name, flushed, and renamed: a kill leaves the one before.
The newest whole generation is the state; a damaged one is named and the one before it is taken.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from aia.errors import InputError
from aia.files import file_digest, sync, write_text
from aia.log import say
from aia.memory import FeaturePool, read_generation, write_generation

BANK = "bank.zarr"
_STATE, _MEMORY, _DIGESTS = "state.pt", "memory.zarr", "digests.json"


class Resumed(NamedTuple):
    """Where a run goes on."""

    step: int
    err: torch.Tensor | None


@contextmanager
def only_one(work: Path) -> Iterator[None]:
    """Hold the run's lock; a second trainer on the same folder is refused."""
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "lock", "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"{work}: another process trains this run; wait for it, or stop it (a trainer "
                "outlives a workflow that was killed)"
            ) from None
        yield


def claim(work: Path, fingerprint: dict[str, Any]) -> None:
    """Keep the state in `work` if it is of this very run, otherwise clear it away."""
    path = work / "fingerprint.json"
    text = json.dumps(fingerprint, sort_keys=True, indent=1)
    if path.exists():
        if path.read_text(encoding="utf-8") == text:
            return
        say(f"{work}: holds the state of a run with other settings or data; starting anew")
        for generation in generations(work):
            shutil.rmtree(generation)
        shutil.rmtree(work / BANK, ignore_errors=True)
        (work / "metrics.jsonl").unlink(missing_ok=True)
    write_text(path, text)


def save(
    work: Path,
    *,
    step: int,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    pool: FeaturePool | None,
    err: torch.Tensor,
    keep: int,
) -> None:
    """Write the generation of `step` and remove all but the last `keep`."""
    final = work / f"step-{step:07d}"
    temporary = work / f".writing-{step:07d}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    torch.save(
        {
            "step": step,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "err": err.cpu(),
            "random": _random_state(),
        },
        temporary / _STATE,
    )
    sync(temporary / _STATE)
    if pool is not None:
        write_generation(pool, temporary / _MEMORY)
    digests = {_STATE: file_digest(temporary / _STATE)}
    write_text(temporary / _DIGESTS, json.dumps(digests))
    shutil.rmtree(final, ignore_errors=True)
    os.rename(temporary, final)
    sync(work)
    for old in generations(work)[:-keep]:
        shutil.rmtree(old)


def resume(
    work: Path,
    *,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    pool: FeaturePool | None,
    device: torch.device,
) -> Resumed:
    """Put the newest whole generation back in place; step 0 where there is none."""
    for leftover in work.glob(".writing-*"):
        shutil.rmtree(leftover)
    for generation in reversed(generations(work)):
        try:
            state = _read_state(generation, device)
            if pool is not None:
                read_generation(generation / _MEMORY, pool)
        except InputError as error:
            say(f"{error}; going back to the generation before")
            shutil.rmtree(generation)
            continue
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        _restore_random(state["random"])
        return Resumed(state["step"], state["err"].to(device))
    return Resumed(0, None)


def generations(work: Path) -> list[Path]:
    """The generations in a work folder, oldest first."""
    return sorted(path for path in work.glob("step-*") if path.is_dir())


def _read_state(generation: Path, device: torch.device) -> dict[str, Any]:
    path = generation / _STATE
    try:
        digests = json.loads((generation / _DIGESTS).read_text(encoding="utf-8"))
        if file_digest(path) != digests[_STATE]:
            raise InputError(f"{path}: its content is not what was written; is the disk damaged?")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{generation}: not a whole checkpoint ({error})") from None
    return torch.load(path, map_location=device, weights_only=True)


def _random_state() -> dict[str, Any]:
    """The generators of dropout; the loader draws from seed and step and keeps no state."""
    state: dict[str, Any] = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def _restore_random(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all([saved.cpu() for saved in state["cuda"]])
