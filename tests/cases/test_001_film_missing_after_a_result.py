"""Cases 001 and 002: a result is not shown for inputs that it was not made of."""

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from aia.cli import main
from aia.errors import InputError
from aia.plan import Project
from aia.plan.contents import Contents
from tests.conftest import REPOSITORY
from tests.video.videos import grey, write_video
from tests.workflow import ANNOTATED, overlay, project

ROW = "{video},1,0.1,0.1,0.5,0.5,1,0\n"


@pytest.fixture(autouse=True)
def finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set `street` whose table and all that is below it are there."""
    monkeypatch.chdir(tmp_path)
    for folder in ("films", "config"):
        Path(folder).mkdir()
    for video in "abc":
        Path(f"films/{video}.mp4").write_bytes(video.encode() * 100)
    Path("train.csv").write_text(ROW.format(video="a") + ROW.format(video="b"))
    Path("val.csv").write_text(ROW.format(video="c"))
    Path("boxes.csv").write_text("c,1,0.1,0.1,0.5,0.5,,0.9\n")
    Path("labels.pbtxt").write_text('label { name: "walk" label_id: 1 }\n')
    write_settings()
    for job in project().plan(["results/street.csv"]).jobs:
        for path in job.makes:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).touch()
    assert not project().plan(["results/street.csv"]).jobs


def write_settings(**change: object) -> None:
    data = {**ANNOTATED, "person_boxes": {"train": None, "val": "boxes.csv"}, **change}
    settings = {"dataset": "street", "data": data, "train": {"init": "scratch"}}
    overlay(Path("config/street.yaml"), settings)


def check() -> None:
    project().check(["results/street.csv"])


def add(table: str, video: str) -> None:
    with open(table, "a") as file:
        file.write(ROW.format(video=video))


@pytest.mark.parametrize("table", ["train.csv", "val.csv"])
def test_case_001_a_film_that_is_missing_is_told_though_there_is_a_result(table: str) -> None:
    check()
    add(table, "d")
    with pytest.raises(InputError, match=r"expected one video films/d\.\*, found 0") as there:
        check()
    shutil.rmtree("results")
    with pytest.raises(InputError) as fresh:
        check()
    assert str(there.value) == str(fresh.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"labels": "label.pbtxt"},
            "data.labels: label.pbtxt: there is no such file, and",
        ),
        ({"labels": "label.pbtxt"}, "did you mean labels.pbtxt?"),
        ({"labels": "lists/labels.pbtxt"}, "there is no folder lists"),
        (
            {"annotations": {"train": "train.csv", "val": "valid.csv"}},
            "data.annotations.val: v",
        ),
        ({"films": "flims/{video}.*"}, r"expected one video flims/[abc]\.\*, found 0"),
        ({"person_boxes": {"train": None, "val": "box.csv"}}, "data.person_boxes.val: box.csv"),
        ({"excluded": {"train": "left.csv", "val": None}}, "data.excluded.train: left.csv"),
    ],
)
def test_case_001_a_setting_that_stops_being_true_is_told(change: dict, said: str) -> None:
    write_settings(**change)
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        check()


# --- 002: an older date ---------------------------------------------------------------------------


def recipe(rule: str, **wildcards: str) -> str:
    return Project((Path("."), REPOSITORY)).recipe(rule, {"dataset": "street", **wildcards})


RULES = {
    "prepare_data": {},
    "store_frames": {"part": "val.000"},
    "import_boxes": {"split": "val", "kind": "persons"},
}
SOURCES = [
    ("prepare_data", "val.csv"),
    ("prepare_data", "train.csv"),
    ("prepare_data", "labels.pbtxt"),
    ("store_frames", "films/c.mp4"),
    ("import_boxes", "boxes.csv"),
]


@pytest.mark.parametrize(("rule", "path"), SOURCES)
def test_case_002_another_file_of_an_older_date_is_another_recipe(rule: str, path: str) -> None:
    before = recipe(rule, **RULES[rule])
    there = Path(path).read_bytes()
    Path(path).write_bytes(there + b"\n")
    os.utime(path, (1e9, 1e9))
    assert recipe(rule, **RULES[rule]) != before
    Path(path).write_bytes(there)
    assert recipe(rule, **RULES[rule]) == before, "the date alone decides on nothing"


def test_case_002_weights_of_ones_own_count_too() -> None:
    before = recipe("convert_backbone", backbone="slowfast_tiny")
    Path("data/backbones").mkdir(parents=True)
    Path("data/backbones/slowfast_tiny.pth").write_bytes(b"weights")
    assert recipe("convert_backbone", backbone="slowfast_tiny") != before


def test_every_rule_that_reads_sources_has_a_recipe() -> None:
    files = (REPOSITORY / "workflow" / "rules").glob("*.smk")
    text = "\n".join(file.read_text() for file in files)
    with_recipe = {
        *re.findall(r'recipe=recipe\("(\w+)"\)', text),
        "prepare_tubes",
        "prepare_segments",
    }
    found: set[str] = set()
    shutil.rmtree("results")
    here = project()
    for job in here.plan(["results/street.csv"]).jobs:
        paths = [path for files in job.needs.values() for path in files]
        if any(here.job(path) is None for path in paths):
            found.add(job.rule)
    assert {"prepare_data", "store_frames", "import_boxes"} <= found <= with_recipe


def test_case_002_a_file_of_the_same_size_and_date_in_another_place_is_another() -> None:
    before = recipe("prepare_data")
    about = os.stat("val.csv")
    Path("other.csv").write_bytes(Path("val.csv").read_bytes().replace(b"0.5", b"0.6"))
    os.utime("other.csv", ns=(about.st_atime_ns, about.st_mtime_ns))
    os.replace("other.csv", "val.csv")
    assert os.stat("val.csv").st_mtime_ns == about.st_mtime_ns
    assert recipe("prepare_data") != before


def test_digests_are_computed_once_and_forgotten_with_the_file(tmp_path: Path) -> None:
    contents = Contents(tmp_path / "cache.json")
    first = contents.of("val.csv")
    contents.save()
    cached = json.loads((tmp_path / "cache.json").read_text())
    cached["val.csv"][3] = "from the cache"
    (tmp_path / "cache.json").write_text(json.dumps(cached))
    assert Contents(tmp_path / "cache.json").of("val.csv") == "from the cache"
    os.utime("val.csv", (1e9, 1e9))
    assert Contents(tmp_path / "cache.json").of("val.csv") == first
    (tmp_path / "cache.json").write_text("[broken")
    assert Contents(tmp_path / "cache.json").of("val.csv") == first


def test_a_large_file_is_known_by_samples_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aia.plan.contents._WHOLE", 10)
    monkeypatch.setattr("aia.plan.contents._SAMPLE", 16)
    content = bytearray(os.urandom(4000))
    seen = set()
    for change in (None, 0, 3999):
        if change is not None:
            content[change] ^= 1
        Path("large").write_bytes(content)
        seen.add(Contents(Path("none.json")).of("large"))
    assert len(seen) == 3
    assert {text.split("-")[0] for text in seen} == {"4000"}


def test_a_folder_is_known_by_all_its_files() -> None:
    before = Contents(Path("none.json")).of("films")
    Path("films/b.mp4").write_bytes(b"another")
    assert Contents(Path("none.json")).of("films") != before


# --- what no longer belongs together --------------------------------------------------------------


def test_case_002_verify_names_what_was_made_of_other_files(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shutil.rmtree("results")
    frames = [grey(20 + number, (48, 64)) for number in range(32)]
    for video in "abc":
        write_video(
            Path(f"films/{video}.mp4"), frames, times_sec=[k / 8 for k in range(32)], rate=8
        )
    settings = ("--settings", "results/street/settings.yaml")
    assert main(["settings", "street"]) == 0
    assert main(["prepare", "data", *settings]) == 0
    assert main(["frames", "--part", "val.000", *settings]) == 0
    assert main(["boxes", "import", *settings, "--split", "val", "--kind", "persons"]) == 0
    assert main(["verify", "results"]) == 0
    for path, what in {
        "val.csv": "val.csv is not the file that results/street was made of",
        "boxes.csv": "boxes.csv is not the file that results/street was made of",
        "films/c.mp4": "c.h5: was made of another video than films/c.mp4 is now",
    }.items():
        there = Path(path).read_bytes()
        Path(path).write_bytes(there + b"\n")
        os.utime(path, (1e9, 1e9))
        capsys.readouterr()
        assert main(["verify", "results"]) == 2
        assert what in capsys.readouterr().err
        Path(path).write_bytes(there)
    Path("films/c.mp4").unlink()
    assert main(["verify", "results"]) == 0, "what is gone is not compared"
