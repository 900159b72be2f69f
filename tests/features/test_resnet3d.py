"""C2D and I3D: their sizes, and torchvision's 2-d ResNet as the independent check."""

import dataclasses

import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from aia.clip import clip_offsets
from aia.features import build_backbone
from aia.features.frozen_norm import trainable_parameters
from aia.features.resnet3d import residual_stage

UNITS = {"conv1": "reduce", "conv2": "spatial", "conv3": "expand"}
NORMS = {"bn1": "reduce", "bn2": "spatial", "bn3": "expand"}


@pytest.fixture(scope="module")
def image_network() -> nn.Module:
    """torchvision's ResNet-50, dilated as on AVA, with norms that keep the scale of what passes."""
    torch.manual_seed(0)
    network = resnet50(weights=None, replace_stride_with_dilation=[False, False, True]).eval()
    first = network.layer4[0].conv2  # torchvision dilates from the second block on
    first.dilation, first.padding = (2, 2), (2, 2)
    for unit in network.modules():
        if isinstance(unit, nn.BatchNorm2d):
            nn.init.normal_(unit.running_mean, std=0.1)
            nn.init.uniform_(unit.running_var, 0.5, 1.5)
            nn.init.uniform_(unit.weight, 0.2, 0.6)
            nn.init.normal_(unit.bias, std=0.1)
    network.fc = nn.Identity()
    return network


def map_of(network: nn.Module, image: torch.Tensor) -> torch.Tensor:
    maps = network.maxpool(network.relu(network.bn1(network.conv1(image))))
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        maps = layer(maps)
    return maps


def inflate(image_state: dict, shapes: dict) -> dict:
    """The 2-d weights under our names, each kernel repeated over time and divided by its length."""
    state = {}
    for name, tensor in image_state.items():
        parts = name.split(".")
        if parts[0] in ("conv1", "bn1"):
            ours = f"stem.0.{parts[0].rstrip('1').replace('bn', 'norm')}.{parts[-1]}"
        else:
            unit, kind = parts[2], parts[2][:-1]
            if unit == "downsample":
                unit, kind = "shortcut", ("conv", "bn")[int(parts[3])]
            unit = UNITS.get(unit) or NORMS.get(unit) or unit
            stage = int(parts[0].removeprefix("layer")) - 1
            kind = kind.replace("bn", "norm")
            ours = f"stages.{stage}.{parts[1]}.{unit}.{kind}.{parts[-1]}"
        if tensor.dim() == 4:
            length = shapes[ours][2]
            tensor = tensor[:, :, None].repeat(1, 1, length, 1, 1) / length
        state[ours] = tensor
    return state


def inflated(config, image_network) -> nn.Module:
    network = build_backbone(config, frozen_norm=True)
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    network.load_state_dict(inflate(image_network.state_dict(), shapes))
    return network


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("c2d_r50_8x8", 23_508_032), ("c2d_r50_1x1", 23_508_032), ("i3d_r50_8x8", 27_223_872)],
)
def test_they_have_the_published_number_of_parameters(backbone_config, name, parameters):
    """24.33 M (C2D) and 28.04 M (I3D) in the model zoos, with 400 classes on 2048 channels."""
    with torch.device("meta"):
        network = build_backbone(backbone_config(name), frozen_norm=False)
    assert trainable_parameters(network) == parameters


@pytest.mark.parametrize(
    ("name", "frames", "times"),
    [("c2d_r50_8x8", 8, 4), ("c2d_r50_1x1", 1, 1), ("i3d_r50_8x8", 8, 4)],
)
def test_the_map_has_a_stride_of_16_and_half_of_the_frames(backbone_config, name, frames, times):
    config = backbone_config(name)
    assert len(clip_offsets(config.span, config.strides[0])) == frames
    with torch.device("meta"):
        network = build_backbone(config, frozen_norm=True)
        (map_,) = network([torch.randn(2, 3, frames, 49, 83)])
    assert network.stride == 16
    assert map_.shape == (2, *network.channels, times, 4, 6)


def test_the_kernels_of_a_stage_follow_its_pattern():
    stage = residual_stage(
        2,
        3,
        blocks=5,
        inner=2,
        temporal_pattern=(3, 1),
        spatial_stride=2,
        dilation=1,
        frozen_norm=True,
    )
    assert [block.reduce.conv.kernel_size[0] for block in stage] == [3, 1, 3, 1, 3]


def test_i3d_looks_at_time_in_the_blocks_of_the_non_local_paper(backbone_config):
    with torch.device("meta"):
        network = build_backbone(backbone_config("i3d_r50_8x8"), frozen_norm=True)
    assert network.stem[0].conv.kernel_size == (5, 7, 7)
    lengths = [[block.reduce.conv.kernel_size[0] for block in stage] for stage in network.stages]
    assert lengths == [[3, 3, 3], [3, 1, 3, 1], [3, 1, 3, 1, 3, 1], [1, 3, 1]]


def test_c2d_on_a_single_image_is_the_2d_resnet(backbone_config, image_network):
    network = inflated(backbone_config("c2d_r50_1x1"), image_network)
    images = torch.randn(2, 3, 67, 83)
    with torch.no_grad():
        (map_,) = network([images[:, :, None]])
        expected = map_of(image_network, images)
    assert expected.std() > 0.1
    torch.testing.assert_close(map_[:, :, 0], expected, rtol=1e-4, atol=1e-4)


def test_c2d_on_a_still_clip_is_the_2d_resnet_at_every_time(backbone_config, image_network):
    network = inflated(backbone_config("c2d_r50_8x8"), image_network)
    image = torch.randn(1, 3, 49, 35)
    with torch.no_grad():
        (map_,) = network([image[:, :, None].expand(-1, -1, 6, -1, -1)])
        expected = map_of(image_network, image)[:, :, None].expand_as(map_)
    torch.testing.assert_close(map_, expected, rtol=1e-4, atol=1e-4)


def test_inflated_i3d_on_a_still_clip_is_the_2d_resnet_away_from_its_ends(
    backbone_config, image_network
):
    """Stem and three blocks look 5 frames each way before the pooling, six blocks 6 after it."""
    network = inflated(backbone_config("i3d_r50_8x8"), image_network)
    image = torch.randn(1, 3, 33, 35)
    with torch.no_grad():
        (map_,) = network([image[:, :, None].expand(-1, -1, 40, -1, -1)])
        expected = map_of(image_network, image)
    assert map_.shape[2] == 20
    for time in (9, 10):
        torch.testing.assert_close(map_[:, :, time], expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(map_[:, :, 0], expected, rtol=1e-2, atol=1e-2)


def test_without_temporal_pooling_every_frame_is_kept(backbone_config):
    config = dataclasses.replace(backbone_config("i3d_r50_8x8"), temporal_pool=False)
    with torch.device("meta"):
        network = build_backbone(config, frozen_norm=True)
        for frames in (1, 7):
            (map_,) = network([torch.randn(1, 3, frames, 32, 32)])
            assert map_.shape[2] == frames


def test_temporal_pooling_keeps_the_larger_of_two_frames(backbone_config):
    config = backbone_config("c2d_r50_8x8")
    with torch.no_grad():
        network = build_backbone(config, frozen_norm=True)
        first, second = torch.randn(2, 1, 3, 1, 32, 32)
        (both,) = network([torch.cat([first, second], dim=2)])
        one, other = (network.stages[0](network.stem(frame)) for frame in (first, second))
        expected = torch.maximum(one, other)
        for stage in network.stages[1:]:
            expected = stage(expected)
    torch.testing.assert_close(both, expected, rtol=1e-4, atol=1e-4)
