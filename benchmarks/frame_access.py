"""One clip at a random second: our frame stores against seeking in the film itself.

    python benchmarks/frame_access.py [FILM] [--rounds 11]

Every way fetches the same clips: 32 of 64 frames, short side 256, RGB. All ways take turns within a
round, so that a busy machine is as unfair to one as to the others; what is printed are medians over
the rounds, and their ratio to the first way. Without a film, one is made: 66 s of 640x360 at 30
frames a second, with cuts, motion and grain, a key frame at least every 250 frames, as on the web.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np

from aia.clip import clip_indices, clip_offsets
from aia.config import FramesConfig
from aia.video.decode import probe
from aia.video.picture import upright_rgb
from aia.video.store import FrameStore, make_store
from aia.video.transforms import resize_size_hw

SPAN, STRIDE, SHORT_SIDE = 64, 2, 256
OFFSETS = clip_offsets(SPAN, STRIDE)

Fetch = Callable[[float], np.ndarray]


def draw_film(path: Path, *, seconds: int = 66, fps: int = 30, scene_sec: int = 6) -> None:
    """A film with what makes films hard to decode: motion, cuts, grain."""
    rng = np.random.default_rng(0)
    grain = [rng.integers(0, 9, (360, 640, 3), dtype=np.uint8) for _ in range(7)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(
            "libx264", rate=fps, options={"crf": "23", "preset": "veryfast"}
        )
        stream.height, stream.width, stream.pix_fmt = 360, 640, "yuv420p"
        for number in range(seconds * fps):
            if number % (scene_sec * fps) == 0:
                coarse = rng.integers(20, 220, (24, 36, 3), dtype=np.uint8)
                scene = cv2.resize(coarse, (1280, 720), interpolation=cv2.INTER_CUBIC)
                drift = rng.uniform(-1.5, 1.5, 2)
            step = number % (scene_sec * fps)
            left, top = (np.array([320, 180]) + step * drift).clip(0, [640, 360])
            rgb = scene[int(top) : int(top) + 360, int(left) : int(left) + 640].copy()
            centre = (320 + int(250 * np.sin(number / 17)), 180 + int(120 * np.cos(number / 23)))
            cv2.circle(rgb, centre, 40, (240, 200, 40), -1)
            rgb += grain[number % 7]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode(None))


def from_store(path: Path) -> Fetch:
    """Our way."""
    store = FrameStore(path)

    def fetch(time_sec: float) -> np.ndarray:
        centre = store.nearest(time_sec)
        return store.read(clip_indices(centre, offsets=OFFSETS, span=SPAN, length=len(store)))

    return fetch


def with_pyav(film: Path, *, fps: float, size_hw: tuple[int, int]) -> Fetch:
    """PyAV on the film: seek to the key frame before the clip, decode up to its end."""
    container = av.open(str(film))
    stream = container.streams.video[0]
    stream.codec_context.thread_count = 1

    def fetch(time_sec: float) -> np.ndarray:
        first = round(time_sec * fps) - SPAN // 2
        wanted = set((first + OFFSETS).tolist())
        container.seek(int(first / fps / stream.time_base), stream=stream)
        frames = []
        for frame in container.decode(stream):
            number = round((frame.time or 0.0) * fps)
            if number in wanted:
                frames.append(upright_rgb(frame, size_hw))
            if number >= max(wanted):
                break
        return np.stack(frames)

    return fetch


def with_opencv(film: Path, *, fps: float, size_hw: tuple[int, int]) -> Fetch:
    """OpenCV on the film: set the position, grab all, retrieve every other one."""
    capture = cv2.VideoCapture(str(film), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])

    def fetch(time_sec: float) -> np.ndarray:
        first = round(time_sec * fps) - SPAN // 2
        capture.set(cv2.CAP_PROP_POS_FRAMES, first)
        frames = []
        for place in range(int(OFFSETS[-1]) + 1):
            capture.grab()
            if place in OFFSETS:
                bgr = cv2.resize(capture.retrieve()[1], size_hw[::-1])
                frames.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        return np.stack(frames)

    return fetch


def timed(fetch: Fetch, times_sec: np.ndarray) -> tuple[float, float]:
    """Milliseconds a clip: by the clock on the wall, and of the processor."""
    wall, cpu = time.perf_counter(), time.process_time()
    for time_sec in times_sec.tolist():
        fetch(time_sec)
    count = len(times_sec)
    return (time.perf_counter() - wall) / count * 1e3, (time.process_time() - cpu) / count * 1e3


def rows(film: Path, folder: Path, *, rounds: int, clips: int) -> Iterator[tuple[str, ...]]:
    info = probe(film)
    size_hw = resize_size_hw(info.size_hw, SHORT_SIDE)
    fetches: dict[str, Fetch] = {}
    bytes_of = {"PyAV, seek in the film": film.stat().st_size}
    for codec in ("jpeg", "h264"):
        config = FramesConfig(
            film_start_sec=0.0,
            start_sec=0.0,
            end_sec=None,
            fps=info.fps,
            numbered=False,
            short_side=SHORT_SIDE,
            codec=codec,
            quality=90,
        )
        name, path = f"frame store, {codec}", folder / f"{codec}.h5"
        bytes_of[name] = make_store(film, path, config=config).bytes
        fetches[name] = from_store(path)
    fetches["PyAV, seek in the film"] = with_pyav(film, fps=info.fps, size_hw=size_hw)
    fetches["OpenCV, seek in the film"] = with_opencv(film, fps=info.fps, size_hw=size_hw)

    # all ways must fetch the same pictures
    pictures = [fetch(info.duration_sec / 2).astype(int) for fetch in fetches.values()]
    for name, picture in zip(fetches, pictures, strict=True):
        difference = np.abs(picture - pictures[2]).mean()
        if difference > 8:
            sys.exit(f"{name}: another clip than PyAV's (they differ by {difference:.1f} levels)")

    rng = np.random.default_rng(1)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in fetches}
    for _ in range(rounds):
        times_sec = rng.uniform(3, info.duration_sec - 3, clips)
        for name, fetch in fetches.items():
            taken[name].append(timed(fetch, times_sec))
    first = next(iter(taken.values()))
    for name, found in taken.items():
        wall_ms, cpu_ms = (statistics.median(column) for column in zip(*found, strict=True))
        ratio = statistics.median(
            mine[1] / best[1] for mine, best in zip(found, first, strict=True)
        )
        size = bytes_of.get(name)
        kb_per_sec = f"{size / info.duration_sec / 1e3:9.1f}" if size else " " * 9
        yield name, f"{cpu_ms:8.1f}", f"{wall_ms:8.1f}", f"{ratio:7.2f}", kb_per_sec


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("film", type=Path, nargs="?", help="any film; without one, one is made")
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--clips", type=int, default=3, help="of each way in a round")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        film = options.film
        if film is None:
            film = Path(folder) / "film.mp4"
            draw_film(film)
        print(
            f"{SPAN // STRIDE} of {SPAN} frames, short side {SHORT_SIDE}, one thread, {film.name}"
        )
        print(f"{'':26} {'CPU ms':>8} {'wall ms':>8} {'x CPU':>7} {'KB a sec':>9}")
        for row in rows(film, Path(folder), rounds=options.rounds, clips=options.clips):
            print(f"{row[0]:26}", *row[1:])


if __name__ == "__main__":
    main()
