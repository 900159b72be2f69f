"""`aia figure KIND`: which files each picture is drawn from.

Without files, those of the data set whose settings are given (aia/plan).
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aia.cli.planned import check_by_hand, named, planned, rules_of_clips
from aia.plan import DataSet
from aia.plan.recipes import method_of

RULES = {
    "curves": "draw_curves",
    "per-class": "draw_per_class",
    "detections": "draw_detections",
    "keyframes": "draw_keyframes",
    "attention": "draw_attention",
    "structures": "draw_structures",
    "memory": "draw_memory",
    "reach": "draw_reach",
}
"""The rule of each kind of figure."""


def add_parsers(commands: Any) -> None:
    """Add `figure` with its kinds to the commands of `aia`."""
    figure = commands.add_parser("figure", help="pictures of what was found")
    kinds = figure.add_subparsers(required=True, metavar="KIND")

    command = _command(kinds, "curves", curves, needs=("progress",))
    command.add_argument("--progress", nargs="+", metavar="RUN=FILE", help="metrics.jsonl of runs")
    command.add_argument(
        "--metrics", nargs="*", default=[], metavar="RUN=FILE", help="CSV with the run's final mAP"
    )

    command = _command(
        kinds,
        "per-class",
        per_class,
        needs=(
            "metrics",
            "labels",
        ),
    )
    command.add_argument(
        "--metrics", nargs="+", metavar="METHOD=FILE", help="one CSV for each seed"
    )
    command.add_argument("--labels", type=Path)

    command = _command(
        kinds,
        "detections",
        detections,
        needs=(
            "frames",
            "groundtruth",
            "persons",
        ),
    )
    _add_frames(command)
    command.add_argument("--excluded", type=Path)
    command.add_argument("--persons", type=Path, nargs="+", help="detected")
    command.add_argument("--objects", type=Path, help="annotated")
    command.add_argument("--object-boxes", type=Path, nargs="*", default=[], help="detected")
    command.add_argument("--person-threshold", type=float, default=0.8, help="§4.1: 0.8")
    command.add_argument("--object-threshold", type=float, default=0.5, help="§4.1: 0.5")

    command = _command(
        kinds,
        "keyframes",
        keyframes,
        needs=(
            "frames",
            "groundtruth",
            "scores",
            "labels",
        ),
    )
    _add_frames(command)
    command.add_argument("--scores", type=Path)
    command.add_argument("--excluded", type=Path)
    command.add_argument("--labels", type=Path)
    command.add_argument("--threshold", type=float, default=0.5, help="score that predicts a class")

    command = _command(
        kinds,
        "attention",
        attention,
        needs=(
            "frames",
            "groundtruth",
            "attention",
            "scores",
            "labels",
        ),
    )
    _add_frames(command)
    command.add_argument("--attention", type=Path, help="of aia score --attention")
    command.add_argument("--scores", type=Path)
    command.add_argument("--labels", type=Path)

    command = _command(
        kinds,
        "structures",
        structures,
        needs=(
            "frames",
            "groundtruth",
            "attention",
            "labels",
        ),
    )
    _add_frames(command)
    command.add_argument("--attention", nargs="+", metavar="NAME=FILE")
    command.add_argument("--labels", type=Path)
    command.add_argument("--rows", type=int, default=4, help="persons that are shown")

    command = _command(kinds, "memory", memory, needs=("drift",))
    command.add_argument(
        "--progress", nargs="*", default=[], metavar="RUN=FILE", help="metrics.jsonl of runs"
    )
    command.add_argument("--drift", nargs="+", metavar="RUN=FILE", help="CSV")

    command = _command(kinds, "reach", reach, needs=("costs",))
    command.add_argument("--costs", type=Path, help="CSV of aia cost --reaches")


def curves(options: argparse.Namespace) -> None:
    """Draw loss, trust, learning rate and mAP over the steps of runs."""
    from aia.report.curves import draw_curves, mean_of_classes, read_progress
    from aia.report.drawing import by_name
    from aia.tables import read_metrics

    draw_curves(
        {run: read_progress(paths[-1]) for run, paths in by_name(options.progress).items()},
        options.output,
        final_map={
            run: mean_of_classes(read_metrics(paths[-1]))
            for run, paths in by_name(options.metrics).items()
        },
    )


def per_class(options: argparse.Namespace) -> None:
    """Draw the AP of each class for each method (Fig. 6)."""
    from aia.labels import read_labels
    from aia.report.drawing import by_name
    from aia.report.per_class import draw_per_class
    from aia.tables import read_metrics

    draw_per_class(
        {
            method: [read_metrics(path) for path in paths]
            for method, paths in by_name(options.metrics).items()
        },
        read_labels(options.labels),
        options.output,
    )


def detections(options: argparse.Namespace) -> None:
    """Draw detected beside annotated boxes on some key frames."""
    from aia.report.detections import draw_detections
    from aia.report.drawing import Films
    from aia.tables import read_actions, read_excluded, read_objects

    draw_detections(
        Films(options.frames),
        read_actions(options.groundtruth),
        _all_boxes(options.persons),
        options.output,
        objects=read_objects(options.objects) if options.objects else None,
        object_boxes=_all_boxes(options.object_boxes) if options.object_boxes else None,
        person_threshold=options.person_threshold,
        object_threshold=options.object_threshold,
        excluded=read_excluded(options.excluded),
    )


def keyframes(options: argparse.Namespace) -> None:
    """Draw predicted and true actions on some key frames."""
    from aia.labels import read_labels
    from aia.report.drawing import Films
    from aia.report.keyframes import draw_keyframes
    from aia.tables import read_actions, read_excluded, read_scores

    labels = read_labels(options.labels)
    draw_keyframes(
        Films(options.frames),
        read_actions(options.groundtruth, labels=labels),
        read_scores(options.scores),
        labels,
        options.output,
        excluded=read_excluded(options.excluded),
        threshold=options.threshold,
    )


def attention(options: argparse.Namespace) -> None:
    """Draw whom, what and which second a person attended to (Fig. 4)."""
    from aia.labels import read_labels
    from aia.report.attention import draw_attention
    from aia.report.drawing import Films
    from aia.tables import read_actions, read_scores
    from aia.tables.attention import read_attention

    labels = read_labels(options.labels)
    draw_attention(
        read_attention(options.attention),
        Films(options.frames),
        read_actions(options.groundtruth, labels=labels),
        read_scores(options.scores),
        labels,
        options.output,
    )


def structures(options: argparse.Namespace) -> None:
    """Draw whom the last P-Block of each network attends to (Fig. 4)."""
    from aia.labels import read_labels
    from aia.report.drawing import Films, by_name
    from aia.report.structures import draw_structures
    from aia.tables import read_actions
    from aia.tables.attention import read_attention

    labels = read_labels(options.labels)
    draw_structures(
        {name: read_attention(paths[-1]) for name, paths in by_name(options.attention).items()},
        Films(options.frames),
        read_actions(options.groundtruth, labels=labels),
        labels,
        options.output,
        most=options.rows,
    )


def reach(options: argparse.Namespace) -> None:
    """Draw time and memory of a training step by the reach of the memory (Fig. 5)."""
    from aia.report.reach import draw_reach, read_reach

    draw_reach(read_reach(options.costs), options.output)


def memory(options: argparse.Namespace) -> None:
    """Draw age, trust and drift of what runs remember."""
    from aia.report.curves import read_progress
    from aia.report.drawing import by_name
    from aia.report.memory import draw_memory, read_drift

    draw_memory(
        {run: read_progress(paths[-1]) for run, paths in by_name(options.progress).items()},
        {run: read_drift(paths[-1]) for run, paths in by_name(options.drift).items()},
        options.output,
    )


def _plan(options: argparse.Namespace, kind: str) -> None:
    """Take the files of a figure from the plan, those of several runs with the runs' names."""
    data = planned(options, RULES[kind])
    rules_of_clips(options, data, data.shown_run())
    for option, value in _files_of_runs(data, kind).items():
        setattr(options, option, value)


