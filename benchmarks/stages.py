"""Peak memory and time of each stage of the workflow, from films to the table.

    python -m benchmarks.stages                                    # a tiny Playhouse, a minute
    python -m benchmarks.stages --target results/playhouse_val.csv # the default run, ten minutes

The workflow runs in a temporary folder, one job at a time, and every `aia` command that it starts
is watched until it ends. The ratio is to a process that has imported torch and done nothing.
"""

import argparse
import collections
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TICK_SEC = 0.05


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", default="results/small_val.csv")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "snakemake", given.target, "--cores", "1"]
        command += ["--snakefile", str(REPOSITORY / "Snakefile")]
        peaks = watch(command, Path(name))
    torch_mib = peak_of([sys.executable, "-c", "import torch, torchvision; input()"])
    print(f"{'stage':20s} {'jobs':>5s} {'peak MiB':>9s} {'of torch':>9s} {'longest s':>10s}")
    for stage, jobs in sorted(peaks.items(), key=lambda item: -max(mib for mib, _ in item[1])):
        mib, sec = max(mib for mib, _ in jobs), max(sec for _, sec in jobs)
        print(f"{stage:20s} {len(jobs):5d} {mib:9.0f} {mib / torch_mib:8.1f}x {sec:10.1f}")
    print(f"{'torch alone':20s} {'':5s} {torch_mib:9.0f}")


def watch(command: Sequence[str], folder: Path) -> dict[str, list[tuple[float, float]]]:
    """MiB and seconds of each `aia` command that `command` starts in `folder`, by what it does."""
    peaks: dict[int, tuple[str, float, float, float]] = {}
    with open(folder / "snakemake.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
        while process.poll() is None:
            for job, stage in commands_in(folder).items():
                mib = high_water_mib(job)
                _, before, first, _ = peaks.get(job, (stage, 0.0, time.monotonic(), 0.0))
                peaks[job] = stage, max(mib, before), first, time.monotonic()
            time.sleep(TICK_SEC)
        if process.returncode:
            raise SystemExit((folder / "snakemake.log").read_text())
    by_stage = collections.defaultdict(list)
    for stage, mib, first, last in peaks.values():
        by_stage[stage].append((mib, last - first))
    return by_stage


def commands_in(folder: Path) -> dict[int, str]:
    """The `aia` commands that run in a folder, by their processes."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
            inside = (process / "cwd").resolve() == folder.resolve()
        except OSError:  # it ended meanwhile
            continue
        if inside and len(words) > 3 and words[1].endswith("/aia"):
            nested = words[2] in ("evaluate", "figure", "boxes", "weights", "fetch", "prepare")
            found[int(process.name)] = " ".join(words[2 : 4 if nested else 3])
    return found


def high_water_mib(process: int) -> float:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024 if "VmHWM:" in status else 0.0


def peak_of(command: Sequence[str]) -> float:
    """Peak memory of a process that waits for input when it is done."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    peak, before = 0.0, -1.0
    while peak > before or peak < 100:
        time.sleep(1.0)
        before, peak = peak, high_water_mib(process.pid)
    process.communicate(b"\n")
    return peak


if __name__ == "__main__":
    main()
