"""Whole files of every kind, small enough to be made in seconds: what the broken ones come from."""

import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from aia.cli import main
from aia.config import overlay, read_yaml
from aia.detect.model import build_detector, save_detector
from aia.tables import ObjectFeatures, write_boxes, write_object_features, write_scores
from tests.conftest import REPOSITORY
from tests.video.films import grey, write_film

RUN = "slowfast_tiny-serial-PM-amu-s0"
ACTIONS = "kitchen,1,0.1,0.1,0.5,0.9,1,0\nkitchen,2,0.1,0.1,0.5,0.9,2,0\n"
TEXTS = {
    "labels.pbtxt": 'item { name: "stand" id: 1 }\nitem { name: "walk" id: 2 }\n',
    "actions.csv": ACTIONS,
    "detections.csv": "kitchen,1,0.1,0.1,0.5,0.9,1,0.9\n",
    "films.txt": "kitchen\n",
    "epic.txt": "P01_01\n",
    "segments.csv": "segment,video,start_sec,stop_sec,verb,noun\n4,kitchen,0.5,2.5,1,2\n",
    "scored.txt": "Diving/v_Diving_g02_c03\n",
    "boxes.json": json.dumps(
        [{"image_id": 3, "category_id": 1, "bbox": [8, 8, 16, 16], "score": 0.9}]
    ),
    "images.json": json.dumps(
        {"images": [{"id": 3, "movie": "kitchen", "timestamp": 1, "width": 64, "height": 48}]}
    ),
    "verbs.csv": "verb_id,class_key\n0,take\n1,open\n",
    "nouns.csv": "noun_id,class_key\n0,cup\n1,door\n",
    "videos.csv": "video,resolution,duration,fps\nP01_01,1920x1080,5.5,59.94\n"
    "P26_02,1280x720,9.5,29.97\n",
    "epic.csv": "uid,participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "verb_class,noun_class\n5,P01,P01_01,00:00:00.50,00:00:03.50,30,210,1,1\n"
    "6,P26,P26_02,00:00:00.50,00:00:03.50,30,210,0,0\n",
    "metrics.csv": "metric,class_id,class_name,value\nAP,1,stand,0.5\nmAP,,,0.5\n",
}
TUBE = {"label": 5, "sf": 1, "ef": 3, "boxes": np.array([[10, 10, 20, 20]] * 2, np.uint8)}
UCF = {
    "Diving/v_Diving_g02_c03": {"numf": 5, "label": 5, "annotations": [TUBE]},
    "Basketball/v_Basketball_g01_c01": {"numf": 5, "label": 0, "annotations": []},
}


def make_good(folder: Path) -> None:
    """Write all of them."""
    for name, text in TEXTS.items():
        (folder / name).write_text(text)
    (folder / "pyannot.pkl").write_bytes(pickle.dumps(UCF, protocol=2))
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings()))
    frames = [grey(number, (48, 64)) for number in range(32)]
    _write_sources(folder)
    film = write_film(folder / "kitchen.mp4", frames, times_sec=[k / 8 for k in range(32)], rate=8)
    typed(folder, "frames", film, "--output", folder / "kitchen.h5")
    _write_tables(folder)
    detector = build_detector("small", classes=("person", "cup"), short_side=48)
    save_detector(folder / "detector.safetensors", detector)
    typed(
        folder,
        *("train", "--run", RUN, "--frames", folder / "kitchen.h5", "--threads", "1"),
        *("--annotations", folder / "actions.csv", "--labels", folder / "labels.pbtxt"),
        *("--work", folder / "work", "--output-dir", folder / "run"),
    )


def settings() -> dict:
    """Those of the small data set, for one step of training."""
    small = overlay(
        read_yaml(REPOSITORY / "config.yaml"), read_yaml(REPOSITORY / "config/small.yaml")
    )
    short = {"init": "scratch", "batch": 2, "steps": 1, "warmup_steps": 0, "validate_every": None}
    return overlay(small, {"train": short, "frames": {"short_side": 48}, "memory": {"reach": 1}})


EPIC = {
    "format": "epic55", "annotations": "epic.csv", "verbs": "good/verbs.csv", "nouns": "nouns.csv",
    "videos": "videos.csv", "train": "P01-P25", "val": "P26-P31",
}  # fmt: skip
UCF101_24 = {
    "format": "ucf101_24", "annotations": "pyannot.pkl", "labels": None, "train": None,
    "val": "good/scored.txt",
}  # fmt: skip
SOURCES = {
    "ucf24": UCF101_24,
    "ucf24_mat": UCF101_24 | {"annotations": "finalAnnots.mat"},
    "ucf24_list": UCF101_24 | {"annotations": "good/pyannot.pkl", "val": "val.txt"},
    "jhmdb": {"format": "jhmdb", "annotations": "JHMDB-GT.pkl", "split": 1},
    "epic": EPIC,
}
"""Annotations in forms of their own, each named by the settings of a data set."""


def _write_sources(folder: Path) -> None:
    """Write the settings of a data set of each form, as `aia prepare data` takes them."""
    base = read_yaml(REPOSITORY / "config.yaml")
    neither = {"train": None, "val": None}
    for name, source in SOURCES.items():
        data = {"source": source, "excluded": neither, "objects": neither}
        change: dict = {"data": data}
        if name == "epic":
            change = overlay(read_yaml(REPOSITORY / "config/small_epic.yaml"), change)
        (folder / name).mkdir()
        text = yaml.safe_dump(overlay(base, change) | {"dataset": name})
        (folder / name / "settings.yaml").write_text(text)


def typed(folder: Path, *words: object) -> None:
    """Run a command that must end well."""
    status = main([*map(str, words), "--settings", str(folder / "settings.yaml")])
    assert status == 0, words


def box_table(**changes: object) -> pd.DataFrame:
    """Two boxes of persons, some columns of them changed."""
    columns: dict[str, object] = {
        "video": ["kitchen", "kitchen"],
        "time_sec": [1.0, 2.0],
        "x1": [0.1, 0.1],
        "y1": [0.1, 0.1],
        "x2": [0.5, 0.5],
        "y2": [0.9, 0.9],
        "score": [0.9, 0.8],
        "label": ["person", "person"],
    }
    return pd.DataFrame(columns | changes)


def _write_tables(folder: Path) -> None:
    write_boxes(folder / "persons.parquet", box_table(), provenance={})
    write_scores(
        folder / "scores.parquet",
        boxes=box_table(),
        scores=np.array([[0.1, 0.9], [0.8, 0.2]], np.float32),
        class_ids=(1, 2),
        provenance={},
    )
    seen = ObjectFeatures(
        video="kitchen",
        seconds=(0, 3),
        boxes=box_table(),
        features=np.ones((2, 7), np.float16),
        d=7,
        detector="abc",
    )
    write_object_features(folder / "objects.parquet", seen, provenance={})
