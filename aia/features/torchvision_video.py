"""torchvision's video models as backbones: "any 3D CNN" serves as F (§4.1), and so do transformers.

                 stride over time, space    first cell's centre
    r3d_18              8, 16                    pixel 0       residual network, 3×3×3
    swin3d_t            2, 32                    pixel 15.5    patches, padded after the last pixel
    mvit_v2_s           2, 32                    pixel 0       overlapping patches, padded around

Each takes frames of any size and clips of any length. A transformer relates whatever lies in the
clip, the padding of a batch too (MViT everywhere, Swin within its windows), and its published
weights know clips of one size: those of MViT have relative positions for 224×224 pixels and 16
frames, which torchvision stretches to any other size.
"""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.video import (
    MViT,
    SwinTransformer3d,
    VideoResNet,
    mvit_v2_s,
    r3d_18,
    swin3d_t,
)
from torchvision.ops import StochasticDepth

CLASSIFIERS = {"mvit_v2_s": "head", "swin3d_t": "head", "r3d_18": "fc"}


class TorchvisionVideo(nn.Module):
    """Layers of a model before its mean over the clip, under torchvision's names.

    Attributes:
        model: torchvision's name of the model.
        channels: channels of the map.
        stride: input pixels per cell of the map, each way.
        shift_px: pixel at the centre of the map's first cell.
    """

    def __init__(
        self, *, model: Literal["mvit_v2_s", "swin3d_t", "r3d_18"], frozen_norm: bool
    ) -> None:
        super().__init__()
        self.model = model
        match model:
            case "mvit_v2_s":
                self.network = mvit_v2_s(weights=None)
                self.channels, self.stride, self.shift_px = (768,), 32, 0.0
            case "swin3d_t":
                self.network = swin3d_t(weights=None)
                self.channels, self.stride, self.shift_px = (768,), 32, 15.5
            case "r3d_18":
                self.network = r3d_18(weights=None)
                self.channels, self.stride, self.shift_px = (512,), 16, 0.0
        setattr(self.network, CLASSIFIERS[model], nn.Identity())
        for unit in self.network.modules():
            if isinstance(unit, StochasticDepth):
                unit.p = 0.0  # a clip has one map, whether it is trained on, remembered or kept
        self.frozen = frozen_norm
        if frozen_norm:
            for norm in self._norms():
                norm.requires_grad_(False)
                norm.eval()

    def train(self, mode: bool = True) -> "TorchvisionVideo":
        """Set the mode; frozen norms keep their statistics (§4.1)."""
        super().train(mode)
        if self.frozen:
            for norm in self._norms():
                norm.eval()
        return self

    def forward(
        self, pathways: list[Float[Tensor, "clips 3 _ h w"]]
    ) -> list[Float[Tensor, "clips _ _ rows columns"]]:
        """Map normalised frames of the one pathway."""
        (frames,) = pathways
        match self.model:
            case "mvit_v2_s":
                return [_mvit_map(self.network, frames)]
            case "swin3d_t":
                return [_swin_map(self.network, frames)]
            case _:
                return [_resnet_map(self.network, frames)]

    def _norms(self) -> list[nn.BatchNorm3d]:
        return [unit for unit in self.modules() if isinstance(unit, nn.BatchNorm3d)]


def _mvit_map(
    network: MViT, frames: Float[Tensor, "clips 3 _ h w"]
) -> Float[Tensor, "clips c _ rows columns"]:
    """Arrange the last block's tokens, without the class token, as a map of their patches.

    torchvision's own forward takes 16 frames of 224×224 pixels only, because its number of patches
    is fixed; here they are counted for each clip.
    """
    patches = network.conv_proj(frames)
    tokens = network.pos_encoding(patches.flatten(2).transpose(1, 2))
    size_thw = tuple(patches.shape[2:])
    for block in network.blocks:
        tokens, size_thw = block(tokens, size_thw)
    return network.norm(tokens)[:, 1:].transpose(1, 2).unflatten(2, size_thw)


def _swin_map(
    network: SwinTransformer3d, frames: Float[Tensor, "clips 3 _ h w"]
) -> Float[Tensor, "clips c _ rows columns"]:
    patches = network.pos_drop(network.patch_embed(frames))  # channels last
    return network.norm(network.features(patches)).permute(0, 4, 1, 2, 3)


def _resnet_map(
    network: VideoResNet, frames: Float[Tensor, "clips 3 _ h w"]
) -> Float[Tensor, "clips c _ rows columns"]:
    maps = network.stem(frames.contiguous(memory_format=torch.channels_last_3d))
    for layer in (network.layer1, network.layer2, network.layer3, network.layer4):
        maps = layer(maps)
    return maps
