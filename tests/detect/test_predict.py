from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from aia.config import DetectorConfig
from aia.detect.faster_rcnn import Boxes, Detector
from aia.detect.model import build_detector, save_detector
from aia.detect.predict import detect_frames, detect_to_files, detect_video, detector_provenance
from aia.detect.source import LabelledFrame
from aia.errors import InputError
from aia.files import file_digest
from aia.tables import BOX_COLUMNS, read_boxes, write_boxes
from aia.video.store import FrameStore


@pytest.fixture
def video(scenes: list[LabelledFrame], store_of: Callable[..., FrameStore]) -> FrameStore:
    return store_of("room", [scenes[0].rgb] * 6 + [scenes[1].rgb] * 6, fps=4)


@pytest.fixture
def untrained() -> Detector:
    return build_detector("small", classes=("person", "tv"), short_side=61)


class Scripted(Detector):
    """A detector that returns given boxes, and keeps its input frames."""

    def __init__(self, script: list[Boxes]) -> None:
        super().__init__(model="small", classes=("person", "tv", "phone"), short_side=61)
        self.script, self.shown = list(script), []

    def forward(self, frames: list[torch.Tensor]) -> list[Boxes]:
        self.shown.append(frames)
        found, self.script = self.script[: len(frames)], self.script[len(frames) :]
        return found


def boxes(*rows: tuple[float, float, float, float, int, float]) -> Boxes:
    """Make boxes from rows of (x1, y1, x2, y2, label, score)."""
    table = torch.tensor(rows, dtype=torch.float32).reshape(-1, 6)
    return Boxes(table[:, :4], table[:, 4].long(), table[:, 5])


NOTHING = boxes()
SOME = boxes(
    (0.1, 0.1, 0.2, 0.2, 1, 0.9),
    (0.3, 0.1, 0.4, 0.5, 0, 0.8),
    (0.5, 0.1, 0.6, 0.2, 2, 0.7),
    (1.0, 0.1, 1.0, 0.2, 2, 0.6),  # a sliver at the edge
    (0.7, 0.1, 0.8, 0.2, 1, 0.5),
    (0.3, 0.1, 0.4, 0.6, 0, 0.1),
)


def test_no_key_frames_have_no_boxes(
    video: FrameStore, untrained: Detector, tmp_path: Path
) -> None:
    found = detect_video(video, untrained, np.zeros(0), max_objects=5)
    for table in found:
        assert tuple(table.columns) == BOX_COLUMNS
        assert table.empty
        write_boxes(tmp_path / "boxes.parquet", table, provenance={})
        assert read_boxes(tmp_path / "boxes.parquet").dtypes.equals(table.dtypes)


def test_frames_that_show_nothing_have_no_rows(video: FrameStore) -> None:
    detector = Scripted([NOTHING, SOME, NOTHING])
    found = detect_video(video, detector, np.array([0.0, 1.0, 2.0]), max_objects=5, batch=2)
    assert set(found.persons["time_sec"]) == {1.0}
    assert set(found.objects["time_sec"]) == {1.0}
    assert [len(frames) for frames in detector.shown] == [2, 1]


def test_persons_and_objects_part_and_the_best_objects_of_each_frame_stay(
    video: FrameStore,
) -> None:
    detector = Scripted([SOME, SOME])
    found = detect_video(video, detector, np.array([2.0, 1.0, 2.0]), max_objects=2)
    assert found.persons["score"].tolist() == pytest.approx([0.8, 0.1, 0.8, 0.1])
    assert found.persons["label"].unique().tolist() == ["person"]
    assert found.persons["time_sec"].tolist() == [1, 1, 2, 2]  # each time counts once
    assert found.objects["label"].tolist() == ["tv", "phone", "tv", "phone"]
    assert found.objects["score"].tolist() == pytest.approx([0.9, 0.7, 0.9, 0.7])
    assert found.objects["x1"].tolist() == pytest.approx([0.1, 0.5, 0.1, 0.5])
    assert found.persons["video"].unique().tolist() == ["room"]
    assert found.persons["track"].isna().all()


