"""Commands for data: the embedded data set, downloads, annotations, videos and their frames."""

import argparse
import dataclasses
import os
from pathlib import Path
from typing import Any

from aia import log
from aia.cli.options import (
    add_command,
    add_options,
    whole_section,
    write_part,
    write_sources,
)
from aia.cli.planned import check_by_hand, data_set, planned, sources_of
from aia.config import (
    CheckConfig,
    FetchConfig,
    FramesConfig,
    PlayhouseConfig,
    overlay,
    read_sections,
    read_yaml,
    section,
    settings_folder,
)
from aia.errors import InputError
from aia.files import write_text
from aia.plan import Project
from aia.plan.videos import by_stem, meant_by


def add_parsers(commands: Any) -> None:
    """Add `settings`, `playhouse`, `fetch`, `prepare`, `frames`, `check-films` to the commands."""
    command = add_command(commands, "settings", settings, settings=None)
    command.add_argument("dataset", help="config/DATASET.yaml is laid over config.yaml")
    add_options(command, "--configfile", type=Path)

    command = add_command(commands, "playhouse", playhouse)
    add_options(command, "folder", help="folder that is written")
    command.add_argument("--processes", type=int, default=1, help="that draw (default: 1)")

    fetching = commands.add_parser("fetch", help="files from the network, AVA's among them")
    kinds = fetching.add_subparsers(required=True, metavar="WHAT")
    command = add_command(kinds, "files", fetch_files)
    command.add_argument("addresses", nargs="+", metavar="ADDRESS", help="of files")
    add_options(command, "--folder", default=Path(), help="where to (default: here)")
    command.add_argument("--sha256", help="that the file must have")
    command.add_argument("--size", type=int, help="bytes that the file must have")
    command = add_command(kinds, "ava-annotations", fetch_ava_annotations)
    command.add_argument("version", choices=("2.1", "2.2"), help="of AVA")
    add_options(command, "--folder", required=True)
    command = add_command(kinds, "ava-films", fetch_ava_films)
    command.add_argument("videos", nargs="*", metavar="ID", help="none: all videos of the lists")
    add_options(command, "--lists", nargs="+", required=True, help="of videos, as AVA has them")
    add_options(command, "--folder", required=True)
    command = add_command(kinds, "ucf101-24", fetch_ucf101_24)
    add_options(command, "--folder", required=True, help="videos go to FOLDER/films")
    add_options(command, "--annotations", help="without: these are fetched, no videos")
    add_options(command, "--val", help="list of videos that are scored")
    add_options(command, "--train", help="list of videos; without: all others")
    add_options(command, "--output", help="CSV of the videos")

    mirror = "of a mirror; without: the publishers'"
    command = add_command(kinds, "epic55-annotations", fetch_epic55_annotations)
    command.add_argument("--objects", action="store_true", help="boxes of objects, too")
    command.add_argument("--address", help=mirror)
    add_options(command, "--folder", required=True)
    command = add_command(kinds, "epic55-films", fetch_epic55_films)
    command.add_argument("videos", nargs="*", metavar="ID", help="none: all that are labelled")
    add_options(command, "--actions", required=True, help="EPIC_train_action_labels.csv")
    command.add_argument("--address", help=mirror)
    add_options(command, "--folder", required=True)

    command = add_command(kinds, "pets09", fetch_pets09)
    add_options(command, "--folder", required=True)

    preparing = commands.add_parser("prepare", help="annotations of other forms in ours")
    kinds = preparing.add_subparsers(required=True, metavar="KIND")
    command = add_command(kinds, "data", prepare_data)
    add_options(command, "--output-dir", help="without: results/DATASET/data")
    # The next three are of version 0.1; they go with the next release.
    command = add_command(kinds, "ucf24", prepare_source)
    add_options(command, "annotations", help="pyannot.pkl or finalAnnots.mat")
    add_options(command, "--train", help="list of videos; without: all others")
    add_options(command, "--labels")
    add_options(command, "--val", required=True, help="list of videos that are scored")
    add_options(command, "--fps")
    add_options(command, "--output-dir", required=True)
    command.set_defaults(format="ucf101_24")
    command = add_command(kinds, "jhmdb", prepare_source)
    add_options(command, "annotations", help="JHMDB-GT.pkl")
    add_options(command, "--fps")
    command.add_argument("--split", type=int, default=1, help="1, 2 or 3 (default: 1)")
    add_options(command, "--output-dir", required=True)
    command.set_defaults(format="jhmdb")
    command = add_command(kinds, "epic", prepare_source)
    add_options(command, "annotations", help="EPIC_train_action_labels.csv")
    add_options(command, "--verbs", "--nouns", "--videos", "--output-dir", required=True)
    command.add_argument("--train", default="P01-P25", help="participants to train on")
    command.add_argument("--val", default="P26-P31", help="participants to validate on")
    command.set_defaults(format="epic55", fps=1.0)
    command = add_command(kinds, "epic-objects", prepare_epic_objects)
    add_options(command, "objects", help="EPIC_train_object_labels.csv")
    add_options(command, "--nouns", required=True, help="EPIC_noun_classes.csv")
    add_options(command, "--videos", required=True, help="EPIC_video_info.csv")
    command.add_argument("--participants", help="without: those to train on, P01-P25")
    add_options(command, "--output", required=True, help="CSV of boxes")
    empty = "CSV of video,second: also the frames without a box"
    add_options(command, "--output-frames", help=empty)

    command = add_command(commands, "frames", frames, "--part", "--output", needs=("output",))
    add_options(command, "video", nargs="?", help="a video that is decoded")
    command.add_argument("--min-frames", type=int, default=1, help="that a clip spans")

    command = add_command(
        commands, "check-films", check_films, "--frames", needs=("frames", "output")
    )
    add_options(command, "--annotations", nargs="*", default=[])
    seconds = "key frames of videos that no annotation names, one a line"
    add_options(command, "--seconds", help=seconds)
    add_options(command, "--output", help="CSV of the videos")


