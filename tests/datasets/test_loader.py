import numpy as np
import pytest
import torch

from aia.clip import ClipKey, ClipSample
from aia.datasets.loader import ClipFrames, Draw, StepSampler, collate, scoring_batches
from aia.video.store import FrameStore


class FakeStore(FrameStore):
    """Frames whose every pixel is the frame's number, 2 a second."""

    def __init__(self, length=13, size_hw=(5, 7)):
        self.length, self.frame_hw = length, size_hw

    def __len__(self):
        return self.length

    def nearest(self, time_sec):
        return round(time_sec * 2)

    def read(self, indices):
        frames = np.zeros((len(indices), *self.frame_hw, 3), np.uint8)
        frames += np.asarray(indices, np.uint8)[:, None, None, None]
        frames[:, :, 0] = 255  # the left column tells a mirrored frame
        return frames


def sample(t=3, persons=2, objects=1, classes=3, video="kitchen"):
    rng = np.random.default_rng(t)
    boxes = np.sort(rng.random((persons + objects, 2, 2)), axis=1).reshape(-1, 4)
    boxes = boxes.astype(np.float32)
    return ClipSample(
        key=ClipKey(video, t),
        time_sec=float(t),
        persons_xyxy=boxes[:persons],
        persons_score=np.ones(persons, np.float32),
        labels=rng.integers(0, 2, (persons, classes)).astype(np.uint8),
        objects_xyxy=boxes[persons:],
    )


def frames_of(clips, **options):
    stores = {"kitchen": FakeStore(), "large": FakeStore(size_hw=(11, 3))}
    return ClipFrames(clips=clips, stores=stores, span=4, strides=(4, 2), **options)


def test_a_clip_spans_its_key_frame_slow_frames_first():
    loaded = frames_of([sample(t=3)])[Draw(0, None)]
    # the key frame is 6, the span 4..7; slow takes one of four, fast every second one
    assert loaded.frames[:, 2, 2, 0].tolist() == [5, 4, 6]


def test_a_clip_at_the_edge_repeats_the_edge():
    loaded = frames_of([sample(t=0)])[Draw(0, None)]
    assert loaded.frames[:, 2, 2, 0].tolist() == [0, 0, 0]


def test_a_mirrored_clip_mirrors_frames_persons_and_objects():
    frames = frames_of([sample()], flip=True)
    plain = frames[Draw(0, None)]
    seeds = [frames[Draw(0, (0, seed))] for seed in range(20)]
    mirrored = next(clip for clip in seeds if clip.frames[0, 0, -1, 0] == 255)
    assert 0 < sum(clip.frames[0, 0, -1, 0] == 255 for clip in seeds) < 20
    for boxes, flipped in (
        (plain.persons_xyxy, mirrored.persons_xyxy),
        (plain.objects_xyxy, mirrored.objects_xyxy),
    ):
        np.testing.assert_allclose(flipped[:, [0, 2]], 1 - boxes[:, [2, 0]], atol=1e-6)
        np.testing.assert_array_equal(flipped[:, [1, 3]], boxes[:, [1, 3]])


def test_slow_jitter_moves_the_slow_frames_within_their_stretch_and_no_others():
    frames = frames_of([sample(t=3)], slow_jitter=True)
    seen = [frames[Draw(0, (0, seed))].frames[:, 2, 2, 0].tolist() for seed in range(40)]
    assert {slow for slow, *_ in seen} == {4, 5, 6, 7}
    assert {tuple(fast) for _, *fast in seen} == {(4, 6)}
    assert frames[Draw(0, None)].frames[0, 2, 2, 0] == 5, "not where nothing is drawn"


def test_colour_jitter_moves_all_frames_of_a_clip_alike_and_leaves_boxes_alone():
    frames = frames_of([sample(t=0)], colour_jitter=True)  # three times the same frame
    plain, moved = frames[Draw(0, None)], [frames[Draw(0, (0, seed))] for seed in range(9)]
    assert len({clip.frames.tobytes() for clip in moved}) > 5
    for clip in moved:
        np.testing.assert_array_equal(clip.frames, clip.frames[:1].repeat(3, axis=0))
        np.testing.assert_array_equal(clip.persons_xyxy, plain.persons_xyxy)


