"""Published data sets: which files their publishers offer, and how to get them.

| data set  | below the address of the setting | what                                            |
|-----------|----------------------------------|-------------------------------------------------|
| AVA       | fetch.address                    | annotations/ava_v2.2.zip, the lists of videos,  |
|           |                                  | {trainval,test}/NAME.{mkv,mp4,webm}             |
| UCF101-24 | fetch.ucf101_24_annotations      | pyannot.pkl and testlist01.txt, corrected by    |
|           |                                  | Singh et al.                                    |
|           | fetch.ucf101_films               | UCF101.rar: 6.5 GB, the videos of 101 classes   |
| EPIC-55   | fetch.epic55_annotations         | EPIC_*.csv                                      |
|           | fetch.epic55_films               | train/P01/P01_01.MP4: videos with labels        |
| PETS 2009 | fetch.pets09_video               | the video itself: vtest.avi                     |
|           | fetch.pets09_tracks              | MOT15Labels.zip, with a file of tracks          |

None of them publishes digests, so each file's first download decides (content.py). Readers of
tables are imported where they are used: the workflow reads the names here in each job.
"""

import re
import shutil
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Literal

from aia.config import FetchConfig, is_video_name
from aia.errors import InputError
from aia.fetch.content import NOT_YET
from aia.fetch.download import fetch, fetch_all, wanted_file
from aia.fetch.unpack import take_files
from aia.files import atomic_path, write_text
from aia.log import say

# AVA

AvaVersion = Literal["2.1", "2.2"]
AVA_LISTS = {part: f"ava_file_names_{part}_v2.1.txt" for part in ("trainval", "test")}
"""The list of each part's videos; a part is the folder that they lie in."""
_AVA_TABLES = {  # ours, and the archive's where it is called otherwise
    "ava_train_v{v}.csv": None,
    "ava_val_v{v}.csv": None,
    "ava_train_excluded_timestamps_v{v}.csv": None,
    "ava_val_excluded_timestamps_v{v}.csv": None,
    "ava_action_list_v{v}.pbtxt": None,
    "ava_action_list_v{v}_evaluated.pbtxt": "ava_action_list_v{v}_for_activitynet_{year}.pbtxt",
    "ava_included_timestamps_v{v}.txt": None,
    "ava_test_excluded_timestamps_v{v}.csv": None,
}
_AVA_YEAR = {"2.1": 2018, "2.2": 2019}
"""The challenge whose 60 classes are scored."""
_AVA_SUBSTITUTES: dict[str, tuple[str, Callable[[], str]]] = {  # known without the archive
    "ava_action_list_v{v}.pbtxt": (
        "ours of the same 80 classes is taken",
        (Path(__file__).parents[1] / "datasets" / "ava_v2.2.pbtxt").read_text,
    ),
    "ava_included_timestamps_v{v}.txt": (
        "902 to 1798, which are AVA's in every version, are taken",
        lambda: "".join(f"{t:04d}\n" for t in range(902, 1799)),
    ),
    "ava_test_excluded_timestamps_v{v}.csv": (
        "no second of the test videos is left out",
        lambda: "",
    ),
}


def ava_tables(version: str) -> list[str]:
    """Name the tables of a version that are needed."""
    return [name.format(v=version) for name in _AVA_TABLES]


def fetch_ava_annotations(version: AvaVersion, folder: Path | str, *, config: FetchConfig) -> None:
    """Download a version's tables and the lists of videos into a folder.

    Raises:
        InputError: Something cannot be downloaded, or the archive lacks a table.
    """
    folder = Path(folder)
    names = [f"ava_v{version}.zip", *AVA_LISTS.values()]
    _fetch_each(config.address, [f"annotations/{name}" for name in names], folder, config)
    for name in AVA_LISTS.values():
        read_ava_list(folder / name)
    _unpack_ava(folder / names[0], folder, version)


def fetch_ava_videos(
    videos: Sequence[str], lists: Iterable[Path], folder: Path | str, *, config: FetchConfig
) -> None:
    """Download videos by their ids, several at once; those of all lists if no id is given.

    Args:
        videos: Ids, which are the videos' names without ending.
        lists: ava_file_names_trainval_v2.1.txt, ava_file_names_test_v2.1.txt or both.
        folder: Destination.
        config: Address and patience.

    Raises:
        InputError: An id is in no list, or videos cannot be downloaded: which, and why.
    """
    found = {
        video: f"{_part_of(path)}/{name}"
        for path in lists
        for video, name in read_ava_list(path).items()
    }
    unknown = [video for video in videos if video not in found]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: not a video in the lists of videos")
    _fetch_each(config.address, [found[video] for video in videos or found], folder, config)


