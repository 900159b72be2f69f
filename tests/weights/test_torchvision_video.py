"""Weights of torchvision's video models: by name, from a file, or refused."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torchvision.models import get_model

from aia.errors import InputError
from aia.features.torchvision_video import TorchvisionVideo
from aia.weights.torchvision_video import load_torchvision


@pytest.fixture
def backbone() -> TorchvisionVideo:
    return TorchvisionVideo(model="r3d_18", frozen_norm=True)


@pytest.fixture(scope="module")
def published() -> dict[str, torch.Tensor]:
    """Make a state dict of torchvision, including the classifier."""
    torch.manual_seed(7)
    return get_model("r3d_18", weights=None).state_dict()


def holds(backbone: TorchvisionVideo, state: dict[str, torch.Tensor]) -> bool:
    ours = backbone.network.state_dict()
    return all(torch.equal(tensor, state[name]) for name, tensor in ours.items())


def test_scratch_leaves_the_weights_as_they_are(backbone):
    before = {name: tensor.clone() for name, tensor in backbone.network.state_dict().items()}
    load_torchvision(backbone, "scratch")
    assert holds(backbone, before)


def test_the_published_weights_are_taken_by_their_name(backbone, published, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(published, tmp_path / "hub" / "checkpoints" / "r3d_18-b3b3357e.pth")
    load_torchvision(backbone, "KINETICS400_V1")
    assert holds(backbone, published)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_a_file_of_torchvisions_layout_is_read(backbone, published, tmp_path, suffix):
    path = tmp_path / f"r3d.{suffix}"
    if suffix == "pth":
        torch.save({"model": published, "epoch": 3}, path)  # as its training script saves it
    else:
        save_file(published, path)
    load_torchvision(backbone, str(path))
    assert holds(backbone, published)


def test_weights_of_another_network_are_refused(backbone, tmp_path):
    state = get_model("mc3_18", weights=None).state_dict()
    torch.save(state, tmp_path / "mc3.pth")
    before = {name: tensor.clone() for name, tensor in backbone.network.state_dict().items()}
    with pytest.raises(InputError, match=r"does not fit r3d_18: .* another shape, the first is"):
        load_torchvision(backbone, str(tmp_path / "mc3.pth"))
    assert holds(backbone, before)


def test_a_missing_tensor_is_named(backbone, published, tmp_path):
    state = {name: tensor for name, tensor in published.items() if name != "stem.0.weight"}
    torch.save(state, tmp_path / "r3d.pth")
    with pytest.raises(InputError, match=r"1 tensors are missing.*stem.0.weight"):
        load_torchvision(backbone, str(tmp_path / "r3d.pth"))


class _Program:
    def __reduce__(self):
        return print, ("this must not run",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (pickle.dumps(_Program()), "could run a program"),
        (b"PK\x03\x04 cut off", "cannot be read as a checkpoint"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(backbone, tmp_path, content, message, capsys):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        load_torchvision(backbone, str(path))
    assert capsys.readouterr().out == ""


def test_without_a_network_the_message_says_where_to_fetch_from(backbone, tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", unreachable)
    with pytest.raises(
        InputError, match=r"no route to host.*download https://.*r3d_18-b3b3357e.pth"
    ):
        load_torchvision(backbone, "KINETICS400_V1")
