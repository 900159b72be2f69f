"""The planned jobs: commands, each with its files, threads and what it asks for.

Who plans them is no matter here: anything that prints a JSON object a line (see workflow/jobs.py).
"""

import argparse
import itertools
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aia.errors import InputError

UNKNOWN = "<TBD>"
"""Stands in a plan for what is known only when a checkpoint has run."""

Parse = Callable[[Sequence[str]], argparse.Namespace]
"""The words of an `aia` command, without the first -> its options; `run` is its function."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One planned job."""

    rule: str
    command: str
    """As the shell gets it."""
    input: tuple[str, ...] = ()
    output: tuple[str, ...] = ()
    threads: int = 1
    mem_mb: int = 0
    """Memory that it asks for."""
    gpu: int = 0
    checkpoint: bool = False
    """Whether further jobs will be known only when it has run."""


def read_jobs(lines: Iterable[str], *, source: str) -> list[Job]:
    """Jobs from JSON lines; `source` is named in errors."""
    jobs = []
    for number, line in enumerate(lines, start=1):
        try:
            found = json.loads(line)
            resources = found.get("resources", {})
            job = Job(
                rule=str(found["rule"]),
                command=str(found["command"]),
                input=tuple(map(str, found["input"])),
                output=tuple(map(str, found["output"])),
                threads=max(int(found.get("threads", 1)), 1),
                mem_mb=int(resources.get("mem_mb", 0)),
                gpu=int(resources.get("gpu", 0)),
                checkpoint=bool(found.get("checkpoint", False)),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(
                f"{source}, line {number}: not a job ({type(error).__name__}: {error}); expected a "
                "JSON object with rule, command, input, output, as workflow/jobs.py prints them"
            ) from None
        jobs.append(job)
    return jobs


def planned_jobs(planner: Path, targets: Sequence[str], *, options: Sequence[str]) -> list[Job]:
    """The jobs that `targets` still need, as far as they can be known.

    Args:
        planner: A Python program that prints jobs as JSON lines and ends with 0, or says on
            standard error why it cannot.
        targets: Files to be made.
        options: More words for the planner.

    Raises:
        InputError: The planner is missing, or the targets cannot be made.
    """
    if not planner.is_file():
        raise InputError(
            f"{planner}: there is no such planner of jobs; is --workflow the folder of the "
            "repository, with Snakefile and workflow/?"
        )
    said = subprocess.run(
        [sys.executable, str(planner), *targets, *options], capture_output=True, text=True
    )
    if said.returncode:
        reason = " ".join(said.stderr.split()) or f"it ended with {said.returncode}"
        raise InputError(f"{' '.join(targets)}: cannot be planned: {reason}")
    return known_jobs(read_jobs(said.stdout.splitlines(), source=planner.name))


def known_jobs(jobs: Sequence[Job]) -> list[Job]:
    """The jobs without those that wait for a checkpoint to say what they are made from."""
    waits = needed_jobs(jobs)
    unknown = {n for n, job in enumerate(jobs) if UNKNOWN in job.input or UNKNOWN in job.command}
    while more := {n for n, before in enumerate(waits) if before & unknown} - unknown:
        unknown |= more
    return [job for number, job in enumerate(jobs) if number not in unknown]


def options_of(job: Job, parse: Parse) -> argparse.Namespace | None:
    """The options of a job's `aia` command; None: it runs something else.

    What starts the command on each of several nodes may stand before it.
    """
    words = shlex.split(re.sub(r"\s\d?>+\s?\S+$", "", job.command))
    if words[:1] == ["srun"]:
        words = list(itertools.dropwhile(lambda word: word != "aia", words))
    if words[:1] != ["aia"]:
        return None
    try:
        return parse(words[1:])
    except SystemExit:
        raise InputError(f"{job.rule}: '{job.command[:80]}...' is no command of aia") from None


def producers(jobs: Sequence[Job]) -> dict[str, int]:
    """Which job makes a file, by its path."""
    return {path: number for number, job in enumerate(jobs) for path in job.output}


def needed_jobs(jobs: Sequence[Job]) -> list[set[int]]:
    """For each job the jobs that it waits for: those that make its input, or a folder of it."""
    maker = producers(jobs)
    waits = []
    for number, job in enumerate(jobs):
        found = set()
        for path in job.input:
            for name in (path, *map(str, Path(path).parents)):
                if name in maker and maker[name] != number:
                    found.add(maker[name])
                    break
        waits.append(found)
    return waits
