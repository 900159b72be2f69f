"""Cases 010 and 012: `./run` from another folder, and on machines as people have them."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

STUB = (
    '#!/bin/sh\necho "in $PWD"\nenv | grep -E "^(XDG_CACHE_HOME|MPLCONFIGDIR|PYTHONPATH|USER)="\n'
)


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


def test_case_012_paths_are_those_of_the_folder_one_stands_in(clone: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    seen, said = run(clone, "aia", "doctor", "det.csv", "gt.csv", cwd=mine)
    assert (seen["in"], said) == (str(mine), "")
    seen, said = run(clone, "snakemake", "-n", cwd=mine)
    assert seen["in"] == str(clone)
    assert f"the workflow runs in {clone}" in said
    seen, said = run(clone, "snakemake", "-n", cwd=clone)
    assert (seen["in"], said) == (str(clone), "")


def test_case_012_the_clone_that_is_called_is_the_one_that_runs(
    clone: Path, tmp_path: Path
) -> None:
    """Also if two clones share an environment, where another one is installed."""
    seen, _ = run(clone, "aia", cwd=tmp_path, PYTHONPATH="/elsewhere")
    assert seen["PYTHONPATH"] == f"{clone}:/elsewhere"


@pytest.mark.parametrize("home", ["missing", "file", "unset"])
def test_case_010_home_that_cannot_be_written(clone: Path, tmp_path: Path, home: str) -> None:
    (tmp_path / "file").touch()
    given = {"HOME": str(tmp_path / "file" / home)} if home != "unset" else {"HOME": ""}
    seen, said = run(clone, "snakemake", "-n", cwd=clone, **given)
    assert seen["XDG_CACHE_HOME"] == f"{clone}/.snakemake/home"
    assert seen["MPLCONFIGDIR"].startswith(seen["XDG_CACHE_HOME"])
    assert Path(seen["XDG_CACHE_HOME"]).is_dir()
    assert said == ""


def test_a_home_that_can_be_written_and_a_cache_of_ones_own_stay(
    clone: Path, tmp_path: Path
) -> None:
    seen, _ = run(clone, "aia", cwd=tmp_path, HOME=str(tmp_path))
    assert "XDG_CACHE_HOME" not in seen
    seen, _ = run(clone, "aia", cwd=tmp_path, HOME="", XDG_CACHE_HOME="/my/cache")
    assert seen["XDG_CACHE_HOME"] == "/my/cache"
