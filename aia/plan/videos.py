"""Videos of a data set by split, and the path of each, also before it is downloaded.

Readers of tables are imported where they are used: every job of the workflow loads this.
"""

import functools
import os
import re
from collections.abc import Iterable, Mapping

from aia import lines
from aia.config import VIDEO_ID, Settings
from aia.errors import InputError
from aia.fetch.sources import AVA_LISTS, read_ava_list
from aia.plan.publishers import AVA, EPIC, PUBLISHED, UCF
from aia.playhouse import video_names

VIDEO_ENDINGS = (
    "mp4", "m4v", "mov", "qt", "mkv", "webm", "avi", "divx", "flv", "f4v", "3gp", "3g2", "wmv",
    "asf", "ogv", "ogg", "ts", "mts", "m2ts", "m2t", "mpg", "mpeg", "mpe", "m2v", "mpv", "vob",
    "mxf", "rm", "rmvb", "wtv", "dv", "nut", "dav", "gif", "ivf", "obu", "h264", "264", "hevc",
    "265", "h265", "mjpeg", "mjpg", "y4m",
)  # fmt: skip
"""Endings of videos; whatever else lies beside one (subtitles, pictures, descriptions) is none."""


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
        self._where: dict[str, str] = {}
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
            if video in self._where and video.rpartition(".")[2].lower() in VIDEO_ENDINGS:
                raise InputError(
                    f"{self._where[video]}: '{video}' has the ending of a file; the first column "
                    "names the video without its ending"
                )
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
        path = self._fetched(str(getattr(data.annotations, split)))
        if data.tasks is not None:
            from aia.tables import read_segments

            return tuple(sorted(set(read_segments(path)["video"])))
        line_of = _first_column(path, f"data.annotations.{split}")
        self._where |= {video: f"{path}, line {line}" for video, line in line_of.items()}
        return tuple(line_of)

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
    """Group names of files by what is before their endings.

    >>> by_stem(["cam1.mp4", "cam1.night.mp4", "cam1.info.json"])
    {'cam1.info': ['cam1.info.json'], 'cam1': ['cam1.mp4'], 'cam1.night': ['cam1.night.mp4']}
    """
    found: dict[str, list[str]] = {}
    for name in sorted(names):
        found.setdefault(name.rpartition(".")[0] or name, []).append(name)
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
        return [file for file in there if file.rpartition(".")[2].lower() in VIDEO_ENDINGS]
    return [
        file
        for files in listed.values()
        for file in files
        if file.startswith(start) and file.endswith(end) and len(file) >= len(start) + len(end)
        and "." not in file[len(start) : len(file) - len(end)]
    ]  # fmt: skip


def _beside(name: str, listed: Mapping[str, list[str]]) -> str:
    """Name the files beside it that are no videos by their endings."""
    start, end = name.split("*", 1)
    others = [] if end else listed.get(start.removesuffix("."), [])
    others = [file for file in others if file.rpartition(".")[2].lower() not in VIDEO_ENDINGS]
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


def _first_column(path: str, setting: str) -> dict[str, int]:
    """Return the ids in the first column of annotations, sorted, with the first line of each."""
    form = "video,second,x1,y1,x2,y2,action[,person]"
    if not os.path.isfile(path):
        raise InputError(f"{setting}: {path}: there is no such file; expected a CSV of {form}")
    lines.check_utf8(path)
    line_of: dict[str, int] = {}
    for line, cells in lines.rows(path):
        video = cells[0]
        if video in line_of:
            continue
        if not line_of and lines.is_header(cells):
            # the reader's words: it takes the form by the number of columns
            its_form = form.replace("[,person]", ",person" if len(cells) > 7 else "")
            raise InputError(f"{path}, line {line}: {lines.header_problem(cells, its_form)}")
        if not re.fullmatch(VIDEO_ID, video):
            hint = lines.form_hint(cells) or (
                " (letters, digits, _ - ., no . in front, at most 180 characters); the first "
                "column names the video without its folder and ending"
            )
            raise InputError(f"{path}, line {line}: '{video[:200]}' is not a video's id{hint}")
        line_of[video] = line
    return dict(sorted(line_of.items()))
