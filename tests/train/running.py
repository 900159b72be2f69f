"""A training run as a process of its own, on a few seconds of Playhouse."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = "slowfast_tiny-serial-POM-amu-s0"
STEPS = 14


def start(
    films: Path,
    settings: dict,
    folder: Path,
    run: str = RUN,
    more: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen:
    annotations = films / "annotations"
    command = [
        *(sys.executable, "-m", "aia.cli", "train", "--run", run),
        *("--frames", *sorted(map(str, (films / "frames").glob("*.h5")))),
        *("--annotations", str(annotations / "train.csv")),
        *("--objects", str(annotations / "train_objects.csv")),
        *("--labels", str(annotations / "actions.pbtxt")),
        *("--work", str(folder / "work"), "--output-dir", str(folder)),
        *("--settings", json.dumps(settings), "--threads", "1"),
        *more,
    ]
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        env={**os.environ, **(environment or {})},
    )


def finish(
    films: Path, settings: dict, folder: Path, run: str = RUN, more: Sequence[str] = ()
) -> str:
    process = start(films, settings, folder, run, more)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said
