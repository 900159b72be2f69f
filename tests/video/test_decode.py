"""Videos: which frame is shown when, which way is up, and what is no video."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from aia.errors import InputError
from aia.video.decode import VideoFile, decode, probe

from .videos import number_of, write_audio, write_video

MakeVideo = Callable[..., Path]

NAMING_OTHERS = {
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:10\n#EXTINF:5.0,\n{other}\n"
    "#EXT-X-ENDLIST\n",
    "list": "ffconcat version 1.0\nfile '{other}'\n",
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT1S" profiles="urn:mpeg:dash:profile:isoff-main:2011"><Period>'
    '<AdaptationSet><Representation id="0" mimeType="video/mp4" bandwidth="9"><BaseURL>{other}'
    "</BaseURL></Representation></AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "rtsp": "rtsp://127.0.0.1:9/{other}\n",
    "graph": "movie={other}\n",
}
"""Texts that FFmpeg takes for videos, or may; what they show lies elsewhere."""


def numbers(path: Path, fps: float) -> list[int]:
    """Return the numbers of the video's frames at 0, 1 / fps, …"""
    return [number_of(frame.rgb) for frame in decode(path, fps=fps, short_side=34)]


# What is no video


def test_a_missing_video_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.mp4: there is no such video"):
        probe(tmp_path / "gone.mp4")


def test_a_folder_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such video"):
        probe(tmp_path)


def test_an_empty_file_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "nothing.mp4").touch()
    with pytest.raises(InputError, match="empty"):
        probe(tmp_path / "nothing.mp4")


@pytest.mark.parametrize("name", ["notes.txt", "notes.mp4", "notes.nfo", "notes"])
def test_a_text_is_no_video(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a stitch in time\n" * 99)
    with pytest.raises(InputError, match=rf"{name}: (not a video|a video is expected)"):
        probe(tmp_path / name)


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg"])
def test_a_photograph_is_no_video(tmp_path: Path, name: str) -> None:
    cv2.imwrite(str(tmp_path / name), corners((32, 48)))
    with pytest.raises(InputError, match=r"a video of a supported format .* a photograph"):
        probe(tmp_path / name)


@pytest.mark.parametrize("ending", ["m3u8", "ts", "mp4", "avi", "mpd", "sdp", "txt"])
@pytest.mark.parametrize("kind", sorted(NAMING_OTHERS))
def test_a_file_that_names_another_video_is_no_video(
    make_video: MakeVideo, tmp_path: Path, kind: str, ending: str
) -> None:
    other = make_video(30, name="private.ts")
    path = tmp_path / f"video.{ending}"
    path.write_text(NAMING_OTHERS[kind].format(other=other))
    with pytest.raises(InputError, match=rf"video\.{ending}: not a video "):
        probe(path)


def test_a_video_that_would_be_a_pattern_of_others_is_read_itself(make_video: MakeVideo) -> None:
    assert numbers(make_video(7, 10, name="a:%d.mp4"), 10.0) == list(range(7))


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt"),
    [
        ("video.mp4", "libx264", "yuv420p"),
        ("video.mov", "mjpeg", "yuvj420p"),
        ("video.m4v", "mpeg4", "yuv420p"),
        ("video.3gp", "mpeg4", "yuv420p"),
        ("video.mkv", "libx265", "yuv420p"),
        ("video.webm", "libvpx-vp9", "yuv420p"),
        ("video.avi", "mpeg4", "yuv420p"),
        ("video.ts", "libx264", "yuv420p"),
        ("video.mpg", "mpeg2video", "yuv420p"),
        ("video.vob", "mpeg2video", "yuv420p"),
        ("video.m2v", "mpeg2video", "yuv420p"),
        ("video.flv", "flv", "yuv420p"),
        ("video.wmv", "wmv2", "yuv420p"),
        ("video.ogv", "libvpx", "yuv420p"),
        ("video.mxf", "mpeg2video", "yuv420p"),
        ("video.nut", "libx264", "yuv420p"),
        ("video.rm", "rv10", "yuv420p"),
        ("video.gif", "gif", "rgb8"),
        ("video.apng", "apng", "rgb24"),
        ("video.h264", "libx264", "yuv420p"),
        ("video.ivf", "libvpx-vp9", "yuv420p"),
        ("video.y4m", "wrapped_avframe", "yuv420p"),
        ("video.mjpeg", "mjpeg", "yuvj420p"),
    ],
)
def test_videos_of_every_ordinary_kind_are_read(
    make_video: MakeVideo, name: str, codec: str, pix_fmt: str
) -> None:
    path = make_video(12, 25, name=name, size_hw=(96, 128), codec=codec, pix_fmt=pix_fmt,
                clock=Fraction(1, 25))  # fmt: skip
    opened = VideoFile(path)
    opened.count_frames()
    assert opened.source_frames == 12
    assert opened.size_hw == (96, 128)


@pytest.mark.parametrize(("sleeve", "found"), [(False, "audio"), (True, "audio, video")])
def test_a_sound_file_is_no_video(tmp_path: Path, sleeve: bool, found: str) -> None:
    with pytest.raises(InputError, match=f"has {found} and no video stream; is it an audio"):
        probe(write_audio(tmp_path / "song.mp4", sleeve=sleeve))


