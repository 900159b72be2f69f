"""A frozen unit is the live one in evaluation mode, as one convolution."""

import pytest
import torch
from torch import nn

from aia.features.frozen_norm import ConvNorm, freeze_norms


@pytest.fixture
def unit() -> ConvNorm:
    made = ConvNorm(
        2, 3, kernel=(3, 5, 1), stride=(1, 2, 1), dilation=(2, 1, 1), padding=(2, 2, 0), eps=0.5
    )
    for tensor in (made.norm.weight, made.norm.bias, made.norm.running_mean):
        nn.init.normal_(tensor)
    nn.init.uniform_(made.norm.running_var, 0.5, 1.5)
    return made


def test_a_frozen_unit_gives_what_the_live_one_gives_in_evaluation(unit):
    maps = torch.randn(2, 2, 7, 11, 13)
    expected = unit.eval()(maps)
    unit.freeze()
    torch.testing.assert_close(unit.train()(maps), expected, atol=1e-5, rtol=1e-5)


def test_the_fold_of_one_channel_by_hand():
    unit = ConvNorm(1, 1, kernel=(1, 1, 1), eps=0.0, frozen_norm=True)
    for tensor, value in (
        (unit.conv.weight, 3.0),
        (unit.norm.weight, 2.0),
        (unit.norm.bias, 7.0),
        (unit.norm.running_mean, 5.0),
        (unit.norm.running_var, 4.0),
    ):
        nn.init.constant_(tensor, value)
    weight, bias = unit.folded()  # (3 x - 5) / 2 * 2 + 7 = 3 x + 2
    assert weight.item() == 3.0
    assert bias.item() == 2.0


def test_the_gradient_of_a_frozen_unit_reaches_the_convolution_only(unit):
    unit.freeze()
    unit(torch.randn(2, 2, 7, 11, 13)).square().sum().backward()
    moved = {name for name, p in unit.named_parameters() if p.grad is not None}
    assert moved == {"conv.weight"}


def test_the_gradient_of_the_fold_is_that_of_the_two_steps(unit):
    maps = torch.randn(2, 2, 7, 11, 13)
    unit.eval()(maps).square().sum().backward()
    expected = unit.conv.weight.grad.clone()
    unit.zero_grad()
    unit.freeze()
    unit(maps).square().sum().backward()
    torch.testing.assert_close(unit.conv.weight.grad, expected, rtol=1e-4, atol=1e-4)


def test_training_does_not_move_the_statistics_of_a_frozen_unit(unit):
    unit.freeze()
    before = unit.norm.running_mean.clone()
    unit.train()(torch.randn(2, 2, 7, 11, 13))
    assert torch.equal(unit.norm.running_mean, before)


def test_live_and_frozen_units_have_the_same_keys(unit):
    frozen = ConvNorm(2, 3, kernel=(3, 5, 1), frozen_norm=True)
    assert frozen.load_state_dict(unit.state_dict()).missing_keys == []


def test_freezing_reaches_every_unit_within():
    units = [ConvNorm(2, 2, kernel=(1, 1, 1)) for _ in range(3)]
    freeze_norms(nn.Sequential(units[0], nn.Sequential(nn.ReLU(), units[1], units[2])))
    assert [unit.frozen for unit in units] == [True, True, True]
