"""What finished jobs took: the files that Snakemake's `benchmark:` wrote beside the logs."""

import os
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aia.budget.rates import Rate
from aia.budget.work import Estimator
from aia.errors import InputError
from aia.plan import RULES
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


def measured(estimator: Estimator, rule: str, dataset: str) -> Measured | None:
    """Compare finished jobs of a rule and data set with the rates; None: there are none.

    A job counts while its files are there: Snakemake deletes those of a job that begins anew.
    """
    if rule not in BENCHMARKS:
        return None
    pattern = as_pattern(BENCHMARKS[rule])
    folder = Path(BENCHMARKS[rule].replace("{dataset}", dataset)).parent
    taken = expected = memory = 0.0
    count = 0
    for path in sorted(folder.glob("*.benchmark.tsv")):
        found = pattern.fullmatch(path.as_posix())
        if found is None:
            continue
        wildcards = found.groupdict()
        made = [file.format(**wildcards) for file in RULES[rule].makes]
        try:
            if not all(map(os.path.exists, made)):
                continue
            expected += estimator.work(rule, wildcards).seconds
        except InputError:  # of other settings: a part, a view or a run that there is no more
            continue
        table = read_benchmark(path)
        taken += table["s"].mean()
        memory = max(memory, 1e6 * table["max_rss"].max())
        count += 1
    if not count:
        return None
    factor = taken / expected
    estimator.rates.used[f"{rule}.{dataset}"] = Rate(
        factor, "of the time by the rates below", f"{count} finished jobs, {folder}/"
    )
    return Measured(factor, memory)


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
