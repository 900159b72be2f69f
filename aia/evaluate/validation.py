"""Frame mAP of a network during training, for the curve; no choice depends on it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from aia.clip import ClipSample
from aia.config import ScoreConfig
from aia.evaluate.frame_map import evaluate_ava
from aia.evaluate.score import score_clips
from aia.network import Network
from aia.run import Model, Run
from aia.tables import write_scores
from aia.video.store import FrameStore


def validation_map(
    network: Network,
    *,
    run: Run,
    clips: Sequence[ClipSample],
    stores: Mapping[str, FrameStore],
    groundtruth: Path,
    excluded: Path | None,
    labels: Path,
) -> float:
    """Score annotated persons in two passes: the frame mAP at IoU 0.5, paper's protocol, 0..1.

    Args:
        network: Network in training mode, which it has again afterwards.
        run: Run of the network.
        clips: The clips to score.
        stores: Frames of their videos.
        groundtruth: The annotations of these clips.
        excluded: Key frames to skip.
        labels: The class list as a file.
    """
    config = ScoreConfig(
        batch=run.train.batch,
        objects="groundtruth",
        extend=(0.0, 0.0),
        precision=run.train.precision,
        workers=run.train.workers,
    )
    model = Model(run, network.eval())
    device = next(network.parameters()).device
    with torch.inference_mode():
        scored, _ = score_clips(model, clips, stores, config=config, extend=False, device=device)
    network.train()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scores.parquet"
        write_scores(
            file,
            boxes=scored.boxes,
            scores=scored.scores,
            class_ids=run.classes.ids,
            provenance={},
        )
        return evaluate_ava(groundtruth, file, excluded=excluded, labels=labels).mean
