"""Settings for own footage: config/NAME.yaml, from what the videos are and how much is labelled.

Sized for a laptop: I3D as it was published (Kinetics-400), its feature maps computed once, and a
classifier trained on them; a few key frames then take minutes.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from aia.errors import InputError
from aia.video.decode import probe

FPS = 10.0
"""Frames a second that are kept: 16 of them, every second one seen, are the 1.6 s of a clip."""
SHORT_SIDE = 288
STEPS_FROM, STEPS_TO, STEPS_PER_KEY = 100, 1000, 4


class Footage(NamedTuple):
    """What a folder of videos has in common."""

    folder: Path
    fps: float
    short_side: int
    seconds: float
    videos: int

    @property
    def pattern(self) -> str:
        """Path of a video in the settings."""
        return f"{os.path.relpath(self.folder)}/{{video}}.*"


def look_at(paths: Sequence[Path]) -> tuple[Footage, list[str]]:
    """Read sizes, rates and lengths of videos; return what they have in common, and lines of each.

    Raises:
        InputError: A video cannot be read, or they lie in several folders.
    """
    folders = sorted({path.resolve().parent for path in paths})
    if len(folders) > 1:
        raise InputError(
            f"--videos: lie in {len(folders)} folders, {folders[0]} and {folders[1]}; put them, or "
            "links to them, into one"
        )
    lines, infos = [], []
    for path in sorted(paths):
        info = probe(path)
        infos.append(info)
        height, width = info.size_hw
        lines.append(
            f"{path.name}: {width}x{height}, {info.fps:.3g} frames a second, "
            f"{info.duration_sec:.1f} s"
        )
    footage = Footage(
        folder=folders[0],
        fps=min(FPS, *(info.fps for info in infos)) if infos else FPS,
        short_side=min(SHORT_SIDE, *(min(info.size_hw) for info in infos)) if infos else SHORT_SIDE,
        seconds=sum(info.duration_sec for info in infos),
        videos=len(infos),
    )
    return footage, lines


def overlay_text(name: str, footage: Footage, data: Path, *, keys: int, detector: str) -> str:
    """Write the settings of a data set.

    Args:
        name: Its name.
        footage: Its videos.
        data: Folder of train.csv, val.csv and classes.pbtxt.
        keys: Key frames of training; 0: not known yet.
        detector: "own": a small one, trained on the labelled boxes; else one of torchvision's by
            name, with COCO's weights.
    """
    where = os.path.relpath(data)
    steps = min(max(STEPS_PER_KEY * keys, STEPS_FROM), STEPS_TO)
    if detector == "own":
        seen = f"""detector:
  classes: [person]
  short_side: {footage.short_side}
  steps: 200                  # of a small one, on the labelled boxes: for this footage alone"""
    else:
        seen = f"""detector:
  model: {detector}
  weights: coco               # downloaded
  finetune: false
  classes: [person]
  short_side: 480"""
    return f"""# yaml-language-server: $schema=./schema.json
# {footage.videos} videos, {footage.seconds:.0f} s, {keys or "no"} key frames to train on.
# What is not here is as in config.yaml.
dataset: {name}

data:
  films: {json.dumps(footage.pattern, ensure_ascii=False)}
  labels: {where}/classes.pbtxt
  annotations: {{train: {where}/train.csv, val: {where}/val.csv}}
  excluded: {{train: null, val: null}}
  objects: {{train: null, val: null}}   # none are annotated: no O-Block

frames:
  fps: {footage.fps:g}
  short_side: {footage.short_side}

{seen}

backbones:
  i3d_kinetics400:
    span: 16                  # {16 / footage.fps:.1f} s
    strides: [2]

memory:
  reach: 10
  persons_per_clip: 5

train:
  init: i3d_kinetics400       # downloaded with the package that holds it
  backbone_factor: 0.0        # frozen: so little footage would spoil its features
  keep_maps: true             # computed once
  batch: 8
  steps: {steps}
  warmup_steps: {steps // 10}
  validate_every: {max(steps // 5, 1)}
  checkpoint_every: 50

results:
  # interactions, i3d_kinetics400-serial-PMPM-amu, over-fit on little data
  runs: [i3d_kinetics400-none]

ablations:
  backbone: i3d_kinetics400
table1a: {{P O: null, O M: null, P O M: null}}

variants:
  pretrain:
    train: {{keep_maps: false}}
"""
