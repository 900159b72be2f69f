"""All of config.yaml: its sections as frozen types, each with what its values must fulfil.

Numbers stand in config.yaml alone: no field has a default here. A part of the program takes its
own section, never the whole. Here are the sections about results, and the whole of them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from aia.config.backbones import BackboneConfig
from aia.config.building import suggestion
from aia.config.checks import at_least, each_at_least, once_each, share
from aia.config.data import (
    CheckConfig,
    DataConfig,
    DetectorConfig,
    FetchConfig,
    FramesConfig,
    PlayhouseConfig,
)
from aia.config.rows import parse_row
from aia.config.runs import parse_run, with_seed
from aia.config.training import (
    LossConfig,
    MemoryConfig,
    NetworkConfig,
    ScoreConfig,
    TrainConfig,
)
from aia.errors import InputError

# A stage whose output would change with the code, not the settings, counts up here: its number
# is a parameter of the stage's rule, so that its outputs are made anew.
STAGE_VERSIONS = {
    "playhouse": 1,
    "prepare": 1,
    "frames": 2,
    "detector": 1,
    "train": 2,
    "score": 1,
}

# Settings that say how a machine works, not what comes out: a change makes nothing anew.
MACHINE_SETTINGS = {
    "train": (
        "log_every",
        "validate_every",
        "checkpoint_every",
        "keep_checkpoints",
        "workers",
        "threads",
        "processes",
        "nodes",
        "device",
    ),
    "score": ("workers",),
}


@dataclass(frozen=True, kw_only=True)
class FuseConfig:
    """Means of scores: of a run's views (multi-scale testing), and of the runs of ensembles."""

    mean: Literal["arithmetic", "geometric"]
    short_sides: tuple[int, ...]
    flip: bool
    ensembles: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        each_at_least(self, 16, "short_sides")
        once_each("short_sides", self.short_sides)
        for name, runs in self.ensembles.items():
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise ValueError(f"ensembles: '{name}' is not a name of a-z, 0-9 and _")
            once_each(f"ensembles.{name}", runs)
            for run in runs:
                parse_run(run)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """The rules of the score."""

    protocol: Literal["paper", "activitynet", "slowfast", "mmaction", "acar"]
    tube_protocol: Literal["voc", "yowo", "act"]
    frames: Literal["all", "annotated"]
    iou: float
    noun_prior: bool

    def __post_init__(self) -> None:
        share(self, "iou")


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Rows of a table: runs without seed or ensembles, perhaps multi-scale; and the runs' seeds."""

    seeds: tuple[int, ...]
    runs: tuple[str, ...] | dict[str, str | None]
    """Rows (`rows.py`), or rows by the paper's name of them; a row that is null is left out."""

    def __post_init__(self) -> None:
        if not self.seeds or not self.rows:
            raise ValueError("needs at least one of seeds and runs")
        for row in self.rows:
            parse_row(row)

    @property
    def rows(self) -> dict[str, str]:
        """What the paper calls each row, by the row; empty where it has no such row."""
        if isinstance(self.runs, tuple):
            return dict.fromkeys(self.runs, "")
        return {run: row for row, run in self.runs.items() if run}


@dataclass(frozen=True, kw_only=True)
class SubmissionsConfig(TableConfig):
    """Rows whose scores of the films without labels are submitted together."""

    paper_data: str | None


@dataclass(frozen=True, kw_only=True)
class AblationsConfig:
    """What the rows of Table 1 have in common."""

    backbone: str
    variant: str | None
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("seeds: needs at least one")

    def run(self, row: str) -> str:
        """The run of a row, without its seed.

        >>> AblationsConfig(backbone="c2d", variant="paper", seeds=(0,)).run("serial-PO-none")
        'c2d-serial-PO-none-paper'
        """
        return "-".join(filter(None, (self.backbone, row, self.variant)))


