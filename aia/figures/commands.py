"""`aia figure KIND`: which files each picture is drawn from."""

import argparse
from pathlib import Path
from typing import Any

# The command line loads this file for every command, so what draws is imported where it draws.


def add_parsers(commands: Any) -> None:
    """Add `figure` with its kinds to the commands of `aia`."""
    figure = commands.add_parser("figure", help="pictures of what was found")
    kinds = figure.add_subparsers(required=True, metavar="KIND")

    command = _command(kinds, "curves", curves)
    command.add_argument(
        "--progress", nargs="+", required=True, metavar="RUN=FILE", help="metrics.jsonl of runs"
    )
    command.add_argument(
        "--metrics", nargs="*", default=[], metavar="RUN=FILE", help="CSV with the run's final mAP"
    )

    command = _command(kinds, "per-class", per_class)
    command.add_argument(
        "--metrics", nargs="+", required=True, metavar="METHOD=FILE", help="one CSV for each seed"
    )
    command.add_argument("--labels", type=Path, required=True)

    command = _command(kinds, "detections", detections)
    _add_frames(command)
    command.add_argument("--excluded", type=Path)
    command.add_argument("--persons", type=Path, nargs="+", required=True, help="detected")
    command.add_argument("--objects", type=Path, help="annotated")
    command.add_argument("--object-boxes", type=Path, nargs="*", default=[], help="detected")
    command.add_argument("--person-threshold", type=float, default=0.8, help="§4.1: 0.8")
    command.add_argument("--object-threshold", type=float, default=0.5, help="§4.1: 0.5")

    command = _command(kinds, "keyframes", keyframes)
    _add_frames(command)
    command.add_argument("--scores", type=Path, required=True)
    command.add_argument("--excluded", type=Path)
    command.add_argument("--labels", type=Path, required=True)
    command.add_argument("--threshold", type=float, default=0.5, help="score that predicts a class")

    command = _command(kinds, "attention", attention)
    _add_frames(command)
    command.add_argument("--attention", type=Path, required=True, help="of aia score --attention")
    command.add_argument("--scores", type=Path, required=True)
    command.add_argument("--labels", type=Path, required=True)

    command = _command(kinds, "structures", structures)
    _add_frames(command)
    command.add_argument("--attention", nargs="+", required=True, metavar="NAME=FILE")
    command.add_argument("--labels", type=Path, required=True)
    command.add_argument("--rows", type=int, default=4, help="persons that are shown")

    command = _command(kinds, "memory", memory)
    command.add_argument(
        "--progress", nargs="*", default=[], metavar="RUN=FILE", help="metrics.jsonl of runs"
    )
    command.add_argument("--drift", nargs="+", required=True, metavar="RUN=FILE", help="CSV")

    command = _command(kinds, "reach", reach)
    command.add_argument("--costs", type=Path, required=True, help="CSV of aia cost --reaches")


def curves(options: argparse.Namespace) -> None:
    """Draw loss, trust, learning rate and mAP over the steps of runs."""
    from aia.figures.curves import draw_curves, mean_of_classes, read_progress
    from aia.figures.drawing import by_name
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
    from aia.figures.drawing import by_name
    from aia.figures.per_class import draw_per_class
    from aia.labels import read_labels
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
    from aia.figures.detections import draw_detections
    from aia.figures.drawing import Films
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
    from aia.figures.drawing import Films
    from aia.figures.keyframes import draw_keyframes
    from aia.labels import read_labels
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
    from aia.figures.attention import draw_attention
    from aia.figures.drawing import Films
    from aia.labels import read_labels
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
    from aia.figures.drawing import Films, by_name
    from aia.figures.structures import draw_structures
    from aia.labels import read_labels
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
    from aia.figures.reach import draw_reach, read_reach

    draw_reach(read_reach(options.costs), options.output)


def memory(options: argparse.Namespace) -> None:
    """Draw age, trust and drift of what runs remember."""
    from aia.figures.curves import read_progress
    from aia.figures.drawing import by_name
    from aia.figures.memory import draw_memory, read_drift

    draw_memory(
        {run: read_progress(paths[-1]) for run, paths in by_name(options.progress).items()},
        {run: read_drift(paths[-1]) for run, paths in by_name(options.drift).items()},
        options.output,
    )


def _all_boxes(paths: list[Path]) -> Any:
    import pandas as pd

    from aia.tables import read_boxes

    return pd.concat([read_boxes(path) for path in paths], ignore_index=True)


def _command(kinds: Any, name: str, run: Any) -> argparse.ArgumentParser:
    command = kinds.add_parser(name, help=run.__doc__, description=run.__doc__)
    command.set_defaults(run=run)
    command.add_argument("--output", type=Path, required=True, help="PNG, SVG or PDF")
    command.add_argument("--log", help="file that gets a copy of all lines")
    return command


def _add_frames(command: argparse.ArgumentParser) -> None:
    command.add_argument("--frames", type=Path, nargs="+", required=True, help="frame stores")
    command.add_argument("--groundtruth", type=Path, required=True, help="annotations")
