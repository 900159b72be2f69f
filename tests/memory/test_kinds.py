"""The factory of memories: what each run gets, and what it refuses."""

import pytest
import torch

from aia.config import MemoryConfig, parse_run
from aia.errors import InputError
from aia.memory import (
    Asynchronous,
    FeaturePool,
    FrozenBank,
    NoMemory,
    ObjectBank,
    PersonDraws,
    build_memory,
)
from aia.ranks import Ranks
from tests.train.conftest import batch_of

CONFIG = MemoryConfig(reach=2, persons_per_clip=3, penalty=True, dtype="float16")
POOL = {"seconds": {"a": (1, 5)}, "d": 7, "device": torch.device("cpu")}
OBJECTS = ObjectBank(
    FeaturePool(seconds={"a": (0, 1)}, persons_per_clip=1, d=5), reach=1, detector="ab"
)


def memory_of(kind: str, *, draws: PersonDraws | None = None, objects: ObjectBank | None = None):
    name = parse_run("tiny-none-s0" if kind == "none" else f"tiny-serial-PM-{kind}-s0")
    config = None if kind == "none" else CONFIG
    return build_memory(name, config, draws=draws, objects=objects, **POOL)


@pytest.mark.parametrize(
    ("kind", "training", "inference"),
    [
        ("none", NoMemory, NoMemory),
        ("frozen", FrozenBank, FrozenBank),
        ("amu", Asynchronous, FrozenBank),  # fresh features of all clips do not change
    ],
)
def test_each_kind_of_run_has_its_memory(kind, training, inference):
    trained, scored = memory_of(kind, draws=PersonDraws(0)), memory_of(kind)
    assert (type(trained), type(scored)) == (training, inference)
    assert (trained.state is not None) == (kind == "amu")
    if kind != "none":
        assert trained.pool.features.shape == (6, 3, 7)
        assert trained.pool.features.dtype == torch.float16
        assert trained.reach == 2


def test_objects_are_the_memory_of_the_run_that_remembers_them_and_of_no_other():
    assert memory_of("objects", objects=OBJECTS) is OBJECTS
    for kind, objects in (("objects", None), ("amu", OBJECTS), ("none", OBJECTS)):
        with pytest.raises(InputError, match="needs what the detector saw"):
            memory_of(kind, objects=objects)


def test_the_processes_of_a_run_draw_their_shares_of_what_one_would_draw():
    whole = PersonDraws(5, batch_size=5, max_persons=3)
    for step in (1, 2):
        parts = [
            PersonDraws(5, batch_size=5, max_persons=3, ranks=Ranks(rank=rank, count=2))
            for rank in range(2)
        ]
        for draw in ("to_read", "to_write"):
            found = [
                getattr(part, draw)(batch_of(*range(n)), step)
                for part, n in zip(parts, (3, 2), strict=True)
            ]
            expected = getattr(whole, draw)(batch_of(*range(5)), step)
            assert torch.equal(torch.cat(found), expected)
    assert not torch.equal(whole.to_read(batch_of(1), 1), whole.to_write(batch_of(1), 1))
    assert not torch.equal(whole.to_read(batch_of(1), 1), whole.to_read(batch_of(1), 2))
