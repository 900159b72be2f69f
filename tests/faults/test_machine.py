"""The machine fails a command: its disk is full, can only be read, or takes the folder away.

After each fault nothing half-written is taken for whole, and the same command ends with the bytes
of an undisturbed one.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aia import cli
from aia.config import overlay
from tests.train.running import REPOSITORY, arguments, await_generation, finish, start


def command(*arguments: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """An `aia` command whose files may not grow beyond `limit` bytes, as on a disk that is full."""

    def lower() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "aia.cli", *map(str, arguments)],
        text=True,
        capture_output=True,
        cwd=REPOSITORY,
        preexec_fn=lower,
    )


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_full_disk_leaves_no_half_of_a_frame_store(films, settings, tmp_path) -> None:
    film = sorted((films / "films").glob("*train*.mp4"))[0]
    flags = ("--settings", json.dumps(settings), "--min-frames", 1)
    whole = films / "frames" / f"{film.stem}.h5"
    size = whole.stat().st_size
    survived = 0
    for share in (0.02, 0.5, 0.98):
        output = tmp_path / "frames.h5"
        result = command("frames", film, "--output", output, *flags, limit=int(share * size))
        assert result.returncode == 1, result.stderr
        assert files(tmp_path) == []
        assert "ulimit -f" in result.stderr
        assert "Traceback" not in result.stderr
        survived += 1
    assert command("frames", film, "--output", output, *flags).returncode == 0
    assert output.read_bytes() == whole.read_bytes()
    print(f"full disk, frames: {survived} faults injected, {survived} survived")


@pytest.fixture(scope="module")
def undisturbed(films, settings, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(films, settings, folder)
    return folder


def published(folder: Path) -> dict[str, bytes]:
    names = ("model.safetensors", "metrics.jsonl", "config.yaml")
    return {name: (folder / name).read_bytes() for name in names}


def test_a_disk_that_fills_up_while_a_run_trains_costs_it_nothing(
    films, settings, undisturbed, tmp_path
) -> None:
    training = arguments(films, settings, tmp_path)
    state = undisturbed / "work" / "step-0000014" / "state.pt"
    for limit in (1000, state.stat().st_size // 2):
        result = command(*training, limit=limit)
        assert result.returncode == 1, result.stderr
        assert "Traceback" not in result.stderr, result.stderr
        assert not (tmp_path / "model.safetensors").exists()
        assert not list((tmp_path / "work").glob("step-*"))
    assert command(*training).returncode == 0
    assert published(tmp_path) == published(undisturbed)


def test_a_results_folder_that_vanishes_stops_the_run_and_the_next_one_is_whole(
    films, settings, undisturbed, tmp_path
) -> None:
    process = start(films, settings, tmp_path / "run")
    await_generation(process, tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "gone")
    process.communicate(timeout=120)
    assert process.returncode != 0 or published(tmp_path / "run") == published(undisturbed)
    finish(films, settings, tmp_path / "run")
    assert published(tmp_path / "run") == published(undisturbed)


@pytest.mark.parametrize("number", sorted(cli.MACHINE_ERRORS))
def test_what_fails_at_any_moment_is_said_and_leaves_nothing(
    films, settings, tmp_path, monkeypatch, capsys, number
) -> None:
    """Each flush to disk of a command fails in turn."""
    film = sorted((films / "films").glob("*train*.mp4"))[0]
    output = tmp_path / "frames.h5"
    storing = ["frames", str(film), "--output", str(output), "--min-frames", "1"]
    storing += ["--settings", json.dumps(settings)]
    real, calls = os.fsync, []

    def failing(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) == fatal:
            raise OSError(number, os.strerror(number), str(output))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    fatal = 1
    assert cli.main(storing) == 1
    assert files(tmp_path) == []
    said = capsys.readouterr().err
    assert f"error: {output}: {os.strerror(number)}; {cli.MACHINE_ERRORS[number]}" in said
    fatal = 0
    assert cli.main(storing) == 0


def test_two_trainers_of_one_run_are_one_too_many(films, settings, undisturbed, tmp_path) -> None:
    first = start(films, overlay(settings, {"train": {"steps": 400}}), tmp_path)
    await_generation(first, tmp_path)
    second = start(films, settings, tmp_path)
    _, said = second.communicate(timeout=120)
    assert second.returncode == 2
    assert "another process trains this run" in said
    first.kill()
    first.communicate()
    finish(films, settings, tmp_path)
    assert published(tmp_path) == published(undisturbed)
