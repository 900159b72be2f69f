"""Load clips in batches: frames as uint8, boxes and labels in slots.

What is sampled at a step depends on the seed and the step alone. So a run that resumes from a
checkpoint, or loads with more processes, gets the same clips with the same jitter.
"""

import gc
import itertools
import pickle
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from aia.boxes import flip
from aia.clip import Batch, ClipSample, clip_indices, clip_offsets
from aia.errors import InputError
from aia.ranks import SINGLE_PROCESS, Ranks, count_work
from aia.video.store import Frames
from aia.video.transforms import (
    AS_KEPT,
    View,
    draw_shift,
    extend_boxes,
    jitter_boxes,
    pad_batch,
    shift_colours,
    view_frames,
)

SHARED = Path("/dev/shm")
"""Where batches travel from one process to another."""
LONGEST_WAIT_SEC = 1800
"""Longest wait for a batch from another process."""


class PackedClips(Sequence[ClipSample]):
    """Pickled clips in one buffer, deserialised on access.

    A loading process is forked and shares the trainer's memory until either writes to a page; and
    Python writes a reference count to every object that it touches. A list of AVA's clips would
    gradually be copied into each process in the course of an epoch.
    """

    def __init__(self, clips: Sequence[ClipSample]) -> None:
        packed = [pickle.dumps(clip, protocol=pickle.HIGHEST_PROTOCOL) for clip in clips]
        self._ends = np.cumsum([len(one) for one in packed], dtype=np.int64)
        self._bytes = np.frombuffer(b"".join(packed), dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> ClipSample: ...

    @overload
    def __getitem__(self, place: slice) -> list[ClipSample]: ...

    def __getitem__(self, place: int | slice) -> ClipSample | list[ClipSample]:
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"clip {place} of {len(self)}")
        place %= len(self)
        start = int(self._ends[place - 1]) if place else 0
        return pickle.loads(self._bytes[start : int(self._ends[place])].data)


def freeze_gc(_worker: int = 0) -> None:
    """Freeze the parent's objects to avoid copy-on-write by the garbage collector."""
    gc.freeze()


class Draw(NamedTuple):
    """Index of a clip, and the seed of its augmentation; None: no augmentation."""

    place: int
    seed: tuple[int, ...] | None


class LoadedClip(NamedTuple):
    """A clip with its frames, after augmentation."""

    sample: ClipSample
    frames: UInt8[np.ndarray, "t h w 3"]
    persons_xyxy: Float[np.ndarray, "persons 4"]
    objects_xyxy: Float[np.ndarray, "objects 4"]
    hands_xyxy: Float[np.ndarray, "hands 4"]
    labels: UInt8[np.ndarray, "queries classes"]


class ClipFrames(Dataset):
    """Clips with their frames, read from the frame stores.

    Args:
        clips: The clips.
        stores: The frame store of each video.
        span: Length of a clip in frames.
        strides: Steps between the frames of each pathway.
        jitter: Jitter boxes. This and the next four apply to draws with a seed.
        flip: Mirror half of the clips.
        colour_jitter: Shift the colours of each clip.
        slow_jitter: Start the first pathway at a random frame of its first stride.
        max_persons: Most persons of a clip; more are sampled at random.
        extend: Fractions of width and height by which detected boxes are extended.
        view: Size and mirroring of all clips.
        read: Read the frames; otherwise clips have none (0, height, width, 3), for a network that
            keeps their maps.
    """

    def __init__(
        self,
        *,
        clips: Sequence[ClipSample],
        stores: Mapping[str, Frames],
        span: int,
        strides: Sequence[int],
        jitter: bool = False,
        flip: bool = False,
        colour_jitter: bool = False,
        slow_jitter: bool = False,
        max_persons: int | None = None,
        extend: tuple[float, float] = (0.0, 0.0),
        view: View = AS_KEPT,
        read: bool = True,
    ) -> None:
        self.clips, self.stores, self.span = PackedClips(clips), stores, span
        self.strides = tuple(strides)
        self.colour_jitter, self.slow_jitter = colour_jitter, slow_jitter
        self.jitter, self.flip, self.max_persons, self.extend = jitter, flip, max_persons, extend
        self.view, self.read = view, read

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, draw: Draw) -> LoadedClip:
        sample = self.clips[draw.place]
        rng = None if draw.seed is None else np.random.default_rng(draw.seed)
        if rng is not None and sample.places:
            sample = sample.places[rng.integers(len(sample.places))]
        frames = self._read(sample, rng)
        persons, objects, labels = sample.persons_xyxy, sample.objects_xyxy, sample.labels
        hands, view = sample.hands_xyxy, self.view
        if any(self.extend):
            persons = extend_boxes(persons, self.extend)
        if rng is not None:
            if self.max_persons is not None and len(persons) > self.max_persons:
                kept = rng.permutation(len(persons))[: self.max_persons]
                persons, labels = persons[kept], labels[kept]
            if self.flip and rng.random() < 0.5:
                view = view._replace(flip=not view.flip)
        if view.flip:
            persons, objects, hands = flip(persons), flip(objects), flip(hands)
        if rng is not None:
            if self.jitter:
                persons, hands = jitter_boxes(persons, rng), jitter_boxes(hands, rng)
            if self.colour_jitter:
                frames = shift_colours(frames, draw_shift(rng))
        return LoadedClip(
            sample=sample,
            frames=view_frames(frames, view),
            persons_xyxy=persons.astype(np.float32),
            objects_xyxy=objects.astype(np.float32),
            hands_xyxy=hands.astype(np.float32),
            labels=labels,
        )

    def _read(
        self, sample: ClipSample, rng: np.random.Generator | None
    ) -> UInt8[np.ndarray, "t h w 3"]:
        """Read the stored frames of all pathways around the key frame."""
        store = self.stores[sample.key.video]
        if not self.read:
            return np.empty((0, *store.size_hw, 3), np.uint8)
        starts: list[int | None] = [None] * len(self.strides)
        if rng is not None and self.slow_jitter:
            starts[0] = int(rng.integers(self.strides[0]))
        offsets = [
            clip_offsets(self.span, stride, start)
            for stride, start in zip(self.strides, starts, strict=True)
        ]
        indices = clip_indices(
            store.nearest(sample.time_sec),
            offsets=np.concatenate(offsets),
            span=self.span,
            length=len(store),
        )
        return store.read(indices)


