"""`aia figure KIND`, `aia report`: which files pictures and the report are made from.

Without files, those of the data set whose settings are given (aia/plan).
"""

import argparse
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aia.cli.options import add_command, add_options
from aia.cli.planned import check_by_hand, named, planned, rules_of_clips
from aia.errors import InputError
from aia.log import say
from aia.plan import DataSet
from aia.plan.recipes import method_of

CAPTIONS = {
    "curves": "Training",
    "attention": "Attention",
    "detections": "Detected persons and objects",
}
"""Figures of a report, and what stands above them."""


def add_parsers(commands: Any) -> None:
    """Add `figure` with its kinds, and `report`, to the commands of `aia`."""
    figure = commands.add_parser("figure", help="pictures of what was found")
    kinds = figure.add_subparsers(required=True, metavar="KIND")
    frames = ("--frames", "--groundtruth")
    several: dict[str, Any] = {"type": str, "nargs": "+", "metavar": "NAME=FILE"}
    progress = several | {"help": "metrics.jsonl of runs"}

    command = _command(kinds, "curves", curves, needs=("progress",))
    add_options(command, "--progress", **progress)
    final = several | {"nargs": "*", "default": [], "help": "CSV with a run's final mAP"}
    add_options(command, "--metrics", **final)

    command = _command(kinds, "per-class", per_class, "--labels", needs=("metrics", "labels"))
    add_options(command, "--metrics", **several, help="CSV of a method, one for each seed")

    needs: tuple[str, ...] = ("frames", "groundtruth", "persons")
    command = _command(kinds, "detections", detections, *frames, needs=needs)
    add_options(command, "--person-threshold", default=0.8, help="§4.1: 0.8")
    add_options(command, "--object-threshold", default=0.5, help="§4.1: 0.5")
    add_options(command, "--excluded", "--objects")
    add_options(command, "--persons", nargs="+", help="detected boxes")
    add_options(command, "--object-boxes", nargs="*")

    needs = ("frames", "groundtruth", "attention", "scores", "labels")
    command = _command(kinds, "attention", attention, *frames, "--scores", "--labels", needs=needs)
    add_options(command, "--attention", help="of aia score --attention")

    needs = ("frames", "groundtruth", "attention", "labels")
    command = _command(kinds, "structures", structures, *frames, "--labels", needs=needs)
    of = {"help": "of aia score --attention, for each network"}
    add_options(command, "--attention", **(several | of))
    add_options(command, "--rows", type=int, default=4, help="persons that are shown")

    command = _command(kinds, "memory", memory, needs=("drift",))
    add_options(command, "--progress", **(progress | {"nargs": "*", "default": []}))
    add_options(command, "--drift", **several, help="CSV of aia drift")

    command = _command(kinds, "reach", reach, needs=("costs",))
    add_options(command, "--costs", help="CSV of aia cost --reaches")

    command = add_command(kinds, "film", film, settings=None)
    command.add_argument("video", type=Path, metavar="VIDEO", help="such as one of aia predict")
    seconds: dict[str, Any] = {"type": float, "metavar": "SECOND", "required": True}
    add_options(command, "--start", **seconds, help="where the part begins")
    add_options(command, "--stop", **seconds, help="where it ends")
    add_options(command, "--width", type=int, default=480, help="in pixels (default: 480)")
    add_options(command, "--fps", type=float, default=10.0, help="pictures a second (default: 10)")
    add_options(command, "--output", required=True, help="GIF or WebP")

    needs = ("table", "classes", "output")
    command = add_command(commands, "report", report, *frames, "--excluded", needs=needs)
    add_options(command, "--table", help="CSV of aia table")
    add_options(command, "--classes", help="its .classes.csv")
    add_options(command, "--findings", help="CSV of aia doctor")
    add_options(command, "--scores", help="of the run that is shown, on detected boxes")
    add_options(command, "--train", help="annotations of the training videos")
    add_options(command, "--evaluated", help="classes that are evaluated (.pbtxt)")
    for figure in CAPTIONS:
        add_options(command, f"--{figure}", help="PNG of aia figure")
    add_options(command, "--predictions", help="folder of aia predict, whose pages are linked")
    command.add_argument("--title", default="Report", help="name of the data set")
    add_options(command, "--output", help="HTML file")


