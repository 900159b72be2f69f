"""Case 008: nothing waits for ever for a process that loads, and a line says why."""

import os
import shutil
import signal
import time
from collections import namedtuple

import numpy as np
import pytest
from torch.utils.data import get_worker_info

from aia.datasets import loader
from aia.datasets.loader import ClipFrames, scoring_batches
from aia.errors import InputError
from tests.datasets.test_loader import FakeStore, sample

Usage = namedtuple("Usage", "total used free")


class Trouble(FakeStore):
    """A store at whose frame something happens to the process that loads it."""

    def __init__(self, what=lambda: None) -> None:
        super().__init__()
        self.what = what

    def read(self, indices):
        if get_worker_info() is not None:
            self.what()
        return super().read(indices)


def batches(store: FakeStore, workers: int = 1) -> list[int]:
    clips = [sample(t=t) for t in range(4)]
    frames = ClipFrames(clips=clips, stores={"kitchen": store}, span=4, strides=(4, 2))
    found = scoring_batches(frames, batch=2, workers=workers)
    assert len(found) == 2
    return [key.t for batch in found for key in batch.keys]


def test_case_008_little_shared_memory_is_told_before_the_first_batch(monkeypatch) -> None:
    def fail() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(64_000, 63_000, 1000))
    with pytest.raises(InputError) as told:
        batches(Trouble(fail))
    size = 2 * np.prod((3, 5, 7, 3)) / 1e6
    assert f"/dev/shm has 0.00 MB left, and 2 batches of {size:.2f} MB lie there" in str(told.value)
    assert "--shm-size" in str(told.value)
    assert batches(Trouble(fail), workers=0) == [0, 1, 2, 3], "this process needs none"


def test_enough_shared_memory_is_enough() -> None:
    assert batches(Trouble()) == [0, 1, 2, 3]


def test_a_loading_process_that_was_killed_is_told() -> None:
    with pytest.raises(InputError, match="a loading process ended .*was it killed for memory"):
        batches(Trouble(lambda: os.kill(os.getpid(), signal.SIGKILL)))


def test_a_loading_process_that_does_not_answer_is_not_waited_for(monkeypatch) -> None:
    monkeypatch.setattr(loader, "LONGEST_WAIT_SEC", 1)
    with pytest.raises(InputError, match="a loading process gave no batch for 0 minutes"):
        batches(Trouble(lambda: time.sleep(20)))


def test_an_error_of_a_loading_process_stays_what_it_is() -> None:
    def fail() -> None:
        raise InputError("a.h5: is damaged")

    with pytest.raises(Exception, match=r"a\.h5: is damaged"):
        batches(Trouble(fail))
