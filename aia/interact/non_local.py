"""Non-local baseline (Table 1f): persons attend to the whole clip, not to persons or objects.

SlowFast's authors put a non-local branch on RoI features for AVA: "attention is computed between
the person instance features and global pooled features" (§4.2). Here the clip is pooled over time
alone, as RoI features are, and every place of the map is a slot: with a single vector
for the clip the softmax would be constant.
"""

import math

from jaxtyping import Float
from torch import Tensor, nn

from aia.clip import Slots
from aia.dropout import Dropout
from aia.interact.aggregation import IAResult
from aia.interact.block import linear


class NonLocal(nn.Module):
    """Non-local block of Wang et al. (embedded Gaussian): what it adds to persons.

        A = W_z softmax(θ(P) φ(X)ᵀ / √d) g(X)

    The residual is the network's P + A. The padding of a batch gets no attention, also with
    `empty_slots: attend`: it is no part of the clip.

    Args:
        d_in: Channels of persons and places.
        width: Inner width d.
        d_out: Channels of A.
        dropout: Share of A's channels that are dropped in training.
        zero_output: True makes A start as zero, as in Wang et al.
    """

    blocks = ""

    def __init__(
        self, *, d_in: int, width: int, d_out: int, dropout: float, zero_output: bool
    ) -> None:
        super().__init__()
        self.theta = linear(d_in, width, std=None)
        self.phi = linear(d_in, width, std=None)
        self.g = linear(d_in, width, std=None)
        self.out = linear(width, d_out, std=0.0 if zero_output else None)
        self.dropout = Dropout(dropout)

    def forward(
        self, P: Slots, O: Slots | None, M: Slots | None = None
    ) -> Float[Tensor, "clips persons d_out"]:
        """Compute A_t; zero for empty persons.

        Args:
            P: Persons.
            O: Places of the clip's map, instead of objects.
            M: Ignored; the baseline has no memory.
        """
        if O is None:
            raise ValueError("the non-local block attends to the places of a map, but got none")
        logits = self.theta(P.features) @ self.phi(O.features).mT / math.sqrt(self.g.out_features)
        attention = logits.masked_fill(~O.filled[:, None], -math.inf).softmax(dim=-1)
        A = self.dropout(self.out(attention @ self.g(O.features)))
        return A * P.filled[..., None]

    def forward_with_attention(self, P: Slots, O: Slots | None, M: Slots | None) -> IAResult:
        """Compute A_t; the attention is to places, not boxes, so there is none to return."""
        return IAResult(self(P, O, M), {})
