"""The networks against the numbers that maskrcnn-benchmark gave for the same weights."""

import dataclasses
import json
import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torchvision.models.detection.generalized_rcnn import GeneralizedRCNN

from aia.cli import main
from aia.config import DetectorConfig
from aia.detect.faster_rcnn import Boxes, Detector
from aia.detect.maskrcnn_benchmark import (
    MASKRCNN_BENCHMARK,
    LegacyTransform,
    build_maskrcnn_benchmark,
    coco_classes,
    resized_hw,
)
from aia.detect.model import load_detector
from aia.errors import InputError
from aia.weights.maskrcnn_benchmark import rename_detector, to_reference

R50 = "maskrcnn_r50_fpn"
X101 = "maskrcnn_x101_32x8d_fpn"
LEVELS = ("P2", "P3", "P4", "P5", "P6")


class Golden(NamedTuple):
    numbers: Mapping[str, np.ndarray]
    images: list[torch.Tensor]
    """RGB bytes, [3, h, w]."""


class Traced(NamedTuple):
    """What the batch of two images became on its way."""

    inputs: torch.Tensor
    sizes_hw: list[tuple[int, int]]
    maps: dict[str, torch.Tensor]
    proposals: list[torch.Tensor]
    found: list[dict[str, torch.Tensor]]


def network_of_recipe(golden: Path, name: str, keys: str) -> GeneralizedRCNN:
    folder = golden / "mrcnn"
    weight = runpy.run_path(str(folder / "recipe.py"))["weight"]
    entries = json.loads((folder / "keys" / keys).read_text())["entries"]
    reference = {
        key: torch.from_numpy(weight(key, shape))
        for key, shape, _ in entries
        if "cell_anchors" not in key
    }
    network = build_maskrcnn_benchmark(name, short_side=320)
    network.load_state_dict(rename_detector(reference, source=keys).state)
    return network.eval()


@pytest.fixture(scope="module")
def r50(golden: Path) -> GeneralizedRCNN:
    return network_of_recipe(golden, R50, "R_50_FPN.json")


@pytest.fixture(scope="module")
def expected(golden: Path) -> Golden:
    recipe = runpy.run_path(str(golden / "mrcnn" / "recipe.py"))
    images = [torch.from_numpy(recipe["image"](*image)) for image in recipe["IMAGES"]]
    with np.load(golden / "mrcnn" / "R_50_FPN.npz") as file:
        return Golden(dict(file), [image.permute(2, 0, 1) for image in images])


@pytest.fixture(scope="module")
def traced(r50: GeneralizedRCNN, expected: Golden) -> Traced:
    maps: dict[str, Any] = {}
    body = r50.backbone.body
    stages = {"stem": body.maxpool, **{f"layer{n}": body[f"layer{n}"] for n in (1, 2, 3, 4)}}
    parts = stages | {"pyramid": r50.backbone, "rpn": r50.rpn.head, "proposals": r50.rpn}
    hooks = [
        part.register_forward_hook(lambda _, __, out, name=name: maps.__setitem__(name, out))
        for name, part in parts.items()
    ]
    with torch.inference_mode():
        found = r50(expected.images)
        images, _ = r50.transform(expected.images)
    for hook in hooks:
        hook.remove()
    proposals, _ = maps.pop("proposals")
    logits, deltas = maps.pop("rpn")
    pyramid = maps.pop("pyramid").values()
    maps = {f"feat.{name}": map_ for name, map_ in maps.items()}
    for kind, of_levels in (("feat", pyramid), ("rpn.logits", logits), ("rpn.deltas", deltas)):
        maps |= {f"{kind}.{level}": map_ for level, map_ in zip(LEVELS, of_levels, strict=True)}
    return Traced(images.tensors, images.image_sizes, maps, proposals, found)


def assert_paired(
    found: dict[str, torch.Tensor], numbers: Mapping[str, np.ndarray], image: str
) -> None:
    """Check that each box has one of ours with its label, within 0.05 pixel and 1e-3 in score."""
    labels, scores, boxes = (
        torch.from_numpy(numbers[f"{image}.{part}"]) for part in ("labels", "scores", "boxes")
    )
    assert len(found["labels"]) == len(labels) > 0
    # 1 where a pair is just beyond the tolerance in box or score.
    off = (found["boxes"][:, None] - boxes[None]).abs().amax(dim=2) / 0.05
    off = off.maximum((found["scores"][:, None] - scores[None]).abs() / 1e-3)
    off[found["labels"][:, None] != labels[None]] = torch.inf
    worst, nearest = off.min(dim=0)
    assert worst.max() < 1
    assert len(nearest.unique()) == len(labels)


