"""One interaction block: by hand, against a loop over persons and slots, and its symmetries."""

import math

import pytest
import torch
from numpy.testing import assert_allclose

from aia.clip import Slots
from aia.interact import InteractionBlock
from aia.interact.block import fit_slots, smooth_positions

D = 7


def make_block(*, d_out=D, empty_slots="mask", steps=None, **changes):
    positions = None if steps is None else (torch.randn(steps, D), torch.randn(steps, D))
    block = InteractionBlock(
        width=D,
        d_out=d_out,
        dropout=0.0,
        empty_slots=empty_slots,
        zero_output=False,
        positions=positions,
        **changes,
    ).eval()
    for name, parameter in block.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return block


def slow(block, person, slots, seconds):
    """The block for one person, slot by slot, with keys and values of every slot."""
    Q = block.query(person)
    logits, values = [], []
    for x, second in zip(slots, seconds, strict=True):
        K, V = block.key(x), block.value(x)
        if block.position_key is not None:
            K, V = K + block.position_key[second], V + block.position_value[second]
        logits.append(float(Q @ K) / math.sqrt(D))
        values.append(V)
    gain = torch.zeros(block.out.out_features)
    if values:
        top = max(logits)
        weights = [math.exp(logit - top) for logit in logits]
        attended = sum(w / sum(weights) * V for w, V in zip(weights, values, strict=True))
        centred = attended - attended.mean()
        gain = block.out((centred / (centred.square().mean() + 1e-5).sqrt()).clamp(min=0))
    return block.shortcut(person) + gain


