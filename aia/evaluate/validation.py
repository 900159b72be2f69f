"""Frame mAP of a network that is still being trained, for the curve; nothing is chosen by it."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from aia.clip import ClipSample
from aia.config import BackboneConfig, LossConfig, MemoryConfig, RunName, ScoreConfig
from aia.evaluate.frame_map import evaluate_ava
from aia.evaluate.score import TrainedRun, score_clips
from aia.labels import ClassList
from aia.network import Network
from aia.tables import write_scores
from aia.video.store import FrameStore


class Validation:
    """Scores annotated persons in two passes; calling it gives the frame mAP, 0..1.

    Args:
        run: The run's name.
        backbone: Its settings.
        memory: Its settings, where it has a memory.
        loss: Its settings: they say how logits become probabilities.
        labels: The classes.
        clips: What is scored.
        stores: Frames of their videos.
        groundtruth: The annotations of these clips.
        excluded: Key frames that are left out.
        labels_file: The class list as a file.
        config: Batch size and loading processes.
    """

    def __init__(
        self,
        *,
        run: RunName,
        backbone: BackboneConfig,
        memory: MemoryConfig | None,
        loss: LossConfig,
        labels: ClassList,
        clips: Sequence[ClipSample],
        stores: Mapping[str, FrameStore],
        groundtruth: Path,
        excluded: Path | None,
        labels_file: Path,
        config: ScoreConfig,
    ) -> None:
        self.run, self.backbone, self.memory, self.loss = run, backbone, memory, loss
        self.labels, self.clips, self.stores, self.config = labels, clips, stores, config
        self.groundtruth, self.excluded, self.labels_file = groundtruth, excluded, labels_file

    def __call__(self, network: Network) -> float:
        """The network's frame mAP at IoU 0.5 under the paper's protocol; it trains on after."""
        trained = TrainedRun(
            name=self.run,
            network=network.eval(),
            backbone=self.backbone,
            memory=self.memory,
            loss=self.loss,
            labels=self.labels,
            digest="",
        )
        device = next(network.parameters()).device
        with torch.inference_mode():
            scored, _ = score_clips(
                trained, self.clips, self.stores, config=self.config, extend=False, device=device
            )
        network.train()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "scores.parquet"
            write_scores(
                file,
                boxes=scored.boxes,
                scores=scored.scores,
                class_ids=self.labels.ids,
                provenance={},
            )
            result = evaluate_ava(
                self.groundtruth, file, excluded=self.excluded, labels=self.labels_file
            )
        return result.mean
