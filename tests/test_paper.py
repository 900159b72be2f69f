"""What the paper says, claim by claim; each test quotes the sentence it holds the code to."""

import math

import pytest
import torch
from numpy.testing import assert_allclose

from aia.clip import ClipKey, Slots
from aia.config import (
    BackboneConfig,
    MemoryConfig,
    NetworkConfig,
    build_section,
    parse_run,
    read_yaml,
    run_settings,
)
from aia.interact import build_interaction, dense_query
from aia.memory import FeaturePool, recall, trust
from aia.network import build_network
from tests.conftest import REPOSITORY

D = 5


def interaction(structure, blocks, *, steps=3, persons_per_clip=2):
    return build_interaction(
        structure,
        blocks=blocks,
        d_in=D,
        width=7,
        d_out=D,
        dropout=0.2,
        empty_slots="mask",
        max_persons=11,
        max_objects=5,
        steps=steps,
        persons_per_clip=persons_per_clip,
        positions="smooth",
        zero_output=False,
    ).eval()


def some(*counts):
    filled = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    return Slots(torch.randn(*filled.shape, D) * filled[..., None], filled)


# §3.1


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_memory_features_are_the_persons_of_2l_plus_1_consecutive_clips(reach):
    """M_t = [P_{t-L}, ..., P_t, ..., P_{t+L}]; (2L + 1) is the clip-wise reception field."""
    pool = FeaturePool(seconds={"film": (0, 10)}, persons_per_clip=2, d=D)
    of_second = {t: some(2) for t in range(11)}
    for t, P in of_second.items():
        pool.write([ClipKey("film", t)], P, loss_tag=1.0, step=1)
    M, _ = recall(pool, [ClipKey("film", 5)], of_second[5], err=1.0, reach=reach)
    clips = M.features.unflatten(1, (-1, 2))[0]
    assert len(clips) == 2 * reach + 1
    for offset in range(-reach, reach + 1):
        assert torch.equal(clips[reach + offset], of_second[5 + offset].features[0])


# §3.2


@torch.no_grad()
def test_a_p_block_takes_the_key_value_input_the_same_as_the_query_input():
    """We take the key/value input the same as the query input."""
    network = interaction("serial", "OP")
    P, O = some(3), some(2)
    seen = []
    network.stack["P1"].register_forward_pre_hook(lambda _, inputs: seen.extend(inputs))
    network(P, O, None)
    Q, X = seen
    assert torch.equal(X.features, Q)
    assert not torch.equal(Q, network.reduce["person"](P.features)), "enhanced by O before"


@torch.no_grad()
def test_where_objects_are_too_many_the_best_are_kept():
    """In the case where detected objects are too many, we sample based on detection scores."""
    network, P, best_first = interaction("serial", "O"), some(3), some(7)
    kept = Slots(best_first.features[:, :5], best_first.filled[:, :5])
    assert torch.equal(network(P, best_first, None), network(P, kept, None))


@torch.no_grad()
def test_a_branch_of_parallel_ia_is_without_the_knowledge_of_other_interactions():
    """Each branch treats one type of interactions without the knowledge of other interactions."""
    P, O, others = some(3), some(2), some(4)
    parallel, serial = interaction("parallel", "OP"), interaction("serial", "OP")

    def attention_of_p(network, objects):
        return network.forward_with_attention(P, objects, None).attention["P1"]

    assert torch.equal(attention_of_p(parallel, O), attention_of_p(parallel, others))
    assert not torch.equal(attention_of_p(serial, O), attention_of_p(serial, others))


def test_the_dense_query_is_a_weighted_sum_of_all_earlier_outputs():
    """Q_{t,i} = Σ_{j∈C} W_j ⊙ E_{t,j} (Eq. 1), W_j normalized with a Softmax among C."""
    E, W = torch.randn(3, 2, D), torch.randn(3, D)
    for person in range(2):
        for channel in range(D):
            weights = [math.exp(float(w)) for w in W[:, channel]]
            expected = sum(
                w * float(e) for w, e in zip(weights, E[:, person, channel], strict=True)
            )
            found = dense_query(E, W)[person, channel]
            assert found.item() == pytest.approx(expected / sum(weights), rel=1e-5)


