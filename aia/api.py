"""The calls that a notebook types: load a model, predict a video, score a clip.

import aia

model = aia.load("results/playhouse/runs/slowfast_tiny-serial-POMPOM-amu-s0-quick")
for moment in model.predict("film.mp4"):
    print(moment.time_sec, moment.track, moment.scores.max(axis=1))
model.predict("film.mp4").to_pandas()
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from aia.clip import Batch, ClipKey, ClipSample, Slots, clip_indices, clip_offsets
from aia.config import video_id
from aia.datasets.loader import LoadedClip, collate
from aia.errors import InputError
from aia.evaluate.score import Passes
from aia.labels import ClassList
from aia.memory import build_memory
from aia.predict.folder import predict_video
from aia.predict.model import ActionDetector, load_action_detector
from aia.predict.prediction import Prediction
from aia.video.decode import VideoFile
from aia.video.transforms import extend_boxes, resize, resize_size_hw

Boxes = Float[np.ndarray, "boxes 4"]
Objects = Float[np.ndarray, "_objects 4"]


def load(
    model: Path | str,
    *,
    detector: Path | str | None = None,
    labels: Path | str | None = None,
    network: str | None = None,
    device: str = "auto",
    precision: str = "float32",
    **changes: Any,
) -> "Predictor":
    """Load a model that finds persons in videos and says what they do.

    Args:
        model: A run's folder, a model.safetensors, or a published checkpoint (AlphAction's).
        detector: A detector's file, or one of torchvision's by name; None: the model's own.
        labels: Classes (.pbtxt) of a checkpoint that names none.
        network: Run that a checkpoint holds, where its tensors do not say so.
        device: auto, cpu or cuda.
        precision: float32, bfloat16 or auto: bfloat16 on a GPU.
        changes: Fields of `aia.config.Perception` that differ, such as person_threshold=0.5.

    Raises:
        aia.errors.InputError: There is no such model, or it is none that predicts.
    """
    return Predictor(
        load_action_detector(
            model,
            detector=detector,
            labels=labels,
            network=network,
            device=device,
            precision=precision,
            changes=changes,
        )
    )


class Predictor:
    """A loaded model with its detector."""

    def __init__(self, who: ActionDetector) -> None:
        self.who = who

    @property
    def classes(self) -> ClassList:
        """Ids, names and groups of the classes, in the order of the scores."""
        return self.who.model.run.classes

    def predict(
        self,
        video: Path | str,
        *,
        per_sec: float = 1.0,
        times_sec: Sequence[float] | None = None,
        track_per_sec: float | None = None,
        attention: bool = False,
    ) -> Prediction:
        """Predict a video: an iterable of moments, each with all persons of a key frame.

        Args:
            video: A video file.
            per_sec: Key frames of a second.
            times_sec: Times of the key frames, instead.
            track_per_sec: Frames of a second in which persons are followed; None: 5, or 0 where
                the detector is slow.
            attention: Keep what each person attended to, for `Prediction.attention`.

        Raises:
            aia.errors.InputError: The video is missing or cannot be read.
        """
        return predict_video(
            self.who,
            VideoFile(video),
            name=video_id(Path(video).name),
            per_sec=per_sec,
            times_sec=times_sec,
            track_per_sec=track_per_sec,
            attention=attention,
        )

    def features(
        self, frames: UInt8[np.ndarray, "t h w 3"], persons: Boxes
    ) -> Float[np.ndarray, "boxes d"]:
        """Compute the features of a clip's persons, as they are remembered (P̂ in the paper).

        Args:
            frames: RGB at the model's rate; the key frame is in the middle (t // 2).
            persons: Boxes of persons as fractions of the frame, best first.
        """
        if not len(persons):
            return np.zeros((0, self.who.model.network.d), np.float32)
        passes = self._passes()
        return passes.first(self._batch(frames, persons, [])).P.features[0].cpu().numpy()

    def scores(
        self,
        frames: UInt8[np.ndarray, "t h w 3"],
        persons: Boxes,
        objects: Objects | None = None,
        memory: Mapping[int, Float[np.ndarray, "_persons d"]] | None = None,
    ) -> Float[np.ndarray, "boxes classes"]:
        """Score the actions of the persons of one clip.

        Args:
            frames: RGB at the model's rate; the key frame is in the middle (t // 2). Frames that
                the clip's span lacks are repeated from its ends.
            persons: Boxes of persons as fractions of the frame, best first.
            objects: Boxes of objects, best first.
            memory: What `features` gave for other seconds, by their distance in seconds: -1 is the
                second before; None: nothing is remembered. Of more persons than a clip's memory
                has room for (memory.persons_per_clip), `predict` samples, and this takes the first.
        """
        passes, run = self._passes(), self.who.model.run
        reach = run.memory.reach if run.memory else 0
        pool = passes.memory.pool
        for offset, features in (memory or {}).items():
            if not 1 <= abs(offset) <= reach:
                raise InputError(
                    f"memory: second {offset} is out of reach, expected -{reach} to {reach} "
                    "without 0"
                )
            if pool is not None:
                P = torch.from_numpy(np.asarray(features, np.float32))[None].to(self.who.device)
                filled = torch.ones(P.shape[:2], dtype=torch.bool, device=P.device)
                key = ClipKey("", reach + offset)
                pool.write([key], Slots(P, filled), loss_tag=1.0, step=0)
        if not len(persons):
            return np.zeros((0, len(run.classes)), np.float32)
        batch = self._batch(frames, persons, [] if objects is None else objects)
        return passes.second(passes.first(batch))[0]

    def _passes(self) -> Passes:
        """Make the two passes over one clip, with a memory of its seconds, empty."""
        who, run = self.who, self.who.model.run
        reach = run.memory.reach if run.memory else 0
        memory = build_memory(
            run.name,
            run.memory,
            seconds={"": (0, 2 * reach)},
            d=who.model.network.d,
            device=who.device,
        )
        return Passes(who.model, memory, precision=who.precision, device=who.device)

    def _batch(
        self,
        frames: UInt8[np.ndarray, "t h w 3"],
        persons: Boxes,
        objects: Objects | Sequence[Any],
    ) -> Batch:
        run, sees = self.who.model.run, self.who.perception
        offsets = [clip_offsets(run.backbone.span, stride) for stride in run.backbone.strides]
        places = clip_indices(
            len(frames) // 2,
            offsets=np.concatenate(offsets),
            span=run.backbone.span,
            length=len(frames),
        )
        size_hw = resize_size_hw(frames.shape[1:3], sees.short_side)
        small = {place: resize(frames[place], size_hw) for place in np.unique(places).tolist()}
        persons_xyxy = np.asarray(persons, np.float32).reshape(-1, 4)
        objects_xyxy = np.asarray(objects, np.float32).reshape(-1, 4)[: run.network.max_objects]
        reach = run.memory.reach if run.memory else 0
        sample = ClipSample(
            key=ClipKey("", reach),
            time_sec=float(reach),
            persons_xyxy=persons_xyxy,
            persons_score=np.ones(len(persons_xyxy), np.float32),
            labels=np.zeros((len(persons_xyxy), len(run.classes)), np.uint8),
        )
        clip = LoadedClip(
            sample=sample,
            frames=np.stack([small[place] for place in places.tolist()]),
            persons_xyxy=extend_boxes(persons_xyxy, sees.extend),
            objects_xyxy=objects_xyxy,
            hands_xyxy=np.zeros((0, 4), np.float32),
            labels=sample.labels,
        )
        return collate([clip])