@pytest.mark.parametrize("rule", ["cases", "min256_max464"])
def test_sizes_are_the_references(golden: Path, rule: str) -> None:
    cases = json.loads((golden / "mrcnn" / "resize_sizes.json").read_text())[rule]
    short_side, long_side = (800, 1333) if rule == "cases" else (256, 464)
    found = [resized_hw((h, w), short_side=short_side, long_side=long_side) for (w, h), _ in cases]
    assert found == [tuple(size_hw) for _, size_hw in cases]
    assert len(found) == 17


def test_inputs_are_the_references(traced: Traced, expected: Golden) -> None:
    numbers = expected.numbers
    assert traced.inputs.shape == tuple(numbers["input.batch_shape"])
    for index, (h, w) in enumerate(traced.sizes_hw):
        name = f"input.i{index}"
        raw = expected.images[index].long().sum(dim=(1, 2))
        assert raw.tolist() == numbers[f"raw.i{index}.sum"].tolist()
        image, padding = traced.inputs[index, :, :h, :w], traced.inputs[index].clone()
        padding[:, :h, :w] = 0
        assert (3, h, w) == tuple(numbers[f"{name}.shape"])
        assert not padding.any()
        assert torch.equal(image[:, 100:104, 100:108], torch.from_numpy(numbers[f"{name}.slice"]))
        sums = image.double().sum(dim=(1, 2)).numpy()
        np.testing.assert_allclose(sums, numbers[f"{name}.sum"], atol=0.1)


def test_shrunk_images_are_pils(golden: Path, expected: Golden) -> None:
    numbers = np.load(golden / "mrcnn" / "units.npz")
    shrink = LegacyTransform(short_side=128, long_side=150)
    for index, image in enumerate(expected.images):
        small = torch.from_numpy(numbers[f"down.i{index}"])
        images, _ = shrink([image])
        (size_hw,) = images.image_sizes
        assert size_hw == small.shape[1:]
        assert torch.equal(images.tensors[0, :, : size_hw[0], : size_hw[1]], small)


def test_bytes_and_their_255ths_are_the_same_image(expected: Golden) -> None:
    transform = LegacyTransform(short_side=128, long_side=150)
    every_byte = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16).expand(3, 16, 16)
    for image in (every_byte, expected.images[1]):
        assert torch.equal(transform([image])[0].tensors, transform([image / 255])[0].tensors)


