"""Log lines for a terminal and a log file: aligned, plain, with units."""

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TextIO, TypeVar

T = TypeVar("T")

_log_file: TextIO | None = None
_quiet = False


def copy_to(path: str | None) -> None:
    """Also write every line to the file at `path`; None stops this."""
    global _log_file
    if _log_file is not None:
        _log_file.close()
    _log_file = open(path, "w", encoding="utf-8") if path else None  # noqa: SIM115 (kept open)


def quieten(quiet: bool) -> None:
    """Turn logging off or on, so that only one of several processes logs."""
    global _quiet
    _quiet = quiet


def say(line: str) -> None:
    """Log one line to standard error, and to the log file if there is one."""
    if _quiet:
        return
    for stream in filter(None, (sys.stderr, _log_file)):
        stream.write(line + "\n")
        stream.flush()


def duration(seconds: int | float) -> str:
    """Format a time span as hours, minutes, seconds.

    >>> duration(75), duration(7384)
    ('1:15', '2:03:04')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


class Pace:
    """Rate of a loop, the time that is left, and when to log them.

    `due()` is true at most every `every_sec` seconds, so that loops may call it at each step.
    """

    def __init__(self, *, total: int, every_sec: float = 5.0, done: int = 0) -> None:
        self.total, self.every_sec = total, every_sec
        self.start_sec, self.spoke_sec, self.first = time.monotonic(), 0.0, done

    def due(self) -> bool:
        """Test if `every_sec` seconds have passed since this was last true."""
        now = time.monotonic()
        if now - self.spoke_sec < self.every_sec:
            return False
        self.spoke_sec = now
        return True

    def rate(self, done: int) -> float:
        """Compute the steps per second since the start."""
        return (done - self.first) / max(time.monotonic() - self.start_sec, 1e-9)

    def eta(self, done: int) -> str:
        """Estimate the time that the remaining steps take at this rate."""
        rate = self.rate(done)
        return duration((self.total - done) / rate) if rate > 0 else "?"


def progress(items: Iterable[T], *, what: str, total: int) -> Iterator[T]:
    """Yield `items`, and log the progress every few seconds."""
    pace = Pace(total=total)
    pace.due()
    for done, item in enumerate(items):
        if pace.due():
            say(f"{what} {done:6d}/{total}  {pace.rate(done):8.1f}/s  eta {pace.eta(done)}")
        yield item
    taken = duration(time.monotonic() - pace.start_sec)
    say(f"{what} {total:6d}/{total}  done in {taken}")
