"""Ω in memory: READ, WRITE and the weight of Eq. 2, against a plain dictionary and the authors."""

import json
import math
import runpy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from aia.clip import ClipKey, Slots
from aia.errors import InputError
from aia.memory import FeaturePool, mean_age, recall, trust
from aia.memory.pool import StreamPool

D = 7
SECONDS = {"kitchen": (902, 912), "street": (5, 5), "attic": (0, 6)}


def make_pool(persons_per_clip=3, **settings):
    return FeaturePool(seconds=SECONDS, persons_per_clip=persons_per_clip, d=D, **settings)


def persons(counts, most=None, seed=0):
    most = max(counts, default=0) if most is None else most
    filled = torch.arange(most) < torch.tensor(counts).view(-1, 1)
    features = torch.randn(len(counts), most, D, generator=torch.Generator().manual_seed(seed))
    return Slots(features * filled[..., None], filled)


# Eq. 2


@pytest.mark.parametrize(
    ("err", "loss_tag", "w"),
    [
        (math.inf, 0.0, 0.0),  # Algorithm 1 before anything was written
        (math.inf, 2.0, 0.0),  # the first step of a run that goes on without its err
        (3.0, 0.0, 0.0),  # clip never written
        (0.0, 3.0, 0.0),
        (0.0, 0.0, 0.0),
        (math.inf, math.inf, 0.0),
        (3.0, 3.0, 1.0),
        (0.5, 2.0, 0.25),
        (2.0, 0.5, 0.25),
    ],
)
def test_trust_at_its_edges_and_by_hand(err, loss_tag, w):
    assert trust(err, loss_tag) == w
    assert trust(torch.tensor(err), torch.tensor([[loss_tag]])) == torch.tensor([[w]])


