"""One run in several processes is the run in one: its losses, its memory, its weights."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr
from safetensors.torch import load_file

from aia.config import overlay
from aia.dropout import Dropout, StepDraws, draw_by
from aia.ranks import SINGLE_PROCESS, Ranks
from tests.train.running import await_generation, finish, start

STEPS = 20
FROZEN = "slowfast_tiny-serial-POM-frozen-s0"


@pytest.fixture(scope="module")
def several(settings):
    """BatchNorm learns, channels are dropped, persons are drawn: all that could differ does."""
    train = {"steps": STEPS, "batch": 6, "log_every": 1, "checkpoint_every": 10}
    train |= {"optimizer": "sgd", "learning_rate": 2.0e-3, "max_persons": 3}
    return overlay(settings, {"train": train, "memory": {"persons_per_clip": 1}})


@pytest.fixture(scope="module")
def runs(videos, several, tmp_path_factory):
    """The same run in 1, 2 and 3 processes."""
    folders = {}
    for count in (1, 2, 3):
        folders[count] = tmp_path_factory.mktemp(f"ranks{count}")
        said = finish(videos, several, folders[count], more=["--processes", str(count)])
        assert (f"{count} processes on 1 node" in said) == (count > 1)
        assert said.count(f"step     {STEPS}/{STEPS}") == 1, "only the first process speaks"
    return folders


def losses(folder: Path) -> list[float]:
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    entries = [json.loads(line) for line in lines]
    assert [entry["step"] for entry in entries] == list(range(1, STEPS + 1))
    return [entry["loss"] for entry in entries]


def memory(folder: Path) -> zarr.Group:
    return zarr.open_group(folder / "work" / f"step-{STEPS:07d}" / "memory.zarr", mode="r")


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_have_the_losses_of_one(runs, count):
    assert losses(runs[count]) == pytest.approx(losses(runs[1]), rel=1e-5)
    assert len(set(losses(runs[1]))) == STEPS


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_remember_what_one_remembers(runs, count):
    one, others = memory(runs[1]), memory(runs[count])
    for name in ("count", "step"):
        np.testing.assert_array_equal(others[name][:], one[name][:])
    assert len(np.unique(one["step"][:])) > 5
    np.testing.assert_allclose(others["loss_tag"][:], one["loss_tag"][:], rtol=1e-5)
    np.testing.assert_allclose(others["features"][:], one["features"][:], atol=1e-4)


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_learn_the_weights_of_one(runs, count):
    one, others = (load_file(runs[n] / "model.safetensors") for n in (1, count))
    assert others.keys() == one.keys()
    for name, value in one.items():
        torch.testing.assert_close(others[name], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("count", [2, 3])
def test_several_processes_tell_the_age_of_memory_as_one(runs, count):
    for name in ("trust", "age"):
        told = [
            [json.loads(line)[name] for line in (folder / "metrics.jsonl").read_text().splitlines()]
            for folder in (runs[1], runs[count])
        ]
        assert told[1][3:] == pytest.approx(told[0][3:], rel=1e-4)


@pytest.fixture(scope="module")
def begun(videos, several, tmp_path_factory):
    """A run in two processes, killed after step 10."""
    folder = tmp_path_factory.mktemp("begun")
    process = start(videos, several, folder, more=["--processes", "2"])
    await_generation(process, folder, "step-0000010")
    process.kill()
    process.communicate()
    assert not (folder / "model.safetensors").exists()
    time.sleep(1.0)  # its processes end with it; a lock that is held would be an error
    return folder


@pytest.mark.long
@pytest.mark.parametrize("count", [1, 3])
def test_one_or_three_processes_can_resume_what_two_began(
    videos, several, runs, begun, tmp_path, count
):
    """The run resumes with another number of processes, on the same curve."""
    shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    said = finish(videos, several, tmp_path, more=["--processes", str(count)])
    assert "resuming after step 10" in said
    assert losses(tmp_path) == pytest.approx(losses(runs[1]), rel=1e-5)


def test_one_of_several_processes_may_die(videos, several, runs, tmp_path):
    """The others are ended, finished work stays, and the next start resumes."""
    process = start(videos, several, tmp_path, more=["--processes", "2"])
    await_generation(process, tmp_path, "step-0000010")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(children[-1]), signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "was ended by SIGKILL, so the others were ended too" in said
    assert "resuming after step 10" in finish(videos, several, tmp_path, more=["--processes", "2"])
    assert losses(tmp_path) == pytest.approx(losses(runs[1]), rel=1e-5)


@pytest.mark.long
def test_two_nodes_have_a_memory_each_with_the_same_content(videos, several, runs, tmp_path):
    """Each node fills its own from what its processes saw and what the other sends."""
    slurm = {"SLURM_NNODES": "2", "SLURM_JOB_NODELIST": "localhost", "SLURM_JOB_ID": "271"}
    nodes = [
        start(
            videos,
            several,
            tmp_path,
            more=["--processes", "1", "--nodes", "2"],
            environment={**slurm, "SLURM_NODEID": str(node)},
        )
        for node in range(2)
    ]
    said = [node.communicate(timeout=240)[1] for node in nodes]
    assert [node.returncode for node in nodes] == [0, 0], said
    assert "2 processes on 2 nodes" in said[0]
    assert losses(tmp_path) == pytest.approx(losses(runs[1]), rel=1e-5)
    np.testing.assert_array_equal(memory(tmp_path)["step"][:], memory(runs[1])["step"][:])


def test_several_nodes_without_slurm_are_an_input_error(videos, several, tmp_path):
    process = start(videos, several, tmp_path, more=["--nodes", "2"])
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "train.nodes = 2, but SLURM_NNODES is not set" in said


@pytest.mark.slow
def test_a_frozen_bank_is_filled_by_all(videos, several, tmp_path):
    few = overlay(several, {"train": {"steps": 2, "batch": 5}})
    told = []
    for count in (1, 2):
        finish(videos, few, tmp_path / str(count), FROZEN, more=["--processes", str(count)])
        told.append(zarr.open_group(tmp_path / str(count) / "work" / "bank.zarr", mode="r"))
    np.testing.assert_array_equal(told[0]["count"][:], told[1]["count"][:])
    np.testing.assert_allclose(told[0]["features"][:], told[1]["features"][:], atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "run", ["none", "nl", "lfb-MM-amu", "lfb-MM-frozen", "parallel-POM-amu", "dense-POMPOM-amu"]
)
def test_every_kind_of_network_is_trained_by_two_as_by_one(videos, several, tmp_path, run):
    """No parameter may go without a gradient, or the processes would wait for it."""
    few = overlay(several, {"train": {"steps": 3, "learning_rate": 1.0e-3}})
    weights = []
    for count in (1, 2):
        folder = tmp_path / str(count)
        finish(videos, few, folder, f"slowfast_tiny-{run}-s0", more=["--processes", str(count)])
        weights.append(load_file(folder / "model.safetensors"))
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, atol=1e-5, rtol=1e-4)


def test_an_input_error_is_reported_once_and_has_its_status(videos, several, tmp_path):
    one = overlay(several, {"train": {"batch": 1}})
    process = start(videos, one, tmp_path, more=["--processes", "2"])
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said.count("train.batch = 1 is shared by 2 processes") == 1


@pytest.mark.long
def test_processes_whose_launcher_dies_before_they_run_end_too(videos, several, tmp_path):
    process = start(videos, several, tmp_path, more=["--processes", "2"])
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while len(started := children.read_text().split()) < 2:
        assert process.poll() is None
        time.sleep(0.002)
    process.kill()
    process.wait()
    process.stderr.close()  # which what is left would hold open
    deadline = time.monotonic() + 60
    while any(Path("/proc", child).exists() for child in started):
        assert time.monotonic() < deadline, started
        time.sleep(0.1)


def test_shares_are_consecutive_and_whole():
    for count in (1, 2, 3, 5):
        shares = [Ranks(rank=rank, count=count).share(7) for rank in range(count)]
        assert [i for share in shares for i in range(7)[share]] == list(range(7))
    assert SINGLE_PROCESS.share(7) == slice(0, 7)


def test_dropout_of_a_share_is_the_share_of_the_dropout():
    """However many slots a process has and wherever its clips are in the batch."""

    def dropped(first, clips, slots):
        layer, draws = Dropout(0.4), StepDraws(seed=1)
        draw_by(draws, layer)
        draws.begin(7, first=first, total=5)
        layer(torch.ones(clips, 3, 2))  # another layer's numbers before it
        return layer(torch.ones(clips, slots, 16))

    whole = dropped(0, 5, 9)
    torch.testing.assert_close(dropped(0, 2, 4), whole[:2, :4], rtol=0, atol=0)
    torch.testing.assert_close(dropped(2, 3, 9), whole[2:], rtol=0, atol=0)
    assert whole.unique().tolist() == [0.0, pytest.approx(1 / 0.6)]
    assert 0.5 < whole.count_nonzero() / whole.numel() < 0.7


def test_dropout_differs_by_step_seed_and_layer():
    layer = Dropout(0.5)
    seen = []
    for seed, step in [(1, 1), (1, 2), (2, 1)]:
        draws = StepDraws(seed=seed)
        draw_by(draws, layer)
        draws.begin(step, first=0, total=2)
        seen += [layer(torch.ones(2, 3, 32)) for _ in range(2)]
    assert all(not torch.equal(x, y) for i, x in enumerate(seen) for y in seen[:i])


def test_out_of_training_nothing_is_dropped():
    layer = Dropout(0.5).eval()
    assert torch.equal(layer(torch.ones(1, 2, 8)), torch.ones(1, 2, 8))


@pytest.mark.long
def test_an_error_of_a_later_process_alone_is_reported(videos, several, tmp_path):
    """The second process cannot read what the first one can."""
    sick = tmp_path / "sitecustomize.py"
    sick.write_text(
        "import os\n"
        "if os.environ.get('RANK') == '1':\n"
        "    import aia.labels\n"
        "    from aia.errors import InputError\n"
        "    def refuse(path):\n"
        "        raise InputError(f'{path}: only rank 1 minds')\n"
        "    aia.labels.read_labels = refuse\n"
    )
    process = start(
        videos,
        several,
        tmp_path / "run",
        more=["--processes", "2"],
        environment={"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )
    _, said = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "only rank 1 minds" in said
