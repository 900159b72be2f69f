"""SlowFast at its sizes, and the authors' numbers for ResNet-50 4x16."""

import dataclasses
import json
import runpy

import numpy as np
import pytest
import torch
from torch import nn

from aia.config import LateralConfig
from aia.features import build_backbone
from aia.features.frozen_norm import ConvNorm, freeze_norms, trainable_parameters
from aia.features.roi import roi_features
from aia.weights.alphaction_backbone import rename_backbone

MEAN = np.array([122.7717, 115.9465, 102.9801], np.float32)


@pytest.fixture
def tiny(backbone_config):
    return build_backbone(backbone_config("slowfast_tiny"), frozen_norm=False)


def fill_norms(module: nn.Module) -> None:
    """Statistics and scales that a norm has after some training."""
    for unit in module.modules():
        if isinstance(unit, ConvNorm):
            nn.init.normal_(unit.norm.running_mean, std=0.1)
            nn.init.uniform_(unit.norm.running_var, 0.5, 1.5)
            nn.init.uniform_(unit.norm.weight, 0.5, 1.5)
            nn.init.normal_(unit.norm.bias, std=0.1)


@pytest.mark.parametrize(
    ("name", "parameters"), [("slowfast_r50_4x16", 33_497_992), ("slowfast_r101_8x8", 61_785_992)]
)
def test_the_networks_of_the_paper_have_the_authors_parameter_counts(
    backbone_config, name, parameters
):
    with torch.device("meta"):
        network = build_backbone(backbone_config(name), frozen_norm=True)
    assert trainable_parameters(network) == parameters
    assert network.channels == (2048, 256)
    assert network.stride == 16


def test_each_pathway_keeps_its_frames_and_both_maps_have_the_same_cells(tiny):
    slow, fast = tiny([torch.randn(3, 3, 2, 40, 56), torch.randn(3, 3, 4, 40, 56)])
    assert slow.shape == (3, tiny.channels[0], 2, 5, 7)
    assert fast.shape == (3, tiny.channels[1], 4, 5, 7)
    assert tiny.stride == 8


def test_a_cell_of_the_tiny_network_sees_31_pixels(tiny):
    """7 of the stem, and 3x3 at strides of 4 and 8: 7 + 2 * 4 + 2 * 8."""
    fill_norms(tiny)
    frames = [torch.randn(1, 3, t, 96, 128, requires_grad=True) for t in (2, 4)]
    slow, _ = tiny.eval()(frames)
    slow[0, :, 1, 6, 8].square().sum().backward()
    rows = frames[0].grad.abs().sum((0, 1, 2, 4)).nonzero().flatten()
    columns = frames[1].grad.abs().sum((0, 1, 2, 3)).nonzero().flatten()
    assert (rows[0].item(), rows[-1].item()) == (6 * 8 - 15, 6 * 8 + 15)
    assert (columns[0].item(), columns[-1].item()) == (8 * 8 - 15, 8 * 8 + 15)


def test_a_network_trained_with_live_norms_loads_into_a_frozen_one(tiny, backbone_config):
    fill_norms(tiny)
    frozen = build_backbone(backbone_config("slowfast_tiny"), frozen_norm=True)
    frozen.load_state_dict(tiny.state_dict())
    pathways = [torch.randn(2, 3, 2, 40, 56), torch.randn(2, 3, 4, 40, 56)]
    with torch.no_grad():
        for live, folded in zip(tiny.eval()(pathways), frozen.train()(pathways), strict=True):
            torch.testing.assert_close(folded, live, rtol=1e-5, atol=1e-5)


def test_freezing_leaves_only_convolutions_to_train(tiny):
    freeze_norms(tiny)
    trainable = {name for name, p in tiny.named_parameters() if p.requires_grad}
    assert all(".norm." not in name for name in trainable)
    assert "laterals.0.bias" in trainable


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("slowfast_r50_4x16_pyslowfast", 34.48e6), ("slowfast_r50_8x8_pyslowfast", 34.57e6)],
)
def test_pyslowfasts_form_has_the_parameters_of_its_model_zoo(backbone_config, name, parameters):
    """With its classifier of 400 classes; the wider lateral kernel of 8x8 is the difference."""
    with torch.device("meta"):
        network = build_backbone(backbone_config(name), frozen_norm=False)
    classifier = 400 * sum(network.channels) + 400
    assert trainable_parameters(network) + classifier == pytest.approx(parameters, abs=5e3)


def test_the_lateral_connections_of_pyslowfast_have_norm_and_relu(backbone_config):
    config = dataclasses.replace(
        backbone_config("slowfast_tiny"),
        lateral=LateralConfig(ratio=2, kernel=7, norm=True, bias=False),
    )
    network = build_backbone(config, frozen_norm=False)
    fast = torch.randn(2, 8, 4, 5, 7)
    crossed = network.laterals[0](fast)
    assert crossed.shape == (2, 16, 2, 5, 7)
    unit = network.laterals[0][0]
    assert unit.conv.bias is None
    torch.testing.assert_close(crossed, unit.norm(unit.conv(fast)).clamp(min=0))


