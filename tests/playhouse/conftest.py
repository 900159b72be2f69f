"""Small drawn data sets, one in each form."""

from pathlib import Path

import av
import numpy as np
import pytest

from aia.config import PlayhouseConfig
from aia.playhouse import draw_playhouse

FORMS = ("ava", "ucf101_24", "epic_kitchens")
FPS, SECONDS = 4, 11


def small(form: str) -> PlayhouseConfig:
    """Enough videos for two processes to share them."""
    return PlayhouseConfig(
        form=form, seed=3, train_films=5, val_films=2, seconds=SECONDS, fps=FPS, size_hw=(112, 160)
    )


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folder of each form."""
    folders = {form: tmp_path_factory.mktemp(form) for form in FORMS}
    for form, folder in folders.items():
        draw_playhouse(folder, config=small(form), processes=1)
    return folders
