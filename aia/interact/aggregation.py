"""Interaction Aggregation: interaction blocks, deep nested (§3.2, Fig. 3b, 3c, 4a).

    serial         P ─▶ O ─▶ M ─▶ P ─▶ O ─▶ M ─▶ A_t     the query is the previous block's output
    dense serial   the same, but the query is a learned mixture of all previous outputs (Eq. 1)
    parallel       P ─▶ P ─┐
                   O ─▶ O ─┼ sum ─▶ A_t                  each interaction by itself
                   M ─▶ M ─┘

    lfb            M ─▶ M ─▶ A_t                         LFB's feature bank operator (Table 1e)

A structure is spelled by its blocks, "POMPOM" for the ones above; any word of P, O and M works. All
features are first reduced to the inner width d; the last block maps back. Where the paper is silent
the order of operations is that of the authors' code.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from aia.clip import Slots
from aia.dropout import Dropout
from aia.errors import InputError
from aia.interact.block import (
    EmptySlots,
    Enhanced,
    InteractionBlock,
    fit_slots,
    linear,
    smooth_positions,
)


class IAResult(NamedTuple):
    """Output of IA, with the attention of its blocks."""

    A: Float[Tensor, "clips persons d_out"]
    attention: dict[str, Float[Tensor, "clips persons slots"]]
    """Attention by block: "P1", "O1", "M1", "P2", ..., with empty slots."""


class Inputs(NamedTuple):
    """Inputs P_t, O_t and M_t at the inner width."""

    Q: Float[Tensor, "clips persons d"]
    """Persons as queries of the first block."""
    filled: Bool[Tensor, "clips persons"]
    P: Slots | None
    """Persons as keys and values of the first P-Block, if it has its own reduction."""
    O: Slots | None
    M: Slots | None
    H: Slots | None = None
    """Hands, which the P-Blocks attend to if a segment is the query (§6.1)."""


class Aggregation(nn.Module, ABC):
    """Base of all structures: the blocks, and the reductions before them.

    Args:
        blocks: Word that spells the structure.
        d_in: Channels of P, O and M.
        width: The inner width d.
        d_out: Channels of A_t.
        dropout: Share that is dropped after the reductions and in the blocks.
        empty_slots: "mask" or "attend" (see InteractionBlock). With "attend", objects and memory
            are padded with zeros before their reduction and persons after it.
        max_persons: Persons that a P-Block attends to, the first ones.
        max_objects: Objects that an O-Block attends to, the first ones.
        steps: Seconds of memory, 2L+1.
        persons_per_clip: Persons remembered of each second.
        positions: Start of the temporal positions, "smooth" (ours) or "zero" (the authors');
            "none": blocks do not know the second of a slot.
        zero_output: True makes blocks start by adding nothing.
        present_indicator: True lets smooth positions single out the present second.
        init_std: Deviation of the weights at the start (see InteractionBlock).
        hands: True makes P-Blocks attend to hands, not to the queries themselves: in §6.1 the
            query is a segment's feature, and hands take the place of AVA's persons.
        d_memory: Channels of M if they differ from P's; None: `d_in`.
    """

    def __init__(
        self,
        *,
        blocks: str,
        d_in: int,
        width: int,
        d_out: int,
        dropout: float,
        empty_slots: EmptySlots,
        max_persons: int,
        max_objects: int,
        steps: int,
        persons_per_clip: int,
        positions: Literal["smooth", "zero", "none"],
        zero_output: bool,
        present_indicator: bool = False,
        init_std: float | None = None,
        hands: bool = False,
        d_memory: int | None = None,
    ) -> None:
        super().__init__()
        self.blocks = check_blocks(blocks, max_objects=max_objects)
        self.pad = empty_slots == "attend"
        self.max_persons, self.max_objects = max_persons, max_objects
        self.memory_slots = steps * persons_per_clip
        self.dropout = Dropout(dropout)

        reduced = {"person": True, "person_key": not hands and self.reduces_keys(blocks)}
        reduced |= {"object": "O" in blocks, "memory": "M" in blocks}
        reduced |= {"hand": hands and "P" in blocks}
        channels = {"memory": d_memory or d_in}
        self.reduce = nn.ModuleDict(
            {
                name: linear(channels.get(name, d_in), width, std=init_std)
                for name, used in reduced.items()
                if used
            }
        )

        def start() -> Float[Tensor, "steps d"]:
            if positions == "zero":
                return torch.zeros(steps, width)
            return smooth_positions(steps, width, present_indicator=present_indicator)

        names = block_names(blocks)
        last = self.last_blocks(names)
        self.stack = nn.ModuleDict(
            {
                name: InteractionBlock(
                    width=width,
                    d_out=d_out if name in last else width,
                    dropout=dropout,
                    empty_slots=empty_slots,
                    zero_output=zero_output,
                    init_std=init_std,
                    positions=(start(), start())
                    if name[0] == "M" and positions != "none"
                    else None,
                )
                for name in names
            }
        )

    def forward(
        self, P: Slots, O: Slots | None, M: Slots | None, H: Slots | None = None
    ) -> Float[Tensor, "clips persons n"]:
        """Compute A_t = E(P_t, O_t, M_t, φ_E); zero for empty persons.

        O, M and the hands H may be None if no block attends to them.
        """
        return self.forward_with_attention(P, O, M, H).A

    def forward_with_attention(
        self, P: Slots, O: Slots | None, M: Slots | None, H: Slots | None = None
    ) -> IAResult:
        """Compute A_t with the attention of every block."""
        A, attention = self.aggregate(self.inputs(P, O, M, H))
        return IAResult(A * P.filled[..., None], attention)

    @abstractmethod
    def aggregate(self, x: Inputs) -> IAResult:
        """Run the blocks; here the structures differ."""

    @staticmethod
    def reduces_keys(blocks: str) -> bool:
        """Return True if the first P-Block sees raw persons: its keys have their own reduction."""
        return blocks[0] == "P"

    @staticmethod
    def last_blocks(names: list[str]) -> set[str]:
        """Name the blocks that map to d_out."""
        return {names[-1]}

    def inputs(self, P: Slots, O: Slots | None, M: Slots | None, H: Slots | None) -> Inputs:
        """Reduce P, O, M and H to the inner width; memory once for all persons and blocks."""
        own_key = "person_key" in self.reduce
        return Inputs(
            Q=self.dropout(self.reduce["person"](P.features)),
            filled=P.filled,
            P=self.persons(self._reduced("person_key", P).features, P.filled) if own_key else None,
            O=self._context("object", O),
            M=self._context("memory", M),
            H=self._context("hand", H),
        )

    def persons(
        self, E: Float[Tensor, "clips persons d"], filled: Bool[Tensor, "clips persons"]
    ) -> Slots:
        """Make persons a P-Block's keys and values: empty ones are zero, also after a reduction."""
        return fit_slots(Slots(E * filled[..., None], filled), self.max_persons, pad=self.pad)

    def attend(self, name: str, Q: Float[Tensor, "clips persons d"], x: Inputs) -> Enhanced:
        """Run a block on the queries Q.

        A P-Block's keys are the hands if there are any, else its queries, except for the raw
        persons of the first one.
        """
        match name[0]:
            case "O":
                context = x.O
            case "M":
                context = x.M
            case _ if x.H is not None:
                context = x.H
            case _:
                context = x.P if name == "P1" and x.P is not None else self.persons(Q, x.filled)
        return self.stack[name](Q, context)

    def _context(self, layer: str, X: Slots | None) -> Slots | None:
        if layer not in self.reduce:
            return None
        if X is None:
            raise ValueError(f"IA '{self.blocks}' attends to {layer}, but got none")
        most = {"object": self.max_objects, "hand": self.max_persons}.get(layer)
        if most is not None:
            X = fit_slots(X, most, pad=self.pad)
        elif X.filled.shape[1] != self.memory_slots:
            raise ValueError(
                f"IA got {X.filled.shape[1]} slots of memory, expected {self.memory_slots}: was it "
                "read with another reach L, or other persons_per_clip, than IA was built for?"
            )
        return self._reduced(layer, X)

    def _reduced(self, layer: str, X: Slots) -> Slots:
        return Slots(self.dropout(self.reduce[layer](X.features)), X.filled)


class SerialIA(Aggregation):
    """Blocks in sequence: the output of one is the query of the next (Fig. 3b)."""

    def aggregate(self, x: Inputs) -> IAResult:
        """Run each block on the output of the previous one."""
        E, attention = x.Q, {}
        for name in self.stack:
            E, attention[name] = self.attend(name, E, x)
        return IAResult(E, attention)


class DenseSerialIA(Aggregation):
    """Serial, but each block learns to mix earlier outputs into its query (Fig. 3c, Eq. 1)."""

    def __init__(self, *, blocks: str, width: int, **rest: Any) -> None:
        super().__init__(blocks=blocks, width=width, **rest)
        # Starts as serial: all weight on the previous block. The first block has none before it
        # and the second one only the first, so W begins with the third (i = 2).
        self.W = nn.ParameterDict()
        for i in range(2, len(blocks)):
            start = torch.full((i, width), -5 * math.log(10))
            start[-1] = 0
            self.W[str(i)] = nn.Parameter(start)

    def aggregate(self, x: Inputs) -> IAResult:
        """Run each block on a mixture of all earlier outputs.

        The reduced persons themselves are not in the mixture: only the first block sees them.
        """
        E: list[Tensor] = []
        attention = {}
        for i, name in enumerate(self.stack):
            Q = dense_query(torch.stack(E), self.W[str(i)]) if i > 1 else E[0] if E else x.Q
            enhanced, attention[name] = self.attend(name, Q, x)
            E.append(enhanced)
        return IAResult(E[-1], attention)


class ParallelIA(Aggregation):
    """Chains of blocks, one for each kind of interaction, summed at the end (Fig. 4a)."""

    @staticmethod
    def reduces_keys(blocks: str) -> bool:
        """Return True if there is a P chain: it always begins with the raw persons."""
        return "P" in blocks

    @staticmethod
    def last_blocks(names: list[str]) -> set[str]:
        """Name the last block of each chain."""
        return set({name[0]: name for name in names}.values())

    def aggregate(self, x: Inputs) -> IAResult:
        """Run each chain from the same persons."""
        E: dict[str, Tensor] = {}
        attention = {}
        for name in self.stack:
            E[name[0]], attention[name] = self.attend(name, E.get(name[0], x.Q), x)
        return IAResult(torch.stack(list(E.values())).sum(dim=0), attention)


def dense_query(
    E: Float[Tensor, "blocks *persons d"], W: Float[Tensor, "blocks d"]
) -> Float[Tensor, "*persons d"]:
    """Query of the next block: every earlier output, mixed channel by channel.

    Q_{t,i} = Σ_{j ∈ C} W_j ⊙ E_{t,j} (Eq. 1). The softmax runs over the blocks C,
    so each of the d channels chooses its own blend of the earlier blocks.
    """
    return torch.einsum("jd,j...d->...d", W.softmax(dim=0), E)


def build_interaction(structure: str, **settings: Any) -> Aggregation:
    """Build a structure: serial, dense, parallel or lfb; settings as in `Aggregation`.

    The M-Block was taken from LFB's non-local feature bank operator (Wu et al. 2019: width 512,
    scaled softmax, LayerNorm, ReLU, dropout, residual), so LFB is a serial structure of M-Blocks:
    MM for its two layers. LFB differs in two points: its blocks have no temporal positions, nor has
    this structure; and it concatenates its result with the persons before the classifier. Here it
    is added to them, as IA is, to compare both with the same classifier.
    """
    match structure:
        case "serial":
            return SerialIA(**settings)
        case "dense":
            return DenseSerialIA(**settings)
        case "parallel":
            return ParallelIA(**settings)
        case "lfb":
            return SerialIA(**settings | {"positions": "none"})
    raise InputError(
        f"'{structure}' is not a structure of IA: expected serial, dense, parallel or lfb"
    )


def block_names(blocks: str) -> list[str]:
    """Name each block by its kind and 1-based index.

    >>> block_names("POMPO")
    ['P1', 'O1', 'M1', 'P2', 'O2']
    """
    return [f"{kind}{blocks[: i + 1].count(kind)}" for i, kind in enumerate(blocks)]


def check_blocks(blocks: str, *, max_objects: int) -> str:
    """Return the blocks if they can be built."""
    if not blocks or set(blocks) - set("POM"):
        raise InputError(f"blocks '{blocks}': expected a word of P, O and M, such as POMPOM")
    if "O" in blocks and max_objects < 1:
        raise InputError(f"blocks '{blocks}' have an O-Block, but network.max_objects is 0")
    return blocks
