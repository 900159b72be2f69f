"""Inception I3D of DeepMind, RGB: another backbone F, with published Kinetics-400 weights.

    Conv3d_1a ─ 2a ─ Conv3d_2b,c ─ 3a ─ Mixed_3b,c ─ 4a ─ Mixed_4b…f ─ 5a ─ Mixed_5b,c
     stride 2    4                  8                 16          │                  │
                                                               Mixed_4f           Mixed_5c

    Mixed:  x ─┬─ 1×1×1 ─────────────┐
               ├─ 1×1×1 ─ 3×3×3 ─────┤
               ├─ 1×1×1 ─ 3×3×3 ─────┼─ cat
               └─ max 3×3×3 ─ 1×1×1 ─┘

Layers have the names of the checkpoint; padding is TensorFlow's "same", uneven where a stride meets
an even size. For detection the map has a stride of 16 pixels, as SlowFast's has: that of Mixed_4f,
where the Action Transformer takes its features, or that of Mixed_5c, the input of Kinetics'
classifier, with the spatial stride of pooling 5a taken out and the layers behind it dilated, as in
SlowFast's res5. Every second cell of that map is then exactly the classifier's.
"""

from collections.abc import Iterator
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aia.features.frozen_norm import ConvNorm

Triple = tuple[int, int, int]

# Channels of a Mixed layer's branches: 1×1×1; reduced and 3×3×3; the same again; after pooling.
MIXED = {
    "Mixed_3b": (64, 96, 128, 16, 32, 32),
    "Mixed_3c": (128, 128, 192, 32, 96, 64),
    "Mixed_4b": (192, 96, 208, 16, 48, 64),
    "Mixed_4c": (160, 112, 224, 24, 64, 64),
    "Mixed_4d": (128, 128, 256, 24, 64, 64),
    "Mixed_4e": (112, 144, 288, 32, 64, 64),
    "Mixed_4f": (256, 160, 320, 32, 128, 128),
    "Mixed_5b": (256, 160, 320, 32, 128, 128),
    "Mixed_5c": (384, 192, 384, 48, 128, 128),
}


