"""One file or several, over lines that break off.

    NAME.part           grows while NAME is fetched; what breaks off is gone on with
    NAME.part.json      which version of the file that is, so that no two are joined
    NAME                appears when it is whole and right
    NAME.fetched.json   its size and SHA-256: where none is published, the first fetch decides

urllib3 speaks HTTP; going on in the middle, and telling a wrong file, is ours.
"""

import contextlib
import fcntl
import json
import re
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any, NamedTuple
from urllib.parse import unquote, urlsplit

import urllib3

from aia.config import FetchConfig
from aia.errors import InputError
from aia.fetch.content import (
    Wanted,
    check_content,
    check_existing,
    check_new,
    refuse_page,
    write_record,
)
from aia.files import sync, write_text
from aia.log import Pace, say

LONGEST_WAIT_SEC = 60.0
PIECE_BYTES = 1 << 20
_WAIT_AND_SEE = (408, 425, 429)
"""Refusals that pass; of the others only those of the server's own (5xx) do."""


class _BrokenOffError(Exception):
    """This attempt is over; another may help."""

    def __init__(self, why: str, *, wait_sec: float | None = None) -> None:
        super().__init__(why)
        self.wait_sec = wait_sec


class Version(NamedTuple):
    """Which version of a file a part belongs to, in the server's words."""

    address: str
    etag: str | None = None
    modified: str | None = None
    size: int | None = None
    md5: str | None = None

    @property
    def mark(self) -> str | None:
        """What the server knows this version by; None: it cannot be gone on with."""
        strong = self.etag if self.etag and not self.etag.startswith("W/") else None
        return strong or self.modified


def wanted_file(address: str, folder: Path | str, **known: Any) -> Wanted:
    """The file behind an address, under the address's own name.

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
    """Fetch several files, `config.at_once` at a time; one that fails leaves the others alone.

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
    """Fetch one file, going on where an earlier call broke off; nothing where it is there.

    Args:
        wanted: Address, place, and what is known of the content.
        config: Patience: attempts without progress, waiting in between, stalls.
        stop: Set from another thread, it ends the call.

    Raises:
        InputError: It is not there, not to be had, or not what was expected: by name.
    """
    download = _Download(wanted, config, stop or threading.Event())
    if wanted.path.exists():
        check_existing(wanted, lambda: download.stated_size())
        return
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(download.part, wanted):
        if wanted.path.exists():  # another process was faster
            return
        download.run()


