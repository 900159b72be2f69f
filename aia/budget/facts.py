"""What planned jobs will meet: films, frame stores, key frames, persons.

From the files where they are there; from the settings of the job that will draw them; else as the
rates say AVA is, and then a note says so.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aia.budget.rates import Rates
from aia.config import PlayhouseConfig, build_section, read_sections
from aia.errors import InputError
from aia.playhouse import SPLITS, key_frames, video_names

LOOKED_AT = 12
"""Films whose headers are read; the others are taken to be like them."""


class FilmFacts(NamedTuple):
    """A film, or all of them on average."""

    seconds: float
    fps: float
    size_hw: tuple[int, int]


class StoreFacts(NamedTuple):
    """A frame store."""

    seconds: float
    fps: float
    size_hw: tuple[int, int]
    codec: str
    quality: int
    drawn: bool = False
    """Whether its film is one of Playhouse, whose pictures are unlike a camera's."""


class KeyFrames(NamedTuple):
    """Annotated key frames of some films."""

    clips: int
    """With a person."""
    persons: int
    seconds: int
    """From the first to the last of each film, all films together."""


class Facts:
    """What is known of the data of a plan.

    Args:
        commands: The options of all planned commands.
        rates: Where what is not known comes from.

    Attributes:
        notes: What had to be assumed, in words.
    """

    def __init__(self, commands: Iterable[argparse.Namespace], rates: Rates) -> None:
        self.rates = rates
        self.notes: list[str] = []
        self._drawn: dict[Path, PlayhouseConfig] = {}
        self._storing: dict[Path, argparse.Namespace] = {}
        for options in commands:
            if options.run.__name__ == "playhouse":
                raw = read_sections(options.settings)["playhouse"]
                self._drawn[options.folder] = build_section(PlayhouseConfig, raw, "playhouse")
            elif options.run.__name__ == "frames":
                self._storing[options.output] = options
        self._films: dict[Path, FilmFacts] = {}
        self._headers: list[FilmFacts] = []
        self._stores: dict[Path, StoreFacts] = {}
        self._tables: dict[tuple[Path, Path | None], dict[str, KeyFrames]] = {}

    def film(self, path: Path) -> FilmFacts:
        """How long and how large a film is."""
        drawn = self._drawn.get(path.parent.parent)
        if drawn:
            return FilmFacts(drawn.seconds, drawn.fps, drawn.size_hw)
        if path not in self._films:
            self._films[path] = self._read_film(path)
        return self._films[path]

    def _read_film(self, path: Path) -> FilmFacts:
        from aia.video.decode import VideoFile

        if len(self._headers) == LOOKED_AT:
            self._note(f"the headers of {LOOKED_AT} films were read, the others are taken as these")
            seconds = sum(film.seconds for film in self._headers) / LOOKED_AT
            return self._headers[0]._replace(seconds=seconds)
        try:
            film = VideoFile(path)
            if film.stated_sec:
                found = FilmFacts(film.stated_sec, film.stated_fps or 30.0, film.size_hw)
                self._headers.append(found)
                return found
        except InputError:
            pass
        self._note(f"films such as {path} cannot be read yet: taken as films of AVA")
        rates = self.rates
        size_hw = (round(rates["film.height"]), round(rates["film.width"]))
        return FilmFacts(rates["film.seconds"], rates["film.fps"], size_hw)

    def store(self, path: Path) -> StoreFacts:
        """A frame store that is there, or will be."""
        if path not in self._stores:
            self._stores[path] = self._read_store(path)
        return self._stores[path]

    def _read_store(self, path: Path) -> StoreFacts:
        if path in self._storing:
            options = self._storing[path]
            found = stored(self.film(options.film), read_sections(options.settings)["frames"])
            return found._replace(drawn=options.film.parent.parent in self._drawn)
        from aia.video.store import FrameStore

        try:
            about = FrameStore(path).about
        except InputError:  # it was skipped, or it will be noticed by whoever reads it
            self._note(f"{path}: cannot be read; taken as a film of AVA at 30 frames a second")
            return StoreFacts(self.rates["film.seconds"], 30.0, (256, 455), "jpeg", 90)
        return StoreFacts(
            seconds=float(about["source_duration_sec"]),
            fps=float(about["fps"]),
            size_hw=(int(about["size_hw"][0]), int(about["size_hw"][1])),
            codec=about["codec"],
            quality=int(about["quality"]),
        )

    def key_frames(
        self, annotations: Path, videos: Sequence[str], *, excluded: Path | None = None
    ) -> KeyFrames:
        """Key frames that a table of annotations has of these films."""
        key = (annotations, excluded)
        if key not in self._tables:
            self._tables[key] = self._read_key_frames(annotations, excluded, videos)
        table = self._tables[key]
        found = [table[video] for video in videos if video in table]
        return (
            KeyFrames(*(sum(part) for part in zip(*found, strict=True))) if found else NO_KEY_FRAMES
        )

    def all_key_frames(self, annotations: Path) -> KeyFrames:
        """Key frames that a table of annotations has, of whichever films are planned or in it."""
        drawn = self._drawn.get(annotations.parent.parent)
        if drawn:
            return self.key_frames(annotations, video_names(drawn, annotations.stem))
        if not annotations.is_file():
            return self.key_frames(annotations, [path.stem for path in self._storing])
        self.key_frames(annotations, [])
        return self.key_frames(annotations, list(self._tables[annotations, None]))

    def _read_key_frames(
        self, annotations: Path, excluded: Path | None, videos: Sequence[str]
    ) -> dict[str, KeyFrames]:
        drawn = self._drawn.get(annotations.parent.parent)
        if drawn:
            clips = key_frames(drawn)
            persons = round(clips * self.rates["playhouse.persons"])
            names = [video for split in SPLITS for video in video_names(drawn, split)]
            return dict.fromkeys(names, KeyFrames(clips, persons, clips))
        if annotations.is_file():
            return counted_key_frames(annotations, excluded)
        self._note(f"{annotations} is not there yet: each film is taken to have AVA's key frames")
        clips = round(self.rates["film.key_frames"])
        persons = round(clips * self.rates["film.persons"])
        return dict.fromkeys(videos, KeyFrames(clips, persons, clips))

    def _note(self, text: str) -> None:
        if text.split(" such as ")[0] not in (note.split(" such as ")[0] for note in self.notes):
            self.notes.append(text)


