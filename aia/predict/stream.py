"""Score a video while it is read: both passes of evaluate/score.py, in bounded memory.

    frames ─▶ window ─▶ detector on key frames ─▶ clips ─▶ first pass ─▶ Ω ─▶ second pass ─▶ moments
                                  └─▶ tracker

A key frame waits for its memory: it is scored once the features of L seconds after it are there,
so that its scores are those of the whole video. Live, it is scored with the past alone, at once.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from aia.clip import ClipKey, ClipSample, clip_key
from aia.datasets.loader import ClipFrames, Draw, collate
from aia.detect.predict import detect_video
from aia.errors import InputError
from aia.evaluate.score import ClipFeatures, Passes
from aia.memory import build_memory
from aia.predict.model import ActionDetector
from aia.predict.window import FrameWindow
from aia.tables.schema import SIDES
from aia.track.bytetrack import Tracker
from aia.video.codecs import build_codec
from aia.video.decode import TimedFrame

BATCH = 16
"""Key frames that are detected and scored together."""


class Moment(NamedTuple):
    """What is seen at one key frame."""

    video: str
    time_sec: float
    xyxy: Float[np.ndarray, "persons 4"]
    """Boxes as fractions of the frame, best first."""
    person_score: Float[np.ndarray, " persons"]
    """The detector's."""
    track: Int[np.ndarray, " persons"]
    """Number of each person in the video, from 1; -1: none."""
    scores: Float[np.ndarray, "persons classes"]
    objects_xyxy: Float[np.ndarray, "objects 4"]
    """Objects that the network attends to, best first."""
    attention: pd.DataFrame | None = None
    """Rows of aia.tables.attention, if asked for."""


class _Key(NamedTuple):
    """A key frame's time, and whether its persons are remembered."""

    time_sec: float
    remembered: bool


@dataclass
class _Chunk:
    """Key frames that are computed together."""

    clips: list[ClipSample]
    """A clip for each key frame, some without persons."""
    tracks: list[Int[np.ndarray, " persons"]]
    asked: list[int]
    """Places of the clips with persons."""
    features: ClipFeatures | None = field(default=None)

    @property
    def last(self) -> int:
        """Number of the last key frame in the memory."""
        return self.clips[-1].key.t