def collate(clips: Sequence[LoadedClip]) -> Batch:
    """Collate loaded clips to a batch, with as many slots as the fullest clip needs."""
    frames, sizes_hw = pad_batch([clip.frames for clip in clips])
    persons, persons_filled = _slots([clip.persons_xyxy for clip in clips])
    objects, objects_filled = _slots([clip.objects_xyxy for clip in clips])
    query = clips[0].sample.query
    hands, hands_filled = None, None
    if query == "clip":
        hands, hands_filled = _slots([clip.hands_xyxy for clip in clips])
    labels, _ = _slots([clip.labels for clip in clips])
    return Batch(
        keys=[clip.sample.key for clip in clips],
        frames=torch.from_numpy(frames),
        sizes_hw=torch.from_numpy(sizes_hw).float(),
        persons_xyxy=persons,
        persons_filled=persons_filled,
        labels=labels,
        objects_xyxy=objects,
        objects_filled=objects_filled,
        hands_xyxy=hands,
        hands_filled=hands_filled,
        times_sec=[clip.sample.time_sec for clip in clips],
        query=query,
    )


class StepSampler:
    """Sampler of each training step's clips: a function of seed and step, so it has no state.

    Args:
        clips: The clips to sample from.
        batch: Number of clips of a step.
        steps: Number of the last step.
        seed: Seed of the run.
        balance: Sample clips by the inverse frequency of their rarest class, with replacement;
            otherwise each epoch is a permutation of all.
        first: First step; more than 1 if a run resumes.
        share: Clips of each step for this process, of several that train together.
    """

    def __init__(
        self,
        clips: Sequence[ClipSample],
        *,
        batch: int,
        steps: int,
        seed: int,
        balance: bool,
        first: int = 1,
        share: slice = slice(None),
    ) -> None:
        self.share = share
        self.count, self.batch, self.steps, self.seed, self.first = (
            len(clips),
            batch,
            steps,
            seed,
            first,
        )
        self.weights = _inverse_frequency(clips) if balance else None
        self.epochs: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self.steps - self.first + 1

    def __iter__(self) -> Iterator[list[Draw]]:
        for step in range(self.first, self.steps + 1):
            draws = [Draw(i, (self.seed, step, n)) for n, i in enumerate(self.indices(step))]
            yield draws[self.share]

    def indices(self, step: int) -> list[int]:
        """Return the indices of the clips of a step (from 1)."""
        if self.weights is not None:
            rng = np.random.default_rng((self.seed, step))
            return rng.choice(self.count, self.batch, p=self.weights).tolist()
        first = (step - 1) * self.batch
        return [self._at(place) for place in range(first, first + self.batch)]

    def _at(self, place: int) -> int:
        epoch, place = divmod(place, self.count)
        if epoch not in self.epochs:
            order = np.random.default_rng((self.seed, epoch)).permutation(self.count)
            self.epochs = {epoch: order} | {e: o for e, o in self.epochs.items() if e == epoch - 1}
        return int(self.epochs[epoch][place])


