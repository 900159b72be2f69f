"""A web server on this machine that behaves as badly as a test asks."""

import hashlib
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """A file and what goes wrong with it; lists have an entry for each answer, then all is well."""

    content: bytes
    statuses: list[int] = field(default_factory=list)
    """0: as it should be."""
    breaks_at: list[int] = field(default_factory=list)
    """Bytes of the answer after which the line is cut; -1: it is not."""
    hangs_at: list[int] = field(default_factory=list)
    """Bytes after which nothing comes any more."""
    piece_pause_sec: float = 0.0
    """Between pieces of 1000 bytes."""
    ranges: bool = True
    named: bool = True
    """Whether it states an ETag."""
    states: int | None = None
    """A length that is not the content's."""
    content_type: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    becomes: bytes | None = None
    """What the content is from the second answer on."""


class Site:
    """Files by their paths, and which requests were made for them."""

    def __init__(self) -> None:
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, str, str | None]] = []
        self.address = ""
        self.at_once, self.most_at_once = 0, 0
        self.lock = threading.Lock()
        self.closing = threading.Event()

    def asked(self, path: str) -> list[str | None]:
        """The ranges of the GET requests for a path; None: for the whole."""
        return [span for method, found, span in self.requests if (method, found) == ("GET", path)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_HEAD(self) -> None:  # noqa: N802 (the library's name)
        self.site.requests.append(("HEAD", self.path, None))
        served = self.site.files.get(self.path)
        self._head(200 if served else 404, len(served.content) if served else 0, served)

    def do_GET(self) -> None:  # noqa: N802
        asked = self.headers.get("Range")
        self.site.requests.append(("GET", self.path, asked))
        with self.site.lock:
            self.site.at_once += 1
            self.site.most_at_once = max(self.site.most_at_once, self.site.at_once)
        try:
            self._answer(self.site.files.get(self.path), asked)
        finally:
            with self.site.lock:
                self.site.at_once -= 1

    def _answer(self, served: Served | None, asked: str | None) -> None:
        if served is None:
            self._head(404, 0, None)
            return
        status = served.statuses.pop(0) if served.statuses else 0
        if status:
            self._head(status, 0, served)
            return
        content = served.content
        if served.becomes is not None:
            served.content, served.becomes = served.becomes, None
        same = self.headers.get("If-Range") in (None, _etag(content))
        start = 0
        if asked and served.ranges and same:
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            if start >= len(content):
                span = {"Content-Range": f"bytes */{len(content)}"}
                self._head(416, 0, served, span)
                return
        length = len(content) if served.states is None else served.states
        if start:
            span = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            self._head(206, len(content) - start, served, span, content)
        else:
            self._head(200, length, served, None, content)
        self._send(served, content[start:])

    def _send(self, served: Served, content: bytes) -> None:
        breaks_at = served.breaks_at.pop(0) if served.breaks_at else -1
        hangs_at = served.hangs_at.pop(0) if served.hangs_at else -1
        for at in range(0, len(content), 1000):
            limit = next((n for n in (breaks_at, hangs_at) if 0 <= n < at + 1000), None)
            try:
                self.wfile.write(content[at : at + 1000 if limit is None else max(limit, at)])
                self.wfile.flush()
            except OSError:  # the other side had enough
                self.close_connection = True
                return
            if limit is not None and limit == hangs_at:
                self.site.closing.wait(30)
            if limit is not None:
                break
            time.sleep(served.piece_pause_sec)
        self.close_connection = True

    def _head(
        self,
        status: int,
        length: int,
        served: Served | None,
        more: dict[str, str] | None = None,
        content: bytes | None = None,
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        if served:
            self.send_header("Content-Type", served.content_type)
            if served.named:
                self.send_header("ETag", _etag(served.content if content is None else content))
        for name, value in ((served.headers if served else {}) | (more or {})).items():
            if name != "Server":  # it has been sent
                self.send_header(name, value)
        self.end_headers()

    def version_string(self) -> str:
        served = self.site.files.get(self.path)
        return served.headers.get("Server", "test") if served else "test"

    def log_message(self, *_: object) -> None:
        pass


def _etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:20]}"'


@contextmanager
def serving() -> Iterator[Site]:
    """A server on a free port of this machine, while the block runs."""
    site = Site()
    handler = type("Handler", (_Handler,), {"site": site})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    site.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield site
    finally:
        site.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
