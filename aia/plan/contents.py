"""Contents of files that no rule makes: annotations, videos, boxes, weights.

A file that is replaced by one of an older date is another file. So what a job is made of is known
by size and digest, not by date; digests are cached by size, date and inode.
"""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from aia.files import write_text

_WHOLE = 64 << 20  # bytes of a file that are read whole
_SAMPLES, _SAMPLE = 32, 128 << 10  # of a larger one: a video of hours is planned in milliseconds


class Contents:
    """Digests of files, cached in a file of its own.

    Args:
        cache: Path of the cache; a folder that cannot be written has none.
    """

    def __init__(self, cache: Path) -> None:
        self._path, self._changed = cache, False
        self._known: dict[str, list[str | int]] = {}
        with contextlib.suppress(OSError, ValueError):
            self._known = dict(json.loads(cache.read_text(encoding="utf-8")))

    def of(self, path: str) -> str:
        """Return size and SHA-256 of a file, shortened: `9126-3f7c...`; of a folder, of its files.

        Of more than 64 MB, 32 evenly spread samples are read; `aia verify` reads the whole.

        Raises:
            OSError: It cannot be read.
        """
        if os.path.isdir(path):
            names = sorted(name for name in os.listdir(path) if not name.startswith("."))
            inside = [f"{name} {self.of(os.path.join(path, name))}" for name in names]
            return hashlib.sha256("\n".join(inside).encode()).hexdigest()[:16]
        about = os.stat(path)
        state: list[str | int] = [about.st_size, about.st_mtime_ns, about.st_ino]
        known = self._known.get(path)
        if known is None or known[:3] != state:
            known = self._known[path] = [*state, f"{about.st_size}-{_sampled(path)[:16]}"]
            self._changed = True
        return str(known[3])

    def save(self) -> None:
        """Write the cache, if there is anything new."""
        if self._changed:
            with contextlib.suppress(OSError):
                write_text(self._path, json.dumps(self._known, indent=0))
            self._changed = False


def _sampled(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size <= _WHOLE:
            return hashlib.file_digest(file, "sha256").hexdigest()
        for place in range(_SAMPLES):
            file.seek((size - _SAMPLE) * place // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE))
    return digest.hexdigest()