def settings(options: argparse.Namespace) -> None:
    """Check a data set's settings and write them as one file, results/DATASET/settings.yaml."""
    overlays: dict[str, Any] = {}
    for path in options.configfile:
        overlays = overlay(overlays, read_yaml(path))
    project = Project((Path("."), settings_folder()), overlays=overlays)
    print(project.data(options.dataset).write_settings())


def playhouse(options: argparse.Namespace) -> None:
    """Draw the embedded data set."""
    from aia.playhouse import draw_playhouse

    config = section(PlayhouseConfig, options.settings, "playhouse")
    draw_playhouse(options.folder, config=config, processes=options.processes)


def fetch_files(options: argparse.Namespace) -> None:
    """Download files by their addresses; resumes interrupted downloads, checks existing files."""
    from aia.fetch import fetch_all, wanted_file

    if options.sha256 and len(options.addresses) > 1:
        raise InputError("--sha256: belongs to one file; give one address with it")
    known = {"sha256": options.sha256, "size": options.size}
    wanted = [wanted_file(address, options.folder, **known) for address in options.addresses]
    fetch_all(wanted, config=_fetch_config(options))


def fetch_ava_annotations(options: argparse.Namespace) -> None:
    """Download AVA's tables and the lists of its videos."""
    from aia.fetch import sources

    config = _fetch_config(options)
    sources.fetch_ava_annotations(options.version, options.folder, config=config)


def fetch_ava_films(options: argparse.Namespace) -> None:
    """Download videos of AVA by their ids, or all that the lists name."""
    from aia.fetch import sources

    config = _fetch_config(options)
    sources.fetch_ava_videos(options.videos, options.lists, options.folder, config=config)


def fetch_epic55_annotations(options: argparse.Namespace) -> None:
    """Download EPIC-Kitchens-55's tables of segments, classes and videos."""
    from aia.fetch import sources

    config = _fetch_config(options, epic55_annotations=options.address)
    sources.fetch_epic55_annotations(options.folder, config=config, objects=options.objects)


def fetch_epic55_films(options: argparse.Namespace) -> None:
    """Download videos of EPIC-Kitchens-55 by their ids, or all that have labels."""
    from aia.fetch import sources

    config = _fetch_config(options, epic55_films=options.address)
    sources.fetch_epic55_videos(options.videos, options.actions, options.folder, config=config)


def fetch_pets09(options: argparse.Namespace) -> None:
    """Download a street crossing with tracks, and label it; or copy it from $AIA_SHARED_DATA."""
    from aia.fetch import sources

    shared = os.environ.get("AIA_SHARED_DATA")
    sources.fetch_pets09(
        options.folder,
        config=_fetch_config(options),
        shared=Path(shared) / "pets09" if shared else None,
    )


def fetch_ucf101_24(options: argparse.Namespace) -> None:
    """Download UCF101-24's annotations; or, given these, its videos, of which some may exist."""
    from aia.datasets.ucf101_24 import read_annotations, split_videos, video_id
    from aia.fetch import sources

    config = _fetch_config(options)
    if options.annotations is None:
        sources.fetch_ucf101_24_annotations(options.folder, config=config)
        return
    known = read_annotations(options.annotations)
    names = list(known.frames)
    if options.val:
        split = split_videos(known, val=options.val, train=options.train)
        names = list(dict.fromkeys(name for names in split.values() for name in names))
    folder = options.folder / "films"
    paths = sources.fetch_ucf101_videos([video_id(name) for name in names], folder, config=config)
    if options.output:
        lines = [f"{path.stem},{path.name},{path.stat().st_size}\n" for path in paths]
        write_text(options.output, "video,film,bytes\n" + "".join(lines))
    log.say(f"{folder}: {len(paths)} videos")


def _fetch_config(options: argparse.Namespace, **addresses: str | None) -> FetchConfig:
    """Read the section `fetch`; addresses that are given take the place of its own."""
    config = whole_section(FetchConfig, options.settings, "fetch")
    given = {name: address for name, address in addresses.items() if address}
    return dataclasses.replace(config, **given)