def _files_of_runs(data: DataSet, kind: str) -> dict[str, list[str]]:
    """Name the files of several runs, as NAME=FILE."""
    metrics, progress = "metrics/{run}.val.csv", "runs/{run}/metrics.jsonl"
    runs = data.named_runs(with_starts=False)
    if kind == "curves":
        return {
            "progress": named(data.named_runs(with_starts=True), progress, data),
            "metrics": named(runs, metrics, data),
        }
    if kind == "per-class":  # the seeds of a method have one name
        files = [f"{method_of(run)}={data.run_file(metrics, run)}" for run in runs]
        return {"metrics": files}
    if kind == "structures":
        return {"attention": named(data.structure_runs(), "scores/{run}.attention.parquet", data)}
    if kind == "memory":
        drift = named(data.memory_runs(), "metrics/{run}.drift.csv", data)
        return {"progress": named(data.memory_runs(), progress, data), "drift": drift}
    return {}


def _all_boxes(paths: list[Path]) -> Any:
    import pandas as pd

    from aia.tables import read_boxes

    return pd.concat([read_boxes(path) for path in paths], ignore_index=True)


def _command(
    kinds: Any, name: str, draw: Callable[[argparse.Namespace], None], *, needs: tuple[str, ...]
) -> argparse.ArgumentParser:
    """Add a kind of figure, which needs these options or a settings file."""

    def run(options: argparse.Namespace) -> None:
        if not any(getattr(options, need) for need in needs):
            _plan(options, name)
        check_by_hand(options)
        draw(options)

    command = kinds.add_parser(name, help=draw.__doc__, description=draw.__doc__)
    command.set_defaults(run=run, by_hand=needs)
    command.add_argument("--settings", default="", help="results/DATASET/settings.yaml")
    command.add_argument("--output", type=Path, required=True, help="PNG, SVG or PDF")
    command.add_argument("--log", help="file that gets a copy of all lines")
    return command


def _add_frames(command: argparse.ArgumentParser) -> None:
    command.add_argument("--frames", type=Path, nargs="+", help="frame stores")
    command.add_argument("--groundtruth", type=Path, help="annotations")
