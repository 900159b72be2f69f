"""Checkpoints of a run: network, optimizer, Ω, step and err, whole or not at all.

    work/
      lock                  held by the process that trains
      fingerprint.json      settings and inputs of the run, which tell its state from another's
      step-0000050/         one generation: state.pt, memory.zarr, and digests.json of both and of
                            the fingerprint
      bank.zarr             Ω of a run without AMU: written once, before the first step (bank.py)
      metrics.jsonl         a line for each logged step, to follow the run; state.pt has them, too

A generation is written under a temporary name, flushed, and renamed: a kill leaves the one before.
The newest whole generation is the state; a damaged one is named and the one before it is used.

All randomness of a run is a function of seed and step, so no generator's state is kept, and a run
may resume with another number of processes. Training waits only while the state is copied; a thread
writes it during the next steps.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pickle
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import torch

from aia.errors import InputError
from aia.files import file_digest, sync, write_text
from aia.log import say
from aia.memory import (
    FeaturePool,
    Snapshot,
    read_generation,
    snapshot,
    verify_generation,
    write_generation,
)
from aia.ranks import SINGLE_PROCESS, Ranks

BANK = "bank.zarr"
_LOCK, _STATE, _MEMORY, _DIGESTS = "lock", "state.pt", "memory.zarr", "digests.json"


class Resumed(NamedTuple):
    """State from which a run resumes."""

    step: int
    err: torch.Tensor | None
    metrics: str = ""
    """Lines of metrics.jsonl up to here, in the process that writes them."""


class Lock:
    """Right to write to a run's work folder."""

    def __init__(self, work: Path, file: TextIO) -> None:
        self.work, self._file = work, file

    def check(self) -> None:
        """Raise an InputError if the folder is no longer the one that was locked."""
        own = os.fstat(self._file.fileno())
        try:
            there = os.stat(self.work / _LOCK)
        except FileNotFoundError:
            there = None
        if there is None or (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino):
            raise InputError(
                f"{self.work}: was removed or moved while this run trained, and another may have "
                "begun there; this one writes no more"
            )


