"""A pool that two processes share is, to each of them, the pool of one that did all the work."""

import pytest

from aia.memory import FeaturePool
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
