"""`aia labels`, `aia new`: from an annotation tool's files to a data set, and back."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from aia import log
from aia.cli.options import add_command, add_options
from aia.errors import InputError
from aia.files import write_text

DETECTORS = ("fasterrcnn_resnet50_fpn_v2", "fasterrcnn_mobilenet_v3_large_fpn", "own")


def add_parsers(commands: Any) -> None:
    """Add `labels` with its kinds, and `new`, to the commands of `aia`."""
    kinds = commands.add_parser("labels", help="labels of annotation tools, in and out")
    kinds = kinds.add_subparsers(required=True, metavar="KIND")
    several = "files, folders or patterns"

    command = add_command(kinds, "import", import_labels, settings=None)
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="exports of a tool")
    command.add_argument("--videos", nargs="+", required=True, metavar="VIDEO", help=several)
    add_options(command, "--output", required=True, help="folder, such as data/NAME")
    command.add_argument(
        "--actions", default="", metavar="NAME,...", help="attributes that are actions, or: label"
    )
    command.add_argument(
        "--every", type=float, default=1.0, metavar="SECONDS", help="of key frames (default: 1)"
    )
    _add_detector(command)

    command = add_command(kinds, "export", export_labels, settings=None)
    given = "predictions (.parquet), annotations (.csv), or exports of a tool"
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help=given)
    command.add_argument("--videos", nargs="+", required=True, metavar="VIDEO", help=several)
    add_options(command, "--labels", help="classes (.pbtxt) of annotations or predictions")
    add_options(command, "--output", required=True, help="folder that is written")
    command.add_argument(
        "--tolerance", type=float, default=2.0, metavar="PIXELS",
        help="a box may be so far from the line between keyframes (default: 2)",
    )  # fmt: skip
    command.add_argument(
        "--threshold", type=float, default=0.5, metavar="SCORE",
        help="score from which a predicted action is set (default: 0.5)",
    )  # fmt: skip

    command = add_command(kinds, "next", next_labels, "--device", settings=None)
    model = "that is asked: a run's folder, or what aia predict takes"
    command.add_argument("--model", required=True, metavar="MODEL", help=model)
    command.add_argument("--videos", nargs="+", required=True, metavar="VIDEO", help=several)
    add_options(command, "--output", required=True, help="folder that is written")
    command.add_argument(
        "--budget", type=int, default=200, metavar="N", help="seconds of persons (default: 200)"
    )
    labelled = "CSVs of what is labelled already: it is not asked again"
    add_options(command, "--labelled", nargs="+", default=[], help=labelled)
    detector = "a detector's file, or one of torchvision's by name; without: the model's own"
    command.add_argument("--detector", metavar="FILE|NAME", help=detector)

    command = add_command(kinds, "check", check, settings=None)
    add_options(command, "data", metavar="FOLDER", help="with train.csv, val.csv, classes.pbtxt")
    command.add_argument("--videos", nargs="+", required=True, metavar="VIDEO", help=several)
    add_options(command, "--output", help="CSV of what was found")

    command = add_command(commands, "new", new, settings=None)
    command.add_argument("name", metavar="NAME", help="of the data set")
    command.add_argument("--videos", nargs="+", required=True, metavar="VIDEO", help=several)
    _add_detector(command)


def _add_detector(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--detector", choices=DETECTORS, default=DETECTORS[0],
        help="of the settings: torchvision's with COCO's weights, or own: trained on the labels",
    )  # fmt: skip
    command.add_argument("--overwrite", action="store_true", help="settings that are there, too")


def import_labels(options: argparse.Namespace) -> None:
    """Make training data and settings of an annotation tool's files."""
    from aia.annotate.importing import (
        Clip,
        Labels,
        collect,
        read_annotations,
        split,
        summary,
        write_data,
    )
    from aia.annotate.overlay import look_at

    if not 0 < options.every <= 60:
        raise InputError(f"--every: {options.every:g}, expected seconds, more than 0, at most 60")
    name = _data_set(options.output.name)
    overlay = _free_overlay(name, overwrite=options.overwrite)
    clips = [Clip.open(path) for path in _videos(options.videos)]
    sizes_wh = {clip.path.stem: clip.size_wh for clip in clips}
    asked = [one.strip() for one in options.actions.split(",") if one.strip()]
    labels = Labels()
    for path in options.files:
        found = read_annotations(path, sizes_wh)
        part = collect(found, clips, actions=asked, path=path, every_sec=options.every)
        twice = labels.seconds.keys() & part.seconds.keys()
        if twice:
            raise InputError(f"{path}: has labels of {min(twice)}, as a file before it has")
        labels.rows += part.rows
        labels.seconds |= part.seconds
        labels.silent += part.silent
        labels.notes += part.notes
        log.say(f"{path}: {found.tool}, {len(found.tracks)} tracks")
    parts = split(labels)
    write_data(labels, parts, options.output)
    used = [clip.path for clip in clips if clip.id in labels.seconds]
    footage, _ = look_at(used)
    _write_overlay(
        overlay, name, footage, options.output, keys=len(parts.train), detector=options.detector
    )
    for line in summary(labels, parts):
        log.say(line)
    log.say(f"{options.output}: train.csv, val.csv, classes.pbtxt; {overlay}: the settings. Next:")
    log.say(f"  snakemake results/{name}_val.csv results/{name}/report.html")
    log.say(f"    # {_cost(f'results/{name}_val.csv')}")
    log.say(f"  aia predict VIDEO --model results/{name}/runs/i3d_kinetics400-none-s0")


