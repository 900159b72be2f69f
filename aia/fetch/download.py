"""Downloads: interrupted ones resume, and what arrives is checked before it gets its name.

    NAME.part           grows during the download; a later call resumes from it
    NAME.part.json      the server's version of the file, so that no two versions are joined
    NAME                appears once it is complete and checked
    NAME.fetched.json   its size and SHA-256: where none is published, the first download decides

urllib3 speaks HTTP, follows redirects and reads Retry-After; resuming and the checks are ours.
"""

import contextlib
import fcntl
import json
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import urllib3

from aia.config import FetchConfig
from aia.errors import InputError
from aia.fetch.content import (
    NOT_YET,
    Wanted,
    check_content,
    check_file,
    refuse_page,
)
from aia.files import sync, write_text
from aia.log import Pace, say

LONGEST_WAIT_SEC = 60.0
PIECE_BYTES = 1 << 20
_TEMPORARY = (408, 425, 429)
"""Client errors that are worth another attempt, as all server errors (5xx) are."""


class Version(NamedTuple):
    """The server's version of a file that a part belongs to."""

    address: str
    mark: str | None = None
    """Strong ETag, or time of the last change; None: cannot be resumed."""
    size: int | None = None


class _InterruptedError(Exception):
    """A failed attempt; another one may succeed."""

    def __init__(self, why: str, *, wait_sec: float | None = None) -> None:
        super().__init__(why)
        self.wait_sec = wait_sec


def wanted_file(address: str, folder: Path | str, **known: Any) -> Wanted:
    """Name the file behind an address by the last part of the address.

    Raises:
        InputError: No http(s) address, or its last part is no file's name.
    """
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"{address}: not an address; expected https://host/path/name")
    name = unquote(parts.path).rsplit("/", 1)[-1]
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.+@-]*", name):
        raise InputError(f"{address}: ends in '{name}', which is not a file's name")
    return Wanted(address, Path(folder) / name, **known)


def fetch_all(wanted: Sequence[Wanted], *, config: FetchConfig) -> None:
    """Download several files, `config.at_once` at a time; one that fails does not stop the others.

    Raises:
        InputError: What is wrong with each file that failed.
    """
    stop = threading.Event()

    def one(file: Wanted) -> str | None:
        try:
            fetch(file, config=config, stop=stop)
        except InputError as error:
            say(f"error: {error}")
            return str(error)
        return None

    with ThreadPoolExecutor(max_workers=config.at_once) as pool:
        try:
            problems = [problem for problem in pool.map(one, wanted) if problem]
        except BaseException:
            stop.set()
            raise
    if len(problems) == 1:
        raise InputError(problems[0])
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise InputError(f"{len(problems)} of {len(wanted)} files could not be fetched:\n{listed}")


def fetch(wanted: Wanted, *, config: FetchConfig, stop: threading.Event | None = None) -> None:
    """Download one file, resuming an interrupted download; an existing file is only checked.

    Args:
        wanted: Address, place, and what is known of the content.
        config: Patience: attempts without progress, waiting in between, stalls.
        stop: Ends the call when it is set by another thread.

    Raises:
        InputError: The file does not exist, cannot be had, or is not what was expected.
    """
    download = _Download(wanted, config, stop or threading.Event())
    if wanted.path.exists():
        download.check_existing()
        return
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(download.part, wanted):
        if not wanted.path.exists():  # else another process was faster
            download.run()


