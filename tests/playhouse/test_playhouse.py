"""The files: real videos and annotations in each form, the same each time."""

import contextlib
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import av
import numpy as np
import pytest

from aia import playhouse
from aia.config import PlayhouseConfig
from aia.errors import InputError
from aia.playhouse import draw_playhouse, video_names
from aia.playhouse.pixels import filmed, write_video
from aia.playhouse.stage import draw_cast, pictures
from aia.playhouse.world import Script, State
from tests.playhouse.conftest import FORMS, FPS, SECONDS, decode, small

FILES = {
    "ava": "actions.pbtxt train.csv train_objects.csv train_excluded.csv val.csv val_objects.csv "
    "val_excluded.csv",
    "ucf101_24": "actions.pbtxt pyannot.pkl testlist01.txt train_objects.csv val_objects.csv",
    "epic_kitchens": "EPIC_train_action_labels.csv EPIC_verb_classes.csv EPIC_noun_classes.csv "
    "EPIC_video_info.csv train_boxes.csv val_boxes.csv",
}


def files(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_names_are_known_without_drawing_anything() -> None:
    assert video_names(small("ava"), "val") == ["playhouse_val_000", "playhouse_val_001"]
    assert video_names(small("ucf101_24"), "train")[4] == "v_playhouse_train_004"
    with pytest.raises(InputError, match="train and val"):
        video_names(small("ava"), "test")


def test_kitchens_are_named_by_participants_that_the_published_split_parts() -> None:
    many = replace(small("epic_kitchens"), train_films=96, val_films=24)
    train, val = (video_names(many, split) for split in ("train", "val"))
    assert train[:2] == ["P01_01", "P02_01"]
    assert train[25] == "P01_02"
    assert {name[:3] for name in train} == {f"P{number:02d}" for number in range(1, 26)}
    assert {name[:3] for name in val} == {f"P{number:02d}" for number in range(26, 32)}
    assert len({*train, *val}) == 96 + 24


@pytest.mark.parametrize("form", FORMS)
def test_there_are_annotations_and_h264_of_the_size_rate_and_length_asked_for(
    form: str, drawn: dict[str, Path]
) -> None:
    videos = [v for split in ("train", "val") for v in video_names(small(form), split)]
    wanted = {f"annotations/{name}" for name in FILES[form].split()}
    assert set(files(drawn[form])) == wanted | {f"films/{video}.mp4" for video in videos}
    for video in videos:
        with av.open(str(drawn[form] / "films" / f"{video}.mp4")) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
            assert (stream.height, stream.width, stream.average_rate) == (112, 160, FPS)
            times = [frame.time for frame in container.decode(video=0)]
        np.testing.assert_allclose(times, np.arange(SECONDS * FPS) / FPS)


@pytest.mark.parametrize("form", FORMS)
def test_two_processes_draw_the_same_bytes_as_one(
    form: str, drawn: dict[str, Path], tmp_path: Path
) -> None:
    draw_playhouse(tmp_path, config=small(form), processes=2)
    ours, theirs = files(tmp_path), files(drawn[form])
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


@pytest.mark.parametrize("form", FORMS)
def test_a_video_depends_on_seed_split_and_number_and_not_on_how_many_there_are(
    form: str, drawn: dict[str, Path], tmp_path: Path
) -> None:
    one = replace(small(form), train_films=1, val_films=1)
    videos = [path.read_bytes() for path in sorted((drawn[form] / "films").iterdir())]
    for folder, config in (("same", one), ("other", replace(one, seed=4))):
        draw_playhouse(tmp_path / folder, config=config, processes=1)
    for path in (tmp_path / "same" / "films").iterdir():
        assert path.read_bytes() == (drawn[form] / "films" / path.name).read_bytes()
    videos += [path.read_bytes() for path in (tmp_path / "other" / "films").iterdir()]
    assert len(set(videos)) == 7 + 2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("seconds", "fps", "size_hw"), [(4, 2, (56, 80)), (5, 25, (112, 162)), (4, 2, (224, 320))]
)
def test_the_shortest_videos_and_other_rates_and_sizes_work(
    form: str, seconds: int, fps: int, size_hw: tuple[int, int], tmp_path: Path
) -> None:
    config = replace(
        small(form), train_films=1, val_films=1, seconds=seconds, fps=fps, size_hw=size_hw
    )
    draw_playhouse(tmp_path, config=config, processes=1)
    for path in (tmp_path / "films").iterdir():
        assert decode(path).shape == (seconds * fps, *size_hw, 3)
    assert all(content for name, content in files(tmp_path).items() if "excluded" not in name)


@pytest.mark.parametrize("form", FORMS)
def test_an_interrupted_drawing_leaves_no_annotations(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(small(form), train_films=1, val_films=1, seconds=4)
    draw_playhouse(tmp_path, config=config, processes=1)
    draw = playhouse._draw_video

    def stop_at_val(folder: Path, config: PlayhouseConfig, video: tuple) -> object:
        if video[0] == "val":
            raise KeyboardInterrupt
        return draw(folder, config, video)

    monkeypatch.setattr(playhouse, "_draw_video", stop_at_val)
    with pytest.raises(KeyboardInterrupt):
        draw_playhouse(tmp_path, config=config, processes=1)
    left = {Path(name).suffix for name in files(tmp_path)}
    assert not left & {".csv", ".pkl"}


@pytest.mark.parametrize("size_hw", [(111, 160), (112, 161), (16, 160)])
def test_a_size_that_h264_cannot_hold_is_an_error(tmp_path: Path, size_hw: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="playhouse.size_hw"):
        draw_playhouse(tmp_path, config=replace(small("ava"), size_hw=size_hw), processes=1)


def test_compression_is_as_coarse_for_a_person_whatever_the_others_do(tmp_path: Path) -> None:
    actors = draw_cast(np.random.default_rng(2), persons=3, seconds=6)
    person = next(n for n, p in enumerate(actors.persons) if p.place == 0)
    errors = []
    for others in (State.IDLE, State.DANCE):
        states = np.full((3, 6), others)
        states[person] = State.IDLE
        lights = np.full(6, others == State.DANCE)
        script = Script(states, lights, lights, np.zeros(6, bool))
        path = tmp_path / f"{others.name}.mp4"
        rng = np.random.default_rng(0)
        frames = list(filmed(pictures(script, actors, fps=8), rng=rng, size_hw=(112, 160)))
        write_video(path, frames, fps=8, size_hw=(112, 160))
        errors.append((decode(path).astype(int) - frames)[:, 45:, :57])
    assert (errors[0] != errors[1]).any()  # the encoder does not choose alike ...
    assert abs(errors[0].mean() - errors[1].mean()) < 0.05  # ... but as well
    assert abs(errors[0].std() / errors[1].std() - 1) < 0.01
    assert errors[0].std() < 6


def test_no_worker_survives_when_the_drawing_is_killed(tmp_path: Path) -> None:
    config = asdict(replace(small("ava"), train_films=40, seconds=60))
    program = (
        "from pathlib import Path; from aia.config import PlayhouseConfig\n"
        "from aia.playhouse import draw_playhouse\n"
        "if __name__ == '__main__':\n"
        f"    config = PlayhouseConfig(**{config})\n"
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
    assert len(running_in(tmp_path)) > 2
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
