"""Whole network N of Figure 2: backbone and RoI features, IA, classifier.

    frames ─▶ backbone ─▶ RoIAlign ─▶ P, O ─▶ IA(P, O, M) ─▶ classifier ─▶ scores
                                      │            ▲
                                      └─▶ Ω (memory/) ─▶ M

The memory pool is not part of the network: train/loop.py and evaluate/score.py read and write it.
Without an interaction structure this is the paper's baseline; `nl` adds a Non-local block to it
(Table 1f). Without AMU (Table 1e) a second, frozen backbone makes what Ω holds, as LFB does. The
table counts a whole baseline for it (2.18x to 1.18x); its classifier is not needed to fill a bank.
"""

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, UInt8
from torch import Tensor, nn

from aia.clip import Batch, ClipKey, Slots, clip_offsets
from aia.config import BackboneConfig, MemoryConfig, NetworkConfig
from aia.dropout import Dropout
from aia.features import Backbone, build_backbone
from aia.features.roi import mean_of_maps, places_of_maps, roi_features
from aia.interact import Aggregation, NonLocal, build_interaction


def arithmetic(device: torch.device, precision: str) -> torch.autocast:
    """Return the context for a network's arithmetic: bfloat16 if wanted, else float32.

    Args:
        device: Device of the network.
        precision: "float32", "bfloat16", or "auto": bfloat16 on a GPU.
    """
    wanted = precision == "bfloat16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=wanted)


