"""All of config.yaml, and its sections about results.

Numbers stand in config.yaml alone: no field has a default here. A part of the program takes its
own section, never the whole.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from aia.config.backbones import BackboneConfig
from aia.config.checks import (
    at_least,
    check_name,
    each_at_least,
    once_each,
    share,
    suggestion,
)
from aia.config.data import DataConfig, FetchConfig, PlayhouseConfig
from aia.config.perception import CheckConfig, DetectorConfig, FramesConfig
from aia.config.runs import check_ensemble, parse_row, parse_run, with_seed
from aia.config.training import (
    LossConfig,
    MemoryConfig,
    NetworkConfig,
    ScoreConfig,
    TrainConfig,
)
from aia.errors import InputError

# Version of each stage, a parameter of its rule: raise it where the code changes what a stage
# makes from the same settings, so that its outputs are made again.
STAGE_VERSIONS = {
    "playhouse": 1,
    "prepare": 1,
    "frames": 3,
    "detector": 1,
    "train": 2,
    "score": 1,
}

# Settings that say how a machine works, not what the result is: a change repeats no job.
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
    """Means of scores: over a run's views (multi-scale testing), and over the runs of ensembles."""

    mean: Literal["arithmetic", "geometric"]
    """Kind of mean."""
    short_sides: tuple[int, ...]
    """Shorter sides of a run's views, in pixels, each at least 16; frames are resized from their
    stored size. The paper gives none: SlowFast's 224, 256, 320 for 256."""
    flip: bool
    """True: each view is scored mirrored, too."""
    ensembles: dict[str, tuple[str, ...]]
    """Runs (with seeds) whose mean is scored together, by the ensemble's name of a-z, 0-9, _."""

    def __post_init__(self) -> None:
        each_at_least(self, 16, "short_sides")
        once_each("short_sides", self.short_sides)
        for name, runs in self.ensembles.items():
            check_ensemble(name)
            once_each(f"ensembles.{name}", runs)
            for run in runs:
                parse_run(run)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """The rules by which scores become numbers."""

    protocol: Literal["paper", "activitynet", "slowfast", "mmaction", "acar"]
    """Rules of frame mAP on key frames (`aia evaluate protocols` says whose each is)."""
    tube_protocol: Literal["voc", "yowo", "act"]
    """Rules of frame and video mAP where every frame is labelled: voc (Singh et al., MultiSports),
    yowo or act."""
    frames: Literal["all", "annotated"]
    """Frames that count in frame mAP where every frame is labelled: all, or the annotated ones, as
    YOWO publishes."""
    iou: float
    """Least IoU of a detection with the ground truth, 0..1; 0.5 on AVA."""
    noun_prior: bool
    """True: actions of segments are weighted by p(noun|verb) of the training segments, as in LFB;
    the paper does not say so."""

    def __post_init__(self) -> None:
        share(self, "iou")


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Rows of a table: runs without seed or ensembles, perhaps multi-scale; and the runs' seeds."""

    seeds: tuple[int, ...]
    """Seeds of each row's runs; a row shows their mean and spread."""
    runs: tuple[str, ...] | dict[str, str | None]
    """Rows (RUN, RUN multiscale or an ensemble's name), as a list or by the paper's names; a row
    that is null is left out."""

    def __post_init__(self) -> None:
        if not self.seeds or not self.rows:
            raise ValueError("needs at least one of seeds and runs")
        for row in self.rows:
            parse_row(row)

    @property
    def rows(self) -> dict[str, str]:
        """The paper's name of each row, by the row; empty where it has no such row."""
        if isinstance(self.runs, tuple):
            return dict.fromkeys(self.runs, "")
        return {run: row for row, run in self.runs.items() if run}


@dataclass(frozen=True, kw_only=True)
class SubmissionsConfig(TableConfig):
    """Rows whose scores of the videos without labels are submitted together."""

    paper_data: str | None
    """The paper's name of `data.test`, such as AVA v2.2 test: its numbers stand beside ours."""