NO_KEY_FRAMES = KeyFrames(0, 0, 0)


def stored(film: FilmFacts, frames: Mapping[str, Any]) -> StoreFacts:
    """What becomes of a film under these settings of the frame store."""
    from aia.video.transforms import resize_size_hw

    first, end = frames.get("start_sec") or 0.0, frames.get("end_sec")
    seconds = film.seconds if end is None else end - first
    size_hw = resize_size_hw(film.size_hw, frames["short_side"])
    return StoreFacts(seconds, frames["fps"], size_hw, frames["codec"], frames["quality"])


def counted_key_frames(annotations: Path, excluded: Path | None) -> dict[str, KeyFrames]:
    """Key frames and persons of each film of an AVA CSV; of a table of segments, these are both."""
    from aia.tables import SEGMENT_COLUMNS, read_actions, read_excluded, read_segments

    with open(annotations, encoding="utf-8-sig") as file:
        if file.readline().startswith(",".join(SEGMENT_COLUMNS)):
            segments = read_segments(annotations).groupby("video")["segment"].count()
            return {str(video): KeyFrames(int(n), int(n), int(n)) for video, n in segments.items()}
    rows = read_actions(annotations)
    box = ["video", "time_sec", "x1", "y1", "x2", "y2", "person"]
    rows = rows[rows["action"] >= 0].drop_duplicates(box)
    left_out = read_excluded(excluded)
    if left_out:
        keys = zip(rows["video"], rows["time_sec"].round().astype(int), strict=True)
        rows = rows[[key not in left_out for key in keys]]
    films = rows.groupby("video")["time_sec"].agg(["nunique", "count", "min", "max"])
    return {
        str(video): KeyFrames(int(clips), int(persons), round(last - first) + 1)
        for video, clips, persons, first, last in films.itertuples()
    }
