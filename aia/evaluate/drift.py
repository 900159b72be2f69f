"""Distance of remembered features from those that the network computes for them now (§3.3).

AMU is worth its cost because its features stay close, while a frozen bank's do not; Ω keeps the
step of every entry's last write, so that both can be compared by age.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from aia.clip import ClipSample, Slots
from aia.datasets.ava import seconds_of
from aia.datasets.loader import ClipFrames, scoring_batches
from aia.errors import InputError
from aia.files import write_text
from aia.log import progress
from aia.memory import build_memory, read_generation
from aia.network import arithmetic
from aia.run import Model
from aia.video.store import FrameStore

DRIFT_COLUMNS = ("video", "second", "step", "persons", "cosine_distance", "relative_l2")


@torch.inference_mode()
def measure_drift(
    model: Model,
    memory: Path | str,
    clips: Sequence[ClipSample],
    stores: Mapping[str, FrameStore],
    *,
    batch: int,
    device: torch.device,
    precision: str = "float32",
    most: int | None = None,
) -> pd.DataFrame:
    """Compare the features in Ω with the trained network's of the same clips.

    Ω does not say which persons it holds, and boxes are jittered in training: each remembered
    person is compared with the clip's nearest one, so a small distance always remains.

    Args:
        model: The trained run.
        memory: Its last memory, a folder as aia.memory.store writes it.
        clips: All clips that the run learned from.
        stores: Frames of their videos.
        batch: Clips of one forward pass.
        device: Device to compute on.
        precision: Precision of the network.
        most: Number of clips to compare, evenly spread; None: all.

    Returns:
        Columns `DRIFT_COLUMNS`, a row for each remembered clip: the step of its last write (0 in a
        frozen bank), remembered persons, their mean cosine distance (0..2) and mean distance as a
        share of the fresh feature's length.
    """
    run, network = model.run, model.network
    clips = [clip for clip in clips if clip.queries]
    pool = build_memory(
        run.name, run.memory, seconds=seconds_of(clips), d=network.d, device=device
    ).pool
    if pool is None:
        raise InputError(f"{run.name}: has no memory")
    read_generation(memory, pool)
    if most is not None and len(clips) > most:
        clips = [clips[i] for i in np.linspace(0, len(clips) - 1, most).round().astype(int)]
    frames = ClipFrames(
        clips=clips, stores=stores, span=run.backbone.span, strides=run.backbone.strides
    )
    parts = []
    batches = scoring_batches(frames, batch=batch, workers=0)
    for loaded in progress(batches, what=f"{run.name}  drift, batch", total=len(batches)):
        loaded = loaded.to(device)
        with arithmetic(device, precision):
            fresh = network.features(loaded).P
        rows = pool.rows(loaded.keys, np.zeros(1, int))[:, 0]
        count = pool.count[rows]
        cosine, relative = distances(pool.features[rows].to(fresh.features), count, fresh)
        part = {
            "video": [key.video for key in loaded.keys],
            "second": [key.t for key in loaded.keys],
            "step": pool.step[rows].cpu().numpy(),
            "persons": count.cpu().numpy(),
            "cosine_distance": cosine.cpu().numpy(),
            "relative_l2": relative.cpu().numpy(),
        }
        parts.append(pd.DataFrame(part))
    table = pd.concat(parts, ignore_index=True)
    return table[table["persons"] > 0].reset_index(drop=True)


def distances(remembered: Tensor, count: Tensor, fresh: Slots) -> tuple[Tensor, Tensor]:
    """Compute the mean distance of each clip's remembered persons to the nearest fresh one.

    Args:
        remembered: [clips, slots, d], zero beyond `count`.
        count: Remembered persons of each clip.
        fresh: Present features of the same clips.

    Returns:
        Cosine distance, and Euclidean distance over the fresh feature's length, [clips] each.
    """
    cosine = 1 - F.cosine_similarity(remembered[:, :, None], fresh.features[:, None], dim=3)
    cosine = cosine.masked_fill(~fresh.filled[:, None], float("inf"))
    nearest = cosine.argmin(dim=2)
    found = fresh.features.gather(1, nearest[..., None].expand(-1, -1, remembered.shape[2]))
    relative = (remembered - found).norm(dim=2) / found.norm(dim=2).clamp(min=1e-12)
    own = torch.arange(remembered.shape[1], device=count.device) < count[:, None]
    persons = count.clamp(min=1)
    least = cosine.min(dim=2).values
    return (
        least.where(own, 0.0).sum(dim=1) / persons,
        relative.where(own, 0.0).sum(dim=1) / persons,
    )


def last_memory(work: Path) -> Path:
    """Find the memory of a run's newest checkpoint, or its frozen bank."""
    generations = sorted(work.glob("step-*/memory.zarr"))
    places = [*generations[-1:], work / "bank.zarr"]
    for path in places:
        if path.is_dir():
            return path
    raise InputError(
        f"{work}: holds no memory; expected the work folder of a run with amu or frozen memory"
    )


def write_drift(path: Path | str, table: pd.DataFrame) -> None:
    """Write the result of `measure_drift`."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
