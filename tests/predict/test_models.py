"""Models by name, exported folders, and hubs."""

import dataclasses
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import yaml

from aia.cli import main
from aia.detect.model import build_detector, save_detector
from aia.errors import InputError
from aia.predict import models
from aia.predict.model import load_action_detector
from aia.predict.models import is_repository, published_file, published_models
from aia.run import Run
from aia.video.decode import VideoFile
from tests.predict.conftest import write_video


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AIA_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run_folder(who, tmp_path) -> Path:
    """A finished run of a data set, as the workflow leaves it."""
    folder = tmp_path / "results" / "small" / "runs" / "slowfast_tiny-serial-POM-amu-s0"
    model = who(person_threshold=0.05).model
    model.run.write(folder / "model.safetensors", model.network.state_dict())
    detector = build_detector("small", classes=("person", "tv"), short_side=24)
    save_detector(folder.parents[1] / "detector.safetensors", detector)
    metrics = folder.parents[1] / "metrics" / f"{folder.name}.val.csv"
    metrics.parent.mkdir()
    metrics.write_text("metric,class_id,class_name,value\nmAP@0.5,,,0.625\nAP@0.5,1,walk,0.5\n")
    return folder


def test_an_exported_folder_gives_the_same_scores_anywhere(run_folder, tmp_path):
    video = write_video(tmp_path / "street.mp4", seconds=5)
    assert main(["export", str(run_folder), str(tmp_path / "out"), "--licence", "mit"]) == 0
    tables = []
    for folder in (run_folder, tmp_path / "out"):
        who = load_action_detector(folder)
        assert who.perception.person_threshold == 0.05
        from aia.predict.folder import predict_video

        tables.append(predict_video(who, VideoFile(video), name="street").table())
    assert len(tables[0].boxes)
    np.testing.assert_allclose(tables[0].scores, tables[1].scores, atol=1e-6)
    assert tables[0].boxes.equals(tables[1].boxes)


def test_the_card_says_what_the_hub_and_people_read(run_folder, tmp_path):
    main(["export", str(run_folder), str(tmp_path / "out")])
    text = (tmp_path / "out" / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    (result,) = front["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == 62.5
    assert result["dataset"]["name"] == "playhouse"
    assert "license" not in front
    assert "walk, sit, down, wave" in text
    assert "drawn videos" in text
    assert Run.load(tmp_path / "out" / "model.safetensors").numbers == {
        "mAP@0.5, detected persons": 0.625
    }


def test_another_model_is_not_written_over(run_folder, who, tmp_path):
    other = who("slowfast_tiny-none-s0").model
    other.run.write(tmp_path / "out" / "model.safetensors", other.network.state_dict())
    assert main(["export", str(run_folder), str(tmp_path / "out")]) == 2
    assert Run.load(tmp_path / "out" / "model.safetensors").name == other.run.name


def test_the_table_lists_what_is_known(capsys):
    assert main(["models"]) == 0
    said = capsys.readouterr().out
    for name, entry in published_models().items():
        assert name in said
        assert entry.by in ("file", "browser")
        assert entry.address.startswith("https://")
    assert main(["models", "--json"]) == 0


def test_a_model_that_is_not_here_says_what_to_put_where(tmp_path):
    with pytest.raises(InputError, match="alphaction_r50_dense: is not here yet; download https"):
        load_action_detector("alphaction_r50_dense")
    with pytest.raises(InputError, match="did you mean alphaction_r50_dense"):
        load_action_detector("alphaction_r50_dens")


def test_a_file_of_another_content_is_refused(tmp_path, monkeypatch):
    entry = dataclasses.replace(published_models()["alphaction_r50_dense"], sha256="0" * 64)
    monkeypatch.setattr(models, "published_models", lambda: {"one": entry})
    (tmp_path / "one.pth").write_bytes(b"cut off")
    with pytest.raises(InputError, match=r"one\.pth: is not one as it was published"):
        published_file("one", tmp_path)


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("me/model", True), ("me/a/b", False), ("model", False), ("../x", False), ("/a/b", False)],
)
def test_a_repository_has_a_user_and_a_name(name, is_one):
    assert is_repository(name) == is_one


@pytest.fixture
def hub(run_folder, tmp_path, monkeypatch):
    """A stand-in for the hub: a folder whose repositories are folders."""
    store = tmp_path / "hub"

    def copy(source, target, patterns):
        for pattern in patterns:
            for path in Path(source).glob(pattern):
                Path(target).mkdir(parents=True, exist_ok=True)
                (Path(target) / path.name).write_bytes(path.read_bytes())

    class Api:
        def create_repo(self, repository, private, exist_ok):
            (store / repository).mkdir(parents=True)

        def upload_folder(self, repo_id, folder_path, allow_patterns):
            copy(folder_path, store / repo_id, allow_patterns)
            return f"https://hub/{repo_id}"

    def snapshot_download(repo_id, local_dir, allow_patterns):
        if not (store / repo_id).is_dir():
            raise ValueError("404: no such repository")
        copy(store / repo_id, local_dir, allow_patterns)

    stand_in = types.ModuleType("huggingface_hub")
    stand_in.HfApi, stand_in.snapshot_download = Api, snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", stand_in)
    return store


def test_a_model_goes_to_a_hub_and_comes_back(hub, run_folder, tmp_path):
    main(["export", str(run_folder), str(tmp_path / "out")])
    assert main(["push", str(tmp_path / "out"), "me/walkers"]) == 0
    (hub / "me" / "walkers" / "evil.pkl").write_bytes(b"x")
    who = load_action_detector("me/walkers")
    assert who.detector.classes == ("person", "tv")
    kept = sorted(path.name for path in (tmp_path / "cache" / "hub" / "me--walkers").iterdir())
    assert kept == ["README.md", "detector.safetensors", "model.safetensors"]


def test_what_a_hub_refuses_is_told(hub, tmp_path, capsys):
    assert main(["pull", "me/nothing", str(tmp_path / "x")]) == 2
    assert "me/nothing: cannot be taken from the hub (404" in capsys.readouterr().err
    assert main(["push", str(tmp_path), "me/x"]) == 2
    assert "expected a folder of `aia export`" in capsys.readouterr().err


def test_without_the_package_one_line_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["pull", "me/x", str(tmp_path / "x")]) == 2
    assert "pip install huggingface_hub" in capsys.readouterr().err