@given(st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_trust_is_symmetric_and_at_most_one(a, b):
    a, b = float(np.float32(a)), float(np.float32(b))
    assert 0 < trust(a, b) <= 1
    assert_allclose(trust(a, b), trust(b, a), rtol=1e-6)


# READ


def test_an_empty_pool_gives_the_present_persons_alone():
    P = persons([2, 0])
    M, w = recall(
        make_pool(), [ClipKey("kitchen", 905), ClipKey("attic", 0)], P, err=math.inf, reach=2
    )
    assert M.features.shape == (2, 5 * 3, D)
    assert M.filled.sum(dim=1).tolist() == [2, 0]
    assert torch.equal(M.features[:, 6:8], P.features)
    assert M.features.count_nonzero() == P.features.count_nonzero()
    assert math.isnan(w.value)


def test_a_batch_without_clips_is_read_and_written():
    pool = make_pool()
    M, _ = recall(pool, [], persons([], most=2), err=1.0, reach=2)
    assert M.features.shape == (0, 15, D)
    pool.write([], persons([], most=2), loss_tag=1.0, step=1)
    assert pool.count.sum() == 0


def test_remembered_features_shrink_by_their_age_and_the_present_ones_do_not():
    pool = make_pool()
    before, now = persons([2], seed=1), persons([1], seed=2)
    pool.write([ClipKey("attic", 2)], before, loss_tag=8.0, step=1)
    pool.write([ClipKey("attic", 3)], before, loss_tag=8.0, step=1)
    M, w = recall(pool, [ClipKey("attic", 3)], now, err=2.0, reach=1)
    assert w.value == 0.25
    assert torch.equal(M.features[0, :2], before.features[0] / 4)
    assert torch.equal(M.features[0, 3:4], now.features[0])
    assert M.filled[0].tolist() == [True, True, False, True, *[False] * 5]
    M, w = recall(pool, [ClipKey("attic", 3)], now, err=2.0, reach=1, penalty=False)
    assert w.value == 0.25  # still told, though not imposed
    assert torch.equal(M.features[0, :2], before.features[0])


def test_the_age_of_a_memory_is_counted_in_steps_and_without_the_present():
    pool = make_pool()
    keys = [ClipKey("attic", t) for t in (1, 2, 4)]
    assert math.isnan(mean_age(pool, keys, reach=2, step=1).value)
    for step, key in enumerate(keys, start=10):
        pool.write([key], persons([1]), loss_tag=1.0, step=step)
    # around second 2, at step 20: 1 is 10 steps old, 4 is 8; 2 is the present
    assert mean_age(pool, keys[1:2], reach=2, step=20).value == 9
    # of both clips: (10 + 8) of second 2, 9 of second 4, whose reach does not hold second 1
    assert mean_age(pool, keys[1:], reach=2, step=20).value == 9
    assert math.isnan(mean_age(pool, [ClipKey("kitchen", 905)], reach=2, step=20).value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_reused_read_lies_where_the_last_one_lay_and_a_fresh_one_does_not(dtype):
    pool = make_pool(dtype=dtype)
    pool.write([ClipKey("attic", 2)], persons([2]), loss_tag=1.0, step=1)

    def read(reuse, clips=1):
        keys = [ClipKey("attic", 3)] * clips
        M, _ = recall(pool, keys, persons([1] * clips), err=1.0, reach=1, reuse=reuse)
        return M.features

    fresh, first, second = read(False), read(True), read(True)
    assert first.dtype == fresh.dtype == torch.float32
    assert torch.equal(fresh, second)
    assert first.data_ptr() == second.data_ptr() != fresh.data_ptr()
    assert torch.equal(read(True, clips=4), read(False, clips=4)), "the kept memory grows"
    assert torch.equal(read(True), fresh)


def test_a_gradient_through_a_read_that_was_written_over_is_refused():
    pool, weight = make_pool(), torch.ones(D, requires_grad=True)
    keys, P = [ClipKey("attic", 3)], persons([1])
    M, _ = recall(pool, keys, P, err=1.0, reach=1, reuse=True)
    loss = (M.features @ weight).sum()
    recall(pool, keys, P, err=1.0, reach=1, reuse=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_a_memory_without_weight_counts_as_empty():
    pool = make_pool()
    pool.write([ClipKey("attic", 2)], persons([2]), loss_tag=8.0, step=1)
    M, _ = recall(pool, [ClipKey("attic", 3)], persons([1]), err=math.inf, reach=1)
    assert M.filled[0].tolist() == [False] * 3 + [True] + [False] * 5
    assert M.features[0, :3].count_nonzero() == 0


def test_seconds_outside_the_video_and_other_videos_are_not_read():
    pool = make_pool()
    for video, (first, last) in SECONDS.items():
        for t in range(first, last + 1):
            pool.write([ClipKey(video, t)], persons([3]), loss_tag=1.0, step=1)
    M, _ = recall(pool, [ClipKey("street", 5)], persons([1]), err=1.0, reach=7)
    assert M.filled.sum() == 1
    M, _ = recall(pool, [ClipKey("attic", 6)], persons([0], most=1), err=1.0, reach=2)
    assert M.filled.view(5, 3).sum(dim=1).tolist() == [3, 3, 0, 0, 0]


def test_no_gradient_flows_into_the_memory():
    pool = make_pool()
    P = persons([2])
    P.features.requires_grad_()
    pool.write([ClipKey("attic", 2)], P, loss_tag=1.0, step=1)
    M, _ = recall(pool, [ClipKey("attic", 3)], P, err=torch.tensor(1.0), reach=1)
    assert not M.features.requires_grad
    assert not pool.features.requires_grad


def test_reading_leaves_the_pool_as_it_is():
    pool = make_pool()
    pool.write([ClipKey("attic", 2)], persons([2]), loss_tag=8.0, step=1)
    kept = pool.features.clone(), pool.count.clone()
    recall(pool, [ClipKey("attic", 2), ClipKey("attic", 3)], persons([1, 2]), err=2.0, reach=2)
    assert torch.equal(pool.features, kept[0])
    assert torch.equal(pool.count, kept[1])


def test_every_nth_second_is_read_at_a_rate_of_n():
    pool = make_pool()
    for t in range(7):
        P = Slots(torch.full((1, 1, D), t + 1.0), torch.ones(1, 1, dtype=torch.bool))
        pool.write([ClipKey("attic", t)], P, loss_tag=1.0, step=1)
    P = Slots(torch.full((1, 1, D), 99.0), torch.ones(1, 1, dtype=torch.bool))
    M, _ = recall(pool, [ClipKey("attic", 4)], P, err=1.0, reach=2, rate=2)
    assert M.features[0, ::3, 0].tolist() == [1, 3, 99, 7, 0]


# WRITE


def test_of_a_clip_that_is_twice_in_a_batch_the_last_one_stays():
    pool = make_pool()
    P = persons([3, 1, 2])
    keys = [ClipKey("attic", 4), ClipKey("kitchen", 902), ClipKey("attic", 4)]
    pool.write(keys, P, loss_tag=1.0, step=1)
    M, _ = recall(pool, [ClipKey("attic", 5)], persons([0], most=1), err=1.0, reach=1)
    assert M.filled[0].tolist() == [True, True, False] + [False] * 6
    assert torch.equal(M.features[0, :2], P.features[2, :2])


def test_a_clip_that_is_written_without_persons_forgets_the_old_ones():
    pool = make_pool()
    pool.write([ClipKey("attic", 4)], persons([3]), loss_tag=1.0, step=1)
    pool.write([ClipKey("attic", 4)], persons([0], most=2), loss_tag=0.5, step=7)
    row = pool.rows([ClipKey("attic", 4)], np.zeros(1, int))[0]
    assert pool.features[row].count_nonzero() == 0
    assert (pool.count[row], pool.loss_tag[row], pool.step[row]) == (0, 0.5, 7)


def numbers(seed, clips=2, most=6):
    return torch.rand(clips, most, generator=torch.Generator().manual_seed(seed))


def test_more_persons_than_are_remembered_are_cut_or_drawn():
    P = persons([5, 2])
    keys = [ClipKey("attic", 1), ClipKey("attic", 2)]
    pool = make_pool()
    pool.write(keys, P, loss_tag=1.0, step=1)
    row = pool.rows(keys, np.zeros(1, int))[:, 0]
    assert torch.equal(pool.features[row[0]], P.features[0, :3])
    seen = set()
    for seed in range(40):
        pool.write(keys, P, loss_tag=1.0, step=1, draws=numbers(seed))
        assert pool.count[row].tolist() == [3, 2]
        assert torch.equal(pool.features[row[1], :2], P.features[1, :2])
        kept = (pool.features[row[0]][:, None] == P.features[0][None]).all(dim=-1)
        assert kept.sum(dim=1).tolist() == [1, 1, 1]
        seen.add(tuple(kept.long().argmax(dim=1).tolist()))
    assert seen == {(a, b, c) for a in range(5) for b in range(a + 1, 5) for c in range(b + 1, 5)}


def test_the_persons_in_memory_are_those_with_the_smallest_numbers():
    P = persons([5])
    recalled = []
    for global_seed in (1, 2):
        torch.manual_seed(global_seed)
        M, _ = recall(make_pool(), [ClipKey("attic", 1)], P, err=1.0, reach=0, draws=numbers(3, 1))
        recalled.append(M.features)
    assert torch.equal(*recalled)
    kept = sorted(numbers(3, 1)[0, :5].argsort()[:3].tolist())
    assert torch.equal(recalled[0], P.features[:, kept])
    first, _ = recall(make_pool(), [ClipKey("attic", 1)], P, err=1.0, reach=0)
    assert torch.equal(first.features, P.features[:, :3])


def test_float16_halves_the_pool_and_is_read_as_what_persons_are():
    pool = make_pool(dtype=torch.float16)
    P = persons([2])
    pool.write([ClipKey("attic", 2)], P, loss_tag=3.0, step=1)
    M, _ = recall(pool, [ClipKey("attic", 3)], persons([1]), err=1.0, reach=1)
    assert M.features.dtype == torch.float32
    assert_allclose(M.features[0, :2], P.features[0] / 3, rtol=2e-3)


def test_videos_and_seconds_without_a_place_are_named():
    pool = make_pool()
    with pytest.raises(InputError, match="cellar: not a video of this memory pool"):
        recall(pool, [ClipKey("cellar", 1)], persons([1]), err=1.0, reach=1)
    for key in (ClipKey("attic", 7), ClipKey("cellar", 1)):
        with pytest.raises(InputError, match=f"{key.video}, second {key.t}: .* no place"):
            pool.write([key], persons([1]), loss_tag=1.0, step=1)


# all of it, against a dictionary


class DictPool:
    """What Algorithm 1 says, one clip and one person at a time."""

    def __init__(self, persons_per_clip):
        self.slots, self.content = persons_per_clip, {}

    def write(self, key, features, loss_tag):
        self.content[key] = (features[: self.slots].clone(), loss_tag)

    def read(self, key, fresh, err, reach, rate, penalty):
        rows, filled = [], []
        for t in range(key.t - reach * rate, key.t + reach * rate + 1, rate):
            features, w = fresh[: self.slots], 1.0
            if t != key.t:
                features, loss_tag = self.content.get(ClipKey(key.video, t), (fresh[:0], 1.0))
                if penalty:
                    w = min(err / loss_tag, loss_tag / err)
            for slot in range(self.slots):
                there = slot < len(features)
                rows.append(w * features[slot] if there else torch.zeros(D))
                filled.append(there)
        return torch.stack(rows), torch.tensor(filled)


clip_keys = st.sampled_from(sorted(SECONDS)).flatmap(
    lambda video: st.integers(*SECONDS[video]).map(lambda t: ClipKey(video, t))
)
batches = st.lists(st.tuples(clip_keys, st.integers(0, 5)), max_size=5)


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(st.tuples(batches, st.sampled_from([0.25, 1.0, 4.0])), max_size=6),
    reach=st.integers(0, 4),
    rate=st.integers(1, 3),
    penalty=st.booleans(),
    reuse=st.booleans(),
)
def test_any_run_of_reads_and_writes_equals_a_dictionary(steps, reach, rate, penalty, reuse):
    pool, plain, err = make_pool(), DictPool(3), 2.0
    for step, (batch, loss) in enumerate(steps):
        keys, counts = [key for key, _ in batch], [count for _, count in batch]
        P = persons(counts, most=5, seed=step)
        M, _ = recall(pool, keys, P, err=err, reach=reach, rate=rate, penalty=penalty, reuse=reuse)
        for i, (key, count) in enumerate(batch):
            rows, filled = plain.read(key, P.features[i, :count], err, reach, rate, penalty)
            assert torch.equal(M.features[i], rows)
            assert torch.equal(M.filled[i], filled)
        for i, (key, count) in enumerate(batch):
            plain.write(key, P.features[i, :count], loss)
        pool.write(keys, P, loss_tag=loss, step=step)
        err = loss
    assert pool.features[0].count_nonzero() == 0, "row 0 stays empty"
    assert pool.count[0] == pool.loss_tag[0] == 0


# the authors' numbers


@pytest.fixture(scope="module")
def recorded(golden):
    file = np.load(golden / "memory" / "memory.npz")
    return file, json.loads(str(file["meta"])), runpy.run_path(str(golden / "recipe.py"))["normal"]


@pytest.mark.parametrize(
    "name", ["eval", "train_penalty", "train_nopenalty", "rate2", "train_curloss0"]
)
def test_what_is_read_is_what_the_authors_code_reads(recorded, name):
    file, meta, normal = recorded
    case = next(case for case in meta["cases"] if case["name"] == name)
    pool = FeaturePool(seconds={"A": (10, 17), "B": (9, 25)}, persons_per_clip=3, d=6)
    for movie, t, n, loss_tag in meta["pool"]:
        features = normal(f"memtest:{movie}:{t}", (n, 6, 1, 1, 1)).reshape(1, n, 6)
        P = Slots(torch.from_numpy(features), torch.ones(1, n, dtype=torch.bool))
        pool.write([ClipKey(movie, t)], P, loss_tag=loss_tag, step=1)
    P = Slots(torch.zeros(2, 3, 6), torch.tensor([[True] * 3, [True, False, False]]))
    P.features[P.filled] = torch.from_numpy(file["current"][..., 0, 0, 0])
    before, after = case["mem_len"]
    M, _ = recall(
        pool,
        [ClipKey(*key) for key in zip(case["movie_ids"], case["timestamps"], strict=True)],
        P,
        err=1.0 if case["cur_loss"] is None else case["cur_loss"],
        reach=max(before, after),
        penalty=case["training"] and case["penalty"],
        rate=case["mem_rate"],
    )
    read = M.features.unflatten(1, (-1, 3))[:, max(after - before, 0) :]  # a shorter past there
    assert torch.equal(read.flatten(1, 2), torch.from_numpy(file[name][..., 0, 0, 0]))


@pytest.mark.gpu
def test_neither_reading_nor_writing_makes_the_device_wait():
    pool = make_pool(device="cuda")
    P = Slots(*(x.cuda() for x in persons([2, 5])))
    keys = [ClipKey("attic", 2), ClipKey("attic", 3)]
    err = torch.tensor(2.0, device="cuda")
    try:
        torch.cuda.set_sync_debug_mode("error")
        pool.write(keys, P, loss_tag=err, step=1, draws=numbers(1))
        recall(pool, keys, P, err=err, reach=2, draws=numbers(2), reuse=True)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.gpu
def test_what_a_host_lends_stays_until_a_slow_device_has_taken_it():
    pool = make_pool(device="cpu")
    P = Slots(*(x.cuda() for x in persons([2, 5])))
    keys = [ClipKey("attic", 2), ClipKey("attic", 3)]
    pool.features.fill_(1.0)
    pool.count.fill_(1)
    torch.cuda._sleep(10**9)  # half a second in which nothing that is asked for begins
    first = recall(pool, keys, P, err=1.0, reach=2, penalty=False, reuse=True)
    found = first.slots.features.clone()
    pool.features.fill_(2.0)
    recall(pool, keys, P, err=1.0, reach=2, penalty=False, reuse=True)
    assert not (found == 2.0).any()


def test_a_stream_reads_what_a_pool_of_the_whole_video_would():
    reach, batch, gap = 3, 2, 2
    size = 2 * (reach + batch + gap) + 2
    whole = FeaturePool(seconds={"a": (0, 59)}, persons_per_clip=2, d=D)
    stream = StreamPool(size, persons_per_clip=2, d=D)
    seconds = [t for t in range(60) if t % 7 not in (2, 3)]  # nobody is there now and then
    ready: list[list[ClipKey]] = []
    for start in range(0, len(seconds), batch):
        keys = [ClipKey("a", t) for t in seconds[start : start + batch]]
        P = persons([1 + t % 2 for _, t in keys], most=2, seed=start)
        for pool in (whole, stream):
            pool.write(keys, P, loss_tag=1.0, step=0)
        ready.append(keys)
        while ready and ready[0][-1].t + reach < keys[0].t:
            keys = ready.pop(0)
            found, expected = (
                recall(pool, keys, None, err=1.0, reach=reach, penalty=False).slots
                for pool in (stream, whole)
            )
            assert torch.equal(found.filled, expected.filled)
            assert torch.equal(found.features, expected.features)
    assert len(stream.features) == size + 1
    assert len(ready) < 5, "else nothing was read"
