"""The section `backbones`: the families of the backbone F, and what their stages must fulfil."""

from dataclasses import dataclass
from typing import Any, Literal

from aia.config.checks import at_least, at_most, each_at_least, odd


@dataclass(frozen=True, kw_only=True)
class LateralConfig:
    """The connections from the fast to the slow pathway."""

    ratio: int
    """Output channels of the convolution, as a multiple of the fast pathway's channels."""
    kernel: int
    """Temporal kernel of the convolution, in frames of the fast pathway; odd."""
    norm: bool
    """True if BatchNorm and ReLU follow the convolution, as in PySlowFast."""
    bias: bool
    """True if the convolution has a bias; must be false where `norm` is true."""

    def __post_init__(self) -> None:
        at_least(self, ratio=1)
        odd(self, "kernel")
        if self.norm and self.bias:
            raise ValueError("bias: true has no effect before norm: true; one of them is false")


@dataclass(frozen=True, kw_only=True)
class SlowFastConfig:
    """SlowFast at any width and depth; pairs are (slow, fast)."""

    family: Literal["slowfast"]
    """The kind of backbone, which decides on the other settings."""
    span: int
    """Length of a clip, in kept frames; 64 at 30 frames a second is 2.1 s."""
    strides: tuple[int, int]
    """Steps between the sampled frames of each pathway (τ and τ/α); the first is a multiple of the
    second and divides `span`."""
    stem_stride: int
    """Spatial stride of the first convolution."""
    stem_pool: bool
    """True if 3x3 max pooling of stride 2 follows the first convolution."""
    stem_kernels: tuple[int, int]
    """Temporal kernel of the first convolution, in frames; odd."""
    stem_channels: tuple[int, int]
    """Output channels of the first convolution."""
    blocks: tuple[int, ...]
    """Residual blocks of each stage; their number is the number of stages."""
    inner_channels: tuple[tuple[int, int], ...]
    """Channels inside the bottlenecks of each stage."""
    outer_channels: tuple[tuple[int, int], ...]
    """Output channels of each stage."""
    temporal_kernels: tuple[tuple[int, int], ...]
    """Temporal kernel of the blocks of each stage, in frames; odd."""
    spatial_strides: tuple[int, ...]
    """Spatial stride of each stage."""
    dilations: tuple[int, ...]
    """Spatial dilation of each stage; on AVA the last one dilates by 2 instead of striding."""
    lateral: LateralConfig
    """The convolutions that carry features from the fast to the slow pathway."""
    pool_padding: int
    """Spatial padding of the stem's max pooling: 0 in the authors' code, 1 in PySlowFast."""
    mean: tuple[float, float, float]
    """Mean of each colour that is subtracted from frames; RGB, 0..255."""
    std: tuple[float, float, float]
    """Standard deviation of each colour by which frames are divided; RGB, above 0."""

    def __post_init__(self) -> None:
        _check_clips_and_colours(self)
        _check_stages(self, kernels="temporal_kernels")
        odd(self, "stem_kernels")
        slow, fast = self.strides
        if slow % fast or self.span % slow:
            raise ValueError(
                f"strides: {slow} must be a multiple of {fast} and divide the span {self.span}"
            )


@dataclass(frozen=True, kw_only=True)
class I3DConfig:
    """Inception I3D."""

    family: Literal["i3d"]
    """The kind of backbone, which decides on the other settings."""
    span: int
    """Length of a clip, in kept frames."""
    strides: tuple[int]
    """Step between the sampled frames; at most `span`."""
    end_point: Literal["Mixed_4f", "Mixed_5c"]
    """The layer whose feature map is used; both have a spatial stride of 16."""
    mean: tuple[float, float, float]
    """Mean of each colour that is subtracted from frames; RGB, 0..255."""
    std: tuple[float, float, float]
    """Standard deviation of each colour by which frames are divided; RGB, above 0."""

    def __post_init__(self) -> None:
        _check_clips_and_colours(self)


