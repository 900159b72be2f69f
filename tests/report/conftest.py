"""A small made-up data set: two videos of 7 s with two persons, their scores and boxes."""

from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
import pandas as pd
import pytest

from aia.config import FramesConfig
from aia.labels import ClassList
from aia.report.drawing import Videos
from aia.tables import ScoreTable
from aia.video.store import make_store

LABELS = ClassList((3, 5, 11), ("sit", "listen", "open"), ("PERSON_MOVEMENT", "PERSON", "MEMORY"))
LEFT, RIGHT = (0.125, 0.25, 0.375, 0.875), (0.625, 0.25, 0.875, 0.875)


class Scene(NamedTuple):
    videos: Videos
    actions: pd.DataFrame
    scores: ScoreTable
    folder: Path


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    config = FramesConfig(
        film_start_sec=0.0,
        start_sec=0.0,
        end_sec=None,
        fps=2.0,
        numbered=False,
        short_side=32,
        codec="jpeg",
        quality=90,
    )
    rows, boxes, values = [], [], []
    for video, shade in (("red", 40), ("blue-1", 200)):
        write_video(folder / f"{video}.mp4", shade=shade)
        make_store(folder / f"{video}.mp4", folder / f"{video}.h5", config=config)
        for t in range(1, 7):
            rows += [(video, t, *LEFT, 3, 0), (video, t, *LEFT, 5, 0), (video, t, *RIGHT, 3, 1)]
            boxes += [(video, t, *LEFT, 0.9), (video, t, *RIGHT, 0.8)]
            values += [(0.9, 0.7, 0.2), (0.3, 0.1, 0.6)]
    rows.append(("red", 4, *RIGHT, 11, 1))
    columns = ["video", "time_sec", "x1", "y1", "x2", "y2"]
    actions = pd.DataFrame(rows, columns=[*columns, "action", "person"])
    scores = ScoreTable(
        pd.DataFrame(boxes, columns=[*columns, "score"]),
        np.array(values, np.float32),
        LABELS.ids,
        {},
    )
    stores = [folder / "red.h5", folder / "blue-1.h5"]
    return Scene(Videos(stores), actions, scores, folder)


def write_video(path: Path, *, shade: int) -> None:
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=4)
        stream.height, stream.width, stream.pix_fmt = 32, 48, "yuv420p"
        for number in range(28):
            rgb = np.full((32, 48, 3), shade, np.uint8)
            rgb[number:, :, 0] = 255 - shade
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        container.mux(stream.encode())
