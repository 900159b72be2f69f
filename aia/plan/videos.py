"""Videos of a data set by split, and the path of each, also before it is downloaded.

Readers of tables are imported where they are used: every job of the workflow loads this.
"""

import codecs
import functools
import os
import re
from collections.abc import Iterable, Mapping

from aia.config import VIDEO_ID, Settings, is_video_name, video_id
from aia.errors import InputError
from aia.fetch.sources import AVA_LISTS, PETS09_VIDEO, read_ava_list
from aia.plan.publishers import AVA, EPIC, PUBLISHED, UCF
from aia.playhouse import video_names

_SIDE = rb"(0\.[0-9]+|1\.0+|[01])"
_PLAIN_LINE = re.compile(
    rb"(%b),[0-9]{1,6}(?:\.[0-9]*)?(?:,%b,[0-9]{1,9}(,-?[0-9]{1,9})?)?\r?\n?"
    % (VIDEO_ID.encode(), b",".join([_SIDE] * 4))
)
"""Annotations as programs write them: their values can be compared as text."""


class NotFetchedError(Exception):
    """Tables of a publisher must be downloaded before the videos are known.

    Attributes:
        publisher: Value of `data.fetch`, such as ava_v2.2.
    """

    def __init__(self, publisher: str) -> None:
        super().__init__(f"the tables of {publisher} have not been downloaded yet")
        self.publisher = publisher


class Videos:
    """Videos of a data set, as its settings and annotations name them.

    Args:
        settings: Settings of the data set.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._ids: dict[str, tuple[str, ...]] = {}
        self._files: dict[str, Mapping[str, list[str]]] = {}

    @property
    def splits(self) -> tuple[str, ...]:
        """Name the splits: train and val, and test if its videos are listed."""
        return ("train", "val", *(["test"] if self.settings.data.test.films else []))

    @property
    def are_drawn(self) -> bool:
        """True where Playhouse draws the videos."""
        return self.settings.data.films.startswith(f"results/{self.settings.dataset}/")

    @property
    def are_unpacked(self) -> bool:
        """True where missing videos come out of one downloaded archive."""
        data = self.settings.data
        return data.fetch == "ucf101_24" and data.films == f"{UCF}/films/{{video}}.*"

    def ids(self, split: str) -> tuple[str, ...]:
        """List the ids of a split's videos.

        Raises:
            InputError: The annotations cannot be read, or name something that is no id.
            NotFetchedError: They have to be downloaded first.
        """
        if split not in self._ids:
            self._ids[split] = self._read_ids(split)
        return self._ids[split]

    def splits_of(self, video: str) -> list[str]:
        """List the splits that a video is in."""
        return [split for split in self.splits if video in self.ids(split)]

    def path(self, video: str) -> str:
        """Return where a video lies; a * in data.films stands for its ending.

        Raises:
            InputError: There is none, or more than one.
        """
        path = self.settings.data.films.replace("{video}", video)
        folder, name = os.path.split(path)
        if "*" not in name:
            return path
        found = meant_by(name, self._listed(folder))
        if not found and self.settings.data.fetch and folder == f"{AVA}/films":
            return f"{AVA}/films/{self._published_name(video)}"
        if not found and self.settings.data.fetch == "epic55":
            return f"{EPIC}/films/{video}.MP4"
        if len(found) != 1:
            raise InputError(
                f"data.films: expected one video {path}, found {len(found)}"
                f"{': ' + ', '.join(found) if found else ''}{_beside(name, self._listed(folder))}"
            )
        return os.path.join(folder, found[0])

    def _read_ids(self, split: str) -> tuple[str, ...]:
        data = self.settings.data
        if split == "test":
            from aia.tables import read_films

            return tuple(read_films(self._fetched(self._test_list())))
        if self.are_drawn:
            return tuple(video_names(self.settings.playhouse, split))
        if data.source:
            return tuple(sorted(self._source_ids[split]))
        if data.fetch == "pets09":
            return (PETS09_VIDEO,)
        path = self._fetched(str(getattr(data.annotations, split)))
        if data.tasks is not None:
            from aia.tables import read_segments

            return tuple(sorted(set(read_segments(path)["video"])))
        return _annotated_videos(path, f"data.annotations.{split}")

    def _test_list(self) -> str:
        path = self.settings.data.test.films
        if path is None:
            raise InputError(
                f"data.test.films: is null in the settings of {self.settings.dataset}; a "
                "submission needs the list of its videos"
            )
        return path

    @functools.cached_property
    def _source_ids(self) -> dict[str, list[str]]:
        """Read the ids of each split from annotations of a publisher's form."""
        from aia.datasets import epic55, sources

        source, fetch = self.settings.data.source, self.settings.data.fetch
        assert source is not None
        if source.format == "epic55":
            if fetch == "epic55" and not os.path.exists(source.annotations):
                raise NotFetchedError("epic55")
            return epic55.split_videos(source.annotations, train=source.train, val=source.val)
        if fetch == "ucf101_24" and source.format == "ucf101_24":
            asked = {source.annotations, source.val} & {*PUBLISHED["ucf101_24"]}
            if not all(map(os.path.exists, asked)):
                raise NotFetchedError("ucf101_24")
        return sources.read_tubes(source).ids

    def _fetched(self, path: str) -> str:
        """Return the path of a table, if it need not be downloaded first."""
        asked = self.settings.data.fetch
        if asked and not os.path.exists(path) and path.startswith(f"{AVA}/{asked[4:]}/"):
            raise NotFetchedError(asked)
        return path

    @functools.cache  # noqa: B019 (one object a data set, for as long as the program runs)
    def _published(self, part: str) -> dict[str, str]:
        """Names of AVA's videos by their ids, of trainval or test."""
        folder = f"{AVA}/{str(self.settings.data.fetch)[4:]}"
        return read_ava_list(self._fetched(f"{folder}/{AVA_LISTS[part]}"))

    def _published_name(self, video: str) -> str:
        """Return an AVA video's name with its ending, which differs among them."""
        for part in AVA_LISTS:
            if video in self._published(part):
                return self._published(part)[video]
        raise InputError(
            f"{video}: is annotated, but not in AVA's lists of videos, so it cannot be fetched; is "
            "it a video of your own? Put it where data.films says"
        )

    def _listed(self, folder: str) -> Mapping[str, list[str]]:
        """List a folder, once: videos are many, and their disk may be slow."""
        if folder not in self._files:
            self._files[folder] = by_stem(os.listdir(folder) if os.path.isdir(folder) else [])
        return self._files[folder]


