"""A training run as a process of its own, on a few seconds of Playhouse."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

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


def start(
    videos: Path,
    settings: dict,
    folder: Path,
    run: str = RUN,
    more: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "aia", *arguments(videos, settings, folder, run, more)],
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
    )


def await_generation(process: subprocess.Popen, folder: Path, name: str = "step-*") -> None:
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
