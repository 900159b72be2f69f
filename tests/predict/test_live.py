"""Cameras and streams: what comes in, when, what is dropped, and what is written of it."""

import http.client
import io
import itertools
import os
import signal
import socket
import threading
import time
from functools import partial

import av
import numpy as np
import pytest
import simplejpeg
from numpy.testing import assert_allclose, assert_array_equal

from aia.cli import main
from aia.errors import InputError
from aia.predict.feeds import Feed, LostError, Picture, camera, playing, stream
from aia.predict.live import Capture, Clock
from aia.predict.spans import read_spans
from aia.predict.stream import VideoScorer
from aia.predict.viewers import MOST_CLIENTS, MjpegServer, Status
from aia.predict.watch import Record, WatchOptions, watch
from aia.tables.scores import read_scores
from aia.video.codecs import build_codec
from aia.video.decode import VideoFile
from aia.video.transforms import resize
from tests.predict.conftest import write_video
from tests.predict.rtsp import rtsp_camera
from tests.serving import Served, serving
from tests.video.videos import grey, number_of

NOW = Status("yard", 3.0, 0.5, 10.0, 1.0, 3, 0, 0, 0, ())


def picture(number: int, stated_sec: float | None, size_hw=(24, 34)) -> Picture:
    return Picture(stated_sec, size_hw, partial(resize, grey(number, size_hw)))


def sent(pictures, **more) -> Feed:
    """A feed that sends everything at once."""
    return Feed(name="yard", pictures=pictures, burst_sec=1e9, **more)


def capture_of(feed: Feed, *, fps: float = 4.0, most: int = 10_000) -> Capture:
    return Capture(feed, fps=fps, short_side=24, most=most)


def small_grey(number: int) -> np.ndarray:
    return grey(number, (64, 96))


