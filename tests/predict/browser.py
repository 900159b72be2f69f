"""A real browser for tests: Chromium without a window, driven by its DevTools protocol.

Chromium takes the protocol's messages over a pipe, JSON that ends in a zero byte; so tests need no
driver, no port and no package.
"""

import base64
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from fcntl import F_DUPFD_CLOEXEC, fcntl
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # which Chromium needs to run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--force-device-scale-factor=1",
    "--remote-debugging-pipe",
)
PATIENCE_SEC = 60
_AS_3_AND_4 = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
_CODES = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Delete": 46}
_CODES |= {"Escape": 27, "Enter": 13, "Tab": 9, " ": 32, "Home": 36, "End": 35}


class Page:
    """A tab of the browser."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._rest, self._number = b"", 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        self.dialogs: list[str] = []
        """Kinds of the dialogs that were met, and accepted."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        opened = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = opened["sessionId"]
        for room in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{room}.enable")
        self.resize(1280, 800)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session and not method.startswith(("Target.", "Browser.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE_SEC
        while True:
            found = self._read(deadline, method)
            if found.get("id") == message["id"]:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                return found["result"]

    def _read(self, deadline: float, what: str) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(deadline - time.monotonic(), 0))
            piece = os.read(self._from, 1 << 20) if ready else b""
            if not piece:
                raise TimeoutError(f"{what}: the browser does not answer, or has ended")
            self._rest += piece
        text, self._rest = self._rest.split(b"\0", 1)
        found = json.loads(text)
        if "method" in found:
            self.events.append(found)
            if found["method"] == "Page.javascriptDialogOpening":
                self.dialogs.append(found["params"]["type"])
                self._number += 1
                answer = {"method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
                answer |= {"id": self._number, "sessionId": self._session}
                os.write(self._to, json.dumps(answer).encode() + b"\0")
        return found

    def open(self, address: str) -> None:
        """Open an address and wait until it is loaded."""
        self._loaded("Page.navigate", url=address)

    def reload(self) -> None:
        """Load the page again, accepting to leave it."""
        self._loaded("Page.reload")

    def _loaded(self, method: str, **params: Any) -> None:
        seen = len(self.events)
        self.call(method, **params)
        deadline = time.monotonic() + PATIENCE_SEC
        while not any(one["method"] == "Page.loadEventFired" for one in self.events[seen:]):
            self._read(deadline, method)

    def run(self, script: str) -> Any:
        """Evaluate an expression in the page, awaiting a promise."""
        done = self.call(
            "Runtime.evaluate",
            expression=script,
            returnByValue=True,
            awaitPromise=True,
            userGesture=True,
        )
        if "exceptionDetails" in done:
            problem = done["exceptionDetails"]
            raise RuntimeError(problem.get("exception", {}).get("description", problem["text"]))
        return done["result"].get("value")

    def wait(self, condition: str, patience_sec: float = 20) -> Any:
        """Wait until an expression is true, and return its value."""
        deadline = time.monotonic() + patience_sec
        while not (value := self.run(condition)):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{condition} did not come true")
            time.sleep(0.03)
        return value

    def settle(self) -> None:
        """Wait until what was asked for is drawn."""
        self.run(
            "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => "
            "setTimeout(() => done(1), 70))))"
        )

    def move(self, x: float, y: float) -> None:
        """Move the mouse."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        self.settle()

    def click(self, x: float, y: float) -> None:
        """Click with the mouse."""
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
        self.settle()

    def click_on(self, selector: str) -> None:
        """Click on the middle of an element."""
        x, y = self.run(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'nearest'}); const a = e.getBoundingClientRect(); "
            "return [a.left + a.width / 2, a.top + a.height / 2] })()"
        )
        self.click(x, y)

    def key(self, key: str, *, control: bool = False) -> None:
        """Press a key."""
        about: dict[str, Any] = {"key": key, "modifiers": 2 * control}
        about["windowsVirtualKeyCode"] = _CODES.get(key, ord(key.upper()[0]))
        if not control and (len(key) == 1 or key == "Enter"):
            about["text"] = "\r" if key == "Enter" else key
        self.call("Input.dispatchKeyEvent", type="keyDown", **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)
        self.settle()

    def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.call("Input.insertText", text=text)
        self.settle()

    def resize(self, width: int, height: int) -> None:
        """Give the page another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def scheme(self, name: str) -> None:
        """Prefer the colour scheme "dark" or "light"."""
        wish = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", features=[wish])
        self.settle()

    def picture(self, path: Path) -> None:
        """Write a screenshot."""
        self.settle()
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))

    def problems(self) -> list[str]:
        """Return what the page's console has of errors, and which addresses it asked for."""
        found = []
        for event in self.events:
            about = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(str(about["exceptionDetails"]))
            if event["method"] == "Runtime.consoleAPICalled" and about["type"] == "error":
                found.append(str(about["args"]))
            if event["method"] == "Log.entryAdded" and about["entry"]["level"] == "error":
                found.append(about["entry"]["text"])
        return found

    def requests(self) -> list[str]:
        """Return the addresses that the page asked for."""
        sent = (one for one in self.events if one["method"] == "Network.requestWillBeSent")
        return [one["params"]["request"]["url"] for one in sent]


@contextmanager
def browser(program: str, folder: Path, flags: Sequence[str] = ()) -> Iterator[Page]:
    """Start a browser with a profile of its own, downloads going to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    ends = [*os.pipe(), *os.pipe()]
    far = [fcntl(ends[0], F_DUPFD_CLOEXEC, 10), fcntl(ends[3], F_DUPFD_CLOEXEC, 10)]
    for end in (ends[0], ends[3]):
        os.close(end)
    command = [sys.executable, "-c", _AS_3_AND_4, *map(str, far), program, *FLAGS, *flags]
    with open(folder / "browser.log", "wb") as log:
        process = subprocess.Popen(
            [*command, f"--user-data-dir={folder / 'profile'}", "about:blank"],
            pass_fds=far,
            stdout=log,
            stderr=log,
        )
    for end in far:
        os.close(end)
    try:
        page = Page(ends[1], ends[2])
        page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
        yield page
        page.call("Browser.close")
        process.wait(20)
    finally:
        process.kill()
        process.wait()
        for end in ends[1:3]:
            os.close(end)