class _Download:
    """One file on its way."""

    def __init__(self, wanted: Wanted, config: FetchConfig, stop: threading.Event) -> None:
        self.wanted, self.config, self.stop = wanted, config, stop
        self.name = wanted.path.name
        self.part = wanted.path.with_name(f"{self.name}.part")
        self.note = wanted.path.with_name(f"{self.name}.part.json")
        self.version = _read_version(self.note)
        if self.version.address != wanted.address:  # a mirror may have another version
            self.version = Version(wanted.address)
        self.pool = urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=config.stall_sec, read=config.stall_sec),
            retries=urllib3.Retry(total=None, connect=0, read=0, redirect=5, status=0, other=0),
            headers={"User-Agent": "aia", "Accept-Encoding": "identity"},
        )

    def run(self) -> None:
        """Everything up to the file's own name."""
        begun_before = self.have > 0
        for again in (False, True):
            joined = self._fetch_part() or begun_before
            try:
                sha256 = check_new(
                    self.wanted, self.part, size=self.version.size, md5=self.version.md5
                )
                break
            except InputError as error:
                self._forget()
                if again or not joined:  # as it came, in one piece: it is wrong
                    raise
                begun_before = False
                say(f"{self.name}: its pieces do not fit together, it is fetched anew ({error})")
        sync(self.part)
        size = self.have
        write_record(self.wanted, sha256=sha256, size=size, etag=self.version.etag)
        self.part.replace(self.wanted.path)
        sync(self.wanted.path.parent)
        self.note.unlink(missing_ok=True)
        say(f"{self.name}: {size / 1e6:.1f} MB, sha256 {sha256[:16]}…")

    @property
    def have(self) -> int:
        """Bytes of the part."""
        return self.part.stat().st_size if self.part.exists() else 0

    def stated_size(self) -> int | None:
        """The file's size in the server's words; None: it does not say, or does not answer."""
        try:
            response = self.pool.request("HEAD", self.wanted.address, preload_content=False)
            response.close()
        except urllib3.exceptions.HTTPError:
            return None
        return _number(response.headers.get("Content-Length")) if response.status == 200 else None

    def _fetch_part(self) -> bool:
        """Make the part whole; whether it was put together from several answers."""
        farthest, failures, answers = self.have, 0, 0
        while True:
            try:
                answers += 1
                self._attempt()
                return answers > 1
            except _BrokenOffError as problem:
                why, wait_sec = problem, problem.wait_sec
            except urllib3.exceptions.HTTPError as error:
                why, wait_sec = _BrokenOffError(_in_words(error, self.config)), None
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
            if self.stop.wait(wait_sec):
                raise InputError(f"{self.name}: stopped{self._kept()}")

    def _attempt(self) -> None:
        """One request, and its answer as far as it comes."""
        headers = {}
        if self.have and self.version.mark:
            headers = {"Range": f"bytes={self.have}-", "If-Range": self.version.mark}
        response = self.pool.request(
            "GET", self.wanted.address, headers=headers, preload_content=False
        )
        try:
            at = self._accept(response)
            if at is not None:
                self._receive(response, at)
        finally:
            response.close()  # not back to the pool: what is left of the answer is not wanted
        self._ask_for_more()

    def _accept(self, response: Any) -> int | None:
        """Where the answer's bytes belong; None: the part is whole already."""
        status, headers = response.status, response.headers
        if status == 416 and self.have:
            if self.version.size is not None and self.have == self.version.size:
                return None
            self._forget()
            raise _BrokenOffError(
                f"has no bytes from {self.have:,} on, though it stated more; it is begun anew"
            )
        if status in _WAIT_AND_SEE or status >= 500:
            wait_sec = _number(headers.get("Retry-After"))
            raise _BrokenOffError(
                f"the server answers {status} {response.reason}", wait_sec=wait_sec
            )
        if status not in (200, 206):
            raise InputError(
                f"{self.wanted.address}: the server answers {status} {response.reason}; "
                + ("is the address right?" if status in (404, 410) else "is it open to you?")
            )
        if headers.get("Content-Encoding", "identity") != "identity":
            raise InputError(
                f"{self.wanted.address}: comes packed as {headers['Content-Encoding']} though the "
                "file itself was asked for; is something in between, such as a proxy?"
            )
        refuse_page(self.wanted, headers.get("Content-Type", ""))
        if status == 200:
            self._begin(response)
            return 0
        return self._joint(headers)

    def _begin(self, response: Any) -> None:
        """A whole file comes: note which version."""
        headers = response.headers
        size = _number(headers.get("Content-Length"))
        etag = headers.get("ETag")
        self.version = Version(
            self.wanted.address, etag, headers.get("Last-Modified"), size, _md5_of_s3(headers)
        )
        if self.wanted.size is not None and size not in (None, self.wanted.size):
            raise InputError(
                f"{self.wanted.address}: {self.name} has {size:,} bytes there, but "
                f"{self.wanted.size:,} are right; it was not fetched"
            )
        write_text(self.note, json.dumps(self.version._asdict()))

    def _joint(self, headers: Any) -> int:
        """Where a piece belongs, after a look at whether it belongs to this part at all."""
        span = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", headers.get("Content-Range", ""))
        total = _number(span[3]) if span else None
        fits = span and int(span[1]) == self.have
        same_size = total in (None, self.version.size) or self.version.size is None
        same_mark = headers.get("ETag", self.version.etag) == self.version.etag
        if not (fits and same_size and same_mark):
            self._forget()
            raise _BrokenOffError("sent a piece of something else; it is begun anew")
        if self.version.size is None:
            self.version = self.version._replace(size=total)
        return self.have

    def _receive(self, response: Any, at: int) -> None:
        """Write the answer's bytes from place `at` on."""
        size = self.version.size
        pace = Pace(total=size or 0, done=at)
        pace.due()
        done = at
        with open(self.part, "r+b") as file:  # _alone made it
            file.truncate(at)
            file.seek(at)
            for piece in self._pieces(response):
                if done == 0:
                    check_content(self.wanted, piece)
                file.write(piece)
                done += len(piece)
                if pace.due():
                    say(_progress(self.name, done, size, pace))
        if done != size and size is not None:
            raise _BrokenOffError(f"broke off at {done:,} of {size:,} bytes")

    def _pieces(self, response: Any) -> Iterator[bytes]:
        """The answer's bytes as they come, until it ends or breaks off."""
        while not self.stop.is_set():
            try:
                piece = response.read1(PIECE_BYTES, decode_content=False)
            except urllib3.exceptions.ProtocolError:
                if self.version.size is None:
                    raise _BrokenOffError("broke off") from None
                return
            if not piece:
                return
            yield piece
        raise InputError(f"{self.name}: stopped{self._kept()}")

    def _ask_for_more(self) -> None:
        """See whether there are bytes beyond the end, where nothing else vouches for the length."""
        if self.wanted.vouched or self.version.md5:
            return
        ask = {"Range": f"bytes={self.have}-"}
        if self.version.mark:
            ask["If-Range"] = self.version.mark
        for left in reversed(range(self.config.attempts)):
            try:
                response = self.pool.request(
                    "GET", self.wanted.address, headers=ask, preload_content=False
                )
            except urllib3.exceptions.HTTPError:
                if not left:
                    say(f"{self.name}: whether it has more bytes than stated was not answered")
                    return  # that it answers no second time is no fault of the file
            else:
                response.close()
                break
        span = re.fullmatch(r"bytes \S+/(\d+)", response.headers.get("Content-Range", ""))
        if response.status in (206, 416) and span and int(span[1]) != self.have:
            have = self.have
            self._forget()
            raise InputError(
                f"{self.wanted.address}: the server stated {have:,} bytes for {self.name}, but has "
                f"{int(span[1]):,}; it was refused, its length is not to be trusted"
            )

    def _forget(self) -> None:
        """Begin anew next time. The part stays, empty: it is locked."""
        with open(self.part, "r+b") as file:
            file.truncate(0)
        self.note.unlink(missing_ok=True)
        self.version = Version(self.wanted.address)

    def _kept(self) -> str:
        if not self.have or not self.version.mark:
            return ""
        return f" ({self.have:,} bytes are kept in {self.part.name}, the next call goes on)"


