"""Cases 004 and 005: second t is the picture that a player shows then, or a line says why not."""

import random
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest

from aia.config import FramesConfig
from aia.video.decode import VideoFile
from aia.video.store import FrameStore, make_store
from tests.video.soak import Kind, check, cut, draw, number_of, write

SETTINGS = FramesConfig(
    film_start_sec=0.0, start_sec=0.0, end_sec=None, fps=10.0, numbered=False,
    short_side=96, codec="jpeg", quality=90,
)  # fmt: skip
VIDEO = Kind(
    ending="mp4", codec="libx264", rate=10, frames=100, size_hw=(96, 144), pix_fmt="yuv420p",
    options={"g": "50", "bf": "0", "sc_threshold": "0"}, sound_sec=2.0, start_sec=2.0,
    gaps=False, cut_sec=0.0,
)  # fmt: skip


def numbers(path: Path, config: FramesConfig = SETTINGS, *seconds: float) -> list[int]:
    store = path.with_suffix(".h5")
    make_store(path, store, config=config)
    with FrameStore(store) as frames:
        return [number_of(frames.read(np.array([frames.nearest(float(s))]))[0]) for s in seconds]


def test_case_004_sound_begins_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "late.mp4"
    write(VIDEO, path)
    assert numbers(path, SETTINGS, 0, 1.9, 2, 5, 8) == [0, 0, 0, 30, 60]
    said = capsys.readouterr().err
    assert "its picture begins 2.00 s after the file's start; seconds count" in said
    assert "breaks off" not in said


def test_case_004_a_part_of_it_is_found_by_seeking_too(tmp_path: Path) -> None:
    path = tmp_path / "late.mp4"
    write(VIDEO._replace(frames=500), path)
    part = replace(SETTINGS, start_sec=40.0, end_sec=45.0)
    assert numbers(path, part, 40, 44) == [380, 420]


def test_case_004_numbered_frames_count_from_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "late.mp4"
    write(VIDEO, path)
    numbered = replace(SETTINGS, numbered=True)
    assert numbers(path, numbered, 0, 5) == [0, 50]
    assert "after the file's start" not in capsys.readouterr().err


def test_case_005_begins_between_key_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, path = tmp_path / "whole.ts", tmp_path / "broadcast.ts"
    write(VIDEO._replace(ending="ts", sound_sec=0.6), whole)  # key pictures at 0 and 5 s
    with av.open(str(whole)) as film:
        at = film.streams.video[0]
        first_sec = float(at.start_time * at.time_base)
    cut(whole, path, 0.6 + 2.0)
    with av.open(str(path)) as film:
        begins_sec = min(float(s.start_time * s.time_base) for s in film.streams)
        picture = next(film.decode(video=0))
    late_sec = picture.time - begins_sec
    assert 2.5 < late_sec < 3.5, "the next key picture"
    found = numbers(path, SETTINGS, 0, late_sec + 0.01, late_sec + 2.01)
    assert found == [50, 50, 70]
    said = capsys.readouterr().err
    assert f"its picture begins {late_sec:.2f} s after the file's start (the first" in said
    assert "of its video cannot be decoded" in said
    assert "breaks off" not in said
    assert first_sec < picture.time


def test_sound_of_a_decoders_run_up_moves_nothing(tmp_path: Path) -> None:
    for ending in ("mp4", "mkv", "webm"):
        codec = "libvpx" if ending == "webm" else "libx264"
        path = tmp_path / f"video.{ending}"
        write(VIDEO._replace(ending=ending, codec=codec, sound_sec=0.0, start_sec=0.0,
                             options={}), path)  # fmt: skip
        film = VideoFile(path)
        assert film.late_sec == pytest.approx(0, abs=1e-3), ending


def test_times_that_go_back_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program stream states the time of some frames only; FFmpeg guesses the others."""
    path = tmp_path / "video.mpg"
    write(VIDEO._replace(ending="mpg", codec="mpeg2video", rate=24, frames=101, start_sec=1.338,
                         sound_sec=1.338, options={"g": "5", "bf": "2"}), path)  # fmt: skip
    back = VideoFile(path)
    back.count_frames()
    config = replace(SETTINGS, fps=24.0)
    numbers(path, config, 0)
    said = capsys.readouterr().err
    assert (back.unordered > 0) == ("may be off by a few frames" in said)
    assert f"{back.unordered} of its frames are not later than the frame before" in said
    numbers(path, replace(config, numbered=True), 0)
    assert "off by a few frames" not in capsys.readouterr().err


@pytest.mark.parametrize("seed", range(8))
def test_pictures_of_random_videos_are_those_that_players_show(seed: int, tmp_path: Path) -> None:
    """The soak (tests/video/soak.py) in small."""
    kind = draw(random.Random(seed))._replace(rate=25)
    assert check(kind._replace(frames=min(kind.frames, 60)), tmp_path) == "", kind
