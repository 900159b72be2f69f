"""Commands for data: the embedded data set, downloads, annotations, videos and their frames."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aia import log
from aia.cli.options import add_command, add_ucf24, whole_section
from aia.config import (
    CheckConfig,
    FetchConfig,
    FramesConfig,
    PlayhouseConfig,
    read_sections,
    section,
)
from aia.errors import InputError
from aia.files import write_text


def add_parsers(commands: Any) -> None:
    """Add `playhouse`, `fetch`, `prepare`, `frames` and `check-films` to the commands of `aia`."""
    command = add_command(commands, "playhouse", playhouse)
    command.add_argument("folder", type=Path)
    command.add_argument("--processes", type=int, default=1)

    fetching = commands.add_parser("fetch", help="files from the network, AVA's among them")
    kinds = fetching.add_subparsers(required=True, metavar="WHAT")
    command = add_command(kinds, "files", fetch_files)
    command.add_argument("addresses", nargs="+", metavar="ADDRESS")
    command.add_argument("--folder", type=Path, default=Path())
    command.add_argument("--sha256", help="that the file must have")
    command.add_argument("--size", type=int, help="bytes that the file must have")
    command = add_command(kinds, "ava-annotations", fetch_ava_annotations)
    command.add_argument("version", choices=("2.1", "2.2"))
    command.add_argument("--folder", type=Path, required=True)
    command = add_command(kinds, "ava-films", fetch_ava_films)
    command.add_argument("videos", nargs="*", metavar="ID", help="none: all videos of the lists")
    command.add_argument("--lists", type=Path, nargs="+", required=True)
    command.add_argument("--folder", type=Path, required=True)
    command = add_command(kinds, "ucf101-24", fetch_ucf101_24)
    command.add_argument("--folder", type=Path, required=True, help="videos go to FOLDER/films")
    command.add_argument("--annotations", type=Path, help="without: these are fetched, no videos")
    command.add_argument("--val", type=Path, help="list of videos that are scored")
    command.add_argument("--train", type=Path, help="list of videos; without: all others")
    command.add_argument("--output", type=Path, help="CSV of the videos")

    command = add_command(kinds, "epic55-annotations", fetch_epic55_annotations)
    command.add_argument("--objects", action="store_true", help="boxes of objects, too")
    command.add_argument("--address", help="of a mirror; without: the publishers'")
    command.add_argument("--folder", type=Path, required=True)
    command = add_command(kinds, "epic55-films", fetch_epic55_films)
    command.add_argument("videos", nargs="*", metavar="ID", help="none: all that are labelled")
    command.add_argument("--actions", type=Path, required=True, help="EPIC_train_action_labels.csv")
    command.add_argument("--address", help="of a mirror; without: the publishers'")
    command.add_argument("--folder", type=Path, required=True)

    preparing = commands.add_parser("prepare", help="annotations of other forms in ours")
    kinds = preparing.add_subparsers(required=True, metavar="KIND")
    command = add_command(kinds, "ucf24", prepare_ucf24)
    command.add_argument("annotations", type=Path, help="pyannot.pkl or finalAnnots.mat")
    command.add_argument("--val", type=Path, required=True, help="list of films: testlist01.txt")
    command.add_argument("--train", type=Path, help="list of films; without: all others")
    add_ucf24(command)
    command.add_argument("--output-dir", type=Path, required=True)

    command = add_command(kinds, "jhmdb", prepare_jhmdb)
    command.add_argument("annotations", type=Path, help="JHMDB-GT.pkl")
    command.add_argument("--split", type=int, default=1, help="1 to 3")
    command.add_argument("--fps", type=float, default=25.0, help="frames a second of the films")
    command.add_argument("--output-dir", type=Path, required=True)

    command = add_command(kinds, "epic", prepare_epic)
    command.add_argument("actions", type=Path, help="EPIC_train_action_labels.csv")
    command.add_argument("--verbs", type=Path, required=True, help="EPIC_verb_classes.csv")
    command.add_argument("--nouns", type=Path, required=True, help="EPIC_noun_classes.csv")
    command.add_argument("--videos", type=Path, required=True, help="EPIC_video_info.csv")
    command.add_argument("--train", help="participants; without: those of the paper, P01-P25")
    command.add_argument("--val", help="participants; without: those of the paper, P26-P31")
    command.add_argument("--output-dir", type=Path, required=True)
    command = add_command(kinds, "epic-objects", prepare_epic_objects)
    command.add_argument("objects", type=Path, help="EPIC_train_object_labels.csv")
    command.add_argument("--nouns", type=Path, required=True, help="EPIC_noun_classes.csv")
    command.add_argument("--videos", type=Path, required=True, help="EPIC_video_info.csv")
    command.add_argument("--participants", help="without: those to train on, P01-P25")
    command.add_argument("--output", type=Path, required=True, help="CSV of boxes")
    command.add_argument(
        "--output-frames", type=Path, help="CSV of video,second: also the frames without a box"
    )

    command = add_command(commands, "frames", frames)
    command.add_argument("film", type=Path)
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--min-frames", type=int, default=1, help="that a clip spans")

    command = add_command(commands, "check-films", check_films)
    command.add_argument("--frames", type=Path, nargs="+", required=True, help="frame stores")
    command.add_argument("--annotations", type=Path, nargs="*", default=[])
    command.add_argument(
        "--seconds", type=Path, help="key frames of videos that no annotation names, one a line"
    )
    command.add_argument("--output", type=Path, required=True, help="CSV of the videos")


def playhouse(options: argparse.Namespace) -> None:
    """Draw the embedded data set."""
    from aia.datasets.playhouse import draw_playhouse

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


def fetch_ucf101_24(options: argparse.Namespace) -> None:
    """Download UCF101-24's annotations; or, given these, its videos, of which some may exist."""
    from aia.datasets.ucf101_24 import read_annotations, split_films, video_id
    from aia.fetch import sources

    config = _fetch_config(options)
    if options.annotations is None:
        sources.fetch_ucf101_24_annotations(options.folder, config=config)
        return
    known = read_annotations(options.annotations)
    names = list(known.frames)
    if options.val:
        split = split_films(known, val=options.val, train=options.train)
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


