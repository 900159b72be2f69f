from pathlib import Path

import numpy as np
import pytest

from aia.cli.figures import by_name
from aia.errors import InputError
from aia.report.drawing import Videos, crop
from aia.video.store import skip_video


def test_a_skipped_video_is_not_among_the_videos(scene, tmp_path: Path) -> None:
    skip_video(tmp_path / "broken.h5", why="no video stream")
    videos = Videos([tmp_path / "broken.h5", scene.folder / "red.h5"])
    assert "broken" not in videos
    assert "red" in videos
    with pytest.raises(InputError, match="broken: no frame store of that name among 1 given"):
        videos.frame("broken", 1.0)


def test_the_frame_of_a_time_is_the_nearest_one(scene) -> None:
    rgb = scene.videos.frame("blue-1", 3.1)
    assert rgb.shape == (32, 48, 3)
    np.testing.assert_array_equal(rgb, scene.videos.frame("blue-1", 3.0))


def test_a_crop_stays_within_the_frame_and_is_never_empty() -> None:
    rgb = np.arange(7 * 11 * 3, dtype=np.uint8).reshape(7, 11, 3)
    np.testing.assert_array_equal(crop(rgb, [0.0, 0.0, 1.0, 1.0], margin=0.5), rgb)
    assert crop(rgb, [1.0, 1.0, 1.0, 1.0], margin=0.0).size > 0


def test_files_of_one_name_stay_together_in_their_order() -> None:
    assert by_name(["b=2.csv", "a=1.csv", "b=x=y.csv"], str) == {
        "b": ["2.csv", "x=y.csv"],
        "a": ["1.csv"],
    }


@pytest.mark.parametrize("text", ["metrics.csv", "=metrics.csv", "run="])
def test_a_file_without_a_name_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected NAME=PATH"):
        by_name([text], str)
