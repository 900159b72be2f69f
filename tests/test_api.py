"""The calls of a notebook give the numbers of a whole prediction."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import aia
from aia.api import Predictor
from aia.errors import InputError
from aia.predict.stream import VideoScorer
from aia.video.decode import VideoFile
from tests.predict.conftest import CLASSES, who, write_video  # noqa: F401 (a fixture)

SECONDS, REACH = 7, 3


@pytest.fixture
def seen(who):  # noqa: F811
    """A predictor whose memory has room for all persons: else which are sampled is the clip's."""
    return Predictor(who(reach=REACH, persons_per_clip=5))


@pytest.fixture
def video(tmp_path):
    return write_video(tmp_path / "a.mp4", seconds=SECONDS)


def frames_of(predictor: Predictor, video) -> np.ndarray:
    """All frames of a video as the network sees them, in its own rate."""
    sees = predictor.who.perception
    file = VideoFile(video)
    read = file.frames(fps=sees.fps, short_side=sees.short_side, numbered=sees.numbered)
    scorer = VideoScorer(predictor.who, "a", read, size_hw=(24, 34))
    scorer.window.read_until(SECONDS * 10**3)
    return scorer.window.read(range(len(scorer.window)))


def clip_around(frames: np.ndarray, time_sec: float, *, fps: float, span: int) -> np.ndarray:
    """Frames of a clip with its key frame in the middle, repeated beyond the video's ends."""
    places = round(time_sec * fps) + np.arange(-span, span + 1)
    return frames[np.clip(places, 0, len(frames) - 1)]


@pytest.fixture
def clips(seen, video):
    """Every key frame of the video: its frames, and what was predicted of it."""
    frames = frames_of(seen, video)
    fps, span = seen.who.perception.fps, seen.who.model.run.backbone.span
    moments = list(seen.predict(video))
    assert len(moments) == SECONDS
    return [(clip_around(frames, m.time_sec, fps=fps, span=span), m) for m in moments]


def test_the_scores_of_a_clip_with_memory_are_those_of_the_video(seen, clips):
    remembered = {
        round(m.time_sec): seen.features(frames, m.xyxy) for frames, m in clips if len(m.xyxy)
    }
    asked = [(frames, m) for frames, m in clips if len(m.xyxy)]
    assert len(asked) > 3
    for frames, m in asked:
        now = round(m.time_sec)
        memory = {t - now: P for t, P in remembered.items() if 0 < abs(t - now) <= REACH}
        found = seen.scores(frames, m.xyxy, m.objects_xyxy, memory)
        assert_allclose(found, m.scores, atol=1e-5)
        forgetful = seen.scores(frames, m.xyxy, m.objects_xyxy)
        assert np.abs(forgetful - m.scores).max() > 1e-4  # the memory counts


def test_the_scores_of_a_clip_without_memory_are_those_of_a_run_without(who, video):  # noqa: F811
    seen = Predictor(who("slowfast_tiny-serial-PO-none-s0"))
    frames = frames_of(seen, video)
    fps, span = seen.who.perception.fps, seen.who.model.run.backbone.span
    for m in seen.predict(video):
        if len(m.xyxy):
            clip = clip_around(frames, m.time_sec, fps=fps, span=span)
            assert_allclose(seen.scores(clip, m.xyxy, m.objects_xyxy), m.scores, atol=1e-5)


def test_memory_out_of_reach_is_refused_with_what_is_expected(seen, clips):
    frames, m = next(clip for clip in clips if len(clip[1].xyxy))
    P = seen.features(frames, m.xyxy)
    for offset in (0, REACH + 1, -REACH - 1):
        with pytest.raises(InputError, match=f"second {offset} is out of reach, expected -3 to 3"):
            seen.scores(frames, m.xyxy, memory={offset: P})


def test_a_table_has_a_row_for_each_person_and_a_column_for_each_class(seen, video):
    prediction = seen.predict(video, attention=True)
    assert isinstance(prediction, aia.Prediction)
    table = prediction.to_pandas()
    boxes = ["video", "time_sec", "x1", "y1", "x2", "y2", "score", "track"]
    assert list(table.columns) == [*boxes, "walk", "sit, down", "wave"]
    moments = list(prediction)  # kept: the video is not read again
    assert all(isinstance(moment, aia.Moment) for moment in moments)
    assert len(table) == sum(len(m.xyxy) for m in moments) > 0
    scores = np.concatenate([m.scores for m in moments])
    assert_allclose(table[list(CLASSES.names)].to_numpy(), scores, rtol=0)
    assert set(prediction.attention()["time_sec"]) <= {m.time_sec for m in moments}


def test_classes_are_in_the_order_of_the_scores(seen, clips):
    assert seen.classes == CLASSES
    assert {m.scores.shape[1] for _, m in clips} == {len(CLASSES)}


def test_a_clip_of_nobody_has_no_scores(seen, clips):
    nobody = np.zeros((0, 4), np.float32)
    assert seen.scores(clips[0][0], nobody).shape == (0, len(CLASSES))
    assert seen.features(clips[0][0], nobody).shape[0] == 0


def test_load_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="there is no such model"):
        aia.load(tmp_path / "nothing")
