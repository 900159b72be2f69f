"""A video played as a camera for some minutes: lag, drops, and memory at start and end.

    python -m benchmarks.live VIDEO --model MODEL [--minutes 10] [--fps 10] [--view page]

The video is repeated. With a page, a client reads the stream all the time. The memory at the start
is that after half a minute, when all is loaded.
"""

import argparse
import http.client
import math
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch

from aia.log import say
from aia.predict.feeds import playing
from aia.predict.model import load_action_detector
from aia.predict.viewers import Draw, MjpegServer, Status
from aia.predict.watch import WatchOptions, watch
from aia.video.decode import probe

SETTLED_SEC = 30.0


class Meter:
    """Viewer that notes the process's memory every second."""

    closed = False

    def __init__(self) -> None:
        self.times_sec: list[float] = []
        self.resident_mb: list[float] = []

    def show(self, status: Status, draw: Draw) -> None:
        """Note the memory."""
        if not self.times_sec or status.time_sec >= self.times_sec[-1] + 1:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.times_sec.append(status.time_sec)
            self.resident_mb.append(pages * 4096 / 2**20)


def read_stream(port: int, read: list[int]) -> None:
    """Read the page's stream as a browser does, and count the bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/stream.mjpg")
    answer = connection.getresponse()
    while piece := answer.read1(1 << 16):
        read[0] += len(piece)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--view", default="page", choices=("page", "none"))
    options = parser.parse_args()
    who = load_action_detector(options.model)
    times = math.ceil(60 * options.minutes / probe(options.video).duration_sec)
    meter, read = Meter(), [0]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        viewers = [meter]
        if options.view == "page":
            page = stack.enter_context(MjpegServer("benchmark", port=0))
            viewers.append(page)
            threading.Thread(target=read_stream, args=(page.port, read), daemon=True).start()
        done = watch(
            who,
            playing(options.video, options.fps, times=times),
            name="benchmark",
            output=Path(folder),
            options=WatchOptions(part_sec=120.0, tell_sec=30.0),
            viewers=viewers,
        )
    lags = np.array(done.lags_sec)
    minutes = [SETTLED_SEC, *np.arange(1, options.minutes + 1) * 60]
    memory = " ".join(f"{mb:.0f}" for mb in np.interp(minutes, meter.times_sec, meter.resident_mb))
    say(
        f"{meter.times_sec[-1]:.0f} s at {options.fps:g} fps, {torch.get_num_threads()} threads\n"
        f"lag          median {np.median(lags):.2f} s, 99 % {np.quantile(lags, 0.99):.2f} s, "
        f"last minute {np.median(lags[-60:]):.2f} s, first {np.median(lags[:60]):.2f} s\n"
        f"key frames   {done.key_frames} scored, {done.dropped_key_frames} dropped\n"
        f"pictures     {done.dropped_pictures} dropped\n"
        f"memory       MB after {SETTLED_SEC:g} s, then each minute: {memory}\n"
        f"page         {read[0] / 2**20:.1f} MB read by a client"
    )


if __name__ == "__main__":
    main()
