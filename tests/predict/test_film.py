"""The annotated video: where and when boxes are drawn, and what becomes of sound."""

import contextlib
import resource
import signal
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from aia.cli import main
from aia.errors import InputError
from aia.labels import ClassList
from aia.predict import film
from aia.predict.film import Persons, draw_film, film_rate, moving_picture
from aia.tables.scores import ScoreTable
from aia.video.decode import VideoFile
from tests.video.videos import grey, number_of, write_video

CLASSES = ClassList((4, 9), ("Größe prüfen", "sit"), ("MOVE", "HOLD"))
SIZE_HW = (202, 302)


def table(*rows: tuple, scores=None) -> ScoreTable:
    """Boxes (time_sec, track, x1, y1, x2, y2); without scores, no action reaches 0.5."""
    columns = ["time_sec", "track", "x1", "y1", "x2", "y2"]
    boxes = pd.DataFrame(list(rows), columns=columns).assign(video="v", score=0.9)
    boxes = boxes.astype({"track": "Int32", **dict.fromkeys(columns[2:], "float32")})
    boxes["time_sec"] = boxes["time_sec"].astype(float)
    values = np.zeros((len(rows), 2)) if scores is None else np.array(scores)
    return ScoreTable(boxes, values.astype(np.float32).reshape(-1, 2), CLASSES.ids, {})


NOBODY = table()
MOVING = table((0, None, 0.1, 0.2, 0.2, 0.6), (1, None, 0.7, 0.2, 0.8, 0.6))
MOVING.boxes["track"] = pd.array([3, 3], dtype="Int32")


def plain(path: Path, frames: int = 30, *, size_hw=SIZE_HW, fps: float = 10, **more) -> Path:
    """Write a video in which frame k is grey of level 30 + 3 k."""
    return write_video(
        path,
        [grey(k, size_hw) for k in range(frames)],
        times_sec=more.pop("times_sec", [k / fps for k in range(frames)]),
        rate=Fraction(fps).limit_denominator(1001),
        **more,
    )


def add_sound(
    path: Path,
    codec: str,
    *,
    rate: int = 48000,
    begins_sec: float = 0,
    picture_sec: float = 0,
    gap_sec: tuple[float, float] = (0, 0),
) -> Path:
    """Write 3 s of picture beside 3 s of noise, with a gap where nothing is stored."""
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 3 * rate)).astype(np.float32)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.height, stream.width, stream.pix_fmt = *SIZE_HW, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        sound = container.add_stream(codec, rate=rate, layout="stereo")
        for k in range(30):
            frame = av.VideoFrame.from_ndarray(grey(k, SIZE_HW), format="rgb24")
            frame.pts, frame.time_base = round(1000 * (picture_sec + k / 10)), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        resampler = av.AudioResampler(sound.format, "stereo", rate)
        for first in range(0, noise.shape[1], 960):
            if gap_sec[0] <= first / rate < gap_sec[1]:
                continue
            part = np.ascontiguousarray(noise[:, first : first + 960])
            frame = av.AudioFrame.from_ndarray(part, "fltp", "stereo")
            frame.rate, frame.pts = rate, round(begins_sec * rate) + first
            frame.time_base = Fraction(1, rate)
            for ready in resampler.resample(frame):
                container.mux(sound.encode(ready))
        container.mux(sound.encode(None))
    return path


def packets(path: Path) -> list[tuple[float, bytes]]:
    """Time and content of each packet of sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [
            (float(packet.pts * stream.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.size
        ]


def waveform(path: Path) -> tuple[float, np.ndarray]:
    """Start in seconds of the sound, and its first channel at 48 kHz."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("fltp", "stereo", 48000)
        parts, begins = [], None
        for frame in container.decode(audio=0):
            begins = frame.time if begins is None else begins
            parts += [ready.to_ndarray()[0] for ready in resampler.resample(frame)]
    assert begins is not None
    return begins, np.concatenate(parts)


def loud_sec(path: Path) -> np.ndarray:
    """Times at which there is noise."""
    begins_sec, samples = waveform(path)
    return begins_sec + np.nonzero(np.abs(samples) > 0.05)[0] / 48000


def decoded(path: Path) -> list[np.ndarray]:
    """Frames at the video's own rate."""
    video = VideoFile(path)
    return [rgb for _, rgb in video.frames(fps=video.stated_fps, short_side=min(video.size_hw))]


def columns_drawn(rgb: np.ndarray, number: int, row: float = 0.4) -> list[int]:
    """Columns in which a row differs from the plain frame `number`, first and last."""
    line = rgb[round(row * rgb.shape[0])].astype(int)
    found = np.nonzero(np.abs(line - (30 + 3 * number)).max(axis=1) > 25)[0]
    return [int(found.min()), int(found.max())] if len(found) else []


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return plain(tmp_path / "source.mp4")


