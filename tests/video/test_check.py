"""Wrong cuts: each is caught when the video is decoded and again before training, by its name.

The part that is kept is 5 s to 17 s, at 30 frames a second: 360 frames.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aia.config import CheckConfig, FramesConfig
from aia.datasets.videos import check_videos
from aia.errors import InputError
from aia.video.check import source_facts
from aia.video.store import FrameStore, make_store

from .films import moving, write_film

WHOLE = FramesConfig(
    film_start_sec=0.0, start_sec=5.0, end_sec=17.0,
    fps=30.0, numbered=False, short_side=48, codec="jpeg", quality=80,
)  # fmt: skip
CUT = replace(WHOLE, film_start_sec=5.0)
RIGHT = CheckConfig(
    wrong_films="stop", frames=360, source_fps=None, missing_frames=0, clock_start_sec=0.1,
    as_annotated=False,
)  # fmt: skip
ANY = replace(RIGHT, frames=None, missing_frames=None, clock_start_sec=None)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes frames `numbers` at `fps`, or at `times_sec`."""

    def make(
        numbers: Sequence[int],
        *,
        fps: float = 30,
        times_sec: Sequence[float] | None = None,
        name: str = "film.mkv",
        **options: object,
    ) -> Path:
        times = [k / fps for k in range(len(numbers))] if times_sec is None else times_sec
        rate = Fraction(fps).limit_denominator(1001)
        return write_film(tmp_path / name, moving(numbers), times_sec=times, rate=rate, **options)

    return make


def stored(
    film: Path, config: FramesConfig = CUT, check: CheckConfig | None = None, name: str = "film"
) -> Path:
    output = film.parent / "frames" / f"{name}.h5"
    make_store(film, output, config=config, check=check)
    return output


def refused(film: Path, *, config: FramesConfig = CUT, check: CheckConfig = RIGHT) -> str:
    """What is said when a film is decoded, which must be what is said before training."""
    with pytest.raises(InputError) as decoding:
        stored(film, config, check)
    assert not list(film.parent.glob("frames/*"))
    output = stored(film, config)
    with pytest.raises(InputError) as training:
        listed(output, config=config, check=check)
    assert str(training.value) == str(decoding.value)
    assert "film: " in str(decoding.value)
    return str(decoding.value)


def listed(*stores: Path, config: FramesConfig = CUT, check: CheckConfig = RIGHT) -> Path:
    output = stores[0].parent.parent / "list.csv"
    check_videos(stores=stores, annotations=[], frames=config, check=check, output=output)
    return output


def nearest(rgb: np.ndarray, frames: Sequence[np.ndarray]) -> int:
    """Which of the frames a picture is."""
    return int(np.abs(rgb.astype(int) - np.stack(frames)).mean(axis=(1, 2, 3)).argmin())


# The part that is kept


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.webm", "film.avi"])
@pytest.mark.parametrize("seconds_before", [5, 47])
def test_a_part_of_a_film_is_what_a_cut_of_it_is(
    write: Write, name: str, seconds_before: int
) -> None:
    before = seconds_before * 30
    clock = {"avi": Fraction(1, 30), "mp4": Fraction(1, 90000)}.get(name[-3:], Fraction(1, 1000))
    codec = "libvpx" if name.endswith("webm") else "libx264"
    quick = {"deadline": "realtime", "cpu-used": "8"} if codec == "libvpx" else {}
    film = write(range(before + 420), name=name, clock=clock, codec=codec, codec_options=quick)
    config = replace(
        WHOLE, start_sec=float(seconds_before), end_sec=seconds_before + 12.0, codec="jpeg"
    )
    store = FrameStore(stored(film, config, RIGHT))
    expected = moving(range(before, before + 360))
    assert np.abs(store.times_sec - (seconds_before + np.arange(360) / 30)).max() < 1e-9
    for k in (0, 1, 46, 47, 200, 359):
        assert nearest(store.read([k])[0], expected) == k
    assert store.fingerprint["frames"] == 360
    assert store.fingerprint["duration_sec"] == pytest.approx(12, abs=0.002)


def test_films_that_were_cut_before_have_the_annotations_seconds(write: Write) -> None:
    store = FrameStore(stored(write(range(360)), CUT, RIGHT))
    assert (store.times_sec[0], len(store)) == (5.0, 360)
    assert store.nearest(7.0) == 60


