"""torchvision's models give the maps that their own classifiers average."""

import pytest
import torch
from torch import nn
from torchvision.models import get_model, get_model_weights

from aia.features import build_backbone
from aia.features.frozen_norm import trainable_parameters
from aia.features.torchvision_video import CLASSIFIERS, TorchvisionVideo

MODELS = ["mvit_v2_s", "swin3d_t", "r3d_18"]


def both(model: str) -> tuple[TorchvisionVideo, nn.Module]:
    """The same weights in our backbone and in torchvision's model."""
    ours = TorchvisionVideo(model=model, frozen_norm=False).eval()
    theirs = get_model(model, weights=None).eval()
    theirs.load_state_dict(ours.network.state_dict(), strict=False)
    return ours, theirs


@pytest.mark.parametrize("model", MODELS)
def test_they_have_torchvisions_parameters_without_the_classifier(model):
    with torch.device("meta"):
        network = TorchvisionVideo(model=model, frozen_norm=False)
    published = get_model_weights(model).KINETICS400_V1.meta["num_params"]
    assert trainable_parameters(network) == published - 400 * network.channels[0] - 400


@pytest.mark.parametrize("model", MODELS)
def test_the_shipped_colours_are_torchvisions(backbone_config, model):
    config = backbone_config(model)
    preset = get_model_weights(model).KINETICS400_V1.transforms()
    assert config.model == model
    assert config.mean == pytest.approx([255 * part for part in preset.mean])
    assert config.std == pytest.approx([255 * part for part in preset.std])


@pytest.mark.parametrize(
    ("model", "rows", "columns", "times"),
    [("mvit_v2_s", 2, 4, 4), ("swin3d_t", 2, 4, 4), ("r3d_18", 4, 7, 1)],
)
def test_frames_of_any_size_give_a_cell_for_each_stride_begun(model, rows, columns, times):
    network = TorchvisionVideo(model=model, frozen_norm=True).eval()
    with torch.no_grad():
        (map_,) = network([torch.randn(2, 3, 7, 50, 99)])
    assert map_.shape == (2, *network.channels, times, rows, columns)
    assert (rows, columns) == (-(-50 // network.stride), -(-99 // network.stride))


@pytest.mark.parametrize("model", MODELS)
def test_a_single_image_passes(model):
    network = TorchvisionVideo(model=model, frozen_norm=True).eval()
    with torch.no_grad():
        (map_,) = network([torch.randn(1, 3, 1, 64, 64)])
    assert map_.shape[2] == 1


@pytest.mark.parametrize("model", ["swin3d_t", "r3d_18"])
def test_the_mean_of_the_map_is_what_torchvision_classifies(model):
    ours, theirs = both(model)
    frames = torch.randn(2, 3, 8, 40, 56)
    with torch.no_grad():
        (map_,) = ours([frames])
        logits = getattr(theirs, CLASSIFIERS[model])(map_.mean(dim=(2, 3, 4)))
        torch.testing.assert_close(logits, theirs(frames), rtol=1e-4, atol=1e-4)


def test_the_map_of_mvit_has_the_tokens_that_torchvision_normalises_last():
    ours, theirs = both("mvit_v2_s")
    theirs.pos_encoding.temporal_size, theirs.pos_encoding.spatial_size = 3, (16, 24)
    seen = []
    theirs.norm.register_forward_hook(lambda _, __, tokens: seen.append(tokens))
    frames = torch.randn(1, 3, 6, 64, 96)
    with torch.no_grad():
        (map_,) = ours([frames])
        theirs(frames)
    torch.testing.assert_close(map_.flatten(2).transpose(1, 2), seen[0][:, 1:])


@pytest.mark.parametrize("model", MODELS)
def test_the_shift_is_the_middle_of_what_a_cell_sees(model):
    """Without attention, which sees everything in a clip or in a window."""
    network = TorchvisionVideo(model=model, frozen_norm=True).eval()
    for name, parameter in network.named_parameters():
        if ".attn.proj" in name:  # swin's proj, mvit's project
            nn.init.zeros_(parameter)
    frames = torch.randn(1, 3, 1, 640, 32, requires_grad=True)
    (map_,) = network([frames])
    middle = map_.shape[3] // 2
    (map_[:, :, :, middle] * torch.randn_like(map_[:, :, :, middle])).sum().backward()
    seen = frames.grad.abs().sum((0, 1, 2, 4)).nonzero().flatten()
    assert (seen[0] + seen[-1]).item() / 2 == middle * network.stride + network.shift_px


def test_frozen_norms_keep_their_statistics_and_are_not_trained():
    frozen = TorchvisionVideo(model="r3d_18", frozen_norm=True).train()
    before = frozen.network.stem[1].running_mean.clone()
    frozen([torch.randn(2, 3, 2, 16, 16)])
    assert torch.equal(frozen.network.stem[1].running_mean, before)
    assert not any(p.requires_grad for p in frozen.network.stem[1].parameters())
    assert frozen.network.stem[0].weight.requires_grad


@pytest.mark.parametrize("model", ["mvit_v2_s", "swin3d_t"])
def test_a_clip_has_one_map_in_training_too(model):
    network = TorchvisionVideo(model=model, frozen_norm=True).train()
    frames = torch.randn(1, 3, 2, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(network([frames])[0], network([frames])[0])


@pytest.mark.parametrize("model", MODELS)
def test_the_section_of_a_model_builds_it(backbone_config, model):
    with torch.device("meta"):
        network = build_backbone(backbone_config(model), frozen_norm=True)
    assert network.model == model
