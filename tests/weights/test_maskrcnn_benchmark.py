"""maskrcnn-benchmark's names: each has its place, or is said to have none."""

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from aia.detect.maskrcnn_benchmark import build_maskrcnn_benchmark
from aia.errors import InputError
from aia.weights.maskrcnn_benchmark import (
    blob_key,
    check_fit,
    detector_key,
    read_maskrcnn_benchmark,
    reference_key,
    rename_blobs,
    rename_detector,
    to_reference,
)

R50, R101, X101 = "maskrcnn_r50_fpn", "maskrcnn_r101_fpn", "maskrcnn_x101_32x8d_fpn"
FILES = {R50: "R_50_FPN.json", X101: "X_101_32x8d_FPN.json"}
STATISTICS = ("running_mean", "running_var")


def without_numbers(model: str) -> nn.Module:
    with torch.device("meta"):
        return build_maskrcnn_benchmark(model)


def reference_of(model: str) -> dict[str, torch.Tensor]:
    """Make a checkpoint of shapes alone, except its anchors."""
    return to_reference(without_numbers(model).state_dict())


def blobs_of(golden: Path) -> dict[str, np.ndarray]:
    """Make a Detectron file of R-50-FPN whose numbers identify their blob."""
    pairs = json.loads((golden / "mrcnn" / "keys" / f"c2_{FILES[R50]}").read_text())["pairs"]
    shapes = {name: tensor.shape for name, tensor in reference_of(R50).items()}
    return {
        blob: np.full(shapes[theirs], number, np.float32)
        for number, (blob, theirs) in enumerate(pairs)
    }


@pytest.fixture(scope="module")
def r50() -> nn.Module:
    torch.manual_seed(0)
    return build_maskrcnn_benchmark(R50)


@pytest.mark.parametrize("model", FILES)
def test_the_published_names_shapes_and_kinds_are_ours_renamed(golden: Path, model: str) -> None:
    published = json.loads((golden / "mrcnn" / "keys" / FILES[model]).read_text())
    network = without_numbers(model)
    reference = to_reference(network.state_dict())
    expected = {name: tuple(shape) for name, shape, _ in published["entries"]}
    assert {name: tuple(tensor.shape) for name, tensor in reference.items()} == expected
    assert len(reference) == published["n"] == {R50: 300, X101: 555}[model]
    parameters = {reference_key(name) for name, _ in network.named_parameters()}
    assert parameters == {name for name, _, kind in published["entries"] if kind == "param"}
    assert sum(tensor.numel() for tensor in network.parameters()) == published["n_params"]
    assert sum(tensor.numel() for tensor in reference.values()) == published["n_total"]


@pytest.mark.parametrize("model", [R50, R101, X101])
def test_a_network_loads_strictly_what_was_renamed_from_its_own_names(model: str) -> None:
    renamed = rename_detector(reference_of(model), source="model.pth")
    check_fit(renamed, model, source="model.pth")
    assert renamed.left_over == []
    assert len(renamed.state) == {R50: 295, R101: 550, X101: 550}[model]
    without_numbers(model).load_state_dict(renamed.state, strict=True, assign=True)


def test_there_and_back_every_tensor_is_the_same(r50: nn.Module) -> None:
    ours = r50.state_dict()
    theirs = to_reference(ours)
    again = rename_detector(theirs, source="model.pth").state
    assert again.keys() == ours.keys()
    assert all(torch.equal(again[name], tensor) for name, tensor in ours.items())
    once_more = to_reference(again)
    assert once_more.keys() == theirs.keys()
    assert all(torch.equal(once_more[name], tensor) for name, tensor in theirs.items())


def test_every_name_has_one_place_and_goes_back_to_itself(golden: Path) -> None:
    entries = json.loads((golden / "mrcnn" / "keys" / FILES[X101]).read_text())["entries"]
    names = [name for name, *_ in entries if "anchor" not in name]
    ours = [detector_key(name) for name in names]
    assert len(set(ours)) == len(names) == 550
    assert [reference_key(name) for name in ours if name] == names


def test_a_file_of_maskrcnn_benchmark_is_read_with_or_without_the_prefix_of_its_training(
    r50: nn.Module, tmp_path: Path
) -> None:
    ours, reference = r50.state_dict(), to_reference(r50.state_dict())
    training = {"optimizer": {"state": {}}, "iteration": 89}
    bare = {"model": reference, **training}
    wrapped = {"model": {f"module.{name}": t for name, t in reference.items()}, **training}
    for content in (reference, bare, wrapped):
        torch.save(content, tmp_path / "model.pth")
        read = read_maskrcnn_benchmark(tmp_path / "model.pth", R50)
        assert read.keys() == ours.keys()
        assert all(torch.equal(read[name], tensor) for name, tensor in ours.items())


def test_heads_for_masks_are_named_as_left_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], r50: nn.Module
) -> None:
    mask = "roi_heads.mask.predictor.conv5_mask.bias"
    torch.save(to_reference(r50.state_dict()) | {mask: torch.zeros(3)}, tmp_path / "model.pth")
    read_maskrcnn_benchmark(tmp_path / "model.pth", R50)
    said = "".join(capsys.readouterr())
    assert f"295 entries placed in {R50}, 1 left over ({mask})" in said


@pytest.mark.parametrize("model", FILES)
def test_every_blob_has_the_name_that_the_references_loader_gives_it(
    golden: Path, model: str
) -> None:
    pairs = json.loads((golden / "mrcnn" / "keys" / f"c2_{FILES[model]}").read_text())["pairs"]
    assert [[blob, blob_key(blob)] for blob, _ in pairs] == pairs
    complete = {
        name
        for name in reference_of(model)
        if not name.endswith(STATISTICS) and "anchor" not in name
    }
    assert {theirs for _, theirs in pairs} == complete
    assert len(pairs) == len(complete) == {R50: 189, X101: 342}[model]


