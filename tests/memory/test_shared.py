"""A pool that two processes share is, to each of them, the pool of one that did all the work."""

import errno
import os
import shutil
from types import SimpleNamespace

import pytest

from aia.memory import FeaturePool, shared
from tests.memory.sharing import (
    SHAPE,
    STEPS,
    content,
    in_two_processes,
    write,
)


def test_what_two_processes_write_both_read_as_if_one_had_written_it():
    alone = FeaturePool(**SHAPE)
    for step, shares in enumerate(STEPS, start=1):
        for rank, seconds in enumerate(shares):
            write(alone, rank, step, seconds)
    first, second = in_two_processes("write_all", port=29741)
    assert first == second == content(alone)
    assert first["step"] == [0, 1, 3, 1, 1, 2, 2, 2, 2, 4, 0]
    assert first["features"][2][0][0] == pytest.approx(1300)  # the later rank's


def test_the_shared_file_lies_where_there_is_room_and_has_no_name(tmp_path, monkeypatch):
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    free = {memory: 1000, disk: 5000}
    monkeypatch.setattr(shared, "PLACES", (memory, disk))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[folder]))
    assert shared._file_with(10) == (-1, -1)
    memory.mkdir()
    disk.mkdir()
    for size, expected in ((900, 0), (4000, 1)):
        descriptor, place = shared._file_with(size)
        assert place == expected
        assert os.fstat(descriptor).st_size == size
        assert os.fstat(descriptor).st_nlink == 0
        os.close(descriptor)
    assert shared._file_with(6000) == (-1, -1)
    assert not [*memory.iterdir(), *disk.iterdir()]


def test_where_others_were_faster_the_file_lies_in_the_next_place(tmp_path, monkeypatch):
    monkeypatch.setattr(shared, "PLACES", (tmp_path, tmp_path))
    allocate, full = os.posix_fallocate, [OSError(errno.ENOSPC, "no space left")]

    def once_full(*given):
        if full:
            raise full.pop()
        return allocate(*given)

    monkeypatch.setattr(os, "posix_fallocate", once_full)
    descriptor, place = shared._file_with(100)
    os.close(descriptor)
    assert place == 1
