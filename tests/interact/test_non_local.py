"""The Non-local baseline: persons look at every place of the clip."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from aia.interact import NonLocal


@pytest.fixture
def block():
    def block_(**changes):
        sizes = {"d_in": 11, "width": 7, "d_out": 13, "dropout": 0.0, "zero_output": False}
        network = NonLocal(**sizes | changes)
        for name, parameter in network.named_parameters():
            if name.endswith("bias"):
                torch.nn.init.normal_(parameter, std=0.3)
        return network.eval()

    return block_


@torch.no_grad()
def test_the_embedded_gaussian_by_hand(block, slots):
    network = block()
    P, X = slots([3]), slots([5])
    layers = (network.theta, network.phi, network.g, network.out)
    w = [layer.weight.double().numpy() for layer in layers]
    b = [layer.bias.double().numpy() for layer in layers]
    p, x = (s.features[0].double().numpy() for s in (P, X))
    logits = (p @ w[0].T + b[0]) @ (x @ w[1].T + b[1]).T / np.sqrt(7)
    attention = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = (attention @ (x @ w[2].T + b[2])) @ w[3].T + b[3]
    assert_allclose(network(P, X)[0], expected, rtol=1e-4, atol=1e-6)


def test_without_persons_it_gives_nothing_and_empty_persons_gain_nothing(block, slots):
    network = block()
    assert network(slots([0, 0]), slots([5, 3])).shape == (2, 0, 13)
    A = network(slots([1, 3]), slots([5, 3]))
    assert A[0, 0].all()
    assert not A[0, 1:].any()


@torch.no_grad()
def test_the_padding_of_a_clip_gets_no_attention(block, slots):
    network = block()
    P, X = slots([2, 2]), slots([5, 3])
    disturbed = X._replace(features=X.features + 100.0 * ~X.filled[..., None])
    assert torch.equal(network(P, X), network(P, disturbed))


@torch.no_grad()
def test_the_order_of_the_places_does_not_matter(block, slots):
    network = block()
    P, X = slots([2]), slots([5])
    turned = X._replace(features=X.features.flip(1))
    assert_allclose(network(P, turned), network(P, X), rtol=1e-4, atol=1e-6)


def test_every_weight_learns_but_the_one_that_softmax_ignores(block, slots):
    network = block()
    network(slots([3]), slots([5])).square().sum().backward()
    grads = {name: p.grad.abs().max().item() for name, p in network.named_parameters()}
    assert grads.pop("phi.bias") < 1e-5  # the same for every place
    assert min(grads.values()) > 1e-5


def test_with_a_zero_output_it_starts_as_nothing(block, slots):
    network = NonLocal(d_in=11, width=7, d_out=13, dropout=0.0, zero_output=True)
    assert not network(slots([3]), slots([5])).any()


def test_without_a_map_it_says_so(block, slots):
    with pytest.raises(ValueError, match="places of a map"):
        block()(slots([3]), None)