class Classifier(nn.Module):
    """Classifier with two hidden layers and one score a class, as in the authors' code."""

    def __init__(self, *, d: int, hidden: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(d, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.dropout = Dropout(dropout)
        self.cls = nn.Linear(hidden, classes)
        for layer in (self.fc1, self.fc2):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.cls.weight, std=0.01)
        nn.init.zeros_(self.cls.bias)

    def forward(self, A: Float[Tensor, "clips persons d"]) -> Float[Tensor, "clips persons n"]:
        """Compute logits of every class for every person."""
        hidden = F.relu(self.fc2(F.relu(self.fc1(A))))
        return self.cls(self.dropout(hidden))


class Features(NamedTuple):
    """Features P_t and O_t of a batch of clips (§3.1).

    For the Non-local baseline O holds the places of the clip's map instead of its objects.
    """

    P: Slots
    """Queries: persons, or each clip as a whole in one slot (§6.1)."""
    O: Slots
    H: Slots | None
    """Hands of clips that are queries as a whole."""


class Network(nn.Module):
    """Network N from its parts, which `build_network` puts together.

    Args:
        backbone: F(v_t, φ_F), takes one tensor of normalised frames a pathway.
        interaction: IA, or the Non-local branch, or None for the baseline.
        classifier: Layers from a person's features to logits.
        span: Frames that a clip spans.
        strides: Steps between the frames of each pathway.
        mean: Mean of the frames' channels (RGB, 0..255).
        std: Their standard deviation.
        roi_resolution: Bins of RoIAlign each way.
        roi_mean_before: Mean over time before RoIAlign, not after.
        feature_norm: LayerNorm on P and O (and so on M, which is made of P).
        bank_backbone: Second backbone, never trained, for the memory alone; None: Ω holds features
            of the network itself (AMU).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        *,
        backbone: Backbone,
        interaction: Aggregation | NonLocal | None,
        classifier: Classifier,
        span: int,
        strides: Sequence[int],
        mean: Sequence[float],
        std: Sequence[float],
        roi_resolution: int,
        roi_mean_before: bool,
        feature_norm: bool,
        bank_backbone: Backbone | None = None,
    ) -> None:
        super().__init__()
        self.backbone: Backbone = backbone
        self.interaction: Aggregation | NonLocal | None = interaction
        self.classifier = classifier
        self.bank_backbone: Backbone | None = bank_backbone
        if bank_backbone is not None:
            bank_backbone.requires_grad_(False)
        self.lengths = [len(clip_offsets(span, stride)) for stride in strides]
        self.roi_resolution, self.roi_mean_before = roi_resolution, roi_mean_before
        self.feature_norm = feature_norm
        self.kept_maps: dict[tuple[ClipKey, float], list[Tensor]] = {}
        self.d = sum(backbone.channels)
        self.register_buffer("mean", torch.tensor(mean).view(-1, 1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(-1, 1, 1, 1), persistent=False)

    @property
    def remembers(self) -> bool:
        """Return True if any block attends to the memory."""
        return self.interaction is not None and "M" in self.interaction.blocks

    def features(self, batch: Batch) -> Features:
        """Compute P_t and O_t: one pass of the backbone, one RoIAlign over all boxes of the batch.

        Boxes are fractions of each clip's own frame, without the padding of the batch.
        """
        maps = self.maps_of(batch)
        if isinstance(self.interaction, NonLocal):
            return Features(self._queries(maps, batch), self._places(maps, batch.sizes_hw), None)
        hands_xyxy, hands_filled = batch.hands_xyxy, batch.hands_filled
        if hands_xyxy is None or hands_filled is None:
            hands_xyxy, hands_filled = batch.persons_xyxy[:, :0], batch.persons_filled[:, :0]
        rois = self._rois(
            maps,
            torch.cat([batch.persons_xyxy, hands_xyxy, batch.objects_xyxy], dim=1),
            torch.cat([batch.persons_filled, hands_filled, batch.objects_filled], dim=1),
            batch.sizes_hw,
        )
        first_hand = batch.persons_xyxy.shape[1]
        first_object = first_hand + hands_xyxy.shape[1]
        objects = Slots(rois[:, first_object:], batch.objects_filled)
        if batch.query == "clip":
            hands = Slots(rois[:, first_hand:first_object], hands_filled)
            return Features(self._whole(maps, batch), objects, hands)
        return Features(Slots(rois[:, :first_hand], batch.persons_filled), objects, None)

    @torch.no_grad()
    def bank_persons(self, batch: Batch) -> Slots:
        """Compute P_t for the frozen bank: of the starting backbone, in eval mode."""
        assert self.bank_backbone is not None, "only a run without AMU has a frozen backbone"
        self.bank_backbone.eval()  # its norms keep their statistics, also while the rest trains
        maps = self.bank_backbone(self.pathways(batch.frames, sizes_hw=batch.sizes_hw))
        return self._queries(maps, batch)

    def persons_to_remember(self, batch: Batch, P: Slots) -> Slots:
        """Return P_t for Ω: P, or that of the frozen backbone if there is one."""
        return P if self.bank_backbone is None else self.bank_persons(batch)

    def start_bank(self) -> None:
        """Copy the weights that training starts from to the frozen backbone, if there is one."""
        if self.bank_backbone is not None:
            self.bank_backbone.load_state_dict(self.backbone.state_dict())

    def _queries(self, maps: list[Float[Tensor, "clips _c _t _h _w"]], batch: Batch) -> Slots:
        """Compute features of the queries alone: of the persons, or of each clip as a whole."""
        if batch.query == "clip":
            return self._whole(maps, batch)
        filled = batch.persons_filled
        return Slots(self._rois(maps, batch.persons_xyxy, filled, batch.sizes_hw), filled)

    def _whole(self, maps: list[Float[Tensor, "clips _c _t _h _w"]], batch: Batch) -> Slots:
        """Compute features of each clip as a whole: the mean of its map, in one slot (§6.1)."""
        mean = mean_of_maps(maps, batch.sizes_hw, stride=self.backbone.stride)
        if self.feature_norm:
            mean = F.layer_norm(mean, (self.d,))
        return Slots(mean[:, None], batch.queries_filled)

    def _rois(
        self,
        maps: list[Float[Tensor, "clips _c _t _h _w"]],
        xyxy: Float[Tensor, "clips slots 4"],
        filled: Bool[Tensor, "clips slots"],
        sizes_hw: Float[Tensor, "clips 2"],
    ) -> Float[Tensor, "clips slots d"]:
        """Compute features of boxes for IA."""
        scale = sizes_hw.flip(1).repeat(1, 2)[:, None]  # w h w h
        rois = roi_features(
            maps,
            xyxy * scale,
            filled,
            stride=self.backbone.stride,
            resolution=self.roi_resolution,
            mean_before=self.roi_mean_before,
            shift_px=self.backbone.shift_px,
        ).features.float()
        if self.feature_norm:
            # Normalised here and not inside IA, so that Ω remembers normalised features and the
            # weight of Eq. 2 still shrinks them.
            rois = F.layer_norm(rois, (self.d,)) * filled[..., None]
        return rois

    def _places(
        self,
        maps: list[Float[Tensor, "clips _c _t _h _w"]],
        sizes_hw: Float[Tensor, "clips 2"],
    ) -> Slots:
        """Turn every place of the clip's map into a slot, normalised like persons."""
        places = places_of_maps(maps, sizes_hw, stride=self.backbone.stride)
        if not self.feature_norm:
            return places
        normed = F.layer_norm(places.features, (self.d,)) * places.filled[..., None]
        return Slots(normed, places.filled)

    def maps_of(self, batch: Batch) -> list[Float[Tensor, "clips _c _t _h _w"]]:
        """Compute f_t = F(v_t, φ_F) of each pathway."""
        if batch.frames.shape[1]:
            return self.backbone(self.pathways(batch.frames, sizes_hw=batch.sizes_hw))
        clips = [self.kept_maps[clip] for clip in zip(batch.keys, batch.times_sec, strict=True)]
        return [_stacked(maps) for maps in zip(*clips, strict=True)]

    @torch.no_grad()
    def keep_maps(self, batch: Batch) -> None:
        """Compute and keep the maps of a batch's clips, for a backbone that does not learn.

        Batches without frames (`ClipFrames(read=False)`) then have these maps.
        """
        maps = self.maps_of(batch)
        if self.roi_mean_before:
            maps = [f.mean(dim=2, keepdim=True) for f in maps]
        # A long segment's clip is drawn at several times, with one key.
        for place, clip in enumerate(zip(batch.keys, batch.times_sec, strict=True)):
            self.kept_maps[clip] = [f[place].clone() for f in maps]

    def pathways(
        self, frames: UInt8[Tensor, "clips t h w 3"], *, sizes_hw: Float[Tensor, "clips 2"]
    ) -> list[Float[Tensor, "clips 3 _t h w"]]:
        """Normalise the frames of each pathway; the padding is zero, as the mean colour is."""
        height, width = frames.shape[2:4]
        row = torch.arange(height, device=frames.device)
        column = torch.arange(width, device=frames.device)
        inside = (row < sizes_hw[:, :1])[:, :, None] & (column < sizes_hw[:, 1:])[:, None, :]
        pixels = frames.permute(0, 4, 1, 2, 3).to(self.mean.dtype, copy=True)
        pixels = pixels.sub_(self.mean).div_(self.std).mul_(inside[:, None, None])
        return list(pixels.split(self.lengths, dim=2))

    def actions(
        self, P: Slots, O: Slots, M: Slots | None, H: Slots | None = None
    ) -> Float[Tensor, "clips persons n"]:
        """Compute logits of every person: classifier(P + IA(P, O, M)) (§3.2)."""
        if self.interaction is None:
            return self.classifier(P.features)
        if isinstance(self.interaction, NonLocal):
            return self.classifier(P.features + self.interaction(P, O, M))
        return self.classifier(P.features + self.interaction(P, O, M, H))


def _stacked(maps: Sequence[Float[Tensor, "_c _t _h _w"]]) -> Float[Tensor, "clips _c _t _h _w"]:
    """Stack maps of clips, smaller ones zero-padded below and on the right."""
    height, width = (max(f.shape[side] for f in maps) for side in (2, 3))
    padded = [F.pad(f, (0, width - f.shape[3], 0, height - f.shape[2])) for f in maps]
    return torch.stack(padded)


def build_network(
    *,
    backbone: BackboneConfig,
    frozen_norm: bool,
    structure: str,
    blocks: str,
    network: NetworkConfig,
    memory: MemoryConfig | None,
    classes: int,
    bank: bool = False,
    d_memory: int | None = None,
) -> Network:
    """Build the network of a run, with fresh weights; with `bank` it has a frozen backbone too.

    `d_memory` is the number of channels of the memory, if it does not hold the network's features.
    """
    features = build_backbone(backbone, frozen_norm=frozen_norm)
    d = sum(features.channels)
    interaction: Aggregation | NonLocal | None = None
    if structure == "nl":
        interaction = NonLocal(
            d_in=d,
            width=network.width,
            d_out=d,
            dropout=network.dropout,
            zero_output=network.zero_output,
        )
    elif structure != "none":
        interaction = build_interaction(
            structure,
            blocks=blocks,
            d_in=d,
            width=network.width,
            d_out=d,
            dropout=network.dropout,
            empty_slots=network.empty_slots,
            max_persons=network.max_persons,
            max_objects=network.max_objects,
            steps=2 * memory.reach + 1 if memory else 1,
            persons_per_clip=memory.persons_per_clip if memory else 1,
            positions=network.positions,
            zero_output=network.zero_output,
            hands=network.query == "segment",
            d_memory=d_memory,
        )
    return Network(
        backbone=features,
        interaction=interaction,
        classifier=Classifier(d=d, hidden=network.hidden, classes=classes, dropout=network.dropout),
        span=backbone.span,
        strides=backbone.strides,
        mean=backbone.mean,
        std=backbone.std,
        roi_resolution=network.roi_resolution,
        roi_mean_before=network.roi_mean_before,
        feature_norm=network.feature_norm,
        # A copy draws no random numbers: the rest starts like the same run's with AMU.
        bank_backbone=copy.deepcopy(features) if bank else None,
    )
