import pickle
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import detection

from aia.detect.faster_rcnn import Detector
from aia.detect.model import build_detector, load_detector, save_detector
from aia.errors import InputError

MOBILENET = "fasterrcnn_mobilenet_v3_large_fpn"
CLASSES = ("person", "tv", "phone")


def frames(*sizes_hw: tuple[int, int]) -> list[torch.Tensor]:
    return [torch.randint(0, 256, (h, w, 3), dtype=torch.uint8) for h, w in sizes_hw]


@pytest.fixture
def small() -> Detector:
    """Untrained; so its scores are near one in four, and it finds something everywhere."""
    return build_detector("small", classes=CLASSES, short_side=61).eval()


@pytest.fixture(scope="session")
def coco_weights() -> dict[str, torch.Tensor]:
    """Make weights as torchvision's download: label 1 is the person."""
    torch.manual_seed(0)
    network = detection.fasterrcnn_mobilenet_v3_large_fpn(weights=None, weights_backbone=None)
    return {k: v for k, v in network.state_dict().items() if not k.endswith("num_batches_tracked")}


@pytest.fixture
def coco_is_there(monkeypatch: pytest.MonkeyPatch, coco_weights: dict[str, torch.Tensor]) -> None:
    def fetch(*_: Any, **options: Any) -> dict[str, torch.Tensor]:
        assert options["weights_only"]
        return coco_weights

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fetch)


def test_boxes_are_those_that_torchvision_finds(tmp_path: Path) -> None:
    torch.manual_seed(5)
    theirs = detection.fasterrcnn_mobilenet_v3_large_fpn(
        weights=None, weights_backbone=None, num_classes=2, min_size=71, max_size=118
    ).eval()
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    ours = load_detector(
        tmp_path / "theirs.pth", model=MOBILENET, classes=("person",), short_side=71
    )
    images = frames((61, 83), (67, 71))
    with torch.inference_mode():
        expected = theirs([image.permute(2, 0, 1) / 255 for image in images])
        found = ours(images)
    assert all(len(result["boxes"]) for result in expected)
    for image, his, mine in zip(images, expected, found, strict=True):
        h, w = image.shape[:2]
        pixels = mine.xyxy * torch.tensor([w, h, w, h])
        torch.testing.assert_close(pixels, his["boxes"], atol=1e-3, rtol=0)
        torch.testing.assert_close(mine.score, his["scores"], atol=1e-5, rtol=0)
        assert torch.equal(mine.label + 1, his["labels"])


def test_a_saved_detector_comes_back_from_its_file_alone(small: Detector, tmp_path: Path) -> None:
    images = frames((61, 83))
    for norm in small.network.backbone.modules():  # as if it had seen something
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_(std=0.1)
    before = small(images)[0]
    save_detector(tmp_path / "detector.safetensors", small)
    again = load_detector(tmp_path / "detector.safetensors")
    assert (again.model, again.classes, again.short_side) == ("small", CLASSES, 61)
    after = again(images)[0]
    assert len(before.score)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def test_frozen_norms_stay_frozen_in_a_file(
    coco_is_there: None, tmp_path: Path, small: Detector
) -> None:
    coco = build_detector(MOBILENET, classes=("person",), short_side=71, weights="coco")
    save_detector(tmp_path / "coco.safetensors", coco)
    again = load_detector(tmp_path / "coco.safetensors")
    assert again.norm_eps == 1e-5
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in again.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in small.modules())


def test_the_same_seed_gives_the_same_weights_and_leaves_other_random_numbers_alone() -> None:
    def first_weights(seed: int) -> torch.Tensor:
        detector = build_detector("small", classes=("person",), short_side=61, seed=seed)
        return next(detector.parameters())

    state = torch.random.get_rng_state()
    assert torch.equal(first_weights(3), first_weights(3))
    assert not torch.equal(first_weights(3), first_weights(5))
    assert torch.equal(torch.random.get_rng_state(), state)


def test_coco_weights_keep_their_own_names_where_nothing_is_fine_tuned(
    coco_is_there: None,
) -> None:
    detector = build_detector(
        MOBILENET, classes=CLASSES, short_side=71, weights="coco", finetune=False
    )
    assert len(detector.classes) == 90
    assert detector.classes[0] == "person"
    assert detector.classes[71] == "tv"
    assert detector.short_side == 71


