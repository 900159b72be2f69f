"""Data set of the workflow: settings, videos, runs, and the paths of its files.

    results/{dataset}/settings.yaml         all settings, resolved; every command reads them
    results/{dataset}/data/                 annotations in one form (aia/datasets/data.py)
    results/{dataset}/frames/{video}.h5     one frame store a video
    results/{dataset}/{persons,objects}/{video}.parquet     boxes, detected here or imported
    results/{dataset}/object_features/{video}.parquet       a memory of objects (§6.1)
    results/{dataset}/parts/                finished videos: one file for each job of several

A job makes the files of several videos (`videos_per_job`), so its declared output is one file in
parts/ that lists them.
"""

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from aia.config import (
    Settings,
    dump_yaml,
    load_settings,
    overlay,
    parse_row,
    parse_run,
    read_yaml,
    run_settings,
)
from aia.errors import InputError
from aia.files import write_text
from aia.plan.publishers import WEIGHTS
from aia.plan.videos import Videos

Form = Literal["boxes", "tubes", "segments"]
"""Boxes on key frames (AVA), tubes over all frames (UCF101-24, J-HMDB), segments (EPIC)."""
Kind = Literal["persons", "objects"]
BOX_FILES: dict[Kind, str] = {"persons": "person_boxes", "objects": "object_boxes"}
"""Settings in `data` that import boxes of a kind."""
TASKS = ("verb", "noun")


class Part(NamedTuple):
    """Videos that one job processes."""

    name: str
    """Name of their splits and a number, such as train.003."""
    videos: tuple[str, ...]


class Files(NamedTuple):
    """Files of several videos, and the lists of finished ones that jobs declare."""

    paths: tuple[str, ...]
    """Files that a command opens."""
    declared: tuple[str, ...]
    """Files that the workflow waits for."""