@contextlib.contextmanager
def _alone(part: Path, wanted: Wanted) -> Iterator[IO[bytes]]:
    """Hold the part for this process; one that stays empty goes away with its note."""
    with open(part, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{wanted.path}: another process is fetching it right now") from None
        except OSError:
            pass  # a disk without locks
        try:
            yield lock
        finally:
            if part.exists() and not part.stat().st_size:
                part.unlink()
                part.with_name(f"{part.name}.json").unlink(missing_ok=True)


def _read_version(note: Path) -> Version:
    try:
        return Version(**json.loads(note.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none, or half a one: begin anew
        return Version("")


def _md5_of_s3(headers: Any) -> str | None:
    """The content's MD5, which Amazon S3 gives as ETag of a file that was stored in one piece."""
    found = re.fullmatch(r'"([0-9a-f]{32})"', headers.get("ETag", ""))
    encrypted = headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
    own_key = "x-amz-server-side-encryption-customer-algorithm" in headers
    if headers.get("Server") != "AmazonS3" or encrypted or own_key or not found:
        return None
    return found[1]


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _progress(name: str, done: int, size: int | None, pace: Pace) -> str:
    speed = f"{pace.rate(done) / 1e6:6.1f} MB/s"
    if size is None:
        return f"{name}  {done / 1e6:8.1f} MB  {speed}"
    return f"{name}  {done / 1e6:8.1f} of {size / 1e6:.1f} MB  {speed}  eta {pace.eta(done)}"


def _in_words(error: Exception, config: FetchConfig) -> str:
    """What happened on the line."""
    if isinstance(error, urllib3.exceptions.ReadTimeoutError):
        return f"sent nothing for {config.stall_sec:g} s"
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)
    if isinstance(error, urllib3.exceptions.ConnectTimeoutError) and not refused:
        return f"does not answer within {config.stall_sec:g} s"
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason:
        return _in_words(error.reason, config)
    return f"cannot be reached ({' '.join(str(error).split())[:200]})"
