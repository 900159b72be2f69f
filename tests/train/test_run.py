"""A whole training run as a process: killed, resumed, it ends with the same bytes."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torchvision.models import get_model

from aia.config import overlay
from aia.train.checkpoint import BANK
from tests.train.running import RUN, STEPS, await_generation, finish, start

FROZEN = "slowfast_tiny-serial-POM-frozen-s0"


def kill_at_generation(
    videos: Path, settings: dict, folder: Path, step: int, run: str = RUN
) -> None:
    """SIGKILL as soon as the checkpoint of `step` is there, in the midst of the next steps."""
    process = start(videos, settings, folder, run)
    await_generation(process, folder, f"step-{step:07d}")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (folder / "model.safetensors").exists()


@pytest.fixture(scope="module")
def undisturbed(videos, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(videos, settings, folder)
    return folder


def test_a_run_that_was_killed_three_times_ends_with_the_same_bytes(
    videos, settings, undisturbed, tmp_path
):
    for step in (3, 6, 9):
        kill_at_generation(videos, settings, tmp_path, step)
    said = finish(videos, settings, tmp_path)
    assert "resuming after step" in said
    for name in ("model.safetensors", "metrics.jsonl", "config.yaml"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_files_beside_the_checkpoints_may_be_damaged(videos, settings, undisturbed, tmp_path):
    kill_at_generation(videos, settings, tmp_path, 6)
    (tmp_path / "work" / "metrics.jsonl").write_bytes(b'{"step": 1, "loss": 9.9}\n\xff\xfe')
    (tmp_path / "work" / "fingerprint.json").write_bytes(b"\xff")
    said = finish(videos, settings, tmp_path)
    assert "resuming after step" in said
    for name in ("model.safetensors", "metrics.jsonl", "config.yaml"):
        assert (tmp_path / name).read_bytes() == (undisturbed / name).read_bytes(), name


def test_a_finished_run_publishes_again_without_training(videos, settings, undisturbed, tmp_path):
    shutil.copytree(undisturbed / "work", tmp_path / "work")
    said = finish(videos, settings, tmp_path)
    assert f"resuming after step {STEPS}" in said
    model = (tmp_path / "model.safetensors").read_bytes()
    assert model == (undisturbed / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def frozen(videos, settings, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frozen")
    finish(videos, settings, folder, FROZEN)
    return folder


def bytes_of(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_a_frozen_run_that_was_killed_twice_ends_with_the_same_bytes(
    videos, settings, frozen, tmp_path
):
    for step in (3, 6):
        kill_at_generation(videos, settings, tmp_path, step, FROZEN)
        assert bytes_of(tmp_path / "work" / BANK) == bytes_of(frozen / "work" / BANK)
        if step == 3:
            shutil.rmtree(tmp_path / "work" / BANK)  # it is computed again
    said = finish(videos, settings, tmp_path, FROZEN)
    assert "resuming after step 6" in said
    for name in ("model.safetensors", "metrics.jsonl", "config.yaml"):
        assert (tmp_path / name).read_bytes() == (frozen / name).read_bytes(), name


def test_a_frozen_run_publishes_the_backbone_it_started_from(videos, settings, frozen, tmp_path):
    """The frozen backbone of a run without a step of learning is what every backbone began as."""
    still = overlay(settings, {"train": {"learning_rate": 0.0}})
    finish(videos, still, tmp_path, FROZEN)
    began, learned = (load_file(f / "model.safetensors") for f in (tmp_path, frozen))
    names = [name for name in learned if name.startswith("bank_backbone.")]
    parameters = [name for name in names if "running" not in name and "num_" not in name]
    assert names
    assert all(torch.equal(learned[name], began[name]) for name in names)
    assert all(torch.equal(began[name], began[name.removeprefix("bank_")]) for name in parameters)
    assert any(not learned[n].equal(learned[n.removeprefix("bank_")]) for n in parameters)


@pytest.mark.parametrize(
    ("run", "parts"),
    [
        ("slowfast_tiny-nl-s0", {"backbone", "classifier", "interaction"}),
        (
            "slowfast_tiny-lfb-MM-frozen-s0",
            {"backbone", "bank_backbone", "classifier", "interaction"},
        ),
    ],
)
def test_a_baseline_of_the_tables_trains_to_its_end(videos, settings, tmp_path, run, parts):
    finish(videos, overlay(settings, {"train": {"steps": 2}}), tmp_path, run)
    model = load_file(tmp_path / "model.safetensors")
    assert {name.partition(".")[0] for name in model} == parts
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])["loss"] > 0


def test_kept_maps_train_as_frames_do_also_after_a_kill(videos, settings, tmp_path):
    still = overlay(settings, {"train": {"backbone_factor": 0.0, "frozen_norm": True}})
    quick = overlay(still, {"train": {"keep_maps": True}})
    for name, change in (("frames", still), ("maps", quick)):
        finish(videos, change, tmp_path / name)
    kill_at_generation(videos, quick, tmp_path / "killed", 6)
    assert "resuming after step" in finish(videos, quick, tmp_path / "killed")
    model = "model.safetensors"
    assert (tmp_path / "killed" / model).read_bytes() == (tmp_path / "maps" / model).read_bytes()
    kept, read = (load_file(tmp_path / name / model) for name in ("maps", "frames"))
    for key, weight in read.items():
        torch.testing.assert_close(kept[key], weight, atol=1e-4, rtol=1e-3)


def test_a_frozen_run_has_no_trust_to_tell(frozen, undisturbed):
    told = [
        [json.loads(line)["trust"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (frozen, undisturbed)
    ]
    assert set(told[0]) == {None}
    assert any(told[1])


@pytest.mark.slow
def test_a_change_of_settings_fills_the_bank_again(videos, settings, frozen, tmp_path):
    shutil.copytree(frozen / "work", tmp_path / "work")
    other = FROZEN.replace("s0", "s1")  # another start, so another frozen backbone
    assert "starting from scratch" in finish(videos, settings, tmp_path, other)
    assert bytes_of(tmp_path / "work" / BANK) != bytes_of(frozen / "work" / BANK)


@pytest.mark.slow
def test_a_change_of_settings_starts_from_scratch(videos, settings, undisturbed, tmp_path):
    shutil.copytree(undisturbed / "work", tmp_path / "work")
    changed = overlay(settings, {"train": {"learning_rate": 2.0e-3}})
    assert "starting from scratch" in finish(videos, changed, tmp_path)
    before, after = (load_file(f / "model.safetensors") for f in (undisturbed, tmp_path))
    assert any(not before[key].equal(after[key]) for key in before)


def test_a_run_on_torchvisions_backbone_begins_with_the_weights_of_its_section(
    videos, settings, tmp_path
):
    published = get_model("r3d_18", weights=None).state_dict()
    torch.save(published, tmp_path / "r3d.pth")
    backbone = {"weights": str(tmp_path / "r3d.pth"), "span": 4}
    change = {
        "backbones": {"r3d_18": backbone},
        "train": {"steps": 1, "backbone_factor": 0, "frozen_norm": True},
    }
    finish(videos, overlay(settings, change), tmp_path, "r3d_18-none-s0")
    trained = load_file(tmp_path / "model.safetensors")
    prefix = "backbone.network."
    ours = {name.removeprefix(prefix): t for name, t in trained.items() if prefix in name}
    assert ours.keys() == published.keys() - {"fc.weight", "fc.bias"}
    assert all(torch.equal(tensor, published[name]) for name, tensor in ours.items())


def test_a_loss_that_is_no_number_stops_the_run_with_advice(videos, settings, tmp_path):
    wild = overlay(settings, {"train": {"optimizer": "sgd", "learning_rate": 1.0e30}})
    process = start(videos, wild, tmp_path)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 2
    assert "train.learning_rate" in said
    assert not (tmp_path / "model.safetensors").exists()
