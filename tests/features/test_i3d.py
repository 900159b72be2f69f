"""I3D's shapes, its padding, and its dense map against the published, strided network."""

import pytest
import torch
from torch import nn

from aia.features import build_backbone
from aia.features.frozen_norm import ConvNorm, trainable_parameters
from aia.features.i3d import I3D, MIXED, MaxPoolSame, Mixed, kinetics_logits, pad_same


@pytest.fixture(scope="module")
def network() -> I3D:
    """With norms that keep the scale of what passes."""
    torch.manual_seed(0)
    made = I3D(frozen_norm=True)
    for unit in made.modules():
        if isinstance(unit, ConvNorm):
            nn.init.kaiming_normal_(unit.conv.weight, mode="fan_in", nonlinearity="relu")
            nn.init.normal_(unit.norm.bias, std=0.1)
    return made


def test_it_has_the_published_number_of_parameters(backbone_config):
    """12.7 M in ports to torch, with the classifier of 400 classes and scales in the norms."""
    with torch.device("meta"):
        live = I3D(frozen_norm=False)
        frozen = build_backbone(backbone_config("i3d_kinetics400"), frozen_norm=True)
    assert trainable_parameters(live) + 400 * 1024 + 400 == 12_697_264
    norms = sum(u.norm.bias.numel() for u in live.modules() if isinstance(u, ConvNorm))
    assert trainable_parameters(frozen) == trainable_parameters(live) - 2 * norms


@pytest.mark.parametrize(
    ("end_point", "channels", "times"), [("Mixed_4f", 832, 3), ("Mixed_5c", 1024, 2)]
)
def test_the_map_has_a_stride_of_16_at_both_ends(end_point, channels, times):
    network = I3D(end_point=end_point, frozen_norm=True)
    (map_,) = network([torch.randn(2, 3, 9, 48, 80)])
    assert network.channels == (channels,)
    assert map_.shape == (2, channels, times, 48 // network.stride, 80 // network.stride)


@pytest.mark.parametrize(
    ("size", "window", "stride", "before", "after"),
    [(7, 3, 1, 1, 1), (8, 7, 2, 2, 3), (9, 7, 2, 3, 3), (8, 3, 2, 0, 1), (9, 2, 2, 0, 1)],
)
def test_same_padding_by_hand(size, window, stride, before, after):
    maps = torch.ones(1, 1, 1, 1, size)
    padded = pad_same(maps, window=(1, 1, window), stride=(1, 1, stride)).flatten()
    assert padded.tolist() == [0] * before + [1] * size + [0] * after


@pytest.mark.parametrize("size_hw", [(64, 96), (49, 83)])
def test_every_second_cell_is_that_of_the_published_network(network, size_hw):
    frames = torch.randn(1, 3, 17, *size_hw)
    published = nn.Sequential(*list(network.layers)[:-3])
    published.append(MaxPoolSame(kernel=(2, 2, 2), stride=(2, 2, 2)))
    for name, channels in (("Mixed_5b", 832), ("Mixed_5c", 832)):
        strided = Mixed(channels, MIXED[name], dilation=1, frozen_norm=True)
        strided.load_state_dict(network.layers.get_submodule(name).state_dict())
        published.append(strided)
    with torch.no_grad():
        (dense,) = network([frames])
        torch.testing.assert_close(dense[..., ::2, ::2], published(frames), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("end_point", ["Mixed_4f", "Mixed_5c"])
def test_the_shift_is_the_middle_of_what_a_cell_sees(network, end_point):
    part = I3D(end_point=end_point, frozen_norm=True)
    part.load_state_dict(network.state_dict(), strict=False)
    frames = torch.randn(1, 3, 9, 480, 32, requires_grad=True)
    (map_,) = part([frames])
    (map_[:, :, :, 15] * torch.randn_like(map_[:, :, :, 15])).sum().backward()
    seen = frames.grad.abs().sum((0, 1, 2, 4)).nonzero().flatten()
    assert (seen[0] + seen[-1]).item() / 2 == 15 * part.stride + part.shift_px


def test_the_classifier_averages_space_then_pairs_of_times():
    map_5c = torch.zeros(1, 1024, 3, 3, 5)
    map_5c[0, 7, 1, 0, 2] = 6.0  # one of 2 x 3 cells that the published stride keeps
    map_5c[0, 7, 1, 1, 1] = 100.0  # not one of them
    weight, bias = torch.zeros(400, 1024), torch.arange(400.0)
    weight[3, 7] = 2.0
    expected = torch.arange(400.0)
    expected[3] += 2.0 * 6.0 / 6 * 0.5  # in each of the two pairs, halved
    torch.testing.assert_close(kinetics_logits(map_5c, weight=weight, bias=bias)[0], expected)