@dataclass(frozen=True, kw_only=True)
class ResNet3DConfig:
    """C2D and I3D of the Non-local paper: a ResNet of one pathway."""

    family: Literal["resnet3d"]
    """The kind of backbone, which decides on the other settings."""
    span: int
    """Length of a clip, in kept frames; 1 is a single image (§5.1)."""
    strides: tuple[int]
    """Step between the sampled frames; at most `span`."""
    stem_stride: int
    """Spatial stride of the first convolution."""
    stem_pool: bool
    """True if 3x3 max pooling of stride 2 follows the first convolution."""
    stem_kernel: int
    """Temporal kernel of the first convolution, in frames; odd."""
    stem_channels: int
    """Output channels of the first convolution."""
    blocks: tuple[int, ...]
    """Residual blocks of each stage; their number is the number of stages."""
    inner_channels: tuple[int, ...]
    """Channels inside the bottlenecks of each stage."""
    outer_channels: tuple[int, ...]
    """Output channels of each stage."""
    temporal_patterns: tuple[tuple[int, ...], ...]
    """Temporal kernels of the blocks of each stage, repeated over its blocks; odd. [1] is C2D."""
    temporal_pool: bool
    """True if max pooling halves the frames after the first stage; needs at least 2 frames."""
    spatial_strides: tuple[int, ...]
    """Spatial stride of each stage."""
    dilations: tuple[int, ...]
    """Spatial dilation of each stage; as in SlowFast on AVA the last one dilates by 2."""
    pool_padding: int
    """Spatial padding of the stem's max pooling, 0 or 1; 1 in PySlowFast."""
    mean: tuple[float, float, float]
    """Mean of each colour that is subtracted from frames; RGB, 0..255."""
    std: tuple[float, float, float]
    """Standard deviation of each colour by which frames are divided; RGB, above 0."""

    def __post_init__(self) -> None:
        _check_clips_and_colours(self)
        _check_stages(self, kernels="temporal_patterns")
        odd(self, "stem_kernel")
        if not all(self.temporal_patterns):
            raise ValueError(
                "temporal_patterns: a stage has no kernel at all; [1] looks at no time"
            )
        if self.temporal_pool and self.span <= self.strides[0]:
            raise ValueError(
                f"temporal_pool: true needs at least 2 frames, but span {self.span} with "
                f"strides {list(self.strides)} gives 1; set it to false for single images"
            )


@dataclass(frozen=True, kw_only=True)
class TorchvisionConfig:
    """A video model of torchvision, without its classifier."""

    family: Literal["torchvision"]
    """The kind of backbone, which decides on the other settings."""
    model: Literal["mvit_v2_s", "swin3d_t", "r3d_18"]
    """torchvision's name of the model."""
    weights: str
    """Initial weights where `train.init` is scratch: scratch, KINETICS400_V1 (torchvision's, by
    name), or a .pth or .safetensors file."""
    span: int
    """Length of a clip, in kept frames; the published weights know one length."""
    strides: tuple[int]
    """Step between the sampled frames; at most `span`."""
    mean: tuple[float, float, float]
    """Mean of each colour that is subtracted from frames; RGB, 0..255."""
    std: tuple[float, float, float]
    """Standard deviation of each colour by which frames are divided; RGB, above 0."""

    def __post_init__(self) -> None:
        _check_clips_and_colours(self)
        known = self.weights in ("scratch", "KINETICS400_V1")
        if not known and not self.weights.endswith((".pth", ".safetensors")):
            raise ValueError(
                f"weights = {self.weights!r}, expected scratch, KINETICS400_V1 (torchvision's, by "
                "name), or a .pth or .safetensors file"
            )


BackboneConfig = SlowFastConfig | I3DConfig | ResNet3DConfig | TorchvisionConfig


def _check_clips_and_colours(backbone: Any) -> None:
    """Check that a clip has at least one frame, and that colours are divided by numbers above 0."""
    at_least(backbone, span=1)
    each_at_least(backbone, 1, "strides")
    if any(stride > backbone.span for stride in backbone.strides):
        raise ValueError(
            f"strides: {max(backbone.strides)} is more than the span {backbone.span}, "
            "so that a clip may have no frame"
        )
    if any(part <= 0 for part in backbone.std):
        raise ValueError(f"std: {list(backbone.std)} holds a number that is not above 0")


def _check_stages(backbone: Any, *, kernels: str) -> None:
    """Check the stages of a ResNet; `kernels` is the name of their temporal kernels."""
    stages = len(backbone.blocks)
    if not stages:
        raise ValueError("blocks: needs at least one stage")
    per_stage = ("inner_channels", "outer_channels", kernels, "spatial_strides", "dilations")
    for name in per_stage:
        entries = len(getattr(backbone, name))
        if entries != stages:
            raise ValueError(f"{name}: has {entries} entries for the {stages} stages of blocks")
    each_at_least(backbone, 1, "blocks", "stem_channels", *per_stage)
    odd(backbone, kernels)
    at_least(backbone, stem_stride=1, pool_padding=0)
    at_most(backbone, pool_padding=1)
