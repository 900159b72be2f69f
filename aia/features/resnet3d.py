"""Residual stages over time and space, shared by the pathways of every ResNet backbone.

    x ─┬─ t×1×1 ─ 1×3×3 ─ 1×1×1 ─ + ─ ReLU     each conv with BatchNorm, ReLU between them
       └─ 1×1×1 (first block only) ┘

Time is never strided: a pathway keeps its frames.
"""

from jaxtyping import Float
from torch import Tensor, nn

from aia.features.frozen_norm import ConvNorm


class Bottleneck(nn.Module):
    """One residual block; `shortcut` is a convolution where the shape changes."""

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
        """Add what the three convolutions find to the shortcut."""
        inner = self.relu(self.spatial(self.relu(self.reduce(maps))))
        shortcut = maps if self.shortcut is None else self.shortcut(maps)
        return self.relu(self.expand(inner) + shortcut)


def residual_stage(
    channels_in: int,
    channels_out: int,
    *,
    blocks: int,
    inner: int,
    temporal_kernel: int,
    spatial_stride: int,
    dilation: int,
    frozen_norm: bool,
) -> nn.Sequential:
    """`blocks` bottlenecks; the first one changes width and size, all of them dilate."""
    return nn.Sequential(
        *(
            Bottleneck(
                channels_in if first else channels_out,
                channels_out,
                inner=inner,
                temporal_kernel=temporal_kernel,
                spatial_stride=spatial_stride if first else 1,
                dilation=dilation,
                project=first,
                frozen_norm=frozen_norm,
            )
            for first in (index == 0 for index in range(blocks))
        )
    )
