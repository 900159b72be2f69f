"""The machine fails a command: its disk is full, can only be read, or takes the folder away.

After each fault nothing half-written is taken for whole, and the same command ends with the bytes
of an undisturbed one.
"""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from aia import cli
from aia.config import overlay
from aia.files import atomic_path, sync
from tests.train.running import REPOSITORY, arguments, await_generation, finish, start


def command(*arguments: object, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """An `aia` command whose files may not grow beyond `limit` bytes, as on a disk that is full."""

    def lower() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [sys.executable, "-m", "aia", *map(str, arguments)],
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


FULL = """
mount -t tmpfs -o size=$1 none "$2" 2> /dev/null || exit 99
shift 2
"$@"
"""


def on_a_disk_of(size: str, folder: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """A command during which a folder is a disk of so many bytes."""
    folder.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("no unshare, to mount a small disk with")
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", FULL, "sh", size, folder, *map(str, words)],
        text=True,
        capture_output=True,
        cwd=REPOSITORY,
    )
    if done.returncode == 99 or done.stderr.startswith("unshare: "):
        pytest.skip("a small disk may not be mounted here")
    return done


@pytest.mark.parametrize("size", ["4k", "8k", "16k", "24k"])
def test_a_disk_that_is_full_is_named(films, settings, tmp_path, size) -> None:
    film = sorted((films / "films").glob("*train*.mp4"))[0]
    output = tmp_path / "disk" / "frames.h5"
    words = ("frames", film, "--output", output, "--settings", json.dumps(settings))
    python = (sys.executable, "-m", "aia")
    done = on_a_disk_of(size, output.parent, *python, *words, "--min-frames", 1)
    assert done.returncode == 1, done.stderr
    assert f"error: {output}: No space left on device; free some room" in done.stderr
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr


WRITERS = {
    "store": """
import io, numpy
from aia.video.layout import write_store
with atomic_path(output) as temporary:
    spool = io.BytesIO(bytes(300_000))
    spool.seek(0, 2)
    write_store(temporary, {"offsets": numpy.arange(3)}, {"a": 1}, spool)
""",
    "store of a few bytes": """
import io, numpy
from aia.video.layout import write_store
with atomic_path(output) as temporary:
    filler.write_bytes(bytes(1 << 16))
    write_store(temporary, {"offsets": numpy.arange(3)}, {"a": 1}, io.BytesIO())
""",
    "skipped store": """
from aia.video.store import skip_video
filler.write_bytes(bytes(1 << 16))
skip_video(output, why="broken")
""",
    "weights": """
import torch
from aia.tensors import write_tensors
write_tensors(output, {"w": torch.zeros(100_000)}, entry="aia", about={})
""",
    "checkpoint": """
import torch
from aia.train import checkpoint
network = torch.nn.Linear(100_000, 1)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
with checkpoint.exclusive_lock(output) as lock:
    writer = checkpoint.Writer(output, run="this", lock=lock, keep=2)
    writer.save(
        step=5, network=network, optimizer=optimizer, pool=None, err=torch.ones(()), metrics=""
    )
    writer.finish()
""",
    "table": """
import numpy, pyarrow
from aia.tables.sealed import write_parquet
write_parquet(output, pyarrow.table({"x": numpy.random.default_rng(0).random(100_000)}))
""",
    "text": "write_text(output, 'a' * 100_000)",
}
WRITE = """
import argparse, sys
from pathlib import Path
from aia import cli
from aia.files import atomic_path, write_text
output = Path(sys.argv[1])
class Filler:
    def write_bytes(self, content):
        with open(output.parent / "filler", "wb", buffering=0) as file:
            try:
                while file.write(content): pass
            except OSError: pass
filler = Filler()
def run(options):
    exec(sys.argv[2], globals())
class Parser:
    def parse_args(self, words):
        return argparse.Namespace(log=None, run=run)
cli._parser = Parser
sys.exit(cli.main([]))
"""


@pytest.mark.parametrize("what", sorted(WRITERS))
def test_every_writer_says_that_the_disk_is_full(tmp_path, what) -> None:
    output = tmp_path / "disk" / "written"
    words = (sys.executable, "-c", WRITE, output, WRITERS[what])
    done = on_a_disk_of("64k", output.parent, *words)
    assert done.returncode == 1, done.stderr
    where = "" if what == "checkpoint" else f"{output}: "
    assert f"error: {where}" in done.stderr
    assert "; free some room. Nothing that was finished is lost" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("anew", [False, True], ids=["gone", "gone and made anew"])
def test_a_folder_that_vanishes_while_a_file_is_written_is_named(tmp_path, capsys, anew) -> None:
    output = tmp_path / "results" / "table.csv"

    def write(options: object) -> None:
        with atomic_path(output) as temporary:
            temporary.write_text("x")
            output.parent.rename(tmp_path / "moved")
            if anew:
                output.parent.mkdir()

    assert main_of(write) == 1
    said = capsys.readouterr().err
    assert f"error: {output}: its folder is gone since it was begun; was it removed" in said
    assert "Traceback" not in said


def test_a_folder_that_vanishes_under_a_file_that_is_flushed_is_named(tmp_path, capsys) -> None:
    assert main_of(lambda options: sync(tmp_path / "results" / "metrics.jsonl")) == 1
    assert "metrics.jsonl: its folder is gone since it was begun" in capsys.readouterr().err


def test_another_file_that_is_not_there_is_a_fault_of_the_program(tmp_path, capsys) -> None:
    def write(options: object) -> None:
        with atomic_path(tmp_path / "table.csv"):
            (tmp_path / "other.csv").read_text()

    assert main_of(write) == 1
    assert "Traceback" in capsys.readouterr().err


def main_of(run: Callable[[object], object]) -> int:
    """The exit status of a command that does this."""
    parser = SimpleNamespace(parse_args=lambda words: SimpleNamespace(log=None, run=run))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "_parser", lambda: parser)
        return cli.main([])


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