def test_feature_maps_and_the_rpns_are_the_references(traced: Traced, expected: Golden) -> None:
    names = {key.removesuffix(".slice") for key in expected.numbers if key.endswith("slice")}
    assert traced.maps.keys() == {name for name in names if name.startswith(("feat.", "rpn."))}
    for name, map_ in traced.maps.items():
        assert map_.shape == tuple(expected.numbers[f"{name}.shape"])
        part = map_[:, :8, map_.shape[2] // 2, :12].numpy()
        np.testing.assert_allclose(part, expected.numbers[f"{name}.slice"], atol=1e-4, rtol=0)
        moments = [map_.double().mean().item(), map_.double().std().item()]
        np.testing.assert_allclose(moments, expected.numbers[f"{name}.mean_std"], atol=1e-5)


def test_the_thousand_proposals_are_the_references(
    r50: GeneralizedRCNN, traced: Traced, expected: Golden
) -> None:
    for index, proposals in enumerate(traced.proposals):
        theirs = torch.from_numpy(expected.numbers[f"proposals.i{index}.boxes"])
        assert proposals.shape == theirs.shape == (1000, 4)
        apart = torch.cdist(proposals, theirs, p=torch.inf)
        assert apart.amin(dim=0).max() < 0.05
        assert apart.amin(dim=1).max() < 0.05
    levels = r50.roi_heads.box_roi_pool.map_levels(traced.proposals)
    assert levels.bincount(minlength=4).tolist() == [1664, 294, 42, 0]


def test_objectness_is_the_references_and_falls(
    r50: GeneralizedRCNN, traced: Traced, expected: Golden
) -> None:
    maps, rpn = traced.maps, r50.rpn
    logits = [maps[f"rpn.logits.{level}"] for level in LEVELS]
    counts = [map_[0].numel() for map_ in logits]
    objectness = torch.cat([map_.permute(0, 2, 3, 1).flatten(1) for map_ in logits], dim=1)
    # As if every anchor were a box far from all others, so that nothing is suppressed.
    corner = torch.arange(objectness.shape[1]).float()[:, None] * 10
    boxes = (corner + torch.tensor([0.0, 0.0, 4.0, 4.0])).expand(2, -1, 4)
    _, scores = rpn.filter_proposals(boxes, objectness.reshape(-1, 1), [(10**7,) * 2] * 2, counts)
    for image, score in enumerate(scores):
        theirs = torch.from_numpy(expected.numbers[f"proposals.i{image}.objectness"])
        assert (score.diff() <= 0).all()
        assert score.shape == (1000,)
        torch.testing.assert_close(score[0], theirs[0], atol=1e-5, rtol=0)
        # Suppression only takes boxes away, so the survivors of the reference score no better.
        assert (score >= theirs - 1e-5).all()


def test_the_head_is_the_references_on_its_own_proposals(
    r50: GeneralizedRCNN, traced: Traced, expected: Golden
) -> None:
    numbers, heads = expected.numbers, r50.roi_heads
    proposals = [torch.from_numpy(numbers[f"proposals.i{image}.boxes"]) for image in (0, 1)]
    pyramid = {str(n): traced.maps[f"feat.{level}"] for n, level in enumerate(LEVELS)}
    with torch.inference_mode():
        pooled = heads.box_roi_pool(pyramid, proposals, traced.sizes_hw)
        fc7 = heads.box_head(pooled)
        logits, deltas = heads.box_predictor(fc7)
    rows = numbers["head.rows"]
    assert len(pooled) == 2000
    for found, name, part in (
        (pooled, "pooled", pooled[rows, :4]),
        (fc7, "fc7", fc7[rows, :32]),
        (logits, "class_logits", logits[rows]),
        (deltas, "bbox_pred", deltas[rows]),
    ):
        slice_ = numbers.get(f"head.{name}.slice", numbers.get(f"head.{name}"))
        np.testing.assert_allclose(part.numpy(), slice_, atol=1e-4, rtol=0)
        moments = [found.double().mean().item(), found.double().std().item()]
        np.testing.assert_allclose(moments, numbers[f"head.{name}.mean_std"], atol=1e-5)


def test_boxes_of_a_batch_are_the_references_best_first(traced: Traced, expected: Golden) -> None:
    for index, found in enumerate(traced.found):
        assert_paired(found, expected.numbers, f"det.i{index}")
        assert len(found["scores"]) == 100
        assert (found["scores"].diff() <= 0).all()


def test_boxes_without_a_limit_are_the_references(
    r50: GeneralizedRCNN, expected: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r50.roi_heads, "detections_per_img", 0)
    with torch.inference_mode():
        found = r50(expected.images)
    for index, count in enumerate((1636, 1195)):
        assert len(found[index]["scores"]) == count
        assert_paired(found[index], expected.numbers, f"uncapped.i{index}")


@pytest.mark.parametrize("index", [0, 1])
def test_boxes_of_a_single_image_are_the_references(
    r50: GeneralizedRCNN, expected: Golden, index: int
) -> None:
    with torch.inference_mode():
        (found,) = r50([expected.images[index]])
        images, _ = r50.transform([expected.images[index]])
    assert images.tensors.shape == tuple(expected.numbers[f"single.i{index}.batch_shape"])
    assert_paired(found, expected.numbers, f"single.i{index}")


def test_boxes_of_an_enlarged_image_are_the_references(
    r50: GeneralizedRCNN, expected: Golden, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r50.transform, "min_size", (480,))
    numbers = expected.numbers
    with torch.inference_mode():
        images, _ = r50.transform([expected.images[1]])
        proposals, _ = r50.rpn(images, r50.backbone(images.tensors))
        (found,) = r50([expected.images[1]])
    ((h, w),) = images.image_sizes
    inputs = images.tensors[0, :, :h, :w]
    assert inputs.shape == tuple(numbers["up.i1.input_shape"])
    part = inputs[:, 100:104, 100:108]
    assert torch.equal(part, torch.from_numpy(numbers["up.i1.input_slice"]))
    sums = inputs.double().sum(dim=(1, 2)).numpy()
    np.testing.assert_allclose(sums, numbers["up.i1.input_sum"], atol=0.1)
    apart = torch.cdist(proposals[0], torch.from_numpy(numbers["up.i1.proposals"]), p=torch.inf)
    assert max(apart.amin(dim=0).max(), apart.amin(dim=1).max()) < 0.05
    levels = r50.roi_heads.box_roi_pool.map_levels(proposals)
    assert levels.bincount(minlength=4).tolist() == numbers["up.level_counts"].tolist()
    assert_paired(found, numbers, "up.i1")


def test_an_image_without_anything_has_no_boxes(
    r50: GeneralizedRCNN, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(r50.roi_heads, "score_thresh", 1.0)
    monkeypatch.setattr(r50.transform, "min_size", (33,))
    with torch.inference_mode():
        (found,) = r50([torch.zeros(3, 33, 41, dtype=torch.uint8)])
    assert {name: tuple(part.shape) for name, part in found.items()} == {
        "boxes": (0, 4),
        "scores": (0,),
        "labels": (0,),
    }


def test_boxes_that_tie_with_the_last_one_are_kept(r50: GeneralizedRCNN) -> None:
    heads = build_maskrcnn_benchmark(R50, classes=3, detections_per_image=2).roi_heads
    corners = torch.tensor([0.0, 40.0, 80.0, 120.0])[:, None]
    proposals = corners + torch.tensor([0.0, 0.0, 10.0, 10.0])
    logits = torch.tensor([[0.0, 3, 0], [0, 2, 0], [0, 2, 0], [0, 1, 0]])
    boxes, scores, labels = heads.postprocess_detections(
        logits, torch.zeros(4, 12), [proposals], [(200, 200)]
    )
    first = labels[0] == 1
    assert torch.equal(boxes[0][first], proposals[:3])
    assert scores[0][first][1] == scores[0][first][2]
    assert len(labels[0]) == 3


def test_the_stride_is_in_the_first_convolution_of_all_but_the_resnext() -> None:
    for name in MASKRCNN_BENCHMARK:
        with torch.device("meta"):
            body = build_maskrcnn_benchmark(name).backbone.body
        first = [body[f"layer{n}"][0] for n in (1, 2, 3, 4)]
        strides = [(block.conv1.stride, block.conv2.stride) for block in first]
        halved = ((1, 1), (2, 2)) if name == X101 else ((2, 2), (1, 1))
        assert strides == [((1, 1), (1, 1)), halved, halved, halved]


def test_coco_has_eighty_names_and_the_person_is_the_first() -> None:
    names = coco_classes()
    assert len(names) == len(set(names)) == 80
    assert (names[0], names[79]) == ("person", "toothbrush")


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(InputError, match="r18 is not one of maskrcnn_r50_fpn"):
        build_maskrcnn_benchmark("r18")


def test_a_checkpoint_in_the_settings_becomes_a_detector_with_the_references_boxes(
    r50: GeneralizedRCNN, expected: Golden, config: DetectorConfig, tmp_path: Path
) -> None:
    checkpoint = to_reference(r50.state_dict())
    torch.save({"model": {f"module.{k}": v for k, v in checkpoint.items()}}, tmp_path / "r50.pth")
    changes = {"model": R50, "weights": str(tmp_path / "r50.pth"), "finetune": False}
    settings = {"detector": dataclasses.asdict(config) | changes | {"short_side": 320}}
    status = main(
        [
            *("finetune-detector", "--frames", "--annotations", "not read.csv"),
            *("--output", str(tmp_path / "r50.safetensors"), "--settings", json.dumps(settings)),
        ]
    )
    assert status == 0
    detector = load_detector(tmp_path / "r50.safetensors")
    assert (detector.model, detector.short_side, detector.classes) == (R50, 320, coco_classes())
    image = expected.images[0]
    size = torch.tensor([480, 320, 480, 320])
    tf32: list[bool] = []
    for part in (detector.network.backbone, detector.network.rpn.head):
        part.register_forward_hook(lambda *_: tf32.append(torch.backends.cudnn.allow_tf32))
    allowed = torch.backends.cudnn.allow_tf32
    with torch.inference_mode():
        (found,) = detector([image.permute(1, 2, 0)])
    assert tf32 == [False, False]  # a GPU would round the numbers below
    assert torch.backends.cudnn.allow_tf32 == allowed
    pixels = {"boxes": found.xyxy * size, "scores": found.score, "labels": found.label + 1}
    assert_paired(pixels, expected.numbers, "single.i0")


def test_the_network_learns_with_torchvisions_losses_and_keeps_its_first_stage(
    r50: GeneralizedRCNN, expected: Golden
) -> None:
    detector = Detector(model=R50, classes=coco_classes(), short_side=97)
    detector.network.load_state_dict(r50.state_dict())
    detector.train()
    frame = expected.images[0].permute(1, 2, 0)
    truth = Boxes(torch.tensor([[0.1, 0.2, 0.5, 0.9]]), torch.tensor([0]), torch.ones(1))
    losses = detector.losses([frame], [truth])
    assert len(losses) == 4
    torch.stack(list(losses.values())).sum().backward()
    body = detector.network.backbone.body
    assert body.layer1[0].conv1.weight.grad is None
    assert body.layer2[0].conv1.weight.grad.abs().sum() > 0


def test_the_resnext_finds_in_a_batch_and_alone_what_the_reference_does(
    golden: Path, expected: Golden
) -> None:
    network = network_of_recipe(golden, X101, "X_101_32x8d_FPN.json")
    with torch.inference_mode():
        batch, alone = network(expected.images), network(expected.images[:1])
    # The padding of a batch changes what the network sees, and so its scores.
    assert [len(found["scores"]) for found in (*batch, *alone)] == [100, 100, 100]
    assert batch[0]["scores"][0].item() == pytest.approx(0.9986, abs=1e-4)
    assert alone[0]["scores"][0].item() == pytest.approx(0.9974, abs=1e-4)
