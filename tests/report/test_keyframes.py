from pathlib import Path

import pandas as pd
import pytest

from aia.errors import InputError
from aia.report.keyframes import draw_detections

from .conftest import RIGHT

COLUMNS = ["video", "time_sec", "x1", "y1", "x2", "y2"]


def test_detections_are_drawn_with_and_without_objects(scene, tmp_path: Path) -> None:
    persons = scene.scores.boxes.assign(label="person")
    objects = pd.DataFrame([("red", 2.0, *RIGHT, "cup")], columns=[*COLUMNS, "label"])
    for name, things in (("with.png", objects), ("without.png", None)):
        draw_detections(
            scene.videos,
            scene.actions,
            persons,
            tmp_path / name,
            objects=things,
            object_boxes=None if things is None else things.assign(score=0.7),
            person_threshold=0.85,
            object_threshold=0.5,
        )
        assert (tmp_path / name).stat().st_size > 1000


def test_detections_on_excluded_seconds_alone_are_refused(scene, tmp_path: Path) -> None:
    excluded = {("red", t) for t in range(9)} | {("blue-1", t) for t in range(9)}
    with pytest.raises(InputError, match="same data set"):
        draw_detections(
            scene.videos,
            scene.actions,
            scene.scores.boxes.assign(label="person"),
            tmp_path / "none.png",
            person_threshold=0.8,
            object_threshold=0.5,
            excluded=excluded,
        )