@torch.no_grad()
def test_each_dense_block_takes_all_the_outputs_of_previous_blocks():
    """Each interaction block takes all the outputs of previous blocks and aggregates them."""
    dense = interaction("dense", "POPOP")
    assert [len(dense.W[str(i)]) for i in (2, 3, 4)] == [2, 3, 4]
    for W in dense.W.values():
        W.zero_()  # all alike
    outputs, queries = [], []
    for block in dense.stack.values():
        block.register_forward_pre_hook(lambda _, inputs: queries.append(inputs[0]))
        block.register_forward_hook(lambda *call: outputs.append(call[-1].E))
    dense(some(3), some(2), None)
    for i in (2, 3, 4):
        assert_allclose(queries[i], torch.stack(outputs[:i]).mean(dim=0), rtol=1e-4, atol=1e-6)


# §3.3


def test_the_penalty_is_close_to_one_when_the_losses_are_and_zero_before_anything_was_written():
    """w = min{err / δ, δ / err} (Eq. 2), very close to 1 when the difference is small."""
    assert trust(err=0.2, loss_tag=0.4) == 0.5
    assert trust(err=0.4, loss_tag=0.2) == 0.5
    assert trust(err=1.0, loss_tag=1.0) == 1.0
    assert trust(err=1.0, loss_tag=1.01) > 0.99
    assert trust(err=math.inf, loss_tag=0.0) == 0.0  # lines 1 and 2 of Algorithm 1


def test_the_penalty_scales_the_memory_and_not_the_present():
    """P̂_{t'} ← w_{t'} P̂_{t'} for t' ≠ t; P_t itself is taken as it is (lines 6, 9 and 13)."""
    pool = FeaturePool(seconds={"film": (0, 2)}, persons_per_clip=2, d=D)
    old, now = some(2), some(2)
    for t, loss_tag in ((0, 4.0), (1, 4.0), (2, 0.5)):
        pool.write([ClipKey("film", t)], old, loss_tag=loss_tag, step=1)
    M, _ = recall(pool, [ClipKey("film", 1)], now, err=1.0, reach=1)
    before, present, after = M.features.unflatten(1, (3, 2))[0]
    assert torch.equal(before, old.features[0] / 4)
    assert torch.equal(present, now.features[0])
    assert torch.equal(after, old.features[0] / 2)


def test_the_memory_holds_estimated_features_and_takes_no_gradient():
    """We forward and backward one clip, however long the memory: nothing of it is trained."""
    pool = FeaturePool(seconds={"film": (0, 2)}, persons_per_clip=2, d=D)
    P = some(2)
    P.features.requires_grad_()
    pool.write([ClipKey("film", 0)], P, loss_tag=1.0, step=1)
    M, _ = recall(pool, [ClipKey("film", 1)], P, err=1.0, reach=1)
    assert not M.features.requires_grad
    interaction("serial", "M")(P, None, M).sum().backward()
    assert P.features.grad is not None, "the query is trained"


def parameters(name):
    """Of a run's network, as many as it has at the paper's size."""
    run = parse_run(f"slowfast_r50_4x16-{name}-s0-paper")
    raw = run_settings(read_yaml(REPOSITORY / "config.yaml"), run)
    with torch.device("meta"):
        network = build_network(
            backbone=build_section(BackboneConfig, raw["backbones"][run.backbone], "backbone"),
            frozen_norm=True,
            structure=run.structure,
            blocks=run.blocks,
            network=build_section(NetworkConfig, raw["network"], "network"),
            memory=build_section(MemoryConfig, raw["memory"], "m") if "memory" in raw else None,
            classes=80,
            bank=run.memory == "frozen",
        )
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("name", "ratio"), [("lfb-MM-amu", 1.18), ("serial-POMPOM-amu", 1.35)])
def test_table_1e_counts_the_parameters_of_lfb_and_ia(name, ratio):
    """LFB (w/ AMU) 1.18x, IA (w/ AMU) 1.35x: LFB are two M-Blocks, as wide as IA's."""
    assert parameters(name) / parameters("none") == pytest.approx(ratio, abs=0.01)


@pytest.mark.parametrize("name", ["lfb-MM", "serial-POMPOM"])
def test_amu_does_with_nearly_half_of_the_parameters(name):
    """2.18x to 1.18x, 2.35x to 1.35x: the frozen bank needs a second network.

    The paper counts the whole baseline; the backbone, all that fills a bank, is nine tenths of it.
    """
    second = parameters(f"{name}-frozen") - parameters(f"{name}-amu")
    assert 0.9 < second / parameters("none") < 1.0
