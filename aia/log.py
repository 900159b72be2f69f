"""Progress that reads well on a terminal and in a log file: aligned plain lines, with units."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")

_log_file: TextIO | None = None
_quiet = False


def copy_to(path: str | None) -> None:
    """Write every line also to the file at `path` (None: to no file any more)."""
    global _log_file
    if _log_file is not None:
        _log_file.close()
    _log_file = open(path, "w", encoding="utf-8") if path else None  # noqa: SIM115 (kept open)


def quieten(quiet: bool) -> None:
    """Say nothing from now on, or again: of several processes only one speaks."""
    global _quiet
    _quiet = quiet


def say(line: str) -> None:
    """Print one line to standard error, and to the log file where there is one."""
    if _quiet:
        return
    for stream in filter(None, (sys.stderr, _log_file)):
        stream.write(line + "\n")
        stream.flush()


def duration(seconds: int | float) -> str:
    """A time span as hours, minutes, seconds.

    >>> duration(75), duration(7384)
    ('1:15', '2:03:04')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Pace:
    """When to speak, and how long the rest will take.

    `due()` is true at most every `every_sec` seconds, so that loops may ask at each step.
    """

    def __init__(self, *, total: int, every_sec: float = 5.0, done: int = 0) -> None:
        self.total, self.every_sec = total, every_sec
        self.start_sec, self.spoke_sec, self.first = time.monotonic(), 0.0, done

    def due(self) -> bool:
        """Whether `every_sec` seconds have passed since this was last true."""
        now = time.monotonic()
        if now - self.spoke_sec < self.every_sec:
            return False
        self.spoke_sec = now
        return True

    def rate(self, done: int) -> float:
        """Steps a second since the start."""
        return (done - self.first) / max(time.monotonic() - self.start_sec, 1e-9)

    def eta(self, done: int) -> str:
        """The time that the remaining steps will take at the present rate."""
        rate = self.rate(done)
        return duration((self.total - done) / rate) if rate > 0 else "?"


def progress(items: Iterable[T], *, what: str, total: int) -> Iterator[T]:
    """Yield `items`, saying every few seconds how far it got."""
    pace = Pace(total=total)
    pace.due()
    for done, item in enumerate(items):
        if pace.due():
            say(f"{what} {done:6d}/{total}  {pace.rate(done):8.1f}/s  eta {pace.eta(done)}")
        yield item
    taken = duration(time.monotonic() - pace.start_sec)
    say(f"{what} {total:6d}/{total}  done in {taken}")