def test_an_exchanged_head_keeps_what_it_knows_of_classes_of_the_same_name(
    coco_is_there: None, coco_weights: dict[str, torch.Tensor]
) -> None:
    detector = build_detector(MOBILENET, classes=CLASSES, short_side=71, weights="coco")
    assert detector.classes == CLASSES
    old = coco_weights["roi_heads.box_predictor.cls_score.weight"]
    new = detector.network.roi_heads.box_predictor
    assert new.cls_score.weight.shape == (4, 1024)
    assert torch.equal(new.cls_score.weight[:3], old[[0, 1, 72]])  # background, person, tv
    assert not (new.cls_score.weight[3] == old).all(dim=1).any()  # COCO calls it a cell phone
    old_boxes = coco_weights["roi_heads.box_predictor.bbox_pred.bias"]
    assert torch.equal(new.bbox_pred.bias[8:12], old_boxes[72 * 4 : 73 * 4])


def test_coco_weights_that_cannot_be_fetched_are_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", fail)
    with pytest.raises(InputError, match=r"no route to host.*detector\.weights"):
        build_detector(MOBILENET, classes=("person",), short_side=71, weights="coco")


def test_the_small_network_has_no_coco_weights() -> None:
    with pytest.raises(InputError, match="no coco weights of small"):
        build_detector("small", classes=("person",), short_side=61, weights="coco")


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(InputError, match="yolo is not one of small, fasterrcnn_resnet50_fpn"):
        build_detector("yolo", classes=("person",), short_side=61)


class Bomb:
    """What a malicious pickle does when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


def test_a_program_in_a_pth_file_is_refused_and_not_run(tmp_path: Path) -> None:
    mark, weights = tmp_path / "it ran", tmp_path / "weights.pth"
    torch.save({"model": Bomb(mark)}, weights)
    with pytest.raises(InputError, match="refused"):
        load_detector(weights, model="small", classes=("person",), short_side=61)
    weights.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(InputError, match="refused"):
        load_detector(weights, model="small", classes=("person",), short_side=61)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["cut.pth", "cut.safetensors"])
def test_a_broken_file_is_an_input_error(tmp_path: Path, name: str, small: Detector) -> None:
    path = tmp_path / name
    with pytest.raises(InputError, match="no such file"):
        load_detector(path)
    if name.endswith("pth"):
        torch.save(small.network.state_dict(), path)
    else:
        save_detector(path, small)
    path.write_bytes(path.read_bytes()[:1009])
    with pytest.raises(InputError, match="whole"):
        load_detector(path)


def test_a_file_of_another_network_is_an_input_error(tmp_path: Path, small: Detector) -> None:
    save_detector(tmp_path / "small.safetensors", small)
    path = str(tmp_path / "small.safetensors")
    with pytest.raises(InputError, match=f"holds a small, but detector.model says {MOBILENET}"):
        build_detector(MOBILENET, classes=CLASSES, short_side=71, weights=path)
    torch.save(small.network.state_dict(), tmp_path / "bare.pth")
    bare = str(tmp_path / "bare.pth")
    with pytest.raises(InputError, match=r"does not fit fasterrcnn_mobilenet.*another network"):
        build_detector(MOBILENET, classes=CLASSES, short_side=71, weights=bare)
    with pytest.raises(InputError, match="a head for 3 classes; expected COCO's 90 or the 1 of"):
        build_detector("small", classes=("person",), short_side=71, weights=bare)
    with pytest.raises(InputError, match="no description"):
        load_detector(bare)


def test_a_state_dict_may_lie_beside_an_optimizer_or_be_safetensors(
    tmp_path: Path, small: Detector
) -> None:
    images = frames((61, 83))
    state = small.network.state_dict()
    torch.save({"model": state, "epoch": 3}, tmp_path / "training.pth")
    save_file(state, tmp_path / "bare.safetensors")
    expected = small(images)[0]
    for name in ("training.pth", "bare.safetensors"):
        again = load_detector(tmp_path / name, model="small", classes=CLASSES, short_side=61)
        torch.testing.assert_close(again(images)[0].xyxy, expected.xyxy)


def test_weights_of_one_size_of_frames_serve_another(tmp_path: Path, small: Detector) -> None:
    path = tmp_path / "small.safetensors"
    save_detector(path, small)
    detector = build_detector("small", classes=CLASSES, short_side=97, weights=str(path))
    assert detector.short_side == 97
    images, _ = detector.network.transform([torch.zeros(3, 61, 83)], None)
    assert images.image_sizes == [(97, 131)]  # 83 * 97 / 61 = 131.98
