"""The one description of a run; and what was written before it is still understood.

tests/data/6ba3a6c holds what the program of that commit left: the smallest of runs, its model, its
scores, and its checkpoint of the last step but one.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from aia.cli import main
from aia.config import parse_run, read_yaml
from aia.errors import InputError
from aia.labels import ClassList
from aia.run import Model, ObjectsSeen, Run
from aia.tables import read_scores
from aia.tensors import DIGEST
from tests.conftest import REPOSITORY

BEFORE = REPOSITORY / "tests" / "data" / "6ba3a6c"
DATA = "--frames playhouse_train_000.h5 --annotations train.csv --objects train_objects.csv"
NAME = "slowfast_tiny-serial-PM-amu-s0"
CONFIG = read_yaml(REPOSITORY / "config.yaml")
CLASSES = ClassList(ids=(1, 7), names=("a", "b"), groups=("X", ""))


@pytest.fixture
def before(tmp_path, monkeypatch) -> Path:
    """What that commit left, as the present folder: the checkpoint knows its inputs by path."""
    shutil.copytree(BEFORE, tmp_path / "before")
    monkeypatch.chdir(tmp_path / "before")
    return tmp_path / "before"


def aia(command: str, *more: str) -> int:
    settings = (BEFORE / "settings.json").read_text()
    words = f"{command} {DATA} --labels actions.pbtxt --threads 1".split()
    return main([*words, "--settings", settings, *more])


def test_a_model_of_before_describes_itself_in_the_same_bytes(tmp_path):
    path = BEFORE / "model.safetensors"
    with safe_open(path, framework="pt") as file:
        described = json.loads(file.metadata()["run"])
    model = Model.load(path, device=torch.device("cpu"))
    del described[DIGEST]
    assert model.run.to_json() == described
    model.run.write(tmp_path / "again.safetensors", load_file(path))
    assert (tmp_path / "again.safetensors").read_bytes() == path.read_bytes()


def test_a_model_of_before_gives_the_same_scores(before):
    assert aia("score --model model.safetensors --output again.parquet") == 0
    again, scores = read_scores(before / "again.parquet"), read_scores(before / "scores.parquet")
    assert again.boxes.equals(scores.boxes)
    np.testing.assert_allclose(again.scores, scores.scores, rtol=1e-5, atol=1e-7)


def test_a_checkpoint_of_before_is_resumed_to_the_same_model(before, capsys):
    (before / "model.safetensors").rename(before / "expected.safetensors")
    assert aia(f"train --run {NAME} --work work --output-dir .") == 0
    assert "after step 4" in capsys.readouterr().err
    expected, found = (load_file(f"{name}.safetensors") for name in ("expected", "model"))
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():  # the same bits on the machine that wrote them
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-7, msg=name)
    assert (before / "config.yaml").read_bytes() == (BEFORE / "config.yaml").read_bytes()


@pytest.mark.parametrize("name", [NAME, "slowfast_tiny-none-s1-pretrain", "c2d_r50_1x1-nl-s0"])
@pytest.mark.parametrize("seen", [None, ObjectsSeen(channels=7, detector="ab12")])
def test_a_run_comes_out_of_its_json_as_it_went_in(name, seen):
    run = Run.from_settings(parse_run(name), CONFIG, classes=CLASSES)
    run = replace(run, objects_seen=seen)
    again = Run.from_json(json.loads(json.dumps(run.to_json())), source="m.safetensors")
    assert again == run
    assert (again.memory is None) == ("amu" not in name)


def test_the_identity_of_a_run_leaves_out_what_may_change_when_it_is_resumed():
    run = Run.from_settings(parse_run(NAME), CONFIG, classes=CLASSES)
    other = replace(run, train=replace(run.train, threads=7, workers=3, log_every=9))
    assert other.identity() == run.identity()
    assert other.to_json() != run.to_json()
    faster = replace(run, train=replace(run.train, learning_rate=7.0))
    assert faster.identity() != run.identity()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": "nobody"}, r"m\.st: 'nobody' is not a run"),
        ({"network": {"depth": 3}}, r"m\.st: network: depth is not a setting"),
        ({"classes": {"ids": [1, 1], "names": ["a", "b"], "groups": ["", ""]}}, "2 ids, 2 names"),
        ({"loss": 5}, r"m\.st: loss"),
        ({"memory": None, "train": None}, r"m\.st: train"),
    ],
)
def test_metadata_of_another_kind_are_an_error_that_names_them(change, message):
    described = Run.from_settings(parse_run(NAME), CONFIG, classes=CLASSES).to_json()
    with pytest.raises(InputError, match=message):
        Run.from_json(described | change, source="m.st")
    del described["classes"]
    with pytest.raises(InputError, match=r"m\.st: its metadata are incompatible.*'classes'"):
        Run.from_json(described, source="m.st")
