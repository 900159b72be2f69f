"""Case 010: machines as people have them; it works, or one line says what to set."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aia.files import write_text
from tests.cases.conftest import run
from tests.conftest import REPOSITORY
from tests.video.videos import write_video


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


def test_a_temporary_folder_that_is_missing_is_replaced(clone: Path, tmp_path: Path) -> None:
    seen, said = run(clone, "aia", cwd=tmp_path, TMPDIR=str(tmp_path / "missing"))
    assert seen["TMPDIR"] == f"{clone}/.snakemake/tmp"
    assert Path(seen["TMPDIR"]).is_dir()
    assert said == ""


def test_a_temporary_folder_with_room_stays(clone: Path, tmp_path: Path) -> None:
    seen, _ = run(clone, "aia", cwd=tmp_path, TMPDIR=str(tmp_path))
    assert seen["TMPDIR"] == str(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Möbel und mehr"]


def refusal(clone: Path, *words: str) -> str:
    """Call ./run, which must end with status 2; return its last line."""
    done = subprocess.run([clone / "run", *words], text=True, capture_output=True, cwd=clone)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr.splitlines()[-1]


def test_a_clone_that_cannot_be_written_asks_for_another_folder(clone: Path) -> None:
    (clone / ".snakemake").touch()  # root may write to any folder, but not below a file
    said = refusal(clone, "snakemake", "-n")
    assert f"results are written to {clone}, where this user may not write" in said
    assert "./run snakemake --directory FOLDER" in said
    seen, _ = run(clone, "snakemake", "--directory", "/tmp", cwd=clone)
    assert seen["in"] == str(clone)


def test_braces_in_the_path_of_a_clone_are_told(clone: Path) -> None:
    braces = clone.rename(clone.with_name("a {1}"))
    assert "cannot work in a folder with { or } in its path" in refusal(braces, "snakemake", "-n")
    seen, _ = run(braces, "aia", cwd=braces)
    assert seen["in"] == str(braces), "commands by hand work there"


def test_results_that_are_a_link_to_another_disk_are_written_there(tmp_path: Path) -> None:
    other = Path("/dev/shm")
    if not os.access(other, os.W_OK) or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no other disk here")
    folder = other / f"aia-test-{os.getpid()}"
    folder.mkdir()
    try:
        (tmp_path / "results").symlink_to(folder)
        write_text(tmp_path / "results" / "a" / "table.csv", "1")
        assert (folder / "a" / "table.csv").read_text() == "1"
        assert [path.name for path in (folder / "a").iterdir()] == ["table.csv"]
    finally:
        (folder / "a" / "table.csv").unlink(missing_ok=True)
        (folder / "a").rmdir()
        folder.rmdir()


@pytest.mark.parametrize("machine", ["few files", "C locale", "umask 077", "no temporary folder"])
def test_a_command_works_on_an_odd_machine(tmp_path: Path, machine: str, odd_video: Path) -> None:
    odd = {
        "C locale": {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        "no temporary folder": {"TMPDIR": "/missing"},
    }

    def prepare() -> None:
        if machine == "few files":
            resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        if machine == "umask 077":
            os.umask(0o077)

    output = tmp_path / "Größe [1].h5"
    settings = (
        '{"frames": {"fps": 8, "short_side": 48, "film_start_sec": 0, "start_sec": 0, '
        '"end_sec": null, "numbered": false, "codec": "jpeg", "quality": 90}}'
    )
    command = ("frames", odd_video, "--output", output, "--settings", settings)
    done = subprocess.run(
        [sys.executable, "-m", "aia", *command], text=True, capture_output=True,
        env={**os.environ, **odd.get(machine, {})}, cwd=REPOSITORY, preexec_fn=prepare,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert output.stat().st_mode & 0o077 == (0 if machine == "umask 077" else 0o044)


@pytest.fixture
def odd_video(tmp_path: Path) -> Path:
    """A video in a folder whose name has blanks, umlauts and brackets."""
    folder = tmp_path / "Filme [neu] für uns"
    folder.mkdir()
    return write_video(
        folder / "a.mp4", [np.zeros((48, 64, 3), np.uint8)] * 8, times_sec=[k / 8 for k in range(8)]
    )
