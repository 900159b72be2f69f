"""The annotated video: what drawing adds to decoding and encoding alone, on one core.

    python benchmarks/film.py [FILM] [--persons 5] [--rounds 3]

Both write the same film, once with persons and once without, in turns; what is printed are medians
over the rounds. Without a film, one is made: 20 s of 640x360 at 25 frames a second with cuts,
motion and grain, which is harder to encode than most.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from frame_access import draw_film as make_film

from aia.labels import ClassList
from aia.predict.film import draw_film
from aia.tables.scores import ScoreTable
from aia.video.decode import probe

CLASSES = ClassList(
    tuple(range(1, 81)),
    tuple(f"action of a person, number {number}" for number in range(1, 81)),
    ("PERSON_MOVEMENT", "OBJECT_MANIPULATION", "PERSON_INTERACTION", "PERSON_MOVEMENT") * 20,
)


def made_up(persons: int, seconds: int) -> ScoreTable:
    """Persons who walk about, each with a key frame every second."""
    rng = np.random.default_rng(0)
    steps = rng.normal(0, 0.04, (seconds, persons, 2))
    corner = (rng.uniform(0.1, 0.6, (persons, 2)) + steps.cumsum(axis=0)).clip(0, 0.7)
    boxes = pd.DataFrame({"video": ["film"] * (seconds * persons)})
    boxes["time_sec"] = np.repeat(np.arange(seconds, dtype=float), persons)
    for name, side in zip(("x1", "y1"), np.moveaxis(corner, 2, 0), strict=True):
        boxes[name] = side.ravel()
    boxes["x2"], boxes["y2"], boxes["score"] = boxes["x1"] + 0.15, boxes["y1"] + 0.3, 0.9
    boxes["track"] = pd.array(np.tile(np.arange(persons), seconds) + 1, dtype="Int32")
    scores = rng.uniform(0, 1, (len(boxes), len(CLASSES))).astype(np.float32)
    return ScoreTable(boxes, scores, CLASSES.ids, {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("film", type=Path, nargs="?", help="any film; without one, one is made")
    parser.add_argument("--persons", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        film = options.film
        if film is None:
            film = Path(folder) / "film.mp4"
            make_film(film, seconds=20, fps=25)
        info = probe(film)
        tables = {
            "with persons": made_up(options.persons, int(info.duration_sec) + 1),
            "without": made_up(0, 1),
        }
        taken: dict[str, list[float]] = {name: [] for name in tables}
        for _ in range(options.rounds):
            for name, table in tables.items():
                begun = time.process_time()
                draw_film(film, table, CLASSES, Path(folder) / "drawn.mp4")
                taken[name].append(time.process_time() - begun)
    height, width = info.size_hw
    print(f"{width}x{height}, {info.fps:.2f} fps, {options.persons} persons, one core")
    print(f"{'':14} {'CPU ms a frame':>14} {'x real time':>12}")
    for name, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"{name:14} {median / info.frames * 1e3:14.2f} {info.duration_sec / median:12.2f}")
    pairs = zip(taken["with persons"], taken["without"], strict=True)
    print(f"ratio {statistics.median(mine / bare for mine, bare in pairs):.2f}")


if __name__ == "__main__":
    main()
