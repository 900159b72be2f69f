"""The account of planned jobs: for each rule and all together, and the rates that it assumes."""

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple

from aia.budget.facts import Facts
from aia.budget.jobs import Job, Parse, needed_jobs, options_of
from aia.budget.perceive import (
    detecting_work,
    drawing_work,
    finetuning_work,
    remembering_work,
    storing_work,
)
from aia.budget.rates import Rate, Rates
from aia.budget.schedule import Plan, Task, schedule
from aia.budget.speeds import GIGA, Speeds, Work
from aia.log import duration


class Row(NamedTuple):
    """The jobs of one rule, or of all; memory is the largest job's, on one node and one GPU."""

    rule: str
    jobs: int
    core_hours: float
    gpu_hours: float
    """That jobs hold one, also while they wait for clips."""
    memory_gb: float
    asked_gb: float
    """Memory that the largest job asks a cluster for."""
    gpu_memory_gb: float
    disk_gb: float


class Account(NamedTuple):
    """What a target takes."""

    rows: list[Row]
    """By rule, in the order of the plan; the last is of all."""
    plan: Plan
    chain: list[str]
    """The rules of the longest chain."""
    cores: int
    gpus: int
    notes: list[str]
    rates: dict[str, Rate]
    """Those that were used."""


def account_of(
    jobs: Sequence[Job], *, parse: Parse, rates: Rates, cores: int, gpus: int
) -> Account:
    """What planned jobs take.

    Args:
        jobs: From `planned_jobs`.
        parse: Reads the words of an `aia` command.
        rates: Speeds and sizes; afterwards they know which were used.
        cores: Of the machine, or of all that run jobs at the same time.
        gpus: Likewise; 0: networks run on cores.

    Raises:
        InputError: a command or its settings cannot be read.
    """
    options = [options_of(job, parse) for job in jobs]
    commands = [one for one in options if one is not None]
    facts, speeds = Facts(commands, rates), Speeds(rates, gpu=gpus > 0)
    works = [command_work(one, commands, facts, speeds) for one in options]
    lasting = [
        work.seconds(min(_computing_threads(job, one), cores))
        for job, one, work in zip(jobs, options, works, strict=True)
    ]
    tasks = [
        Task(seconds, min(job.threads, cores), work.gpus, before)
        for job, seconds, work, before in zip(jobs, lasting, works, needed_jobs(jobs), strict=True)
    ]
    plan = schedule(tasks, cores=cores, gpus=gpus)
    rules = dict.fromkeys(jobs[number].rule for number in reversed(_in_order(tasks)))
    every = list(zip(jobs, works, lasting, strict=True))
    rows = [_row(rule, [one for one in every if one[0].rule == rule]) for rule in reversed(rules)]
    rows.append(_row("all", every))
    return Account(
        rows=rows,
        plan=plan,
        chain=[jobs[number].rule for number in plan.chain],
        cores=cores,
        gpus=gpus,
        notes=[*_unknown(jobs), *_too_few_gpus(jobs, works, gpus), *facts.notes],
        rates=dict(rates.used),
    )


def command_work(
    options: argparse.Namespace | None,
    commands: Sequence[argparse.Namespace],
    facts: Facts,
    speeds: Speeds,
) -> Work:
    """What one command takes; None: it is none of `aia`.

    Args:
        options: Its options.
        commands: All planned ones.
        facts: The data that they meet.
        speeds: Of the device.
    """
    name = options.run.__name__ if options else ""
    simple: dict[str, Callable[[argparse.Namespace, Facts, Speeds], Work]] = {
        "playhouse": drawing_work,
        "frames": storing_work,
        "finetune_detector": finetuning_work,
        "detect": detecting_work,
        "remember_objects": remembering_work,
    }
    if options is not None and name in simple:
        return simple[name](options, facts, speeds)
    if options is not None and name in ("train", "score", "cost", "evaluate_ava"):
        from aia.budget import understand  # brings torch

        if name == "score":
            trained = understand.trained_run(options.model, commands)
            return understand.scoring_work(options, facts, speeds, trained)
        kinds = {
            "train": understand.training_work,
            "cost": understand.cost_work,
            "evaluate_ava": understand.evaluation_work,
        }
        return kinds[name](options, facts, speeds)
    memory = speeds.rates["memory.small"] * GIGA
    return Work(start_sec=speeds.start("small"), memory_bytes=memory)


def _computing_threads(job: Job, options: argparse.Namespace | None) -> int:
    """Those of a job's threads that compute; the others are for its workers, which load clips."""
    return min(getattr(options, "threads", None) or job.threads, job.threads)


