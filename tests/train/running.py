"""A training run as a process of its own, on a few seconds of Playhouse."""

import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from aia.cli import main

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = "slowfast_tiny-serial-POM-amu-s0"
STEPS = 14


def arguments(
    videos: Path, settings: dict, folder: Path, run: str = RUN, more: Sequence[str] = ()
) -> list[str]:
    """Those of `aia` that train a run."""
    annotations = videos / "annotations"
    return [
        *("train", "--run", run),
        *("--frames", *sorted(map(str, (videos / "frames").glob("*.h5")))),
        *("--annotations", str(annotations / "train.csv")),
        *("--objects", str(annotations / "train_objects.csv")),
        *("--labels", str(annotations / "actions.pbtxt")),
        *("--work", str(folder / "work"), "--output-dir", str(folder)),
        *("--settings", json.dumps(settings), "--threads", "1"),
        *more,
    ]


STARTER = multiprocessing.get_context("forkserver")
STARTER.set_forkserver_preload(["torch._dynamo", "aia.train.run", "aia.evaluate.validation"])


class Forked:
    """A command in a process of its own, forked from one that has imported torch.

    Importing it takes three seconds of a start's four. It is used as subprocess.Popen is.
    """

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self.stderr = tempfile.NamedTemporaryFile("r")  # noqa: SIM115 (open as long as this is)
        given = (words, environment, self.stderr.name)
        self._process = STARTER.Process(target=_command, args=given)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    poll = returncode.fget

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int | None:
        self._process.join(timeout)
        assert self.returncode is not None, f"still runs after {timeout} s"
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[None, str]:
        self.wait(timeout)
        return None, self.stderr.read()


def _command(words: Sequence[str], environment: Mapping[str, str], stderr: str) -> None:
    """Do what `python -m aia WORDS 2> stderr` does."""
    os.dup2(os.open(stderr, os.O_WRONLY), 2)
    os.chdir(REPOSITORY)
    os.environ.clear()
    os.environ.update(environment)
    sys.exit(main(words))


def start(
    videos: Path,
    settings: dict,
    folder: Path,
    run: str = RUN,
    more: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Forked:
    """Start a run, with these variables added to the environment."""
    words = arguments(videos, settings, folder, run, more)
    return Forked(words, {**os.environ, **(environment or {})})


def await_generation(process: Forked, folder: Path, name: str = "step-*") -> None:
    """Wait until a checkpoint is there, while the run continues."""
    deadline = time.monotonic() + 240
    while not list((folder / "work").glob(name)):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def finish(
    videos: Path, settings: dict, folder: Path, run: str = RUN, more: Sequence[str] = ()
) -> str:
    process = start(videos, settings, folder, run, more)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said
