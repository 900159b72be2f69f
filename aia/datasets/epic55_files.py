"""EPIC-Kitchens-55 as its publishers offer it: which files there are, and how to get them.

The annotations are files of a repository; the films are kept by the University of Bristol:

    NAME.csv                                    annotations
    {train,test}/P01/P01_01.MP4                 a film

Films that are labelled lie under train. No digests are published, so each file's first fetch
decides (fetch/content.py).
"""

from collections.abc import Sequence
from pathlib import Path

from aia.config import FetchConfig
from aia.datasets.epic55 import participant_of, read_classes, read_films_info, read_lines
from aia.errors import InputError
from aia.fetch import fetch_all, wanted_file
from aia.tables import check_video_id

ACTIONS, OBJECTS = "EPIC_train_action_labels.csv", "EPIC_train_object_labels.csv"
VERBS, NOUNS, VIDEOS = "EPIC_verb_classes.csv", "EPIC_noun_classes.csv", "EPIC_video_info.csv"


def fetch_annotations(
    folder: Path | str,
    *,
    config: FetchConfig,
    objects: bool = False,
) -> None:
    """Fetch the tables of segments, classes and films into a folder.

    Args:
        folder: Where they go.
        config: Where they come from: publishers, a mirror, or a version of the annotations.
        objects: Fetch the boxes of objects, too, which only fine-tuning a detector needs.

    Raises:
        InputError: Something cannot be fetched, or is no such table.
    """
    folder = Path(folder)
    names = [ACTIONS, VERBS, NOUNS, VIDEOS, *([OBJECTS] if objects else [])]
    base = config.epic55_annotations.rstrip("/")
    fetch_all([wanted_file(f"{base}/{name}", folder) for name in names], config=config)
    for name in (VERBS, NOUNS):
        read_classes(folder / name)
    read_films_info(folder / VIDEOS)
    labelled_films(folder / ACTIONS)


def fetch_films(
    videos: Sequence[str],
    actions: Path | str,
    folder: Path | str,
    *,
    config: FetchConfig,
) -> None:
    """Fetch films by their ids, several at once; all that are labelled if no id is given.

    Args:
        videos: Ids, such as P01_01.
        actions: EPIC_train_action_labels.csv, which says what films there are.
        folder: Where the films go, as P01_01.MP4.
        config: Where they come from: publishers, or a mirror with folders as above.

    Raises:
        InputError: A film is not labelled, or films cannot be fetched: which, and why.
    """
    films = labelled_films(actions)
    unknown = [video for video in videos if video not in films]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: not a film of {actions}")
    base = config.epic55_films.rstrip("/")
    chosen = [(films[video], video) for video in videos or films]
    wanted = [wanted_file(f"{base}/train/{whose}/{video}.MP4", folder) for whose, video in chosen]
    fetch_all(wanted, config=config)


def labelled_films(actions: Path | str) -> dict[str, str]:
    """The participant of each film that has a segment, in file order.

    Raises:
        InputError: It is no such table, or a film's name makes no sense.
    """
    films: dict[str, str] = {}
    for where, line in read_lines(actions, ("participant_id", "video_id")):
        check_video_id(line["video_id"], where)
        participant = participant_of(line["video_id"], line["participant_id"], where)
        films[line["video_id"]] = participant
    return films