def test_the_nearest_frame_is_shown_and_the_asked_time_written(
    video: FrameStore, scenes: list[LabelledFrame]
) -> None:
    detector = Scripted([SOME, SOME])
    found = detect_video(video, detector, np.array([1.2, 1.4]), max_objects=2)
    assert found.persons["time_sec"].unique().tolist() == [1.2, 1.4]
    (shown,) = detector.shown
    off = [
        [np.abs(frame.numpy() - scene.rgb.astype(int)).mean() for scene in scenes]
        for frame in shown
    ]
    assert np.argmin(off, axis=1).tolist() == [0, 1]  # of 1.25 s and of 1.5 s


def test_frames_find_the_same_boxes_alone_and_in_a_batch(
    untrained: Detector, scenes: list[LabelledFrame]
) -> None:
    frames = np.stack([scene.rgb for scene in scenes])
    together = detect_frames(untrained, frames)
    for number, found in enumerate(together):
        (alone,) = detect_frames(untrained, frames[number : number + 1])
        torch.testing.assert_close(alone.xyxy, found.xyxy, atol=1e-4, rtol=0)


def test_files_say_which_detector_wrote_them(
    video: FrameStore, untrained: Detector, config: DetectorConfig, tmp_path: Path
) -> None:
    weights = tmp_path / "detector.safetensors"
    save_detector(weights, untrained)
    (tmp_path / "val.csv").write_text("room,1,0.1,0.1,0.2,0.2,3\nother,2,0.1,0.1,0.2,0.2,3\n")
    (tmp_path / "train.csv").write_text("room,2\n")

    def detect(store: Path) -> None:
        detect_to_files(
            [(store, tmp_path / "persons.parquet", tmp_path / "objects.parquet")],
            weights=weights,
            annotations=[tmp_path / "train.csv", tmp_path / "val.csv"],
            config=config,
        )

    detect(video.path)
    persons, objects = (read_boxes(tmp_path / f"{n}.parquet") for n in ("persons", "objects"))
    assert set(persons["time_sec"]) | set(objects["time_sec"]) == {1.0, 2.0}
    expected = detector_provenance(untrained, weights)
    assert expected.items() <= persons.attrs["provenance"].items()
    assert persons.attrs["provenance"]["detector_weights"] == file_digest(weights)
    assert len(objects) <= 2 * config.max_objects
    video.path.rename(tmp_path / "cellar.h5")
    with pytest.raises(InputError, match="no key frame of cellar"):
        detect(tmp_path / "cellar.h5")


def test_a_list_of_seconds_is_detected_beside_the_annotated_ones(
    video: FrameStore, untrained: Detector, config: DetectorConfig, tmp_path: Path
) -> None:
    save_detector(tmp_path / "detector.safetensors", untrained)
    (tmp_path / "val.csv").write_text("room,1\n")
    (tmp_path / "seconds.txt").write_text("0002\n0001\n")
    for annotations, expected in (([], {1.0, 2.0}), ([tmp_path / "val.csv"], {1.0, 2.0})):
        detect_to_files(
            [(video.path, tmp_path / "persons.parquet", tmp_path / "objects.parquet")],
            weights=tmp_path / "detector.safetensors",
            annotations=annotations,
            seconds=tmp_path / "seconds.txt",
            config=config,
        )
        tables = [read_boxes(tmp_path / f"{name}.parquet") for name in ("persons", "objects")]
        found = [key for table in tables for key in table["time_sec"]]
        assert set(found) == expected


def test_one_kind_alone_is_written_where_the_other_is_imported(
    video: FrameStore, untrained: Detector, config: DetectorConfig, tmp_path: Path
) -> None:
    weights = tmp_path / "detector.safetensors"
    save_detector(weights, untrained)
    (tmp_path / "val.csv").write_text("room,1\n")
    stores = [(video.path, None, tmp_path / "objects.parquet")]
    detect_to_files(stores, weights=weights, annotations=[tmp_path / "val.csv"], config=config)
    assert sorted(path.name for path in tmp_path.glob("*.parquet")) == ["objects.parquet"]
