"""What docs/own-data.md shows: its overlays and its reader, as they stand there, are planned."""

import json
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from aia.cli import main
from aia.errors import InputError
from aia.tables import read_actions
from tests.conftest import REPOSITORY
from tests.workflow import jobs, overlay

PAGE = (REPOSITORY / "docs/own-data.md").read_text(encoding="utf-8")
TARGET = "results/jhmdb.csv"
FILMS = {"train": ["wave/a", "catch/Oh_NO!"], "val": ["wave/c", "run/d", "run/e"]}


def shown(language: str) -> list[str]:
    """The page's blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(*targets: str, overlays: tuple[str, ...] = ()) -> str:
    """Return why targets cannot be made."""
    with pytest.raises(InputError) as refused:
        jobs(*targets, overlays=overlays)
    return str(refused.value)


def with_overlay(folder: Path, name: str) -> Path:
    """The settings of the page in a folder, and films (empty files) a, b to train on and c."""
    [text] = [text for text in shown("yaml") if yaml.safe_load(text)["dataset"] == name]
    (folder / "config").mkdir()
    (folder / f"config/{name}.yaml").write_text(text)
    (folder / f"data/{name}/films").mkdir(parents=True)
    for film in ("a.mkv", "b.mp4", "c.avi"):
        (folder / f"data/{name}/films" / film).touch()
    return folder / "data" / name


def test_boxes_on_key_frames_are_planned_by_the_overlay_of_the_page(tmp_path: Path) -> None:
    data = with_overlay(tmp_path, "street")
    (data / "actions.pbtxt").write_text('label { name: "walk" label_id: 1 }')
    (data / "train.csv").write_text("a,1,0.1,0.2,0.3,0.5,1,0\nb,1\nb,2,0.1,0.2,0.3,0.5,1,0\n")
    (data / "val.csv").write_text("c,1,0.1,0.2,0.3,0.5,1,0\n")
    found = jobs("results/street.csv")
    assert (found["store_frames"], found["detect_boxes"], found["train"]) == (2, 2, 2)
    assert found["evaluate"] == 2 * 2
    (data / "films/b.mp4").unlink()
    expected = "data.films: expected one video data/street/films/b.*, found 0"
    assert expected in PAGE
    assert refusal("results/street.csv") == expected
    (data / "val.csv").write_text("films/c.avi,1,0.1,0.2,0.3,0.5,1,0\n")
    expected = "data/street/val.csv, line 1: video id is 'films/b.mp4', expected letters, digits"
    assert expected in PAGE
    assert expected.replace("b.mp4", "c.avi") in refusal("results/street.csv")


def test_the_message_about_pixels_is_that_of_the_page() -> None:
    Path("data/street").mkdir(parents=True)
    Path("data/street/train.csv").write_text("a,1,120,20,30,50,1,0\n")
    with pytest.raises(InputError) as refused:
        read_actions("data/street/train.csv")
    assert str(refused.value) in PAGE


def test_segments_of_a_csv_are_planned_by_the_overlay_of_the_page(tmp_path: Path) -> None:
    data = with_overlay(tmp_path, "workshop")
    head = "segment,video,start_sec,stop_sec,verb,noun\n"
    (data / "train.csv").write_text(f"{head}7,a,0.5,1.5,0,0\n8,b,0.5,1.5,0,0\n9,a,2,5,0,0\n")
    (data / "val.csv").write_text(f"{head}7,c,0.5,1.5,0,0\n")
    for task in ("verbs", "nouns"):
        (data / f"{task}.pbtxt").write_text('label { name: "saw" label_id: 0 }')
    found = jobs("results/workshop.csv")
    assert found["prepare_segments"] == 1
    assert (found["store_frames"], found["detect_boxes"], found["train"]) == (2, 2, 2 * 2)
    (data / "val.csv").write_text("c,1,0.1,0.2,0.3,0.5,1,0\n")
    expected = "data/workshop/val.csv, line 1: the header is 'c,1,0.1,"
    assert expected in refusal("results/workshop.csv")


@pytest.mark.parametrize("name", ["street", "workshop"])
def test_no_shell_reads_what_a_folder_is_called(tmp_path: Path, name: str) -> None:
    data = with_overlay(tmp_path, name)
    strange = data.rename(data.parent / "it's $(touch pwned); mine")
    settings = tmp_path / f"config/{name}.yaml"
    chosen = renamed(yaml.safe_load(settings.read_text()), f"data/{name}/", f"data/{strange.name}/")
    if name == "street":
        chosen["data"]["person_boxes"] = {"train": None, "val": f"data/{strange.name}/boxes.csv"}
        chosen["data"]["excluded"]["val"] = f"data/{strange.name}/excluded.csv"
        (strange / "boxes.csv").write_text("c,1,0.1,0.2,0.3,0.5,,0.9\n")
        (strange / "excluded.csv").touch()
        (strange / "train.csv").write_text("a,1,0.1,0.2,0.3,0.5,1,0\n")
        (strange / "val.csv").write_text("c,1,0.1,0.2,0.3,0.5,1,0\n")
        (strange / "actions.pbtxt").write_text('label { name: "walk" label_id: 1 }')
    else:
        head = "segment,video,start_sec,stop_sec,verb,noun\n"
        (strange / "train.csv").write_text(f"{head}7,a,0.5,1.5,0,0\n")
        (strange / "val.csv").write_text(f"{head}7,c,0.5,1.5,0,0\n")
        for task in ("verbs", "nouns"):
            (strange / f"{task}.pbtxt").write_text('label { name: "saw" label_id: 0 }')
    settings.write_text(yaml.safe_dump(chosen))
    planner = [sys.executable, str(REPOSITORY / "workflow/jobs.py"), f"results/{name}.csv"]
    plan = subprocess.run(planner, cwd=tmp_path, capture_output=True, text=True)
    assert plan.returncode == 0, plan.stderr
    there = [json.loads(line) for line in plan.stdout.splitlines()]
    files = {f"data/{strange.name}/{path.name}" for path in strange.iterdir() if path.is_file()}
    assert {path for job in there for path in job["input"]} >= files
    for job in (job for job in there if job["command"].split()[0] == "aia"):
        # Commands read what the settings name themselves: no shell has a name of theirs to read.
        words = words_in_a_shell(job["command"], tmp_path)
        assert [word for word in words if "mine" in word or "pwned" in word] == []
    assert not (tmp_path / "pwned").exists()
    assert main(["settings", name]) == 0
    assert main(["prepare", "data", "--settings", f"results/{name}/settings.yaml"]) == 0
    assert (tmp_path / f"results/{name}/data/train.parquet").exists()
    assert not (tmp_path / "pwned").exists()


def renamed(value: Any, old: str, new: str) -> Any:
    """Settings with another beginning of their paths."""
    if isinstance(value, dict):
        return {key: renamed(one, old, new) for key, one in value.items()}
    return value.replace(old, new) if isinstance(value, str) else value


def words_in_a_shell(command: str, folder: Path) -> list[str]:
    """What a real shell gives `aia`, when that does no more than tell it."""
    told = "aia() { printf '%s\\0' \"$@\"; }\n"
    said = subprocess.run(
        ["bash", "-c", told + command], cwd=folder, capture_output=True, text=True, check=True
    )
    return said.stdout.split("\0")


def test_the_heart_of_the_reader_is_its_own_text() -> None:
    source = (REPOSITORY / "aia/datasets/jhmdb.py").read_text(encoding="utf-8")
    own = {line.strip() for line in source.splitlines()}
    [heart] = shown("python")
    lines = [line.strip() for line in heart.splitlines()]
    assert [line for line in lines if line != "..." and line not in own] == []
    assert len(lines) <= 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Annotations of five films, which are empty files: a dry run looks at no more than names."""
    films = [film for names in FILMS.values() for film in names]
    tube = np.array([[1, 10, 10, 50, 50], [2, 10, 10, 50, 50]], float)
    said = {
        "labels": ["catch", "run", "wave"],
        "gttubes": {film: {1: [tube]} for film in films},
        "nframes": dict.fromkeys(films, 2),
        "train_videos": [FILMS["train"]],
        "test_videos": [FILMS["val"]],
        "resolution": dict.fromkeys(films, (240, 320)),
    }
    (tmp_path / "data/jhmdb/films").mkdir(parents=True)
    (tmp_path / "data/jhmdb/JHMDB-GT.pkl").write_bytes(pickle.dumps(said, protocol=2))
    for name in ("a.avi", "Oh_NO_.avi", "c.avi", "d.mkv", "e.avi"):
        (tmp_path / "data/jhmdb/films" / name).touch()
    (tmp_path / "data/backbones").mkdir()
    (tmp_path / "data/backbones/c2d_r50_1x1.safetensors").touch()
    return tmp_path


