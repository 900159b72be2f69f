"""Fine-tuning of the detector on the boxes of a data set (§4.1).

The paper fine-tunes a network of COCO on AVA's persons; the small network is trained from scratch.
AdamW, linear warm-up, then cosine decay to zero; half of the frames are mirrored.
"""

import json
import math
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import NamedTuple, Protocol, TextIO, runtime_checkable

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from aia import boxes
from aia.config import DetectorConfig
from aia.detect.faster_rcnn import Boxes, Detector
from aia.detect.model import Reader, build_detector, compute_on, save_detector
from aia.detect.source import (
    LABEL_COLUMNS,
    LabelledFrame,
    LabelledFrames,
    key_frame_labels,
    track_labels,
    without_seconds,
)
from aia.errors import InputError
from aia.files import write_text
from aia.log import Pace, say
from aia.tables import read_actions, read_excluded, read_objects, read_tracks
from aia.video.store import FrameStore, readable_stores

WARMUP_SHARE = 0.1  # of the steps; all of this is ours
WEIGHT_DECAY = 1e-4
CLIP_NORM = 5.0
LOG_EVERY = 10  # steps between lines of metrics


@runtime_checkable
class LabelledSource(Protocol):
    """Sequence of labelled frames, such as `LabelledFrames`."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> LabelledFrame: ...


class Example(NamedTuple):
    """Input frame of the detector and its ground truth."""

    frame: Tensor
    truth: Boxes


def finetune_on_files(
    *,
    stores: Sequence[Path | str],
    annotations: Path | str | None = None,
    excluded: Path | str | None = None,
    objects: Path | str | None = None,
    tracks: Path | str | None = None,
    config: DetectorConfig,
    output: Path | str,
    metrics: Path | str | None = None,
    seed: int = 0,
    threads: int = 1,
    read: Reader | None = None,
) -> None:
    """Fine-tune on the files of a split; with `config.finetune` false, write the initial weights.

    Args:
        stores: Frame stores of the split's videos.
        annotations: Actions of the split, whose boxes are those of persons; None: all boxes are
            in `objects`, including those of the first class.
        excluded: Seconds to leave out.
        objects: Boxes of objects on the key frames.
        tracks: Persons on every frame of the only video, instead of those on the key frames.
        config: Settings of the detector.
        output: The weights, as safetensors.
        metrics: See `finetune_detector`.
        seed: See `finetune_detector`.
        threads: Threads on a CPU, at most the number of its cores.
        read: See `load_detector`.
    """
    device = compute_on(threads=threads)
    if not config.finetune:
        detector = build_detector(
            config.model,
            classes=config.classes,
            short_side=config.short_side,
            weights=config.weights,
            finetune=False,
            read=read,
        )
        save_detector(output, detector)
        if metrics:
            write_text(metrics, "")
        return
    videos = readable_stores(stores)
    labels = _labels_of(
        videos,
        annotations=annotations,
        excluded=read_excluded(excluded),
        objects=read_objects(objects) if objects else None,
        tracks=tracks,
        person=config.classes[0],
    )
    source = LabelledFrames(videos, labels, classes=config.classes, max_images=config.max_images)
    finetune_detector(
        source,
        config=config,
        output=output,
        device=device,
        seed=seed,
        metrics=metrics,
        read=read,
    )


def _labels_of(
    videos: Mapping[str, FrameStore],
    *,
    annotations: Path | str | None,
    excluded: set[tuple[str, int]],
    objects: pd.DataFrame | None,
    tracks: Path | str | None,
    person: str,
) -> pd.DataFrame:
    """Return all boxes to learn from as a table of `LABEL_COLUMNS`."""
    if annotations is None:
        if objects is None:
            raise InputError(
                "detector.finetune: true needs boxes to learn from; give data.annotations or "
                "data.objects, or the weights of a detector with finetune: false"
            )
        return without_seconds(objects, excluded)[LABEL_COLUMNS]
    actions = without_seconds(read_actions(annotations), excluded)
    if not tracks:
        return key_frame_labels(actions, objects, person=person)
    if len(videos) != 1:
        raise InputError(f"{tracks}: are the tracks of one video, but {len(videos)} are given")
    (store,) = videos.values()
    return track_labels(read_tracks(tracks), actions, store=store, person=person)


def finetune_detector(
    source: LabelledSource,
    *,
    config: DetectorConfig,
    output: Path | str,
    device: torch.device | str = "cpu",
    seed: int = 0,
    metrics: Path | str | None = None,
    workers: int = 0,
    read: Reader | None = None,
) -> Detector:
    """Train a detector on `source`, write its weights, and return it in evaluation mode.

    Args:
        source: Labelled frames.
        config: Network, initial weights, number of steps, learning rate.
        output: A .safetensors file, written at the end of training.
        device: Device to train on.
        seed: Seed of initial weights, order of frames, mirroring, and sampled anchors.
        metrics: A file of JSON lines: step, loss, its four parts, lr, images_per_sec.
        workers: Processes that read frames; 0: this one.
        read: See `load_detector`.
    """
    detector = build_detector(
        config.model,
        classes=config.classes,
        short_side=config.short_side,
        weights=config.weights,
        seed=seed,
        read=read,
    ).to(device)
    draws = Draws(source, classes=config.classes, draws=config.steps * config.batch, seed=seed)
    say(
        f"detector {config.model} from {config.weights}: {len(source)} images, "
        f"{len(config.classes)} classes, {config.steps} steps of {config.batch}"
    )
    gpus = [torch.device(device)] if torch.device(device).type == "cuda" else []
    if metrics:
        Path(metrics).parent.mkdir(parents=True, exist_ok=True)
    lines = open(metrics, "w", encoding="utf-8") if metrics else nullcontext()  # noqa: SIM115
    with torch.random.fork_rng(devices=gpus), lines as log:
        torch.manual_seed(seed)
        _train(detector, draws, config=config, log=log, workers=workers)
    save_detector(output, detector)
    return detector.eval()


class Draws(Dataset[Example]):
    """Frames in the order of training: epochs over `source`, each in its own random order."""

    def __init__(
        self, source: LabelledSource, *, classes: tuple[str, ...], draws: int, seed: int
    ) -> None:
        self.source, self.classes = source, classes
        random = np.random.default_rng(seed)
        passes = [random.permutation(len(source)) for _ in range(math.ceil(draws / len(source)))]
        self.order: Int[np.ndarray, " draws"] = np.concatenate(passes)[:draws]
        self.mirrored: Bool[np.ndarray, " draws"] = random.random(draws) < 0.5

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, draw: int) -> Example:
        rgb, xyxy, names = self.source[int(self.order[draw])]
        if self.mirrored[draw]:
            rgb, xyxy = rgb[:, ::-1], boxes.flip(xyxy)
        label = torch.tensor([self.classes.index(name) for name in names], dtype=torch.int64)
        truth = Boxes(torch.tensor(xyxy).float(), label, torch.ones(len(names)))
        return Example(torch.from_numpy(rgb.copy()), truth)


def learning_rate(step: int, *, steps: int, peak: float) -> float:
    """Return the learning rate of a step from 0 on: linear warm-up to `peak`, cosine decay to 0.

    >>> [round(learning_rate(step, steps=20, peak=1.0), 2) for step in (0, 1, 2, 11, 19)]
    [0.5, 1.0, 1.0, 0.5, 0.01]
    """
    warmup = round(steps * WARMUP_SHARE)
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup)))


def _train(
    detector: Detector, draws: Draws, *, config: DetectorConfig, log: TextIO | None, workers: int
) -> None:
    """Train the detector in place."""
    device = next(detector.parameters()).device
    trained = [parameter for parameter in detector.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, weight_decay=WEIGHT_DECAY)
    batches = DataLoader(
        draws,
        batch_size=config.batch,
        collate_fn=list,
        num_workers=workers,
        timeout=1800 if workers else 0,
    )
    pace = Pace(total=config.steps)
    detector.train()
    for step, batch in enumerate(batches):
        rate = learning_rate(step, steps=config.steps, peak=config.learning_rate)
        for group in optimizer.param_groups:
            group["lr"] = rate
        frames = [example.frame.to(device) for example in batch]
        truth = [Boxes(*(part.to(device) for part in example.truth)) for example in batch]
        parts = detector.losses(frames, truth)
        loss = torch.stack(list(parts.values())).sum()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, CLIP_NORM)
        optimizer.step()

        done = step + 1
        if done % LOG_EVERY and done < config.steps:
            continue
        if not math.isfinite(value := loss.item()):
            raise InputError(
                f"detector: the loss is {value} at step {done}; "
                f"is detector.learning_rate = {config.learning_rate:g} too high?"
            )
        images_per_sec = pace.rate(done) * config.batch
        if log:
            line = {"step": done, "loss": value, "lr": rate, "images_per_sec": images_per_sec}
            line |= {name: part.item() for name, part in parts.items()}
            log.write(json.dumps(line) + "\n")
            log.flush()
        if pace.due() or done == config.steps:
            say(
                f"detector  step {done:6d}/{config.steps}  loss {value:.4f}  lr {rate:.1e}  "
                f"{images_per_sec:.1f} images/s  eta {pace.eta(done)}"
            )