def test_jitter_depends_on_the_seed_of_the_draw_alone():
    frames = frames_of([sample()], jitter=True)
    first, again, other = (frames[Draw(0, seed)].persons_xyxy for seed in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)
    np.testing.assert_array_equal(frames[Draw(0, None)].persons_xyxy, sample().persons_xyxy)


def test_labels_stay_with_their_persons_where_there_are_too_many():
    clip = sample(persons=7)
    loaded = frames_of([clip], max_persons=3)[Draw(0, (5,))]
    assert len(loaded.persons_xyxy) == 3
    for box, label in zip(loaded.persons_xyxy, loaded.labels, strict=True):
        (place,) = np.flatnonzero((clip.persons_xyxy == box).all(axis=1))
        np.testing.assert_array_equal(label, clip.labels[place])


def test_a_batch_has_as_many_slots_as_its_fullest_clip():
    frames = frames_of([sample(t=1, persons=2, objects=0), sample(t=2, persons=3, objects=0)])
    batch = collate([frames[Draw(i, None)] for i in range(2)])
    assert batch.persons_filled.tolist() == [[True, True, False], [True, True, True]]
    assert batch.objects_xyxy.shape == (2, 0, 4)
    assert not batch.persons_xyxy[0, 2].any()
    assert batch.labels.shape == (2, 3, 3)


def test_clips_of_different_sizes_are_padded_below_and_right():
    frames = frames_of([sample(video="kitchen"), sample(video="large")])
    batch = collate([frames[Draw(i, None)] for i in range(2)])
    assert batch.sizes_hw.tolist() == [[5, 7], [11, 3]]
    assert not batch.frames[0, :, 5:].any()
    assert not batch.frames[1, :, :, 3:].any()


def test_scoring_sees_every_clip_once_in_order():
    clips = [sample(t=t) for t in range(5)]
    batches = scoring_batches(frames_of(clips), batch=2, workers=0)
    assert [key.t for batch in batches for key in batch.keys] == [0, 1, 2, 3, 4]


def sampler(first=1, balance=False, clips=None, **options):
    clips = clips or [sample(t=t) for t in range(7)]
    settings = {"batch": 3, "steps": 11, "seed": 0} | options
    return StepSampler(clips, balance=balance, first=first, **settings)


@pytest.mark.parametrize("balance", [False, True])
def test_a_run_that_goes_on_draws_what_it_would_have_drawn(balance):
    whole = list(sampler(balance=balance))
    rest = list(sampler(first=6, balance=balance))
    assert len(sampler(first=6)) == len(rest) == 6
    assert whole[5:] == rest


def test_an_epoch_sees_every_clip_once():
    places = [draw.place for step in sampler(batch=7, steps=3) for draw in step]
    for epoch in range(3):
        assert sorted(places[epoch * 7 : epoch * 7 + 7]) == list(range(7))
    assert places[:7] != places[7:14]


def test_seeds_draw_differently():
    assert list(sampler(seed=0)) != list(sampler(seed=1))


def test_balanced_drawing_favours_rare_classes():
    common = [sample(t=t) for t in range(9)]
    common = [
        ClipSample(**{**vars(clip), "labels": np.array([[1, 0]] * 2, np.uint8)}) for clip in common
    ]
    rare = ClipSample(**{**vars(common[0]), "labels": np.array([[0, 1]] * 2, np.uint8)})
    drawn = sampler(balance=True, clips=[*common, rare], steps=200)
    places = [draw.place for step in drawn for draw in step]
    assert 0.4 < np.mean(np.array(places) == 9) < 0.6  # 1/1 against 9 x 1/9


def test_a_batch_moves_with_all_its_tensors():
    batch = collate([frames_of([sample()])[Draw(0, None)]])
    moved = batch.to(torch.device("meta"))
    assert moved.keys == batch.keys
    tensors = [part for part in moved if isinstance(part, torch.Tensor)]
    assert len(tensors) == 7  # keys, times and query are no tensors, and there are no hands
    assert {tensor.device.type for tensor in tensors} == {"meta"}