def export_labels(options: argparse.Namespace) -> None:
    """Make a task of CVAT: tracks with few keyframes, actions as attributes that change."""
    from aia.annotate.cvat_writing import write_cvat
    from aia.annotate.exporting import read_tracks_of
    from aia.annotate.importing import Clip

    clips = [Clip.open(path) for path in _videos(options.videos)]
    tracks, actions = read_tracks_of(
        options.files, clips, labels=options.labels, threshold=options.threshold
    )
    for clip in clips:
        mine = [track for track in tracks if track.video == clip.id]
        output = options.output / f"{clip.id}.xml"
        count = write_cvat(output, clip, mine, actions, tolerance_px=options.tolerance)
        seconds = sum(float(track.at[-1] - track.at[0]) for track in mine)
        rate = f", {count / seconds:.2f} a second of a track" if seconds else ""
        log.say(f"{output}: {len(mine)} tracks, {count} keyframes{rate}")
    log.say(f"{options.output / 'labels.json'}: the labels of the task, to be pasted as Raw")


def next_labels(options: argparse.Namespace) -> None:
    """Predict videos, choose what to label next, and write a task of CVAT of just that."""
    from aia.annotate import choosing
    from aia.annotate.cvat_writing import write_cvat
    from aia.annotate.exporting import tracks_of_scores
    from aia.annotate.importing import Clip
    from aia.predict.folder import PredictOptions, predict_folder
    from aia.predict.model import load_action_detector
    from aia.predict.sources import expand
    from aia.tables import read_actions, read_scores

    if options.budget < 1:
        raise InputError(f"--budget: {options.budget}, expected 1 or more")
    sources = expand(options.videos)
    paths = dict(zip((source.id for source in sources), _videos(options.videos), strict=True))
    clips = {name: Clip.open(path) for name, path in paths.items()}
    labelled = {
        (str(video), float(second))
        for path in options.labelled
        for video, second in read_actions(path)[["video", "time_sec"]].to_numpy().tolist()
    }
    who = load_action_detector(options.model, detector=options.detector, device=options.device)
    predictions = options.output / "predictions"
    failed = predict_folder(who, sources, predictions, PredictOptions(film=False, page=False))
    if failed:
        raise InputError(f"--videos: {failed[0]}")
    tables = {source.id: read_scores(predictions / f"{source.id}.parquet") for source in sources}
    table = choosing.joined(list(tables.values()))
    candidates = choosing.stretches(table, labelled=labelled)
    features = choosing.looks(table, paths)
    chosen = choosing.choose(candidates, features, budget=options.budget)
    names = list(who.model.run.classes.names)
    for name, clip in clips.items():
        rows = [one.rows for one in chosen if one.video == name]
        if rows:
            tracks = tracks_of_scores(table, rows, who.model.run.classes, threshold=0.5)
            write_cvat(options.output / f"{name}.xml", clip, tracks, names, tolerance_px=2.0)
    listed = choosing.table_of(chosen, table.boxes)
    write_text(options.output / "next.csv", listed.to_csv(index=False))
    count = sum(len(one.rows) for one in chosen)
    log.say(
        f"{options.output}: {len(chosen)} stretches of {listed['video'].nunique()} videos, {count} "
        f"seconds of persons, of {sum(len(one.rows) for one in candidates)} that have no labels"
    )