@pytest.mark.parametrize("blob", ["conv1_b", "fc1000_w", "pred_b", "conv1_w_momentum", "res2_0"])
def test_a_blob_without_a_place_has_no_name(blob: str) -> None:
    assert blob_key(blob) is None


def test_a_file_of_detectron_is_read_with_norms_that_only_scale_and_shift(
    golden: Path, tmp_path: Path
) -> None:
    blobs = blobs_of(golden)
    more = {"conv1_w_momentum": np.zeros(3, np.float32), "lr": 0.25}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"blobs": blobs | more, "cfg": "MODEL: x"}, protocol=2))
    state = read_maskrcnn_benchmark(path, R50)
    assert state.keys() == without_numbers(R50).state_dict().keys()
    for blob, array in blobs.items():
        ours = detector_key(blob_key(blob) or "")
        assert ours is not None
        assert torch.equal(state[ours], torch.from_numpy(array))
    assert not state["backbone.body.layer1.0.bn1.running_mean"].any()
    assert (state["backbone.body.layer1.0.downsample.1.running_var"] == 1).all()
    assert rename_blobs(blobs | more, source="x").left_over == ["conv1_w_momentum", "lr"]


def test_a_blob_of_another_shape_is_called_by_its_own_name(golden: Path) -> None:
    blobs = blobs_of(golden) | {"fc7_b": np.zeros(7, np.float32)}
    with pytest.raises(InputError, match=r"model\.pkl: fc7_b has shape \[7\].*expects \[1024\]"):
        check_fit(rename_blobs(blobs, source="model.pkl"), R50, source="model.pkl")


def test_two_blobs_for_one_place_are_an_input_error(golden: Path) -> None:
    blobs = blobs_of(golden)
    blobs["fpn_res4_22_sum_w"] = blobs["fpn_res4_5_sum_w"]
    with pytest.raises(InputError, match="fpn_res4_5_sum_w and fpn_res4_22_sum_w are both"):
        rename_blobs(blobs, source="model.pkl")


@pytest.mark.parametrize(
    ("held", "wanted", "says"),
    [
        (X101, R50, r"layer1\.0\.conv1\.weight has shape \[256, 64, 1, 1\].*\[64, 64, 1, 1\]"),
        (R50, X101, r"layer1\.0\.conv1\.weight has shape \[64, 64, 1, 1\].*\[256, 64, 1, 1\]"),
        (R101, R50, r"has 255 weights that maskrcnn_r50_fpn has not.*backbone\.body\.layer3\.6\."),
        (R50, R101, r"lacks 255 of the 550 weights.*backbone\.body\.layer3\.6\."),
    ],
)
def test_a_file_of_another_network_says_which_it_would_fit(
    held: str, wanted: str, says: str
) -> None:
    renamed = rename_detector(reference_of(held), source="model.pth")
    with pytest.raises(InputError, match=rf"model\.pth: .*{says}.*; it would fit {held} "):
        check_fit(renamed, wanted, source="model.pth")


def test_a_file_of_no_network_says_so() -> None:
    reference = reference_of(R50)
    reference["rpn.head.conv.bias"] = torch.zeros(7)
    with pytest.raises(InputError, match=r"rpn\.head\.conv\.bias has shape \[7\].*fits no other"):
        check_fit(rename_detector(reference, source="x"), R50, source="x")
    with pytest.raises(InputError, match=r"lacks 295 of the 295 weights.*fits no other"):
        check_fit(rename_detector({}, source="x"), R50, source="x")


def test_a_head_for_other_classes_fits() -> None:
    with torch.device("meta"):
        network = build_maskrcnn_benchmark(R50, classes=2)
    check_fit(rename_detector(to_reference(network.state_dict()), source="x"), R50, source="x")


def test_other_anchors_than_the_published_are_an_input_error() -> None:
    reference = reference_of(R50)
    reference["rpn.anchor_generator.cell_anchors.2"] += 1
    with pytest.raises(InputError, match=r"cell_anchors\.2: has other anchors"):
        rename_detector(reference, source="model.pth")


def test_a_file_of_detectron2_is_refused_by_name(tmp_path: Path) -> None:
    names = {"backbone.bottom_up.stem.conv1.weight": np.zeros((64, 3, 7, 7), np.float32)}
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps({"model": names, "__author__": "someone"}))
    with pytest.raises(InputError, match="is of Detectron2"):
        read_maskrcnn_benchmark(path, R50)
    torch.save({name: torch.from_numpy(array) for name, array in names.items()}, f"{path}.pth")
    with pytest.raises(InputError, match="is of Detectron2"):
        read_maskrcnn_benchmark(Path(f"{path}.pth"), R50)


def test_a_name_of_another_network_does_not_go_back() -> None:
    with pytest.raises(InputError, match="anchors_of_mine has no name in maskrcnn-benchmark"):
        to_reference({"anchors_of_mine": torch.zeros(1)})


class Bomb:
    """What a malicious pickle does when it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("suffix", ["pkl", "pth"])
def test_a_program_in_a_checkpoint_is_refused_and_not_run(tmp_path: Path, suffix: str) -> None:
    mark, path = tmp_path / "it ran", tmp_path / f"model.{suffix}"
    path.write_bytes(pickle.dumps({"blobs": {"conv1_w": Bomb(mark)}}, protocol=2))
    with pytest.raises(InputError, match=r"would run|refused"):
        read_maskrcnn_benchmark(path, R50)
    assert not mark.exists()


def test_a_pickle_of_something_else_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps([3, 5]))
    with pytest.raises(InputError, match="holds no named tensors"):
        read_maskrcnn_benchmark(tmp_path / "model.pkl", R50)
