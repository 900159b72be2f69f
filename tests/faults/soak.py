"""Kill the workflow at random moments, over and over, and see that it ends with the same results.

    python -m tests.faults.soak --kills 200 --folder /somewhere/with/room
    python -m tests.faults.soak --kills 50 --processes 2     # each training in two processes

A small Playhouse is made from films to table, once undisturbed and then under fire: at a random
moment of a random stage a job, one of its processes, Snakemake, both, or all at once are killed
with SIGKILL, and the workflow is started again. When it has come to its end everything that it made
is compared with the undisturbed run, and it begins anew, until so many kills have been survived.
"""

import argparse
import collections
import contextlib
import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = "slowfast_tiny-serial-POM-amu"
SETTINGS = {
    "dataset": "small",
    "playhouse": {"train_films": 2, "val_films": 1, "seconds": 9},
    "train": {"steps": 12, "checkpoint_every": 3, "validate_every": 6},
    "results": {"seeds": [0], "runs": [RUN]},
}
VICTIMS = ("job", "part", "snakemake", "both", "all")
"""A part is one process that a job has started: of several that train, or one that loads."""
WAIT = 1.3
"""Longest wait before a kill, in times of what a job of the stage takes: a quarter gets on."""
ENDING_SEC = 3
"""How long Snakemake is given to notice that a job was killed."""
LAST_SEC = 15
"""How long what a killed job has started may outlive it: torch's loaders look every five."""
KEPT = {".csv", ".h5", ".parquet", ".safetensors", ".jsonl", ".yaml", ".mp4", ".pbtxt"}


class Report(NamedTuple):
    """What a soak did and found."""

    kills: collections.Counter[str]
    """By who was killed and at which stage."""
    rounds: int
    """Times that the workflow came to its end."""
    differences: list[str]
    """Files that were not the undisturbed run's, and processes that outlived their job."""

    def lines(self) -> list[str]:
        """As a person reads it."""
        total = sum(self.kills.values())
        return [
            f"{total} kills over {self.rounds} runs of the workflow; "
            f"{len(self.differences)} files lost or other than undisturbed, or processes left",
            *(f"  {count:4d}  {what}" for what, count in sorted(self.kills.items())),
            *(f"  differs: {name}" for name in self.differences),
        ]


def soak(
    folder: Path,
    *,
    kills: int,
    seed: int,
    processes: int = 1,
    target: str = "results/small_val.csv",
) -> Report:
    """Kill `kills` times and compare; both runs stay under `folder`."""
    rng = random.Random(seed)
    reference = folder / "undisturbed"
    _make(reference, processes)
    longest_sec = _watched(_start(reference, target), reference)
    expected = content(reference)
    report = Report(collections.Counter(), 0, [])
    while sum(report.kills.values()) < kills:
        under_fire = folder / "killed"
        shutil.rmtree(under_fire, ignore_errors=True)
        _make(under_fire, processes)
        while True:
            process = _start(under_fire, target)
            while process.poll() is None and sum(report.kills.values()) < kills:
                _kill_some(process, under_fire, rng, longest_sec, report.kills)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(ENDING_SEC)  # else the job can do without the part that was killed
            status = process.wait()
            if status == 0:
                break
            _end_orphans(under_fire, rng)
            _run(under_fire, target, "--unlock")
        found = content(under_fire)
        report = report._replace(rounds=report.rounds + 1)
        report.differences.extend(f"still runs: {name}" for name in _left_running(under_fire))
        report.differences.extend(
            name for name in {**expected, **found} if expected.get(name) != found.get(name)
        )
        print("\n".join(report.lines()), flush=True)
    return report


def _watched(process: subprocess.Popen[bytes], folder: Path) -> dict[str, float]:
    """Seconds that the longest job of each stage of a run took, when it has come to its end."""
    began: dict[int, float] = {}
    longest_sec: dict[str, float] = {}
    while process.poll() is None:
        for job, name in jobs_in(folder).items():
            lasted = time.monotonic() - began.setdefault(job, time.monotonic())
            longest_sec[name] = max(longest_sec.get(name, 0.0), lasted)
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"the undisturbed run failed; see {folder / 'snakemake.log'}")
    return longest_sec