def prepare_ucf24(options: argparse.Namespace) -> None:
    """UCF101-24's annotations in the form that all else reads."""
    from aia.datasets.ucf101_24 import prepare

    films = prepare(
        options.annotations,
        val=options.val,
        train=options.train,
        labels=options.labels,
        fps=options.fps,
        output=options.output_dir,
    )
    _say_films(options.output_dir, films)


def prepare_jhmdb(options: argparse.Namespace) -> None:
    """J-HMDB's annotations in the form that all else reads."""
    from aia.datasets.jhmdb import prepare

    films = prepare(
        options.annotations, split=options.split, fps=options.fps, output=options.output_dir
    )
    _say_films(options.output_dir, films)


def _say_films(folder: Path, films: Mapping[str, Sequence[str]]) -> None:
    log.say(f"{folder}: {len(films['train'])} films to train on, {len(films['val'])} to score")


def prepare_epic(options: argparse.Namespace) -> None:
    """EPIC-Kitchens-55's segments and classes in the form that all else reads."""
    from aia.datasets.epic55 import TRAIN, VAL, prepare

    counts = prepare(
        options.actions,
        verbs=options.verbs,
        nouns=options.nouns,
        videos=options.videos,
        train=options.train or TRAIN,
        val=options.val or VAL,
        output=options.output_dir,
    )
    log.say(
        f"{options.output_dir}: {counts['train']} segments to train on, {counts['val']} to score"
    )


def prepare_epic_objects(options: argparse.Namespace) -> None:
    """EPIC-Kitchens-55's boxes of objects as those that the detector is fine-tuned on."""
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
    """Decode one film into its frame store."""
    from aia.video.store import make_store, skip_film

    config = section(FramesConfig, options.settings, "frames")
    given = read_sections(options.settings)
    check = section(CheckConfig, options.settings, "check") if "check" in given else None
    try:
        info = make_store(
            _film(options.film),
            options.output,
            config=config,
            min_frames=options.min_frames,
            check=check,
        )
    except InputError as error:
        if given.get("data", {}).get("bad_films") != "skip":
            raise InputError(
                f"{error} (data.bad_films: skip would go on without this film)"
            ) from None
        log.say(f"skipped: {error}")
        skip_film(options.output, why=str(error))
        return
    height, width = info.size_hw
    log.say(
        f"{options.film}: {info.frames} frames of {width}x{height} in {info.bytes / 1e6:.1f} MB, "
        f"{info.duration_sec:.2f} s"
    )


def _film(path: Path) -> Path:
    """The one film that a path with a * means, whose ending is not known; else the path itself."""
    from aia.fetch import NOT_YET

    if "*" not in path.name:
        return path
    found = sorted(film for film in path.parent.glob(path.name) if not film.name.endswith(NOT_YET))
    if len(found) != 1:
        listed = f": {', '.join(film.name for film in found)}" if found else ""
        raise InputError(f"{path}: expected one film, found {len(found)}{listed}")
    return found[0]


def check_films(options: argparse.Namespace) -> None:
    """Check that all videos are cut as their annotations expect, and write a list of them."""
    from aia.datasets.videos import check_videos

    check_videos(
        stores=options.frames,
        annotations=options.annotations,
        seconds=options.seconds,
        frames=section(FramesConfig, options.settings, "frames"),
        check=section(CheckConfig, options.settings, "check"),
        output=options.output,
    )