def prepare_data(options: argparse.Namespace) -> None:
    """Write a data set's annotations in the one form that all other commands read."""
    from aia.datasets.data import write_data

    data = data_set(options)
    videos = {split: data.videos.ids(split) for split in data.videos.splits}
    output = options.output_dir or Path(data.data(""))
    write_data(data.settings.data, videos=videos, output=output)
    if options.output_dir is None:
        write_sources(data, "data", sources_of(data))


def prepare_source(options: argparse.Namespace) -> None:
    """Write annotations in a form of their own in the one form, without settings."""
    from aia.config.data import EpicSourceConfig, JhmdbSourceConfig, SourceConfig
    from aia.datasets.data import read_source, write_annotated

    kinds: dict[str, Any] = {
        "ucf101_24": SourceConfig, "jhmdb": JhmdbSourceConfig, "epic55": EpicSourceConfig
    }  # fmt: skip
    kind = kinds[options.format]
    given = {field.name: getattr(options, field.name) for field in dataclasses.fields(kind)}
    source = kind(**{n: str(v) if isinstance(v, Path) else v for n, v in given.items()})
    write_annotated(options.output_dir, read_source(source, clips_per_sec=options.fps))
    log.say(f"{options.output_dir}: written")


def prepare_epic_objects(options: argparse.Namespace) -> None:
    """Convert EPIC-Kitchens-55's boxes of objects for the detector's fine-tuning."""
    from aia.datasets.epic55 import TRAIN
    from aia.datasets.epic55_objects import prepare_objects

    found = prepare_objects(
        options.objects,
        nouns=options.nouns,
        videos=options.videos,
        whose=options.participants or TRAIN,
        output=options.output,
        frames=options.output_frames,
    )
    log.say(
        f"{options.output}: {found.boxes} boxes on {found.frames} frames"
        + (f"; {found.cut} cut at the frame's edge" if found.cut else "")
        + (f"; {found.empty} without an area left out" if found.empty else "")
    )


def frames(options: argparse.Namespace) -> None:
    """Decode one video, or those of a part of a data set, into frame stores."""
    if options.part is not None:
        _frames_of_part(options)
        return
    if options.video is None:
        raise InputError("frames: give a video and --output, or --settings and --part")
    check_by_hand(options)
    given = read_sections(options.settings)
    check = section(CheckConfig, options.settings, "check") if "check" in given else None
    _store(
        options.video,
        options.output,
        config=section(FramesConfig, options.settings, "frames"),
        check=check,
        min_frames=options.min_frames,
        skip=given.get("data", {}).get("bad_films") == "skip",
    )


def _frames_of_part(options: argparse.Namespace) -> None:
    """Store the videos of a part; stores that are up to date are kept."""
    from aia.plan.recipes import clip_frames
    from aia.video.store import is_store_of

    data = data_set(options)
    part, chosen = data.part(options.part), data.settings
    outputs = [Path(data.path(f"frames/{video}.h5")) for video in part.videos]
    for video, output in zip(part.videos, outputs, strict=True):
        path = _video(Path(data.videos.path(video)))
        if is_store_of(output, path, chosen.frames):
            continue
        _store(
            path,
            output,
            config=chosen.frames,
            check=chosen.check,
            min_frames=clip_frames(data),
            skip=chosen.data.bad_films == "skip",
        )
    write_part(data, f"{part.name}.frames", outputs)


def _store(
    path: Path,
    output: Path,
    *,
    config: FramesConfig,
    check: CheckConfig | None,
    min_frames: int,
    skip: bool,
) -> None:
    """Make one frame store; leave a note in its place where a video is unreadable and skipped."""
    from aia.video.store import make_store, skip_video

    try:
        info = make_store(_video(path), output, config=config, min_frames=min_frames, check=check)
    except InputError as error:
        if not skip:
            raise InputError(f"{error} (data.bad_films: skip would ignore this video)") from None
        log.say(f"skipped: {error}")
        skip_video(output, why=str(error))
        return
    height, width = info.size_hw
    log.say(
        f"{path}: {info.frames} frames of {width}x{height} in {info.bytes / 1e6:.1f} MB, "
        f"{info.duration_sec:.2f} s"
    )


def _video(path: Path) -> Path:
    """Find the one video that a path with a * means, for its ending is not known."""
    if "*" not in path.name:
        return path
    there = os.listdir(path.parent) if path.parent.is_dir() else []
    found = meant_by(path.name, by_stem(there))
    if len(found) != 1:
        listed = f": {', '.join(found)}" if found else ""
        raise InputError(f"{path}: expected one video, found {len(found)}{listed}")
    return path.with_name(found[0])


def check_films(options: argparse.Namespace) -> None:
    """Check that all videos are cut as their annotations expect, and write a list of them."""
    from aia.datasets.videos import check_videos

    if options.frames is None:
        data = planned(options, "check_films")
        stores = [data.frames(split).paths for split in data.videos.splits]
        options.frames = [Path(path) for paths in stores for path in paths]
        options.output = Path(data.path("films.csv"))
    check_by_hand(options)
    check_videos(
        stores=options.frames,
        annotations=options.annotations,
        seconds=options.seconds,
        frames=section(FramesConfig, options.settings, "frames"),
        check=section(CheckConfig, options.settings, "check"),
        output=options.output,
    )
