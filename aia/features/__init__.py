"""Backbones, and the features of persons and objects that are read from their maps.

    resnet3d.py            C2D and I3D of one pathway, and the stages of every ResNet
    slowfast.py            SlowFast
    i3d.py                 Inception I3D
    torchvision_video.py   torchvision's video models

A backbone maps the normalised frames of each pathway to a feature map. Its attributes are the maps'
channels, their stride, and the input pixel at the centre of their first cell.
"""

from aia.config import (
    BackboneConfig,
    I3DConfig,
    ResNet3DConfig,
    SlowFastConfig,
    TorchvisionConfig,
)
from aia.features.i3d import I3D
from aia.features.resnet3d import ResNet3D
from aia.features.slowfast import SlowFast
from aia.features.torchvision_video import TorchvisionVideo

Backbone = SlowFast | ResNet3D | I3D | TorchvisionVideo


def build_backbone(config: BackboneConfig, *, frozen_norm: bool) -> Backbone:
    """Build the backbone of a section of settings, with fresh weights."""
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
        case ResNet3DConfig():
            return ResNet3D(
                stem_stride=config.stem_stride,
                stem_pool=config.stem_pool,
                stem_kernel=config.stem_kernel,
                stem_channels=config.stem_channels,
                blocks=config.blocks,
                inner_channels=config.inner_channels,
                outer_channels=config.outer_channels,
                temporal_patterns=config.temporal_patterns,
                temporal_pool=config.temporal_pool,
                spatial_strides=config.spatial_strides,
                dilations=config.dilations,
                pool_padding=config.pool_padding,
                frozen_norm=frozen_norm,
            )
        case I3DConfig():
            return I3D(end_point=config.end_point, frozen_norm=frozen_norm)
        case TorchvisionConfig():
            return TorchvisionVideo(model=config.model, frozen_norm=frozen_norm)
