"""The annotated video: a video's own pictures and sound, with each person's box and actions.

Between two key frames a tracked person's box moves in a straight line; the actions are those of the
nearest key frame. Pictures have the video's own size and a constant rate, encoded as H.264; sound
is copied where an mp4 can hold it.
"""

import contextlib
import math
import os
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from aia.errors import InputError
from aia.files import atomic_path
from aia.labels import ClassList
from aia.log import say
from aia.predict.drawing import Action, Person, annotate, class_colours, missing_letters
from aia.predict.sound import add_sound
from aia.tables.scores import ScoreTable
from aia.video.decode import VideoFile

LONGEST_STEP = 1.5
"""A box moves between two key frames of its track that are at most so many intervals apart."""

SLOWEST_FPS = 5
"""Videos of fewer frames a second repeat each, so that boxes move and appear in time."""

FASTEST_FPS = 60
"""Rate of videos whose stated rate is only their clock's."""


def draw_film(
    video: Path,
    table: ScoreTable,
    classes: ClassList,
    output: Path,
    *,
    least: float = 0.5,
    most: int = 3,
    per_sec: float | None = None,
    progress: Callable[[float], object] = lambda done_sec: None,
) -> None:
    """Write a video as mp4 with persons, their track numbers and best actions drawn on it.

    Args:
        video: Any video that aia reads; its best audio stream is kept.
        table: The video's scores, and no other video's.
        classes: Names and groups of the table's classes.
        output: The mp4, which appears complete or not at all.
        least: Score from which on an action is shown.
        most: Number of actions shown for a person.
        per_sec: Key frames a second; by default from the smallest distance in the table.
        progress: Called with the seconds of the video that are drawn.

    Raises:
        InputError: The video cannot be read.
        OSError: The disk refuses.
    """
    persons = Persons(table, classes, least=least, most=most, per_sec=per_sec)
    lacking = missing_letters(classes.names)
    if lacking:
        say(f"{output}: the labels' font lacks {lacking[:20]}; they are drawn as empty boxes")
    source = VideoFile(video)
    average_fps = source.stated_frames / source.stated_sec if source.stated_sec else 0.0
    rate = film_rate(source.stated_fps, average_fps)
    sides: dict[int, int] = {}
    with (
        atomic_path(output) as temporary,
        _writer(temporary, rate, source.size_hw) as (container, stream),
        add_sound(video, container, zero_sec=source.zero_sec or 0.0) as sound,
    ):
        waiting = next(sound, None)
        frames = source.frames(fps=float(rate), short_side=min(source.size_hw))
        for number, (time_sec, rgb) in enumerate(frames):
            while waiting is not None and waiting.time_sec <= time_sec:
                container.mux(waiting.packet)
                waiting = next(sound, None)
            drawn = annotate(rgb, persons.at(time_sec), sides=sides)
            container.mux(stream.encode(_encodable(drawn, number, rate)))
            progress(time_sec)
        container.mux(stream.encode(None))
        while waiting is not None:
            container.mux(waiting.packet)
            waiting = next(sound, None)


