"""A broken input as a row of a table: how it is made, the command that meets it, what is said.

A command is typed in a folder that holds the broken files and, as `good/`, whole ones of all kinds
(conftest.py). `out/` is where it would write.
"""

import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

Make = Callable[[], object]
"""Writes the broken files into the working folder."""


class Case(NamedTuple):
    """A row."""

    name: str
    make: Make
    command: str
    message: str
    """A regular expression that the message's beginning, after `error: `, must match."""


def written(name: str, content: str | bytes) -> Make:
    """A file with this content."""

    def make() -> None:
        raw = content.encode() if isinstance(content, str) else content
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(raw)

    return make


def damaged(name: str, damage: Callable[[bytes], bytes], *, source: str | None = None) -> Make:
    """A copy of `good/{source or name}` with damage done to it."""

    def make() -> None:
        raw = damage((Path("good") / (source or name)).read_bytes())
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(raw)

    return make


def copied_folder(name: str, change: Callable[[Path], object]) -> Make:
    """A copy of the folder `good/{name}` with something changed in it."""

    def make() -> None:
        shutil.copytree(Path("good") / name, name)
        change(Path(name))

    return make


def cut(raw: bytes) -> bytes:
    """The first half, as of a download that broke off."""
    return raw[: len(raw) // 2]


def flipped(place: float) -> Callable[[bytes], bytes]:
    """One bit is another one, at a share of the file's length."""

    def damage(raw: bytes) -> bytes:
        changed = bytearray(raw)
        changed[min(int(place * len(raw)), len(raw) - 1)] ^= 0b1000
        return bytes(changed)

    return damage


def replaced(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    """The first `old` becomes `new`."""

    def damage(raw: bytes) -> bytes:
        assert old in raw
        return raw.replace(old, new, 1)

    return damage


CANARY = "canary"
"""What hostile files would leave in the working folder, were they run."""


class Hostile:
    """An object whose unpickling runs a program."""

    def __reduce__(self) -> Any:
        return os.system, (f"touch {CANARY}",)


def pickled(name: str, content: Any, protocol: int = 2) -> Make:
    """A pickle."""
    return written(name, pickle.dumps(content, protocol=protocol))
