"""The structures: how their blocks hang together, with any blocks, on any batch."""

import math

import pytest
import torch
from numpy.testing import assert_allclose

from aia.clip import Slots
from aia.errors import InputError
from aia.interact import build_interaction, dense_query

STRUCTURES = pytest.mark.parametrize("structure", ["serial", "dense", "parallel"])
WORDS = pytest.mark.parametrize(
    "blocks", ["P", "O", "M", "PO", "OM", "PM", "OMP", "POMPOM", "MMPPO"]
)
EMPTY = pytest.mark.parametrize("empty_slots", ["mask", "attend"])
COUNTS = [[2, 1, 0], [0, 2, 1]]  # remembered persons of three seconds, of two clips


@STRUCTURES
@WORDS
@EMPTY
def test_any_blocks_map_persons_to_d_out_and_every_weight_learns(
    build, slots, memory, structure, blocks, empty_slots
):
    network = build(structure, blocks, empty_slots=empty_slots)
    P = slots([3, 2])
    A, attention = network.forward_with_attention(P, slots([2, 1]), memory(COUNTS))
    assert A.shape == (2, 3, 13)
    assert len(attention) == len(blocks)
    A.square().sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert silent == []


@STRUCTURES
@EMPTY
def test_a_batch_without_persons_or_without_clips_gives_nothing(
    build, slots, memory, structure, empty_slots
):
    network = build(structure, empty_slots=empty_slots)
    assert network(slots([0, 0]), slots([2, 1]), memory(COUNTS)).shape == (2, 0, 13)
    none = Slots(torch.zeros(0, 6, 11), torch.zeros(0, 6, dtype=torch.bool))
    assert network(slots([], most=2), slots([], most=1), none).shape == (0, 2, 13)
    A = network(slots([0, 2]), slots([2, 1]), memory(COUNTS))
    assert A[0].count_nonzero() == 0


@STRUCTURES
@torch.no_grad()
def test_a_clip_without_objects_leaves_its_persons_as_they_are(build, slots, structure):
    """Without change of width, so that an O-Block has no other image of the person."""
    network = build(structure, "O", d_out=7)
    P = slots([3, 2])
    for objects in (slots([0, 0]), slots([0, 0], most=4)):
        reduced = network.reduce["person"](P.features) * P.filled[..., None]
        assert torch.equal(network(P, objects, None), reduced)


@torch.no_grad()
def test_a_clip_without_memory_skips_its_m_blocks(build, slots, memory):
    with_memory = build("serial", "POM", d_out=7)
    without = build("serial", "PO", d_out=7)
    without.load_state_dict(with_memory.state_dict(), strict=False)
    P, O = slots([3, 2]), slots([2, 1])
    assert_allclose(with_memory(P, O, memory([[0] * 3] * 2)), without(P, O, None), rtol=1e-6)


@STRUCTURES
@EMPTY
@torch.no_grad()
def test_persons_of_other_clips_and_empty_slots_make_no_difference(
    build, slots, memory, structure, empty_slots
):
    network = build(structure, empty_slots=empty_slots)
    P, O, M = slots([3, 2]), slots([1, 2]), memory(COUNTS)
    together = network(P, O, M)
    for clip, (persons, objects) in enumerate([(3, 1), (2, 2)]):

        def only(X, count, clip=clip):
            return Slots(X.features[[clip], :count], X.filled[[clip], :count])

        alone = network(only(P, persons), only(O, objects), only(M, 6))
        assert_allclose(together[[clip], :persons], alone, rtol=1e-4, atol=1e-5)


@STRUCTURES
@EMPTY
@torch.no_grad()
def test_the_order_of_persons_objects_and_of_those_remembered_of_a_second_makes_no_difference(
    build, slots, memory, structure, empty_slots
):
    network = build(structure, empty_slots=empty_slots)
    P, O, M = slots([5]), slots([3]), memory([[2, 2, 2]])
    order, objects = torch.tensor([4, 2, 0, 1, 3]), torch.tensor([2, 0, 1])
    moved = network(
        Slots(P.features[:, order], P.filled),
        Slots(O.features[:, objects], O.filled),
        Slots(M.features.unflatten(1, (3, 2)).flip(2).flatten(1, 2), M.filled),
    )
    assert_allclose(moved, network(P, O, M)[:, order], rtol=1e-4, atol=1e-5)


@EMPTY
@torch.no_grad()
def test_more_persons_and_objects_than_slots_are_cut_alike_at_every_call(build, slots, empty_slots):
    network = build("serial", "PO", empty_slots=empty_slots, max_persons=3, max_objects=2)
    P, O = slots([5]), slots([4])
    A, attention = network.forward_with_attention(P, O, None)
    assert attention["P1"].shape == (1, 5, 3)
    assert attention["O1"].shape == (1, 5, 2)
    assert torch.equal(network(P, O, None), A)
    fewer = network(P, Slots(O.features[:, :2], O.filled[:, :2]), None)
    assert torch.equal(fewer, A)


@torch.no_grad()
def test_empty_slots_that_attend_are_as_many_as_the_maximum(build, slots, memory):
    network = build(empty_slots="attend")
    _, attention = network.forward_with_attention(slots([3, 2]), slots([2, 1]), memory(COUNTS))
    sizes = {name: weights.shape[-1] for name, weights in attention.items()}
    assert sizes == {"P1": 17, "O1": 5, "M1": 6, "P2": 17, "O2": 5, "M2": 6}
    assert (attention["O1"][1, :2, 1:] > 0).all()


