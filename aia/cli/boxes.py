"""Where persons and objects are: detected (§4.1), or detected by others."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aia.cli.clips import films_of
from aia.cli.options import add_command
from aia.config import DetectorConfig, section
from aia.errors import InputError


def add_parsers(commands: Any) -> None:
    """Add `finetune-detector`, `detect`, `remember-objects` and `boxes` to the commands."""
    command = add_command(commands, "finetune-detector", finetune_detector)
    command.add_argument("--frames", type=Path, nargs="*", required=True)
    command.add_argument("--annotations", type=Path, help="without: all boxes are in --objects")
    command.add_argument("--excluded", type=Path)
    command.add_argument("--objects", type=Path)
    command.add_argument("--tracks", type=Path)
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--metrics", type=Path)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1)

    command = add_command(commands, "detect", detect)
    command.add_argument("frames", type=Path)
    command.add_argument("--weights", type=Path, required=True)
    command.add_argument("--annotations", type=Path, nargs="+", default=[])
    command.add_argument("--segments", type=Path, nargs="+", default=[], help="instead of those")
    command.add_argument("--seconds", type=Path, help="a list of more key frames")
    command.add_argument("--persons", type=Path, required=True)
    command.add_argument("--objects", type=Path, required=True)
    command.add_argument("--threads", type=int, default=1)

    command = add_command(commands, "remember-objects", remember_objects)
    command.add_argument("frames", type=Path)
    command.add_argument("--weights", type=Path, required=True)
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--threads", type=int, default=1)

    boxes = commands.add_parser("boxes", help="boxes that others detected")
    kinds = boxes.add_subparsers(required=True, metavar="WHAT")
    command = add_command(kinds, "import", boxes_import)
    command.add_argument(
        "files", type=Path, nargs="+", help="JSON, CSV, Parquet or pickles, or a folder of them"
    )
    command.add_argument("--kind", choices=("persons", "objects"), required=True)
    films = command.add_mutually_exclusive_group()
    films.add_argument("--annotations", type=Path, nargs="+", help="whose films get a file")
    films.add_argument("--films", type=Path, help="a list of them, one a line")
    command.add_argument(
        "--times",
        type=Path,
        help="CSV of video,second: all that is kept of EPIC-Kitchens' pickles, which have every "
        "frame; its films get a file where no others are named",
    )
    command.add_argument(
        "--segments", type=Path, nargs="+", default=[], help="the times are those of their clips"
    )
    command.add_argument(
        "--images", type=Path, help="what image ids mean: AlphAction's annotations or list of films"
    )
    command.add_argument(
        "--frame-sizes", type=Path, help="CSV of video,width,height, for boxes in pixels"
    )
    command.add_argument("--output-dir", type=Path, required=True)


def finetune_detector(options: argparse.Namespace) -> None:
    """Fine-tune Faster R-CNN on a data set's boxes."""
    from aia.detect.finetune import finetune_on_files
    from aia.weights.maskrcnn_benchmark import read_maskrcnn_benchmark

    finetune_on_files(
        stores=options.frames,
        annotations=options.annotations,
        excluded=options.excluded,
        objects=options.objects,
        tracks=options.tracks,
        config=section(DetectorConfig, options.settings, "detector"),
        output=options.output,
        metrics=options.metrics,
        seed=options.seed,
        threads=options.threads,
        read=read_maskrcnn_benchmark,
    )


def detect(options: argparse.Namespace) -> None:
    """Detect persons and objects on the key frames of one film."""
    from aia.detect.predict import detect_to_files

    detect_to_files(
        store=options.frames,
        weights=options.weights,
        annotations=options.annotations,
        segments=options.segments,
        seconds=options.seconds,
        persons=options.persons,
        objects=options.objects,
        config=section(DetectorConfig, options.settings, "detector"),
        threads=options.threads,
    )


def remember_objects(options: argparse.Namespace) -> None:
    """What the detector sees of the objects of every second of a film, for a memory of them."""
    from aia.detect.remember import remember_to_file

    remember_to_file(
        store=options.frames,
        weights=options.weights,
        output=options.output,
        config=section(DetectorConfig, options.settings, "detector"),
        threads=options.threads,
    )


def boxes_import(options: argparse.Namespace) -> None:
    """Published boxes, in whatever layout, as one table for each film."""
    from aia.detect.imported import import_boxes
    from aia.detect.predict import key_times
    from aia.tables import read_key_times

    times = read_key_times(options.times) if options.times else None
    for path in options.segments:
        times = (times or {}) | key_times(path)
    if options.films or options.annotations:
        films = films_of(options.films, options.annotations)
    elif times:
        films = sorted(times)
    else:
        raise InputError(
            "--films, --annotations, --segments or --times: one must say which films get a file"
        )
    import_boxes(
        _files_in(options.files),
        kind=options.kind,
        films=films,
        output_dir=options.output_dir,
        images=options.images,
        frame_sizes=options.frame_sizes,
        times=times,
    )


def _files_in(paths: Sequence[Path]) -> list[Path]:
    """The files, those of a folder in the order of their names."""
    return [
        file
        for path in paths
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
        if not file.name.startswith(".")
    ]
