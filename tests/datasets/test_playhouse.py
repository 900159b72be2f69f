"""The files: real films and annotations in AVA's format, the same each time."""

import contextlib
import csv
import itertools
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import pytest

from aia.config import PlayhouseConfig
from aia.datasets import playhouse
from aia.datasets.playhouse import draw_playhouse, video_names
from aia.datasets.playhouse_draw import draw_cast, frames
from aia.datasets.playhouse_script import Script, State
from aia.errors import InputError
from aia.labels import read_labels

SMALL = PlayhouseConfig(
    form="ava", seed=3, train_films=3, val_films=2, seconds=12, fps=8, size_hw=(112, 160)
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playhouse")
    draw_playhouse(folder, config=SMALL, processes=1)
    return folder


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_names_are_known_without_drawing_anything() -> None:
    assert video_names(SMALL, "val") == ["playhouse_val_000", "playhouse_val_001"]
    assert len(set(video_names(SMALL, "train"))) == 3
    with pytest.raises(InputError, match="train and val"):
        video_names(SMALL, "test")


def test_films_are_h264_of_the_size_rate_and_length_asked_for(drawn: Path) -> None:
    names = [f"{video}.mp4" for split in ("train", "val") for video in video_names(SMALL, split)]
    assert sorted(path.name for path in (drawn / "films").iterdir()) == sorted(names)
    for name in names:
        with av.open(str(drawn / "films" / name)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
            assert (stream.height, stream.width, stream.average_rate) == (112, 160, 8)
            times = [frame.time for frame in container.decode(video=0)]
        np.testing.assert_allclose(times, np.arange(12 * 8) / 8)


def test_annotations_are_avas_with_one_pose_for_every_box(drawn: Path) -> None:
    labels = read_labels(drawn / "annotations" / "actions.pbtxt")
    assert set(labels.groups) == {"APPEARANCE", "PERSON", "OBJECT", "MEMORY"}
    names = dict(zip(labels.ids, labels.names, strict=True))
    for split in ("train", "val"):
        table = rows(drawn / "annotations" / f"{split}.csv")
        assert {row[0] for row in table} == set(video_names(SMALL, split))
        assert {row[1] for row in table} == {f"{second:04d}" for second in range(1, 12)}
        for _, group in itertools.groupby(table, key=lambda row: (*row[:6], row[7])):
            done = [names[int(row[6])] for row in group]
            assert sum(name in ("stand", "sit", "walk") for name in done) == 1
            assert len(set(done)) == len(done)
        boxes = np.array([row[2:6] for row in table], float)
        assert ((boxes >= 0) & (boxes <= 1)).all()
        assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_each_key_frame_has_its_three_things(drawn: Path) -> None:
    for split in ("train", "val"):
        table = rows(drawn / "annotations" / f"{split}_objects.csv")
        assert len(table) == len(video_names(SMALL, split)) * 11 * 3
        for _, group in itertools.groupby(table, key=lambda row: row[:2]):
            assert sorted(row[6] for row in group) == ["phone", "picture", "tv"]


def test_excluded_seconds_are_the_dark_ones(drawn: Path) -> None:
    for split in ("train", "val"):
        table = rows(drawn / "annotations" / f"{split}_excluded.csv")
        assert table
        dark = {
            (video, f"{second:04d}")
            for video in video_names(SMALL, split)
            for second in range(1, 12)
            if decode(drawn / "films" / f"{video}.mp4")[second * 8].mean() < 60
        }
        assert {tuple(row) for row in table} == dark


def test_two_processes_draw_the_same_bytes_as_one(drawn: Path, tmp_path: Path) -> None:
    draw_playhouse(tmp_path, config=SMALL, processes=2)
    files = sorted(path.relative_to(drawn) for path in drawn.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for file in files:
        assert (drawn / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_a_film_does_not_depend_on_how_many_there_are(drawn: Path, tmp_path: Path) -> None:
    one = replace(SMALL, train_films=1, val_films=1)
    draw_playhouse(tmp_path, config=one, processes=1)
    for name in ("playhouse_train_000.mp4", "playhouse_val_000.mp4"):
        assert (tmp_path / "films" / name).read_bytes() == (drawn / "films" / name).read_bytes()


def test_other_seeds_other_splits_and_other_numbers_show_other_films(
    drawn: Path, tmp_path: Path
) -> None:
    other = replace(SMALL, seed=4, train_films=1, val_films=1)
    draw_playhouse(tmp_path, config=other, processes=1)
    films = [*(drawn / "films").iterdir(), *(tmp_path / "films").iterdir()]
    assert len({film.read_bytes() for film in films}) == 5 + 2


def test_an_interrupted_drawing_leaves_no_annotations(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_playhouse(tmp_path, config=SMALL, processes=1)
    draw_film = playhouse._draw_film

    def stop_at_the_second(folder: Path, config: PlayhouseConfig, film: tuple) -> object:
        if film[1] == 1:
            raise KeyboardInterrupt
        return draw_film(folder, config, film)

    monkeypatch.setattr(playhouse, "_draw_film", stop_at_the_second)
    with pytest.raises(KeyboardInterrupt):
        draw_playhouse(tmp_path, config=SMALL, processes=1)
    assert not list((tmp_path / "annotations").glob("*.csv"))


def test_compression_is_as_coarse_for_a_person_whatever_the_others_do(tmp_path: Path) -> None:
    actors = draw_cast(np.random.default_rng(2), persons=3, seconds=6)
    person = next(n for n, p in enumerate(actors.persons) if p.place == 0)
    errors = []
    for others in (State.IDLE, State.DANCE):
        states = np.full((3, 6), others)
        states[person] = State.IDLE
        lights = np.full(6, others == State.DANCE)
        play = Script(states, lights, lights, np.zeros(6, bool))
        path = tmp_path / f"{others.name}.mp4"
        drawn = list(frames(play, actors, rng=np.random.default_rng(0), fps=8, size_hw=(112, 160)))
        playhouse._encode(path, drawn, fps=8, size_hw=(112, 160))
        errors.append((decode(path).astype(int) - drawn)[:, 45:, :57])
    assert (errors[0] != errors[1]).any()  # the encoder does not choose alike ...
    assert abs(errors[0].mean() - errors[1].mean()) < 0.05  # ... but as well
    assert abs(errors[0].std() / errors[1].std() - 1) < 0.01
    assert errors[0].std() < 6


def test_nothing_goes_on_waiting_when_the_drawing_is_killed(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from aia.config import PlayhouseConfig\n"
        "from aia.datasets.playhouse import draw_playhouse\n"
        "if __name__ == '__main__':\n"
        f"    config = PlayhouseConfig(**{asdict(replace(SMALL, train_films=40, seconds=60))})\n"
        "    draw_playhouse(Path('drawn'), config=config, processes=2)\n"
    )
    (tmp_path / "draw.py").write_text(program)
    drawing = subprocess.Popen(
        [sys.executable, "draw.py"], cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("drawn/films/*")):
        assert drawing.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    workers = running_in(tmp_path)
    assert len(workers) > 2
    drawing.kill()
    drawing.wait()
    deadline = time.monotonic() + 10
    while running_in(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running_in(tmp_path)


def running_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # another user's, or it ended meanwhile
            if os.readlink(process / "cwd") == str(folder.resolve()):
                found.append(process.name)
    return found


@pytest.mark.parametrize("size_hw", [(111, 160), (112, 161), (16, 160)])
def test_a_size_that_h264_cannot_hold_is_an_error(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    config = replace(SMALL, train_films=1, val_films=1, seconds=4, fps=2, size_hw=size_hw)
    with pytest.raises(InputError, match="playhouse.size_hw"):
        draw_playhouse(tmp_path, config=config, processes=1)


@pytest.mark.parametrize(("seconds", "fps"), [(4, 2), (5, 25)])
def test_the_smallest_and_other_rates_work(tmp_path: Path, seconds: int, fps: int) -> None:
    config = replace(
        SMALL, seed=0, train_films=1, val_films=1, seconds=seconds, fps=fps, size_hw=(56, 80)
    )
    draw_playhouse(tmp_path, config=config, processes=1)
    assert len(decode(tmp_path / "films" / "playhouse_val_000.mp4")) == seconds * fps
    assert rows(tmp_path / "annotations" / "val.csv")