def curves(options: argparse.Namespace) -> None:
    """Draw loss, trust, learning rate and mAP over the steps of runs."""
    from aia.report.curves import draw_curves, mean_of_classes, read_progress
    from aia.tables import read_metrics

    draw_curves(
        _last(options.progress, read_progress),
        options.output,
        final_map=_last(options.metrics, lambda path: mean_of_classes(read_metrics(path))),
    )


def per_class(options: argparse.Namespace) -> None:
    """Draw the AP of each class for each method (Fig. 6)."""
    from aia.labels import read_labels
    from aia.report.per_class import draw_per_class
    from aia.tables import read_metrics

    methods = by_name(options.metrics, read_metrics)
    draw_per_class(methods, read_labels(options.labels), options.output)


def detections(options: argparse.Namespace) -> None:
    """Draw detected beside annotated boxes on some key frames."""
    from aia.report.drawing import Videos
    from aia.report.keyframes import draw_detections
    from aia.tables import read_actions, read_excluded, read_objects

    draw_detections(
        Videos(options.frames),
        read_actions(options.groundtruth),
        _all_boxes(options.persons),
        options.output,
        objects=read_objects(options.objects) if options.objects else None,
        object_boxes=_all_boxes(options.object_boxes) if options.object_boxes else None,
        person_threshold=options.person_threshold,
        object_threshold=options.object_threshold,
        excluded=read_excluded(options.excluded),
    )


def attention(options: argparse.Namespace) -> None:
    """Draw whom, what and which second a person attended to (Fig. 4)."""
    from aia.report.attention import draw_attention
    from aia.tables import read_scores
    from aia.tables.attention import read_attention

    scores = read_scores(options.scores)
    draw_attention(read_attention(options.attention), scores=scores, **_scene(options))


def structures(options: argparse.Namespace) -> None:
    """Draw whom the last P-Block of each network attends to (Fig. 4)."""
    from aia.report.attention import draw_structures
    from aia.tables.attention import read_attention

    attentions = _last(options.attention, read_attention)
    draw_structures(attentions, **_scene(options), most=options.rows)


def memory(options: argparse.Namespace) -> None:
    """Draw age, trust and drift of what runs remember."""
    from aia.report.curves import draw_memory, read_drift, read_progress

    progress = _last(options.progress, read_progress)
    draw_memory(progress, _last(options.drift, read_drift), options.output)


def reach(options: argparse.Namespace) -> None:
    """Draw time and memory of a training step by the reach of the memory (Fig. 5)."""
    from aia.report.curves import draw_reach, read_reach

    draw_reach(read_reach(options.costs), options.output)


def film(options: argparse.Namespace) -> None:
    """Make a moving picture of a part of a video."""
    from aia.predict.film import moving_picture

    if options.width < 16 or not 0 < options.fps <= 100:
        raise InputError(
            f"--width {options.width}, --fps {options.fps:g}: expected 16 pixels or more, and more "
            "than 0 and at most 100 pictures a second"
        )
    moving_picture(
        options.video,
        options.output,
        start_sec=options.start,
        stop_sec=options.stop,
        width=options.width,
        fps=options.fps,
    )


def report(options: argparse.Namespace) -> None:
    """Write the report of a data set: its numbers, key frames, mistakes and figures on one page."""
    from aia.doctor import read_findings
    from aia.report.report_page import read_classes, read_table, write_report

    if options.table is None:
        data = planned(options, "report")
        options.title, options.output = data.name, options.output or data.path("report.html")
        options.predictions = data.path("predictions")
    check_by_hand(options)
    files = [options.table, options.classes, options.scores, options.findings]
    drawn = {words: getattr(options, name) for name, words in CAPTIONS.items()}
    write_report(
        options.output,
        dataset=options.title,
        table=read_table(options.table),
        classes=read_classes(options.classes),
        scored=_scored(options) if options.scores else None,
        findings=read_findings(options.findings) if options.findings else None,
        figures={words: path for words, path in drawn.items() if path},
        pages=_pages(Path(options.predictions)) if options.predictions else (),
        files=[path for path in files if path],
    )
    say(f"{options.output}: written")


