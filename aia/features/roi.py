"""Features P_t and O_t from feature maps and boxes: one vector for each box (§3.1, §4.1).

    map of each pathway ─ mean over time ─ RoIAlign ─┐
                                                     cat ─ max over the bins → [clips, slots, d]
    map of each pathway ─ mean over time ─ RoIAlign ─┘

RoIAlign is the authors': not aligned (no half pixel), as many samples a bin as it has cells, and
regions of at least one cell.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchvision.ops import roi_align

from aia.clip import Slots


def roi_features(
    maps: list[Float[Tensor, "clips _ _ rows columns"]],
    xyxy_px: Float[Tensor, "clips slots 4"],
    filled: Bool[Tensor, "clips slots"],
    *,
    stride: int,
    resolution: int,
    mean_before: bool,
    shift_px: float = 0.0,
) -> Slots:
    """Pool features of every box from the maps of its own clip; empty slots are zero.

    Every slot is pooled, filled or not, and empty ones are zeroed afterwards: only the device knows
    which ones are empty, and a copy to the host would make it wait.

    Args:
        maps: map of each pathway.
        xyxy_px: boxes in pixels of the network's input; anything in an empty slot.
        filled: mask of slots with a box.
        stride: pixels per cell of the maps.
        resolution: bins of RoIAlign, each way.
        mean_before: average over time before RoIAlign, not after. RoIAlign is linear, so this
            changes the work (by the number of frames) and not the result.
        shift_px: pixel at the centre of the maps' first cell.
    """
    clips, slots = filled.shape
    of_clip = torch.arange(clips, device=filled.device).repeat_interleave(slots)
    boxes = (xyxy_px - shift_px).masked_fill(~filled[:, :, None], 0).flatten(0, 1)
    rois = torch.cat([of_clip[:, None].to(boxes), boxes], dim=1)

    def pool(planes: Float[Tensor, "clips c rows columns"]) -> Float[Tensor, "rois c bins bins"]:
        return roi_align(
            planes,
            rois.to(planes),
            output_size=resolution,
            spatial_scale=1 / stride,
            sampling_ratio=-1,
            aligned=False,
        )

    pooled = []
    for map_ in maps:
        # at least float32: the kernel has no bfloat16
        wide = torch.promote_types(map_.dtype, torch.float32)
        if mean_before:
            pooled.append(pool(map_.mean(dim=2, dtype=wide)))
        else:
            frames = pool(map_.to(wide).flatten(1, 2))
            pooled.append(frames.unflatten(1, map_.shape[1:3]).mean(dim=2))
    features = torch.cat(pooled, dim=1).amax(dim=(2, 3)).unflatten(0, (clips, slots))
    return Slots(features.masked_fill(~filled[:, :, None], 0), filled)


def places_of_maps(
    maps: list[Float[Tensor, "clips _ _ rows columns"]],
    sizes_hw: Float[Tensor, "clips 2"],
    *,
    stride: int,
) -> Slots:
    """Turn every place of the maps into a slot, averaged over time, row by row.

    A place is filled if its cell begins inside the clip: the rest is a batch's padding.

    Args:
        maps: map of each pathway; all have the same rows and columns.
        sizes_hw: height and width of each clip in pixels, without padding.
        stride: pixels per cell of the maps.
    """
    planes = [
        map_.mean(dim=2, dtype=torch.promote_types(map_.dtype, torch.float32)) for map_ in maps
    ]
    features = torch.cat(planes, dim=1)
    rows, columns = (torch.arange(n, device=features.device) * stride for n in features.shape[2:])
    inside = (rows < sizes_hw[:, :1])[:, :, None] & (columns < sizes_hw[:, 1:])[:, None, :]
    filled = inside.flatten(1)
    return Slots(features.flatten(2).mT * filled[..., None], filled)


def mean_of_maps(
    maps: list[Float[Tensor, "clips _ _ rows columns"]],
    sizes_hw: Float[Tensor, "clips 2"],
    *,
    stride: int,
) -> Float[Tensor, "clips d"]:
    """Average each clip's maps globally, without the padding of its batch (§6.1).

    The arguments are those of `places_of_maps`.
    """
    places = places_of_maps(maps, sizes_hw, stride=stride)
    return places.features.sum(dim=1) / places.filled.sum(dim=1, keepdim=True)
