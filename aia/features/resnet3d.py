"""Stem and residual stages over time and space, shared by all ResNets, and the one of one pathway.

    frames ─ stem ─ stage ─ (pool over time) ─ stage ─ stage ─ stage → map

    x ─┬─ t×1×1 ─ 1×3×3 ─ 1×1×1 ─ + ─ ReLU     each conv with BatchNorm, ReLU between them
       └─ 1×1×1 (first block only) ┘

Stages never stride over time. C2D and I3D of "Non-local Neural Networks" (Wang et al., 2018) are
this network with t = 1 everywhere, and with t = 3 in every second block or so; both halve the time
once. Without that pooling a clip may be a single image, as the paper's backbone of UCF101-24
takes it (§5.1).
"""

from math import prod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aia.features.frozen_norm import ConvNorm


class ResNet3D(nn.Module):
    """Backbones C2D and I3D: the ResNet of an image, with time.

    The arguments are the fields of `ResNet3DConfig`.

    Attributes:
        channels: channels of the map.
        stride: input pixels per cell of the map, each way.
        shift_px: pixel at the centre of the map's first cell.
    """

    def __init__(
        self,
        *,
        stem_stride: int,
        stem_pool: bool,
        stem_kernel: int,
        stem_channels: int,
        blocks: tuple[int, ...],
        inner_channels: tuple[int, ...],
        outer_channels: tuple[int, ...],
        temporal_patterns: tuple[tuple[int, ...], ...],
        temporal_pool: bool,
        spatial_strides: tuple[int, ...],
        dilations: tuple[int, ...],
        pool_padding: int,
        frozen_norm: bool,
    ) -> None:
        super().__init__()
        self.channels = outer_channels[-1:]
        self.stride = stem_stride * (2 if stem_pool else 1) * prod(spatial_strides)
        self.shift_px = 0.0
        self.temporal_pool = temporal_pool
        self.stem = resnet_stem(
            stem_channels,
            temporal_kernel=stem_kernel,
            stride=stem_stride,
            pool_padding=pool_padding if stem_pool else None,
            frozen_norm=frozen_norm,
        )
        inputs = (stem_channels, *outer_channels[:-1])
        self.stages = nn.ModuleList(
            residual_stage(
                inputs[i],
                outer_channels[i],
                blocks=blocks[i],
                inner=inner_channels[i],
                temporal_pattern=temporal_patterns[i],
                spatial_stride=spatial_strides[i],
                dilation=dilations[i],
                frozen_norm=frozen_norm,
            )
            for i in range(len(blocks))
        )

    def forward(
        self, pathways: list[Float[Tensor, "clips 3 _ h w"]]
    ) -> list[Float[Tensor, "clips _ _ rows columns"]]:
        """Normalised frames of the one pathway to its map."""
        (frames,) = pathways
        # channels innermost: faster on a CPU (see slowfast.py)
        maps = self.stem(frames.contiguous(memory_format=torch.channels_last_3d))
        for index, stage in enumerate(self.stages):
            maps = stage(maps)
            if self.temporal_pool and index == 0:
                maps = F.max_pool3d(maps, (2, 1, 1))
        return [maps]


class Bottleneck(nn.Module):
    """Residual block; `shortcut` is a convolution if the shape changes."""

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        inner: int,
        temporal_kernel: int,
        spatial_stride: int,
        dilation: int,
        project: bool,
        frozen_norm: bool,
    ) -> None:
        super().__init__()
        stride = (1, spatial_stride, spatial_stride)
        self.reduce = ConvNorm(
            channels_in,
            inner,
            kernel=(temporal_kernel, 1, 1),
            padding=(temporal_kernel // 2, 0, 0),
            frozen_norm=frozen_norm,
        )
        self.spatial = ConvNorm(
            inner,
            inner,
            kernel=(1, 3, 3),
            stride=stride,
            dilation=(1, dilation, dilation),
            padding=(0, dilation, dilation),
            frozen_norm=frozen_norm,
        )
        self.expand = ConvNorm(inner, channels_out, kernel=(1, 1, 1), frozen_norm=frozen_norm)
        self.shortcut = (
            ConvNorm(
                channels_in, channels_out, kernel=(1, 1, 1), stride=stride, frozen_norm=frozen_norm
            )
            if project
            else None
        )
        self.relu = nn.ReLU(inplace=True)
        if not frozen_norm:  # the block starts as its shortcut
            nn.init.zeros_(self.expand.norm.weight)

    def forward(
        self, maps: Float[Tensor, "clips channels_in t h_in w_in"]
    ) -> Float[Tensor, "clips channels_out t h_out w_out"]:
        """Add the three convolutions' output to the shortcut."""
        inner = self.relu(self.spatial(self.relu(self.reduce(maps))))
        shortcut = maps if self.shortcut is None else self.shortcut(maps)
        return self.relu(self.expand(inner) + shortcut)


def residual_stage(
    channels_in: int,
    channels_out: int,
    *,
    blocks: int,
    inner: int,
    temporal_pattern: tuple[int, ...],
    spatial_stride: int,
    dilation: int,
    frozen_norm: bool,
) -> nn.Sequential:
    """Build `blocks` bottlenecks; the first one changes width and size, all of them dilate.

    `temporal_pattern` has the temporal kernels of the first blocks and is repeated for the others.
    """
    return nn.Sequential(
        *(
            Bottleneck(
                channels_in if index == 0 else channels_out,
                channels_out,
                inner=inner,
                temporal_kernel=temporal_pattern[index % len(temporal_pattern)],
                spatial_stride=spatial_stride if index == 0 else 1,
                dilation=dilation,
                project=index == 0,
                frozen_norm=frozen_norm,
            )
            for index in range(blocks)
        )
    )


def resnet_stem(
    channels: int,
    *,
    temporal_kernel: int,
    stride: int,
    pool_padding: int | None,
    frozen_norm: bool,
) -> nn.Sequential:
    """Build a 7×7 convolution of the frames and, with `pool_padding`, 3×3 max pooling."""
    layers: list[nn.Module] = [
        ConvNorm(
            3,
            channels,
            kernel=(temporal_kernel, 7, 7),
            stride=(1, stride, stride),
            padding=(temporal_kernel // 2, 3, 3),
            frozen_norm=frozen_norm,
        ),
        nn.ReLU(inplace=True),
    ]
    if pool_padding is not None:
        padding = (0, pool_padding, pool_padding)
        layers.append(nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=padding))
    return nn.Sequential(*layers)