class Persons:
    """Persons of a video at any time, from their boxes and scores at key frames."""

    def __init__(
        self,
        table: ScoreTable,
        classes: ClassList,
        *,
        least: float = 0.5,
        most: int = 3,
        per_sec: float | None = None,
    ) -> None:
        boxes = table.boxes
        if boxes["video"].nunique() > 1:
            raise ValueError(f"the scores are of several videos: {sorted(boxes['video'].unique())}")
        self._scores, self._least, self._most = table.scores, least, most
        colours = dict(zip(classes.ids, class_colours(classes), strict=True))
        names = dict(zip(classes.ids, classes.names, strict=True))
        self._classes = [(names[one] or f"class {one}", colours[one]) for one in table.class_ids]
        self._actions = lru_cache(maxsize=256)(self._actions_of)
        self._xyxy = boxes[["x1", "y1", "x2", "y2"]].to_numpy(dtype=np.float64).reshape(-1, 4)
        self._times_sec = boxes["time_sec"].to_numpy(dtype=np.float64)
        self._tracks: list[int | None] = [None] * len(boxes)
        if "track" in boxes:
            self._tracks = [None if one < 0 else one for one in boxes["track"].fillna(-1).tolist()]
        self._numbers = [math.inf if one is None else one for one in self._tracks]
        self._interval_sec = 1 / per_sec if per_sec else _interval_sec(self._times_sec)
        self._steps = self._make_steps()
        self._longest_sec = max((step.stop_sec - step.start_sec for step in self._steps), default=0)
        self._starts_sec = np.array([step.start_sec for step in self._steps])

    def at(self, time_sec: float) -> list[Person]:
        """Return the persons to be seen at a time, by track number, those without one last."""
        first = np.searchsorted(self._starts_sec, time_sec - self._longest_sec, side="left")
        last = np.searchsorted(self._starts_sec, time_sec, side="right")
        found = [step for step in self._steps[first:last] if time_sec < step.stop_sec]
        found.sort(key=lambda step: (self._numbers[step.row], step.row))
        return [
            Person(self._box(step, time_sec), self._tracks[step.row], self._label(step, time_sec))
            for step in found
        ]

    def _box(self, step: "_Step", time_sec: float) -> Float[np.ndarray, "4"]:
        past = (time_sec - step.start_sec) / (step.stop_sec - step.start_sec)
        return (1 - past) * self._xyxy[step.row] + past * self._xyxy[step.next_row]

    def _label(self, step: "_Step", time_sec: float) -> tuple[Action, ...]:
        first = 2 * time_sec < step.start_sec + step.stop_sec
        return self._actions(step.row if first else step.next_row)

    def _actions_of(self, row: int) -> tuple[Action, ...]:
        scores = self._scores[row]
        best = np.argsort(-scores, kind="stable")[: self._most]
        return tuple(
            Action(name, float(scores[column]), rgb)
            for column in best.tolist()
            if scores[column] >= self._least
            for name, rgb in [self._classes[column]]
        )

    def _make_steps(self) -> "list[_Step]":
        half_sec = self._interval_sec / 2
        longest_sec = LONGEST_STEP * self._interval_sec * (1 + 1e-6)
        rows_of: dict[int, dict[float, int]] = {}
        steps = []
        for row, (track, time_sec) in enumerate(zip(self._tracks, self._times_sec, strict=True)):
            if track is None:
                steps.append(_Step(time_sec - half_sec, time_sec + half_sec, row, row))
            else:
                rows_of.setdefault(track, {}).setdefault(time_sec, row)
        for rows in rows_of.values():
            times_sec = sorted(rows)
            for before_sec, time_sec, after_sec in zip(
                [-math.inf, *times_sec], times_sec, [*times_sec[1:], math.inf], strict=False
            ):
                row = rows[time_sec]
                if time_sec - before_sec > longest_sec:
                    steps.append(_Step(time_sec - half_sec, time_sec, row, row))
                if after_sec - time_sec > longest_sec:
                    steps.append(_Step(time_sec, time_sec + half_sec, row, row))
                else:
                    steps.append(_Step(time_sec, after_sec, row, rows[after_sec]))
        return sorted(steps)


class _Step(NamedTuple):
    """Time in which a box moves from one row's to another's; both are the same where it rests."""

    start_sec: float
    stop_sec: float
    row: int
    next_row: int


def _interval_sec(times_sec: Float[np.ndarray, " boxes"]) -> float:
    """Return the smallest distance of two key frames; one second where there is only one."""
    apart_sec = np.diff(np.unique(times_sec.round(3)))
    return float(apart_sec.min()) if len(apart_sec) else 1.0


def film_rate(stated_fps: float, average_fps: float) -> Fraction:
    """Choose the constant rate at which a video is shown, its own where it has one; 0: not known.

    >>> film_rate(29.97002997, 29.6), film_rate(90000.0, 24.0), film_rate(2.0, 2.0)
    (Fraction(30000, 1001), Fraction(30, 1), Fraction(6, 1))
    """
    fps = stated_fps or average_fps or 25.0
    if fps > FASTEST_FPS and not 0.9 < average_fps / fps < 1.1:
        fps = min(max(average_fps, 30.0), FASTEST_FPS)
    fps *= max(math.ceil(SLOWEST_FPS / fps - 1e-6), 1)
    return Fraction(fps).limit_denominator(1001)