def _pages(folder: Path) -> list[Path]:
    """List the pages that `aia predict` wrote, the index first."""
    return sorted(folder.glob("*.html"), key=lambda path: (path.name != "index.html", path))


def _scored(options: argparse.Namespace) -> Any:
    """Read what the pictures of a report are made from."""
    from aia.labels import read_labels
    from aia.report.drawing import Videos
    from aia.report.report_page import Scored
    from aia.tables import read_actions, read_excluded, read_scores

    options.by_hand = ("groundtruth", "train", "evaluated", "frames")
    check_by_hand(options)
    return Scored(
        run=options.scores.stem.removesuffix(".val"),
        scores=read_scores(options.scores),
        actions=read_actions(options.groundtruth),
        train=read_actions(options.train),
        labels=read_labels(options.evaluated),
        excluded=set(read_excluded(options.excluded)),
        videos=Videos(options.frames),
    )


def by_name(paths: Sequence[str], read: Callable[[str], Any]) -> dict[str, list[Any]]:
    """Read files given as NAME=FILE; those of one name stay together in their order.

    Raises:
        InputError: A text that is not NAME=FILE.
    """
    found: dict[str, list[Any]] = {}
    for text in paths:
        name, _, path = text.partition("=")
        if not (name and path):
            raise InputError(f"'{text}': expected NAME=PATH, as in slowfast_tiny-none=metrics.csv")
        found.setdefault(name, []).append(read(path))
    return found


def _last(paths: Sequence[str], read: Callable[[str], Any]) -> dict[str, Any]:
    """Read the last file of each name."""
    return {name: read(files[-1]) for name, files in by_name(paths, str).items()}


def _scene(options: argparse.Namespace) -> dict[str, Any]:
    """Read what pictures of actions on frames share."""
    from aia.labels import read_labels
    from aia.report.drawing import Videos
    from aia.tables import read_actions

    labels = read_labels(options.labels)
    return {
        "videos": Videos(options.frames),
        "actions": read_actions(options.groundtruth, labels=labels),
        "labels": labels,
        "output": options.output,
    }


def _all_boxes(paths: list[Path]) -> Any:
    """Read tables of boxes as one."""
    import pandas as pd

    from aia.tables import read_boxes

    return pd.concat([read_boxes(path) for path in paths], ignore_index=True)


def _plan(options: argparse.Namespace, kind: str) -> None:
    """Take the files of a figure from the plan, those of several runs with the runs' names."""
    data = planned(options, f"draw_{kind.replace('-', '_')}")
    rules_of_clips(options, data, data.shown_run())
    for option, value in _files_of_runs(data, kind).items():
        setattr(options, option, value)


def _files_of_runs(data: DataSet, kind: str) -> dict[str, list[str]]:
    """Name the files of several runs, as NAME=FILE."""
    metrics, progress = "metrics/{run}.val.csv", "runs/{run}/metrics.jsonl"
    runs = data.named_runs(with_starts=False)
    if kind == "curves":
        every = data.named_runs(with_starts=True)
        return {"progress": named(every, progress, data), "metrics": named(runs, metrics, data)}
    if kind == "per-class":  # the seeds of a method have one name
        files = [f"{method_of(run)}={data.run_file(metrics, run)}" for run in runs]
        return {"metrics": files}
    if kind == "structures":
        return {"attention": named(data.structure_runs(), "scores/{run}.attention.parquet", data)}
    if kind == "memory":
        drift = named(data.memory_runs(), "metrics/{run}.drift.csv", data)
        return {"progress": named(data.memory_runs(), progress, data), "drift": drift}
    return {}


def _command(
    kinds: Any,
    name: str,
    draw: Callable[[argparse.Namespace], None],
    *shared: str,
    needs: tuple[str, ...],
) -> argparse.ArgumentParser:
    """Add a kind of figure, which needs these options or a settings file."""

    @functools.wraps(draw)
    def run(options: argparse.Namespace) -> None:
        if not any(getattr(options, need) for need in needs):
            _plan(options, name)
        check_by_hand(options)
        draw(options)

    command = add_command(kinds, name, run, *shared, needs=needs, settings="")
    add_options(command, "--output", required=True, help="PNG, SVG or PDF")
    return command