def test_what_lies_behind_the_end_is_not_kept(write: Write) -> None:
    store = FrameStore(stored(write(range(700)), CUT, RIGHT))
    assert len(store) == 360


NUMBERED = replace(WHOLE, start_sec=0.0, end_sec=None, fps=25.0, numbered=True)


@pytest.mark.parametrize("fps", [30000 / 1001, 25, 12])
def test_frames_that_are_numbered_come_once_each_whatever_the_films_rate(
    write: Write, fps: float, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FrameStore(stored(write(range(37), fps=fps), NUMBERED, replace(ANY, as_annotated=True)))
    assert np.abs(store.times_sec - np.arange(37) / 25).max() < 1e-9
    assert [nearest(rgb, moving(range(37))) for rgb in store.read(range(37))] == list(range(37))
    said = "frames a second; they are counted as 25" in capsys.readouterr().err
    assert said == (fps != 25)


def test_a_part_of_numbered_frames_begins_at_its_number(write: Write) -> None:
    config = replace(NUMBERED, start_sec=11 / 25, end_sec=31 / 25)
    store = FrameStore(stored(write(range(37), fps=12), config, ANY))
    found = [nearest(rgb, moving(range(37))) for rgb in store.read(range(len(store)))]
    assert found == list(range(11, 31))


@pytest.mark.parametrize(("annotated", "right"), [(37, True), (36, False), (38, False)])
def test_a_film_has_as_many_frames_as_are_annotated(
    write: Write, tmp_path: Path, annotated: int, right: bool
) -> None:
    store = stored(write(range(37), fps=30), NUMBERED)
    lines = [f"film,{frame / 25:g}\n" for frame in range(annotated)]
    (tmp_path / "key.csv").write_text("".join(lines))
    given = {
        "stores": [store],
        "annotations": [tmp_path / "key.csv"],
        "frames": NUMBERED,
        "check": replace(ANY, as_annotated=True),
        "output": tmp_path / "list.csv",
    }
    if right:
        check_videos(**given)
        return
    with pytest.raises(InputError, match=f"film: has 37 frames, but {annotated} are annotated"):
        check_videos(**given)


def test_other_rates_are_resampled_by_time(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FrameStore(stored(write(range(300), fps=25), CUT, RIGHT))
    assert len(store) == 360
    assert "film: it has 25 frames a second; the 30 that are kept are chosen" in (
        capsys.readouterr().err
    )
    expected = moving(range(300))
    for k in (3, 100, 359):
        assert nearest(store.read([k])[0], expected) == int(k / 30 * 25 + 1e-6)


@pytest.mark.parametrize(("fps", "frames"), [(24000 / 1001, 288), (24, 288), (50, 600), (60, 720)])
def test_no_rate_that_films_have_is_a_fault(write: Write, fps: float, frames: int) -> None:
    listed(stored(write(range(frames), fps=fps), CUT, RIGHT))


def test_a_varying_rate_is_said_but_no_fault(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    times = np.cumsum(np.tile([1 / 30, 1 / 20, 1 / 15], 84))
    stored(write(range(252), times_sec=(times - times[0]).tolist()), CUT, RIGHT)
    assert "film: its rate varies" in capsys.readouterr().err


# Wrong cuts


def test_a_missing_frame_is_counted(write: Write) -> None:
    said = refused(write([k for k in range(360) if k != 100]))
    assert "has 359 frames, 360 are expected: one frame is missing." in said


def test_a_gap_in_the_films_clock_is_found(write: Write) -> None:
    numbers = [k for k in range(360) if k != 100]
    said = refused(write(numbers, times_sec=[k / 30 for k in numbers]))
    assert "one frame is missing: its clock jumps after 8.30 s, where a frame lasts 0.033 s" in said


def test_a_film_that_is_too_short_is_counted(write: Write) -> None:
    assert "has 330 frames, 360 are expected: 30 frames are missing" in refused(write(range(330)))


def test_25_frames_a_second_played_as_30_are_too_few(write: Write) -> None:
    said = refused(write(range(300), fps=30))  # the 12 s, counted
    assert (
        "has 300 frames, 360 are expected: as if 25 frames a second had been taken for 30" in said
    )


def test_30_frames_a_second_played_as_25_last_too_long(write: Write) -> None:
    said = refused(write(range(360), fps=25))
    assert "lasts 14.4 s instead of 12 s: as if 30 frames a second had been taken for 25" in said


def test_a_rate_can_be_asked_for(write: Write) -> None:
    said = refused(write(range(300), fps=25), check=replace(RIGHT, source_fps=30.0))
    assert "has 25 frames a second, 30 are expected (check.source_fps)" in said


def test_a_clock_that_begins_elsewhere_is_found(write: Write) -> None:
    film = write(range(360), times_sec=[3.2 + k / 30 for k in range(360)])
    assert "its own clock begins at 3.20 s instead of 0" in refused(film)


def test_a_film_that_breaks_off_is_found(write: Write) -> None:
    film = write(range(360), container_options={"reserve_index_space": "20000"})
    data = film.read_bytes()
    film.write_bytes(data[: len(data) * 3 // 4])
    said = refused(film)
    assert "frames are missing, it breaks off" in said


def test_a_wrong_film_passes_where_the_settings_let_it(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    warn = replace(RIGHT, wrong_films="warn")
    output = stored(write(range(359)), CUT, warn)
    listed(output, check=warn)
    assert capsys.readouterr().err.count("wrong video: film: has 359 frames") == 2


def test_each_wrong_film_is_in_one_message(write: Write) -> None:
    stores = [
        stored(write(range(frames)), name=name)
        for name, frames in (("a", 359), ("b", 360), ("c", 300))
    ]
    with pytest.raises(InputError) as error:
        listed(*stores)
    said = str(error.value).splitlines()
    assert said[0] == "2 videos are not what they must be:"
    assert said[1].startswith("  a: has 359 frames")
    assert said[2].startswith("  c: has 300 frames")
    assert "wrong_films: warn" in said[3]


def test_annotations_beyond_a_film_are_found(write: Write, tmp_path: Path) -> None:
    store = stored(write(range(360)))
    (tmp_path / "train.csv").write_text("film,6,0,0,1,1,1,0\nfilm,18,0,0,1,1,1,0\n")
    with pytest.raises(InputError, match=r"annotated from 6 to 18 s, but .* 5\.00 to 17\.00 s"):
        check_videos(
            stores=[store],
            annotations=[tmp_path / "train.csv"],
            frames=CUT,
            check=RIGHT,
            output=tmp_path / "list.csv",
        )
    assert not (tmp_path / "list.csv").exists()


def test_films_that_no_annotation_names_must_hold_the_seconds_that_are_scored(
    write: Write, tmp_path: Path
) -> None:
    store = stored(write(range(360)))
    (tmp_path / "train.csv").write_text("film,6,0,0,1,1,1,0\n")
    (tmp_path / "other.csv").write_text("other,99,0,0,1,1,1,0\n")
    seconds, output = tmp_path / "seconds.txt", tmp_path / "list.csv"
    seconds.write_text("0006\n0018\n")
    given: dict[str, Any] = {"stores": [store], "frames": CUT, "check": RIGHT, "output": output}
    with pytest.raises(InputError, match=r"is to be scored from 6 to 18 s, but .* 5\.00 to 17\.00"):
        check_videos(annotations=[tmp_path / "other.csv"], seconds=seconds, **given)
    assert not output.exists()
    check_videos(annotations=[tmp_path / "train.csv"], seconds=seconds, **given)  # it is annotated
    seconds.write_text("0006\n0016\n")
    check_videos(annotations=[tmp_path / "other.csv"], seconds=seconds, **given)
    check_videos(annotations=[], **given)
    assert output.exists()


def test_a_store_of_other_settings_is_found(write: Write) -> None:
    store = stored(write(range(700)), WHOLE)
    with pytest.raises(InputError, match=r"made with frames\.film_start_sec = 0\.0, but .* 5\.0"):
        listed(store)


def test_the_times_of_frames_tell_rate_and_gaps() -> None:
    facts = source_facts([k / 24 for k in range(48) if k not in (7, 8, 30)], film_start_sec=900.0)
    assert facts["source_fps"] == pytest.approx(24)
    assert facts["missing_frames"] == 3
    assert facts["missing_at_sec"] == pytest.approx([900.25, 900 + 29 / 24])
    assert facts["steady"]
    assert source_facts([0.0], film_start_sec=0.0)["missing_frames"] == 0