@contextmanager
def exclusive_lock(work: Path) -> Iterator[Lock]:
    """Hold the run's lock; a second trainer on the same folder is refused."""
    work.mkdir(parents=True, exist_ok=True)
    with open(work / _LOCK, "w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"{work}: another process trains this run; wait for it, or stop it (a trainer "
                "outlives a workflow that was killed)"
            ) from None
        except OSError as error:
            raise InputError(
                f"{work}: its file system has no locks ({error.strerror}), so nothing would keep "
                "two trainers apart; put results/ on one that has (Lustre: mounted with flock)"
            ) from None
        # Processes that load clips outlive a trainer that was killed by seconds; the lock does not.
        os.register_at_fork(after_in_child=file.close)
        yield Lock(work, file)


def open_work_dir(
    work: Path, fingerprint: dict[str, Any], *, sources: Mapping[str, str] | None = None
) -> str:
    """Reuse the checkpoints in `work` if their fingerprint matches, else delete them.

    Args:
        work: The run's work folder.
        fingerprint: Identity of the run: "run", its settings; "data", digests of its inputs.
        sources: Digests of the files that the inputs were prepared from, by path. Version 0.1
            read those itself, so its fingerprints have them.

    Returns:
        The digest of the fingerprint, which each of the run's generations has.
    """
    path = work / "fingerprint.json"
    text = json.dumps(fingerprint, sort_keys=True, indent=1)
    if _is_of_version_0_1(path, fingerprint, sources or {}):
        text = path.read_text(encoding="utf-8")
    run = hashlib.sha256(text.encode()).hexdigest()
    known = path.read_bytes() == text.encode() if path.exists() else False
    own: list[Path] = []
    others: list[Path] = []
    for generation in generations(work):
        with contextlib.suppress(InputError):  # resume() reports a damaged one
            (own if _digests(generation)["run"] == run else others).append(generation)
    if not known and not own:
        if path.exists():
            say(
                f"{work}: has the state of a run with other settings or data; starting from scratch"
            )
        others = generations(work)
        shutil.rmtree(work / BANK, ignore_errors=True)
    elif not known:
        say(f"{path}: is damaged, the checkpoints beside it are of this run; written again")
    for generation in others:
        say(f"{generation}: is of another run; removed")
        shutil.rmtree(generation)
    if not known:
        write_text(path, text)
    return run


def _is_of_version_0_1(path: Path, fingerprint: dict[str, Any], sources: Mapping[str, str]) -> bool:
    """Return True if a fingerprint of version 0.1 is of this run and of the same sources."""
    try:
        known = json.loads(path.read_bytes())
        now, then = fingerprint["data"], known["data"]
        same = then.items() <= {**sources, **now}.items() and len(then) == len(now)
        return known["run"] == fingerprint["run"] and same
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


class Writer:
    """Writer of a run's generations in a thread beside its training, one at a time.

    Args:
        work: The run's work folder.
        run: Digest of the run's fingerprint (`open_work_dir`).
        lock: Lock of the folder.
        keep: Number of generations to keep.
    """

    def __init__(self, work: Path, *, run: str, lock: Lock, keep: int) -> None:
        self.work, self.run, self.lock, self.keep = work, run, lock, keep
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._memory: Snapshot | None = None

    def save(
        self,
        *,
        step: int,
        network: torch.nn.Module,
        optimizer: torch.optim.Optimizer,
        pool: FeaturePool | None,
        err: torch.Tensor,
        metrics: str,
    ) -> None:
        """Copy the state of `step` and start writing it; `finish` raises what went wrong."""
        self.finish()  # two snapshots at once would need twice the memory
        state = {
            "step": step,
            "network": _copied(network.state_dict()),
            "optimizer": _copied(optimizer.state_dict()),
            "err": err.to("cpu", copy=True),
            "metrics": metrics,
        }
        if pool is not None:
            self._memory = snapshot(pool, self._memory)
        self._thread = threading.Thread(target=self._write, args=(step, state, self._memory))
        self._thread.start()

    def finish(self) -> None:
        """Wait until the generation is written; raise what went wrong there."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _write(self, step: int, state: dict[str, Any], memory: Snapshot | None) -> None:
        try:
            self._write_generation(step, state, memory)
            for old in generations(self.work)[: -self.keep]:
                shutil.rmtree(old)
        except BaseException as error:  # finish() raises it in the training thread
            self._error = error

    def _write_generation(self, step: int, state: dict[str, Any], memory: Snapshot | None) -> None:
        """Write the generation of `step`: a folder that appears by one rename."""
        final = self.work / f"step-{step:07d}"
        temporary = self.work / f".writing-{step:07d}"
        self.lock.check()
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        with open(temporary / _STATE, "wb") as file:  # torch hides why it could not write
            torch.save(state, file)
        sync(temporary / _STATE)
        if memory is not None:
            write_generation(memory, temporary / _MEMORY)
        digests = {
            "run": self.run,
            _STATE: file_digest(temporary / _STATE),
            _MEMORY: _digest_of_memory(temporary),
        }
        write_text(temporary / _DIGESTS, json.dumps(digests))
        self.lock.check()
        shutil.rmtree(final, ignore_errors=True)
        os.rename(temporary, final)
        sync(self.work)


def resume(
    work: Path,
    *,
    network: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    pool: FeaturePool | None,
    device: torch.device,
    ranks: Ranks = SINGLE_PROCESS,
) -> Resumed:
    """Load the newest whole generation; step 0 if there is none.

    Rank 0 finds the generation; the first rank of each node fills the pool.
    """
    state: dict[str, Any] | None = None
    if ranks.first:
        for leftover in work.glob(".writing-*"):
            shutil.rmtree(leftover)
        for generation in reversed(generations(work)):
            try:
                state = _read(generation, device, pool)
                break
            except InputError as error:
                say(f"{error}; going back to the generation before")
                shutil.rmtree(generation)
    step = ranks.broadcast(state["step"] if state else 0)
    if step == 0:
        return Resumed(0, None)
    if state is None:
        state = _read(work / f"step-{step:07d}", device, pool if ranks.first_of_node else None)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    ranks.barrier()  # the first rank of each node has filled its pool now
    return Resumed(step, state["err"].to(device), state["metrics"])


def generations(work: Path) -> list[Path]:
    """List the generations in a work folder, oldest first."""
    return sorted(path for path in work.glob("step-*") if is_generation(path))


def is_generation(path: Path) -> bool:
    """Return True if a path is a folder with a generation's name."""
    return path.is_dir() and path.name.startswith("step-")


def verify(generation: Path) -> None:
    """Compare a generation's content with its digests.

    Raises:
        InputError: It is damaged or not whole.
    """
    _read_state(generation, torch.device("cpu"))
    if _digests(generation)[_MEMORY] is not None:
        verify_generation(generation / _MEMORY)


def _read(generation: Path, device: torch.device, pool: FeaturePool | None) -> dict[str, Any]:
    """Read a generation's state, and its memory into the pool; an InputError changes nothing."""
    state = _read_state(generation, device)
    if pool is not None:
        read_generation(generation / _MEMORY, pool)
    return state


def _read_state(generation: Path, device: torch.device) -> dict[str, Any]:
    path, digests = generation / _STATE, _digests(generation)
    try:
        found = {_STATE: file_digest(path), _MEMORY: _digest_of_memory(generation)}
    except OSError as error:
        raise InputError(f"{generation}: not a whole checkpoint ({error})") from None
    for name, digest in found.items():
        if digest != digests[name]:
            raise InputError(
                f"{generation / name}: its content is not what was written; is the disk damaged?"
            )
    try:
        return torch.load(path, map_location=device, weights_only=True)
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: holds more than tensors and plain values, which could run a program"
        ) from None
    except Exception as error:  # a replaced file raises almost anything
        raise InputError(f"{path}: cannot be read as a state ({error})") from None


def _digests(generation: Path) -> dict[str, str | None]:
    """Read a generation's digests: of its run's fingerprint, and a SHA-256 of each part."""
    try:
        digests = json.loads((generation / _DIGESTS).read_bytes())
        return {name: digests[name] for name in ("run", _STATE, _MEMORY)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{generation}: not a whole checkpoint ({error})") from None


def _digest_of_memory(generation: Path) -> str | None:
    """Digest the file that holds Ω's own digests, which covers all of Ω; None without Ω."""
    memory = generation / _MEMORY
    return file_digest(memory / "zarr.json") if memory.exists() else None


def _copied(state: Any) -> Any:
    """Copy a state of tensors to the host, so that training can change the tensors."""
    if isinstance(state, torch.Tensor):
        return state.detach().to("cpu", copy=True)
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    if isinstance(state, list):
        return [_copied(value) for value in state]
    return state