def _row(rule: str, jobs: Sequence[tuple[Job, Work, float]]) -> Row:
    def most(values: list[float]) -> float:
        return max(values, default=0.0) / GIGA

    works = [work for _, work, _ in jobs]
    held = [work.gpus * seconds for _, work, seconds in jobs]
    return Row(
        rule=rule,
        jobs=len(jobs),
        core_hours=sum(work.all_core_sec for work in works) / 3600,
        gpu_hours=sum(held) / 3600,
        memory_gb=most([work.memory_bytes for work in works]),
        asked_gb=max((job.mem_mb for job, _, _ in jobs), default=0) / 1000,
        gpu_memory_gb=most([work.gpu_bytes for work in works]),
        disk_gb=sum(work.disk_bytes for work in works) / GIGA,
    )


def _in_order(tasks: Sequence[Task]) -> list[int]:
    """The tasks, each after those that it waits for."""
    depth = [0] * len(tasks)
    changed = True
    while changed:
        changed = False
        for number, task in enumerate(tasks):
            deeper = 1 + max((depth[i] for i in task.after), default=-1)
            if deeper > depth[number]:
                depth[number], changed = deeper, True
    return sorted(range(len(tasks)), key=depth.__getitem__)


def _unknown(jobs: Sequence[Job]) -> list[str]:
    return [
        f"what follows {job.rule} is known when it has run: this account ends there; make "
        f"{job.output[0]} first, then ask again"
        for job in jobs
        if job.checkpoint
    ]


def _too_few_gpus(jobs: Sequence[Job], works: Sequence[Work], gpus: int) -> list[str]:
    """What is said of jobs that hold more GPUs at once than there are."""
    most = {job.rule: work.gpus for job, work in zip(jobs, works, strict=True) if work.gpus > gpus}
    return [
        f"{rule} is for {count} GPUs at once (train.processes on train.nodes), and there are "
        f"{gpus}: the times are those with {count}"
        for rule, count in most.items()
    ]


def account_lines(targets: Sequence[str], account: Account) -> list[str]:
    """The account as lines of text."""
    total, names = account.rows[-1], " ".join(targets)
    if not total.jobs:
        return [f"{names}: nothing to be done"]
    machine = f"{account.cores} core{'s' * (account.cores != 1)}"
    if account.gpus:
        machine += f" and {account.gpus} GPU{'s' * (account.gpus != 1)}"
    lines = [
        f"{names}: {total.jobs} job{'s' * (total.jobs != 1)}, about "
        f"{duration(account.plan.wall_sec)} on {machine}",
        "",
        f"{'':20s}{'jobs':>6s}{'core hours':>12s}{'GPU hours':>12s}{'memory':>10s}"
        f"{'asked for':>11s}{'GPU memory':>12s}{'disk':>10s}",
    ]
    lines += [
        f"{row.rule:20s}{row.jobs:6d}{_hours(row.core_hours):>12s}{_hours(row.gpu_hours):>12s}"
        f"{_gb(row.memory_gb):>10s}{_gb(row.asked_gb):>11s}{_gb(row.gpu_memory_gb):>12s}"
        f"{_gb(row.disk_gb):>10s}"
        for row in account.rows
    ]
    lines += [
        "",
        f"longest chain: {' > '.join(account.chain)}, {duration(account.plan.chain_sec)}",
    ]
    lines += [f"note: {note}" for note in account.notes]
    guessed = sum("assumed" in rate.source for rate in account.rates.values())
    lines += ["", f"rates, {guessed} of {len(account.rates)} assumed without a measurement:"]
    width = max(len(name) for name in account.rates)
    lines += [
        f"  {name:{width}s}  {rate.value:8.4g} {rate.unit}; {rate.source}"
        for name, rate in account.rates.items()
    ]
    return lines


def _hours(hours: float) -> str:
    """Hours, or nothing.

    >>> _hours(0.0), _hours(0.001), _hours(0.294), _hours(123.4)
    ('', '<0.01', '0.29', '123')
    """
    if not hours:
        return ""
    if hours < 0.01:
        return "<0.01"
    return f"{hours:.2f}" if hours < 100 else f"{hours:.0f}"


def _gb(gigabytes: float) -> str:
    """Bytes in a unit that fits, or nothing.

    >>> _gb(0.0), _gb(0.0124), _gb(1.31), _gb(207.4)
    ('', '12 MB', '1.3 GB', '207 GB')
    """
    if not gigabytes:
        return ""
    if gigabytes < 0.1:
        return f"{max(1000 * gigabytes, 1):.0f} MB"
    return f"{gigabytes:.1f} GB" if gigabytes < 100 else f"{gigabytes:.0f} GB"