def read_ava_list(path: Path | str) -> dict[str, str]:
    """Read the names of the videos in a list, by their ids.

    Raises:
        InputError: It cannot be read, is empty, or a line is not a video's name.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected a video's name a line"
        ) from None
    names: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        match = re.fullmatch(r"([A-Za-z0-9_-][A-Za-z0-9_.-]{0,179})\.([a-z0-9]{1,9})", name)
        if name and not match:
            raise InputError(f"{path}, line {number}: '{name[:60]}' is not a video's name")
        if match and names.setdefault(match[1], name) != name:
            raise InputError(f"{path}, line {number}: {names[match[1]]} and {name} share their id")
    if not names:
        raise InputError(f"{path}: names no video; expected one a line, such as 053oq2xB3oU.mkv")
    return names


def _part_of(path: Path | str) -> str:
    """Find which part's videos a list names, from its own name."""
    for part, name in AVA_LISTS.items():
        if Path(path).name == name:
            return part
    names = " or ".join(AVA_LISTS.values())
    raise InputError(f"{path}: is not called {names}, so it is not known where its videos lie")


def _unpack_ava(archive: Path, folder: Path, version: str) -> None:
    """Take the tables, and nothing else, out of an archive, wherever in it they lie."""
    year = _AVA_YEAR[version]
    official = {
        ours.format(v=version): (theirs or ours).format(v=version, year=year)
        for ours, theirs in _AVA_TABLES.items()
    }
    wanted = {theirs: ours for ours, theirs in official.items()}
    wanted |= {f"{theirs}.txt": ours for theirs, ours in wanted.items()}  # as in version 2.1
    wanted[f"ava_test_v{version}.txt"] = f"ava_test_v{version}.txt"  # the test videos' ids
    inside = set()

    def called(name: str) -> str | None:
        inside.add(name)
        return wanted.get(name)

    taken = take_files(archive, called, folder)
    for pattern in _AVA_TABLES:
        name = pattern.format(v=version)
        if name in taken:
            continue
        if pattern not in _AVA_SUBSTITUTES:
            raise InputError(
                f"{archive}: lacks {official[name]} (it has {', '.join(sorted(inside)[:20])}); is "
                f"it the archive of AVA {version}?"
            )
        what, content = _AVA_SUBSTITUTES[pattern]
        say(f"{archive.name}: lacks {official[name]}; {what}")
        write_text(folder / name, content())


# UCF101-24

UCF101_24_TABLES = ("pyannot.pkl", "testlist01.txt")
_NAMED = 5
"""Missing videos that are named."""


def fetch_ucf101_24_annotations(folder: Path | str, *, config: FetchConfig) -> None:
    """Download the annotations and the list of split 1 into a folder.

    Raises:
        InputError: Something cannot be downloaded.
    """
    _fetch_each(config.ucf101_24_annotations, UCF101_24_TABLES, folder, config)


def fetch_ucf101_videos(
    videos: Sequence[str], folder: Path | str, *, config: FetchConfig
) -> list[Path]:
    """Complete a folder of videos; download and unpack the archive if one is missing.

    Existing videos are used as they are. The archive is kept beside the folder; it may be removed
    once all videos are there.

    Args:
        videos: Their ids, which are their names without ending.
        folder: Where they lie, or go.
        config: `ucf101_films` is an address, or the path of an archive or a folder.

    Returns:
        The videos, in the order of `videos`.

    Raises:
        InputError: The archive cannot be downloaded or unpacked, or videos are not in it: which.
    """
    folder = Path(folder)
    there = _videos_in(folder)
    missing = {video for video in videos if video not in there}
    if missing:
        say(f"{folder}: has {len(videos) - len(missing)} of {len(videos)} videos")
        source = Path(config.ucf101_films)
        if "://" in config.ucf101_films:
            wanted = wanted_file(config.ucf101_films, folder.parent)
            fetch(wanted, config=config)
            source = wanted.path

        def called(name: str) -> str | None:
            video, ending = Path(name).stem, Path(name).suffix.lower()
            return f"{video}{ending}" if video in missing and is_video_name(name) else None

        take_files(source, called, folder)
        there = _videos_in(folder)
        lost = sorted(missing - there.keys())
        if lost:
            more = f" and {len(lost) - _NAMED} more" if len(lost) > _NAMED else ""
            raise InputError(
                f"{source}: lacks {', '.join(lost[:_NAMED])}{more}, of {len(videos)} videos; is it "
                "the archive of UCF101?"
            )
    return [there[video] for video in videos]


