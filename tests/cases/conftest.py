"""A clone whose environment has stubs of the programs, and `./run` in it."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

SEEN = "XDG_CACHE_HOME|MPLCONFIGDIR|PYTHONPATH|TMPDIR|USER"
STUB = f'#!/bin/sh\necho "in $PWD"\nenv | grep -E "^({SEEN})="\n'


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone, in a path as people have them, whose environment has stubs of the programs."""
    folder = tmp_path / "Möbel und mehr" / "aia"
    programs = folder / ".venv" / "bin"
    programs.mkdir(parents=True)
    for name in ("run", "pyproject.toml", "requirements.lock"):
        shutil.copy(REPOSITORY / name, folder)
    made_from = (folder / "pyproject.toml").read_bytes() + (
        folder / "requirements.lock"
    ).read_bytes()
    (folder / ".venv" / ".made-from").write_text(hashlib.sha256(made_from).hexdigest() + "\n")
    for name in ("aia", "snakemake"):
        (programs / name).write_text(STUB)
        (programs / name).chmod(0o755)
    return folder


def run(clone: Path, *words: str, cwd: Path, **environment: str) -> tuple[dict[str, str], str]:
    """Call ./run; return the folder and variables that the program saw, and what ./run said."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    found = subprocess.run(
        [str(clone / "run"), *words], cwd=cwd, env={**kept, **environment}, text=True,
        capture_output=True, check=True,
    )  # fmt: skip
    first, *rest = found.stdout.splitlines()
    seen = dict(line.split("=", 1) for line in rest)
    return {"in": first.removeprefix("in "), **seen}, found.stderr