def check(options: argparse.Namespace) -> int:
    """Look for what is likely wrong with labels; exit status 1 if something is."""
    import pandas as pd

    from aia.annotate.checking import COLUMNS, check_labels
    from aia.config import video_id
    from aia.labels import read_labels
    from aia.tables import read_actions

    classes = read_labels(options.data / "classes.pbtxt")
    files = {part: options.data / f"{part}.csv" for part in ("train", "val")}
    parts = {part: read_actions(path, labels=classes) for part, path in files.items()}
    videos = {video_id(path.name): path for path in _videos(options.videos)}
    found = check_labels(parts, classes, videos)
    for one in found:
        where = f"{one.video}" + (f", {one.second:g} s" if one.second >= 0 else "")
        log.say(f"{one.what}: {where}{': ' if one.video else ''}{one.says}")
    if options.output:
        write_text(options.output, pd.DataFrame(found, columns=list(COLUMNS)).to_csv(index=False))
    rows = sum(len(part) for part in parts.values())
    log.say(f"{options.data}: {rows} rows looked at, {len(found)} findings")
    return 1 if found else 0


def new(options: argparse.Namespace) -> None:
    """Look at a folder of videos, write settings for it, and say what is missing."""
    from aia.annotate.overlay import look_at

    name = _data_set(options.name)
    overlay = _free_overlay(name, overwrite=options.overwrite)
    footage, lines = look_at(_videos(options.videos))
    for line in lines:
        log.say(line)
    data = Path("data") / name
    _write_overlay(overlay, name, footage, data, keys=0, detector=options.detector)
    log.say(f"{overlay}: written, for {footage.videos} videos of {footage.seconds:.0f} s")
    missing = [
        one for one in ("train.csv", "val.csv", "classes.pbtxt") if not (data / one).exists()
    ]
    if missing:
        log.say(f"missing: {', '.join(f'{data}/{one}' for one in missing)}. Next, one of:")
        log.say(f"  aia labels import EXPORT --videos {footage.folder} --output {data} --overwrite")
        log.say("  docs/own-data.md: the form of these files, to be written by hand")
    else:
        log.say(f"Next: aia budget results/{name}_val.csv; snakemake results/{name}_val.csv")


def _cost(target: str) -> str:
    """Estimate in a line what a target takes on this machine."""
    from aia.budget.account import account_lines, account_of
    from aia.budget.rates import Rates
    from aia.config import settings_folder
    from aia.plan import Project

    project = Project((Path("."), settings_folder()))
    cores = len(os.sched_getaffinity(0))
    account = account_of(project, [target], rates=Rates(None), cores=cores, gpus=None)
    return account_lines([target], account)[0]


def _videos(given: Sequence[str]) -> list[Path]:
    from aia.predict.sources import expand

    sources = expand(given)
    if live := [source.address for source in sources if source.kind != "file"]:
        raise InputError(f"--videos: {live[0]}: expected files")
    return [Path(source.address) for source in sources]


def _data_set(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", PurePosixPath(name).name):
        raise InputError(
            f"{name}: is no name of a data set; expected letters, digits and _, such as street"
        )
    return name


def _free_overlay(name: str, *, overwrite: bool) -> Path:
    path = Path("config") / f"{name}.yaml"
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is there already; give another name, or --overwrite")
    return path


def _write_overlay(
    path: Path, name: str, footage: Any, data: Path, *, keys: int, detector: str
) -> None:
    from aia.annotate.overlay import overlay_text

    write_text(path, overlay_text(name, footage, data, keys=keys, detector=detector))
