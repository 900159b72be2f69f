"""What jobs of a data set meet: how long and large its videos are, how many clips it has.

From the files where they are there; from the settings where they will be drawn; else as the rates
say that AVA is, and then a note says so.
"""

import contextlib
import functools
import math
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aia.budget.rates import Rates
from aia.datasets import pets09
from aia.datasets.data import read_annotated
from aia.errors import InputError
from aia.plan import DataSet
from aia.playhouse import key_frames
from aia.tables import read_actions, read_excluded, read_segments
from aia.video.decode import VideoFile
from aia.video.store import FrameStore
from aia.video.transforms import resize_size_hw

LOOKED_AT = 12
"""Videos whose headers are read; the others are taken to be like them."""
JPEG_QUALITIES = (75, 85, 90, 95)
"""Frames whose bytes were measured."""


class Frames(NamedTuple):
    """A video or a frame store; of several the mean."""

    seconds: float
    fps: float
    size_hw: tuple[int, int]

    @property
    def pixels(self) -> float:
        """Pixels of all frames."""
        return float(self.seconds * self.fps * math.prod(self.size_hw))


class Clips(NamedTuple):
    """What a split has to train on or to score."""

    clips: float
    """Key frames with a person, or segments."""
    persons: float
    slots: float
    """Clips that the memory has room for, from the first to the last of each video."""


class Facts:
    """What is known of a data set's videos and annotations.

    Args:
        data: The data set.
        rates: What is assumed where nothing is known.
        note: Takes what had to be assumed, in words.
    """

    def __init__(self, data: DataSet, rates: Rates, note: Callable[[str], None]) -> None:
        self.data, self.rates, self._note = data, rates, note

    @functools.cached_property
    def videos(self) -> list[str]:
        """The ids of all videos."""
        return [video for part in self.data.parts for video in part.videos]

    @functools.cached_property
    def video(self) -> Frames:
        """A video as it is decoded."""
        if self.data.videos.are_drawn:
            drawn = self.data.settings.playhouse
            return Frames(drawn.seconds, drawn.fps, drawn.size_hw)
        found = self._mean("videos", self._video_header)
        if found is not None:
            return found
        if self.data.settings.data.fetch == "pets09":
            return Frames(pets09.FRAMES / pets09.FPS, pets09.FPS, pets09.SIZE_HW)
        rates, example = self.rates, self.data.videos.path(self.videos[0])
        self._note(f"videos such as {example} cannot be read yet: taken to be as those of AVA")
        size_hw = (round(rates["video.height"]), round(rates["video.width"]))
        return Frames(rates["video.seconds"], rates["video.fps"], size_hw)

    @functools.cached_property
    def store(self) -> Frames:
        """A video's frame store."""
        found = self._mean("frame stores", self._store_header)
        if found is not None:
            return found
        chosen = self.data.settings.frames
        seconds = self.video.seconds
        if chosen.end_sec is not None:
            seconds = chosen.end_sec - chosen.start_sec
        fps = self.video.fps if chosen.numbered else chosen.fps
        return Frames(seconds, fps, resize_size_hw(self.video.size_hw, chosen.short_side))

    @property
    def bytes_per_pixel(self) -> float:
        """Bytes of a frame store's pixel; JPEG's grow with its quality."""
        chosen = self.data.settings.frames
        if self.data.videos.are_drawn:
            return self.rates[f"bytes.{chosen.codec}.drawn"]
        if chosen.codec == "h264":
            return self.rates["bytes.h264"]
        near = min(JPEG_QUALITIES, key=lambda quality: abs(quality - chosen.quality))
        return self.rates[f"bytes.jpeg{near}"]

    @functools.cache  # noqa: B019 (one object a data set, for as long as the program runs)
    def clips(self, split: str) -> Clips:
        """Count the clips of a split."""
        videos, config = len(self.data.videos.ids(split)), self.data.settings.data
        if split == "test":
            clips = videos * round(self.rates["video.key_frames"])
            return Clips(clips, clips * self.rates["video.persons"], clips)
        table = Path(self.data.data(f"{split}.parquet"))
        if self.data.videos.are_drawn and not table.exists():
            clips = videos * key_frames(self.data.settings.playhouse)
            return Clips(clips, clips * self.rates["playhouse.persons"], clips)
        if config.fetch == "pets09" and not table.exists():
            seconds = pets09.SECONDS[split]
            return Clips(len(seconds), pets09.PERSONS[split], seconds[-1] - seconds[0] + 1)
        if not table.exists():
            rows = read_annotated(config).rows[split]
        else:
            rows = (read_segments if self.data.form == "segments" else read_actions)(table)
        excluded = read_excluded(getattr(config.excluded, split))
        return counted_clips(rows, excluded=excluded, clips_per_sec=config.clips_per_sec)

    def _mean(self, what: str, header: Callable[[str], Frames]) -> Frames | None:
        """Read some headers; None: there is no file yet. Bad files stop the job that needs them."""
        found: list[Frames] = []
        for video in self.videos:
            if len(found) == LOOKED_AT:
                self._note(f"{LOOKED_AT} {what} were looked at, the others taken as these")
                break
            with contextlib.suppress(InputError):
                found.append(header(video))
        if not found:
            return None
        return found[0]._replace(seconds=statistics.fmean(one.seconds for one in found))

    def _video_header(self, video: str) -> Frames:
        path = self.data.videos.path(video)
        header = VideoFile(path)
        if not header.stated_sec:
            raise InputError(f"{path}: does not say how long it is")
        return Frames(header.stated_sec, header.stated_fps or 30.0, header.size_hw)

    def _store_header(self, video: str) -> Frames:
        store = FrameStore(self.data.path(f"frames/{video}.h5"))
        return Frames(len(store) / store.fps, store.fps, store.size_hw)


def counted_clips(
    rows: pd.DataFrame, *, excluded: set[tuple[str, int]], clips_per_sec: int | float
) -> Clips:
    """Count key frames with a person, persons on them, and slots; of segments, all are the same.

    Args:
        rows: Of `read_actions` or `read_segments`.
        excluded: Seconds that are left out.
        clips_per_sec: Key frames of a second.
    """
    if "segment" in rows:
        return Clips(len(rows), len(rows), len(rows))
    box = ["video", "time_sec", "x1", "y1", "x2", "y2", "person"]
    rows = rows[rows["action"] >= 0].drop_duplicates(box)
    if excluded:
        keys = zip(rows["video"], rows["time_sec"].round().astype(int), strict=True)
        rows = rows[[key not in excluded for key in keys]]
    times = rows.groupby("video")["time_sec"].agg(["nunique", "count", "min", "max"])
    slots = ((times["max"] - times["min"]) * clips_per_sec).round() + 1
    return Clips(int(times["nunique"].sum()), int(times["count"].sum()), int(slots.sum()))