@dataclass(frozen=True, kw_only=True)
class AblationsConfig:
    """What the rows of Table 1 have in common."""

    backbone: str
    """Backbone of all rows, one of `backbones`."""
    variant: str | None
    """Variant of all rows, such as released; null: none."""
    seeds: tuple[int, ...]
    """Seeds of each row's runs; at least one."""

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("seeds: needs at least one")

    def run(self, row: str) -> str:
        """Return the run of a row, without its seed.

        >>> AblationsConfig(backbone="c2d", variant="paper", seeds=(0,)).run("serial-PO-none")
        'c2d-serial-PO-none-paper'
        """
        return "-".join(filter(None, (self.backbone, row, self.variant)))


@dataclass(frozen=True, kw_only=True)
class Figure5Config:
    """The training steps whose time and memory Figure 5 shows, by the reach L of the memory."""

    clips: int
    """Clips of a batch, at least 1."""
    reaches: tuple[int, ...]
    """Reaches L that are measured with AMU."""
    joint: tuple[int, ...]
    """Reaches L that are measured with the neighbouring clips trained jointly; ends at the first
    that does not fit into memory."""

    def __post_init__(self) -> None:
        at_least(self, clips=1)
        each_at_least(self, 0, "reaches", "joint")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of config.yaml."""

    dataset: str
    """Name of the data set: the folder below results/, and the overlay config/{dataset}.yaml."""
    videos_per_job: int
    """Videos that one job of the workflow stores or looks at, each with files of its own."""
    playhouse: PlayhouseConfig
    """The embedded data set, drawn from a seed (docs/playhouse.md)."""
    fetch: FetchConfig
    """Downloads; the same for all data sets, so no overlay config/{dataset}.yaml has it."""
    data: DataConfig
    """Videos and annotations of the data set."""
    frames: FramesConfig
    """The frame store: which part of a video is kept, at what rate and size."""
    check: CheckConfig
    """Requirements on videos; a wrong cut costs points without a word."""
    detector: DetectorConfig
    """The detector of persons and objects."""
    backbones: dict[str, BackboneConfig]
    """The backbones by name; a run's name begins with one of them."""
    network: NetworkConfig
    """RoI features, interaction blocks and classifier."""
    memory: MemoryConfig
    """The memory features M_t."""
    loss: LossConfig
    """What training minimises."""
    train: TrainConfig
    """The training recipe."""
    trackers: tuple[str, ...]
    """Programs that get the metrics, too, while a run trains: tensorboard, where it is installed,
    or entry points of the group aia.trackers (docs/running.md)."""
    score: ScoreConfig
    """Scoring of a trained run."""
    fuse: FuseConfig
    """Multi-scale testing and ensembles."""
    evaluate: EvaluateConfig
    """Evaluation protocols."""
    variants: dict[str, dict[str, Any]]
    """Settings that differ, by the variant's name, which is the last word of a run's name."""
    paper_data: str | None
    """The paper's name of this data set, such as AVA v2.2 val: its numbers stand beside ours."""
    paper_table: str | None
    """Number of the paper's table that `results` repeats on other data, such as "3": its gains
    stand beside ours."""
    results: TableConfig
    """Rows of results/{dataset}_val.csv."""
    submissions: SubmissionsConfig | None
    """Rows of results/{dataset}_test.csv, on videos without labels; null: none."""
    figure5: Figure5Config
    """The steps that Figure 5 measures."""
    ablations: AblationsConfig
    """What all rows of Table 1 have in common."""
    table1a: dict[str, str | None]
    """Which interactions: the rows {structure}-{blocks}-{memory}, none or nl by the paper's names;
    a row that is null is left out. So are the other parts of Table 1."""
    table1b: dict[str, str | None]
    """How many blocks of each interaction."""
    table1c: dict[str, str | None]
    """In which order the blocks come."""
    table1d: dict[str, str | None]
    """How the blocks are nested."""
    table1e: dict[str, str | None]
    """AMU against a frozen bank of features."""
    table1f: dict[str, str | None]
    """IA without memory against a Non-local branch."""

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
        """Return `results`, `submissions`, or a part of Table 1 such as `table1a`."""
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
        """Return the runs behind a row of the table `name`: one a seed, or an ensemble's."""
        read = parse_row(row)
        if read.is_ensemble:
            return self.fuse.ensembles[read.name]
        return tuple(with_seed(read.name, seed) for seed in self.table(name).seeds)

    def runs(self, name: str) -> tuple[str, ...]:
        """Return all runs behind the table `name`, each once."""
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