class DataSet:
    """Settings of a data set, and the files that follow from them.

    Args:
        raw: All its settings as plain YAML, config.yaml and the overlays in one.
        source: Names of their files, for messages.

    Raises:
        InputError: A setting is wrong.
    """

    def __init__(self, raw: Mapping[str, Any], *, source: str = "settings") -> None:
        self.raw = raw
        self.settings: Settings = load_settings(raw, source=source)
        self.videos = Videos(self.settings)

    @classmethod
    def read(cls, path: Path | str) -> "DataSet":
        """Read results/{dataset}/settings.yaml."""
        return cls(read_yaml(path), source=str(path))

    def write_settings(self) -> str:
        """Write results/{dataset}/settings.yaml, if it is not there with these settings."""
        path = Path(self.path("settings.yaml"))
        # In this order: the rows of tables have that of the settings.
        text = dump_yaml(self.raw)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)
        return str(path)

    @property
    def name(self) -> str:
        """Return the data set's name."""
        return self.settings.dataset

    @property
    def form(self) -> Form:
        """Return the form of the annotations."""
        if self.settings.data.tasks is not None:
            return "segments"
        return "tubes" if self.settings.data.source is not None else "boxes"

    # --- files ------------------------------------------------------------------------------------

    def path(self, name: str) -> str:
        """Return the path of a file of the data set in results/."""
        return f"results/{self.name}/{name}"

    def data(self, name: str) -> str:
        """Return the path of a table of the one form."""
        return self.path(f"data/{name}")

    def run_file(self, pattern: str, run: str) -> str:
        """Return a run's file, such as metrics/{run}.val.csv."""
        return self.path(pattern.replace("{run}", run))

    @functools.cached_property
    def parts(self) -> tuple[Part, ...]:
        """Cut all videos into parts of the same splits, with `videos_per_job` in each."""
        of_splits: dict[str, list[str]] = {}
        for video in sorted({v for split in self.videos.splits for v in self.videos.ids(split)}):
            of_splits.setdefault("_".join(self.videos.splits_of(video)), []).append(video)
        size = self.settings.videos_per_job
        return tuple(
            Part(f"{splits}.{start // size:03d}", tuple(videos[start : start + size]))
            for splits, videos in of_splits.items()
            for start in range(0, len(videos), size)
        )

    def part(self, name: str) -> Part:
        """Return a part by its name."""
        for part in self.parts:
            if part.name == name:
                return part
        raise InputError(
            f"{name}: is not a part of {self.name} (it has {self.parts[0].name} to "
            f"{self.parts[-1].name}, with videos_per_job: {self.settings.videos_per_job})"
        )

    def parts_of(self, split: str) -> Iterator[Part]:
        """Iterate over the parts with videos of a split."""
        for part in self.parts:
            if split in part.name.split(".")[0].split("_"):
                yield part

    def of_videos(self, pattern: str, split: str, *, job: str) -> Files:
        """Return a file of each video of a split, and the parts of the job that makes them."""
        videos = self.videos.ids(split)
        return Files(
            tuple(self.path(pattern.replace("{video}", video)) for video in videos),
            tuple(self.path(f"parts/{part.name}.{job}") for part in self.parts_of(split)),
        )

    def frames(self, split: str) -> Files:
        """Return the frame stores of a split."""
        return self.of_videos("frames/{video}.h5", split, job="frames")

    def is_imported(self, kind: Kind, split: str) -> bool:
        """Return True if a split's persons, or objects, are boxes that others published."""
        return self.split_setting(BOX_FILES[kind], split) is not None

    def boxes(self, kind: Kind, split: str) -> Files:
        """Return the boxes of a split, detected here or imported."""
        found = self.of_videos(f"{kind}/{{video}}.parquet", split, job="boxes")
        if self.is_imported(kind, split):
            return found._replace(declared=(self.path(f"parts/{split}.{kind}.imported"),))
        return found

    def object_features(self, split: str) -> Files:
        """Return what the detector saw in each second of a split's videos (§6.1)."""
        return self.of_videos("object_features/{video}.parquet", split, job="object_features")

    def split_setting(self, name: str, split: str) -> str | None:
        """Return data.NAME of a split; data.test.NAME for the split without labels."""
        data = self.settings.data
        part = data.test if split == "test" else getattr(data, name)
        return getattr(part, name if split == "test" else split)

    # --- runs -------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 (one object a data set, for as long as the program runs)
    def run_sections(self, run: str) -> dict[str, Any]:
        """Return the settings that make a run what it is, its variant applied, as plain values."""
        return run_settings(self.raw, parse_run(run))

    def starting_run(self, run: str) -> str | None:
        """Return the run whose backbone a run begins with; None: a file's, or none at all."""
        if self.run_sections(run)["train"]["init"] != "pretrain":
            return None
        name = parse_run(run)
        before = name._replace(structure="none", blocks="", memory="none", variant="pretrain")
        if before == name:
            raise InputError(
                "variants.pretrain: its train.init is pretrain, it would wait for itself"
            )
        return str(before)

    def init(self, run: str) -> str | None:
        """Return the file that a run's backbone begins with; None: from scratch."""
        before = self.starting_run(run)
        if before:
            return self.run_file("runs/{run}/model.safetensors", before)
        start = self.run_sections(run)["train"]["init"]
        if start == "scratch":
            return None
        if start in WEIGHTS:
            return f"results/weights/{start}.safetensors"
        return start.replace("{backbone}", parse_run(run).backbone)

    def task(self, run: str) -> str | None:
        """Return what a run predicts of segments: its variant's name, else verb; None: boxes."""
        tasks = self.settings.data.tasks
        if tasks is None:
            return None
        variant = parse_run(run).variant
        return variant if variant in tasks else "verb"

    def labels(self, run: str) -> str:
        """Return the classes of a run."""
        task = self.task(run)
        return self.data("classes.pbtxt" if task is None else f"{task}s.pbtxt")

    def runs_of_tasks(self, row: str) -> list[str]:
        """Return the runs whose scores make a row's actions: of its verbs and of its nouns (§6.1).

        A row with a memory has AMU for verbs and the detector's objects for nouns.
        """
        name = parse_run(row)
        if name.variant is not None:
            raise InputError(
                f"{row}: the rows of data labelled by segment are runs without a variant"
            )
        nouns = "none" if name.memory == "none" else "objects"
        memory = {"verb": name.memory, "noun": nouns}
        return [str(name._replace(memory=memory[task], variant=task)) for task in TASKS]

    def objects_are_detected(self, stage: Literal["train", "score"], run: str) -> bool:
        """Return True if a run's O-Block sees detected objects, rather than annotated ones."""
        return self.form == "segments" or getattr(self.settings, stage).objects == "detected"

    # --- tables -----------------------------------------------------------------------------------

    @functools.cache  # noqa: B019
    def rows(self, table: str) -> dict[str, list[str]]:
        """Return a table's rows: each its name and the runs behind it, one for each seed."""
        chosen = self.settings
        return {row: list(chosen.runs_of(table, row)) for row in chosen.table(table).rows}

    @property
    def kinds_of_boxes(self) -> tuple[str, ...]:
        """Name the boxes that runs are evaluated on: annotated and detected; segments have none."""
        return ("val",) if self.form == "segments" else ("val-gt", "val")

    def scored_as(self, table: str, row: str, kind: str) -> list[str]:
        """Return the names of a row's scores on boxes of a kind: one for each seed, or ensemble."""
        read = parse_row(row)
        scorers = [read.name] if read.is_ensemble else self.settings.runs_of(table, row)
        return [f"{scorer}.{kind}{read.views}" for scorer in scorers]

    def metrics_of_row(self, table: str, row: str, kind: str) -> list[str]:
        """Return a row's metrics on boxes of a kind."""
        return [self.path(f"metrics/{name}.csv") for name in self.scored_as(table, row, kind)]

    def shown_run(self) -> str:
        """Return the run that figures show: the first behind the last row of the results."""
        return list(self.rows("results").values())[-1][0]

    def named_runs(self, *, with_starts: bool) -> list[str]:
        """Return the runs behind the results; also those that they begin with."""
        runs = list(self.settings.runs("results"))
        if not with_starts:
            return runs
        starts = [self.starting_run(run) for run in runs]
        return list(dict.fromkeys([*filter(None, starts), *runs]))

    def structure_runs(self) -> dict[str, str]:
        """Return Parallel and Serial of Table 1d: the name of the row to its first seed's run."""
        called, runs = self.settings.table("table1d").rows, self.rows("table1d")
        wanted = ("Parallel", "Serial")
        return {called[row]: seeds[0] for row, seeds in runs.items() if called[row] in wanted}

    def memory_runs(self) -> dict[str, str]:
        """Return IA with and without AMU of Table 1e: the row's name to its first seed's run."""
        called, runs = self.settings.table("table1e").rows, self.rows("table1e")
        return {called[row]: runs[row][0] for row in runs if called[row].startswith("IA")}

    def ensemble_runs(self, ensemble: str) -> tuple[str, ...]:
        """Return the runs of an ensemble."""
        known = self.settings.fuse.ensembles
        if ensemble not in known:
            raise InputError(
                f"'{ensemble}' is neither a run nor one of fuse.ensembles "
                f"(it has {', '.join(known) or 'none'})"
            )
        return known[ensemble]

    def views(self) -> list[str]:
        """Return the views of multi-scale testing as in names of files: @224, and so on."""
        fuse = self.settings.fuse
        mirrored = ("", "-flip") if fuse.flip else ("",)
        views = [f"@{side}{flip}" for side in fuse.short_sides for flip in mirrored]
        as_kept = f"@{self.settings.frames.short_side}"  # it is scored anyway
        return ["" if view == as_kept else view for view in views]