@pytest.mark.parametrize("steps", [None, 3], ids=["plain", "with positions"])
@pytest.mark.parametrize("d_out", [D, 11], ids=["same width", "wider"])
@pytest.mark.parametrize("empty_slots", ["mask", "attend"])
@torch.no_grad()
def test_a_block_does_what_a_loop_over_persons_and_slots_does(slots, empty_slots, d_out, steps):
    block = make_block(d_out=d_out, empty_slots=empty_slots, steps=steps)
    P, X = slots([2, 5, 1], d=D).features, slots([6, 0, 4], d=D)
    found = block(P, X).E
    second = [slot // 2 for slot in range(6)]  # two slots a second
    for clip in range(3):
        kept = [i for i in range(6) if X.filled[clip, i] or empty_slots == "attend"]
        for i, person in enumerate(P[clip]):
            expected = slow(block, person, X.features[clip, kept], [second[j] for j in kept])
            assert_allclose(found[clip, i], expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_attention_by_hand():
    """Queries and keys as they are, d = 1: softmax of (0, 1)."""
    block = InteractionBlock(
        width=1, d_out=1, dropout=0.0, empty_slots="mask", zero_output=False
    ).eval()
    for layer in (block.query, block.key):
        layer.weight.fill_(1.0)
    X = Slots(torch.tensor([[[0.0], [1.0], [0.0]]]), torch.tensor([[True, True, False]]))
    attention = block(torch.tensor([[[1.0]]]), X).attention[0, 0]
    assert_allclose(attention, [1 / (1 + math.e), math.e / (1 + math.e), 0])


@pytest.mark.parametrize("slot_count", [0, 6], ids=["no slots", "empty slots"])
def test_persons_gain_exactly_nothing_from_a_clip_without_slots(slots, slot_count):
    block = make_block(steps=3 if slot_count else None)
    P = slots([3, 2], d=D).features.requires_grad_()
    E = block(P, slots([0, 0], most=slot_count, d=D)).E
    assert torch.equal(E, P)
    E.sum().backward()
    for name, parameter in block.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.count_nonzero() == 0, name


@torch.no_grad()
def test_other_clips_of_the_batch_make_no_difference(slots):
    block = make_block()
    P, X = slots([2, 5, 3], d=D).features, slots([1, 0, 5], d=D)
    together = block(P, X).E
    for clip in range(3):
        alone = block(P[clip : clip + 1], Slots(X.features[clip : clip + 1], X.filled[[clip]])).E
        assert_allclose(together[clip : clip + 1], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("empty_slots", ["mask", "attend"])
@torch.no_grad()
def test_the_order_of_slots_makes_no_difference_and_that_of_persons_is_kept(slots, empty_slots):
    block = make_block(empty_slots=empty_slots)
    P, X = slots([5], d=D).features, slots([3], most=4, d=D)
    E, attention = block(P, X)
    order, place = torch.tensor([2, 0, 3, 1]), torch.tensor([4, 2, 0, 1, 3])
    moved = block(P[:, place], Slots(X.features[:, order], X.filled[:, order]))
    assert_allclose(moved.E, E[:, place], rtol=1e-5, atol=1e-6)
    assert_allclose(moved.attention, attention[:, place][..., order], rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_what_lies_in_an_empty_slot_is_not_seen_when_masked(slots):
    block, P, X = make_block(), slots([5], d=D).features, slots([3], most=4, d=D)
    other = X.features.clone()
    other[0, 3] = 1e6
    assert torch.equal(block(P, X).E, block(P, Slots(other, X.filled)).E)


@torch.no_grad()
def test_attention_sums_to_one_where_there_is_something_to_see(slots):
    X = slots([3, 0], most=4, d=D)
    masked = make_block()(slots([5, 5], d=D).features, X).attention
    assert_allclose(masked.sum(dim=-1), [[1.0] * 5, [0.0] * 5], rtol=1e-6)
    assert masked[0, :, 3].count_nonzero() == 0
    attending = make_block(empty_slots="attend")(slots([5, 5], d=D).features, X).attention
    assert_allclose(attending.sum(dim=-1), torch.ones(2, 5), rtol=1e-6)


@torch.no_grad()
def test_positions_tell_the_order_of_seconds(slots):
    block, P = make_block(steps=3), slots([1], d=D).features
    X = slots([6], d=D)
    backwards = Slots(X.features.unflatten(1, (3, 2)).flip(1).flatten(1, 2), X.filled)
    assert not torch.allclose(block(P, X).E, block(P, backwards).E, atol=1e-3)


def test_half_precision_masks_without_nan(slots):
    block = make_block().to(torch.float16)
    X = slots([2, 0], d=D)
    P = slots([1, 1], d=D).features.half()
    E, attention = block(P, Slots(X.features.half(), X.filled))
    assert E.isfinite().all()
    assert torch.equal(E[1], P[1])
    assert attention[1].count_nonzero() == 0


def test_a_block_can_start_as_the_identity(slots):
    block = InteractionBlock(width=D, d_out=D, dropout=0.3, empty_slots="mask", zero_output=True)
    P = slots([3], d=D).features
    assert torch.equal(block(P, slots([4], d=D)).E, P)


def test_slots_are_cut_and_filled_up(slots):
    X = slots([4, 2], d=D)
    assert fit_slots(X, 3, pad=False).filled.sum(dim=1).tolist() == [3, 2]
    assert fit_slots(X, 5, pad=False).filled.shape == (2, 4)
    padded = fit_slots(X, 5, pad=True)
    assert padded.filled.sum(dim=1).tolist() == [4, 2]
    assert padded.features.shape == (2, 5, D)
    assert padded.features[:, 4].count_nonzero() == 0


def test_smooth_positions_are_alike_for_neighbours_and_do_not_single_out_the_present():
    smooth = smooth_positions(61, 499)
    jump = smooth.diff(dim=0).norm(dim=1)
    apart = (smooth[0] - smooth[-1]).norm()
    assert jump.max() < apart / 2
    assert jump[29:31].max() < 1.2 * jump.max()
    curve = smooth.diff(n=2, dim=0).norm(dim=1)
    marked = smooth_positions(61, 499, present_indicator=True).diff(n=2, dim=0).norm(dim=1)
    assert marked.argmax() == 29, "the bend at the present second"
    assert curve[29] < 1.1 * curve[:25].max()
    assert marked[29] > 3 * marked[:25].max()
    assert smooth_positions(1, 5).isfinite().all()
