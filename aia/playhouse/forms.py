"""Playhouse's three annotation forms: AVA's, UCF101-24's (§5) and EPIC-Kitchens-55's (§6).

AVA's and UCF101-24's form show the same world, EPIC-Kitchens' shows the kitchen. A `DrawnVideo` has
the pictures of a video and the rows that each annotation file gets from it; `write_annotations`
joins the rows of all videos. docs/playhouse.md says what the files hold.
"""

import math
import pickle
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8, UInt16

from aia.config import PlayhouseConfig
from aia.files import atomic_path, write_text
from aia.labels import ClassList, write_labels
from aia.playhouse import kitchen, kitchen_stage, stage, world
from aia.playhouse.pixels import Box, filmed
from aia.playhouse.world import State

Rows = dict[str, list[Any]]
"""What each annotation file gets from a video: lines of text, or tubes."""

BLACKOUT_EVERY = 3
"""Number of videos of which one has a second without light, which is excluded."""
TUBES, INFO, SEGMENTS = "pyannot.pkl", "EPIC_video_info.csv", "EPIC_train_action_labels.csv"
TUBE_PIXELS_HW = (240, 320)
"""Frame in whose pixels UCF101-24's file counts its boxes."""
TUBE_CLASS = "Playhouse"
"""Class that UCF101-24's files give every video: it shows all of them."""
SEGMENT_COLUMNS = (
    "uid", "participant_id", "video_id", "narration", "start_timestamp", "stop_timestamp",
    "start_frame", "stop_frame", "verb", "verb_class", "noun", "noun_class", "all_nouns",
    "all_noun_classes",
)  # fmt: skip
SEGMENT_FPS = 60
"""Rate at which the published table counts frames, whatever a video's own is."""
_KITCHEN_STREAM = 55  # sets the kitchen's chance apart from the others' of the same seed


def _classes(first_id: int, **groups: str) -> ClassList:
    pairs = [(name, group) for group, names in groups.items() for name in names.split()]
    names, group_of = zip(*pairs, strict=True)
    return ClassList(tuple(range(first_id, first_id + len(pairs))), names, group_of)


AVA_CLASSES = _classes(
    1,
    APPEARANCE="stand sit walk talk dance drink chop brush",
    PERSON="listen watch_person",
    OBJECT="watch_tv answer_phone",
    MEMORY="open close cook paint",
)
UCF24_CLASSES = _classes(
    0,
    APPEARANCE="walk talk dance drink chop brush",
    PERSON="listen watch_person wait",
    OBJECT="watch_tv rest answer_phone call",
    MEMORY="open close cook paint",
)
_ALTERNATIVES = {
    State.IDLE: "wait",
    State.SIT: "rest",
    State.SIT_TALK: "rest",
    State.EAR: "call",
}
"""What a person does whom nothing gives anything to listen to, to watch or to answer."""
_WATCHES = {"listen", "watch_person", "watch_tv", "answer_phone"}


class DrawnVideo(NamedTuple):
    """Frames of a video, drawn while they are read, and its annotations."""

    frames: Iterator[UInt8[np.ndarray, "h w 3"]]
    rows: Rows


class Tube(NamedTuple):
    """One person doing one thing on consecutive frames."""

    label: int
    first: int
    end: int
    boxes: UInt16[np.ndarray, "frames 4"]
    """Left, top, width and height in pixels of 320 x 240."""


def draw_video(config: PlayhouseConfig, *, split: str, number: int, video: str) -> DrawnVideo:
    """Draw a video; what it shows follows from the seed, its split and its number alone."""
    seeds = [config.seed, ("train", "val").index(split), number]
    if config.form == "epic_kitchens":
        seeds.append(_KITCHEN_STREAM)
    for_script, for_cast, for_noise = (np.random.default_rng([*seeds, use]) for use in range(3))
    if config.form == "epic_kitchens":
        plot = kitchen.write_script(for_script, seconds=config.seconds)
        couple = kitchen_stage.draw_cast(for_cast)
        pictures = kitchen_stage.pictures(plot, couple, fps=config.fps)
        rows = _epic_rows(video, split, plot, couple, config)
    else:
        # UCF101-24 has no list of what is left out, so the light stays on.
        blackout = number % BLACKOUT_EVERY == 0 and config.form == "ava"
        script = world.write_script(for_script, seconds=config.seconds, blackout=blackout)
        persons, columns = script.states.shape
        cast = stage.draw_cast(for_cast, persons=persons, seconds=columns)
        pictures = stage.pictures(script, cast, fps=config.fps)
        rows_of = _ucf24_rows if config.form == "ucf101_24" else _ava_rows
        rows = rows_of(video, split, script, cast, config.fps)
    return DrawnVideo(filmed(pictures, rng=for_noise, size_hw=config.size_hw), rows)


