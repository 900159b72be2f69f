"""How long the workflow plans AVA v2.2's table and all six parts of Table 1, before it starts.

    python -m benchmarks.dry_run                       # AVA's 299 films
    python -m benchmarks.dry_run --films 299 3000      # and ten times as many

The films and annotations are made up: every film is an empty file, with a row for each of its 897
seconds and four persons, as AVA has on average. Nothing is run. What is printed is the best of
`--rounds` rounds, and its ratio to `snakemake --version`, which is what starting it alone costs.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
TARGETS = [
    "results/ava_v22_val.csv",
    *(f"results/ava_v22/table1{letter}.csv" for letter in "abcdef"),
]
BACKBONES = ("slowfast_r50_4x16", "slowfast_r101_8x8")
PERSONS = 4


def write_films(folder: Path, films: int) -> None:
    """What `results/ava_v22_val.csv` finds once all is fetched; 235 of 299 are to train on."""
    ids = [f"{'-_aZ'[i % 4]}{i:04d}x{i % 7}B_-" for i in range(films)]
    training = round(films * 235 / 299)
    splits = {"train": ids[:training], "val": ids[training:], "test": []}
    tables = folder / "data" / "ava" / "v2.2"
    tables.mkdir(parents=True)
    seconds = range(902, 1799)
    for split, videos in splits.items():
        (tables / f"ava_{split}_excluded_timestamps_v2.2.csv").write_text("")
        with open(tables / f"ava_{split}_v2.2.csv", "w") as file:
            for video in videos:
                file.writelines(
                    f"{video},{second:04d},0.077,0.151,0.{person + 3}83,0.811,80,{person}\n"
                    for second in seconds
                    for person in range(PERSONS)
                )
    classes = ('label { name: "stand" label_id: 12 }\n', 'label { name: "watch" label_id: 80 }\n')
    for name in ("ava_action_list_v2.2.pbtxt", "ava_action_list_v2.2_evaluated.pbtxt"):
        (tables / name).write_text("".join(classes))
    included = "".join(f"{second:04d}\n" for second in seconds)
    (tables / "ava_included_timestamps_v2.2.txt").write_text(included)
    for split, names in (("trainval", ids), ("test", ["unlabelled"])):
        listed = "".join(f"{video}.mp4\n" for video in names)
        (tables / f"ava_file_names_{split}_v2.1.txt").write_text(listed)
    for group, names in {
        "ava/films": [f"{video}.mp4" for video in [*ids, "unlabelled"]],
        "detectors": ["e2e_faster_rcnn_X_101_32x8d_FPN_1x.pth"],
        "backbones": [f"{backbone}.safetensors" for backbone in BACKBONES],
    }.items():
        (folder / "data" / group).mkdir(exist_ok=True)
        for name in names:
            (folder / "data" / group / name).touch()


def timed(arguments: Sequence[str], cwd: Path) -> tuple[float, float, str]:
    """Wall and CPU seconds of a call of snakemake, and what it says."""
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "snakemake", *arguments]
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = subprocess.run(command, cwd=cwd, env=environment, text=True, capture_output=True)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    said = result.stdout + result.stderr
    if result.returncode != 0:
        raise SystemExit(
            f"snakemake {' '.join(arguments)}: exit status {result.returncode}\n{said}"
        )
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, said


def main(argv: Sequence[str] | None = None) -> int:
    """Plan each size and print its jobs and seconds; the exit status is 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--films", type=int, nargs="+", default=[299])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(argv)
    plan = ["--snakefile", str(REPOSITORY / "Snakefile"), "-n", "--quiet", "rules", "--", *TARGETS]
    print("films   jobs  wall s   CPU s  /start")
    for films in options.films:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_films(folder, films)
            starts, plans = [], []
            for _ in range(options.rounds):
                starts.append(timed(["--version"], folder)[0])
                plans.append(timed(plan, folder))
            wall, cpu, said = min(plans)
            jobs = re.findall(r"^total +(\d+)$", said, flags=re.MULTILINE)
            print(
                f"{films:5} {jobs[0]:>6} {wall:7.1f} {cpu:7.1f} {wall / min(starts):7.1f}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
