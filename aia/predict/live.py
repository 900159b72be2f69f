"""Frames of a camera or a stream at a constant rate, as they come.

    feed ─▶ thread: decode, clock, constant rate ─▶ queue, the newest wins ─▶ frames()

A picture is shown until the next one, as in video/decode.py. Frames that the queue had no room for
are repeats of the one before them, so that a clip keeps its span of time.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from aia.errors import InputError
from aia.log import say
from aia.predict.feeds import BURST_SEC, RGB, Feed, LostError, Picture
from aia.video.decode import TimedFrame
from aia.video.transforms import resize_size_hw

STEADY_SEC = 60.0
"""Time after which a connection counts as good: the next break may be retried as often again."""
CREEP = 1e-3
"""Share of time by which a stream's clock may be slow or fast, without a lag that grows."""
LONGEST_JUMP_SEC = 10.0
"""A longer jump of a stream's clock means that it was set anew."""


@dataclass
class Clock:
    """Times of a feed's pictures in seconds since its first one.

    Attributes:
        origin_sec: Moment on this machine's clock at which time 0 was seen, without any delay.
    """

    burst_sec: float = BURST_SEC
    origin_sec: float = 0.0
    _start_sec: float | None = None
    _before_sec: float = 0.0
    _last_sec: float = 0.0
    _offset_sec: float | None = None
    _budget_sec: float = 0.0

    def connected(self) -> None:
        """Begin a connection, whose clock may be another one."""
        self._offset_sec = None

    def stamp(self, stated_sec: float | None, now_sec: float) -> tuple[float, float]:
        """Return the time of a picture, and how long to wait until it is due.

        Args:
            stated_sec: By the feed's clock; None: it has none.
            now_sec: When it came, by this machine's clock.
        """
        if self._start_sec is None:
            self._start_sec = self.origin_sec = self._before_sec = now_sec
        arrived_sec = now_sec - self._start_sec
        if stated_sec is None:
            self._last_sec, self.origin_sec = arrived_sec, self._start_sec
            return arrived_sec, 0.0
        time_sec = stated_sec + (self._offset_sec or 0.0)
        jumps = not -1.0 <= time_sec - self._last_sec <= LONGEST_JUMP_SEC
        if self._offset_sec is None or jumps:
            time_sec = max(arrived_sec, self._last_sec)
            self._offset_sec = time_sec - stated_sec
            self.origin_sec, self._budget_sec = now_sec - time_sec, self.burst_sec
        drift_sec = CREEP * (now_sec - self._before_sec) if self.burst_sec else 0.0
        self._before_sec = now_sec
        self.origin_sec += drift_sec
        self._budget_sec = min(self._budget_sec + 2 * drift_sec, self.burst_sec)
        early_sec = max(self.origin_sec + time_sec - now_sec, 0.0)
        taken_sec = min(early_sec, self._budget_sec)  # what was sent before was late
        self.origin_sec -= taken_sec
        self._budget_sec -= taken_sec
        self._last_sec = max(time_sec, self._last_sec)
        return self._last_sec, early_sec - taken_sec


class _Entry(NamedTuple):
    """A picture and the frames of the constant rate that show it."""

    first: int
    stop: int
    rgb: RGB


@dataclass
class _Queue:
    """Frames that nobody took yet, the newest ones."""

    most: int
    entries: deque[_Entry] = field(default_factory=deque)
    changed: threading.Condition = field(default_factory=threading.Condition)
    dropped: int = 0
    newest: int = -1
    """Index of the newest frame that was put in."""
    ended: bool = False

    def put(self, entry: _Entry) -> None:
        with self.changed:
            if len(self.entries) >= self.most:
                self.entries.popleft()
                self.dropped += 1
            self.entries.append(entry)
            self.newest = entry.stop - 1
            self.changed.notify_all()

    def end(self) -> None:
        with self.changed:
            self.ended = True
            self.changed.notify_all()