def content(folder: Path) -> dict[str, str]:
    """Hashes of all that the workflow made, without logs and what trainings go on from."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(_timeless(path)).hexdigest()
        for path in sorted((folder / "results").rglob("*"))
        if path.is_file() and path.suffix in KEPT and "work" not in path.parts
    }


def _timeless(path: Path) -> bytes:
    """A file's bytes, without how fast its making was."""
    return re.sub(rb'"images_per_sec": [\d.]+', b"", path.read_bytes())


def _make(folder: Path, processes: int) -> None:
    folder.mkdir(parents=True)
    settings = SETTINGS | {"train": SETTINGS["train"] | {"processes": processes}}
    (folder / "soak.yaml").write_text(yaml.safe_dump(settings))


def _command(target: str, *more: str) -> list[str]:
    snakemake = [sys.executable, "-m", "snakemake", target]
    options = ["--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", "soak.yaml"]
    return [*snakemake, *options, "--cores", "2", *more]


def _start(folder: Path, target: str) -> subprocess.Popen[bytes]:
    with open(folder / "snakemake.log", "ab") as log:
        return subprocess.Popen(
            _command(target), cwd=folder, stdout=log, stderr=log, start_new_session=True
        )


def _run(folder: Path, target: str, *more: str) -> None:
    subprocess.run(_command(target, *more), cwd=folder, capture_output=True, check=False)


def _kill_some(
    process: subprocess.Popen[bytes],
    folder: Path,
    rng: random.Random,
    longest_sec: Mapping[str, float],
    kills: collections.Counter[str],
) -> None:
    """Wait for a random moment of a stage, and kill whoever is drawn, once."""
    while process.poll() is None:
        running = [longest_sec.get(name, 0.0) for name in jobs_in(folder).values()]
        if not running:
            time.sleep(0.05)
            continue
        time.sleep(rng.uniform(0, WAIT * max(running)))
        if process.poll() is None and (killed := _kill(process, folder, rng)):
            kills[killed] += 1
            return


def _kill(process: subprocess.Popen[bytes], folder: Path, rng: random.Random) -> str | None:
    """Kill whoever is drawn; who it was and at which stage, or None: there was nobody."""
    running = jobs_in(folder)
    victim = rng.choice(VICTIMS)
    chosen, stage = rng.choice(sorted(running.items())) if running else (None, "between jobs")
    parts = _started_by(chosen) if chosen else []
    if (victim == "job" and not chosen) or (victim == "part" and not parts):
        return None
    if victim == "part":
        _end(rng.choice(parts))
    if victim in ("snakemake", "both", "all"):
        process.kill()
    if chosen and victim in ("job", "both"):
        _end(chosen)
    if victim == "all":
        for job in running:
            _end(job)
    return f"{stage}, {victim}"


def _started_by(job: int) -> list[int]:
    """Processes below another, at any depth."""
    try:
        direct = Path(f"/proc/{job}/task/{job}/children").read_text().split()
    except OSError:  # it ended meanwhile
        return []
    return [below for child in map(int, direct) for below in (child, *_started_by(child))]


def jobs_in(folder: Path) -> dict[int, str]:
    """The commands that run in a folder, by their processes, and what they do."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if (process / "cwd").resolve() != folder.resolve() or len(words) < 3:
                continue
            if words[1].endswith(b"/aia"):
                found[int(process.name)] = words[2].decode()
        except OSError:  # it ended meanwhile
            continue
    return found


def _left_running(folder: Path) -> list[str]:
    """Commands of processes in a folder in which all has come to its end; given time to go."""
    deadline = time.monotonic() + LAST_SEC
    while True:
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").resolve() == folder.resolve():
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:  # it ended meanwhile
                continue
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def _end(job: int) -> None:
    try:
        os.kill(job, signal.SIGKILL)
    except ProcessLookupError:
        return


def _end_orphans(folder: Path, rng: random.Random) -> None:
    """Kill what Snakemake left, or wait for it, or let it meet the next start."""
    if rng.random() < 0.5:
        for job in jobs_in(folder):
            _end(job)
    while rng.random() < 0.5 and jobs_in(folder):
        time.sleep(0.5)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the report; the exit status is 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=1, help="that train a run together")
    parser.add_argument("--folder", type=Path, help="with room for two runs; else a temporary one")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        report = soak(
            options.folder or Path(name),
            kills=options.kills,
            seed=options.seed,
            processes=options.processes,
        )
    print("\n".join(report.lines()))
    return int(bool(report.differences))


if __name__ == "__main__":
    sys.exit(main())