def by_stem(names: Iterable[str]) -> dict[str, list[str]]:
    """Group names of files by what is before their endings; videos also by their ids.

    >>> by_stem(["cam1.mp4", "cam1.night.mp4", "cam1.info.json", "Küche 2.mp4"])["cam1"]
    ['cam1.mp4']
    >>> by_stem(["Küche 2.mp4"])
    {'Küche 2': ['Küche 2.mp4'], 'Kueche_2': ['Küche 2.mp4']}
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        stem = name.rpartition(".")[0] or name
        # a name that is no id is asked for by the id that is made of it
        ids = [stem, *([video_id(name)] if is_video_name(name) else [])]
        for key in dict.fromkeys(ids):
            found.setdefault(key, []).append(name)
    return found


def meant_by(name: str, listed: Mapping[str, list[str]]) -> list[str]:
    """Return the files that a name with a * means, which stands for the ending of a video.

    Elsewhere in a name, it stands for anything without a dot.

    Args:
        name: Name without its folder.
        listed: Files of the folder (`by_stem`).

    >>> meant_by("cam1.*", by_stem(["cam1.mp4", "cam1.night.mp4", "cam1.info.json", "cam1.srt"]))
    ['cam1.mp4']
    """
    start, end = name.split("*", 1)
    if not end:
        there = listed.get(start.removesuffix("."), [])
        return [file for file in there if is_video_name(file)]
    return [
        file
        for file in dict.fromkeys(file for files in listed.values() for file in files)
        if file.startswith(start) and file.endswith(end) and len(file) >= len(start) + len(end)
        and "." not in file[len(start) : len(file) - len(end)]
    ]  # fmt: skip


def _beside(name: str, listed: Mapping[str, list[str]]) -> str:
    """Name the files beside it that are no videos by their endings."""
    start, end = name.split("*", 1)
    others = [] if end else listed.get(start.removesuffix("."), [])
    others = [file for file in others if not is_video_name(file)]
    if not others:
        return ""
    return (
        f" ({', '.join(others[:3])} is no video by its ending; if it is one, write the ending out)"
    )


def published_address(name: str, base: str) -> str:
    """Return the address of an AVA video, by its name with ending.

    Raises:
        InputError: No list of AVA's videos that was downloaded has it.
    """
    for version in ("2.2", "2.1"):
        for part in AVA_LISTS:
            path = f"{AVA}/v{version}/{AVA_LISTS[part]}"
            if os.path.exists(path) and name in read_ava_list(path).values():
                return f"{base.rstrip('/')}/{part}/{name}"
    raise InputError(
        f"{name}: is in none of the lists of AVA's videos under {AVA}; download these first: "
        f"`snakemake {AVA}/v2.2/{AVA_LISTS['trainval']}`"
    )


def _annotated_videos(path: str, setting: str) -> tuple[str, ...]:
    """Return the ids in the first column of annotations, sorted.

    Plain lines are read here, without the reader of tables, which takes long to import. Where a
    line is not plain, the reader decides, so that its message is that of the commands.

    Raises:
        InputError: There is no such file, or the reader refuses it.
    """
    if not os.path.isfile(path):
        raise InputError(
            f"{setting}: {path}: there is no such file; expected a CSV of "
            "video,second,x1,y1,x2,y2,action[,person]"
        )
    videos: set[bytes] = set()
    forms: set[bool] = set()
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(file):
                line = line if number else line.removeprefix(codecs.BOM_UTF8)
                plain = _PLAIN_LINE.fullmatch(line)
                if plain is None:
                    if line.isspace():
                        continue
                    return _read_videos(path)
                video, x1, y1, x2, y2, person = plain.groups()
                videos.add(video)
                if x1 is not None:
                    if x1 >= x2 or y1 >= y2:
                        return _read_videos(path)
                    forms.add(person is None)
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem})") from None
    ids = sorted(video.decode() for video in videos)
    if not ids or len(forms) > 1 or any(map(is_video_name, ids)):
        return _read_videos(path)
    return tuple(ids)


def _read_videos(path: str) -> tuple[str, ...]:
    from aia.tables.annotations import read_annotated_videos

    return tuple(sorted(read_annotated_videos(path)))
