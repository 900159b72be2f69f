"""The frame store: what goes in comes out, in any order, and damage is found."""

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import h5py
import numpy as np
import pytest
import simplejpeg

from aia.config import FramesConfig
from aia.errors import InputError
from aia.video import store as store_module
from aia.video.codecs import GROUP
from aia.video.decode import decode
from aia.video.store import FrameStore, make_store

from .videos import number_of, write_audio, write_video

MakeVideo = Callable[..., Path]

JPEG = FramesConfig(
    film_start_sec=0.0,
    start_sec=0.0,
    end_sec=None,
    fps=10.0,
    numbered=False,
    short_side=34,
    codec="jpeg",
    quality=90,
)
H264 = replace(JPEG, codec="h264")
BOTH = pytest.mark.parametrize("config", [JPEG, H264], ids=["jpeg", "h264"])


def lively(count: int, size_hw: tuple[int, int]) -> list[np.ndarray]:
    """Make moving frames with a cut in the middle: each differs from all others."""
    rng = np.random.default_rng(5)
    height, width = size_hw
    scenes = rng.integers(0, 256, (2, height + count, width + count, 3), dtype=np.uint8)
    scenes = np.kron(scenes[:, ::8, ::8], np.ones((1, 8, 8, 1), np.uint8))
    return [
        np.ascontiguousarray(scenes[k * 2 // count, k : k + height, k : k + width])
        for k in range(count)
    ]


@pytest.fixture
def lively_video(tmp_path: Path) -> Path:
    """53 frames at 10 a second, of odd height."""
    frames = lively(53, (35, 46))
    times_sec = [k / 10 for k in range(53)]
    return write_video(tmp_path / "lively.mkv", frames, times_sec=times_sec, codec="ffv1")


# Nothing is written for a video that is none


@pytest.mark.parametrize("what", ["missing", "empty", "text", "sound", "cut off", "broken clock"])
def test_without_a_video_there_is_one_clear_word_and_no_file(
    tmp_path: Path, make_video: MakeVideo, what: str
) -> None:
    path = tmp_path / "video.mp4"
    match what:
        case "empty":
            path.touch()
        case "text":
            path.write_text("a stitch in time\n" * 99)
        case "sound":
            path = write_audio(tmp_path / "video.m4a")
        case "cut off":
            path.write_bytes(make_video(50).read_bytes()[:-1000])
        case "broken clock":  # found only half way
            make_video(times_sec=[0, 0.1, 0.2, 5003])
    output = tmp_path / "frames" / "video.h5"
    with pytest.raises(InputError, match=str(path)):
        make_store(path, output, config=JPEG)
    assert not list(tmp_path.glob("frames/*"))


def test_a_video_shorter_than_a_clip_is_refused(make_video: MakeVideo, tmp_path: Path) -> None:
    path, output = make_video(7, 10), tmp_path / "video.h5"
    with pytest.raises(InputError, match=r"7 frames at 10 a second, but a clip needs 8; it lasts"):
        make_store(path, output, config=JPEG, min_frames=8)
    assert not output.exists()
    assert make_store(path, output, config=JPEG, min_frames=7).frames == 7


def test_an_older_store_stays_where_the_new_video_is_none(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    output = tmp_path / "video.h5"
    make_store(make_video(7, 10), output, config=JPEG)
    before = output.read_bytes()
    with pytest.raises(InputError):
        make_store(make_video(times_sec=[0, 0.1, 5003]), output, config=JPEG)
    assert output.read_bytes() == before


# What goes in comes out


def test_reading_no_frame_gives_no_frame(make_video: MakeVideo, tmp_path: Path) -> None:
    make_store(make_video(7, 10), tmp_path / "video.h5", config=JPEG)
    assert FrameStore(tmp_path / "video.h5").read([]).shape == (0, 34, 46, 3)


def test_a_jpeg_store_holds_each_frame_of_the_video(lively_video: Path, tmp_path: Path) -> None:
    config = replace(JPEG, short_side=35)
    make_store(lively_video, tmp_path / "video.h5", config=config)
    frames = FrameStore(tmp_path / "video.h5").read(range(53))
    for found, frame in zip(frames, decode(lively_video, fps=10.0, short_side=35), strict=True):
        data = simplejpeg.encode_jpeg(frame.rgb, quality=90, colorsubsampling="420")
        np.testing.assert_array_equal(found, simplejpeg.decode_jpeg(data))


@BOTH
def test_a_store_is_faithful(lively_video: Path, tmp_path: Path, config: FramesConfig) -> None:
    info = make_store(lively_video, tmp_path / "video.h5", config=replace(config, short_side=35))
    frames = FrameStore(tmp_path / "video.h5").read(range(53))
    originals = np.stack([f.rgb for f in decode(lively_video, fps=10.0, short_side=35)])
    assert frames.shape == originals.shape == (53, 35, 46, 3)
    assert (info.frames, info.size_hw) == (53, (35, 46))
    grey_difference = frames.mean(axis=3) - originals.mean(axis=3)
    assert np.abs(grey_difference).mean() < 5  # colours are stored at half the resolution
    if config.codec == "jpeg":
        return
    jpeg = make_store(lively_video, tmp_path / "jpeg.h5", config=replace(JPEG, short_side=35))
    assert info.bytes < jpeg.bytes


@BOTH
@pytest.mark.parametrize(
    "indices",
    [
        [0],
        [52],
        [17, 3, 52, 0],
        [31, 32, 15, 16],  # both sides of a group's edge
        [5, 5, 5],
        [47, 2, 47, 2, 30],
        list(range(52, -1, -1)),
        list(range(3, 53, 2)),
    ],
)
def test_frames_come_in_the_order_asked_for(
    lively_video: Path, tmp_path: Path, config: FramesConfig, indices: list[int]
) -> None:
    make_store(lively_video, tmp_path / "video.h5", config=config)
    in_order = FrameStore(tmp_path / "video.h5").read(range(53))
    np.testing.assert_array_equal(
        FrameStore(tmp_path / "video.h5").read(indices), in_order[indices]
    )


@BOTH
def test_far_frames_are_read_apart(
    lively_video: Path, tmp_path: Path, config: FramesConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_store(lively_video, tmp_path / "video.h5", config=config)
    store = FrameStore(tmp_path / "video.h5")
    together = store.read([50, 1, 30])
    monkeypatch.setattr(store_module, "FARTHEST_BYTES", 0)
    np.testing.assert_array_equal(store.read([50, 1, 30]), together)


@BOTH
def test_a_shown_twice_frame_is_there_twice(
    make_video: MakeVideo, tmp_path: Path, config: FramesConfig
) -> None:
    make_store(make_video(5, 5), tmp_path / "video.h5", config=config)
    frames = FrameStore(tmp_path / "video.h5").read(range(10))
    assert [number_of(frame) for frame in frames] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


@BOTH
def test_a_group_may_end_with_the_video(
    make_video: MakeVideo, tmp_path: Path, config: FramesConfig
) -> None:
    for count in (1, GROUP, GROUP + 1):
        make_store(make_video(count, 10), tmp_path / "video.h5", config=config)
        frames = FrameStore(tmp_path / "video.h5").read(range(count))
        assert [number_of(frame) for frame in frames] == list(range(count))


def test_frames_beyond_the_video_are_an_error(make_video: MakeVideo, tmp_path: Path) -> None:
    make_store(make_video(7, 10), tmp_path / "video.h5", config=JPEG)
    store = FrameStore(tmp_path / "video.h5")
    for wrong in ([7], [-1], [0, 99]):
        with pytest.raises(IndexError, match="there are 7, numbered from 0"):
            store.read(wrong)


# What a store knows


def test_a_store_knows_its_video(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(33, 20)
    info = make_store(path, tmp_path / "kitchen.part.h5", config=JPEG)
    store = FrameStore(tmp_path / "kitchen.part.h5")
    assert store.video == "kitchen.part"
    assert (store.fps, store.size_hw, len(store)) == (10.0, (34, 46), 17)
    np.testing.assert_array_equal(store.times_sec, np.arange(17) / 10)
    assert store.fingerprint == {
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "frames": 33,
        "duration_sec": pytest.approx(1.65),
    }
    assert store.about["ends_early_sec"] == info.ends_early_sec == pytest.approx(0, abs=1e-6)
    assert info.bytes == (tmp_path / "kitchen.part.h5").stat().st_size


def test_other_programs_can_read_a_store(make_video: MakeVideo, tmp_path: Path) -> None:
    make_store(make_video(7, 10), tmp_path / "video.h5", config=JPEG)
    with h5py.File(tmp_path / "video.h5") as file:
        assert file.attrs["fps"] == 10.0
        assert file.attrs["codec"] == "jpeg"
        assert tuple(file.attrs["size_hw"]) == (34, 46)
        assert file["data"].chunks is None
        start, end = file["offsets"][3:5]
        rgb = simplejpeg.decode_jpeg(file["data"][start:end].tobytes())
    assert number_of(rgb) == 3


def test_the_nearest_frame_is_found(make_video: MakeVideo, tmp_path: Path) -> None:
    make_store(make_video(7, 10), tmp_path / "video.h5", config=JPEG)
    store = FrameStore(tmp_path / "video.h5")
    asked = [-1.0, 0.0, 0.04, 0.06, 0.3, 0.3000001, 0.59, 8.0]
    assert [store.nearest(time_sec) for time_sec in asked] == [0, 0, 0, 1, 3, 3, 6, 6]
    make_store(make_video(1, 10), tmp_path / "short.h5", config=JPEG)
    assert FrameStore(tmp_path / "short.h5").nearest(5.0) == 0


def test_of_two_equally_near_frames_the_earlier_is_taken(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    make_store(make_video(7, 8), tmp_path / "video.h5", config=replace(JPEG, fps=8.0))
    assert FrameStore(tmp_path / "video.h5").nearest(0.3125) == 2  # between 0.25 and 0.375


def test_a_time_beyond_the_end_of_the_video_is_an_input_error(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    make_store(make_video(19, 10), tmp_path / "video.h5", config=JPEG)
    store = FrameStore(tmp_path / "video.h5")
    assert len(store.at([0.0, 2.2])) == 2  # the last frame is at 1.8 s
    with pytest.raises(InputError, match=r"no frame at 7 s, the video ends at 1\.8 s"):
        store.at([1.0, 7.0])


def test_the_same_video_gives_the_same_bytes(make_video: MakeVideo, tmp_path: Path) -> None:
    path = make_video(33, 10)
    for config in (JPEG, H264):
        for name in ("a.h5", "b.h5"):
            make_store(path, tmp_path / name, config=config)
        assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_a_video_that_breaks_off_says_how_early(
    make_video: MakeVideo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_video(
        50, 10, container_options={"movflags": "faststart"}, codec_options={"bf": "0"}
    )
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    info = make_store(path, tmp_path / "video.h5", config=JPEG)
    store = FrameStore(tmp_path / "video.h5")
    assert 5 < info.frames < 50
    assert info.ends_early_sec == pytest.approx(5 - info.frames / 10)
    assert store.about["ends_early_sec"] == info.ends_early_sec
    assert f"breaks off at {info.frames / 10:.2f} s of 5.00 s" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"a clip needs 50; it lasts .* s but states 5\.00 s"):
        make_store(path, tmp_path / "video.h5", config=JPEG, min_frames=50)


@pytest.mark.parametrize(
    ("setting", "value"), [("fps", 12.5), ("short_side", 32), ("codec", "h264"), ("quality", 91)]
)
def test_a_store_made_with_other_settings_is_noticed(
    make_video: MakeVideo, tmp_path: Path, setting: str, value: object
) -> None:
    make_store(make_video(7, 10), tmp_path / "video.h5", config=JPEG)
    store = FrameStore(tmp_path / "video.h5")
    store.check_settings(JPEG)
    with pytest.raises(InputError, match=rf"made with frames\.{setting} = .* settings say {value}"):
        store.check_settings(replace(JPEG, **{setting: value}))


def test_the_quality_of_jpeg_is_nothing_to_h264(make_video: MakeVideo, tmp_path: Path) -> None:
    make_store(make_video(7, 10), tmp_path / "video.h5", config=H264)
    FrameStore(tmp_path / "video.h5").check_settings(replace(H264, quality=50))


# How a store is used


@BOTH
def test_a_store_travels_to_another_process(
    lively_video: Path, tmp_path: Path, config: FramesConfig
) -> None:
    make_store(lively_video, tmp_path / "video.h5", config=config)
    store = FrameStore(tmp_path / "video.h5")
    here = store.read([40, 3])
    there = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(there.read([40, 3]), here)
    assert len(pickle.dumps(store)) < 500  # its path, not its index


def test_a_store_is_opened_when_it_is_used_and_again_after_it_was_closed(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    with FrameStore(tmp_path / "video.h5") as store:
        with pytest.raises(InputError, match="there is no such frame store"):
            len(store)
        make_store(make_video(7, 10), tmp_path / "video.h5", config=JPEG)
        assert len(store) == 7
    make_store(make_video(11, 10), tmp_path / "video.h5", config=JPEG)
    assert len(store) == 11


# Damage


def position(path: Path, frame: int) -> int:
    """Return the offset of a frame's bytes in the file."""
    with h5py.File(path) as file:
        return file["data"].id.get_offset() + int(file["offsets"][frame])


def flip_bit(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 4
    path.write_bytes(data)


def test_only_the_jpegs_asked_for_are_looked_at(lively_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "video.h5"
    make_store(lively_video, path, config=JPEG)
    whole = FrameStore(path).read(range(53))
    flip_bit(path, position(path, 20) + 99)
    others = [19, 21, 18, 22]
    np.testing.assert_array_equal(FrameStore(path).read(others), whole[others])
    with pytest.raises(InputError, match=r"video\.h5: frame 20 is damaged"):
        FrameStore(path).read([19, 20])


def test_only_the_groups_asked_for_are_looked_at(lively_video: Path, tmp_path: Path) -> None:
    path = tmp_path / "video.h5"
    make_store(lively_video, path, config=H264)
    whole = FrameStore(path).read(range(53))
    flip_bit(path, position(path, 20) + 5)
    before_it_or_elsewhere = [15, 16, 19, 32, 40]
    found = FrameStore(path).read(before_it_or_elsewhere)
    np.testing.assert_array_equal(found, whole[before_it_or_elsewhere])
    with pytest.raises(InputError, match=r"video\.h5: frame 20 is damaged"):
        FrameStore(path).read([25])  # cannot be decoded without it


@BOTH
def test_no_flipped_bit_goes_unnoticed(
    make_video: MakeVideo, tmp_path: Path, config: FramesConfig
) -> None:
    path = tmp_path / "video.h5"
    make_store(make_video(19, 10), path, config=config)
    data = path.read_bytes()
    whole = FrameStore(path).read(range(19))
    noticed = 0
    for at in np.random.default_rng(3).integers(0, len(data), 101).tolist():
        path.write_bytes(data)
        flip_bit(path, at)
        try:
            found = FrameStore(path).read(range(19))
        except InputError:
            noticed += 1
        else:  # the bit was in a gap between HDF5's pieces
            np.testing.assert_array_equal(found, whole)
    assert noticed > 50


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_cut_off_store_is_noticed(make_video: MakeVideo, tmp_path: Path, share: float) -> None:
    path = tmp_path / "video.h5"
    make_store(make_video(19, 10), path, config=JPEG)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=rf"{path}: .*make the store again"):
        FrameStore(path).read([0])


def test_a_store_that_is_cut_off_while_in_use_is_noticed(
    make_video: MakeVideo, tmp_path: Path
) -> None:
    path = tmp_path / "video.h5"
    make_store(make_video(19, 10), path, config=JPEG)
    store = FrameStore(path)
    store.read([18])
    path.write_bytes(path.read_bytes()[: position(path, 17)])
    with pytest.raises(InputError, match="frame 17 is damaged .* or the file changed"):
        store.read([17])
    path.unlink()
    with pytest.raises(InputError, match="can no longer be read"):
        store.read([0])


def test_what_is_no_store_is_refused(tmp_path: Path, make_video: MakeVideo) -> None:
    text = tmp_path / "text.h5"
    text.write_text("a stitch in time\n")
    with pytest.raises(InputError, match="not a frame store, or a damaged one"):
        len(FrameStore(text))
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(3)
    with pytest.raises(InputError, match="an HDF5 file, but not a frame store"):
        len(FrameStore(tmp_path / "other.h5"))
    make_store(make_video(7, 10), tmp_path / "old.h5", config=JPEG)
    with h5py.File(tmp_path / "old.h5", "a") as file:
        file.attrs["version"] = 0
    with pytest.raises(
        InputError, match="a frame store of version 0, this program reads version 1"
    ):
        len(FrameStore(tmp_path / "old.h5"))


# A real video


def test_a_real_video_is_stored_with_its_times(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "pets09" / "vtest.avi"
    config = replace(JPEG, short_side=112)
    info = make_store(path, tmp_path / "vtest.h5", config=config)
    store = FrameStore(tmp_path / "vtest.h5")
    assert (info.frames, info.size_hw, info.bad_packets) == (795, (112, 149), 0)
    np.testing.assert_array_equal(store.times_sec, np.arange(795) / 10)
    assert store.nearest(28.0) == 280
    assert store.fingerprint["frames"] == 795
    window = store.read(range(280, 344, 2))
    sharp = islice(decode(path, fps=10.0, short_side=112), 280, 344, 2)
    assert np.abs(window.astype(int) - np.stack([frame.rgb for frame in sharp])).mean() < 5


def test_a_skipped_video_is_named_and_left_out(tmp_path, capsys):
    from aia.video.store import readable_stores, skip_video

    skip_video(tmp_path / "broken.h5", why="films/broken.mp4: not a video")
    (tmp_path / "whole.h5").write_bytes(b"")
    assert list(readable_stores([tmp_path / "broken.h5", tmp_path / "whole.h5"])) == ["whole"]
    assert "broken: ignored, this video was skipped" in capsys.readouterr().err
    with pytest.raises(InputError, match="its video was skipped: films/broken.mp4: not a video"):
        len(FrameStore(tmp_path / "broken.h5"))
    with pytest.raises(InputError, match="no video is left"):
        readable_stores([tmp_path / "broken.h5"])
