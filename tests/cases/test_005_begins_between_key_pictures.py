"""Case 005, its neighbours: what comes before the first key picture is not taken for pictures."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from aia.video.decode import VideoFile
from aia.video.store import FrameStore, make_store
from tests.video.test_store import JPEG
from tests.video.videos import write_video

CUT = 3
"""Pictures that are cut off; the next key picture is number 12."""


def cut(
    tmp_path: Path, ending: str, codec: str, *, hide: bool = False, key_every: int = 12
) -> Path:
    """Copy a video of ten frames a second from picture 3 on, or hide what comes before."""
    whole, path = tmp_path / f"whole.{ending}", tmp_path / f"cut.{ending}"
    never = "0" if codec == "libx264" else "1000000000"  # no key picture because of a new scene
    options = {"g": str(key_every), "bf": "0", "sc_threshold": never, "b": "8M"}
    times, tick = [Fraction(k, 10) for k in range(40)], Fraction(1, 10)
    pictures = [np.full((48, 64, 3), 20 + 5 * k, np.uint8) for k in range(40)]
    write_video(
        whole, pictures, times_sec=times, rate=Fraction(10), clock=tick, codec=codec,
        codec_options=options,
    )  # fmt: skip
    with av.open(str(whole)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        packets = [packet for packet in source.demux(video=0) if packet.size]
        for packet in packets if hide else packets[CUT:]:
            shift = round(Fraction(CUT, 10) / packet.time_base)
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = stream
            target.mux(packet)
    return path


@pytest.mark.parametrize(
    ("ending", "codec"), [("mkv", "mpeg4"), ("avi", "mpeg4"), ("avi", "libx264")]
)
def test_case_005_broken_pictures_are_not_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str, codec: str
) -> None:
    path = cut(tmp_path, ending, codec)
    make_store(path, tmp_path / "cut.h5", config=JPEG)
    said = capsys.readouterr().err
    assert "begins 0.90 s after the file's start (the first 0.90 s of its video cannot be" in said
    assert "breaks off" not in said
    shown = FrameStore(tmp_path / "cut.h5").at([0.0, 0.5, 0.9, 2.0])
    levels = shown.mean((1, 2, 3))
    np.testing.assert_allclose(levels, 20 + 5 * np.array([12, 12, 12, 23]), atol=2.4)


def test_case_005_a_hidden_key_picture_costs_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cut(tmp_path, "mp4", "mpeg4", hide=True)
    make_store(path, tmp_path / "cut.h5", config=JPEG)
    assert "begins" not in capsys.readouterr().err
    levels = FrameStore(tmp_path / "cut.h5").at([0.0, 0.5, 2.0]).mean((1, 2, 3))
    np.testing.assert_allclose(levels, 20 + 5 * np.array([3, 8, 23]), atol=2.4)


@pytest.mark.parametrize(("ending", "codec"), [("mov", "mpeg4"), ("mkv", "mpeg4")])
def test_case_005_a_guess_without_any_key_picture_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str, codec: str
) -> None:
    path = cut(tmp_path, ending, codec, key_every=40)
    make_store(path, tmp_path / "cut.h5", config=JPEG)
    said = capsys.readouterr().err
    assert f"{path}: no key picture at its beginning, so it shows what a decoder guesses" in said
    make_store(tmp_path / f"whole.{ending}", tmp_path / "whole.h5", config=JPEG)
    assert "guesses" not in capsys.readouterr().err


def test_a_whole_video_has_nothing_that_is_lost(tmp_path: Path) -> None:
    cut(tmp_path, "avi", "mpeg4")
    video = VideoFile(tmp_path / "whole.avi")
    assert (video.late_sec, video.undecodable_sec) == (0, 0)


def test_one_frame_of_a_matroska_file_neither_breaks_off_nor_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "one.mkv"
    with av.open(str(path), "w") as out:
        picture = out.add_stream("mpeg2video", rate=24)
        picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sound = out.add_stream("aac", rate=48000, layout="mono")
        for block in range(70):
            silence = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            for plane in silence.planes:
                plane.update(bytes(plane.buffer_size))
            silence.sample_rate, silence.pts = 48000, 4000 * 48000 + block * 1024
            out.mux(sound.encode(silence))
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")
        frame.pts, frame.time_base = 4001 * 24, Fraction(1, 24)
        out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        out.mux(sound.encode(None))
    video = VideoFile(path)
    assert video.stated_sec < 2
    assert video.undecodable_sec == 0
