"""What the tests of films share."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from .films import grey, write_film


@pytest.fixture
def film(tmp_path: Path) -> Callable[..., Path]:
    """Makes a film of numbered grey frames: `film(frames, fps)` or `film(times_sec=…)`."""

    def make(
        frames: int = 0,
        fps: float = 25,
        *,
        name: str = "film.mp4",
        size_hw: tuple[int, int] = (34, 46),
        times_sec: Sequence[float] | None = None,
        **options: Any,
    ) -> Path:
        if times_sec is None:
            times_sec = [k / fps for k in range(frames)]
            options = {"rate": Fraction(fps).limit_denominator(1001)} | options
        pictures = [grey(number, size_hw) for number in range(len(times_sec))]
        return write_film(tmp_path / name, pictures, times_sec=times_sec, **options)

    return make
