"""Shared fixtures of the tests of videos."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from .videos import grey, write_video


@pytest.fixture
def make_video(tmp_path: Path) -> Callable[..., Path]:
    """Make videos of numbered grey frames: `make_video(frames, fps)`, `make_video(times_sec=…)`."""

    def make(
        frames: int = 0,
        fps: float = 25,
        *,
        name: str = "video.mp4",
        size_hw: tuple[int, int] = (34, 46),
        times_sec: Sequence[float] | None = None,
        **options: Any,
    ) -> Path:
        if times_sec is None:
            times_sec = [k / fps for k in range(frames)]
            options = {"rate": Fraction(fps).limit_denominator(1001)} | options
        pictures = [grey(number, size_hw) for number in range(len(times_sec))]
        return write_video(tmp_path / name, pictures, times_sec=times_sec, **options)

    return make
