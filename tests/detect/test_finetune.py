import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from aia.boxes import iou_matrix
from aia.config import DetectorConfig
from aia.detect.finetune import Draws, finetune_detector, finetune_on_files
from aia.detect.model import build_detector, load_detector, save_detector
from aia.detect.predict import detect_frames
from aia.detect.source import LabelledFrame
from aia.errors import InputError
from aia.files import file_digest
from aia.video.store import FrameStore


def test_two_scenes_are_learned_by_heart(
    scenes: list[LabelledFrame], config: DetectorConfig, tmp_path: Path
) -> None:
    output, metrics = tmp_path / "detector.safetensors", tmp_path / "detector.jsonl"
    finetune_detector(scenes, config=config, output=output, metrics=metrics)
    detector = load_detector(output)
    found = detect_frames(detector, np.stack([scene.rgb for scene in scenes]))
    for scene, boxes in zip(scenes, found, strict=True):
        for label, true_xyxy in enumerate(scene.xyxy):  # the person is 0, the television 1
            iou = iou_matrix(true_xyxy[None].astype(float), boxes.xyxy.double().numpy())[0]
            sure = (boxes.score > 0.8).numpy() & (boxes.label == label).numpy()
            assert sure.sum() == 1
            assert iou[sure] > 0.5

    lines = [json.loads(line) for line in metrics.read_text().splitlines()]
    assert [line["step"] for line in lines] == [10, 20, 30, 40, 50, 60, 70]
    assert lines[-1]["loss"] < 0.5 * lines[0]["loss"]
    parts = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg")
    assert sum(lines[-1][part] for part in parts) == pytest.approx(lines[-1]["loss"], rel=1e-5)


def test_the_same_seed_writes_the_same_file(
    scenes: list[LabelledFrame], config: DetectorConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(config, steps=2)
    digests = []
    for number, seed in enumerate((3, 3, 5)):
        torch.rand(number)  # whatever else was drawn before
        output = tmp_path / f"{number}.safetensors"
        finetune_detector(scenes, config=config, output=output, seed=seed)
        digests.append(file_digest(output))
    assert digests[0] == digests[1] != digests[2]


def test_frames_without_boxes_are_negatives(
    scenes: list[LabelledFrame], config: DetectorConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(config, steps=1)
    empty = LabelledFrame(scenes[0].rgb, np.zeros((0, 4), np.float32), ())
    finetune_detector([empty, empty], config=config, output=tmp_path / "detector.safetensors")
    assert (tmp_path / "detector.safetensors").is_file()


def test_every_frame_is_drawn_once_a_pass_and_half_of_them_mirrored(
    scenes: list[LabelledFrame],
) -> None:
    source = [scenes[0]] * 5
    draws = Draws(source, classes=("person", "tv"), draws=500, seed=0)
    assert len(draws) == 500
    assert (np.sort(draws.order.reshape(100, 5), axis=1) == np.arange(5)).all()
    assert 200 < draws.mirrored.sum() < 300
    straight, mirrored = (draws[int(np.flatnonzero(draws.mirrored == m)[0])] for m in (0, 1))
    assert np.array_equal(straight.frame, scenes[0].rgb)
    assert np.array_equal(mirrored.frame, scenes[0].rgb[:, ::-1])
    left = scenes[0].xyxy[:, [0, 2]]
    np.testing.assert_allclose(mirrored.truth.xyxy[:, [2, 0]], 1 - left, atol=1e-6)
    assert mirrored.truth.label.tolist() == [0, 1]


def test_a_diverging_loss_is_said_so_and_nothing_is_written(
    scenes: list[LabelledFrame], config: DetectorConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(config, steps=10, learning_rate=1e30)
    with pytest.raises(InputError, match=r"detector\.learning_rate = 1e\+30 too high"):
        finetune_detector(scenes, config=config, output=tmp_path / "detector.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def video(scenes: list[LabelledFrame], store_of: Callable[..., FrameStore]) -> FrameStore:
    """The first scene for 1.5 s, then the second."""
    return store_of("room", [scenes[0].rgb] * 6 + [scenes[1].rgb] * 6, fps=4)


def write_tables(scenes: list[LabelledFrame], folder: Path) -> None:
    actions, objects, tracks = [], [], ["frame,id,x1,y1,x2,y2"]
    for second, scene in enumerate(scenes, start=1):
        person, television = (",".join(f"{value:.4f}" for value in box) for box in scene.xyxy)
        actions += [f"room,{second},{person},{action},7" for action in (2, 3)]
        objects.append(f"room,{second},{television},tv")
        tracks += [f"{frame},7,{person}" for frame in range(6 * second - 6, 6 * second)]
    for name, lines in (("actions", actions), ("objects", objects), ("tracks", tracks)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")


def test_fine_tuning_reads_the_tables_of_a_split(
    scenes: list[LabelledFrame], config: DetectorConfig, video: FrameStore, tmp_path: Path
) -> None:
    write_tables(scenes, tmp_path)
    finetune_on_files(
        stores=[video.path],
        annotations=tmp_path / "actions.csv",
        objects=tmp_path / "objects.csv",
        config=dataclasses.replace(config, steps=1),
        output=tmp_path / "detector.safetensors",
    )
    assert load_detector(tmp_path / "detector.safetensors").classes == ("person", "tv")


def test_fine_tuning_reads_the_tracks_of_one_video(
    scenes: list[LabelledFrame],
    config: DetectorConfig,
    video: FrameStore,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_tables(scenes, tmp_path)
    (tmp_path / "excluded.csv").write_text("room,2\n")
    config = dataclasses.replace(config, steps=1, classes=("walker",))

    def finetune(*stores: Path) -> None:
        finetune_on_files(
            stores=stores,
            annotations=tmp_path / "actions.csv",
            excluded=tmp_path / "excluded.csv",
            tracks=tmp_path / "tracks.csv",
            config=config,
            output=tmp_path / "detector.safetensors",
        )

    finetune(video.path)
    assert "from scratch: 4 images, 1 classes" in capsys.readouterr().err  # 0.5 to 1.25 s
    with pytest.raises(InputError, match="one video, but 2 are given"):
        finetune(video.path, video.path.with_name("other.h5"))


def test_weights_that_are_not_fine_tuned_are_passed_on(
    config: DetectorConfig, tmp_path: Path
) -> None:
    start, output = tmp_path / "start.safetensors", tmp_path / "detector.safetensors"
    save_detector(start, build_detector("small", classes=("walker",), short_side=71, seed=3))
    finetune_on_files(
        stores=[],
        annotations=tmp_path / "not read.csv",
        config=dataclasses.replace(config, finetune=False, weights=str(start)),
        output=output,
        metrics=tmp_path / "detector.jsonl",
    )
    before, after = load_detector(start), load_detector(output)
    assert after.classes == ("walker",)
    assert after.short_side == config.short_side
    assert torch.equal(next(before.parameters()), next(after.parameters()))
    assert (tmp_path / "detector.jsonl").read_text() == ""
