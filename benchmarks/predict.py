"""Cost of a prediction beside that of its networks alone, and its memory by length of the video.

    python -m benchmarks.predict VIDEO --detector FILE            wall time / networks' time
    python -m benchmarks.predict VIDEO --detector FILE --peak 600 peak memory of 600 s, looped

The network is SlowFast R50 4x16 with IA and AMU in the paper's size (or --backbone, --variant),
with random weights: time does not depend on them. Both times are of one run.
"""

import argparse
import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from aia.config import Perception, overlay, packaged_settings, parse_run
from aia.convert import AVA_LABELS
from aia.detect.model import load_detector
from aia.labels import read_labels
from aia.predict.folder import PredictOptions, predict_folder
from aia.predict.model import ActionDetector
from aia.predict.sources import expand
from aia.predict.stream import VideoScorer
from aia.run import Model, Run
from aia.video.decode import TimedFrame, VideoFile
from aia.video.transforms import resize_size_hw


def random_model(options: argparse.Namespace) -> ActionDetector:
    """Make a network of the benchmark's run with random weights, and load its detector."""
    settings = overlay(packaged_settings("config.yaml"), packaged_settings("config/ava_v22.yaml"))
    name = parse_run(f"{options.backbone}-serial-POMPOM-amu-s0-{options.variant}")
    run = Run.from_settings(name, settings, classes=read_labels(AVA_LABELS))
    detector = load_detector(options.detector)
    sees = Perception.from_settings(settings)
    sees = replace(sees, person_threshold=options.person_threshold, codec=options.codec)
    torch.manual_seed(0)
    return ActionDetector(
        model=Model(run, run.build().eval()),
        detector=detector,
        perception=sees,
        device=torch.device("cpu"),
        precision="float32",
        provenance={"run": str(name), "detector": detector.model, "boxes": "detected"},
    )


class Timed:
    """Sum of the time that some functions take."""

    def __init__(self) -> None:
        self.sec: dict[str, float] = {}

    def wrap(self, owner: Any, name: str) -> None:
        """Replace a method by one that counts its time."""
        method: Callable[..., Any] = getattr(owner, name)
        self.sec[name] = 0.0

        def timed(*args: Any, **more: Any) -> Any:
            start = time.perf_counter()
            try:
                return method(*args, **more)
            finally:
                self.sec[name] += time.perf_counter() - start

        setattr(owner, name, timed)


def cost(options: argparse.Namespace) -> None:
    """Predict a video, and print wall time over the time within detector, backbone and head."""
    who = random_model(options)
    timed = Timed()
    timed.wrap(who.detector, "forward")
    timed.wrap(who.model.network, "features")
    timed.wrap(who.model.network, "actions")
    for film in (False, True):
        for name in timed.sec:
            timed.sec[name] = 0.0
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            wanted = PredictOptions(film=film, page=film, track_per_sec=options.track_per_second)
            predict_folder(who, expand([options.video]), Path(folder), wanted)
        wall, networks = time.perf_counter() - start, sum(timed.sec.values())
        parts = ", ".join(f"{name} {sec:.1f} s" for name, sec in timed.sec.items())
        what = "with film and page" if film else "scores alone"
        print(f"{what}: {wall:.1f} s, networks {networks:.1f} s ({parts})")
        print(f"ratio {wall / networks:.3f}")


def looped(file: VideoFile, sees: Perception, seconds: float) -> Iterator[TimedFrame]:
    """Repeat a video's frames, at a rising time, as a longer video of the same pictures."""
    frames = (
        frame.rgb
        for _ in itertools.count()
        for frame in file.frames(fps=sees.fps, short_side=sees.short_side)
    )
    for number, rgb in enumerate(itertools.islice(frames, round(seconds * sees.fps))):
        yield TimedFrame(number / sees.fps, rgb)


def peak(options: argparse.Namespace) -> None:
    """Score a video of so many seconds, and print the peak memory of this process."""
    who, file = random_model(options), VideoFile(options.video)
    frames = looped(file, who.perception, options.peak)
    size_hw = resize_size_hw(file.size_hw, who.perception.short_side)
    start, persons = time.perf_counter(), 0
    for moment in VideoScorer(who, "looped", frames, size_hw=size_hw):
        persons += len(moment.xyxy)
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall = time.perf_counter() - start
    print(f"{options.peak:g} s of video, {persons} boxes: peak {mib:.0f} MiB, {wall:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("video")
    parser.add_argument("--detector", required=True)
    parser.add_argument("--backbone", default="slowfast_r50_4x16")
    parser.add_argument("--variant", default="released")
    parser.add_argument("--person-threshold", type=float, default=0.8)
    parser.add_argument("--codec", default="jpeg", choices=("jpeg", "h264"))
    parser.add_argument("--track-per-second", type=float, default=0.0)
    parser.add_argument("--peak", type=float, help="seconds of video")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    (cost if options.peak is None else peak)(options)


if __name__ == "__main__":
    main()
