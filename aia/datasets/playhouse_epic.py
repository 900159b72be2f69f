"""Playhouse's kitchen as EPIC-Kitchens-55 is published (§6; docs/data.md): `playhouse.form`.

    films/{P01_01}.mp4                          drawn by playhouse.py
    annotations/EPIC_train_action_labels.csv    segments with a verb and a noun, of all films
    annotations/EPIC_{verb,noun}_classes.csv    what their classes are called
    annotations/EPIC_video_info.csv             video,resolution,duration,fps
    annotations/{split}_boxes.csv               video,second,x1,y1,x2,y2,label, as fractions

Films to train on are of the participants P01 to P25, films to validate of P26 to P31, as the
published ones are split (Baradel et al.). Boxes are those of the worker's hand and of things on the
wall, at whole seconds and in the middle of every segment.

playhouse_epic_script.py says what a play is, playhouse_epic_plot.py thinks them up, and
playhouse_epic_draw.py draws them.
"""

import csv
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from aia.config import PlayhouseConfig
from aia.datasets import playhouse_epic_draw as draw
from aia.datasets.playhouse_epic_plot import write_script
from aia.datasets.playhouse_epic_script import NOUNS, VERBS, Script, Segment
from aia.files import write_text

ACTION_COLUMNS = (
    "uid", "participant_id", "video_id", "narration", "start_timestamp", "stop_timestamp",
    "start_frame", "stop_frame", "verb", "verb_class", "noun", "noun_class", "all_nouns",
    "all_noun_classes",
)  # fmt: skip
FRAMES_PER_SEC = 60
"""Frames of the published table are counted so, whatever a film's own rate is."""
_STREAM = 55
"""Sets this form's chance apart from the others' of the same seed."""


class Rows(NamedTuple):
    """A film's lines of the tables."""

    actions: list[tuple[object, ...]]
    """All columns but the uid, which counts over all films."""
    info: tuple[object, ...]
    boxes: list[str]


class Play(NamedTuple):
    """A film that waits to be drawn, and what is in it."""

    pictures: Iterator[Any]
    """RGB, uint8, height x width x 3."""
    rows: Rows


def play_film(config: PlayhouseConfig, *, split: int, number: int, video: str) -> Play:
    """A film; what it shows follows from the seed, its split and its number alone."""
    streams = [
        np.random.default_rng([config.seed, split, number, _STREAM, use]) for use in range(3)
    ]
    script = write_script(streams[0], seconds=config.seconds)
    cast = draw.draw_cast(streams[1])
    pictures = draw.frames(script, cast, rng=streams[2], fps=config.fps, size_hw=config.size_hw)
    height, width = config.size_hw
    rows = Rows(
        actions=[_action(video, segment) for segment in script.segments],
        info=(video, f"{width}x{height}", f"{config.seconds:.6f}", float(config.fps)),
        boxes=list(_boxes(video, script, cast, config.fps)),
    )
    return Play(pictures, rows)


def write_annotations(folder: Path, films: Mapping[str, Sequence[Rows]]) -> None:
    """Write the tables of all films; the segments last."""
    for split, rows in films.items():
        write_text(folder / f"{split}_boxes.csv", "".join(line for r in rows for line in r.boxes))
    for kind, classes in (("verb", VERBS), ("noun", NOUNS)):
        lines = [(number, name, f"['{name}']") for number, (name, _) in enumerate(classes)]
        _write(folder / f"EPIC_{kind}_classes.csv", (f"{kind}_id", "class_key", f"{kind}s"), lines)
    everything = sorted(
        (row for rows in films.values() for row in rows), key=lambda row: str(row.info[0])
    )
    _write(
        folder / "EPIC_video_info.csv",
        ("video", "resolution", "duration", "fps"),
        [row.info for row in everything],
    )
    actions = [action for row in everything for action in row.actions]
    _write(
        folder / "EPIC_train_action_labels.csv",
        ACTION_COLUMNS,
        [(uid, *action) for uid, action in enumerate(actions)],
    )


def _action(video: str, segment: Segment) -> tuple[object, ...]:
    verb = [name for name, _ in VERBS].index(segment.verb)
    noun = [name for name, _ in NOUNS].index(segment.noun)
    return (
        video.split("_")[0],
        video,
        f"{segment.verb} {segment.noun}",
        _timestamp(segment.start_sec),
        _timestamp(segment.stop_sec),
        _frame(segment.start_sec),
        _frame(segment.stop_sec),
        segment.verb,
        verb,
        segment.noun,
        noun,
        f"['{segment.noun}']",
        f"[{noun}]",
    )


def _timestamp(time_sec: float) -> str:
    """As hh:mm:ss.cc."""
    minutes, hundredths = divmod(round(time_sec * 100), 6000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"


def _frame(time_sec: float) -> int:
    return round(time_sec * 100) * FRAMES_PER_SEC // 100


def _boxes(video: str, script: Script, cast: draw.Cast, fps: int) -> Iterator[str]:
    times = {float(second) for second in range(script.seconds)}
    times |= {round(segment.mid_sec, 3) for segment in script.segments}
    for time_sec in sorted(times):
        frame = math.ceil(time_sec * fps - 0.5)  # the nearest, the earlier of two
        shown_sec = min(frame, script.seconds * fps - 1) / fps
        for box in draw.boxes(script, cast, time_sec=shown_sec):
            sides = ",".join(f"{side:.5f}" for side in draw.fractions(box))
            yield f"{video},{time_sec:.3f},{sides},{box.label}\n"


def _write(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
