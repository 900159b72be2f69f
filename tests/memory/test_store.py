"""Ω on disk: whole, checked, and of this run, or not taken at all."""

import json
import os
import shutil

import pytest
import torch

from aia.clip import ClipKey, Slots
from aia.errors import InputError
from aia.memory import FeaturePool, read_generation, store, write_generation

D = 5
SECONDS = {"kitchen": (902, 912), "attic": (0, 6)}


def make_pool(**changes):
    settings = {"seconds": SECONDS, "persons_per_clip": 3, "d": D} | changes
    return FeaturePool(**settings)


def filled_pool(**changes):
    pool = make_pool(**changes)
    for step, (video, t, n) in enumerate([("attic", 0, 2), ("kitchen", 912, 3), ("attic", 6, 0)]):
        P = Slots(torch.randn(1, n, pool.d), torch.ones(1, n, dtype=torch.bool))
        pool.write([ClipKey(video, t)], P, loss_tag=0.5 + step, step=100 + step)
    return pool


def content(pool):
    return [pool.features, pool.count, pool.loss_tag, pool.step]


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(content(a), content(b), strict=True))


@pytest.fixture
def saved(tmp_path):
    pool = filled_pool()
    write_generation(pool, tmp_path / "memory.zarr")
    return tmp_path / "memory.zarr", pool


def test_an_empty_pool_comes_back_empty(tmp_path):
    write_generation(make_pool(), tmp_path / "memory.zarr")
    pool = filled_pool()
    read_generation(tmp_path / "memory.zarr", pool)
    assert same(pool, make_pool())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@pytest.mark.parametrize("chunk_bytes", [1, store.CHUNK_BYTES], ids=["many chunks", "one chunk"])
def test_a_pool_comes_back_as_it_was(tmp_path, monkeypatch, dtype, chunk_bytes):
    monkeypatch.setattr(store, "CHUNK_BYTES", chunk_bytes)
    pool, back = filled_pool(dtype=dtype), make_pool(dtype=dtype)
    write_generation(pool, tmp_path / "run" / "memory.zarr")
    read_generation(tmp_path / "run" / "memory.zarr", back)
    assert same(pool, back)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["memory.zarr"]


def test_only_remembered_persons_take_up_space(saved):
    path, _ = saved
    sizes = [file.stat().st_size for file in (path / "features" / "c").rglob("*") if file.is_file()]
    assert sum(sizes) == 5 * D * 4


def test_a_generation_is_never_overwritten(saved):
    path, pool = saved
    with pytest.raises(InputError, match="written only once"):
        write_generation(pool, path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"d": 7}, "its d is 5, this run's 7"),
        ({"persons_per_clip": 2}, "its persons_per_clip is 3, this run's 2"),
        ({"dtype": torch.float16}, "its dtype is float32, this run's float16"),
        ({"seconds": SECONDS | {"street": (1, 2)}}, "seconds of street is none, this run's .1, 2."),
        ({"seconds": {"attic": (0, 6)}}, r"seconds of kitchen is \[902, 912\], this run's none"),
        ({"seconds": SECONDS | {"attic": (0, 7)}}, r"seconds of attic is \[0, 6\].* \[0, 7\]"),
    ],
)
def test_a_pool_of_another_run_is_refused_and_nothing_changes(saved, changes, message):
    path, _ = saved
    pool = make_pool(**changes)
    with pytest.raises(InputError, match=message):
        read_generation(path, pool)
    assert same(pool, make_pool(**changes))


def complaint(path, pool):
    try:
        read_generation(path, pool)
    except InputError as error:
        return str(error)
    return None


def files(path):
    return sorted(file for file in path.rglob("*") if file.is_file())


def test_every_flipped_bit_and_every_missing_file_is_noticed(saved):
    """Whatever is damaged, the pool stays as it was and the error says where."""
    path, _ = saved
    for file in files(path):
        original = file.read_bytes()
        for damage in ("first", "middle", "last", "cut", "gone"):
            place = {"first": 0, "middle": len(original) // 2, "last": -1}.get(damage)
            if place is not None:
                broken = bytearray(original)
                broken[place] ^= 0b1000
                file.write_bytes(broken)
            elif damage == "cut":
                file.write_bytes(original[: len(original) // 2])
            else:
                file.unlink()
            pool = make_pool()
            if found := complaint(path, pool):
                assert str(path) in found
                assert same(pool, make_pool())
            else:  # a bit of the metadata that carries no meaning
                assert file.name == "zarr.json", (file, damage)
                assert same(pool, saved[1]), (file, damage)
            file.write_bytes(original)
    read_generation(path, make_pool())


def test_a_missing_chunk_is_counted(saved):
    path, _ = saved
    shutil.rmtree(path / "features" / "c")
    with pytest.raises(InputError, match="features: 1 of 1 chunks are missing"):
        read_generation(path, make_pool())


def test_what_is_no_pool_is_said_to_be_none(tmp_path, saved):
    with pytest.raises(InputError, match="there is no memory pool"):
        read_generation(tmp_path / "other.zarr", make_pool())
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="not readable as a memory pool"):
        read_generation(tmp_path / "empty", make_pool())
    metadata = saved[0] / "zarr.json"
    described = json.loads(metadata.read_text())
    described["attributes"]["format"] = "another"
    metadata.write_text(json.dumps(described))
    with pytest.raises(InputError, match="not a memory pool of this program"):
        read_generation(saved[0], make_pool())


def test_a_kill_while_writing_leaves_no_generation(tmp_path, monkeypatch):
    """Whichever file is the last to be flushed, there is nothing under the final name."""
    for survived in (0, 3, 8):
        flushed = []

        def sync(path, flushed=flushed, survived=survived):
            if len(flushed) == survived:
                raise KeyboardInterrupt
            flushed.append(path)

        monkeypatch.setattr(store, "sync", sync)
        with pytest.raises(KeyboardInterrupt):
            write_generation(filled_pool(), tmp_path / "memory.zarr")
        assert os.listdir(tmp_path) == []
    monkeypatch.undo()
    (tmp_path / ".memory.zarr.writing").mkdir()  # a kill that could not clean up
    write_generation(filled_pool(), tmp_path / "memory.zarr")
    assert os.listdir(tmp_path) == ["memory.zarr"]
