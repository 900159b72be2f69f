"""The same films as tubes: read back by the reader of UCF101-24, true to what is drawn."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

from aia.config import PlayhouseConfig
from aia.datasets import playhouse_ucf24, ucf101_24
from aia.datasets.ava import annotated_clips, with_objects
from aia.datasets.playhouse import draw_playhouse, key_frames, video_names
from aia.datasets.playhouse_draw import draw_cast, frames, moment
from aia.datasets.playhouse_script import Script, State, write_script
from aia.datasets.playhouse_ucf24 import CLASSES, actions, annotate, class_list
from aia.labels import read_labels
from aia.pickles import read_pickle
from tests.conftest import REPOSITORY

FPS = 3
SMALL = PlayhouseConfig(
    form="ucf101_24", seed=3, train_films=2, val_films=1, seconds=11, fps=FPS, size_hw=(112, 160)
)
IDS = {name: number for number, (name, _) in enumerate(CLASSES)}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playhouse")
    draw_playhouse(folder, config=SMALL, processes=1)
    return folder


def play(*states: list[State], on: bool = False) -> Script:
    columns = len(states[0])
    lights = np.full(columns, on)
    return Script(np.array(states), lights, lights, np.zeros(columns, bool))


def scripts(count: int) -> list[Script]:
    rngs = [np.random.default_rng([5, number]) for number in range(count)]
    return [write_script(rng, seconds=30, blackout=False) for rng in rngs]


def test_everybody_always_does_something_and_each_question_has_one_answer() -> None:
    either = [
        {"watch_tv", "rest"}, {"answer_phone", "call"}, {"open", "close"}, {"cook", "paint"},
        {"wait", "listen"}, {"wait", "watch_person"},
    ]  # fmt: skip
    seen: Counter[str] = Counter()
    for script in scripts(40):
        for person, second in np.ndindex(script.states.shape):
            found = actions(script, person=person, second=second)
            assert found
            assert len(set(found)) == len(found)
            assert all(len(pair.intersection(found)) < 2 for pair in either)
            seen.update(found)
    assert set(seen) == set(IDS)
    for a, b in either[:4]:  # a coin would do as well, without what tells
        assert 0.7 < seen[a] / seen[b] < 1.4


@pytest.mark.parametrize("on", [False, True])
def test_what_is_left_undone_is_a_class_of_its_own(on: bool) -> None:
    script = play([State.IDLE, State.SIT, State.SIT_TALK, State.EAR, State.WALK], on=on)
    done = [actions(script, person=0, second=second) for second in range(5)]
    sits, ear = ("watch_tv", "answer_phone") if on else ("rest", "call")
    assert done == [("wait",), (sits,), ("talk", sits), (ear,), ("walk",)]


def test_frame_by_frame_the_memory_reaches_what_tells_and_nothing_that_contradicts() -> None:
    fps, acts = 4, 0
    config = yaml.safe_load((REPOSITORY / "config" / "playhouse_ucf24.yaml").read_text())
    reach = config["memory"]["reach"]
    assert config["playhouse"]["fps"] == config["data"]["clips_per_sec"] == fps
    for script in scripts(20):
        second = np.array([moment(frame, fps=fps)[0] for frame in range(30 * fps)])
        states = script.states[:, second]
        for person, frame in np.argwhere(np.isin(states, (State.REACH, State.STIR))):
            acts += 1
            own = set(states[person, max(0, frame - reach) : frame])
            later = set(states[person, frame + 1 : frame + reach + 1])
            all_seen = set(states[:, max(0, frame - reach) : frame + reach + 1].flat)
            answer = actions(script, person=int(person), second=int(second[frame]))[-1]
            right, wrong = {
                "open": (State.DRINK in later, State.DRINK in own),
                "close": (State.DRINK in own, State.DRINK in later),
                "cook": (State.CHOP in own | later, State.BRUSH in all_seen),
                "paint": (State.BRUSH in own | later, State.CHOP in all_seen),
            }[answer]
            assert right
            assert not wrong
    assert acts > 1000


def test_tubes_are_unbroken_and_two_things_at_once_are_two_tubes_of_the_same_boxes() -> None:
    script = play([State.SIT_TALK, State.SIT_TALK, State.SIT, State.DANCE, State.SIT])
    cast = draw_cast(np.random.default_rng(0), persons=1, seconds=5)
    film = annotate("v_x", script, cast, fps=2)  # second k from frame 2k - 1 on
    assert (film.name, film.entry["numf"]) == ("Playhouse/v_x", 8)
    found = {(tube["label"], tube["sf"]): tube for tube in film.entry["annotations"]}
    ends = {key: tube["ef"] for key, tube in found.items()}
    assert ends == {
        (IDS["talk"], 0): 3, (IDS["rest"], 0): 5, (IDS["dance"], 5): 7, (IDS["rest"], 7): 8,
    }  # fmt: skip
    assert found[IDS["talk"], 0]["boxes"].dtype == np.uint16
    np.testing.assert_array_equal(
        found[IDS["talk"], 0]["boxes"], found[IDS["rest"], 0]["boxes"][:3]
    )


def test_boxes_follow_the_person_frame_by_frame() -> None:
    states = [State.WALK, State.DANCE, State.SIT, State.DRINK, State.IDLE]
    fps = 7
    alone = play(states)
    cast = draw_cast(np.random.default_rng(1), persons=1, seconds=5)
    empty = cast._replace(persons=(), facing_right=())
    shown, without = (
        np.stack(
            list(frames(alone, who, rng=np.random.default_rng(0), fps=fps, size_hw=(112, 160)))
        )
        for who in (cast, empty)
    )
    tubes = annotate("v_x", alone, cast, fps=fps).entry["annotations"]
    boxes = np.zeros((len(shown), 4))
    for tube in tubes:
        boxes[tube["sf"] : tube["ef"]] = tube["boxes"]
    assert len(np.unique(boxes, axis=0)) > 5
    for frame, (x, y, width, height) in enumerate(boxes):
        ys, xs = np.nonzero((shown[frame] != without[frame]).any(axis=2))
        pixels = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        # each side touches the person, but for a pixel that happens to match the wall
        found = np.array([x, y, x + width, y + height]) / (2, 240 / 112, 2, 240 / 112)
        np.testing.assert_allclose(found, pixels, atol=1.5)


def test_the_reader_of_ucf101_24_reads_it_with_its_own_classes(drawn: Path) -> None:
    folder = drawn / "annotations"
    known = ucf101_24.read_annotations(folder / "pyannot.pkl", labels=folder / "actions.pbtxt")
    assert known.labels == class_list() == read_labels(folder / "actions.pbtxt")
    names = {split: video_names(SMALL, split) for split in ("train", "val")}
    assert set(known.frames) == {f"Playhouse/{v}" for own in names.values() for v in own}
    assert set(known.frames.values()) == {11 * FPS} == {key_frames(SMALL)}
    films = ucf101_24.split_films(known, val=folder / "testlist01.txt")
    assert {s: list(map(ucf101_24.video_id, own)) for s, own in films.items()} == names
    for video in names["train"]:
        with av.open(str(drawn / "films" / f"{video}.mp4")) as container:
            assert sum(1 for _ in container.decode(video=0)) == 11 * FPS


def test_it_has_the_published_files_structure(drawn: Path, shared_data: Path) -> None:
    ours, theirs = (
        read_pickle(path)
        for path in (drawn / "annotations/pyannot.pkl", shared_data / "ucf101-24/pyannot.pkl")
    )
    (film, *_), (other, *_) = ours.values(), theirs.values()
    assert film.keys() == other.keys()
    assert film["annotations"][0].keys() == other["annotations"][0].keys()


def test_prepared_who_does_two_things_is_one_person_with_two_labels(drawn: Path) -> None:
    folder = drawn / "annotations"
    ucf101_24.prepare(
        folder / "pyannot.pkl",
        val=folder / "testlist01.txt",
        labels=folder / "actions.pbtxt",
        fps=float(FPS),
        output=drawn / "prepared",
    )
    labels = read_labels(drawn / "prepared" / "actions.pbtxt")
    assert set(labels.groups) == {"APPEARANCE", "PERSON", "OBJECT", "MEMORY"}
    clips = annotated_clips(drawn / "prepared" / "train.csv", labels=labels, per_sec=float(FPS))
    assert [clip.key.t for clip in clips] == [*range(11 * FPS)] * 2
    assert all(len(clip.persons_xyxy) in (2, 3) for clip in clips)
    assert max(clip.labels.sum(axis=1).max() for clip in clips) == 2
    objects = folder / "train_objects.csv"
    for clip in with_objects(clips, annotated=objects, most=5, per_sec=float(FPS)):
        assert len(clip.objects_xyxy) == 3


def test_an_interrupted_drawing_leaves_no_tubes(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_playhouse(tmp_path, config=SMALL, processes=1)
    for file in sorted(path.relative_to(drawn) for path in (drawn / "films").iterdir()):
        assert (drawn / file).read_bytes() == (tmp_path / file).read_bytes(), file

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(playhouse_ucf24, "annotate", stop)
    with pytest.raises(KeyboardInterrupt):
        draw_playhouse(tmp_path, config=SMALL, processes=1)
    assert not (tmp_path / "annotations" / "pyannot.pkl").exists()


def test_the_light_stays_on(tmp_path: Path) -> None:
    draw_playhouse(tmp_path, config=replace(SMALL, train_films=1, seconds=4), processes=1)
    for path in (tmp_path / "films").iterdir():
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                assert frame.to_ndarray(format="rgb24").mean() > 60