@dataclass(frozen=True, kw_only=True)
class Figure5Config:
    """Which training steps are measured by their reach L."""

    clips: int
    reaches: tuple[int, ...]
    joint: tuple[int, ...]

    def __post_init__(self) -> None:
        at_least(self, clips=1)
        each_at_least(self, 0, "reaches", "joint")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of config.yaml."""

    dataset: str
    videos_per_job: int
    """Videos that one job of the workflow stores or looks at, each with files of its own."""
    playhouse: PlayhouseConfig
    fetch: FetchConfig
    data: DataConfig
    frames: FramesConfig
    check: CheckConfig
    detector: DetectorConfig
    backbones: dict[str, BackboneConfig]
    network: NetworkConfig
    memory: MemoryConfig
    loss: LossConfig
    train: TrainConfig
    score: ScoreConfig
    fuse: FuseConfig
    evaluate: EvaluateConfig
    variants: dict[str, dict[str, Any]]
    paper_data: str | None
    paper_table: str | None
    results: TableConfig
    submissions: SubmissionsConfig | None
    figure5: Figure5Config
    ablations: AblationsConfig
    table1a: dict[str, str | None]
    table1b: dict[str, str | None]
    table1c: dict[str, str | None]
    table1d: dict[str, str | None]
    table1e: dict[str, str | None]
    table1f: dict[str, str | None]

    def __post_init__(self) -> None:
        check_name(self.dataset, "dataset")
        at_least(self, videos_per_job=1)
        for name, table in (("results", self.results), ("submissions", self.submissions)):
            for row in table.rows if table else ():
                self._check_row(f"{name}.runs: '{row}'", row)
        ablated = [with_seed(row, 0) for row in self._ablated()]
        runs = (*self.runs("results"), *(self.runs("submissions") if self.submissions else ()))
        for run in chain(runs, ablated, *self.fuse.ensembles.values()):
            backbone = parse_run(run).backbone
            if backbone not in self.backbones:
                raise ValueError(
                    f"{run}: backbone '{backbone}' is not one of backbones "
                    f"({', '.join(self.backbones)})"
                )

    def table(self, name: str) -> TableConfig:
        """`results`, `submissions`, or a part of Table 1 such as `table1a`."""
        if name == "results":
            return self.results
        if name == "submissions":
            if self.submissions is None:
                raise InputError(
                    f"submissions: is null in the settings of {self.dataset}; a list of them needs "
                    "its rows"
                )
            return self.submissions
        rows = {row: self.ablations.run(run) for row, run in getattr(self, name).items() if run}
        if not rows:
            raise InputError(f"{name}: all of its rows are null in the settings of {self.dataset}")
        return TableConfig(seeds=self.ablations.seeds, runs=dict(rows))

    def runs_of(self, name: str, row: str) -> tuple[str, ...]:
        """The runs behind a row of the table `name`: one for each seed, or an ensemble's."""
        read = parse_row(row)
        if read.is_ensemble:
            return self.fuse.ensembles[read.name]
        return tuple(with_seed(read.name, seed) for seed in self.table(name).seeds)

    def runs(self, name: str) -> tuple[str, ...]:
        """All runs behind the table `name`, each once."""
        rows = self.table(name).rows
        return tuple(dict.fromkeys(run for row in rows for run in self.runs_of(name, row)))

    def _check_row(self, where: str, row: str) -> None:
        read = parse_row(row)
        known = self.fuse.ensembles
        if not read.is_ensemble:
            return
        if read.name not in known:
            raise ValueError(
                f"{where}: {read.name} is neither a run nor one of fuse.ensembles "
                f"(it has {', '.join(known) or 'none'}){suggestion(read.name, known)}"
            )
        if self.data.tasks is not None:
            raise ValueError(
                f"{where} is an ensemble; a row of data labelled by segment is one run, whose "
                "verbs and nouns are scored apart"
            )

    def _ablated(self) -> Iterator[str]:
        for letter in "abcdef":
            for run in getattr(self, f"table1{letter}").values():
                if run:
                    yield self.ablations.run(run)


def check_name(name: str, where: str) -> None:
    """Names become folders: letters, digits, _ and - only."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
        raise ValueError(f"{where}: '{name}' is not a name of letters, digits, _ and -")
