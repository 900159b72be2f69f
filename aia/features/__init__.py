"""Backbones, and the features of persons and objects that are read from their maps."""

from aia.config import BackboneConfig, I3DConfig, SlowFastConfig
from aia.features.i3d import I3D
from aia.features.slowfast import SlowFast


def build_backbone(config: BackboneConfig, *, frozen_norm: bool) -> SlowFast | I3D:
    """The network that a run's first word names, with fresh weights."""
    match config:
        case SlowFastConfig():
            return SlowFast(
                strides=config.strides,
                stem_stride=config.stem_stride,
                stem_pool=config.stem_pool,
                stem_kernels=config.stem_kernels,
                stem_channels=config.stem_channels,
                blocks=config.blocks,
                inner_channels=config.inner_channels,
                outer_channels=config.outer_channels,
                temporal_kernels=config.temporal_kernels,
                spatial_strides=config.spatial_strides,
                dilations=config.dilations,
                lateral=config.lateral,
                pool_padding=config.pool_padding,
                frozen_norm=frozen_norm,
            )
        case I3DConfig():
            return I3D(end_point=config.end_point, frozen_norm=frozen_norm)
