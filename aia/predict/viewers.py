"""Live views: a window where there is a screen, or a page with an MJPEG stream.

The page is served on this machine alone unless an address is given. Requests by another name than
the machine's are refused: a page of the web could else read it (DNS rebinding).
"""

import contextlib
import html
import ipaddress
import json
import os
import platform
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import simplejpeg
from jaxtyping import UInt8

from aia.errors import InputError
from aia.log import say
from aia.predict.drawing import Person

PORT = 8765
MOST_CLIENTS = 8
"""Streams at a time; each has a thread and at most one picture of its own."""
CLIENT_SEC = 10.0
"""Time after which a client that takes nothing is given up."""

Draw = Callable[[], UInt8[np.ndarray, "h w 3"]]


class Status(NamedTuple):
    """How a watch goes."""

    video: str
    time_sec: float
    """Of the last key frame, since the start."""
    lag_sec: float
    """From its picture to its scores."""
    frames_per_sec: float
    key_frames_per_sec: float
    key_frames: int
    dropped_frames: int
    dropped_key_frames: int
    reconnects: int
    persons: tuple[Person, ...]

    def to_json(self) -> str:
        """Return all of it, persons as their tracks, boxes and actions."""
        persons = [
            {
                "track": person.track,
                "xyxy": [round(float(side), 4) for side in person.xyxy],
                "actions": [
                    {"name": action.name, "score": round(float(action.score), 3)}
                    for action in person.actions
                ],
            }
            for person in self.persons
        ]
        numbers = {
            name: round(value, 3) if isinstance(value, float) else value
            for name, value in self._asdict().items()
        }
        return json.dumps(numbers | {"persons": persons})


@runtime_checkable
class Viewer(Protocol):
    """A place where a watch is shown."""

    @property
    def closed(self) -> bool:
        """True once somebody closed it, which ends the watch."""

    def show(self, status: Status, draw: Draw) -> None:
        """Show the present; `draw` makes the picture if somebody looks at it."""


class Window:
    """Window on this machine's screen, used by the main thread alone.

    Raises:
        InputError: There is no screen.
    """

    def __init__(self, title: str) -> None:
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError as error:
            raise InputError(f"--view window: this Python has no {error.name}; take page") from None
        try:
            self._root = tkinter.Tk()
        except tkinter.TclError as error:
            raise InputError(f"--view window: there is no screen ({error}); take page") from None
        self._photo: Any = ImageTk.PhotoImage
        self._root.title(f"aia  {title}")
        self._root.protocol("WM_DELETE_WINDOW", self._close)
        self._label = tkinter.Label(self._root)
        self._label.pack()
        self._line = tkinter.Label(self._root, anchor="w")
        self._line.pack(fill="x")
        self._closed = False

    @property
    def closed(self) -> bool:
        """True once its user closed it."""
        return self._closed

    def show(self, status: Status, draw: Draw) -> None:
        """Draw the newest picture, and handle the window's events."""
        if self._closed:
            return
        from PIL import Image

        shown = self._photo(Image.fromarray(draw()), master=self._root)
        self._label.configure(image=shown)
        self._shown = shown  # Tk does not hold it
        self._line.configure(
            text=f"lag {status.lag_sec:.2f} s   {status.frames_per_sec:.1f} frames/s   dropped "
            f"{status.dropped_frames} frames, {status.dropped_key_frames} key frames"
        )
        self._root.update()

    def close(self) -> None:
        """Close it."""
        if not self._closed:
            self._close()

    def _close(self) -> None:
        self._closed = True
        self._root.destroy()


def has_screen() -> bool:
    """Return True if a window can probably be opened."""
    if platform.system() == "Linux" and not os.environ.get("DISPLAY"):
        return False
    try:
        import tkinter

        tkinter.Tk().destroy()
    except Exception:  # of the window system, in many kinds
        return False
    return True


@dataclass
class _Newest:
    """Newest picture as JPEG, with its number, for all clients."""

    jpeg: bytes = b""
    number: int = 0
    status: str = "{}"
    clients: int = 0
    ended: bool = False