def _videos_in(folder: Path) -> dict[str, Path]:
    """Find the videos in a folder, by their ids.

    Raises:
        InputError: A video is there twice, with two endings.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not is_video_name(path.name) or path.name.endswith(NOT_YET):
            continue
        if found.setdefault(path.stem, path) != path:
            raise InputError(f"{folder}: has {found[path.stem].name} and {path.name}; keep one")
    return found


# EPIC-Kitchens-55

EPIC55_ACTIONS, EPIC55_OBJECTS = "EPIC_train_action_labels.csv", "EPIC_train_object_labels.csv"
EPIC55_CLASSES = ("EPIC_verb_classes.csv", "EPIC_noun_classes.csv")
EPIC55_VIDEOS = "EPIC_video_info.csv"
EPIC55_TABLES = (EPIC55_ACTIONS, *EPIC55_CLASSES, EPIC55_VIDEOS)


def fetch_epic55_annotations(
    folder: Path | str, *, config: FetchConfig, objects: bool = False
) -> None:
    """Download the tables of segments, classes and videos into a folder.

    Args:
        folder: Destination.
        config: Address (publishers, a mirror, or a version of the annotations) and patience.
        objects: Download the boxes of objects, too, which only fine-tuning a detector needs.

    Raises:
        InputError: Something cannot be downloaded, or is no such table.
    """
    from aia.datasets.epic55 import read_classes, read_video_info

    folder = Path(folder)
    names = [*EPIC55_TABLES, *([EPIC55_OBJECTS] if objects else [])]
    _fetch_each(config.epic55_annotations, names, folder, config)
    for name in EPIC55_CLASSES:
        read_classes(folder / name)
    read_video_info(folder / EPIC55_VIDEOS)
    labelled_videos(folder / EPIC55_ACTIONS)


def fetch_epic55_videos(
    videos: Sequence[str], actions: Path | str, folder: Path | str, *, config: FetchConfig
) -> None:
    """Download videos by their ids, several at once; all that have labels if no id is given.

    Args:
        videos: Ids, such as P01_01.
        actions: EPIC_train_action_labels.csv, which says what videos there are.
        folder: Destination of P01_01.MP4.
        config: Address (publishers, or a mirror with folders as theirs) and patience.

    Raises:
        InputError: A video has no labels, or videos cannot be downloaded: which, and why.
    """
    labelled = labelled_videos(actions)
    unknown = [video for video in videos if video not in labelled]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: not a video of {actions}")
    names = [f"train/{labelled[video]}/{video}.MP4" for video in videos or labelled]
    _fetch_each(config.epic55_films, names, folder, config)


def labelled_videos(actions: Path | str) -> dict[str, str]:
    """Read the participant of each video that has a segment, in file order.

    Raises:
        InputError: It is no such table, or a video's name makes no sense.
    """
    from aia.datasets.epic55 import participant_of, read_lines
    from aia.tables import check_video_id

    videos: dict[str, str] = {}
    for where, line in read_lines(actions, ("participant_id", "video_id")):
        check_video_id(line["video_id"], where)
        participant = participant_of(line["video_id"], line["participant_id"], where)
        videos[line["video_id"]] = participant
    return videos


# PETS 2009, S2.L1

PETS09_VIDEO = "vtest"
PETS09_FILES = (
    f"{PETS09_VIDEO}.avi", "tracks.csv", "train.csv", "val.csv", "actions.pbtxt"
)  # fmt: skip
_VTEST_SHA256 = "45cddc9490be69345cbdab64ca583be65987e864ca408038e648db99e10516cf"
_PETS09_LICENCES = (
    "vtest.avi is OpenCV's (Apache-2.0), its tracks are MOTChallenge's (CC BY-NC-SA 3.0: no "
    "commercial use), and so are the labels that follow from them"
)


def fetch_pets09(
    folder: Path | str, *, config: FetchConfig, shared: Path | str | None = None
) -> None:
    """Download a street crossing, and derive labels from its tracks (datasets/pets09.py).

    Args:
        folder: Destination of `PETS09_FILES`.
        config: Addresses and patience.
        shared: Folder that may hold them; those of it are taken as they are.

    Raises:
        InputError: Something cannot be downloaded, or the tracks are others.
    """
    from aia.datasets.pets09 import write_tables

    folder = Path(folder)
    if shared and all((Path(shared) / name).is_file() for name in PETS09_FILES):
        folder.mkdir(parents=True, exist_ok=True)
        for name in PETS09_FILES:
            with atomic_path(folder / name) as temporary:
                shutil.copyfile(Path(shared) / name, temporary)
        say(f"{folder}: copied from {shared}; {_PETS09_LICENCES}")
        return
    video = wanted_file(config.pets09_video, folder, sha256=_VTEST_SHA256)
    video = video._replace(path=folder / PETS09_FILES[0])
    tracks = wanted_file(config.pets09_tracks, folder)
    fetch_all([video, tracks], config=config)
    write_tables(tracks.path, folder)
    say(f"{folder}: {_PETS09_LICENCES}")


def _fetch_each(
    address: str, names: Iterable[str], folder: Path | str, config: FetchConfig
) -> None:
    """Download the files `names` below an address."""
    base = address.rstrip("/")
    fetch_all([wanted_file(f"{base}/{name}", folder) for name in names], config=config)