def test_all_of_the_table_is_planned_from_annotations_and_films(folder: Path) -> None:
    assert jobs(TARGET) == {
        "prepare_tubes": 1,
        "store_frames": 2,
        "check_films": 1,
        "finetune_detector": 1,
        "detect_boxes": 2,
        "train": 2,
        "score_detected": 2,
        "score_groundtruth": 2,
        "evaluate": 4,
        "evaluate_persons": 1,
        "result_table": 1,
        "table": 1,
    }


def test_annotations_of_the_readers_form_become_the_one_form(folder: Path) -> None:
    assert main(["settings", "jhmdb"]) == 0
    assert main(["prepare", "data", "--settings", "results/jhmdb/settings.yaml"]) == 0
    tables = Path("results/jhmdb/data")
    assert read_actions(tables / "val.parquet")["video"].unique().tolist() == ["c", "d", "e"]
    assert read_actions(tables / "train.parquet")["time_sec"].tolist() == [0, 1 / 25] * 2
    assert len((tables / "tubes.csv").read_text().splitlines()) >= 2 * 3


def test_a_split_that_the_file_lacks_stops_before_any_job(folder: Path) -> None:
    second = overlay(folder / "second.yaml", {"dataset": "jhmdb", "data": {"source": {"split": 2}}})
    expected = "data/jhmdb/JHMDB-GT.pkl: has no split 2; it has 1, counted from 1"
    assert expected in refusal(TARGET, overlays=(second,))


def test_a_film_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "data/jhmdb/films/Oh_NO_.avi").unlink()
    assert "expected one video data/jhmdb/films/Oh_NO_.*, found 0" in refusal(TARGET)