def view_of(text: str) -> tuple[int | None, bool]:
    """Read a view's short side in pixels and whether it is mirrored.

    >>> view_of("@224-flip"), view_of("")
    ((224, True), (None, False))
    """
    found = re.fullmatch(r"(?:@([1-9]\d*)(-flip)?)?", text)
    if found is None:
        raise InputError(f"'{text}' is not a view; expected @PIXELS or @PIXELS-flip")
    side, mirrored = found.groups()
    return int(side) if side else None, bool(mirrored)


def resolved_settings(
    dataset: str, *, default: str, folders: Sequence[Path], overlays: Mapping[str, Any]
) -> dict[str, Any]:
    """Lay config/{dataset}.yaml and the user's overlays over config.yaml.

    Args:
        dataset: Whose settings are wanted.
        default: The data set that config.yaml and the overlays are of by themselves.
        folders: Folders searched for config.yaml and config/, in order.
        overlays: Settings of `--configfile` and `--config`.

    Raises:
        InputError: The data set has no settings, or a file of them is wrong.
    """
    own = find_settings(f"config/{dataset}.yaml", folders)
    if own is None and dataset != default:
        known = {path.stem for folder in folders for path in (folder / "config").glob("*.yaml")}
        raise InputError(
            f"'{dataset}' has no settings: expected a file config/{dataset}.yaml, or "
            f"'dataset: {dataset}' in a --configfile (data sets with settings: "
            f"{', '.join(sorted(known | {default}))})"
        )
    above = _read_once(own) if own else {}
    if "fetch" in above:
        raise InputError(
            f"{own}: fetch is of all data sets alike; set it in config.yaml or in a --configfile"
        )
    base = find_settings("config.yaml", folders)
    if base is None:
        raise InputError("config.yaml: there is none in this folder, nor beside the Snakefile")
    return {**overlay(overlay(_read_once(base), above), overlays), "dataset": dataset}


def find_settings(name: str, folders: Sequence[Path]) -> Path | None:
    """Return the first file of this name in some folders."""
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _read_once(path: Path) -> dict[str, Any]:
    """Read a YAML file, again only when it has changed."""
    return _read(path.resolve(), path.stat().st_mtime_ns)


@functools.cache
def _read(path: Path, _changed_ns: int) -> dict[str, Any]:
    return read_yaml(path)
