"""Two-pass scoring, held against a loop that scores one clip at a time."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from aia.boxes import flip
from aia.clip import ClipKey, ClipSample, Slots
from aia.config import ScoreConfig, overlay, parse_run, read_yaml
from aia.datasets.loader import ClipFrames, Draw, collate
from aia.errors import InputError
from aia.evaluate.attention import attention_rows
from aia.evaluate.score import score_clips
from aia.labels import ClassList
from aia.memory import sampled
from aia.run import Model, Run
from aia.tables.attention import write_attention
from aia.video.store import FrameStore
from aia.video.transforms import AS_KEPT, View, resize

REPOSITORY = Path(__file__).resolve().parents[2]
LABELS = ClassList(ids=(1, 2, 5), names=("a", "b", "c"), groups=("X", "X", "Y"))
CONFIG = ScoreConfig(
    batch=3, objects="groundtruth", extend=(0.1, 0.05), precision="float32", workers=0
)
CPU = torch.device("cpu")


class NoisyStore(FrameStore):
    """Frames that differ from second to second, 4 a second."""

    def __init__(self):
        self.length = 40

    def __len__(self):
        return self.length

    def nearest(self, time_sec):
        return round(time_sec * 4)

    def read(self, indices):
        frames = [np.random.default_rng(i).integers(0, 256, (64, 80, 3)) for i in indices]
        return np.stack(frames).astype(np.uint8)


def clip(t, persons, objects=2, video="video"):
    rng = np.random.default_rng((t, persons))
    corners = rng.random((persons + objects, 2)) * 0.5
    boxes = np.concatenate([corners, corners + 0.4], axis=1).astype(np.float32)
    return ClipSample(
        key=ClipKey(video, t),
        time_sec=float(t),
        persons_xyxy=boxes[:persons],
        persons_score=np.linspace(0.9, 1, persons, dtype=np.float32),
        labels=rng.integers(0, 2, (persons, 3)).astype(np.uint8),
        objects_xyxy=boxes[persons:],
    )


CLIPS = [clip(1, 2), clip(2, 3), clip(3, 0), clip(4, 1, objects=0), clip(6, 2), clip(7, 3)]
STORES = {"video": NoisyStore()}


def run_of(name: str, labels: ClassList = LABELS, **change) -> Run:
    raw = overlay(read_yaml(REPOSITORY / "config.yaml"), {"memory": {"reach": 2}} | change)
    return Run.from_settings(parse_run(name), raw, classes=labels)


def publish(tmp_path, name, **change):
    run = run_of(name, **change)
    torch.manual_seed(3)
    network = run.build()
    if run.name.has_bank:
        network.start_bank()
        for parameter in network.backbone.parameters():  # has learned since
            parameter.data += 0.02 * torch.randn(parameter.shape)
    run.write(tmp_path / "model.safetensors", network.state_dict())
    return tmp_path / "model.safetensors"


def by_hand(model: Model, persons_per_clip: int, reach: int) -> np.ndarray:
    """One clip after the other, its memory put together from a dictionary."""
    frames = ClipFrames(
        clips=CLIPS, stores=STORES, span=model.run.backbone.span, strides=model.run.backbone.strides
    )
    features, remembered = {}, {}
    for place, sample in enumerate(CLIPS):
        if len(sample.persons_xyxy):
            one = collate([frames[Draw(place, None)]])
            features[sample.key.t] = model.network.features(one)
            remembered[sample.key.t] = features[sample.key.t].P.features[0]
            if model.run.name.has_bank:
                remembered[sample.key.t] = model.network.bank_persons(one).features[0]
    scores = []
    for t, (P, O, _) in features.items():
        memory = torch.zeros(1, 2 * reach + 1, persons_per_clip, model.network.d)
        filled = torch.zeros(1, 2 * reach + 1, persons_per_clip, dtype=torch.bool)
        for step in range(2 * reach + 1):
            if t - reach + step in features:
                present = step == reach
                other = P.features[0] if present else remembered[t - reach + step]
                kept = sampled(ClipKey("video", t - reach + step), len(other), persons_per_clip)
                memory[0, step, : len(kept)] = other[torch.from_numpy(kept)]
                filled[0, step, : len(kept)] = True
        M = Slots(memory.flatten(1, 2), filled.flatten(1, 2))
        scores.append(model.network.actions(P, O, M)[0].sigmoid())
    return torch.cat(scores).numpy()


@pytest.mark.parametrize("memory", ["amu", "frozen"])
@pytest.mark.parametrize("persons_per_clip", [1, 2, 5])
def test_scores_equal_those_of_one_clip_at_a_time(tmp_path, persons_per_clip, memory):
    name = f"slowfast_tiny-dense-POMPOM-{memory}-s0"
    path = publish(tmp_path, name, memory={"reach": 2, "persons_per_clip": persons_per_clip})
    model = Model.load(path, device=CPU)
    scored, _ = score_clips(model, CLIPS, STORES, config=CONFIG, extend=False, device=CPU)
    with torch.inference_mode():
        expected = by_hand(model, persons_per_clip, reach=2)
    np.testing.assert_allclose(scored.scores, expected, atol=1e-5)
    assert scored.boxes["time_sec"].tolist() == [1, 1, 2, 2, 2, 4, 6, 6, 7, 7, 7]
    assert scored.boxes["score"].iloc[0] == pytest.approx(0.9)


@pytest.mark.parametrize("name", ["slowfast_tiny-nl-s0", "slowfast_tiny-lfb-MM-frozen-s0"])
def test_scores_of_baselines_equal_those_of_one_clip_at_a_time(tmp_path, name):
    path = publish(tmp_path, name, memory={"reach": 2, "persons_per_clip": 2})
    model = Model.load(path, device=CPU)
    key = ClipKey("video", 2)
    scored, attention = score_clips(
        model, CLIPS, STORES, config=CONFIG, extend=False, device=CPU, attention_of=[key]
    )
    assert set(attention["block"]) == ({"M1", "M2"} if "lfb" in name else set())
    write_attention(tmp_path / "attention.parquet", attention)
    with torch.inference_mode():
        expected = by_hand(model, 2, reach=2)
    np.testing.assert_allclose(scored.scores, expected, atol=1e-5)


def test_a_frozen_model_remembers_what_its_frozen_backbone_sees(tmp_path):
    path = publish(tmp_path, "slowfast_tiny-serial-M-frozen-s0")
    model = Model.load(path, device=CPU)

    def scores():
        found, _ = score_clips(model, CLIPS, STORES, config=CONFIG, extend=False, device=CPU)
        return found.scores

    before = scores()
    model.network.start_bank()  # as though the bank were made by what has learned: with AMU
    with_amu = scores()
    assert not np.allclose(before, with_amu, atol=1e-5)
    amu = model._replace(run=run_of("slowfast_tiny-serial-M-amu-s0"))
    amu.network.bank_backbone = None
    found, _ = score_clips(amu, CLIPS, STORES, config=CONFIG, extend=False, device=CPU)
    np.testing.assert_allclose(found.scores, with_amu, atol=1e-5)


def test_boxes_that_grow_for_the_network_are_reported_as_they_are(tmp_path):
    model = Model.load(publish(tmp_path, "slowfast_tiny-none-s0"), device=CPU)
    plain, grown = (
        score_clips(model, CLIPS, STORES, config=CONFIG, extend=extend, device=CPU)[0]
        for extend in (False, True)
    )
    assert plain.boxes.equals(grown.boxes)
    assert not np.allclose(plain.scores, grown.scores)


class Mirrored(NoisyStore):
    """The same video, seen in a mirror."""

    def read(self, indices):
        return super().read(indices)[:, :, ::-1]


class Resized(NoisyStore):
    """The same video, kept at another size."""

    def read(self, indices):
        return np.stack([resize(frame, (48, 60)) for frame in super().read(indices)])


MIRRORED_CLIPS = [
    dataclasses.replace(
        one, persons_xyxy=flip(one.persons_xyxy), objects_xyxy=flip(one.objects_xyxy)
    )
    for one in CLIPS
]


@pytest.mark.parametrize("extend", [False, True])
@pytest.mark.parametrize("memory", ["amu", "frozen"])
@pytest.mark.parametrize(
    ("store", "clips", "view"),
    [
        (Mirrored(), MIRRORED_CLIPS, View(flip=True)),
        (Resized(), CLIPS, View(short_side=48)),
        (NoisyStore(), CLIPS, View(short_side=64)),  # the size as kept
    ],
    ids=["mirrored", "smaller", "same size"],
)
def test_a_view_sees_what_a_video_of_that_kind_would_show(
    tmp_path, store, clips, view, memory, extend
):
    """The memory too: the blocks look at persons, at objects and at other seconds."""
    model = Model.load(publish(tmp_path, f"slowfast_tiny-dense-POM-{memory}-s0"), device=CPU)

    def scores(clips, store, view):
        options = {"config": CONFIG, "extend": extend, "device": CPU, "view": view}
        return score_clips(model, clips, {"video": store}, **options)[0]

    if view.flip:  # the video in the mirror, mirrored, is the video
        seen, expected = scores(clips, store, view), scores(CLIPS, NoisyStore(), AS_KEPT)
    else:
        seen, expected = scores(clips, NoisyStore(), view), scores(clips, store, AS_KEPT)
    np.testing.assert_allclose(seen.scores, expected.scores, atol=1e-6)
    plain = scores(CLIPS, NoisyStore(), AS_KEPT)
    view_of_the_film = scores(CLIPS, NoisyStore(), view)
    assert view_of_the_film.boxes.equals(plain.boxes)  # so that both can be fused
    differs = not np.allclose(view_of_the_film.scores, plain.scores, atol=1e-4)
    assert differs == (view.short_side != 64)


def test_poses_are_alternatives_under_the_focal_loss(tmp_path):
    labels = ClassList(
        ids=(1, 2, 5), names=("a", "b", "c"), groups=("PERSON_MOVEMENT", "PERSON_MOVEMENT", "Y")
    )
    run = run_of("slowfast_tiny-none-s0", labels, loss={"kind": "focal"})
    path = tmp_path / "model.safetensors"
    run.write(path, run.build().state_dict())
    model = Model.load(path, device=CPU)
    scored, _ = score_clips(model, CLIPS, STORES, config=CONFIG, extend=False, device=CPU)
    np.testing.assert_allclose(scored.scores[:, :2].sum(axis=1), 1, atol=1e-6)


def test_attention_names_whom_it_falls_on(tmp_path):
    path = publish(
        tmp_path,
        "slowfast_tiny-serial-POM-amu-s0",
        memory={"reach": 2, "persons_per_clip": 2},
    )
    model = Model.load(path, device=CPU)
    key = ClipKey("video", 2)
    _, rows = score_clips(
        model, CLIPS, STORES, config=CONFIG, extend=False, device=CPU, attention_of=[key]
    )
    assert set(rows["block"]) == {"P1", "O1", "M1"}
    assert set(rows["target"]) == {0, 1, 2}
    sums = rows.groupby(["target", "block"])["weight"].sum()
    np.testing.assert_allclose(sums, 1, atol=1e-5)
    # of the memory: seconds 1 (both persons), 2 (two of three), 4 (its only one); 0 and 3 are empty
    memory = rows[(rows["block"] == "M1") & (rows["target"] == 0)]
    assert memory["slot_sec"].tolist() == [1, 1, 2, 2, 4]
    assert memory["slot"].tolist()[2:4] == sampled(key, 3, 2).tolist()
    np.testing.assert_array_equal(
        memory[["x1", "y1", "x2", "y2"]].to_numpy()[-1], CLIPS[3].persons_xyxy[0]
    )


def test_a_clip_without_objects_has_no_rows_of_objects():
    weights = {"O1": np.zeros((1, 0), np.float32), "P1": np.ones((1, 1), np.float32)}
    rows = attention_rows(CLIPS[3], weights, clips={}, reach=2, persons_per_clip=1)
    assert rows["block"].tolist() == ["P1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "there is no such model"), (b"nothing", "not a model of aia train")],
)
def test_what_is_not_a_model_is_refused(tmp_path, content, message):
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        Model.load(path, device=CPU)


def test_a_clip_that_is_asked_about_as_a_whole_stands_in_the_table_as_the_whole_frame(tmp_path):
    """Its scores are those of its segment, whatever hands were seen."""
    whole = [
        dataclasses.replace(
            clip(t, 0), query="clip", segment=10 + t, labels=np.zeros((1, 3), np.uint8)
        )
        for t in (1, 2)
    ]
    path = publish(tmp_path, "slowfast_tiny-serial-M-amu-s0", network={"query": "segment"})
    model = Model.load(path, device=CPU)
    found, _ = score_clips(model, whole, STORES, config=CONFIG, extend=False, device=CPU)
    assert found.scores.shape == (2, 3)
    boxes = found.boxes[["x1", "y1", "x2", "y2", "score", "segment"]]
    assert boxes.to_numpy().tolist() == [[0, 0, 1, 1, 1, 11], [0, 0, 1, 1, 1, 12]]
    with pytest.raises(InputError, match="query = segment, but video is labelled by person"):
        score_clips(model, CLIPS, STORES, config=CONFIG, extend=False, device=CPU)


def test_clips_without_persons_to_score_are_an_error(tmp_path):
    model = Model.load(publish(tmp_path, "slowfast_tiny-none-s0"), device=CPU)
    with pytest.raises(InputError, match="no clip has a person"):
        score_clips(model, [CLIPS[2]], STORES, config=CONFIG, extend=False, device=CPU)
