"""Watch a camera or stream: score, show and write what persons do, for as long as it lasts.

    main thread     viewers, progress
    worker          capture ─▶ VideoScorer(live) ─▶ Record

What is kept is bounded: scores go into parts {id}.{number}.parquet, actions into actions.csv when
they end. Where the network is slower than the stream, whole key frames are dropped.
"""

import functools
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import UInt8

from aia.errors import InputError
from aia.log import say
from aia.predict.drawing import Person, annotate
from aia.predict.feeds import Feed
from aia.predict.film import Persons
from aia.predict.folder import usual_track_rate
from aia.predict.live import Capture
from aia.predict.model import ActionDetector
from aia.predict.prediction import Prediction
from aia.predict.spans import OngoingSpans, append_spans, write_spans
from aia.predict.stream import Moment, VideoScorer
from aia.predict.viewers import Status, Viewer
from aia.tables.scores import ScoreTable, write_scores

MOST_WAITING = 500
"""Pictures that wait for the network at most."""
MOST_LAGS = 10_000
MOST_BOXES = 50_000
"""Boxes of a part, at most."""
VIEW_SIDE = 480
"""Shorter side of what is shown, in pixels, at most."""
VIEW_SEC = 0.1
"""Time between two pictures that are shown."""


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """What is scored, shown and written."""

    per_sec: float = 1.0
    """Key frames of a second."""
    track_per_sec: float | None = None
    """Frames of a second in which persons are followed; None: `usual_track_rate`."""
    start_at: float = 0.5
    """Score from which on an action begins, and is shown."""
    stop_below: float = 0.3
    gap_sec: float = 1.0
    part_sec: float = 600.0
    """Time that a part of the scores covers."""
    tell_sec: float = 5.0
    """Time between two lines of progress."""
    overwrite: bool = False


class Watched(NamedTuple):
    """What became of a watch."""

    key_frames: int
    dropped_key_frames: int
    dropped_pictures: int
    boxes: int
    actions: int
    lags_sec: tuple[float, ...]
    """Of the last `MOST_LAGS` key frames."""


class Record:
    """Files of a watch: actions as they end, scores in parts, each complete once it is there.

    Raises:
        InputError: Files of another watch are there, which are not to be overwritten.
    """

    def __init__(
        self, who: ActionDetector, name: str, source: str, output: Path, options: WatchOptions
    ) -> None:
        self._who, self._name, self._options = who, name, options
        self._output, self._actions = output, output / "actions.csv"
        before = sorted(output.glob(f"{name}.[0-9][0-9][0-9][0-9]*.parquet"))
        if self._actions.exists():
            before.append(self._actions)
        if before and not options.overwrite:
            raise InputError(
                f"{before[0]}: is there already; give another --output, or --overwrite"
            )
        for path in before:
            path.unlink()
        write_spans(self._actions, pd.DataFrame())
        self._provenance = dict(who.provenance) | {"source": source}
        self._spans = OngoingSpans(
            video=name,
            classes=who.model.run.classes,
            start_at=options.start_at,
            stop_below=options.stop_below,
            gap_sec=options.gap_sec,
            per_sec=options.per_sec,
        )
        self._moments: list[Moment] = []
        self._waiting = self.parts = self.boxes = self.actions = 0

    def add(self, moment: Moment) -> None:
        """Take a key frame."""
        self._write_actions(self._spans.update(moment.time_sec, moment.track, moment.scores))
        if not len(moment.xyxy):
            return
        waiting = self._moments
        late = waiting and moment.time_sec - waiting[0].time_sec >= self._options.part_sec
        if late or self._waiting + len(moment.xyxy) > MOST_BOXES:
            self._write_part()
        self._moments.append(moment)
        self._waiting += len(moment.xyxy)
        self.boxes += len(moment.xyxy)

    def close(self) -> None:
        """Write what is left."""
        self._write_actions(self._spans.end())
        if self._waiting or not self.parts:
            self._write_part()

    def _write_actions(self, ended: pd.DataFrame) -> None:
        append_spans(self._actions, ended)
        self.actions += len(ended)

    def _write_part(self) -> None:
        found = _table(self._who, self._name, self._moments)
        self.parts += 1
        write_scores(
            self._output / f"{self._name}.{self.parts:04d}.parquet",
            boxes=found.boxes,
            scores=found.scores,
            class_ids=found.class_ids,
            provenance=self._provenance | {"part": str(self.parts)},
        )
        self._moments, self._waiting = [], 0


class _Loop:
    """The worker: scores until the capture ends or fails, and knows how it goes."""

    def __init__(
        self,
        who: ActionDetector,
        capture: Capture,
        name: str,
        record: Record,
        options: WatchOptions,
    ) -> None:
        self.who, self.capture, self.name, self.record = who, capture, name, record
        self.options = options
        self.failure: BaseException | None = None
        self.key_frames, self.lag_sec = 0, 0.0
        self.lags_sec: deque[float] = deque(maxlen=MOST_LAGS)
        self.moment: Moment | None = None
        self.persons: list[Person] = []
        fps, step_sec = who.perception.fps, 1 / options.per_sec

        def late(time_sec: float) -> bool:
            return capture.newest >= round((time_sec + step_sec) * fps) + self.ahead

        track = options.track_per_sec
        self.scorer = VideoScorer(
            who,
            name,
            capture.frames(),
            size_hw=capture.size_hw,
            per_sec=options.per_sec,
            track_per_sec=usual_track_rate(who) if track is None else track,
            live=True,
            late=late,
        )
        span = who.model.run.backbone.span
        self.ahead = span - span // 2 - 1 + self.scorer.window.delay
        """Frames after a key frame's own that it waits for."""
        self.done = threading.Event()
        """Set at the end. An interrupt of `Thread.join` would take the thread as ended."""
        self.thread = threading.Thread(target=self._run, name="scores")

    def _run(self) -> None:
        try:
            for moment in self.scorer:
                self._take(moment)
        except BaseException as error:  # raised by the main thread
            self.failure = error
        finally:
            self.capture.stop()
            try:
                self.record.close()
            except BaseException as error:
                self.failure = self.failure or error
            self.done.set()

    def _take(self, moment: Moment) -> None:
        table = _table(self.who, self.name, [moment])
        least, classes = self.options.start_at, self.who.model.run.classes
        drawn = Persons(table, classes, least=least, per_sec=self.options.per_sec)
        self.persons = drawn.at(moment.time_sec)
        self.moment, self.lag_sec = moment, self.capture.lag_sec(moment.time_sec)
        self.key_frames += 1
        self.lags_sec.append(self.lag_sec)
        self.record.add(moment)


