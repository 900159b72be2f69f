"""A whole training run as a process: it is killed, goes on, and ends with the same bytes."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import get_model

from aia.config import PlayhouseConfig, overlay, read_yaml
from aia.datasets.playhouse import draw_playhouse, video_names
from aia.video.store import make_store

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = "slowfast_tiny-serial-POM-amu-s0"
STEPS = 14


@pytest.fixture(scope="module")
def settings():
    raw = read_yaml(REPOSITORY / "config.yaml")
    change = read_yaml(REPOSITORY / "config" / "small.yaml") | {
        "train": {
            "init": "scratch",
            "frozen_norm": False,
            "steps": STEPS,
            "batch": 2,
            "warmup_steps": 2,
            "checkpoint_every": 3,
            "optimizer": "adamw",
            "learning_rate": 1.0e-3,
        },
        "network": {"dropout": 0.1},  # its random numbers have to go on as well
    }
    return overlay(raw, change)


@pytest.fixture(scope="module")
def films(tmp_path_factory, settings):
    """A folder with frames and annotations of a few seconds."""
    from aia.config import FramesConfig, build_section

    folder = tmp_path_factory.mktemp("films")
    config = build_section(PlayhouseConfig, settings["playhouse"], "playhouse")
    draw_playhouse(folder, config=config, processes=1)
    frames = build_section(FramesConfig, settings["frames"], "frames")
    for video in video_names(config, "train"):
        film = folder / "films" / f"{video}.mp4"
        make_store(film, folder / "frames" / f"{video}.h5", config=frames)
    return folder


def start(films: Path, settings: dict, folder: Path, run: str = RUN) -> subprocess.Popen:
    annotations = films / "annotations"
    command = [
        *(sys.executable, "-m", "aia.cli", "train", "--run", run),
        *("--frames", *sorted(map(str, (films / "frames").glob("*.h5")))),
        *("--annotations", str(annotations / "train.csv")),
        *("--objects", str(annotations / "train_objects.csv")),
        *("--labels", str(annotations / "actions.pbtxt")),
        *("--work", str(folder / "work"), "--output-dir", str(folder)),
        *("--settings", json.dumps(settings), "--threads", "1"),
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)


def finish(films: Path, settings: dict, folder: Path, run: str = RUN) -> str:
    process = start(films, settings, folder, run)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    return said


def kill_at_generation(films: Path, settings: dict, folder: Path, step: int) -> None:
    """SIGKILL as soon as the checkpoint of `step` is there, in the midst of the next steps."""
    process = start(films, settings, folder)
    deadline = time.monotonic() + 120
    while not (folder / "work" / f"step-{step:07d}").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "model.safetensors").exists()


@pytest.fixture(scope="module")
def undisturbed(films, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(films, settings, folder)
    return folder


def test_a_run_that_was_killed_three_times_ends_with_the_same_bytes(
    films, settings, undisturbed, tmp_path
):
    for step in (3, 6, 9):
        kill_at_generation(films, settings, tmp_path, step)
    said = finish(films, settings, tmp_path)
    assert "going on after step" in said
    for name in ("model.safetensors", "metrics.jsonl", "config.yaml"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_a_finished_run_publishes_again_without_training(films, settings, undisturbed, tmp_path):
    shutil.copytree(undisturbed / "work", tmp_path / "work")
    said = finish(films, settings, tmp_path)
    assert f"going on after step {STEPS}" in said
    model = (tmp_path / "model.safetensors").read_bytes()
    assert model == (undisturbed / "model.safetensors").read_bytes()


@pytest.mark.slow
def test_a_change_of_settings_starts_anew(films, settings, undisturbed, tmp_path):
    shutil.copytree(undisturbed / "work", tmp_path / "work")
    changed = overlay(settings, {"train": {"learning_rate": 2.0e-3}})
    assert "starting anew" in finish(films, changed, tmp_path)
    before, after = (load_file(f / "model.safetensors") for f in (undisturbed, tmp_path))
    assert any(not before[key].equal(after[key]) for key in before)


def test_a_run_on_torchvisions_backbone_begins_with_the_weights_of_its_section(
    films, settings, tmp_path
):
    published = get_model("r3d_18", weights=None).state_dict()
    torch.save(published, tmp_path / "r3d.pth")
    backbone = {"weights": str(tmp_path / "r3d.pth"), "span": 4}
    change = {
        "backbones": {"r3d_18": backbone},
        "train": {"steps": 1, "backbone_factor": 0, "frozen_norm": True},
    }
    finish(films, overlay(settings, change), tmp_path, "r3d_18-none-s0")
    trained = load_file(tmp_path / "model.safetensors")
    prefix = "backbone.network."
    ours = {name.removeprefix(prefix): t for name, t in trained.items() if prefix in name}
    assert ours.keys() == published.keys() - {"fc.weight", "fc.bias"}
    assert all(torch.equal(tensor, published[name]) for name, tensor in ours.items())


def test_a_loss_that_is_no_number_stops_the_run_with_advice(films, settings, tmp_path):
    wild = overlay(settings, {"train": {"optimizer": "sgd", "learning_rate": 1.0e30}})
    process = start(films, wild, tmp_path)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "train.learning_rate" in said
    assert not (tmp_path / "model.safetensors").exists()
