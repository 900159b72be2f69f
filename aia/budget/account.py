"""The account of a target: for each rule and all together, and the rates that it assumes."""

import os
from collections.abc import Sequence
from typing import NamedTuple

from aia.budget.estimate import Estimator
from aia.budget.rates import Rate, Rates
from aia.budget.schedule import Schedule, Task, schedule
from aia.budget.work import GIGA, Work
from aia.log import duration
from aia.plan import Job, Project, resources

DOWNLOADS = 4
"""Downloads at once, as the profiles have it."""


class Row(NamedTuple):
    """The jobs of one rule, or of all; memory is the largest job's, on one node and one GPU."""

    rule: str
    jobs: int
    core_hours: float
    gpu_hours: float
    """Hours that jobs hold a GPU, also while they wait for clips."""
    memory_gb: float
    gpu_memory_gb: float
    disk_gb: float


class Account(NamedTuple):
    """What targets take."""

    rows: list[Row]
    """By rule, in the order of the jobs; the last is of all."""
    schedule: Schedule
    chain: list[str]
    """The rules of the longest chain."""
    cores: int
    gpus: int
    downloads: list[float]
    """Bytes of each download."""
    notes: list[str]
    rates: dict[str, Rate]
    """Rates that were used."""


def account_of(
    project: Project, targets: Sequence[str], *, rates: Rates, cores: int, gpus: int | None
) -> Account:
    """Estimate all jobs of targets whose files are not there yet.

    Args:
        project: The settings of all data sets.
        targets: Files to be made.
        rates: Speeds and sizes.
        cores: Cores of the machine, or of all that run jobs at the same time.
        gpus: GPUs; 0: networks run on cores; None: those that the settings ask for here.

    Raises:
        InputError: A target is made by no rule, or its settings or data cannot be read.
    """
    plan = project.plan(targets)
    jobs = _known(plan.jobs)
    here = max([_gpus_here(project, job) for job in jobs], default=0)
    gpus = here if gpus is None else gpus
    is_here = (gpus > 0) == (here > 0)  # else finished jobs were computed on something else
    estimator = Estimator(project, rates, cores=cores, gpus=gpus, is_here=is_here)
    works = [estimator.work(job.rule, job.wildcards) for job in jobs]
    overhead = rates["job.overhead"] if jobs else 0.0
    made = {path: number for number, job in enumerate(jobs) for path in job.makes}
    tasks = [
        Task(
            overhead + work.seconds,
            (_threads(project, job), work.gpus, int((work.download_sec or 0) > 0)),
            sorted({made[file] for file in _files(job) if file in made}),
        )
        for job, work in zip(jobs, works, strict=True)
    ]
    found = schedule(tasks, (cores, gpus, DOWNLOADS))
    of_rules: dict[str, list[Work]] = {}
    for job, work in zip(jobs, works, strict=True):
        of_rules.setdefault(job.rule, []).append(work)
    rows = [_row(rule, some, overhead) for rule, some in of_rules.items()]
    notes = list(estimator.notes)
    if plan.waits_for:
        done = f"results/fetched/{plan.waits_for}.done"
        notes.insert(
            0,
            f"which further jobs there are is known when the tables of {plan.waits_for} are "
            f"downloaded: this account ends there; make {done} first, then ask again",
        )
    return Account(
        rows=[*rows, _row("all", works, overhead)],
        schedule=found,
        chain=[jobs[number].rule for number in found.chain],
        cores=cores,
        gpus=gpus,
        downloads=[work.disk for work in works if work.download_sec is not None],
        notes=notes,
        rates=dict(rates.used),
    )


def _files(job: Job) -> list[str]:
    return [file for files in job.needs.values() for file in files]


def _known(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs without those that wait for jobs that are not known yet."""
    known: list[Job] = []
    made: set[str] = set()
    for job in jobs:
        if all(file in made or os.path.exists(file) for file in _files(job)):
            known.append(job)
            made.update(job.makes)
    return known


def _gpus_here(project: Project, job: Job) -> int:
    """Return the GPUs that a job would get on this machine."""
    if "dataset" not in job.wildcards:
        return 0
    settings = project.data(job.wildcards["dataset"]).settings
    return resources.training_gpus(settings) if job.rule == "train" else resources.gpus(settings)


def _threads(project: Project, job: Job) -> int:
    data = project.data(job.wildcards.get("dataset", project.default))
    return resources.threads(job.rule, data.settings)


def _row(rule: str, works: Sequence[Work], overhead: float) -> Row:
    return Row(
        rule=rule,
        jobs=len(works),
        core_hours=sum(overhead + work.all_core_sec for work in works) / 3600,
        gpu_hours=sum(work.gpus * (overhead + work.seconds) for work in works) / 3600,
        memory_gb=max([work.memory for work in works], default=0.0) / GIGA,
        gpu_memory_gb=max([work.gpu_memory for work in works], default=0.0) / GIGA,
        disk_gb=sum(work.disk for work in works) / GIGA,
    )


def account_lines(targets: Sequence[str], account: Account) -> list[str]:
    """Return the account as lines of text."""
    total, names = account.rows[-1], " ".join(targets)
    if not total.jobs:
        return [f"{names}: nothing to be done"]
    machine = f"{account.cores} core{'s' * (account.cores != 1)}"
    if account.gpus:
        machine += f" and {account.gpus} GPU{'s' * (account.gpus != 1)}"
    longest = max(20, *(len(row.rule) for row in account.rows))
    lines = [
        f"{names}: {total.jobs} job{'s' * (total.jobs != 1)}, about "
        f"{duration(account.schedule.wall_sec)} on {machine}",
        "",
        f"{'':{longest}s}{'jobs':>6s}{'core hours':>12s}{'GPU hours':>12s}{'memory':>10s}"
        f"{'GPU memory':>12s}{'disk':>10s}",
    ]
    lines += [
        f"{row.rule:{longest}s}{row.jobs:6d}{_hours(row.core_hours):>12s}{_hours(row.gpu_hours):>12s}"
        f"{_gb(row.memory_gb):>10s}{_gb(row.gpu_memory_gb):>12s}{_gb(row.disk_gb):>10s}"
        for row in account.rows
    ]
    chain = " > ".join(account.chain)
    lines += ["", f"longest chain: {chain}, {duration(account.schedule.chain_sec)}"]
    if account.downloads:
        size = _gb(sum(account.downloads) / GIGA) or "an unknown size"
        lines.append(f"downloads: {len(account.downloads)}, {size}, part of the disk above")
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
    """Write hours, or nothing.

    >>> _hours(0.0), _hours(0.001), _hours(0.294), _hours(123.4)
    ('', '<0.01', '0.29', '123')
    """
    if not hours:
        return ""
    if hours < 0.01:
        return "<0.01"
    return f"{hours:.2f}" if hours < 100 else f"{hours:.0f}"


def _gb(gigabytes: float) -> str:
    """Write bytes in a unit that fits, or nothing.

    >>> _gb(0.0), _gb(0.0124), _gb(1.31), _gb(207.4)
    ('', '12 MB', '1.3 GB', '207 GB')
    """
    if not gigabytes:
        return ""
    if gigabytes < 0.1:
        return f"{max(1000 * gigabytes, 1):.0f} MB"
    return f"{gigabytes:.1f} GB" if gigabytes < 100 else f"{gigabytes:.0f} GB"