def test_a_video_without_its_index_is_cut_off(make_video: MakeVideo) -> None:
    path = make_video(50)  # an mp4 has its index at the end
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="was its download cut off"):
        probe(path)


def test_a_broken_clock_is_not_filled_with_frames(make_video: MakeVideo) -> None:
    path = make_video(times_sec=[0, 0.5, 1, 5003])
    with pytest.raises(InputError, match=r"frame 3 is at 5003\.0 s, after one that ends at 1\.0"):
        numbers(path, fps=2.0)


# Which frame is shown when


def test_frames_have_exact_times(make_video: MakeVideo) -> None:
    times_sec = [frame.time_sec for frame in decode(make_video(7, 25), fps=25.0, short_side=34)]
    assert times_sec == [k / 25 for k in range(7)]


@pytest.mark.parametrize("name", ["video.mp4", "video.mkv", "video.avi", "video.ts", "video.mov"])
@pytest.mark.parametrize("fps", [10.0, 24.0, 30.0, 30000 / 1001])
def test_at_the_videos_own_rate_each_frame_comes_once(
    make_video: MakeVideo, name: str, fps: float
) -> None:
    rate = Fraction(fps).limit_denominator(1001)
    # Matroska rounds to milliseconds, AVI counts frames
    clock = 1 / rate if name == "video.avi" else Fraction(1, 90000)
    assert numbers(make_video(41, fps, name=name, clock=clock), fps) == list(range(41))


def test_a_video_whose_frames_are_stored_in_another_order_is_shown_in_order(
    make_video: MakeVideo,
) -> None:
    for name in ("video.avi", "video.mkv", "video.mp4"):
        path = make_video(
            41, 10, name=name, clock=Fraction(1, 10), codec_options={"bf": "3", "g": "12"}
        )
        assert numbers(path, 10.0) == list(range(41))


@pytest.mark.parametrize(
    ("fps", "expected"),
    [
        (4.0, [0, 2, 5, 7]),  # 0, .25, .5, .75 s
        (5.0, [0, 2, 4, 6, 8]),
        (20.0, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9]),
        (0.9, [0]),  # the next would be at 1.11 s, after the end
    ],
)
def test_another_rate_takes_what_a_player_shows_then(
    make_video: MakeVideo, fps: float, expected: list[int]
) -> None:
    assert numbers(make_video(10, 10), fps) == expected


def test_variable_frame_rate_stays_in_step(make_video: MakeVideo) -> None:
    path = make_video(times_sec=[0, 0.1, 0.15, 0.5, 0.9, 0.99])
    # 0 .1 .2 .3 .4 .5 .6 .7 .8 .9 1.0
    assert numbers(path, 10.0) == [0, 1, 2, 2, 2, 3, 3, 3, 3, 4, 5]


def test_a_frame_that_is_shown_twice_is_converted_once(make_video: MakeVideo) -> None:
    frames = [frame.rgb for frame in decode(make_video(3, 5), fps=10.0, short_side=34)]
    assert frames[0] is frames[1]
    assert frames[1] is not frames[2]


@pytest.mark.parametrize("name", ["video.mp4", "video.mkv", "video.ts"])
def test_time_begins_with_the_first_frame(make_video: MakeVideo, name: str) -> None:
    path = make_video(times_sec=[3, 3.1, 3.2, 3.3], name=name, rate=Fraction(10))
    assert numbers(path, 10.0) == [0, 1, 2, 3]
    assert probe(path).duration_sec == pytest.approx(0.4, abs=0.002)


def test_a_video_without_times_goes_by_its_rate(make_video: MakeVideo) -> None:
    path = make_video(12, name="video.h264")
    assert probe(path).frames == 12
    assert probe(path).duration_sec == pytest.approx(0.48)
    assert numbers(path, 25.0) == list(range(12))


# What a video says of itself


@pytest.mark.parametrize("name", ["video.mp4", "video.mkv", "video.avi"])
def test_a_video_is_probed(make_video: MakeVideo, name: str) -> None:
    path = make_video(33, 20, name=name, clock=Fraction(1, 20))
    info = probe(path)
    assert info.duration_sec == pytest.approx(1.65, abs=0.002)
    assert info.frames == 33
    assert info.size_hw == (34, 46)
    assert info.fps == pytest.approx(20, rel=0.002)


def test_a_video_is_counted_while_it_is_read(make_video: MakeVideo) -> None:
    source = VideoFile(make_video(33, 20))
    assert len(list(source.frames(fps=5.0, short_side=34))) == 9
    assert (source.source_frames, source.bad_packets) == (33, 0)
    assert source.end_sec == pytest.approx(1.65)


# Size and which way is up


@pytest.mark.parametrize("size_hw", [(35, 47), (34, 47), (35, 46)])
def test_odd_sides_stay_whole(make_video: MakeVideo, size_hw: tuple[int, int]) -> None:
    path = make_video(3, name="video.mkv", size_hw=size_hw, codec="ffv1")
    frames = [frame.rgb for frame in decode(path, fps=25.0, short_side=min(size_hw))]
    assert [frame.shape for frame in frames] == [(*size_hw, 3)] * 3
    assert [number_of(frame) for frame in frames] == [0, 1, 2]


