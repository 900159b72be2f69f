"""Convolution and BatchNorm as one unit, whose normalisation can be frozen (§4.1).

The paper trains AIA with BatchNorm "set frozen": its four tensors are then constants, and

    γ (w ∗ x − μ) / √(σ² + ε) + β  =  (s w) ∗ x + (β − s μ),    s = γ / √(σ² + ε),

so the frozen unit is one convolution, with no pass over the feature map for the norm. The
tensors stay where they are: live and frozen units have the same keys in their state dict.
"""

from jaxtyping import Float
from torch import Tensor, nn


class ConvNorm(nn.Module):
    """Unit of a 3-d convolution without bias and BatchNorm (no activation).

    If frozen, only the convolution's weight has a gradient, in training and evaluation mode.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        *,
        kernel: tuple[int, int, int],
        stride: tuple[int, int, int] = (1, 1, 1),
        dilation: tuple[int, int, int] = (1, 1, 1),
        padding: tuple[int, int, int] = (0, 0, 0),
        eps: float = 1e-5,
        frozen_norm: bool = False,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv3d(
            channels_in,
            channels_out,
            kernel,
            stride=stride,
            dilation=dilation,
            padding=padding,
            bias=False,
        )
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")
        self.norm = nn.BatchNorm3d(channels_out, eps=eps)
        self.frozen = False
        if frozen_norm:
            self.freeze()

    def freeze(self) -> None:
        """Make the norm's tensors constants from now on."""
        self.frozen = True
        self.norm.requires_grad_(False)

    def folded(self) -> tuple[Float[Tensor, "out in t h w"], Float[Tensor, " out"]]:
        """Compute weight and bias of the one convolution that replaces both."""
        norm = self.norm
        assert norm.running_mean is not None  # BatchNorm tracks both by default
        assert norm.running_var is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = self.conv.weight * scale[:, None, None, None, None]
        return weight, norm.bias - scale * norm.running_mean

    def forward(
        self, maps: Float[Tensor, "clips channels_in t_in h_in w_in"]
    ) -> Float[Tensor, "clips channels_out t_out h_out w_out"]:
        """Convolve and normalise."""
        if not self.frozen:
            return self.norm(self.conv(maps))
        weight, bias = self.folded()
        conv = self.conv
        return nn.functional.conv3d(
            maps,
            weight,
            bias,
            conv.stride,
            conv.padding,
            conv.dilation,
        )

    def extra_repr(self) -> str:
        """Show in the printed network which units are frozen."""
        return f"frozen={self.frozen}"


def freeze_norms(module: nn.Module) -> nn.Module:
    """Freeze every `ConvNorm` within `module`, in place, and return it."""
    for unit in module.modules():
        if isinstance(unit, ConvNorm):
            unit.freeze()
    return module


def trainable_parameters(module: nn.Module) -> int:
    """Count the numbers that the optimizer changes.

    >>> unit = ConvNorm(2, 3, kernel=(1, 1, 1))
    >>> trainable_parameters(unit), trainable_parameters(freeze_norms(unit))
    (12, 6)
    """
    return sum(p.numel() for p in module.parameters() if p.requires_grad)