def watch(
    who: ActionDetector,
    feed: Feed,
    *,
    name: str,
    output: Path,
    options: WatchOptions | None = None,
    viewers: Sequence[Viewer] = (),
) -> Watched:
    """Watch a feed until it ends, a viewer is closed, or Ctrl-C; then files are complete.

    Args:
        who: Network, detector and rules.
        feed: Camera, stream or file that is played.
        name: Id of the video, names its files.
        output: Folder that is written.
        options: What is scored, shown and written.
        viewers: Where it is shown.

    Raises:
        InputError: The feed cannot be read, or broke off for good; what came is written.
    """
    options = options or WatchOptions()
    sees, span = who.perception, who.model.run.backbone.span
    most = min(span + 2 * round(sees.fps / options.per_sec) + 16, MOST_WAITING)
    with (
        _terminated_as_interrupted(),
        Capture(feed, fps=sees.fps, short_side=sees.short_side, most=most) as capture,
    ):
        record = Record(who, name, feed.name, output, options)
        loop = _Loop(who, capture, name=name, record=record, options=options)
        say(
            f"{name}: {feed.name}, frames of {capture.size_hw[1]} x {capture.size_hw[0]}; a key "
            f"frame waits {loop.ahead / sees.fps:.2f} s for the end of its clip"
        )
        _attend(loop, viewers)
        failure = loop.failure or capture.failure
    done = Watched(
        loop.key_frames,
        loop.scorer.dropped,
        capture.dropped,
        record.boxes,
        record.actions,
        tuple(loop.lags_sec),
    )
    say(
        f"{name}: {done.key_frames} key frames, {done.dropped_key_frames} dropped; {done.boxes} "
        f"boxes, {done.actions} actions, {record.parts} parts of scores in {output}"
    )
    if failure is not None:
        raise failure
    return done


def _attend(loop: _Loop, viewers: Sequence[Viewer]) -> None:
    """Show and tell until the loop ends; Ctrl-C or a closed viewer ends it."""
    loop.thread.start()
    pace, sides = _Pace(loop), dict[int, int]()
    try:
        while not loop.done.wait(VIEW_SEC):
            status = pace.status()
            for viewer in viewers:
                viewer.show(status, functools.cache(lambda: _drawn(loop, sides)))
            if any(viewer.closed for viewer in viewers):
                loop.capture.stop()
    except KeyboardInterrupt:
        say(f"{loop.name}: interrupted, files are being completed")
        loop.capture.stop()
    except BaseException:
        loop.capture.stop()
        raise
    finally:
        loop.done.wait()


def _drawn(loop: _Loop, sides: dict[int, int]) -> UInt8[np.ndarray, "h w 3"]:
    """Draw the persons of the last key frame on the newest picture."""
    persons = loop.persons
    present = {person.track for person in persons}
    for track in [track for track in sides if track not in present]:
        del sides[track]
    return annotate(loop.capture.picture(VIEW_SIDE), persons, sides=sides)


class _Pace:
    """Rates of the last seconds, and lines of progress."""

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop
        self._since_sec, self._pictures, self._keys = time.monotonic(), 0, 0
        self._frame_rate = self._key_rate = 0.0

    def status(self) -> Status:
        """Say how it goes; log it when it is time."""
        loop, capture, now_sec = self._loop, self._loop.capture, time.monotonic()
        elapsed_sec = now_sec - self._since_sec
        tell = elapsed_sec >= loop.options.tell_sec
        if tell:
            self._frame_rate = (capture.pictures - self._pictures) / elapsed_sec
            self._key_rate = (loop.key_frames - self._keys) / elapsed_sec
            self._since_sec = now_sec
            self._pictures, self._keys = capture.pictures, loop.key_frames
        status = Status(
            video=loop.name,
            time_sec=loop.moment.time_sec if loop.moment else 0.0,
            lag_sec=loop.lag_sec,
            frames_per_sec=self._frame_rate,
            key_frames_per_sec=self._key_rate,
            key_frames=loop.key_frames,
            dropped_frames=capture.dropped,
            dropped_key_frames=loop.scorer.dropped,
            reconnects=capture.reconnects,
            persons=tuple(loop.persons),
        )
        if tell:
            say(
                f"{status.video}: {status.time_sec:.0f} s, lag {status.lag_sec:.2f} s, "
                f"{status.frames_per_sec:.1f} frames/s, {status.key_frames_per_sec:.2f} key "
                f"frames/s; dropped {status.dropped_frames} frames, {status.dropped_key_frames} "
                f"key frames; {len(status.persons)} persons"
            )
        return status


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Take a SIGTERM as Ctrl-C while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _table(who: ActionDetector, name: str, moments: Sequence[Moment]) -> ScoreTable:
    classes = who.model.run.classes
    return Prediction(moments, video=name, classes=classes, provenance={}).table()