class _Download:
    """One file during its download."""

    def __init__(self, wanted: Wanted, config: FetchConfig, stop: threading.Event) -> None:
        self.wanted, self.config, self.stop = wanted, config, stop
        self.name = wanted.path.name
        self.part, self.note, _ = map(wanted.beside, NOT_YET)
        self.version = _read_version(self.note)
        if self.version.address != wanted.address:  # a mirror may have another version
            self.version = Version(wanted.address)
        self.pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=config.stall_sec, read=config.stall_sec),
            retries=urllib3.Retry(total=None, connect=0, read=0, redirect=5, status=0, other=0),
            headers={"User-Agent": "aia", "Accept-Encoding": "identity"},
        )

    @property
    def have(self) -> int:
        """Bytes of the part."""
        return self.part.stat().st_size if self.part.exists() else 0

    def run(self) -> None:
        """Download the part, check it and give it its name."""
        resumed = self.have > 0
        for last in (False, True):
            joined = self._complete_part() or resumed
            try:
                size, sha256 = check_file(self.wanted, part=self.part, ask=self._stated_size)
                break
            except InputError as error:
                self._forget()
                if last or not joined:  # it came in one piece, so the content itself is wrong
                    raise
                resumed = False
                say(f"{self.name}: its pieces do not fit, the download starts again ({error})")
        sync(self.part)
        self.part.replace(self.wanted.path)
        sync(self.wanted.path.parent)
        self.note.unlink(missing_ok=True)
        say(f"{self.name}: {size / 1e6:.1f} MB, sha256 {sha256[:16]}…")

    def check_existing(self) -> None:
        """Check a file that exists already; record its digest where none was known.

        Raises:
            InputError: It is not what was published, or not what was downloaded.
        """
        size, sha256 = check_file(self.wanted, ask=self._stated_size)
        say(f"{self.name}: is there, {size / 1e6:.1f} MB, sha256 {sha256[:16]}…")

    def _complete_part(self) -> bool:
        """Make attempts until the part is complete; True if it has pieces of several answers."""
        farthest, failures, answers = self.have, 0, 0
        while True:
            wait_sec = None
            try:
                answers += 1
                self._attempt()
                return answers > 1
            except _InterruptedError as error:
                why, wait_sec = str(error), error.wait_sec
            except urllib3.exceptions.HTTPError as error:
                why = self._describe(error)
            except OSError as error:
                raise InputError(f"{self.part}: cannot be written ({error.strerror})") from None
            failures = 0 if self.have > farthest else failures + 1
            farthest = max(farthest, self.have)
            if failures >= self.config.attempts:
                raise InputError(
                    f"{self.wanted.address}: {why}; given up after {failures} attempts without "
                    f"progress{self._kept()}"
                )
            if wait_sec is None:
                wait_sec = self.config.wait_sec * 2 ** max(failures - 1, 0)
            wait_sec = min(wait_sec, LONGEST_WAIT_SEC)
            say(f"{self.name}: {why}; next attempt in {wait_sec:g} s")
            self._stop_if_asked(wait_sec)

    def _attempt(self) -> None:
        """Make one request and write its answer as far as it comes."""
        if self.have and self.have == self.version.size:
            return  # complete, but the process ended before it was renamed
        headers = dict(self.pool.headers)
        if self.have and self.version.mark:
            headers |= {"Range": f"bytes={self.have}-", "If-Range": self.version.mark}
        response = self.pool.request(
            "GET", self.wanted.address, headers=headers, preload_content=False
        )
        try:
            self._receive(response, self._accept(response))
        finally:
            response.close()  # not back to the pool: the rest of the answer is of no use

    def _accept(self, response: urllib3.BaseHTTPResponse) -> int:
        """Find where the answer's bytes belong; refuse it if it is not the file."""
        status, headers, address = response.status, response.headers, self.wanted.address
        answer = f"the server answers {status} {response.reason}"
        if status in _TEMPORARY or status >= 500:
            raise _InterruptedError(answer, wait_sec=urllib3.Retry().get_retry_after(response))
        piece = headers.get("Content-Range", "").startswith(f"bytes {self.have}-")
        same = _mark(headers) in (None, self.version.mark)
        if (status == 206 and not (piece and same)) or (status == 416 and self.have):
            self._forget()
            raise _InterruptedError("has another version of the file; the download starts again")
        if status not in (200, 206):
            likely = "is the address right?" if status in (404, 410) else "is it open to you?"
            raise InputError(f"{address}: {answer}; {likely}")
        if headers.get("Content-Encoding", "identity") != "identity":
            raise InputError(
                f"{address}: comes packed as {headers['Content-Encoding']} though the file itself "
                "was asked for; is something in between, such as a proxy?"
            )
        if re.match("text/html|application/xhtml", headers.get("Content-Type", ""), re.I):
            refuse_page(address, self.name)
        if status == 206:
            return self.have
        stated = headers.get("Content-Length", "")
        size = int(stated) if stated.isdecimal() else None
        if size is not None and size != (self.wanted.size or size):
            raise InputError(
                f"{address}: {self.name} has {size:,} bytes there, but {self.wanted.size:,} are "
                "right; it was not fetched"
            )
        self.version = Version(address, _mark(headers), size)
        write_text(self.note, json.dumps(self.version._asdict()))
        return 0

    def _receive(self, response: urllib3.BaseHTTPResponse, at: int) -> None:
        """Write the answer's bytes from place `at` on."""
        size, done = self.version.size, at
        pace = Pace(total=size or 0, done=at)
        pace.due()
        with open(self.part, "r+b") as file:  # _exclusive made it
            file.truncate(at)
            file.seek(at)
            while piece := response.read1(PIECE_BYTES, decode_content=False):
                self._stop_if_asked()
                if done == 0 and len(piece) >= 8:
                    check_content(self.wanted.address, self.name, piece)
                file.write(piece)
                done += len(piece)
                if pace.due():
                    say(_progress(self.name, done, size, pace))
        if size is not None and done != size:
            raise urllib3.exceptions.ProtocolError

    def _stop_if_asked(self, within_sec: float = 0) -> None:
        if self.stop.wait(within_sec):
            raise InputError(f"{self.name}: stopped{self._kept()}")

    def _describe(self, error: Exception) -> str:
        """Say what went wrong with a connection."""
        if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason:
            return self._describe(error.reason)
        if isinstance(error, urllib3.exceptions.ReadTimeoutError):
            return f"sent nothing for {self.config.stall_sec:g} s"
        if self.have and isinstance(error, urllib3.exceptions.ProtocolError):
            of = f" of {self.version.size:,}" if self.version.size else ""
            return f"broke off at {self.have:,}{of} bytes"
        return f"cannot be reached ({' '.join(str(error).split())[:200]})"

    def _stated_size(self) -> int | None:
        """Ask the server for the file's size; None: it does not say, or does not answer."""
        try:
            response = self.pool.request("HEAD", self.wanted.address)
        except urllib3.exceptions.HTTPError:
            return None
        stated = response.headers.get("Content-Length", "")
        return int(stated) or None if response.status == 200 and stated.isdecimal() else None

    def _forget(self) -> None:
        """Start from the first byte next time. The part stays, empty: it is locked."""
        with open(self.part, "r+b") as file:
            file.truncate(0)
        self.note.unlink(missing_ok=True)
        self.version = Version(self.wanted.address)

    def _kept(self) -> str:
        if not self.have or not self.version.mark:
            return ""
        return f" ({self.have:,} bytes are kept in {self.part.name}, the next call resumes)"


@contextlib.contextmanager
def _exclusive(part: Path, wanted: Wanted) -> Iterator[None]:
    """Lock the part for this process; remove it afterwards if it is still empty."""
    with open(part, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{wanted.path}: another process is fetching it right now") from None
        except OSError:
            pass  # a disk without locks
        try:
            yield
        finally:
            if part.exists() and not part.stat().st_size:
                part.unlink()
                part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def _read_version(note: Path) -> Version:
    try:
        return Version(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none, or half of one: start from the first byte
        return Version("")


def _mark(headers: Any) -> str | None:
    """Find by what the server recognises a version of a file."""
    etag = headers.get("ETag", "W/")
    return headers.get("Last-Modified") if etag.startswith("W/") else etag


def _progress(name: str, done: int, size: int | None, pace: Pace) -> str:
    speed = f"{pace.rate(done) / 1e6:6.1f} MB/s"
    if size is None:
        return f"{name}  {done / 1e6:8.1f} MB  {speed}"
    return f"{name}  {done / 1e6:8.1f} of {size / 1e6:.1f} MB  {speed}  eta {pace.eta(done)}"