def test_a_video_without_persons_shows_the_same_pictures(source: Path, tmp_path: Path) -> None:
    done_sec: list[float] = []
    draw_film(source, NOBODY, CLASSES, tmp_path / "film.mp4", progress=done_sec.append)
    assert done_sec == pytest.approx([k / 10 for k in range(30)])
    frames = decoded(tmp_path / "film.mp4")
    assert [number_of(rgb) for rgb in frames] == list(range(30))
    assert {rgb.shape for rgb in frames} == {(*SIZE_HW, 3)}


def test_a_box_moves_in_a_straight_line_between_key_frames(source: Path, tmp_path: Path) -> None:
    draw_film(source, MOVING, CLASSES, tmp_path / "film.mp4")
    frames = decoded(tmp_path / "film.mp4")
    for number, left in ((0, 0.1), (3, 0.28), (5, 0.4), (9, 0.64), (12, 0.7), (14, 0.7)):
        drawn = columns_drawn(frames[number], number)
        expected = [left * SIZE_HW[1], (left + 0.1) * SIZE_HW[1]]
        assert drawn == pytest.approx(expected, abs=4), f"frame {number}"
    assert columns_drawn(frames[16], 16) == []


def test_a_box_shows_half_a_key_interval_where_its_track_pauses(
    source: Path, tmp_path: Path
) -> None:
    rows = [(0, 3, 0.1, 0.2, 0.2, 0.6), (2, 3, 0.7, 0.2, 0.8, 0.6)]
    draw_film(source, table(*rows), CLASSES, tmp_path / "film.mp4", per_sec=1.0)
    seen = [bool(columns_drawn(rgb, k)) for k, rgb in enumerate(decoded(tmp_path / "film.mp4"))]
    assert seen == [k <= 4 or 15 <= k <= 24 for k in range(30)]


def test_actions_are_those_of_the_nearest_key_frame() -> None:
    persons = Persons(table(*_two_rows(7), scores=[[0.6, 0.9], [0.8, 0.2]]), CLASSES)

    def names(time_sec: float) -> list[list[str]]:
        return [[action.name for action in person.actions] for person in persons.at(time_sec)]

    assert names(0.0) == names(0.49) == [["sit", "Größe prüfen"]]
    assert names(0.51) == names(1.49) == [["Größe prüfen"]]
    assert names(1.5) == []


def _two_rows(track: int | None) -> list[tuple]:
    return [(0, track, 0.1, 0.2, 0.2, 0.6), (1, track, 0.3, 0.2, 0.4, 0.6)]


def test_only_so_many_actions_from_a_score_on_are_shown() -> None:
    scored = table(*_two_rows(7), scores=[[0.6, 0.9], [0.8, 0.2]])
    (one,) = Persons(scored, CLASSES, most=1).at(0.0)
    assert [action.name for action in one.actions] == ["sit"]
    (one,) = Persons(scored, CLASSES, least=0.95).at(0.0)
    assert one.actions == ()


def test_persons_without_track_rest_around_their_key_frame() -> None:
    persons = Persons(table(*_two_rows(None)), CLASSES)
    assert persons.at(0.49)[0].xyxy[0] == pytest.approx(0.1)
    assert persons.at(0.5)[0].xyxy[0] == pytest.approx(0.3)
    assert persons.at(0.5)[0].track is None


def test_key_frames_one_and_a_half_intervals_apart_are_joined() -> None:
    rows = [(0, 3, 0.1, 0.2, 0.2, 0.6), (1.5, 3, 0.4, 0.2, 0.5, 0.6), (3.1, 3, 0.1, 0.2, 0.2, 0.6)]
    persons = Persons(table(*rows), CLASSES, per_sec=1.0)
    assert persons.at(1.0)[0].xyxy[0] == pytest.approx(0.3)
    assert persons.at(2.3) == []


def test_scores_of_two_videos_are_refused(tmp_path: Path) -> None:
    both = table(*_two_rows(7))
    both.boxes["video"] = ["a", "b"]
    with pytest.raises(ValueError, match="several videos"):
        Persons(both, CLASSES)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "aac"), ("b.mkv", "libopus"), ("c.mkv", "ac3"), ("d.ts", "aac")]
)
def test_sound_that_an_mp4_can_hold_is_copied(tmp_path: Path, name: str, codec: str) -> None:
    given = add_sound(tmp_path / name, codec)
    draw_film(given, MOVING, CLASSES, tmp_path / "film.mp4")
    (before, kept), (after, ours) = (
        zip(*packets(path), strict=True) for path in (given, tmp_path / "film.mp4")
    )
    if name.endswith(".ts"):  # whose packets have a header that an mp4 states once
        assert all(
            long.endswith(short) and len(long) <= len(short) + 9
            for long, short in zip(kept, ours, strict=True)
        )
    else:
        assert ours == kept
    zero_sec = VideoFile(given).zero_sec
    assert zero_sec is not None
    assert np.allclose(np.array(before) - zero_sec, after, atol=0.0075)  # pre-skip of Opus


