import math

import pytest
import torch

from aia.clip import ClipKey, Slots
from aia.memory import Asynchronous, FeaturePool, FrozenBank, Memory, NoMemory, PersonDraws
from aia.train.loop import Start, train
from aia.train.loss import action_loss
from tests.train.conftest import batch_of, logistic


def amu(pool: FeaturePool, *, penalty: bool = True) -> Memory:
    return Asynchronous(pool, reach=1, penalty=penalty, draws=PersonDraws(0))


def frozen(pool: FeaturePool) -> Memory:
    return FrozenBank(pool, reach=1, draws=PersonDraws(0))


def steps_of(network, memory, batches, *, rate=0.0, **options):
    return list(
        train(
            network=network,
            memory=memory,
            batches=batches,
            loss_of=action_loss,
            optimizer=torch.optim.SGD([{"params": network.parameters(), "factor": 1.0}], lr=1.0),
            rate_at=lambda step: rate,
            seed=0,
            clip_norm=None,
            **options,
        )
    )


@pytest.fixture
def pool():
    return FeaturePool(seconds={"video": (1, 3)}, persons_per_clip=1, d=1)


def test_algorithm_1_by_hand_on_three_clips(network, pool):
    """The clips 1, 2, 3 have P = 1, 2, 3; L = 1; nothing is learned, so only the memory moves."""
    steps = steps_of(network, amu(pool), [batch_of(2), batch_of(1), batch_of(3), batch_of(2)])

    # Step 1, clip 2: Ω is empty (line 1), M = [0, P_2, 0].
    first = logistic(0.1 * 2 + 0.01 * 2)
    # Step 2, clip 1: P̂_2 was written at the loss that err is now: w = 1. M = [0, P_1, P̂_2].
    second = logistic(0.1 * 1 + 0.01 * (1 + 2))
    # Step 3, clip 3: δ_2 is `first`, err is `second`; M = [w P̂_2, P_3, 0].
    w3 = min(second / first, first / second)
    third = logistic(0.1 * 3 + 0.01 * (2 * w3 + 3))
    # Step 4, clip 2: both neighbours, with δ_1 = second and δ_3 = third = err.
    w4 = min(third / second, second / third)
    fourth = logistic(0.1 * 2 + 0.01 * (1 * w4 + 2 + 3))

    assert [step.loss.item() for step in steps] == pytest.approx([first, second, third, fourth])
    seen = [x for clip in network.seen for x in clip]
    expected = [0, 2, 0, 0, 1, 2, 2 * w3, 3, 0, w4, 2, 3]
    assert seen == pytest.approx(expected)
    assert math.isnan(steps[0].trust.item())
    assert [step.trust.item() for step in steps[1:]] == pytest.approx([1, w3, (1 + w4) / 2])
    assert pool.loss_tag[1:].tolist() == pytest.approx([second, fourth, third])


def test_without_the_penalty_memory_comes_back_as_it_was_written(network, pool):
    steps_of(
        network, amu(pool, penalty=False), [batch_of(2), batch_of(3), batch_of(1), batch_of(2)]
    )
    assert network.seen[-1] == pytest.approx([1, 2, 3])


def test_a_step_writes_what_it_saw_before_it_learned(network, pool):
    steps_of(network, amu(pool), [batch_of(3)], rate=1.0)
    assert network.a.item() != 1.0
    assert pool.features[3].item() == 3.0


def test_the_memory_receives_no_gradient(network, pool):
    steps_of(network, amu(pool), [batch_of(2), batch_of(1)])
    # d loss / d a of clip 1 is through P_1 alone, though M holds P_1 and P̂_2 as well
    x = 0.1 * 1 + 0.01 * (1 + 2)
    assert network.a.grad.item() == pytest.approx(-0.1 / (1 + math.exp(x)))


def test_the_clips_of_a_batch_do_not_see_each_other(network, pool):
    steps_of(network, amu(pool), [batch_of(1, 2, 3)])
    assert network.seen == [[0, 1, 0], [0, 2, 0], [0, 3, 0]]
    assert pool.count.tolist() == [0, 1, 1, 1]


def test_a_resumed_run_weighs_its_memory_by_the_previous_loss(network, pool):
    (before,) = steps_of(network, amu(pool), [batch_of(2)])
    (step,) = steps_of(network, amu(pool), [batch_of(1)], start=Start(1, before.loss))
    assert step.number == 2
    assert step.trust.item() == 1.0


def test_without_a_pool_nothing_is_remembered(network):
    (step,) = steps_of(network, NoMemory(), [batch_of(2)])
    assert network.seen == []
    assert math.isnan(step.trust.item())


@pytest.fixture
def bank():
    """Clips 1 and 3 as a frozen backbone with a = 10 saw them; the second has no person."""
    pool = FeaturePool(seconds={"video": (1, 3)}, persons_per_clip=1, d=1)
    P = Slots(torch.tensor([[[10.0]], [[30.0]]]), torch.ones(2, 1, dtype=torch.bool))
    pool.write([ClipKey("video", 1), ClipKey("video", 3)], P, loss_tag=1.0, step=0)
    return pool


def test_a_frozen_bank_is_full_at_the_first_step_and_the_present_second_fresh(network, bank):
    steps = steps_of(network, frozen(bank), [batch_of(2), batch_of(1), batch_of(3)])
    assert network.seen == [[10, 2, 30], [0, 1, 0], [0, 3, 0]]
    assert all(math.isnan(step.trust.item()) for step in steps)


def test_a_frozen_bank_does_not_change_while_the_network_learns(network, bank):
    before = [tensor.clone() for tensor in (bank.features, bank.count, bank.loss_tag, bank.step)]
    steps_of(network, frozen(bank), [batch_of(2), batch_of(1), batch_of(2)], rate=1.0)
    assert network.a.item() != 1.0
    after = (bank.features, bank.count, bank.loss_tag, bank.step)
    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
    assert network.seen[-1][0::2] == [10, 30]
    assert network.seen[-1][1] != network.seen[0][1]


def test_once_all_is_written_and_nothing_learns_amu_without_penalty_is_a_frozen_bank(network, pool):
    order = [batch_of(3), batch_of(1), batch_of(2)]
    steps_of(network, amu(pool, penalty=False), order)
    network.seen.clear()
    learned = steps_of(network, amu(pool, penalty=False), order)
    seen = list(network.seen)
    network.seen.clear()
    bank = steps_of(network, frozen(pool), order)
    assert network.seen == seen == [[2, 3, 0], [0, 1, 2], [1, 2, 3]]
    assert [step.loss for step in bank] == [step.loss for step in learned]
