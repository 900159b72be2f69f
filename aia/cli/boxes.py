"""Where persons and objects are: detected (§4.1), or detected by others."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aia.cli.clips import films_of
from aia.cli.options import add_command, write_part
from aia.cli.planned import add_planned, check_by_hand, planned
from aia.config import DetectorConfig, section
from aia.errors import InputError


def add_parsers(commands: Any) -> None:
    """Add `finetune-detector`, `detect`, `extract-objects` and `boxes` to the commands."""
    command = add_command(commands, "finetune-detector", finetune_detector)
    command.add_argument("--frames", type=Path, nargs="*")
    command.add_argument("--annotations", type=Path, help="without: all boxes are in --objects")
    command.add_argument("--excluded", type=Path)
    command.add_argument("--objects", type=Path)
    command.add_argument("--tracks", type=Path)
    command.add_argument("--output", type=Path)
    command.add_argument("--metrics", type=Path)
    add_planned(command, "output")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1)

    command = add_command(commands, "detect", detect)
    command.add_argument("frames", type=Path, nargs="?")
    command.add_argument("--part", help="instead of one store: those of a part of the data set")
    command.add_argument("--weights", type=Path)
    command.add_argument("--annotations", type=Path, nargs="+", default=[])
    command.add_argument("--segments", type=Path, nargs="+", default=[], help="instead of those")
    command.add_argument("--seconds", type=Path, help="a list of more key frames")
    command.add_argument("--persons", type=Path)
    command.add_argument("--objects", type=Path)
    command.add_argument("--threads", type=int, default=1)
    add_planned(command, "weights", "persons", "objects")

    # The second name is the older one; it goes with the next release.
    for name in ("extract-objects", "remember-objects"):
        command = add_command(commands, name, extract_objects)
        command.add_argument("frames", type=Path, nargs="?")
        command.add_argument("--part", help="instead of one store: those of a part of the data set")
        command.add_argument("--weights", type=Path)
        command.add_argument("--output", type=Path)
        command.add_argument("--threads", type=int, default=1)
        add_planned(command, "weights", "output")

    boxes = commands.add_parser("boxes", help="boxes that others detected")
    kinds = boxes.add_subparsers(required=True, metavar="WHAT")
    command = add_command(kinds, "import", boxes_import)
    command.add_argument(
        "files", type=Path, nargs="*", help="JSON, CSV, Parquet or pickles, or a folder of them"
    )
    command.add_argument("--split", choices=("train", "val", "test"), help="instead of files")
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
    command.add_argument("--output-dir", type=Path)
    add_planned(command, "output_dir")


def finetune_detector(options: argparse.Namespace) -> None:
    """Fine-tune Faster R-CNN on a data set's boxes."""
    from aia.detect.finetune import finetune_on_files
    from aia.weights.maskrcnn_benchmark import read_maskrcnn_benchmark

    if options.frames is None:
        data = planned(options, "finetune_detector")
        options.output = Path(data.path("detector.safetensors"))
        options.metrics = Path(data.path("detector.jsonl"))
    check_by_hand(options)
    finetune_on_files(
        stores=options.frames or [],
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
    """Detect persons and objects on the key frames of a video, or of those of a part."""
    from aia.detect.predict import detect_to_files

    config = section(DetectorConfig, options.settings, "detector")
    stores = [(options.frames, options.persons, options.objects)]
    data = None
    if options.part is not None:
        data = planned(options, "detect_boxes", part=options.part)
        stores = [
            (store, *(_detected(data, kind, store.stem) for kind in ("persons", "objects")))
            for store in options.frames
        ]
    elif options.frames is None:
        raise InputError("detect: give a frame store, or --settings and --part")
    else:
        check_by_hand(options)
    detect_to_files(
        stores,
        weights=options.weights,
        annotations=options.annotations,
        segments=options.segments,
        seconds=options.seconds,
        config=config,
        threads=options.threads,
    )
    if data is not None:
        files = [path for _, *tables in stores for path in tables]
        write_part(data, f"{options.part}.boxes", files)


def _detected(data: Any, kind: Any, video: str) -> Path | None:
    """Return where the detector writes boxes of a video; None where they are imported."""
    if any(data.is_imported(kind, split) for split in data.videos.splits_of(video)):
        return None
    return Path(data.path(f"{kind}/{video}.parquet"))


def extract_objects(options: argparse.Namespace) -> None:
    """Write what the detector sees of objects in every second of a video, as a memory (§6.1)."""
    from aia.detect.object_features import extract_to_files

    config = section(DetectorConfig, options.settings, "detector")
    outputs = [(options.frames, options.output)]
    data = None
    if options.part is not None:
        data = planned(options, "extract_objects", part=options.part)
        outputs = [
            (store, Path(data.path(f"object_features/{store.stem}.parquet")))
            for store in options.frames
        ]
    elif options.frames is None:
        raise InputError("extract-objects: give a frame store, or --settings and --part")
    else:
        check_by_hand(options)
    extract_to_files(outputs, weights=options.weights, config=config, threads=options.threads)
    if data is not None:
        files = [output for _, output in outputs]
        write_part(data, f"{options.part}.object_features", files)


def boxes_import(options: argparse.Namespace) -> None:
    """Published boxes, in whatever layout, as one table for each film."""
    from aia.detect.imported import import_boxes
    from aia.detect.predict import key_times
    from aia.tables import read_key_times

    data = None
    if not options.files:
        if options.split is None:
            raise InputError("boxes import: give files, or --settings and --split")
        data = planned(options, "import_boxes", split=options.split, kind=options.kind)
        options.files = [options.files]
        options.annotations = [options.annotations] if options.annotations else None
        options.segments = [options.segments] if options.segments else []
        options.output_dir = Path(data.path(options.kind))
    check_by_hand(options)
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
        videos=films,
        output_dir=options.output_dir,
        images=options.images,
        frame_sizes=options.frame_sizes,
        times=times,
    )
    if data is not None:
        files = [options.output_dir / f"{video}.parquet" for video in films]
        write_part(data, f"{options.split}.{options.kind}.imported", files)


def _files_in(paths: Sequence[Path]) -> list[Path]:
    """The files, those of a folder in the order of their names."""
    return [
        file
        for path in paths
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
        if not file.name.startswith(".")
    ]