def write_annotations(folder: Path, form: str, videos: Sequence[Rows]) -> None:
    """Write the annotation files of all videos, what is done in them last."""
    rows: Rows = {}
    for video in videos:
        for file, own in video.items():
            rows.setdefault(file, []).extend(own)
    match form:
        case "ava":
            write_labels(folder / "actions.pbtxt", AVA_CLASSES)
        case "ucf101_24":
            write_labels(folder / "actions.pbtxt", UCF24_CLASSES)
        case "epic_kitchens":
            rows = _epic_tables(rows)
    tubes = rows.pop(TUBES, None)
    for file, lines in rows.items():
        write_text(folder / file, "".join(lines))
    if tubes is not None:
        with atomic_path(folder / TUBES) as path:
            # The published file's protocol.
            path.write_bytes(pickle.dumps(dict(map(_tubes_entry, tubes)), protocol=3))


def _corners(box: Box) -> str:
    return ",".join(f"{side:.5f}" for side in box.fractions())


def _ava_rows(video: str, split: str, script: world.Script, cast: stage.Cast, fps: int) -> Rows:
    ids = dict(zip(AVA_CLASSES.names, AVA_CLASSES.ids, strict=True))
    objects, excluded, actions = [], [], []
    for second in range(1, script.seconds):
        where = f"{video},{second:04d}"
        for person in range(len(script.states)):
            box = stage.person_box(script, cast, person=person, frame=second * fps, fps=fps)
            for name in world.actions(script, person=person, second=second):
                actions.append(f"{where},{_corners(box)},{ids[name]},{person}\n")
        objects += [f"{where},{_corners(thing)},{thing.label}\n" for thing in cast.things]
        if script.dark[second]:
            excluded.append(f"{where}\n")
    return {
        f"{split}_objects.csv": objects,
        f"{split}_excluded.csv": excluded,
        f"{split}.csv": actions,
    }


def ucf24_actions(script: world.Script, *, person: int, second: int) -> tuple[str, ...]:
    """Name the actions of a person in a second in UCF101-24's form; at least one.

    There a person who does nothing has no box, so nothing would ever say no where the answer is no:
    whoever sat would watch television. Hence each question has a class for either answer.
    """
    state = State(script.states[person, second])
    found = world.actions(script, person=person, second=second)
    names = [name for name in found if name not in ("stand", "sit", "walk")]
    if state is State.WALK:
        names.append("walk")
    if state in _ALTERNATIVES and not _WATCHES.intersection(names):
        names.append(_ALTERNATIVES[state])
    return tuple(names)


def draw_tubes(script: world.Script, cast: stage.Cast, *, fps: int) -> list[Tube]:
    """List the tubes of a video; two things done at once are two tubes of the same boxes."""
    frames = range(script.seconds * fps)
    seconds = [stage.moment(frame, fps=fps)[0] for frame in frames]
    scale = np.array(TUBE_PIXELS_HW[::-1] * 2)
    tubes = []
    for person in range(len(script.states)):
        own = [stage.person_box(script, cast, person=person, frame=n, fps=fps) for n in frames]
        xyxy = np.rint(np.stack([box.fractions() for box in own]) * scale)
        boxes = np.hstack([xyxy[:, :2], xyxy[:, 2:] - xyxy[:, :2]]).astype(np.uint16)
        done = [ucf24_actions(script, person=person, second=k) for k in range(script.seconds + 1)]
        for label, name in enumerate(UCF24_CLASSES.names):
            for first, end in world.runs(np.array([name in done[second] for second in seconds])):
                tubes.append(Tube(label, first, end, boxes[first:end]))
    return sorted(tubes, key=lambda tube: tube.first)


