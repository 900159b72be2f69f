"""SlowFast: f_t = F(v_t, φ_F), the map for features of persons and objects (§4.1).

    slow, few frames   ─ stem ─ cat ─ stage ─ cat ─ stage ─ …  → slow map
                                 ↑             ↑
                              lateral       lateral              time ÷ α, channels × ratio
                                 │             │
    fast, α times more ─ stem ──┴─── stage ───┴─── stage ─ …  → fast map

One class at every size: ResNet-50 4×16 and ResNet-101 8×8 as in the authors' code, the same in
PySlowFast's form, and the tiny network of the default run differ in `config.yaml` only. The two
maps stay apart; roi.py averages each over time and joins them.
"""

from collections.abc import Sequence
from math import prod

import torch
from jaxtyping import Float
from torch import Tensor, nn

from aia.config import LateralConfig
from aia.features.frozen_norm import ConvNorm
from aia.features.resnet3d import residual_stage, resnet_stem

SLOW, FAST = 0, 1


class SlowFast(nn.Module):
    """Backbone of two residual networks of different pace, joined before every stage.

    The arguments are the fields of `SlowFastConfig`; pairs are (slow, fast).

    Attributes:
        channels: channels of the slow and the fast map.
        stride: input pixels per cell of the maps, each way.
        shift_px: pixel at the centre of the maps' first cell. With the authors' pooling it would
            be pixel 2; they do not shift the RoIs, and neither do we.
    """

    def __init__(
        self,
        *,
        strides: tuple[int, int],
        stem_stride: int,
        stem_pool: bool,
        stem_kernels: tuple[int, int],
        stem_channels: tuple[int, int],
        blocks: tuple[int, ...],
        inner_channels: tuple[tuple[int, int], ...],
        outer_channels: tuple[tuple[int, int], ...],
        temporal_kernels: tuple[tuple[int, int], ...],
        spatial_strides: tuple[int, ...],
        dilations: tuple[int, ...],
        lateral: LateralConfig,
        pool_padding: int,
        frozen_norm: bool,
    ) -> None:
        super().__init__()
        self.channels = outer_channels[-1]
        self.stride = stem_stride * (2 if stem_pool else 1) * prod(spatial_strides)
        self.shift_px = 0.0

        # channels of each stage's input from the stage (or stem) before, and from the fast pathway
        inputs = (stem_channels, *outer_channels[:-1])
        crossing = [lateral.ratio * channels[FAST] for channels in inputs]
        self.laterals = nn.ModuleList(
            _lateral(
                channels_in[FAST],
                channels_out,
                alpha=strides[SLOW] // strides[FAST],
                kernel=lateral.kernel,
                norm=lateral.norm,
                bias=lateral.bias,
                frozen_norm=frozen_norm,
            )
            for channels_in, channels_out in zip(inputs, crossing, strict=True)
        )
        self.slow, self.fast = (
            Pathway(
                stem=resnet_stem(
                    stem_channels[path],
                    temporal_kernel=stem_kernels[path],
                    stride=stem_stride,
                    pool_padding=pool_padding if stem_pool else None,
                    frozen_norm=frozen_norm,
                ),
                stages=[
                    residual_stage(
                        inputs[i][path] + (crossing[i] if path == SLOW else 0),
                        outer_channels[i][path],
                        blocks=blocks[i],
                        inner=inner_channels[i][path],
                        temporal_pattern=(temporal_kernels[i][path],),
                        spatial_stride=spatial_strides[i],
                        dilation=dilations[i],
                        frozen_norm=frozen_norm,
                    )
                    for i in range(len(blocks))
                ],
            )
            for path in (SLOW, FAST)
        )

    def forward(
        self, pathways: list[Float[Tensor, "clips 3 _ h w"]]
    ) -> list[Float[Tensor, "clips _ _ rows columns"]]:
        """Map normalised frames of the slow and the fast pathway."""
        # channels innermost: a training step on a CPU takes two thirds of the time
        slow, fast = (
            path.stem(frames.contiguous(memory_format=torch.channels_last_3d))
            for path, frames in zip((self.slow, self.fast), pathways, strict=True)
        )
        for lateral, slow_stage, fast_stage in zip(
            self.laterals, self.slow.stages, self.fast.stages, strict=True
        ):
            slow = slow_stage(torch.cat([slow, lateral(fast)], dim=1))
            fast = fast_stage(fast)
        return [slow, fast]


class Pathway(nn.Module):
    """Layers of one pace; `SlowFast.forward` runs both pathways in step."""

    def __init__(self, *, stem: nn.Sequential, stages: Sequence[nn.Sequential]) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)


def _lateral(
    channels_in: int,
    channels_out: int,
    *,
    alpha: int,
    kernel: int,
    norm: bool,
    bias: bool,
    frozen_norm: bool,
) -> nn.Module:
    """Build the way from fast to slow: a convolution over time that keeps every α-th step.

    The authors' code has a bare convolution with bias; PySlowFast has norm and ReLU, where a bias
    would have no effect.
    """
    shape, stride, padding = (kernel, 1, 1), (alpha, 1, 1), (kernel // 2, 0, 0)
    if norm:
        unit = ConvNorm(
            channels_in,
            channels_out,
            kernel=shape,
            stride=stride,
            padding=padding,
            frozen_norm=frozen_norm,
        )
        return nn.Sequential(unit, nn.ReLU(inplace=True))
    conv = nn.Conv3d(channels_in, channels_out, shape, stride, padding, bias=bias)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv
