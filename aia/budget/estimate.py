"""What each job takes on a machine: as finished jobs of its kind took, else by the rates.

Finished jobs are known by the files that Snakemake's `benchmark:` wrote beside their logs.
"""

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aia.budget.amounts import AMOUNTS, small
from aia.budget.facts import Facts
from aia.budget.rates import Rate, Rates
from aia.budget.work import OneJob, Work
from aia.errors import InputError
from aia.plan import RULES, Project
from aia.plan.project import as_pattern

BENCHMARKS = {
    "store_frames": "logs/{dataset}/store_frames/{part}.benchmark.tsv",
    "finetune_detector": "logs/{dataset}/finetune_detector.benchmark.tsv",
    "detect_boxes": "logs/{dataset}/detect_boxes/{part}.benchmark.tsv",
    "extract_objects": "logs/{dataset}/extract_objects/{part}.benchmark.tsv",
    "train": "logs/{dataset}/train/{run}.benchmark.tsv",
    "score_detected": "logs/{dataset}/score_detected/{run}{view}.benchmark.tsv",
    "score_groundtruth": "logs/{dataset}/score_groundtruth/{run}{view}.benchmark.tsv",
    "score_test": "logs/{dataset}/score_test/{run}{view}.benchmark.tsv",
}
"""The benchmark files of the expensive rules, as workflow/rules/ declares them."""


class Measured(NamedTuple):
    """What finished jobs of a rule and data set took."""

    factor: float
    """Their time, as a multiple of what the rates say."""
    memory: float
    """Bytes of the largest."""


class Estimator:
    """Estimates jobs on a machine.

    Args:
        project: The settings of all data sets.
        rates: Speeds and sizes; afterwards they know which were used.
        cores: Cores of the machine.
        gpus: GPUs of the machine; 0: networks run on cores.
        is_here: False: another machine, on which no job was finished yet.
    """

    def __init__(
        self, project: Project, rates: Rates, *, cores: int, gpus: int, is_here: bool
    ) -> None:
        self.project, self.rates = project, rates
        self.cores, self.gpus, self.is_here = cores, gpus, is_here
        self.notes: list[str] = []
        """What had to be assumed, in words."""

    def work(self, rule: str, wildcards: Mapping[str, str]) -> Work:
        """Estimate a job.

        Raises:
            InputError: Its data set's annotations, the model that it scores, or the benchmark of
                a finished job cannot be read.
        """
        work = self.by_rates(rule, wildcards)
        taken = self.taken(rule, wildcards["dataset"]) if rule in BENCHMARKS else None
        if taken is None:
            return work
        return work._replace(factor=taken.factor, memory=taken.memory or work.memory)

    def by_rates(self, rule: str, wildcards: Mapping[str, str]) -> Work:
        """Estimate a job as if no other was finished."""
        job = OneJob(
            rule=rule,
            wildcards=wildcards,
            facts=self.facts(wildcards.get("dataset", self.project.default)),
            rates=self.rates,
            cores=self.cores,
            gpus=self.gpus,
            note=self.note,
        )
        return AMOUNTS.get(rule, small)(job)

    @functools.cache  # noqa: B019 (one object, for as long as the program runs)
    def facts(self, dataset: str) -> Facts:
        """Return what is known of a data set."""
        return Facts(self.project.data(dataset), self.rates, self.note)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    @functools.cache  # noqa: B019
    def taken(self, rule: str, dataset: str) -> Measured | None:
        """Compare finished jobs of a rule and data set with the rates; None: there are none.

        A job counts while its files are there: Snakemake deletes those of a job that starts again.
        """
        pattern = as_pattern(BENCHMARKS[rule])
        folder = Path(BENCHMARKS[rule].replace("{dataset}", dataset)).parent
        seconds, expected, memory = [], [], []
        for path in sorted(folder.glob("*.benchmark.tsv")) if self.is_here else ():
            found = pattern.fullmatch(path.as_posix())
            wildcards = found.groupdict() if found else {}
            made = [file.format(**wildcards) for file in RULES[rule].makes] if found else [""]
            if not all(map(os.path.exists, made)):
                continue
            try:
                expected.append(self.by_rates(rule, wildcards).seconds)
            except InputError:  # a part or a run that the settings do not have any more
                continue
            table = read_benchmark(path)
            seconds.append(table["s"].mean())
            memory.append(1e6 * table["max_rss"].max())
        if not expected:
            return None
        factor = sum(seconds) / sum(expected)
        self.rates.used[f"{rule}.{dataset}"] = Rate(
            factor, "of the time by the rates", f"{len(expected)} finished jobs, {folder}/"
        )
        return Measured(factor, max(memory))


def read_benchmark(path: Path) -> pd.DataFrame:
    """Read the seconds and the memory in MB of a job.

    Raises:
        InputError: It is no benchmark file of Snakemake.
    """
    try:
        table = pd.read_csv(path, sep="\t", na_values="-")[["s", "max_rss"]].astype(float)
        if not table["s"].gt(0).all() or table.empty:
            raise ValueError("s is not above 0")
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{path}: not a benchmark of Snakemake ({error}); expected columns s and max_rss; "
            "delete the file to do without it"
        ) from None
    return table.fillna({"max_rss": 0.0})
