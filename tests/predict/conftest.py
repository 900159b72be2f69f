"""A video, a network and a detector for tests of predictions, all from seeds."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from torch import nn

from aia.config import Perception, overlay, parse_run, read_yaml
from aia.detect.faster_rcnn import Boxes, Detector
from aia.labels import ClassList
from aia.predict.model import ActionDetector
from aia.run import Model, Run
from tests.conftest import REPOSITORY

CLASSES = ClassList(ids=(1, 2, 5), names=("walk", "sit, down", "wave"), groups=("X", "X", "Y"))
CONFIG = read_yaml(REPOSITORY / "config.yaml")


class Seeing(Detector):
    """A detector whose boxes follow from a frame's pixels alone."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.model, self.classes, self.short_side = "small", ("person", "tv", "phone"), 24
        self.any = nn.Parameter(torch.zeros(1))

    def forward(self, frames: list[Any]) -> list[Boxes]:
        found = []
        for frame in frames:
            rng = np.random.default_rng(int(frame.long().sum()))
            persons = int(rng.integers(0, 5))  # some frames show nobody
            count = persons + int(rng.integers(0, 7))
            corner = rng.random((count, 2)) * 0.5
            score = np.sort(rng.random(count))[::-1].copy()
            label = rng.permutation(np.where(np.arange(count) < persons, 0, 1))
            xyxy = np.hstack([corner, corner + 0.1 + 0.3 * rng.random((count, 2))])
            found.append(
                Boxes(
                    torch.from_numpy(xyxy).float(),
                    torch.from_numpy(label),
                    torch.from_numpy(score).float(),
                )
            )
        return found


def write_video(
    path: Path, *, seconds: float, fps: int = 8, size_hw: tuple[int, int] = (24, 34)
) -> Path:
    """Write a video whose pictures all differ."""
    rng = np.random.default_rng(5)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.height, stream.width, stream.pix_fmt = *size_hw, "yuv420p"
        stream.bit_rate = 4_000_000
        base = rng.integers(0, 256, (*size_hw, 3))
        for number in range(round(seconds * fps)):
            picture = (np.roll(base, number, axis=1) + 3 * number) % 256
            frame = av.VideoFrame.from_ndarray(picture.astype(np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def who() -> Callable[..., ActionDetector]:
    """Make an action detector of a run with random weights."""

    def make(
        name: str = "slowfast_tiny-serial-POM-amu-s0",
        *,
        reach: int = 3,
        persons_per_clip: int = 2,
        **seen: Any,
    ) -> ActionDetector:
        memory = {"reach": reach, "persons_per_clip": persons_per_clip}
        raw = overlay(CONFIG, {"memory": memory})
        run = Run.from_settings(parse_run(name), raw, classes=CLASSES)
        perception = replace(
            Perception.from_settings(raw),
            **({"fps": 4.0, "short_side": 24, "person_threshold": 0.4} | seen),
        )
        run = replace(run, perception=perception)
        torch.manual_seed(3)
        network = run.build().eval()
        for parameter in network.parameters():  # else all scores are alike
            parameter.data += 0.05 * torch.randn(parameter.shape)
        return ActionDetector(
            model=Model(run, network, "0" * 64),
            detector=Seeing().eval(),
            perception=perception,
            device=torch.device("cpu"),
            precision="float32",
            provenance={"run": name, "model": "0" * 64, "detector": "small", "boxes": "detected"},
        )

    return make
