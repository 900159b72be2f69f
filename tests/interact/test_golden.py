"""The authors' numbers: their structures with recorded weights, inputs, attention, gradients."""

import json
import runpy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from aia.clip import ClipKey, Slots
from aia.interact import build_interaction
from aia.memory import FeaturePool, recall
from aia.weights.alphaction import interaction_key, load_interaction

CASES = [
    *("serial", "serial_P", "serial_O", "serial_M", "serial_OMP"),
    *("dense", "dense_POM", "parallel", "parallel_1"),
]


def slots(flat, counts, most=None):
    """Rows of all clips, one after the other, as slots."""
    most = max(counts) if most is None else most
    features = torch.zeros(len(counts), most, flat.shape[1])
    filled = torch.arange(most) < torch.tensor(counts).view(-1, 1)
    features[filled] = torch.from_numpy(flat.reshape(len(flat), -1))
    return Slots(features, filled)


class Case:
    """One recorded run."""

    def __init__(self, path):
        self.file = np.load(path)
        config = json.loads(str(self.file["config"]))
        layers = config["I_BLOCK_LIST"]
        self.network = build_interaction(
            config["STRUCTURE"],
            blocks="".join(sum(layers, []) if isinstance(layers[0], list) else layers),
            d_in=config["DIM_IN"],
            width=config["DIM_INNER"],
            d_out=config["DIM_OUT"],
            dropout=config["DROPOUT"],
            empty_slots="attend",
            max_persons=config["MAX_PERSON"],
            max_objects=config["MAX_OBJECT"],
            steps=sum(config["LENGTH"]) + 1,
            persons_per_clip=config["MAX_PER_SEC"],
            positions="zero",
            zero_output=config["USE_ZERO_INIT_CONV"],
        ).eval()
        reference = {
            key.removeprefix("sd."): torch.from_numpy(self.file[key])
            for key in self.file
            if key.startswith("sd.")
        }
        self.placed = load_interaction(self.network, reference, source=str(path))
        persons = self.file["in.persons_per_clip"].tolist()
        self.P = slots(self.file["in.person"][..., 0, 0, 0], persons)
        self.O = slots(
            self.file["in.object"][..., 0, 0, 0], self.file["in.objects_per_clip"].tolist()
        )
        memory = torch.from_numpy(self.file["in.memory"][..., 0, 0, 0])
        self.M = Slots(memory, memory.abs().sum(dim=-1) > 0)

    def run(self):
        for features in (self.P.features, self.O.features, self.M.features):
            features.requires_grad_()
        return self.network.forward_with_attention(self.P, self.O, self.M)


@pytest.fixture(params=CASES)
def case(request, golden):
    return Case(golden / "ia" / f"{request.param}.npz")


def ours(block):
    """`P_block_2` is P2 here."""
    return block.replace("_block_", "")


def test_the_output_is_the_authors(case):
    A = case.run().A[case.P.filled]
    assert_allclose(A.detach(), case.file["out"][..., 0, 0, 0], rtol=1e-5, atol=1e-5)


def test_the_attention_of_every_block_is_the_authors(case):
    attention = case.run().attention
    recorded = {key.split(".")[1]: key for key in case.file if key.endswith(".attn")}
    assert {ours(block) for block in recorded} == set(attention)
    for block, key in recorded.items():
        found = attention[ours(block)][case.P.filled].detach()
        assert_allclose(found, case.file[key], rtol=1e-5, atol=1e-6, err_msg=block)


def test_the_output_of_every_block_is_the_authors(case):
    outputs = {}
    for name, block in case.network.stack.items():
        block.register_forward_hook(lambda *args, name=name: outputs.update({name: args[-1].E}))
    case.run()
    for key in case.file:
        if key.startswith("mid.") and key.endswith(".out"):
            found = outputs[ours(key.split(".")[1])][case.P.filled].detach()
            assert_allclose(found, case.file[key], rtol=1e-5, atol=1e-5, err_msg=key)


def test_the_gradients_are_the_authors(case):
    A = case.run().A[case.P.filled]
    (A * torch.from_numpy(case.file["out_grad"][..., 0, 0, 0])).sum().backward()

    def check(features, recorded):
        if recorded.size:
            assert_allclose(features, recorded[..., 0, 0, 0], rtol=1e-5, atol=1e-5)

    check(case.P.features.grad[case.P.filled], case.file["grad.person"])
    if case.O.features.grad is not None:
        check(case.O.features.grad[case.O.filled], case.file["grad.object"])
    if case.M.features.grad is not None:
        check(case.M.features.grad, case.file["grad.memory"])

    parameters = dict(case.network.named_parameters())
    for name in case.placed.taken:
        total, norm = case.file[f"gradsum.{name}"]
        grad = parameters[interaction_key(name)].grad
        assert float(grad.norm()) == pytest.approx(float(norm), rel=1e-5, abs=1e-5), name
        assert float(grad.sum()) == pytest.approx(
            float(total), rel=1e-5, abs=1e-5 * max(1.0, norm)
        ), name


def test_only_a_key_reduction_that_is_never_used_is_left_over(case):
    unused = case.network.blocks == "OMP"
    weights = ["person_key_dim_reduce.weight", "person_key_dim_reduce.bias"]
    assert case.placed.left_over == (weights if unused else [])


def test_the_released_network_at_full_size_reads_and_attends_as_the_authors_does(golden):
    """Dense serial at its 38 M weights with 61 seconds of memory, from recorded RoI features."""
    recipe = runpy.run_path(str(golden / "recipe.py"))
    file = np.load(golden / "detector" / "R50_denseserial.npz")
    entries = json.loads((golden / "keys" / "R50_denseserial.json").read_text())["entries"]
    reference = {
        key: torch.from_numpy(recipe["weight"](key, shape))
        for key, shape, _ in entries
        if "ia_structure." in key
    }
    network = build_interaction(
        "dense",
        blocks="POMPOM",
        d_in=2304,
        width=1024,
        d_out=2304,
        dropout=0.2,
        empty_slots="attend",
        max_persons=25,
        max_objects=5,
        steps=61,
        persons_per_clip=5,
        positions="zero",
        zero_output=True,
    ).eval()
    assert load_interaction(network, reference, source="recipe").left_over == []

    P = slots(file["person_pooled"], [3, 2, 1])
    O = slots(file["object_pooled"], [2, 1, 0])
    pool = FeaturePool(
        seconds={"movA": (870, 944), "movB": (1150, 1231)}, persons_per_clip=5, d=2304
    )
    for (movie, t), n in recipe["memory_timestamps"]().items():
        features = recipe["memory_feature"](movie, t, n)[..., 0, 0, 0]
        pool.write([ClipKey(movie, t)], slots(features, [n]), loss_tag=1.0, step=0)
    keys = [ClipKey(movie, t) for _, _, _, movie, t in recipe["CLIPS"]]
    M, _ = recall(pool, keys, P, err=1.0, reach=30, penalty=False)
    assert_allclose(M.features[..., :4], file["mem.slot_first4"], rtol=1e-5)
    assert_allclose(M.features.sum(dim=-1), file["mem.slot_sum"], rtol=1e-5)

    with torch.no_grad():
        A, attention = network.forward_with_attention(P, O, M)
    for key in file:
        if key.endswith(".attn"):
            found = attention[ours(key.split(".")[1])][P.filled]
            assert_allclose(found, file[key], rtol=1e-3, atol=1e-5, err_msg=key)
    out = file["ia.out"]
    assert_allclose(A[P.filled], out, rtol=1e-4, atol=1e-4 * np.abs(out).max())
