"""Boxes of persons and objects: detected (§4.1), or imported from others."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aia.cli.clips import videos_of
from aia.cli.options import add_command, add_options, write_part, write_sources
from aia.cli.planned import check_by_hand, planned
from aia.config import DetectorConfig, section
from aia.errors import InputError


def add_parsers(commands: Any) -> None:
    """Add `finetune-detector`, `detect`, `extract-objects` and `boxes` to the commands."""
    command = add_command(
        commands, "finetune-detector", finetune_detector,
        "--excluded", "--objects", "--output", "--threads",
        needs=("output",),
    )  # fmt: skip
    add_options(command, "--frames", nargs="*")
    tracks = "boxes of the persons of every frame, of the only video"
    add_options(command, "--tracks", help=tracks)
    add_options(command, "--metrics", help="JSON lines of its training that are written")
    add_options(command, "--annotations", help="without: all boxes are in --objects")
    add_options(command, "--seed", type=int, default=0, help="of its training (default: 0)")

    command = add_command(
        commands, "detect", detect,
        "--part", "--weights", "--segments", "--persons", "--threads",
        needs=("weights", "persons", "objects"),
    )  # fmt: skip
    add_options(command, "frames", nargs="?", help="frame store")
    add_options(command, "--objects", help="file that gets the boxes of objects")
    add_options(command, "--annotations", nargs="+", default=[])
    add_options(command, "--seconds", help="list of more key frames")

    # The second name is the older one; it goes with the next release.
    for name in ("extract-objects", "remember-objects"):
        command = add_command(
            commands, name, extract_objects, "--part", "--weights", "--output", "--threads",
            needs=("weights", "output"),
        )  # fmt: skip
        add_options(command, "frames", nargs="?", help="frame store")

    boxes = commands.add_parser("boxes", help="boxes that others detected")
    kinds = boxes.add_subparsers(required=True, metavar="WHAT")
    command = add_command(kinds, "import", boxes_import, needs=("output_dir",))
    files = "JSON, CSV, Parquet or pickles, or a folder of them"
    add_options(command, "files", nargs="*", help=files)
    command.add_argument("--split", choices=("train", "val", "test"), help="instead of files")
    kind = "what the boxes are of"
    command.add_argument("--kind", choices=("persons", "objects"), required=True, help=kind)
    videos = command.add_mutually_exclusive_group()
    add_options(videos, "--annotations", nargs="+", help="whose videos get a file")
    add_options(videos, "--films", help="list of these videos, one a line")
    add_options(command, "--segments", help="their clips' times are kept")
    add_options(
        command,
        "--times",
        help="CSV of video,second: all that is kept of EPIC-Kitchens' pickles, which have every "
        "frame; its videos get a file if no others are named",
    )
    images = "what image ids mean: AlphAction's annotations or list of videos"
    add_options(command, "--images", help=images)
    add_options(command, "--frame-sizes", help="CSV of video,width,height, for boxes in pixels")
    add_options(command, "--output-dir")


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
    """Write the detector's features of objects in every second of a video, as a memory (§6.1)."""
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
    """Import published boxes, in any known layout, as one table for each video."""
    from aia.detect.imported import import_boxes
    from aia.detect.predict import key_times
    from aia.tables import read_key_times
    from aia.tables.forms import read_actions

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
        videos = videos_of(options.films, options.annotations)
    elif times:
        videos = sorted(times)
    else:
        raise InputError(
            "--films, --annotations, --segments or --times: one must say which videos get a file"
        )
    per_sec = data.settings.data.clips_per_sec if data is not None else 1.0
    key_frames: dict[str, set[int]] = {}
    for path in options.annotations or ():
        found = read_actions(path)
        found = found[found["action"] >= 0]
        for video, rows in found.groupby("video", observed=True)["time_sec"]:
            key_frames.setdefault(str(video), set()).update((rows * per_sec).round().astype(int))
    import_boxes(
        _files_in(options.files),
        kind=options.kind,
        videos=videos,
        output_dir=options.output_dir,
        images=options.images,
        frame_sizes=options.frame_sizes,
        times=times,
        key_frames=key_frames,
        per_sec=per_sec,
    )
    if data is not None:
        files = [options.output_dir / f"{video}.parquet" for video in videos]
        write_part(data, f"{options.split}.{options.kind}.imported", files)
        write_sources(data, f"{options.split}.{options.kind}", options.files)


def _files_in(paths: Sequence[Path]) -> list[Path]:
    """List the files, those of a folder in the order of their names."""
    return [
        file
        for path in paths
        for file in (sorted(path.iterdir()) if path.is_dir() else [path])
        if not file.name.startswith(".")
    ]