class I3D(nn.Module):
    """Layers of I3D up to `end_point`, as a backbone of one pathway.

    Attributes:
        channels: channels of the map.
        stride: input pixels per cell of the map, each way.
        shift_px: pixel in the middle of the first cell's view, if the input's sides are multiples
            of 16. Uneven padding moves it by most of a cell; RoIs follow it.
    """

    def __init__(
        self, *, end_point: Literal["Mixed_4f", "Mixed_5c"] = "Mixed_5c", frozen_norm: bool
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        self.channels = (832,) if end_point == "Mixed_4f" else (1024,)
        self.stride = 16
        self.shift_px = 15.0 if end_point == "Mixed_4f" else 23.0
        for name, layer in _layers(frozen_norm=frozen_norm):
            self.layers.add_module(name, layer)
            if name == end_point:
                break

    def forward(
        self, pathways: list[Float[Tensor, "clips 3 _ h w"]]
    ) -> list[Float[Tensor, "clips _ _ rows columns"]]:
        """Map normalised frames (-1..1) of the one pathway; time is divided by 4 or 8."""
        (frames,) = pathways
        return [self.layers(frames.contiguous(memory_format=torch.channels_last_3d))]


def kinetics_logits(
    map_5c: Float[Tensor, "clips 1024 t rows columns"],
    *,
    weight: Float[Tensor, "classes 1024"],
    bias: Float[Tensor, " classes"],
) -> Float[Tensor, "clips classes"]:
    """Classify the map of `I3D(end_point="Mixed_5c")` as Kinetics; needs more than 8 frames.

    The published network averages its map over space and over each pair of neighbouring times,
    and then the pairs' logits. (On 224×224 pixels, the size it was trained at, its 7×7 window is
    the whole map.)
    """
    published = map_5c[..., ::2, ::2].mean(dim=(3, 4))  # the cells that a stride of 32 would keep
    pairs = (published[..., 1:] + published[..., :-1]) / 2
    return F.linear(pairs.mean(dim=2), weight, bias)


class Unit3D(ConvNorm):
    """Convolution with "same" padding, BatchNorm and ReLU."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        dilation: int = 1,  # over space
        frozen_norm: bool,
    ) -> None:
        spread = (1, dilation, dilation)
        even = [step * (kernel // 2) for step in spread] if stride == 1 else [0, 0, 0]
        super().__init__(
            channels_in,
            channels_out,
            kernel=(kernel,) * 3,
            stride=(stride,) * 3,
            dilation=spread,
            padding=(even[0], even[1], even[2]),
            eps=1e-3,
            frozen_norm=frozen_norm,
        )
        self.window, self.stride = (kernel,) * 3, (stride,) * 3

    def forward(
        self, maps: Float[Tensor, "clips channels_in t_in h_in w_in"]
    ) -> Float[Tensor, "clips channels_out t_out h_out w_out"]:
        """Convolve, normalise, cut below zero."""
        if self.stride != (1, 1, 1):
            maps = pad_same(maps, window=self.window, stride=self.stride)
        return F.relu(super().forward(maps), inplace=True)


class MaxPoolSame(nn.Module):
    """Max pooling with "same" padding, of maps that are nowhere below zero."""

    def __init__(self, *, kernel: Triple, stride: Triple, dilation: Triple = (1, 1, 1)) -> None:
        super().__init__()
        self.kernel, self.stride, self.dilation = kernel, stride, dilation
        time, rows, columns = ((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        self.window = (time, rows, columns)

    def forward(
        self, maps: Float[Tensor, "clips channels t_in h_in w_in"]
    ) -> Float[Tensor, "clips channels t_out h_out w_out"]:
        """Pad with zeros, which win over nothing after a ReLU, and pool."""
        padded = pad_same(maps, window=self.window, stride=self.stride)
        return F.max_pool3d(padded, self.kernel, self.stride, dilation=self.dilation)


class Mixed(nn.Module):
    """Four branches over the same map, side by side in the result."""

    def __init__(
        self,
        channels_in: int,
        widths: tuple[int, int, int, int, int, int],
        *,
        dilation: int,
        frozen_norm: bool,
    ) -> None:
        super().__init__()

        def unit(channels_in: int, channels_out: int, *, kernel: int) -> Unit3D:
            return Unit3D(
                channels_in,
                channels_out,
                kernel=kernel,
                dilation=dilation if kernel > 1 else 1,
                frozen_norm=frozen_norm,
            )

        pool = MaxPoolSame(kernel=(3, 3, 3), stride=(1, 1, 1), dilation=(1, dilation, dilation))
        self.Branch_0 = nn.Sequential()
        self.Branch_0.add_module("Conv3d_0a_1x1", unit(channels_in, widths[0], kernel=1))
        self.Branch_1 = nn.Sequential()
        self.Branch_1.add_module("Conv3d_0a_1x1", unit(channels_in, widths[1], kernel=1))
        self.Branch_1.add_module("Conv3d_0b_3x3", unit(widths[1], widths[2], kernel=3))
        self.Branch_2 = nn.Sequential()
        self.Branch_2.add_module("Conv3d_0a_1x1", unit(channels_in, widths[3], kernel=1))
        self.Branch_2.add_module("Conv3d_0b_3x3", unit(widths[3], widths[4], kernel=3))
        self.Branch_3 = nn.Sequential()
        self.Branch_3.add_module("MaxPool3d_0a_3x3", pool)
        self.Branch_3.add_module("Conv3d_0b_1x1", unit(channels_in, widths[5], kernel=1))

    def forward(
        self, maps: Float[Tensor, "clips channels_in t h w"]
    ) -> Float[Tensor, "clips channels_out t h w"]:
        """Join the branches."""
        branches = (self.Branch_0, self.Branch_1, self.Branch_2, self.Branch_3)
        return torch.cat([branch(maps) for branch in branches], dim=1)


def pad_same(
    maps: Float[Tensor, "clips channels t h w"], *, window: Triple, stride: Triple
) -> Float[Tensor, "clips channels t_padded h_padded w_padded"]:
    """Pad `maps` so that size / stride windows fit (rounded up); the odd zero last."""
    padding: list[int] = []
    for size, reach, step in zip(maps.shape[2:], window, stride, strict=True):
        total = max((-(-size // step) - 1) * step + reach - size, 0)
        padding = [total // 2, total - total // 2, *padding]  # torch wants the last axis first
    return F.pad(maps, padding)


def _layers(*, frozen_norm: bool) -> Iterator[tuple[str, nn.Module]]:
    """Build all layers in order, up to the map that Kinetics' classifier averages."""
    yield "Conv3d_1a_7x7", Unit3D(3, 64, kernel=7, stride=2, frozen_norm=frozen_norm)
    yield "MaxPool3d_2a_3x3", MaxPoolSame(kernel=(1, 3, 3), stride=(1, 2, 2))
    yield "Conv3d_2b_1x1", Unit3D(64, 64, frozen_norm=frozen_norm)
    yield "Conv3d_2c_3x3", Unit3D(64, 192, kernel=3, frozen_norm=frozen_norm)
    yield "MaxPool3d_3a_3x3", MaxPoolSame(kernel=(1, 3, 3), stride=(1, 2, 2))
    channels = 192
    for name, widths in MIXED.items():
        if name == "Mixed_4b":
            yield "MaxPool3d_4a_3x3", MaxPoolSame(kernel=(3, 3, 3), stride=(2, 2, 2))
        if name == "Mixed_5b":  # stride 2 over time, as published; 1 over space, which is ours
            yield "MaxPool3d_5a_2x2", MaxPoolSame(kernel=(2, 2, 2), stride=(2, 1, 1))
        dilation = 2 if name.startswith("Mixed_5") else 1
        yield name, Mixed(channels, widths, dilation=dilation, frozen_norm=frozen_norm)
        channels = widths[0] + widths[2] + widths[4] + widths[5]