@torch.no_grad()
def test_masked_slots_are_no_more_than_the_batch_needs(build, slots, memory):
    _, attention = build().forward_with_attention(slots([3, 2]), slots([2, 1]), memory(COUNTS))
    assert attention["P1"].shape[-1] == 3
    assert attention["O1"].shape[-1] == 2
    assert attention["M2"][0, 0].count_nonzero() == 3


# Eq. 1


def test_the_dense_query_by_hand():
    """Softmax over the blocks of (0, log 3) is (1/4, 3/4), channel by channel."""
    E = torch.tensor([[[4.0, 8.0]], [[0.0, 4.0]]])  # two blocks, one person, two channels
    W = torch.tensor([[0.0, math.log(3)], [math.log(3), 0.0]])
    assert_allclose(dense_query(E, W), [[1.0, 7.0]], rtol=1e-6)


@torch.no_grad()
def test_dense_serial_starts_as_serial(build, slots, memory):
    dense, serial = build("dense"), build("serial")
    state = dense.state_dict()
    serial.load_state_dict({key: state[key] for key in serial.state_dict()})
    inputs = slots([3, 2]), slots([2, 1]), memory(COUNTS)
    assert_allclose(dense(*inputs), serial(*inputs), rtol=1e-3, atol=1e-4)
    assert {key: tuple(W.shape) for key, W in dense.W.items()} == {
        str(i): (i, 7) for i in range(2, 6)
    }


@torch.no_grad()
def test_a_dense_block_may_ask_with_any_earlier_block(build, slots, memory):
    """All weight on the first block: what lies between does not reach the last one."""
    dense = build("dense", "POM")
    dense.W["2"].copy_(torch.tensor([[1e4], [0.0]]).expand(2, 7))
    skipping = build("serial", "PM")
    state = dense.state_dict()
    skipping.load_state_dict({key: state[key] for key in skipping.state_dict()})
    P, O, M = slots([3, 2]), slots([2, 1]), memory(COUNTS)
    assert_allclose(dense(P, O, M), skipping(P, None, M), rtol=1e-4, atol=1e-5)


# parallel


@torch.no_grad()
def test_parallel_chains_do_not_know_each_other(build, slots, memory):
    parallel = build("parallel", "POMPOM")
    state = parallel.state_dict()
    P, O, M = slots([3, 2]), slots([2, 1]), memory(COUNTS)
    total = 0
    for kind in "POM":
        chain = build("serial", kind * 2)
        chain.load_state_dict({key: state[key] for key in chain.state_dict()})
        total = total + chain(P, O, M)
    assert_allclose(parallel(P, O, M), total, rtol=1e-4, atol=1e-5)


# keys of the P-Blocks


@pytest.mark.parametrize(
    ("structure", "blocks", "own_key"),
    [
        ("serial", "POM", True),
        ("serial", "OMP", False),
        ("dense", "OMP", False),
        ("parallel", "OMP", True),
        ("parallel", "OM", False),
    ],
)
def test_only_a_p_block_of_raw_persons_has_a_key_reduction(build, structure, blocks, own_key):
    assert ("person_key" in build(structure, blocks).reduce) is own_key


def test_dropout_is_for_training_alone(build, slots, memory):
    network = build(dropout=0.5)
    inputs = slots([3, 2]), slots([2, 1]), memory(COUNTS)
    assert torch.equal(network(*inputs), network(*inputs))
    network.train()
    assert not torch.equal(network(*inputs), network(*inputs))


# errors


@pytest.mark.parametrize("blocks", ["", "PXM", "pom"])
def test_a_word_of_other_letters_is_refused(build, blocks):
    with pytest.raises(InputError, match="expected a word of P, O and M"):
        build("serial", blocks)


def test_what_does_not_fit_is_named(build, slots, memory):
    with pytest.raises(InputError, match="'series' is not a structure of IA"):
        build_interaction("series", blocks="P")
    with pytest.raises(InputError, match="max_objects is 0"):
        build("serial", "PO", max_objects=0)
    with pytest.raises(ValueError, match="attends to memory, but got none"):
        build("serial", "PM")(slots([1]), None, None)
    with pytest.raises(ValueError, match="got 6 slots of memory, expected 10"):
        build("serial", "PM", steps=5)(slots([1]), None, memory([[1, 0, 0]]))


@torch.no_grad()
@EMPTY
def test_lfb_is_serial_m_blocks_without_temporal_positions(build, slots, memory, empty_slots):
    lfb = build("lfb", "MM", empty_slots=empty_slots)
    serial = build("serial", "MM", positions="zero", empty_slots=empty_slots)
    missing, unexpected = serial.load_state_dict(lfb.state_dict(), strict=False)
    assert {name.rpartition(".")[2] for name in missing} == {"position_key", "position_value"}
    assert unexpected == []
    P, M = slots([3, 2]), memory(COUNTS)
    assert_allclose(lfb(P, None, M), serial(P, None, M), rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_lfb_does_not_know_from_which_second_a_memory_is(build, slots, memory):
    P, M = slots([3]), memory([[2, 2, 2]])
    turned = Slots(M.features.flip(1), M.filled)
    lfb, serial = build("lfb", "MM"), build("serial", "MM")
    assert_allclose(lfb(P, None, M), lfb(P, None, turned), rtol=1e-4, atol=1e-6)
    assert (serial(P, None, M) - serial(P, None, turned)).abs().max() > 1e-4
