import errno
import fcntl
import json
import multiprocessing
import os
import shutil
import time

import pytest
import torch

from aia.clip import ClipKey, Slots
from aia.errors import InputError
from aia.memory import FeaturePool, write_generation
from aia.train import checkpoint


def parts(seed=0):
    torch.manual_seed(seed)
    network = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    network(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    pool = FeaturePool(seconds={"video": (1, 7)}, persons_per_clip=2, d=3)
    P = Slots(torch.randn(1, 2, 3), torch.ones(1, 2, dtype=torch.bool))
    pool.write([ClipKey("video", 5)], P, loss_tag=0.5, step=11)
    return network, optimizer, pool


def save(work, step, seed=0, keep=2, run="this"):
    parts_of_it = parts(seed)
    with checkpoint.exclusive_lock(work) as lock:
        begin(checkpoint.Writer(work, run=run, lock=lock, keep=keep), step, parts_of_it).finish()
    return parts_of_it


def begin(writer, step, parts_of_it):
    network, optimizer, pool = parts_of_it
    err, metrics = torch.tensor(0.25), f"lines up to {step}\n"
    writer.save(
        step=step, network=network, optimizer=optimizer, pool=pool, err=err, metrics=metrics
    )
    return writer


def resume(work):
    network, optimizer, pool = parts(seed=99)
    found = checkpoint.resume(
        work, network=network, optimizer=optimizer, pool=pool, device=torch.device("cpu")
    )
    return found, network, optimizer, pool


def test_without_a_checkpoint_a_run_begins_at_the_beginning(tmp_path):
    found, *_ = resume(tmp_path)
    assert found == (0, None, "")


def test_everything_comes_back(tmp_path):
    network, optimizer, pool = save(tmp_path, step=11)
    found, again, its_optimizer, its_pool = resume(tmp_path)
    assert (found.step, found.err.item(), found.metrics) == (11, 0.25, "lines up to 11\n")
    torch.testing.assert_close(again.state_dict(), network.state_dict(), rtol=0, atol=0)
    momentum = optimizer.state_dict()["state"][0]["momentum_buffer"]
    torch.testing.assert_close(its_optimizer.state_dict()["state"][0]["momentum_buffer"], momentum)
    for name in ("features", "count", "loss_tag", "step"):
        torch.testing.assert_close(getattr(its_pool, name), getattr(pool, name), rtol=0, atol=0)


def test_the_newest_generations_are_kept(tmp_path):
    for step in (5, 10, 15):
        save(tmp_path, step=step)
    assert [path.name for path in checkpoint.generations(tmp_path)] == [
        "step-0000010",
        "step-0000015",
    ]


def test_a_half_written_generation_is_cleared_away(tmp_path):
    save(tmp_path, step=5)
    (tmp_path / ".writing-0000010").mkdir()
    (tmp_path / ".writing-0000010" / "state.pt").write_bytes(b"half")
    found, *_ = resume(tmp_path)
    assert found.step == 5
    assert not list(tmp_path.glob(".writing-*"))


@pytest.mark.parametrize(
    "kind", ["flipped", "cut", "no digests", "no chunks", "no memory", "another memory"]
)
def test_a_damaged_generation_is_named_and_the_one_before_it_is_taken(tmp_path, capsys, kind):
    save(tmp_path, step=5)
    save(tmp_path, step=10)
    state = tmp_path / "step-0000010" / "state.pt"
    content = bytearray(state.read_bytes())
    if kind == "flipped":
        content[len(content) // 2] ^= 4
        state.write_bytes(content)
    elif kind == "cut":
        state.write_bytes(content[: len(content) // 2])
    elif kind == "no digests":
        (state.parent / "digests.json").unlink()
    elif kind == "no memory":
        shutil.rmtree(state.parent / "memory.zarr")
    elif kind == "another memory":
        shutil.rmtree(state.parent / "memory.zarr")
        pool = parts(seed=1)[2]
        write_generation(pool, state.parent / "memory.zarr")
    else:
        for chunk in (state.parent / "memory.zarr").rglob("c/*"):
            if chunk.is_file():
                chunk.unlink()
    with pytest.raises(InputError, match="step-0000010"):
        checkpoint.verify(state.parent)
    found, _, _, pool = resume(tmp_path)
    assert found.step == 5
    assert pool.loss_tag.max() == 0.5
    assert "step-0000010" in capsys.readouterr().err
    assert [path.name for path in checkpoint.generations(tmp_path)] == ["step-0000005"]


def test_the_state_of_another_run_is_not_taken(tmp_path, capsys):
    save(tmp_path, step=5, run=checkpoint.open_work_dir(tmp_path, {"rate": 0.1}))
    checkpoint.open_work_dir(tmp_path, {"rate": 0.1})
    assert len(checkpoint.generations(tmp_path)) == 1
    checkpoint.open_work_dir(tmp_path, {"rate": 0.2})
    assert checkpoint.generations(tmp_path) == []
    assert "starting from scratch" in capsys.readouterr().err
    assert json.loads((tmp_path / "fingerprint.json").read_text()) == {"rate": 0.2}


@pytest.mark.parametrize("content", [b"", b'{"rate": 0.3}', b"\xff\xfe"])
def test_a_damaged_fingerprint_costs_nothing(tmp_path, capsys, content):
    run = checkpoint.open_work_dir(tmp_path, {"rate": 0.1})
    save(tmp_path, step=5, run=run)
    (tmp_path / "fingerprint.json").write_bytes(content)
    assert checkpoint.open_work_dir(tmp_path, {"rate": 0.1}) == run
    assert "fingerprint.json: is damaged" in capsys.readouterr().err
    assert len(checkpoint.generations(tmp_path)) == 1
    assert json.loads((tmp_path / "fingerprint.json").read_text()) == {"rate": 0.1}


def test_a_bank_of_which_nothing_says_whose_it_is_is_not_taken(tmp_path):
    checkpoint.open_work_dir(tmp_path, {"rate": 0.1})
    (tmp_path / checkpoint.BANK).mkdir()
    checkpoint.open_work_dir(tmp_path, {"rate": 0.1})
    assert (tmp_path / checkpoint.BANK).exists()
    (tmp_path / "fingerprint.json").unlink()
    checkpoint.open_work_dir(tmp_path, {"rate": 0.1})
    assert not (tmp_path / checkpoint.BANK).exists()


def test_a_generation_of_another_run_among_a_runs_own_is_removed(tmp_path):
    run = checkpoint.open_work_dir(tmp_path, {"rate": 0.1})
    save(tmp_path, step=5, run=run)
    save(tmp_path, step=10, run="another")
    checkpoint.open_work_dir(tmp_path, {"rate": 0.1})
    assert [path.name for path in checkpoint.generations(tmp_path)] == ["step-0000005"]


def test_whose_folder_was_taken_away_writes_nothing_into_the_one_that_came_after(tmp_path):
    work, given = tmp_path / "work", parts()
    with checkpoint.exclusive_lock(work) as lock:
        writer = checkpoint.Writer(work, run="old", lock=lock, keep=2)
        shutil.rmtree(work)
        for begins_anew in (False, True):
            if begins_anew:
                save(work, step=5, run="new")
            with pytest.raises(InputError, match="was removed or moved while this run trained"):
                begin(writer, 10, given).finish()
        assert {path.name for path in work.iterdir()} == {"lock", "step-0000005"}


def tell_and_wait(pipe):
    pipe.send("here")
    time.sleep(60)


def test_the_lock_is_gone_with_its_process_whatever_that_has_forked(tmp_path):
    here, there = multiprocessing.Pipe()
    with checkpoint.exclusive_lock(tmp_path):
        child = multiprocessing.get_context("fork").Process(target=tell_and_wait, args=(there,))
        child.start()
        assert here.poll(10)  # it runs
    with checkpoint.exclusive_lock(tmp_path):
        assert child.is_alive()
        child.kill()
        child.join()


def test_a_second_trainer_of_a_run_is_refused(tmp_path):
    with (
        checkpoint.exclusive_lock(tmp_path),
        pytest.raises(InputError, match="another process trains this run"),
        checkpoint.exclusive_lock(tmp_path),
    ):
        pass
    with checkpoint.exclusive_lock(tmp_path):
        pass


def test_a_file_system_without_locks_is_refused_as_that(tmp_path, monkeypatch):
    def flock(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(InputError, match="no locks"), checkpoint.exclusive_lock(tmp_path):
        pass


SOURCES = {"a.csv": "1", "classes.pbtxt": "2", "other.csv": "3"}


@pytest.mark.parametrize(
    ("then", "kept"),
    [
        ({"a.csv": "1", "film x": "7"}, True),
        ({"a.csv": "0", "film x": "7"}, False),  # other annotations
        ({"a.csv": "1", "film x": "8"}, False),  # another video
        ({"film x": "7"}, False),  # an input has come
        ({"a.csv": "1", "other.csv": "3", "film x": "7"}, False),  # an input has gone
    ],
    ids=["the same", "annotations", "video", "one more", "one less"],
)
def test_a_checkpoint_of_version_0_1_is_taken_if_its_sources_are_the_same(tmp_path, then, kept):
    run = checkpoint.open_work_dir(tmp_path, {"run": {"rate": 0.1}, "data": then})
    save(tmp_path, step=5, run=run)
    now = {"run": {"rate": 0.1}, "data": {"data/train.parquet": "9", "film x": "7"}}
    again = checkpoint.open_work_dir(tmp_path, now, sources=SOURCES)
    assert (again == run) == kept == bool(checkpoint.generations(tmp_path))