def test_a_lateral_connection_may_be_bare(backbone_config):
    config = dataclasses.replace(
        backbone_config("slowfast_tiny"),
        lateral=LateralConfig(ratio=3, kernel=5, norm=False, bias=False),
    )
    with torch.device("meta"):
        network = build_backbone(config, frozen_norm=False)
    names = [name for name, _ in network.laterals.named_parameters()]
    assert names == ["0.weight", "1.weight"]
    assert network.laterals[0].weight.shape == (24, 8, 5, 1, 1)


def test_the_two_forms_of_slowfast_differ_in_pooling_and_laterals_only(backbone_config):
    """The authors' pooling has no padding: a map of 56 cells becomes 27 and not 28."""
    with torch.device("meta"):
        authors, pyslowfast = (
            build_backbone(backbone_config(name), frozen_norm=True)
            for name in ("slowfast_r50_4x16", "slowfast_r50_4x16_pyslowfast")
        )
        frames = torch.randn(1, 3, 4, 112, 112)
        pooled = [network.slow.stem(frames).shape[-1] for network in (authors, pyslowfast)]
    assert pooled == [27, 28]
    shapes = [
        {
            name: tensor.shape
            for name, tensor in network.state_dict().items()
            if not name.startswith("laterals")
        }
        for network in (authors, pyslowfast)
    ]
    assert shapes[0] == shapes[1]


def test_the_last_stage_dilates_and_keeps_the_stride_in_both_forms(backbone_config):
    for name in ("slowfast_r50_8x8", "slowfast_r50_8x8_pyslowfast"):
        with torch.device("meta"):
            network = build_backbone(backbone_config(name), frozen_norm=True)
        assert network.stride == 16
        for path in (network.slow, network.fast):
            dilations = [block.spatial.conv.dilation for block in path.stages[-1]]
            assert dilations == [(1, 2, 2)] * 3


def test_the_authors_maps_and_person_features_from_their_weights(golden, backbone_config):
    recipe = runpy.run_path(str(golden / "recipe.py"))
    numbers = np.load(golden / "detector" / "R50_baseline.npz")
    entries = json.loads((golden / "keys" / "R50_baseline.json").read_text())["entries"]
    renamed = rename_backbone(
        {
            key: torch.from_numpy(recipe["weight"](key, shape))
            for key, shape, _ in entries
            if key.startswith("backbone.")
        }
    )
    network = build_backbone(backbone_config("slowfast_r50_4x16"), frozen_norm=True)
    network.load_state_dict(renamed.state)
    assert renamed.left_over == []

    seen = {}
    for ours, theirs in _names_of_the_maps().items():
        network.get_submodule(ours).register_forward_hook(
            lambda _, __, map_, theirs=theirs: seen.update({theirs: map_.clone()})
        )
    clips = torch.from_numpy(np.stack([_frames(recipe, *clip[:3]) for clip in recipe["CLIPS"]]))
    with torch.no_grad():
        maps = network([clips[:, :, 7::16].contiguous(), clips[:, :, 0::2].contiguous()])
    for name, map_ in seen.items():
        assert map_.shape == tuple(numbers[f"bb.{name}.shape"]), name
        mean_std = [map_.double().mean(), map_.double().std()]
        np.testing.assert_allclose(mean_std, numbers[f"bb.{name}.mean_std"], atol=2e-6)
        part = map_[0, :16, :, map_.shape[3] // 2, map_.shape[4] // 2]
        np.testing.assert_allclose(part, numbers[f"bb.{name}.slice"], rtol=1e-5, atol=5e-5)

    counts = [len(persons) for persons in recipe["PERSONS"]]
    boxes = torch.from_numpy(numbers["extended_boxes"]).split(counts)
    xyxy = nn.utils.rnn.pad_sequence(boxes, batch_first=True)
    filled = torch.arange(max(counts)) < torch.tensor(counts)[:, None]
    persons = roi_features(maps, xyxy, filled, stride=16, resolution=7, mean_before=True)
    np.testing.assert_allclose(
        persons.features[filled], numbers["person_pooled"], rtol=1e-5, atol=1e-4
    )


def _names_of_the_maps() -> dict[str, str]:
    names = {f"laterals.{i}": f"fast.Tconv{i + 1}" for i in range(4)}
    for path in ("slow", "fast"):
        names |= {f"{path}.stem.0": f"{path}.bn1", f"{path}.stem.2": f"{path}.maxpool1"}
        names |= {f"{path}.stages.{i}": f"{path}.res_nl{i + 1}" for i in range(4)}
    return names


def _frames(recipe: dict, name: str, height: int, width: int) -> np.ndarray:
    pixels = (recipe["raw_clip"](name, 64, height, width).astype(np.float32) - MEAN) / 57.375
    padding = ((0, 0), (0, 0), (0, 128 - height), (0, 176 - width))
    return np.pad(pixels.transpose(3, 0, 1, 2), padding).astype(np.float32)