def _ucf24_rows(video: str, split: str, script: world.Script, cast: stage.Cast, fps: int) -> Rows:
    name, frames = f"{TUBE_CLASS}/{video}", script.seconds * fps
    things = [f"{_corners(thing)},{thing.label}\n" for thing in cast.things]
    return {
        f"{split}_objects.csv": [
            f"{video},{frame / fps:g},{thing}" for frame in range(frames) for thing in things
        ],
        "testlist01.txt": [f"{name}\n"] if split == "val" else [],
        TUBES: [(name, frames, draw_tubes(script, cast, fps=fps))],
    }


def _tubes_entry(video: tuple[str, int, Sequence[Tube]]) -> tuple[str, dict[str, Any]]:
    """Describe a video as the published file does: numf, label and annotations."""
    name, frames, tubes = video
    found = [
        # What another process sent brings a dtype of its own, which would make the file's bytes
        # depend on the number of processes; astype gives all of them the same one.
        {"label": label, "sf": first, "ef": end, "boxes": boxes.astype(np.uint16)}
        for label, first, end, boxes in tubes
    ]
    return name, {"numf": frames, "label": tubes[0].label, "annotations": found}


def _epic_rows(
    video: str,
    split: str,
    script: kitchen.Script,
    cast: kitchen_stage.Cast,
    config: PlayhouseConfig,
) -> Rows:
    height, width = config.size_hw
    times = {float(second) for second in range(script.seconds)}
    times |= {round(segment.mid_sec, 3) for segment in script.segments}
    boxes = []
    for time_sec in sorted(times):
        frame = math.ceil(time_sec * config.fps - 0.5)  # the nearest, the earlier of two
        shown_sec = min(frame, script.seconds * config.fps - 1) / config.fps
        for box in kitchen_stage.boxes(script, cast, time_sec=shown_sec):
            boxes.append(f"{video},{time_sec:.3f},{_corners(box)},{box.label}\n")
    return {
        f"{split}_boxes.csv": boxes,
        INFO: [(video, f"{width}x{height}", f"{config.seconds:.6f}", float(config.fps))],
        SEGMENTS: [_segment_row(video, segment) for segment in script.segments],
    }


def _segment_row(video: str, segment: kitchen.Segment) -> tuple[object, ...]:
    """List all columns of a segment but its uid."""
    verb, noun = kitchen.VERBS.index(segment.verb), kitchen.NOUNS.index(segment.noun)
    start, stop = (round(time * 100) for time in (segment.start_sec, segment.stop_sec))
    return (
        video.split("_")[0],
        video,
        f"{segment.verb} {segment.noun}",
        _timestamp(start),
        _timestamp(stop),
        start * SEGMENT_FPS // 100,
        stop * SEGMENT_FPS // 100,
        segment.verb,
        verb,
        segment.noun,
        noun,
        f"['{segment.noun}']",
        f"[{noun}]",
    )


def _timestamp(hundredths: int) -> str:
    """Write a time as hh:mm:ss.cc."""
    minutes, hundredths = divmod(hundredths, 6000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{hundredths // 100:02d}.{hundredths % 100:02d}"


def _epic_tables(rows: Rows) -> Rows:
    """Complete the tables: headers, the classes, and a uid that counts over all segments."""
    for kind, names in (("verb", kitchen.VERBS), ("noun", kitchen.NOUNS)):
        classes = [(number, name, f"['{name}']") for number, name in enumerate(names)]
        rows[f"EPIC_{kind}_classes.csv"] = _table((f"{kind}_id", "class_key", f"{kind}s"), classes)
    infos = sorted(rows.pop(INFO))
    rows[INFO] = _table(("video", "resolution", "duration", "fps"), infos)
    segments = sorted(rows.pop(SEGMENTS), key=lambda row: row[1])
    rows[SEGMENTS] = _table(SEGMENT_COLUMNS, [(uid, *row) for uid, row in enumerate(segments)])
    return rows


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Write rows whose values need no quotes as lines of a CSV file."""
    return [",".join(map(str, row)) + "\n" for row in (header, *rows)]