@pytest.mark.parametrize(
    ("size_hw", "short_side", "expected"),
    [((34, 46), 17, (17, 23)), ((46, 34), 17, (23, 17)), ((34, 46), 51, (51, 69))],
)
def test_the_short_side_has_the_size_asked_for(
    make_video: MakeVideo, size_hw: tuple[int, int], short_side: int, expected: tuple[int, int]
) -> None:
    frame = next(decode(make_video(2, size_hw=size_hw), fps=25.0, short_side=short_side))
    assert frame.rgb.shape == (*expected, 3)


@pytest.mark.parametrize(
    ("aspect", "expected"),
    [(Fraction(2), (34, 92)), (Fraction(1, 2), (34, 23)), (Fraction(9), (34, 46))],
)
def test_pixels_are_made_square(
    make_video: MakeVideo, aspect: Fraction, expected: tuple[int, int]
) -> None:
    path = make_video(2, aspect=aspect)
    assert probe(path).size_hw == expected
    frame = next(decode(path, fps=25.0, short_side=min(expected)))
    assert frame.rgb.shape == (*expected, 3)


def corners(size_hw: tuple[int, int]) -> np.ndarray:
    """Make an image without any symmetry: red, green, blue and white quarters."""
    height, width = size_hw
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[: height // 2, : width // 2] = (200, 40, 40)
    rgb[: height // 2, width // 2 :] = (40, 200, 40)
    rgb[height // 2 :, : width // 2] = (40, 40, 200)
    rgb[height // 2 :, width // 2 :] = (230, 230, 230)
    return rgb


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("upside_down", [False, True])
def test_a_lying_video_is_brought_upright(
    tmp_path: Path, degrees: int, mirrored: bool, upside_down: bool
) -> None:
    lying = corners((32, 48))
    upright = np.rot90(lying, degrees // 90)[:: -1 if upside_down else 1, :: -1 if mirrored else 1]
    path = write_video(
        tmp_path / "lying.mp4",
        [lying] * 3,
        times_sec=[0, 0.04, 0.08],
        turn=(degrees, mirrored, upside_down),
        codec_options={"crf": "4"},
    )
    shown = next(decode(path, fps=25.0, short_side=32)).rgb
    assert shown.shape == upright.shape
    assert probe(path).size_hw == upright.shape[:2]
    assert np.abs(shown.astype(int) - upright).mean() < 4  # colours are stored at half resolution
    if not mirrored and not upside_down:  # OpenCV turns videos, but does not mirror them
        bgr = cv2.VideoCapture(str(path)).read()[1]
        assert np.abs(shown.astype(int) - bgr[:, :, ::-1]).mean() < 3


# Videos that are damaged


def test_a_video_that_breaks_off_is_kept_so_far(make_video: MakeVideo) -> None:
    path = make_video(
        50, 10, container_options={"movflags": "faststart"}, codec_options={"bf": "0"}
    )
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.7)])
    source = VideoFile(path)
    found = [number_of(frame.rgb) for frame in source.frames(fps=10.0, short_side=34)]
    assert 5 < len(found) < 50
    assert found == list(range(len(found)))
    assert source.stated_sec == pytest.approx(5.0)
    assert source.end_sec == pytest.approx(len(found) / 10)


def test_damage_in_the_middle_costs_no_more_than_its_surroundings(make_video: MakeVideo) -> None:
    path = make_video(times_sec=[k / 10 for k in range(70)], name="video.ts", rate=Fraction(10))
    whole = numbers(path, 10.0)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    path.write_bytes(data)
    found = numbers(path, 10.0)
    assert len(found) == len(whole) == 70
    assert found[:20] == whole[:20]
    assert found[-20:] == whole[-20:]


# Real videos


def test_a_real_video_is_what_opencv_shows(shared_data: Path) -> None:
    path = shared_data / "pets09" / "vtest.avi"
    info = probe(path)
    assert info == (79.5, 795, (576, 768), 10.0)
    capture = cv2.VideoCapture(str(path))
    count = 0
    for frame in decode(path, fps=10.0, short_side=144):
        ok, bgr = capture.read()
        assert ok
        if count % 53 == 0:
            expected = cv2.resize(bgr[:, :, ::-1], (192, 144), interpolation=cv2.INTER_AREA)
            assert np.abs(frame.rgb.astype(int) - expected).mean() < 2.5
        assert frame.time_sec == count / 10
        count += 1
    assert count == 795


def test_a_real_clip_without_a_container_is_counted(shared_data: Path) -> None:
    path = shared_data / "ucf101-24" / "v_Biking_g01_c01.mp4"  # a bare MPEG-4 stream
    info = probe(path)
    assert info.frames == 151
    assert info.size_hw == (256, 340)
    assert info.fps == pytest.approx(30000 / 1001)
    assert len(list(decode(path, fps=30000 / 1001, short_side=112))) == 151
    assert len(list(decode(path, fps=10.0, short_side=112))) == 51