class Capture:
    """Thread that reads a feed into a bounded queue, for one consumer.

    Args:
        feed: Camera, stream, or file played as one.
        fps: Constant rate of `frames`.
        short_side: Their shorter side in pixels.
        most: Pictures that wait at most; of more, the oldest are dropped.

    Attributes:
        size_hw: Size of the frames, known once it is entered.
        pictures: Pictures that came.
        reconnects: Connections that were made anew.
        failure: Why it ended, if not by the stream's end.
    """

    def __init__(self, feed: Feed, *, fps: float, short_side: int, most: int) -> None:
        self.feed, self.fps, self.short_side = feed, fps, short_side
        self.size_hw = (0, 0)
        self.pictures = self.reconnects = 0
        self.failure: Exception | None = None
        self._queue = _Queue(most)
        self._clock = Clock(burst_sec=feed.burst_sec)
        self._stop, self._begun = threading.Event(), threading.Event()
        self._shown: Picture | None = None
        self._shown_sec = self._lasts_sec = 0.0
        self._next = 0
        self._beat_sec = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def __enter__(self) -> "Capture":
        """Wait for the first picture.

        Raises:
            InputError: None comes.
        """
        self._thread.start()
        while not self._begun.wait(0.1) and not self._hangs():
            pass
        if not self.pictures:
            self.stop()
            raise self.failure or InputError(f"{self.feed.name}: ended before its first picture")
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._thread.join(timeout=1.0)  # a hanging read ends by its own timeout

    def stop(self) -> None:
        """End the frames; may be called by any thread."""
        self._stop.set()
        self._queue.end()

    @property
    def dropped(self) -> int:
        """Number of pictures that were dropped, because the consumer was slow."""
        return self._queue.dropped

    @property
    def newest(self) -> int:
        """Index of the newest frame of the constant rate."""
        return self._queue.newest

    def lag_sec(self, time_sec: float) -> float:
        """Compute how long ago a time was."""
        return time.monotonic() - self._clock.origin_sec - time_sec

    def picture(self, short_side: int) -> RGB:
        """Return the newest picture, for viewers, with a shorter side of at most `short_side`."""
        picture = self._shown
        assert picture is not None, "the capture is not entered"
        return picture.rgb(resize_size_hw(picture.size_hw, min(short_side, *picture.size_hw)))

    def frames(self) -> Iterator[TimedFrame]:
        """Yield the frames at 0, 1 / fps, 2 / fps, … seconds until the feed ends or fails."""
        index, before = 0, None
        while (entry := self._take()) is not None:
            before = entry.rgb if before is None else before
            for k in range(index, entry.stop):
                yield TimedFrame(k / self.fps, before if k < entry.first else entry.rgb)
            index, before = entry.stop, entry.rgb

    def _take(self) -> _Entry | None:
        queue = self._queue
        with queue.changed:
            while not queue.entries and not queue.ended and not self._hangs():
                queue.changed.wait(0.2)
            if not queue.entries or self._stop.is_set():
                return None
            return queue.entries.popleft()

    def _hangs(self) -> bool:
        """Notice a feed that neither sends pictures nor says that it broke off."""
        patience_sec = self.feed.timeout_sec + 11 * self.feed.pause_sec
        if time.monotonic() - self._beat_sec <= patience_sec or self._queue.ended:
            return False
        self.failure = InputError(
            f"{self.feed.name}: sent no picture that can be decoded for {patience_sec:.0f} s; is "
            "it on?"
        )
        self.stop()
        return True

    def _run(self) -> None:
        try:
            self._connect()
        except Exception as error:  # told by the thread that waits
            self.failure = self.failure or error
        finally:
            if self._shown is not None:
                self._show(self._shown_sec + self._lasts_sec)
            self._queue.end()
            self._begun.set()

    def _connect(self) -> None:
        """Read the feed to its end, over as many connections as it takes."""
        feed, left = self.feed, self.feed.retries
        while not self._stop.is_set():
            self._beat_sec = began_sec = time.monotonic()
            try:
                for picture in feed.pictures():
                    if not self._receive(picture):
                        return
                return
            except (LostError, InputError) as error:
                if isinstance(error, InputError) and not self.pictures:
                    raise  # else the server may be starting anew
                if not self.pictures:
                    raise InputError(
                        f"{feed.name}: cannot be read ({error}); is the address right, and is "
                        "it on?"
                    ) from None
                if time.monotonic() - began_sec > STEADY_SEC:
                    left = feed.retries
                if left == 0:
                    tried = f", {feed.retries} times anew" if feed.retries else ""
                    raise InputError(
                        f"{feed.name}: broke off after {self._shown_sec:.0f} s{tried} ({error})"
                    ) from None
                say(f"{feed.name}: broke off ({error}); {left} more tries")
                pause_sec = feed.pause_sec * min(2 ** (feed.retries - left), 10)
            left -= 1
            self.reconnects += 1
            self._clock.connected()
            self._stop.wait(pause_sec)

    def _receive(self, picture: Picture) -> bool:
        """Show a picture when it is due; return False once the capture is stopped."""
        time_sec, wait_sec = self._clock.stamp(picture.stated_sec, time.monotonic())
        if self._stop.wait(wait_sec) if wait_sec > 0 else self._stop.is_set():
            return False
        if self._shown is None:
            self.size_hw = resize_size_hw(picture.size_hw, self.short_side)
        else:
            self._show(time_sec)
            self._lasts_sec = min(time_sec - self._shown_sec, 1.0)
        self._shown, self._shown_sec = picture, time_sec
        self._beat_sec = time.monotonic()
        self.pictures += 1
        self._begun.set()
        return True

    def _show(self, until_sec: float) -> None:
        """Put the frames that show the present picture, before a time, into the queue."""
        assert self._shown is not None, "there is a picture"
        stop = math.ceil((until_sec - 5e-4) * self.fps)  # clocks round to whole ticks
        if stop > self._next:
            self._queue.put(_Entry(self._next, stop, self._shown.rgb(self.size_hw)))
            self._next = stop