class Batches:
    """Batches of clips, loaded in this process or in others.

    Iterating ends with an InputError, and not never, if the others have no room for their batches
    in /dev/shm, are killed, or do not answer.

    Args:
        frames: Clips.
        draws: Clips of each batch.
        workers: Processes that load; 0: this one.
    """

    def __init__(
        self, frames: ClipFrames, draws: StepSampler | list[list[Draw]], workers: int
    ) -> None:
        self._frames, self._draws, self._workers = frames, draws, workers

    def __len__(self) -> int:
        return len(self._draws)

    def __iter__(self) -> Iterator[Batch]:
        if self._workers:
            self._check_room()
        loader = DataLoader(
            self._frames,
            batch_sampler=self._draws,
            collate_fn=collate,
            num_workers=self._workers,
            worker_init_fn=freeze_gc,
            pin_memory=torch.cuda.is_available(),
            timeout=LONGEST_WAIT_SEC if self._workers else 0,
            # the loader draws a seed when it starts; from the global generator, this would change
            # the dropout of a run that resumes
            generator=torch.Generator(),
        )
        batches = iter(loader)
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                raise self._explained(error) from error
            count_work()
            yield batch

    def _check_room(self) -> None:
        """Raise an InputError if the batches that wait do not fit into /dev/shm."""
        if not SHARED.is_dir() or not len(self._frames):
            return
        most = max(map(len, itertools.islice(self._draws, 8)), default=0)
        clip = self._frames[Draw(0, None)].frames.nbytes
        waiting, free = 2 * self._workers, shutil.disk_usage(SHARED).free
        if waiting * most * clip > free:
            raise InputError(
                f"{SHARED} has {free / 1e6:.2f} MB left, and {waiting} batches of "
                f"{most * clip / 1e6:.2f} MB lie there while others load; give the container more "
                "(docker run --shm-size 8g), or set train.workers and score.workers to 0"
            )

    @staticmethod
    def _explained(error: RuntimeError) -> Exception:
        """Say why a loading process gave no batch; other errors stay as they are."""
        said = str(error)
        if "timed out" in said:
            return InputError(
                f"a loading process gave no batch for {LONGEST_WAIT_SEC / 60:.0f} minutes; does "
                "the disk of the frames still answer? train.workers: 0 loads without them"
            )
        if "exited unexpectedly" in said or "killed by signal" in said:
            return InputError(
                f"a loading process ended ({' '.join(said.split())[:200]}); was it killed for "
                f"memory, or is {SHARED} full? Fewer train.workers take less of both"
            )
        return error


def training_batches(frames: ClipFrames, sampler: StepSampler, *, workers: int) -> Batches:
    """Load the batches of the sampler's steps, in order."""
    return Batches(frames, sampler, workers)


def scoring_batches(
    frames: ClipFrames, *, batch: int, workers: int, ranks: Ranks = SINGLE_PROCESS
) -> Batches:
    """Load all clips once, in order, without augmentation; each process loads its share.

    If the last batch has fewer clips than there are processes, some load the same one.
    """
    draws = [Draw(place, None) for place in range(len(frames))]
    batches = [draws[i : i + batch] for i in range(0, len(draws), batch)]
    return Batches(
        frames, [clips[ranks.share(len(clips))] or clips[-1:] for clips in batches], workers
    )


def _slots(rows: Sequence[np.ndarray]) -> tuple[Tensor, Bool[Tensor, "clips slots"]]:
    """Pad arrays of different lengths to one tensor; return it and a mask of filled slots."""
    most = max((len(row) for row in rows), default=0)
    slots = np.zeros((len(rows), most, *rows[0].shape[1:]), rows[0].dtype)
    filled = np.zeros((len(rows), most), bool)
    for slot, full, row in zip(slots, filled, rows, strict=True):
        slot[: len(row)] = row
        full[: len(row)] = True
    return torch.from_numpy(slots), torch.from_numpy(filled)


def _inverse_frequency(clips: Sequence[ClipSample]) -> Float[np.ndarray, " clips"]:
    """Return sampling weights by the rarest class of each clip."""
    present = np.stack([clip.labels.max(axis=0, initial=0) for clip in clips]).astype(bool)
    counts = present.sum(axis=0).clip(min=1)
    weights = np.where(present, 1.0 / counts, 0.0).max(axis=1)
    if not weights.any():
        weights += 1.0
    return weights / weights.sum()