class VideoScorer:
    """Scorer of one video, whose frames come in order.

    Args:
        who: Network, detector and rules.
        video: Id of the video; persons that are remembered are drawn by it.
        frames: Frames at the rate and size that the network is used to.
        size_hw: Their size.
        per_sec: Key frames of a second.
        times_sec: Times of the key frames, rising, instead of `per_sec`.
        track_per_sec: Frames of a second in which persons are detected to follow them from one
            key frame to the next; 0: in key frames alone.
        batch: Key frames that are computed together.
        live: Score at once, with the past alone.
        late: Live: says of the next key frame's time if it is left out, because a later one could
            be scored already.
        attention: Keep what each person attended to.
        progress: Called with the seconds that the first pass has seen.
    """

    def __init__(
        self,
        who: ActionDetector,
        video: str,
        frames: Iterable[TimedFrame],
        *,
        size_hw: tuple[int, int],
        per_sec: float = 1.0,
        times_sec: Sequence[float] | None = None,
        track_per_sec: float = 0.0,
        batch: int = BATCH,
        live: bool = False,
        late: Callable[[float], bool] = lambda _: False,
        attention: bool = False,
        progress: Callable[[float], object] = lambda done_sec: None,
    ) -> None:
        run, sees = who.model.run, who.perception
        self.who, self.video, self.batch = who, video, 1 if live else batch
        codec = build_codec(sees.codec, size_hw=size_hw, quality=sees.quality)
        self.window = FrameWindow(video, frames, codec=codec)
        self.dropped = 0
        """Key frames that were left out."""
        self.keys = (
            self._live_key_times(per_sec, late)
            if live and times_sec is None
            else _key_times(per_sec, times_sec, slots_per_sec=sees.clips_per_sec)
        )
        # how far back persons are followed before a key frame; live, the past may be lost
        self.followed_sec = 1 / per_sec if live else math.inf
        self.keeps_attention, self.progress = attention, progress
        reach = run.memory.reach if run.memory else 0
        self.ahead = 0 if live else reach
        # positions of the memory between two key frames, where key frames are sparse
        stride = 1 if times_sec is not None else max(1, round(sees.clips_per_sec / per_sec))
        self.size = 2 * (reach + self.batch * stride) + 2
        self.stride = stride
        memory = build_memory(
            run.name,
            run.memory,
            seconds={},
            d=who.model.network.d,
            device=who.device,
            stream=self.size,
        )
        self.passes = Passes(who.model, memory, precision=who.precision, device=who.device)
        self.tracker = Tracker(high=sees.person_threshold)
        self.track_per_sec, self.tracked_sec = track_per_sec, 0.0
        self.waiting: deque[_Chunk] = deque()
        self.held: dict[ClipKey, ClipSample] = {}

    def __iter__(self) -> Iterator[Moment]:
        slots = self.who.perception.clips_per_sec
        while keys := self._next_keys():
            first = clip_key(self.video, keys[0].time_sec, per_sec=slots).t
            yield from self._scored(until=first - 1)  # before their places are taken
            chunk = self._first_pass(keys)
            self.waiting.append(chunk)
            self.progress(keys[-1].time_sec)
            yield from self._scored(until=chunk.last)
        yield from self._scored(until=None)

    def _live_key_times(self, per_sec: float, late: Callable[[float], bool]) -> Iterator[_Key]:
        """Yield the key frames that are not late; one is remembered if its place has no nearer."""
        before: tuple[int, float] | None = None
        for time_sec in (k / per_sec for k in itertools.count()):
            if late(time_sec):
                self.dropped += 1
                continue
            slot, off = _slot(time_sec, self.who.perception.clips_per_sec)
            remembered = before is None or before[0] != slot or off < before[1]
            before = (slot, off) if remembered else before
            yield _Key(time_sec, remembered)

    def _next_keys(self) -> list[_Key]:
        """Read on until the clips of the next key frames are there; [] at the end."""
        found: list[_Key] = []
        while len(found) < self.batch:
            key = next(self.keys, None)
            if key is None:
                break
            if not self._read_clip(key.time_sec):
                self.keys = iter(())
                break
            # The memory holds as many positions as one batch of a regular stream has.
            slots = self.who.perception.clips_per_sec
            if found and (key.time_sec - found[0].time_sec) * slots > self.batch * self.stride - 1:
                self.keys = itertools.chain([key], self.keys)
                break
            found.append(key)
        return found

    def _read_clip(self, time_sec: float) -> bool:
        """Read the frames of the clip around a time; return False if the video ends before it."""
        window, span = self.window, self.who.model.run.backbone.span
        while not window.ended and (not len(window) or window.last_sec <= time_sec):
            window.read_more()
        if not len(window):
            raise InputError(f"{self.video}: has no frame")
        if time_sec >= window.last_sec + 1 / self.who.perception.fps - 1e-9:
            return False
        window.read_until(window.nearest(time_sec) - span // 2 + span - 1)
        return True

    def _first_pass(self, keys: Sequence[_Key]) -> _Chunk:
        """Detect and track the persons of key frames, and compute the features of their clips."""
        run = self.who.model.run
        chunk = self._detect([key.time_sec for key in keys])
        remembered = [n for n, place in enumerate(chunk.asked) if keys[place].remembered]
        if chunk.asked:
            asked = [chunk.clips[place] for place in chunk.asked]
            loader = ClipFrames(
                clips=asked,
                stores={self.video: self.window},
                span=run.backbone.span,
                strides=run.backbone.strides,
                extend=self.who.perception.extend,
            )
            batch = collate([loader[Draw(n, None)] for n in range(len(asked))])
            chunk.features = self.passes.first(batch, remembered)
        for n in remembered:
            clip = chunk.clips[chunk.asked[n]]
            self.held[clip.key] = clip
        for key in [key for key in self.held if key.t <= chunk.last - self.size]:
            del self.held[key]
        self.window.drop_before(self.window.nearest(keys[-1].time_sec) - run.backbone.span // 2)
        return chunk

    def _detect(self, times_sec: Sequence[float]) -> _Chunk:
        sees, run = self.who.perception, self.who.model.run
        looked_at = sorted([*times_sec, *self._between(times_sec)])
        found = detect_video(
            self.window,
            self.who.detector,
            np.array(looked_at, np.float64),
            max_objects=sees.detector_max_objects,
            tell=False,
        )
        chunk = _Chunk([], [], [])
        for time_sec in looked_at:
            persons = found.persons[found.persons["time_sec"] == time_sec]
            xyxy = persons[list(SIDES)].to_numpy(np.float32)
            score = persons["score"].to_numpy(np.float32)
            tracks = self.tracker.update(time_sec, xyxy, score)
            if time_sec not in times_sec:
                continue
            kept = score >= sees.person_threshold
            objects = found.objects[found.objects["time_sec"] == time_sec]
            objects = objects[objects["score"] >= sees.object_threshold]
            objects = objects.sort_values("score", ascending=False, kind="stable")
            chunk.clips.append(
                ClipSample(
                    key=clip_key(self.video, time_sec, per_sec=sees.clips_per_sec),
                    time_sec=time_sec,
                    persons_xyxy=xyxy[kept],
                    persons_score=score[kept],
                    labels=np.zeros((int(kept.sum()), len(run.classes)), np.uint8),
                    objects_xyxy=objects[list(SIDES)].to_numpy(np.float32)[
                        : run.network.max_objects
                    ],
                )
            )
            chunk.tracks.append(tracks[kept])
            if kept.any():
                chunk.asked.append(len(chunk.clips) - 1)
        return chunk

    def _between(self, times_sec: Sequence[float]) -> list[float]:
        """List the times before some key frames, and after the last ones, that help to track."""
        if not self.track_per_sec:
            return []
        step_sec, keys = 1 / self.track_per_sec, np.array(times_sec)
        since_sec = max(self.tracked_sec, times_sec[0] - self.followed_sec)
        first = math.floor(since_sec * self.track_per_sec + 1e-6) + 1
        stop = math.ceil(keys[-1] * self.track_per_sec - 1e-6)
        grid = np.arange(first, max(stop, first)) * step_sec
        self.tracked_sec = float(keys[-1])
        away = np.abs(grid[:, None] - keys).min(axis=1, initial=np.inf) > 0.4 * step_sec
        return grid[away].tolist()

    def _scored(self, until: int | None) -> Iterator[Moment]:
        """Score the chunks whose memory is there; `until` is its newest clip, None: the end."""
        while self.waiting and (until is None or self.waiting[0].last + self.ahead <= until):
            yield from self._second_pass(self.waiting.popleft())

    def _second_pass(self, chunk: _Chunk) -> Iterator[Moment]:
        classes = len(self.who.model.run.classes)
        scores = [np.zeros((0, classes), np.float32)] * len(chunk.clips)
        attention: list[pd.DataFrame | None] = [None] * len(chunk.clips)
        if chunk.features is not None:
            found, M = self.passes.second(chunk.features)
            ends = np.cumsum([chunk.clips[place].queries for place in chunk.asked])
            for place, part in zip(chunk.asked, np.split(found, ends[:-1]), strict=True):
                scores[place] = part
            if self.keeps_attention:
                wanted = {n: chunk.clips[place] for n, place in enumerate(chunk.asked)}
                rows = self.passes.attention(chunk.features, M, of=wanted, clips=self.held)
                for place, table in zip(chunk.asked, rows, strict=False):
                    attention[place] = table
        for place, clip in enumerate(chunk.clips):
            yield Moment(
                video=self.video,
                time_sec=clip.time_sec,
                xyxy=clip.persons_xyxy,
                person_score=clip.persons_score,
                track=chunk.tracks[place],
                scores=scores[place],
                objects_xyxy=clip.objects_xyxy,
                attention=attention[place],
            )


def _key_times(
    per_sec: float, times_sec: Sequence[float] | None, *, slots_per_sec: float
) -> Iterator[_Key]:
    """Yield the key frames; of several in one place of the memory, the nearest is remembered.

    >>> [key.remembered for key in _key_times(2.0, [0.0, 0.5, 1.0, 1.4, 2.6], slots_per_sec=1.0)]
    [True, False, True, False, True]
    """
    regular = (k / per_sec for k in itertools.count())
    times: Iterable[float] = regular if times_sec is None else times_sec
    before: tuple[int, float] | None = None
    upcoming = iter(times)
    time_sec = next(upcoming, None)
    while time_sec is not None:
        following = next(upcoming, None)
        slot, off = _slot(time_sec, slots_per_sec)
        remembered = before is None or before[0] != slot or off < before[1]
        if following is not None:
            other, other_off = _slot(following, slots_per_sec)
            remembered = remembered and (other != slot or off <= other_off)
        yield _Key(time_sec, remembered)
        before, time_sec = (slot, off), following


def _slot(time_sec: float, per_sec: float) -> tuple[int, float]:
    """Return the place of a time in the memory, and how far it is from the place's own time."""
    slot = clip_key("", time_sec, per_sec=per_sec).t
    return slot, round(abs(time_sec * per_sec - slot), 6)