@contextlib.contextmanager
def _writer(path: Path, rate: Fraction, size_hw: tuple[int, int]) -> Iterator[tuple[Any, Any]]:
    """Open an mp4 for writing, with a video stream of even sides."""
    options = {"movflags": "+faststart"}
    try:
        # else a colon in a relative name would end a protocol's name
        with av.open(f"file:{path}", "w", format="mp4", options=options) as container:
            yield container, _add_picture(container, rate, size_hw)
    except OSError as error:
        if isinstance(error, av.FFmpegError):  # it names the file with its protocol
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


def _add_picture(container: Any, rate: Fraction, size_hw: tuple[int, int]) -> Any:
    """Add a video stream to an mp4."""
    if "libx264" in av.codecs_available:
        options = {"crf": "23", "preset": "fast", "bf": "0", "g": str(math.ceil(2 * rate))}
        stream = container.add_stream("libx264", rate=rate, options=options)
    else:
        say("PyAV has no libx264 here: the video is MPEG-4 part 2, which browsers do not play")
        stream = container.add_stream("mpeg4", rate=rate, options={"qscale": "3", "bf": "0"})
    stream.height, stream.width = (side + side % 2 for side in size_hw)
    stream.pix_fmt = "yuv420p"
    context = stream.codec_context
    context.time_base = 1 / rate
    context.colorspace, context.color_range = 6, 1  # BT.601: what OpenCV converts to
    context.thread_count = min(len(os.sched_getaffinity(0)), 8)
    return stream


def _encodable(rgb: UInt8[np.ndarray, "h w 3"], number: int, rate: Fraction) -> av.VideoFrame:
    """Convert a picture to a frame of even sides; odd ones get their last line twice."""
    height, width = rgb.shape[:2]
    if height % 2 or width % 2:
        rgb = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    frame = av.VideoFrame.from_ndarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2YUV_I420), format="yuv420p")
    frame.pts, frame.time_base = number, 1 / rate
    return frame


def moving_picture(
    film: Path,
    output: Path,
    *,
    start_sec: float,
    stop_sec: float,
    width: int,
    fps: float,
) -> None:
    """Write a part of a video as a moving picture: GIF, or WebP by the name's ending.

    Args:
        film: Any video.
        output: Ends in .gif or .webp.
        start_sec: Start of the part.
        stop_sec: Its end.
        width: Of the picture, in pixels.
        fps: Pictures a second.

    Raises:
        InputError: The video cannot be read, has no such part, or the name ends in another way.
    """
    kinds = {".gif": "GIF", ".webp": "WEBP"}
    kind = kinds.get(output.suffix.lower())
    if kind is None:
        raise InputError(f"{output}: moving pictures are .gif or .webp; choose such a name")
    video = VideoFile(film)
    height = max(round(width * video.size_hw[0] / video.size_hw[1]), 1)
    frames = video.frames(
        fps=fps, short_side=min(width, height), start_sec=start_sec, end_sec=stop_sec
    )
    pictures = [Image.fromarray(rgb) for _, rgb in frames]
    if not pictures:
        raise InputError(
            f"{film}: nothing in it between {start_sec:g} and {stop_sec:g} s; it ends at "
            f"{video.end_sec:.1f} s"
        )
    # GIF counts hundredths of a second; rounded ends add up, rounded durations would not
    ends_ms = [10 * round(100 * (k + 1) / fps) for k in range(len(pictures))]
    durations_ms = np.diff([0, *ends_ms]).tolist()
    if kind == "GIF":
        palette = _common_palette(pictures)
        pictures = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    with atomic_path(output) as temporary:
        pictures[0].save(
            temporary,
            format=kind,
            save_all=True,
            append_images=pictures[1:],
            duration=durations_ms,
            loop=0,
            quality=60,
            method=4,
        )


def _common_palette(pictures: list[Image.Image]) -> Image.Image:
    """Choose 256 colours for all pictures, so that what rests does not flicker."""
    some = pictures[:: max(len(pictures) // 12, 1)]
    width, height = some[0].size
    sheet = Image.new("RGB", (width, height * len(some)))
    for number, picture in enumerate(some):
        sheet.paste(picture, (0, number * height))
    return sheet.quantize(256, method=Image.Quantize.MEDIANCUT)
