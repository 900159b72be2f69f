"""Interaction blocks: one kind of context enhances a target person (§3.2, Fig. 3a).

    P-Block   attends to the other persons P_t     listen to, talk to
    O-Block   attends to the objects O_t           carry, drink
    M-Block   attends to the memory M_t            close (what was opened before)

They differ only in what they attend to, so there is one class; aggregation.py stacks them. The
paper shows dot-product attention and a residual; scale, LayerNorm, ReLU, dropout and the start at
the identity are the authors' code's. All persons of all clips of a batch go through at once.
"""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from aia.clip import Slots
from aia.dropout import Dropout

EmptySlots = Literal["mask", "attend"]


class Enhanced(NamedTuple):
    """Output of an interaction block."""

    E: Float[Tensor, "clips persons d_out"]
    attention: Float[Tensor, "clips persons slots"]
    """Output of the softmax, which Figure 4 shows."""


class InteractionBlock(nn.Module):
    """Attention of persons to slots, with a residual.

        A = softmax(Q Kᵀ / √d)      E = residual + out(ReLU(LayerNorm(A V)))

    where Q, K, V are linear in the person and the slots, and the residual is the person itself (or
    its linear image if `d_out` differs).

    Args:
        width: Channels d of persons and slots.
        d_out: Channels of the result.
        dropout: Share of the result's channels that are dropped in training.
        empty_slots: "mask" gives empty slots no weight, and persons of a clip without any slot
            gain exactly nothing. "attend" lets them take part in the softmax, as the authors' code
            does (and as the caption of Fig. 4 admits).
        zero_output: True makes the block start by adding nothing.
        init_std: Deviation of the weights at the start; None: 1/√(3 inputs), torch's own scale.
            The authors take 0.01, near that at their width of 1024; at a width of 64 the positions
            would outweigh the slots' features.
        positions: Initial vectors that are added to keys and values by second (M-Block), one row a
            second; each second then has as many slots. Queries have none.
    """

    def __init__(
        self,
        *,
        width: int,
        d_out: int,
        dropout: float,
        empty_slots: EmptySlots,
        zero_output: bool,
        init_std: float | None = None,
        positions: tuple[Float[Tensor, "steps d"], Float[Tensor, "steps d"]] | None = None,
    ) -> None:
        super().__init__()
        self.masked = empty_slots == "mask"
        self.query = linear(width, width, std=init_std)
        self.key = linear(width, width, std=init_std)
        self.value = linear(width, width, std=init_std)
        self.out = linear(width, d_out, std=0.0 if zero_output else init_std)
        self.shortcut = linear(width, d_out, std=init_std) if d_out != width else nn.Identity()
        self.dropout = Dropout(dropout)
        key, value = positions or (None, None)
        self.position_key = None if key is None else nn.Parameter(key)
        self.position_value = None if value is None else nn.Parameter(value)

    def forward(self, P: Float[Tensor, "clips persons d"], X: Slots) -> Enhanced:
        """Enhance the persons P by the slots X of their own clip.

        W_k and W_v are applied to the few queries and the few attended sums instead of the many
        slots: q·(W_k x + b_k) = (W_kᵀ q)·x + q·b_k and Σ a (W_v x + b_v) = W_v Σ a x + Σ a b_v.
        With 305 slots of memory this is less than a third of the work; the result is the same.
        """
        Q = self.query(P) / math.sqrt(P.shape[-1])
        logits = (Q @ self.key.weight) @ X.features.mT + (Q @ self.key.bias)[..., None]
        if self.position_key is not None:
            per_step = Q @ self.position_key.mT
            slots_a_step = logits.shape[-1] // per_step.shape[-1]
            logits = logits + per_step.repeat_interleave(slots_a_step, dim=-1)
        if self.masked:
            lowest = torch.finfo(logits.dtype).min  # finite: no NaN where all slots are empty
            attention = logits.masked_fill(~X.filled[:, None], lowest).softmax(dim=-1)
            attention = attention * X.filled[:, None]
        else:
            attention = logits.softmax(dim=-1)

        attended = F.linear(attention @ X.features, self.value.weight) + self.value.bias
        if self.position_value is not None:
            per_step = attention.unflatten(-1, (len(self.position_value), -1)).sum(dim=-1)
            attended = attended + per_step @ self.position_value
        gain = self.dropout(self.out(F.relu(F.layer_norm(attended, attended.shape[-1:]))))
        if self.masked:
            gain = gain * X.filled.any(dim=1)[:, None, None]
        return Enhanced(self.shortcut(P) + gain, attention)


def linear(d_in: int, d_out: int, *, std: float | None) -> nn.Linear:
    """Make a linear layer with normal weights of deviation `std`, or 1/√(3 d_in) for None."""
    layer = nn.Linear(d_in, d_out)
    nn.init.normal_(layer.weight, std=1 / math.sqrt(3 * d_in) if std is None else std)
    nn.init.zeros_(layer.bias)
    return layer


def fit_slots(X: Slots, most: int, *, pad: bool) -> Slots:
    """Keep at most the first `most` slots; with `pad` exactly so many, the new ones empty.

    The first are the best by score if boxes come from a detector. The choice is the same in
    training and at test; a random choice is made when a clip is loaded.
    """
    features, filled = X.features[:, :most], X.filled[:, :most]
    missing = most - filled.shape[1]
    if pad and missing > 0:
        features, filled = F.pad(features, (0, 0, 0, missing)), F.pad(filled, (0, missing))
    return Slots(features, filled)


def smooth_positions(
    steps: int, width: int, *, scale: float = 0.3, present_indicator: bool = False
) -> Float[Tensor, "steps d"]:
    """Draw initial temporal positions: random, but similar for neighbouring seconds (ours).

    Each channel is a random mixture of smooth functions of x, the offset as a share of the reach:
    tanh 6x separates before and after, sin and cos of kπx the distance. From zeros (the authors'
    start) the order of events stays unlearned on small data. No function singles out the present
    second unless `present_indicator`: other persons of the present are for the P-Block.
    """
    L = (steps - 1) / 2
    x = (torch.arange(steps) - L) / max(L, 1)  # exactly 0 at the present, as linspace is not
    waves = [wave(k * math.pi * x) for k in (1, 2, 4) for wave in (torch.sin, torch.cos)]
    basis = [torch.tanh(6 * x), x, *waves]
    if present_indicator:
        basis.append((x == 0).to(x))
    return scale * torch.stack(basis, dim=1) @ torch.randn(len(basis), width)
