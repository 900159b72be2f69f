"""A small Faster R-CNN that trains from scratch within minutes on one CPU core (ours).

    frame ─▶ stem /2 ─▶ stage /4 ─▶ /8 ─▶ /16 ─▶ /32     residual backbone
                                     └─────┴──────┴──▶ FPN ─▶ torchvision's RPN and RoI heads

It replaces the paper's ResNeXt-101-FPN (§4.1) where persons are tens of pixels tall: anchors
begin at 16 pixels, and the four levels of the pyramid have 64 channels.
"""

from collections import OrderedDict

from jaxtyping import Float
from torch import Tensor, nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import FeaturePyramidNetwork, MultiScaleRoIAlign
from torchvision.ops.feature_pyramid_network import LastLevelMaxPool

STEM_CHANNELS = 16
STAGE_CHANNELS = (32, 64, 128, 128)  # at strides 4, 8, 16, 32
PYRAMID_CHANNELS = 64
HEAD_WIDTH = 128
ROI_RESOLUTION = 7
# twice and three times the stride of each level (8, 16, 32, 64); square root of the area
ANCHOR_SIZES = ((16, 24), (32, 48), (64, 96), (128, 192))
ANCHOR_RATIOS = (0.6, 1.2, 2.8)  # height over width: screens, small things, standing persons


def small_faster_rcnn(*, classes: int) -> FasterRCNN:
    """Build torchvision's Faster R-CNN on the small backbone; `classes` include the background."""
    anchors = AnchorGenerator(ANCHOR_SIZES, (ANCHOR_RATIOS,) * len(ANCHOR_SIZES))
    # boxes up to 64 pixels are pooled from stride 8, up to twice the size from stride 16, ...
    # so a bin is hardly wider than a cell, and one sample in each is enough
    pool = MultiScaleRoIAlign(
        ["0", "1", "2"], ROI_RESOLUTION, sampling_ratio=1, canonical_scale=64, canonical_level=4
    )
    return FasterRCNN(
        SmallBackbone(),
        rpn_anchor_generator=anchors,
        rpn_pre_nms_top_n_train=400,  # a frame holds a dozen boxes, not a hundred
        rpn_post_nms_top_n_train=200,
        rpn_pre_nms_top_n_test=300,
        rpn_post_nms_top_n_test=100,
        rpn_batch_size_per_image=128,
        box_roi_pool=pool,
        box_head=TwoMLPHead(PYRAMID_CHANNELS * ROI_RESOLUTION**2, HEAD_WIDTH),
        box_predictor=FastRCNNPredictor(HEAD_WIDTH, classes),
        box_batch_size_per_image=64,
    )


class SmallBackbone(nn.Module):
    """Residual stages and a feature pyramid on the last three of them."""

    out_channels = PYRAMID_CHANNELS

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(_conv_norm(3, STEM_CHANNELS, stride=2), nn.ReLU(inplace=True))
        channels = (STEM_CHANNELS, *STAGE_CHANNELS)
        self.stages = nn.ModuleList(
            ResidualStage(channels_in, channels_out)
            for channels_in, channels_out in zip(channels, channels[1:], strict=False)
        )
        self.pyramid = FeaturePyramidNetwork(
            list(STAGE_CHANNELS[1:]), PYRAMID_CHANNELS, extra_blocks=LastLevelMaxPool()
        )

    def forward(self, frames: Float[Tensor, "frames 3 h w"]) -> dict[str, Tensor]:
        """Compute maps at strides 8, 16, 32 and 64, named "0", "1", "2" and "pool"."""
        maps: OrderedDict[str, Tensor] = OrderedDict()
        map_ = self.stem(frames)
        for level, stage in enumerate(self.stages):
            map_ = stage(map_)
            if level > 0:
                maps[str(level - 1)] = map_
        return self.pyramid(maps)


class ResidualStage(nn.Module):
    """One residual block of two 3x3 convolutions that halves height and width."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.first = _conv_norm(channels_in, channels_out, stride=2)
        self.second = _conv_norm(channels_out, channels_out, stride=1)
        self.shortcut = _conv_norm(channels_in, channels_out, stride=2, kernel=1)

    def forward(
        self, maps: Float[Tensor, "frames channels_in h_in w_in"]
    ) -> Float[Tensor, "frames channels_out h_out w_out"]:
        """Add the residual of the two convolutions to a projected shortcut."""
        residual = self.second(self.first(maps).relu())
        return (residual + self.shortcut(maps)).relu()


def _conv_norm(
    channels_in: int, channels_out: int, *, stride: int, kernel: int = 3
) -> nn.Sequential:
    conv = nn.Conv2d(
        channels_in, channels_out, kernel, stride=stride, padding=kernel // 2, bias=False
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out))