@pytest.mark.parametrize(("codec", "rate"), [("flac", 48000), ("pcm_s16le", 44100)])
def test_other_sound_is_encoded_and_stays_in_time(tmp_path: Path, codec: str, rate: int) -> None:
    given = add_sound(tmp_path / "given.mkv", codec, rate=rate)
    draw_film(given, MOVING, CLASSES, tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert container.streams.audio[0].codec_context.name == "aac"
    _, before = waveform(given)
    begins_sec, after = waveform(tmp_path / "film.mp4")
    assert begins_sec == pytest.approx(0, abs=0.002)
    length = min(len(before), len(after))
    assert length > 2.9 * 48000
    assert _lag(before[:length], after[:length]) == pytest.approx(0, abs=48)  # a thousandth


def _lag(before: np.ndarray, after: np.ndarray) -> int:
    """Samples by which `after` lags behind."""
    size = 2 * len(before)
    spectrum = np.fft.rfft(before, size).conj() * np.fft.rfft(after, size)
    found = int(np.fft.irfft(spectrum, size).argmax())
    return found if found < len(before) else found - size


@pytest.mark.parametrize("codec", ["aac", "flac"])
def test_a_picture_that_begins_after_the_sound_stays_in_time(tmp_path: Path, codec: str) -> None:
    given = add_sound(tmp_path / "given.mkv", codec, begins_sec=5, picture_sec=5.7)
    draw_film(given, NOBODY, CLASSES, tmp_path / "film.mp4")
    numbers = [number_of(rgb) for rgb in decoded(tmp_path / "film.mp4")]
    assert numbers[:12] == [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]
    assert loud_sec(tmp_path / "film.mp4")[0] == pytest.approx(0, abs=0.025)


@pytest.mark.parametrize("codec", ["aac", "flac"])
def test_sound_that_begins_after_the_picture_stays_in_time(tmp_path: Path, codec: str) -> None:
    given = add_sound(tmp_path / "given.mkv", codec, begins_sec=0.75)
    draw_film(given, NOBODY, CLASSES, tmp_path / "film.mp4")
    assert [number_of(rgb) for rgb in decoded(tmp_path / "film.mp4")][:3] == [0, 1, 2]
    assert loud_sec(tmp_path / "film.mp4")[0] == pytest.approx(0.75, abs=0.03)


def test_a_gap_in_the_sound_stays_in_time(tmp_path: Path) -> None:
    given = add_sound(tmp_path / "given.mkv", "pcm_s16le", gap_sec=(1, 2))
    draw_film(given, NOBODY, CLASSES, tmp_path / "film.mp4")
    loud = loud_sec(tmp_path / "film.mp4")
    gap = int(np.diff(loud).argmax())
    assert loud[gap : gap + 2] == pytest.approx([1, 2], abs=0.05)


def test_odd_sides_become_even(tmp_path: Path) -> None:
    given = plain(tmp_path / "odd.mkv", 5, size_hw=(47, 61), pix_fmt="yuv444p")
    draw_film(given, MOVING, CLASSES, tmp_path / "film.mp4")
    assert VideoFile(tmp_path / "film.mp4").size_hw == (48, 62)


def test_a_video_of_a_phone_is_upright(tmp_path: Path) -> None:
    given = plain(tmp_path / "phone.mp4", 5, turn=(90, False, False))
    draw_film(given, MOVING, CLASSES, tmp_path / "film.mp4")
    frames = decoded(tmp_path / "film.mp4")
    assert frames[0].shape == (302, 202, 3)
    assert columns_drawn(frames[0], 0) == pytest.approx([0.1 * 202, 0.2 * 202], abs=4)


def test_variable_rate_shows_each_picture_at_its_time(tmp_path: Path) -> None:
    times_sec = [0, 0.1, 0.2, 0.7, 0.8, 1.3, 1.4, 1.5, 1.6, 1.9]
    given = plain(tmp_path / "given.mkv", 10, times_sec=times_sec, fps=10)
    draw_film(given, NOBODY, CLASSES, tmp_path / "film.mp4")
    film_at, given_at = (
        [number_of(rgb) for _, rgb in VideoFile(path).frames(fps=10.0, short_side=50)]
        for path in (tmp_path / "film.mp4", given)
    )
    assert film_at == given_at


@pytest.mark.parametrize(
    ("stated_fps", "average", "expected"),
    [
        (30000 / 1001, 29.6, Fraction(30000, 1001)),
        (120.0, 120.0, Fraction(120)),
        (1000.0, 47.0, Fraction(47)),
        (1000.0, 0.0, Fraction(30)),
        (0.0, 0.0, Fraction(25)),
        (0.0, 12.5, Fraction(25, 2)),
        (0.5, 0.5, Fraction(5)),
    ],
)
def test_rate(stated_fps: float, average: float, expected: Fraction) -> None:
    assert film_rate(stated_fps, average) == expected


def test_names_of_any_letters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = plain(tmp_path / "a:b [1] Größe 跑.mp4", 5)
    output = tmp_path / "film: Größe 跑 %03d.mp4"
    classes = ClassList((4, 9), ("跑", ""), ("", ""))
    draw_film(given, table(*_two_rows(7), scores=[[0.6, 0.9]] * 2), classes, output)
    assert VideoFile(output).size_hw == SIZE_HW
    assert "font lacks 跑" in capsys.readouterr().err


def test_a_failure_leaves_nothing_behind(source: Path, tmp_path: Path, monkeypatch) -> None:
    calls = iter(range(100))

    def fail(rgb, persons, **_):
        if next(calls) == 11:
            raise OSError(28, "No space left on device")
        return rgb

    monkeypatch.setattr(film, "annotate", fail)
    (tmp_path / "out").mkdir()
    with pytest.raises(OSError, match="No space left"):
        draw_film(source, MOVING, CLASSES, tmp_path / "out" / "film.mp4")
    assert list((tmp_path / "out").iterdir()) == []


@contextlib.contextmanager
def files_up_to(most_bytes: int) -> Iterator[None]:
    """Let files grow no further, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def test_a_full_disk_leaves_the_file_of_before(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "film.mp4"
    draw_film(source, MOVING, CLASSES, output)
    before = output.read_bytes()
    with files_up_to(1000), pytest.raises(OSError, match="film.mp4") as caught:
        draw_film(source, MOVING, CLASSES, output)
    assert caught.value.filename == str(output)
    assert list(output.parent.iterdir()) == [output]
    assert output.read_bytes() == before


def test_without_h264_the_film_is_mpeg4(
    source: Path, tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(av, "codecs_available", {"mpeg4", "aac"})
    draw_film(source, MOVING, CLASSES, tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    assert "no libx264" in capsys.readouterr().err


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(InputError, match="text.mp4"):
        draw_film(tmp_path / "text.mp4", NOBODY, CLASSES, tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_a_moving_picture_shows_the_part(tmp_path: Path, ending: str) -> None:
    times_sec = [k / 10 for k in range(30)]
    frames = [grey(2 * k, SIZE_HW) for k in range(30)]  # WebP merges those that look alike
    source = write_video(tmp_path / "a.mp4", frames, times_sec=times_sec, rate=Fraction(10))
    output = tmp_path / f"part.{ending}"
    moving_picture(source, output, start_sec=0.5, stop_sec=2.5, width=151, fps=5.0)
    with Image.open(output) as picture:
        assert picture.size == (151, 101)
        assert picture.n_frames == 10
        total_ms, numbers = 0, []
        for number in range(10):
            picture.seek(number)
            numbers.append(number_of(np.asarray(picture.convert("RGB"))))
            total_ms += picture.info["duration"]
    assert total_ms == 2000
    assert numbers == pytest.approx(range(10, 50, 4), abs=1)


def test_a_moving_picture_of_another_kind_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="gif or .webp"):
        moving_picture(source, tmp_path / "a.png", start_sec=0.0, stop_sec=1.0, width=50, fps=5.0)


def test_a_moving_picture_of_no_part_is_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing in it between 7 and 8 s; it ends at 3.0 s"):
        moving_picture(source, tmp_path / "a.gif", start_sec=7.0, stop_sec=8.0, width=50, fps=5.0)


def test_the_command_makes_a_moving_picture(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "part.webp"
    part = ["--start", "1", "--stop", "2", "--width", "64", "--fps", "5"]
    assert main(["figure", "film", str(source), *part, "--output", str(output)]) == 0
    with Image.open(output) as picture:
        assert picture.size[0] == 64
    assert main(["figure", "film", str(source), *part, "--fps", "0", "--output", str(output)]) == 2
    assert "--fps 0" in capsys.readouterr().err
