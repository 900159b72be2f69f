"""Predictions of a video while it is read are those of the two passes over its frame store."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from aia.config import FramesConfig, ScoreConfig
from aia.datasets.ava import detected_clips, listed_clips, with_objects
from aia.detect.predict import detect_video
from aia.evaluate.score import score_clips
from aia.predict.folder import predict_video
from aia.predict.stream import VideoScorer, _key_times
from aia.tables import write_boxes
from aia.video.decode import VideoFile
from aia.video.store import FrameStore, make_store
from tests.predict.conftest import CLASSES, CONFIG, write_video

CPU = torch.device("cpu")


def by_workflow(who, video, folder, times_sec):
    """Frame store, boxes in files, clips, two passes: as the commands of the workflow do it."""
    sees = who.perception
    frames = CONFIG["frames"] | {
        name: getattr(sees, name) for name in ("fps", "short_side", "codec", "quality")
    }
    path = folder / f"{video.stem}.h5"
    make_store(video, path, config=FramesConfig(**frames))
    store = FrameStore(path)
    found = detect_video(
        store, who.detector, np.array(times_sec), max_objects=sees.detector_max_objects
    )
    for kind in ("persons", "objects"):
        write_boxes(folder / f"{kind}.parquet", getattr(found, kind), provenance={})
    clips = listed_clips({video.stem: times_sec}, labels=CLASSES, per_sec=sees.clips_per_sec)
    clips = detected_clips(
        clips,
        [folder / "persons.parquet"],
        threshold=sees.person_threshold,
        per_sec=sees.clips_per_sec,
    )
    clips = with_objects(
        clips,
        detected=[folder / "objects.parquet"],
        threshold=sees.object_threshold,
        most=who.model.run.network.max_objects,
        per_sec=sees.clips_per_sec,
    )
    config = ScoreConfig(
        batch=5, objects="detected", extend=sees.extend, precision="float32", workers=0
    )
    return score_clips(
        who.model,
        clips,
        {video.stem: store},
        config=config,
        extend=True,
        device=CPU,
        attention_of=[clip.key for clip in clips],
    )


def assert_same(prediction, scored, attention=None):
    table = prediction.table()
    for name in ("video", "time_sec"):
        assert table.boxes[name].tolist() == scored.boxes[name].tolist()
    for name in ("x1", "y1", "x2", "y2", "score"):
        assert_array_equal(table.boxes[name], scored.boxes[name])
    assert_allclose(table.scores, scored.scores, rtol=1e-5, atol=1e-6)
    assert np.ptp(table.scores, axis=0).min() > 1e-3, "scores that are all alike prove nothing"
    if attention is not None:
        found = prediction.attention()
        both = found.merge(attention, on=["time_sec", "target", "block", "slot_sec", "slot"])
        assert len(both) == len(found)
        assert_allclose(both["weight_x"], both["weight_y"], rtol=1e-4, atol=1e-6)
        assert_array_equal(both["x1_x"], both["x1_y"])


@pytest.mark.parametrize("codec", ["jpeg", "h264"])
@pytest.mark.parametrize(
    "name",
    [
        "slowfast_tiny-serial-POM-amu-s0",
        "slowfast_tiny-dense-PMO-amu-s0",
        "slowfast_tiny-lfb-MM-frozen-s0",
        "slowfast_tiny-nl-s0",
        "slowfast_tiny-none-s0",
    ],
)
def test_scores_and_attention_are_those_of_the_workflow(who, tmp_path, name, codec):
    video = write_video(tmp_path / "street.mp4", seconds=23.4)
    model = who(name, codec=codec)
    scored, attention = by_workflow(model, video, tmp_path, [float(t) for t in range(24)])
    found = predict_video(model, VideoFile(video), name="street", attention=True)
    assert_same(found, scored, attention if name[14:20] in ("serial", "dense-") else None)


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_scores_do_not_depend_on_how_many_key_frames_are_taken_together(who, tmp_path, batch):
    video = write_video(tmp_path / "street.mp4", seconds=17)
    model, file = who(), VideoFile(video)
    scored, _ = by_workflow(model, video, tmp_path, [float(t) for t in range(17)])
    frames = file.frames(fps=4.0, short_side=24)
    moments = list(VideoScorer(model, "street", frames, size_hw=(24, 34), batch=batch))
    assert [moment.time_sec for moment in moments] == [float(t) for t in range(17)]
    scores = np.concatenate([moment.scores for moment in moments])
    assert_allclose(scores, scored.scores, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "times_sec", [[1.0, 2.0, 3.0, 7.0, 19.0], [0.0, 1.0, 2.0, *map(float, range(30, 58))]]
)
def test_a_video_may_have_key_frames_of_its_own(who, tmp_path, times_sec):
    video = write_video(tmp_path / "street.mp4", seconds=60)
    model = who()
    scored, _ = by_workflow(model, video, tmp_path, times_sec)
    found = predict_video(model, VideoFile(video), name="street", times_sec=times_sec)
    assert_same(found, scored)


def test_key_frames_between_seconds_read_the_same_memory(who, tmp_path):
    """At four a second, whole seconds have the scores that they have at one a second."""
    video = write_video(tmp_path / "street.mp4", seconds=12)
    model = who()
    once = predict_video(model, VideoFile(video), name="street").table()
    often = predict_video(model, VideoFile(video), name="street", per_sec=4.0).table()
    whole = (often.boxes["time_sec"] % 1 == 0).to_numpy()
    assert whole.sum() < len(whole) / 3
    assert_array_equal(often.boxes["x1"][whole], once.boxes["x1"])
    assert_allclose(often.scores[whole], once.scores, rtol=1e-5, atol=1e-6)


def test_frames_that_only_help_to_follow_persons_change_no_score(who, tmp_path):
    video = write_video(tmp_path / "street.mp4", seconds=9)
    tables = [
        predict_video(who(), VideoFile(video), name="street", track_per_sec=rate).table()
        for rate in (0.0, 4.0)
    ]
    assert_array_equal(tables[0].boxes["x1"], tables[1].boxes["x1"])
    assert_allclose(tables[0].scores, tables[1].scores, rtol=1e-5, atol=1e-6)
    assert (tables[1].boxes["track"] > 0).all()


def test_memory_is_bounded_and_frames_are_dropped(who, tmp_path):
    video = write_video(tmp_path / "street.mp4", seconds=120)
    scorer = VideoScorer(
        who(), "street", VideoFile(video).frames(fps=4.0, short_side=24), size_hw=(24, 34), batch=4
    )
    most = 0
    for _ in scorer:
        held = scorer.window
        most = max(most, len(held._pieces), 4 * len(scorer.held))
    assert len(scorer.window) == 480
    assert most <= 4 * 4 + 2 * 8 + 4 * scorer.size


def test_live_scores_use_the_past_alone(who, tmp_path):
    """The last second of ever longer beginnings of a video: what came later changes nothing."""
    video = write_video(tmp_path / "street.mp4", seconds=9)
    model = who()

    def frames():
        return VideoFile(video).frames(fps=4.0, short_side=24)

    live = list(VideoScorer(model, "street", frames(), size_hw=(24, 34), live=True))
    for moment in live:
        times = [float(t) for t in range(int(moment.time_sec) + 1)]
        scorer = VideoScorer(model, "street", frames(), size_hw=(24, 34), times_sec=times)
        assert_allclose(list(scorer)[-1].scores, moment.scores, rtol=1e-5, atol=1e-6)


def test_a_video_shorter_than_a_clip_is_scored_and_told(who, tmp_path, capsys):
    video = write_video(tmp_path / "street.mp4", seconds=0.5)
    found = predict_video(who(person_threshold=0.0), VideoFile(video), name="street")
    assert [moment.time_sec for moment in found] == [0.0]
    assert "lasts 0.50 s and a clip of this network 2.00 s" in capsys.readouterr().err


def test_of_key_frames_in_one_place_of_the_memory_the_nearest_is_remembered():
    keys = list(_key_times(1.0, [0.0, 0.4, 0.6, 0.9, 1.0, 1.2, 3.3, 3.4], slots_per_sec=1.0))
    assert [key.remembered for key in keys] == [1, 0, 0, 0, 1, 0, 1, 0]