def mpegts(frames: int, *, codec: str = "mpeg2video", draw=small_grey) -> bytes:
    """A stream at 10 frames a second in which picture k is grey of level 30 + 3 k."""
    out = io.BytesIO()
    with av.open(out, "w", format="mpegts") as container:
        video = container.add_stream(codec, rate=10)
        video.height, video.width, video.pix_fmt = 64, 96, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(draw(number), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
    return out.getvalue()


def all_at_once(address: str, **more) -> Feed:
    return sent(stream(address, timeout_sec=0.5, **more).pictures)


# Time


def test_a_stream_without_delay_has_the_times_of_its_own_clock():
    clock = Clock()
    assert clock.stamp(70.0, 5.0) == (0.0, 0.0)
    assert clock.stamp(70.5, 5.5) == pytest.approx((0.5, 0.0))
    time_sec, wait_sec = clock.stamp(71.0, 6.3)  # it came 0.3 s late
    assert (time_sec, wait_sec) == pytest.approx((1.0, 0.0))
    assert 6.3 - clock.origin_sec - time_sec == pytest.approx(0.3, abs=2e-3)


def test_what_a_server_sends_at_first_was_late_and_what_it_sends_too_early_waits():
    clock = Clock(burst_sec=5.0)
    waits = [clock.stamp(float(second), 100.0)[1] for second in range(9)]
    assert waits == pytest.approx([0, 0, 0, 0, 0, 0, 1, 2, 3])
    assert 100.0 - clock.origin_sec == pytest.approx(5.0)  # the first picture's lag


def test_a_played_file_is_never_early():
    clock = Clock(burst_sec=0.0)
    assert [clock.stamp(t, 7.0)[1] for t in (0.0, 0.1, 0.2)] == pytest.approx([0, 0.1, 0.2])


@pytest.mark.parametrize("rate", [0.9995, 1.0005])
def test_a_clock_that_is_slow_or_fast_makes_no_lag_that_grows(rate):
    clock, lags, waits = Clock(), [], []
    for second in range(20_000):
        time_sec, wait_sec = clock.stamp(rate * second, float(second))
        lags.append(second - clock.origin_sec - time_sec)
        waits.append(wait_sec)
    assert max(lags) < 0.05
    assert max(waits) < 0.05


def test_a_clock_that_is_set_anew_goes_on_from_the_arrival():
    clock = Clock()
    for stated_sec, now_sec in ((0.0, 50.0), (1.0, 51.0), (90_000.0, 52.0), (3.0, 53.0)):
        assert clock.stamp(stated_sec, now_sec)[0] == pytest.approx(now_sec - 50.0)


def test_pictures_without_a_clock_have_the_time_of_their_arrival():
    clock = Clock()
    assert [clock.stamp(None, t) for t in (4.0, 4.1, 9.0)] == [
        (0.0, 0.0),
        (pytest.approx(0.1), 0.0),
        (5.0, 0.0),
    ]


# Frames


@pytest.mark.parametrize("fps", [3.0, 8.0, 20.0])
def test_frames_are_those_of_the_file_at_a_constant_rate(tmp_path, fps):
    video = write_video(tmp_path / "street.mp4", seconds=4)
    file = VideoFile(video)

    def pictures():
        for time_sec, rgb in file.frames(fps=8.0, short_side=24):
            yield Picture(time_sec, rgb.shape[:2], partial(resize, rgb))

    with capture_of(sent(pictures), fps=fps) as capture:
        found = list(capture.frames())
    expected = list(VideoFile(video).frames(fps=fps, short_side=24))
    assert [frame.time_sec for frame in found] == [frame.time_sec for frame in expected]
    for frame, other in zip(found, expected, strict=True):
        assert_array_equal(frame.rgb, other.rgb)
    assert capture.dropped == 0


def test_of_too_many_pictures_the_newest_wait_and_the_others_are_counted_and_repeated():
    feed = sent(lambda: (picture(number, number / 4) for number in range(40)))
    with capture_of(feed, most=5) as capture:
        capture._thread.join()
        assert len(capture._queue.entries) == 5
        found = list(capture.frames())
    assert capture.dropped == 35
    assert [frame.time_sec for frame in found] == [number / 4 for number in range(40)]
    assert [number_of(frame.rgb) for frame in found] == [35] * 35 + [35, 36, 37, 38, 39]


def test_a_pause_of_the_stream_is_filled_with_its_last_picture():
    feed = sent(lambda: (picture(n, t) for n, t in enumerate((0.0, 0.25, 2.0, 2.25))))
    with capture_of(feed) as capture:
        found = [number_of(frame.rgb) for frame in capture.frames()]
    assert found == [0] + [1] * 7 + [2, 3]


def test_a_camera_that_changes_its_size_keeps_that_of_the_frames():
    sizes = [(24, 34), (48, 100)]
    feed = sent(lambda: (picture(n, n / 4, size_hw) for n, size_hw in enumerate(sizes)))
    with capture_of(feed) as capture:
        assert {frame.rgb.shape for frame in capture.frames()} == {(24, 34, 3)}


def test_a_feed_that_broke_off_is_connected_anew_as_often_as_was_said(capsys):
    connections = itertools.count()

    def pictures():
        number = next(connections)
        yield picture(number, 1000.0 * number)
        raise LostError("the cable is out")

    feed = sent(pictures, retries=3, pause_sec=0.01)
    with capture_of(feed) as capture:
        frames = list(capture.frames())
    assert capture.pictures == 4
    assert capture.reconnects == 3
    assert frames[-1].time_sec < 5, "times go on from the arrival, not from the feed's clock"
    assert "yard: broke off after 0 s, 3 times anew (the cable is out)" in str(capture.failure)
    assert "2 more tries" in capsys.readouterr().err


def test_a_feed_that_sends_nothing_and_says_nothing_is_given_up():
    hangs = threading.Event()

    def pictures():
        yield picture(0, 0.0)
        hangs.wait(20)

    with capture_of(sent(pictures, timeout_sec=0.2, pause_sec=0.01)) as capture:
        list(capture.frames())
        hangs.set()
    assert "yard: sent no picture that can be decoded for 0 s; is it on?" in str(capture.failure)


def test_a_feed_that_ends_at_once_is_told():
    with pytest.raises(InputError, match="yard: ended before its first picture"):
        capture_of(sent(lambda: iter(()))).__enter__()


def test_an_error_of_the_program_reaches_the_one_who_waits():
    def pictures():
        raise ZeroDivisionError
        yield

    with pytest.raises(ZeroDivisionError):
        capture_of(sent(pictures)).__enter__()


# Streams


@pytest.fixture(scope="module")
def site():
    with serving() as found:
        yield found


def test_a_stream_is_read_until_it_ends(site):
    site.files["/yard.ts"] = Served(mpegts(20))
    with capture_of(all_at_once(f"{site.address}/yard.ts"), fps=10.0) as capture:
        frames = list(capture.frames())
    assert capture.failure is None
    assert [number_of(frame.rgb) for frame in frames] == list(range(20))
    assert frames[-1].time_sec == pytest.approx(1.9)


def test_a_stream_that_is_joined_late_begins_with_a_whole_picture(site):
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    content = mpegts(60, codec="mpeg4", draw=lambda number: np.roll(noise, number, axis=1))
    later = len(content) // 4 // 188 * 188
    tables = content[: 3 * 188]  # programme tables
    site.files["/whole.ts"] = Served(content)
    site.files["/late.ts"] = Served(tables + content[later:])
    whole, late = (
        [one.rgb((64, 96)) for one in stream(site.address + path, timeout_sec=2.0).pictures()]
        for path in ("/whole.ts", "/late.ts")
    )
    assert len(whole) == 60
    assert 20 < len(late) < 60
    assert_array_equal(late, whole[-len(late) :])


def test_pictures_of_an_mjpeg_camera_have_the_time_of_their_arrival(site):
    jpegs = [simplejpeg.encode_jpeg(grey(number, (64, 96))) for number in range(6)]
    heads = [
        b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(one) for one in jpegs
    ]
    body = b"".join(head + one + b"\r\n" for head, one in zip(heads, jpegs, strict=True))
    kind = "multipart/x-mixed-replace; boundary=x"
    site.files["/cam"] = Served(body, content_type=kind)
    pictures = stream(f"{site.address}/cam", timeout_sec=2.0).pictures()
    found = [next(pictures) for _ in jpegs]
    with pytest.raises(LostError, match="the server closed it"):
        next(pictures)
    assert [number_of(one.rgb((64, 96))) for one in found] == list(range(6))
    assert {one.stated_sec for one in found} == {None}


def test_a_stream_that_hangs_is_connected_anew_and_then_told(site):
    content = mpegts(20)
    site.files["/hangs.ts"] = Served(content, hangs_at=[len(content) // 2] * 3)
    feed = stream(f"{site.address}/hangs.ts", timeout_sec=0.3, retries=1, pause_sec=0.01)
    with capture_of(feed, fps=10.0) as capture:
        assert list(capture.frames())
    assert "broke off after" in str(capture.failure)
    assert "nothing came for 0.3 s" in str(capture.failure)
    assert len(site.asked("/hangs.ts")) == 2


def test_a_stream_that_breaks_off_goes_on_with_the_next_connection(site):
    content = mpegts(20)
    site.files["/breaks.ts"] = Served(content, breaks_at=[len(content) // 2])
    feed = sent(stream(f"{site.address}/breaks.ts").pictures, retries=1, pause_sec=0.01)
    with capture_of(feed, fps=10.0) as capture:
        numbers = [number_of(frame.rgb) for frame in capture.frames()]
    assert capture.failure is None
    assert capture.reconnects == 1
    assert numbers[-1] == 19
    assert numbers.count(0) >= 1


def test_a_server_that_starts_anew_and_refuses_meanwhile_is_tried_again(site):
    content = mpegts(20)
    served = Served(content, statuses=[0, 503, 404], breaks_at=[len(content) // 2])
    site.files["/reboots.ts"] = served
    feed = sent(stream(f"{site.address}/reboots.ts").pictures, retries=4, pause_sec=0.01)
    with capture_of(feed, fps=10.0) as capture:
        numbers = [number_of(frame.rgb) for frame in capture.frames()]
    assert capture.failure is None
    assert capture.reconnects == 3
    assert numbers[-1] == 19


@pytest.mark.parametrize(
    ("served", "told"),
    [
        (Served(b"", statuses=[404] * 9), "the server refuses it .*is the path right"),
        (Served(b"", statuses=[401] * 9), "the server refuses it .*is the password right"),
        (Served(b"", statuses=[500] * 9), "cannot be read"),
        (Served(b"<html>Hello</html>" * 50), "not a stream that is read"),
        (Served(b""), "the server refuses it"),
        (Served(mpegts(9), hangs_at=[0]), "cannot be read .nothing came for 0.5 s"),
    ],
)
def test_what_is_no_stream_is_told_once_and_clearly(site, served, told):
    site.files["/odd"] = served
    address = site.address.replace("http://", "http://someone:secret@")
    with pytest.raises(InputError, match=told) as error:
        capture_of(all_at_once(f"{address}/odd")).__enter__()
    assert "secret" not in str(error.value)
    assert "***@127.0.0.1" in str(error.value) or "yard" in str(error.value)


def test_a_redirection_to_a_file_of_this_machine_is_refused(site, tmp_path):
    file = tmp_path / "own.ts"
    file.write_bytes(mpegts(9))
    site.files["/r"] = Served(b"", statuses=[302] * 9, headers={"Location": f"file://{file}"})
    with pytest.raises(InputError, match="leads elsewhere than to http"):
        list(stream(f"{site.address}/r", timeout_sec=0.5).pictures())
    site.files["/there.ts"] = Served(mpegts(9))
    site.files["/r"] = Served(b"", statuses=[302], headers={"Location": "/there.ts"})
    assert len(list(stream(f"{site.address}/r", timeout_sec=0.5).pictures())) == 9


def test_a_playlist_does_not_open_files_of_this_machine(site, tmp_path):
    file = tmp_path / "own.ts"
    file.write_bytes(mpegts(30))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nfile://{file}\n#EXT-X-ENDLIST\n"
    kind = "application/vnd.apple.mpegurl"
    site.files["/list.m3u8"] = Served(playlist.encode(), content_type=kind)
    with pytest.raises(InputError, match=r"not a playlist \(.m3u8"):
        list(stream(f"{site.address}/list.m3u8", timeout_sec=0.5).pictures())


@pytest.mark.parametrize("kind", ["http", "rtsp"])
def test_a_server_that_is_not_there_or_says_nothing_is_told(kind):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        feed = stream(f"{kind}://u:secret@127.0.0.1:{port}/x", timeout_sec=0.3)
        with pytest.raises(InputError, match=r"\*\*\*@127.* cannot be read .*is it on") as error:
            capture_of(feed).__enter__()
        deaf.listen()
        with pytest.raises(InputError, match=r"nothing came for 0.3 s"):
            capture_of(feed).__enter__()
    assert "secret" not in str(error.value)


def test_a_camera_that_speaks_rtsp_is_read_and_connected_anew():
    with rtsp_camera(mpegts(40)) as (address, methods):
        feed = sent(stream(address, timeout_sec=2.0).pictures, retries=1, pause_sec=0.01)
        with capture_of(feed, fps=10.0) as capture:
            numbers = [number_of(frame.rgb) for frame in capture.frames()]
    assert methods == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"] * 2
    assert capture.reconnects == 1
    assert set(range(1, 38)) <= set(numbers)
    assert "1 times anew (the server closed it)" in str(capture.failure)


def test_a_camera_that_speaks_rtsp_and_hangs_is_told():
    with rtsp_camera(mpegts(40), ends=False) as (address, _):
        feed = sent(stream(address, timeout_sec=0.5).pictures)
        with capture_of(feed, fps=10.0) as capture:
            assert len(list(capture.frames())) > 30
    assert str(capture.failure).endswith("(nothing came for 0.5 s)")


def test_a_camera_that_is_not_there_is_told():
    with pytest.raises(InputError, match="camera 97: there is no"):
        camera("97")


# Scores


def test_live_scores_are_those_of_ever_longer_beginnings(who, tmp_path):
    """The reference scores the whole beginning anew for each key frame, and keeps the last."""
    video = write_video(tmp_path / "street.mp4", seconds=9)
    model, file = who(), VideoFile(video)

    def pictures():
        for time_sec, rgb in VideoFile(video).frames(fps=8.0, short_side=24):
            yield Picture(time_sec, rgb.shape[:2], partial(resize, rgb))

    with capture_of(sent(pictures)) as capture:
        frames = capture.frames()
        live = list(VideoScorer(model, "street", frames, size_hw=capture.size_hw, live=True))
    assert [moment.time_sec for moment in live] == [float(t) for t in range(9)]
    assert sum(len(moment.xyxy) for moment in live) > 5
    for moment in live:
        times = [float(t) for t in range(int(moment.time_sec) + 1)]
        again = file.frames(fps=4.0, short_side=24)
        last = list(VideoScorer(model, "street", again, size_hw=(24, 34), times_sec=times))[-1]
        assert_array_equal(last.xyxy, moment.xyxy)
        assert_allclose(last.scores, moment.scores, rtol=1e-5, atol=1e-6)


def test_a_late_key_frame_is_dropped_and_not_remembered(who, tmp_path):
    file = VideoFile(write_video(tmp_path / "street.mp4", seconds=9))
    model, kept = who(), [0.0, 1.0, 4.0, 7.0, 8.0]

    def frames():
        return file.frames(fps=4.0, short_side=24)

    scorer = VideoScorer(
        model, "street", frames(), size_hw=(24, 34), live=True, late=lambda t: t not in (*kept, 9.0)
    )
    live = list(scorer)
    assert [moment.time_sec for moment in live] == kept
    assert scorer.dropped == 4
    for moment in live:
        times = [t for t in kept if t <= moment.time_sec]
        last = list(VideoScorer(model, "street", frames(), size_hw=(24, 34), times_sec=times))[-1]
        assert_allclose(last.scores, moment.scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["jpeg", "h264"])
def test_a_codec_reads_as_far_ahead_as_it_says(name):
    """So long a key frame waits, and is not late meanwhile."""
    read: list[int] = []

    def frames():
        for number in range(40):
            read.append(number)
            yield grey(number, (48, 64))

    codec = build_codec(name, size_hw=(48, 64), quality=90)
    encoded = codec.encode(frames())
    for number in range(20):
        next(encoded)
        assert len(read) == number + codec.delay + 1


# Watching


class Seer:
    """A viewer that looks at every picture."""

    closed = False

    def __init__(self, *, after: int = 10**9, act=lambda: None):
        self.statuses, self.shapes, self.after, self.act = [], set(), after, act

    def show(self, status, draw):
        self.statuses.append(status)
        self.shapes.add(draw().shape)
        if status.key_frames >= self.after:
            self.after = 10**9
            self.act()


def complete(output, name="street"):
    """Read everything that a watch wrote; nothing else may be there."""
    parts = sorted(output.glob(f"{name}.*.parquet"))
    left = {path.name for path in output.iterdir()} - {path.name for path in parts}
    assert left == {"actions.csv"}
    return [read_scores(path) for path in parts], read_spans(output / "actions.csv")


def test_a_played_video_is_watched_to_its_end(who, tmp_path):
    video = write_video(tmp_path / "street.mp4", seconds=3)
    seer, output = Seer(), tmp_path / "out"
    options = WatchOptions(per_sec=4.0, part_sec=1.0, start_at=0.2, stop_below=0.1, tell_sec=0.5)
    model = who(person_threshold=0.1)
    done = watch(
        model, playing(video, 8.0), name="street", output=output, options=options, viewers=[seer]
    )
    tables, actions = complete(output)
    assert len(tables) >= 3
    boxes = [table.boxes for table in tables]
    assert sum(map(len, boxes)) == done.boxes > 5
    spread = [part["time_sec"].max() - part["time_sec"].min() for part in boxes]
    assert max(spread) < 1.0
    assert done.key_frames + done.dropped_key_frames == 12
    assert len(actions) == done.actions > 0
    assert seer.shapes == {(24, 34, 3)}
    assert seer.statuses[-1].frames_per_sec > 0
    with pytest.raises(InputError, match="is there already; give another --output"):
        watch(model, playing(video, 8.0), name="street", output=output)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["while it waits", "while it draws"])
def test_ctrl_c_ends_a_watch_with_complete_files(who, tmp_path, capsys, monkeypatch, where, sign):
    def interrupt():
        os.kill(os.getpid(), sign)

    video, written = write_video(tmp_path / "street.mp4", seconds=60), Record.add

    def add(record, moment):
        written(record, moment)
        if record.boxes > 3 and not interrupted:
            interrupted.append(True)
            interrupt()
            time.sleep(0.2)  # the main thread has long gone on when the files are written

    interrupted = [True] if where == "while it draws" else []
    monkeypatch.setattr(Record, "add", add)
    done = watch(
        who(person_threshold=0.1),
        playing(video, 8.0),
        name="street",
        output=tmp_path / "o",
        options=WatchOptions(per_sec=4.0, start_at=0.2, stop_below=0.1),
        viewers=[Seer(after=2, act=interrupt)] if where == "while it draws" else [],
    )
    tables, actions = complete(tmp_path / "o")
    assert 1 <= done.key_frames < 40
    assert sum(len(table.boxes) for table in tables) == done.boxes > 0
    assert len(actions) == done.actions > 0
    assert "interrupted, files are being completed" in capsys.readouterr().err


def test_a_closed_window_ends_a_watch(who, tmp_path):
    video = write_video(tmp_path / "street.mp4", seconds=60)
    seer = Seer(after=1)
    seer.act = lambda: setattr(seer, "closed", True)
    done = watch(who(), playing(video, 8.0), name="street", output=tmp_path / "o", viewers=[seer])
    assert 1 <= done.key_frames < 40
    complete(tmp_path / "o")


def test_a_stream_that_breaks_off_for_good_leaves_complete_files(who, tmp_path):
    def pictures():
        yield from (picture(number, number / 8) for number in range(16))
        raise LostError("the cable is out")

    with pytest.raises(InputError, match=r"yard: broke off after 2 s \(the cable is out\)"):
        watch(who(person_threshold=0.1), sent(pictures), name="yard", output=tmp_path / "o")
    tables, _ = complete(tmp_path / "o", "yard")
    assert len(tables) == 1


def test_an_error_while_scoring_is_raised_and_what_was_scored_is_written(who, tmp_path):
    model = who(person_threshold=0.1)
    times = itertools.count()
    forward = model.detector.forward

    def broken(frames):
        if next(times) == 3:
            raise ZeroDivisionError
        return forward(frames)

    model.detector.forward = broken
    feed = sent(lambda: (picture(number, number / 8) for number in range(10**6)))
    feed = Feed(name="yard", pictures=feed.pictures)
    options = WatchOptions(per_sec=4.0, track_per_sec=0.0)
    with pytest.raises(ZeroDivisionError):
        watch(model, feed, name="yard", output=tmp_path / "o", options=options)
    complete(tmp_path / "o", "yard")


def test_key_frames_are_dropped_where_the_network_is_slower_than_the_stream(who, tmp_path):
    """Each key frame is scored once the stream is ten seconds further."""
    model, go = who(), threading.Semaphore(0)
    forward = model.detector.forward

    def slow(frames):
        go.acquire(timeout=20)
        return forward(frames)

    model.detector.forward = slow

    def pictures():
        for number in range(320):
            yield picture(number % 60, number / 8)
            if number % 80 == 79:
                time.sleep(0.01)  # what was sent is in the queue
                go.release()
                while go._value:
                    time.sleep(0.001)
        go.release(1000)

    options = WatchOptions(track_per_sec=0.0)
    done = watch(model, sent(pictures), name="yard", output=tmp_path / "o", options=options)
    assert done.dropped_key_frames >= 28
    assert done.key_frames + done.dropped_key_frames == 40
    assert done.dropped_pictures > 0


# The page


def asked(server, path, host=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    connection.request("GET", path, headers={"Host": host} if host else {})
    return connection.getresponse()


def grey_picture(number):
    return lambda: grey(number, (48, 64))


@pytest.fixture
def server():
    with MjpegServer("a <b>", port=0) as found:
        yield found


def shown_until(server, done):
    """Show pictures until something is the case."""
    for number in itertools.count():
        server.show(NOW, grey_picture(number % 60))
        if done():
            return
        assert number < 5000
        time.sleep(0.002)


def read_picture(answer):
    length = 0
    while (line := answer.readline().strip()) or not length:
        if line.startswith(b"Content-Length"):
            length = int(line.split()[1])
    return simplejpeg.decode_jpeg(answer.read(length))


def test_clients_get_pictures_that_become_newer(server):
    found: list[list[int]] = [[], []]

    def client(numbers):
        answer = asked(server, "/stream.mjpg")
        while len(numbers) < 3:
            numbers.append(number_of(read_picture(answer)))
        answer.close()

    threads = [threading.Thread(target=client, args=(numbers,)) for numbers in found]
    for thread in threads:
        thread.start()
    shown_until(server, lambda: all(len(numbers) == 3 for numbers in found))
    for thread in threads:
        thread.join()
    assert all(sorted(set(numbers)) == numbers for numbers in found)
    shown_until(server, lambda: server._newest.clients == 0)


def test_nothing_is_drawn_while_nobody_looks(server):
    def draw():
        raise AssertionError

    server.show(NOW, draw)
    assert asked(server, "/status.json").read().startswith(b'{"video": "yard", "time_sec": 3.0')


def test_a_client_that_takes_nothing_holds_nobody_up(server):
    deaf = socket.create_connection(("127.0.0.1", server.port))
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.sendall(b"GET /stream.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    shown_until(server, lambda: server._newest.clients == 1)
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for _ in range(50):  # far more than a socket holds
        server.show(NOW, lambda: noise)
    answer = asked(server, "/stream.mjpg")
    taken = []
    reader = threading.Thread(target=lambda: taken.append(read_picture(answer)))
    reader.start()
    shown_until(server, lambda: taken)
    reader.join()
    deaf.close()


def test_clients_beyond_the_limit_are_refused(server):
    answers = [asked(server, "/stream.mjpg") for _ in range(MOST_CLIENTS)]
    assert [answer.status for answer in answers] == [200] * MOST_CLIENTS
    assert asked(server, "/stream.mjpg").status == 503
    assert asked(server, "/status.json").status == 200


@pytest.mark.parametrize("path", ["/", "/status.json", "/stream.mjpg"])
def test_requests_by_the_name_of_a_web_site_are_refused(server, path):
    for host in ("evil.example", f"evil.example:{server.port}", "localhost.evil.example"):
        assert asked(server, path, host).status == 403
    for host in ("localhost", f"localhost:{server.port}", "127.0.0.1:80", "[::1]:9"):
        assert asked(server, path, host).status == 200


def test_the_page_has_its_title_as_text_and_nothing_from_elsewhere(server):
    answer = asked(server, "/")
    text = answer.read().decode()
    assert "a &lt;b&gt;" in text
    assert "<b>" not in text
    assert "http://" not in text
    assert "default-src 'none'" in answer.getheader("Content-Security-Policy")
    assert asked(server, "/etc/passwd").status == 404


def test_a_port_that_is_taken_is_told(server):
    with pytest.raises(InputError, match=f"--port {server.port}: cannot listen at 127.0.0.1"):
        MjpegServer("x", port=server.port)


# The command


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--play", "0"], "--play: 0, expected frames a second"),
        (["--play", "8", "--seconds", "x"], "--seconds: needs the whole video"),
        (["--play", "8", "--smooth", "3"], "--smooth: needs the whole video"),
        (["--play", "8", "--part", "0"], "--part: 0, expected minutes"),
        (["--play", "8", "--reconnect", "-1"], "--reconnect: -1, expected a number"),
    ],
)
def test_options_that_do_not_go_with_a_camera_are_refused(tmp_path, capsys, more, told):
    video = write_video(tmp_path / "street.mp4", seconds=1)
    assert main(["predict", str(video), "--model", "none", *more]) == 2
    assert told in capsys.readouterr().err
