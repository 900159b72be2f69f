"""Drift of the memory: by hand, and of a network that did not move."""

import dataclasses

import numpy as np
import pytest
import torch

from aia.clip import Slots
from aia.config import overlay, parse_run, read_yaml
from aia.datasets.ava import seconds_of
from aia.datasets.loader import ClipFrames, scoring_batches
from aia.errors import InputError
from aia.evaluate.drift import DRIFT_COLUMNS, distances, last_memory, measure_drift, write_drift
from aia.labels import ClassList
from aia.memory import FeaturePool, remembered_persons, write_generation
from aia.report.curves import read_drift
from aia.run import Model, Run
from tests.conftest import REPOSITORY
from tests.train.test_bank import CLIPS, CPU, Noise, network_of


def test_each_remembered_person_is_held_against_the_nearest_fresh_one() -> None:
    fresh = torch.tensor([[[3.0, 0.0], [0.0, 2.0]], [[5.0, 5.0], [1.0, 0.0]]])
    filled = torch.tensor([[True, True], [False, True]])
    remembered = torch.tensor([[[0.0, 1.0], [3.0, 0.0]], [[0.0, 4.0], [0.0, 0.0]]])
    cosine, relative = distances(remembered, torch.tensor([2, 1]), Slots(fresh, filled))
    # clip 0: (0, 1) beside (0, 2) is half as long, (3, 0) is there; clip 1: at a right angle
    assert cosine.tolist() == pytest.approx([0.0, 1.0])
    assert relative.tolist() == pytest.approx([0.25, np.sqrt(17)])


@pytest.fixture
def model() -> Model:
    change = {
        "backbones": {"slowfast_tiny": {"strides": [4, 2]}},
        "memory": {"persons_per_clip": 2},
    }
    raw = overlay(read_yaml(REPOSITORY / "config.yaml"), change)
    name = parse_run("slowfast_tiny-serial-POM-amu-s0")
    run = Run.from_settings(name, raw, classes=ClassList.numbered(3))
    return Model(run, network_of(bank=False).eval())


def remember(model: Model, path, *, noise: float) -> None:
    """Ω as a run would leave it whose features are off by some noise, a step for each clip."""
    pool = FeaturePool(seconds=seconds_of(CLIPS), persons_per_clip=2, d=model.network.d)
    frames = ClipFrames(clips=CLIPS, stores={"video": Noise()}, span=8, strides=(4, 2))
    for step, batch in enumerate(scoring_batches(frames, batch=1, workers=0), start=1):
        with torch.no_grad():
            P = model.network.features(batch).P
        kept = remembered_persons(batch.keys, P, 2)
        off = noise * torch.randn(kept.features.shape, generator=torch.manual_seed(step))
        moved = Slots(kept.features + off, kept.filled)
        pool.write(batch.keys, moved, loss_tag=1.0, step=step)
    write_generation(pool, path)


def test_a_network_that_did_not_move_has_no_drift_and_one_that_did_has(model, tmp_path) -> None:
    stores = {"video": Noise()}
    for name, noise in (("still", 0.0), ("moved", 0.5)):
        remember(model, tmp_path / name, noise=noise)
    still, moved = (
        measure_drift(model, tmp_path / name, CLIPS, stores, batch=2, device=CPU)
        for name in ("still", "moved")
    )
    assert tuple(still) == DRIFT_COLUMNS
    assert still["persons"].tolist() == [min(len(clip.persons_xyxy), 2) for clip in CLIPS]
    assert still["step"].tolist() == [1, 2, 3, 4]
    assert still["cosine_distance"].abs().max() < 1e-5
    assert still["relative_l2"].max() < 1e-3
    assert moved["cosine_distance"].min() > 0.01
    assert moved["relative_l2"].min() > 0.1
    some = measure_drift(model, tmp_path / "moved", CLIPS, stores, batch=2, device=CPU, most=2)
    assert some["second"].tolist() == [1, 5]
    write_drift(tmp_path / "drift.csv", moved)
    assert read_drift(tmp_path / "drift.csv")["step"].tolist() == [1, 2, 3, 4]


def test_the_newest_memory_is_taken_else_the_bank(tmp_path) -> None:
    with pytest.raises(InputError, match="holds no memory"):
        last_memory(tmp_path)
    (tmp_path / "bank.zarr").mkdir()
    assert last_memory(tmp_path).name == "bank.zarr"
    for step in ("step-0000010", "step-0000005"):
        (tmp_path / step / "memory.zarr").mkdir(parents=True)
    assert last_memory(tmp_path).parent.name == "step-0000010"


def test_a_run_without_memory_does_not_drift(model, tmp_path) -> None:
    without = model._replace(
        run=dataclasses.replace(
            model.run, name=parse_run("slowfast_tiny-serial-PO-none-s0"), memory=None
        )
    )
    with pytest.raises(InputError, match="has no memory"):
        measure_drift(without, tmp_path, CLIPS, {"video": Noise()}, batch=2, device=CPU)
