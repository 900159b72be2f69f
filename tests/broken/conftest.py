"""Whole files of every kind, and the harness that types a command and looks at what it leaves."""

import contextlib
import re
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import settings

from aia.cli import main
from tests.broken.case import CANARY, Case
from tests.broken.good import make_good

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)

Refuses = Callable[[Case], None]


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of whole files."""
    parent = tmp_path_factory.mktemp("whole")
    (parent / "good").mkdir()
    with contextlib.chdir(parent):  # a run knows its files by the paths that it was given
        make_good(Path("good"))
    return parent / "good"


@pytest.fixture
def folder(tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; `../..` of it is a folder of this test, too."""
    place = tmp_path / "all" / "here"
    place.mkdir(parents=True)
    (tmp_path / "tmp").mkdir()
    (place / "good").symlink_to(good)
    monkeypatch.chdir(place)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return place


@pytest.fixture
def refuses(folder: Path, tmp_path: Path, good: Path, capfd: pytest.CaptureFixture[str]) -> Refuses:
    """The rule for all cases: exit status 2, one message, and nothing written anywhere."""

    def check(case: Case) -> None:
        case.make()
        before = contents(tmp_path), contents(good)
        threads = torch.get_num_threads()
        status = main(shlex.split(case.command))
        torch.set_num_threads(threads)
        said = capfd.readouterr().err
        assert "Traceback" not in said, said[-600:]
        messages = re.findall(r"^error: (.*)", said, flags=re.MULTILINE | re.DOTALL)
        assert len(messages) == 1, said
        assert re.match(case.message, messages[0]), messages[0]
        assert len(messages[0]) < 1000, "a message is read by a person"
        assert said.count("error: ") == 1, "one message"
        assert status == 2
        assert not (folder / CANARY).exists(), "code ran"
        assert (contents(tmp_path), contents(good)) == before, "something was written"

    return check


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, with size and time of change; folders themselves do not count."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }
