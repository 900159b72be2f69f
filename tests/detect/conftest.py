"""Scenes with known boxes, and videos of them."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from aia.config import DetectorConfig, FramesConfig
from aia.detect.source import LabelledFrame
from aia.video.store import FrameStore, make_store

H, W = 96, 128


def scene(seed: int) -> LabelledFrame:
    """Draw a standing person (red) and a television (blue) at random on a grey wall."""
    random = np.random.default_rng(seed)
    rgb = random.integers(110, 140, (H, W, 3), dtype=np.uint8)
    xyxy = []
    for size_hw, top, colour in (((47, 17), 41, (200, 30, 30)), ((19, 31), 5, (30, 30, 200))):
        h, w = size_hw
        x, y = int(random.integers(3, W - w - 3)), top + int(random.integers(0, 5))
        rgb[y : y + h, x : x + w] = colour
        xyxy.append([x / W, y / H, (x + w) / W, (y + h) / H])
    return LabelledFrame(rgb, np.array(xyxy, np.float32), ("person", "tv"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Use one thread: small tensors gain nothing from a second, and lose on shared cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def scenes() -> list[LabelledFrame]:
    return [scene(2), scene(3)]


@pytest.fixture(scope="session")
def config() -> DetectorConfig:
    """Settings with which the small network learns two scenes by heart within seconds."""
    return DetectorConfig(
        model="small",
        weights="scratch",
        finetune=True,
        classes=("person", "tv"),
        short_side=H,
        steps=70,
        batch=2,
        learning_rate=2e-3,
        max_images=1000,
        person_threshold=0.8,
        object_threshold=0.5,
        max_objects=5,
    )


@pytest.fixture
def store_of(tmp_path: Path) -> Callable[..., FrameStore]:
    """Make a video of the given frames, and its store."""

    def make(
        name: str, frames: list[np.ndarray], *, fps: int, stored_fps: int | None = None
    ) -> FrameStore:
        video = tmp_path / f"{name}.mkv"
        with av.open(str(video), "w") as container:
            stream = container.add_stream("ffv1", rate=Fraction(fps))
            stream.height, stream.width = frames[0].shape[:2]
            stream.pix_fmt = "bgr0"
            for rgb in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
            container.mux(stream.encode())
        settings = FramesConfig(
            film_start_sec=0.0,
            start_sec=0.0,
            end_sec=None,
            fps=float(stored_fps or fps),
            numbered=False,
            short_side=H,
            codec="jpeg",
            quality=100,
        )
        make_store(video, tmp_path / f"{name}.h5", config=settings)
        return FrameStore(tmp_path / f"{name}.h5")

    return make
