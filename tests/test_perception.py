"""What a model says of the frames and boxes that it was trained on, and who is held to it."""

import shutil
from dataclasses import replace

import pandas as pd
import pytest
from safetensors.torch import load_file

from aia.cli import main
from aia.config import Perception, parse_run, read_yaml
from aia.labels import ClassList
from aia.run import Run
from aia.tables import BOX_COLUMNS, read_scores, write_boxes
from aia.train.run import publish
from tests.conftest import REPOSITORY
from tests.test_run import BEFORE

CONFIG = read_yaml(REPOSITORY / "config.yaml")
SEEN = replace(
    Perception.from_settings(CONFIG),
    fps=4.0,
    short_side=24,
    person_threshold=0.6,
    extend=(0.0, 0.0),
)


@pytest.fixture
def score(tmp_path, monkeypatch):
    """Score the frames of tests/data/6ba3a6c by a model that describes what it saw."""
    shutil.copytree(BEFORE, tmp_path / "work")
    monkeypatch.chdir(tmp_path / "work")
    run, state = Run.load("model.safetensors"), load_file("model.safetensors")

    def score(*more: str, **changes: object) -> int:
        seen = replace(SEEN, **changes)
        replace(run, perception=seen).write("model.safetensors", state)
        words = "score --model model.safetensors --frames playhouse_train_000.h5 --annotations "
        words += "train.csv --objects train_objects.csv --labels actions.pbtxt --threads 1 "
        words += "--output out.parquet"
        settings = (BEFORE / "settings.json").read_text()
        return main([*words.split(), "--settings", settings, *more])

    return score


@pytest.fixture
def persons(score):
    boxes = pd.DataFrame(
        [["playhouse_train_000", 1.0, 0.1, 0.2, 0.3, 0.9, score, "person", None] for score in
         (0.5, 0.7, 0.9)],
        columns=list(BOX_COLUMNS),
    ).astype({"track": "Int32"})  # fmt: skip
    write_boxes("persons.parquet", boxes, provenance={"detector": "small"})
    return "--persons", "persons.parquet"


def test_a_run_of_a_whole_config_describes_what_it_sees():
    classes = ClassList(ids=(1,), names=("a",), groups=("",))
    run = Run.from_settings(parse_run("slowfast_tiny-none-s0"), CONFIG, classes=classes)
    assert run.perception == Perception.from_settings(CONFIG)
    assert run.perception.fps == CONFIG["frames"]["fps"]
    assert Run.from_json(run.to_json(), source="m") == run
    assert "perception" not in run.identity(), "else no older checkpoint would resume"


def test_a_model_has_the_last_number_of_its_curve(tmp_path):
    classes = ClassList(ids=(1,), names=("a",), groups=("",))
    run = Run.from_settings(parse_run("slowfast_tiny-none-s0"), CONFIG, classes=classes)
    lines = '{"step": 1, "loss": 2.0}\n{"step": 1, "val_map": 0.25}\n{"step": 2, "val_map": 0.5}\n'
    publish(run, run.build(), metrics=lines, output=tmp_path)
    again = Run.load(tmp_path / "model.safetensors")
    assert again.numbers == {"frame mAP, annotated persons": 0.5}
    assert again.identity() == run.identity()


def test_the_right_frames_are_taken(score):
    assert score() == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fps": 8.0}, "frames.fps = 4.0, but slowfast_tiny-serial-PM-amu-s0 was trained on 8.0"),
        ({"short_side": 112}, "frames.short_side = 24, but .* trained on 112"),
        ({"numbered": True}, "frames.numbered = False, but .* trained on True"),
    ],
)
def test_frames_that_the_model_never_saw_are_refused(score, capsys, change, words):
    assert score(**change) == 2
    assert pd.Series([capsys.readouterr().err]).str.contains(words).all()


def test_without_a_threshold_the_models_own_is_taken(score, persons):
    assert score(*persons) == 0
    assert len(read_scores("out.parquet").boxes) == 2, "of 0.5, 0.7 and 0.9, its own is 0.6"


def test_another_threshold_or_detector_is_told(score, persons, capsys):
    assert score(*persons, "--person-threshold", "0.4", detector="maskrcnn_r50_fpn") == 0
    said = capsys.readouterr().err
    assert "its own person_threshold is 0.6, but these scores are made with 0.4" in said
    assert "its own detector is maskrcnn_r50_fpn, but these scores are made with small" in said
    assert len(read_scores("out.parquet").boxes) == 3