class MjpegServer:
    """Page with the stream, how it goes, and what each person does; ends with its block.

    Args:
        title: Of the page.
        address: Where it listens; this machine alone by default.
        port: 0: any that is free.

    Raises:
        InputError: The port is taken, or the address is not this machine's.
    """

    closed = False

    def __init__(self, title: str, *, address: str = "127.0.0.1", port: int = PORT) -> None:
        self._newest, self._changed = _Newest(), threading.Condition()
        handler = type(
            "Handler",
            (_Handler,),
            {"view": self, "title": title, "names": _names_of(address)},
        )
        kind = type(
            "Server",
            (_Server,),
            {"address_family": socket.AF_INET6 if ":" in address else socket.AF_INET},
        )
        try:
            self._server = kind((address, port), handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"--port {port}: cannot listen at {address} ({reason}); is it taken? 0 takes any "
                "free one"
            ) from None
        self.port = int(self._server.server_port)
        host = f"[{address}]" if ":" in address else address
        self.address = f"http://{host}:{self.port}/"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True
        )

    def __enter__(self) -> "MjpegServer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._newest.ended = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def show(self, status: Status, draw: Draw) -> None:
        """Hand the present to the clients; none of them is waited for."""
        newest = self._newest
        newest.status = status.to_json()
        if not newest.clients:
            return
        jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(draw()), quality=80)
        with self._changed:
            newest.jpeg, newest.number = jpeg, newest.number + 1
            self._changed.notify_all()

    @property
    def status(self) -> str:
        """The last status, as JSON."""
        return self._newest.status

    @contextlib.contextmanager
    def client(self) -> Iterator[bool]:
        """Count a client while it looks; False if there are too many."""
        with self._changed:
            taken = self._newest.clients < MOST_CLIENTS
            self._newest.clients += taken
        try:
            yield taken
        finally:
            with self._changed:
                self._newest.clients -= taken

    def pictures(self) -> Iterator[bytes]:
        """Yield the newest picture, again and again; those that came meanwhile are left out."""
        newest, seen = self._newest, self._newest.number
        while True:
            with self._changed:
                if newest.number == seen and not newest.ended:
                    self._changed.wait(CLIENT_SEC)
                if newest.ended:
                    return
                if newest.number == seen:
                    continue
                jpeg, seen = newest.jpeg, newest.number
            yield jpeg


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """Say nothing: clients come and go."""


class _Handler(BaseHTTPRequestHandler):
    """Answers of `MjpegServer`."""

    server_version, sys_version = "aia", ""
    timeout = CLIENT_SEC
    view: MjpegServer
    title: str
    names: frozenset[str]

    def do_GET(self) -> None:  # noqa: N802 (the library's name)
        if not _is_known(self.headers.get("Host", ""), self.names):
            self._answer(403, "text/plain", "this name is not the machine's; ask by its address\n")
            return
        path = self.path.partition("?")[0]
        if path == "/":
            self._answer(200, "text/html", _PAGE.replace("TITLE", html.escape(self.title)))
        elif path == "/status.json":
            self._answer(200, "application/json", self.view.status)
        elif path == "/stream.mjpg":
            self._stream()
        else:
            self._answer(404, "text/plain", "there is no such page\n")

    def _stream(self) -> None:
        with self.view.client() as taken:
            if not taken:
                self._answer(503, "text/plain", f"{MOST_CLIENTS} look at it already\n")
                return
            # little is kept for a slow client by the system, too
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)
            self.send_response(200)
            self._common("multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            for jpeg in self.view.pictures():
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                self.wfile.write(head.encode() + jpeg + b"\r\n")

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self._common(f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _common(self, kind: str) -> None:
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header(
            "Content-Security-Policy",
            "default-src 'none'; img-src 'self'; connect-src 'self'; style-src 'unsafe-inline'; "
            "script-src 'unsafe-inline'; frame-ancestors 'none'",
        )

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def _names_of(address: str) -> frozenset[str]:
    """Return the names by which a server may be asked, beside addresses."""
    names = {"localhost", address.lower()}
    if not _is_loopback(address):
        say(f"--address {address}: whoever reaches this machine can watch; there is no password")
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(names)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address == "localhost"


def _is_known(host: str, names: frozenset[str]) -> bool:
    """Return True for an address, or one of some names, with or without a port.

    >>> [_is_known(host, frozenset({"localhost"})) for host in ("localhost:80", "[::1]", "a.org")]
    [True, True, False]
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rpartition(":")[0] or host
    if name.lower() in names:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


_PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>aia: TITLE</title>
<meta name="viewport" content="width=device-width">
<style>
body { background: #111; color: #eee; font: 16px sans-serif; margin: 1em; }
img { max-width: 100%; min-width: 50%; display: block; }
td, th { padding: 0.2em 1em 0.2em 0; text-align: left; }
</style>
<h1>TITLE</h1>
<img src="/stream.mjpg" alt="Live picture with persons and their actions">
<p id="line" role="status"></p>
<table><thead><tr><th>Person</th><th>Actions</th></tr></thead><tbody id="persons"></tbody></table>
<script>
async function tell() {
  const line = document.getElementById("line");
  try {
    const s = await (await fetch("/status.json")).json();
    if (s.video !== undefined) {
      line.textContent = `${s.time_sec.toFixed(0)} s, lag ${s.lag_sec.toFixed(2)} s, ` +
        `${s.frames_per_sec.toFixed(1)} frames/s, ` +
        `${s.key_frames_per_sec.toFixed(2)} key frames/s, ` +
        `dropped ${s.dropped_frames} frames and ${s.dropped_key_frames} key frames`;
      document.getElementById("persons").replaceChildren(...s.persons.map(person => {
        const row = document.createElement("tr");
        const actions = person.actions.map(a => `${a.name} ${a.score.toFixed(2)}`).join(", ");
        for (const text of [person.track ?? "?", actions]) {
          const cell = document.createElement("td");
          cell.textContent = text;
          row.append(cell);
        }
        return row;
      }));
    }
  } catch { line.textContent = "ended"; }
  setTimeout(tell, 1000);
}
tell();
</script>
</html>
"""
