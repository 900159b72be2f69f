"""A data set's videos, parts and runs, and where its files lie."""

from pathlib import Path

import pytest
import yaml

from aia.errors import InputError
from aia.plan import DataSet
from tests.workflow import ANNOTATED, TEST, overlay, project, write_ava

NAME = "slowfast_tiny"


def small(**changes: object) -> DataSet:
    """Return the small data set with some settings changed."""
    return project(overlay(Path("changes.yaml"), {"dataset": "small", **changes})).data("small")


def own(train: list[str], val: list[str], **settings: object) -> DataSet:
    """Return a data set with these videos."""
    write_ava(Path(), train=train, val=val, **settings)
    return project().data("ava")


# --- parts ----------------------------------------------------------------------------------------


def test_videos_of_the_same_splits_are_shared_out_in_the_order_of_their_names() -> None:
    data = own(["g", "a", "e", "c", "b"], ["d", "f"], videos_per_job=2)
    assert data.parts == (
        ("train.000", ("a", "b")),
        ("train.001", ("c", "e")),
        ("train.002", ("g",)),
        ("val.000", ("d", "f")),
    )
    assert data.part("train.001").videos == ("c", "e")


def test_a_video_of_several_splits_is_in_one_part_which_each_of_them_waits_for() -> None:
    listed = {"test": TEST | {"films": "both.txt"}, "seconds": "seconds.txt"}
    data = own(["a", "b"], ["b", "c"], data=listed)
    Path("both.txt").write_text("c.mp4\nd.mp4\n")
    names = {part.name: part.videos for part in data.parts}
    assert names == {
        "train.000": ("a",),
        "train_val.000": ("b",),
        "val_test.000": ("c",),
        "test.000": ("d",),
    }
    assert [part.name for part in data.parts_of("val")] == ["train_val.000", "val_test.000"]
    assert data.frames("val").paths == ("results/ava/frames/b.h5", "results/ava/frames/c.h5")
    assert data.frames("val").declared == (
        "results/ava/parts/train_val.000.frames",
        "results/ava/parts/val_test.000.frames",
    )


def test_a_part_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(InputError, match=r"train\.001: is not a part of small \(it has train\.000"):
        small().part("train.001")


def test_a_job_of_one_video_is_a_part_each() -> None:
    assert [len(part.videos) for part in small(videos_per_job=1).parts] == [1] * 5


# --- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form"),
    [("small", "boxes"), ("small_ucf24", "tubes"), ("small_epic", "segments")],
)
def test_the_form_follows_from_the_settings(name: str, form: str) -> None:
    assert project().data(name).form == form


def test_imported_boxes_are_the_files_of_detected_ones_and_another_list() -> None:
    given = {"person_boxes": {"train": None, "val": "val.json"}}
    data = own(["a"], ["b", "c"], data=given)
    paths = ("results/ava/persons/b.parquet", "results/ava/persons/c.parquet")
    assert data.boxes("persons", "val") == (paths, ("results/ava/parts/val.persons.imported",))
    assert data.boxes("persons", "train").declared == ("results/ava/parts/train.000.boxes",)
    assert data.boxes("objects", "val").declared == ("results/ava/parts/val.000.boxes",)


def test_settings_are_written_in_their_order_and_only_where_they_changed() -> None:
    rows = {"Z": f"{NAME}-none", "A": f"{NAME}-serial-POM-amu"}
    data = small(results={"seeds": [0], "runs": rows})
    path = Path(data.write_settings())
    assert path == Path("results/small/settings.yaml")
    again = DataSet.read(path)
    assert again.settings == data.settings
    assert list(again.rows("results")) == list(data.rows("results"))
    assert [row for row in again.raw["results"]["runs"] if row in rows] == ["Z", "A"]
    text = yaml.safe_load(path.read_text())
    assert list(text) == list(data.raw)
    before = path.stat()
    data.write_settings()
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    small(results={"seeds": [3]}).write_settings()
    assert path.stat().st_ino != before.st_ino


# --- runs -----------------------------------------------------------------------------------------


def test_all_runs_of_a_backbone_begin_with_its_pretraining_of_the_same_seed() -> None:
    data = small()
    for run in (f"{NAME}-serial-POM-amu-s3", f"{NAME}-none-s3"):
        assert data.starting_run(run) == f"{NAME}-none-s3-pretrain"
        model = f"results/small/runs/{NAME}-none-s3-pretrain/model.safetensors"
        assert data.init(run) == model
    assert data.starting_run(f"{NAME}-none-s3-pretrain") is None
    assert data.init(f"{NAME}-none-s3-pretrain") is None


@pytest.mark.parametrize(
    ("init", "file"),
    [
        ("scratch", None),
        ("i3d_kinetics400", "results/weights/i3d_kinetics400.safetensors"),
        ("data/backbones/{backbone}.safetensors", f"data/backbones/{NAME}.safetensors"),
    ],
)
def test_a_run_begins_with_a_file_or_with_nothing(init: str, file: str | None) -> None:
    assert small(train={"init": init}).init(f"{NAME}-none-s0") == file


def test_a_pretraining_that_would_wait_for_itself_is_refused() -> None:
    data = small(variants={"pretrain": {"train": {"init": "pretrain"}}})
    with pytest.raises(InputError, match="it would wait for itself"):
        data.init(f"{NAME}-none-s0-pretrain")


def test_a_row_of_segments_is_a_run_of_verbs_and_one_of_nouns() -> None:
    data = project().data("small_epic")
    assert data.runs_of_tasks(f"{NAME}-dense-POM-amu-s0") == [
        f"{NAME}-dense-POM-amu-s0-verb",
        f"{NAME}-dense-POM-objects-s0-noun",
    ]
    assert data.runs_of_tasks(f"{NAME}-none-s0") == [f"{NAME}-none-s0-verb", f"{NAME}-none-s0-noun"]
    with pytest.raises(InputError, match="are runs without a variant"):
        data.runs_of_tasks(f"{NAME}-none-s0-verb")
    assert data.labels(f"{NAME}-none-s0-noun") == "results/small_epic/data/nouns.pbtxt"
    assert data.task(f"{NAME}-none-s0") == "verb"
    assert small().task(f"{NAME}-none-s0") is None


def test_a_view_in_the_size_as_kept_is_the_score_that_there_is_anyway() -> None:
    data = small(fuse={"short_sides": [98, 112], "flip": True})  # frames.short_side: 112
    assert data.views() == ["@98", "@98-flip", "", "@112-flip"]
    assert small(fuse={"short_sides": [98, 112], "flip": False}).views() == ["@98", ""]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("val.csv", None, "data.annotations.val: val.csv: there is no such file"),
        (
            "val.csv",
            "films/a.mp4,1,0,0,1,1,1,0\n",
            "line 1: video id is 'films/a.mp4', expected",
        ),
        ("val.csv", f"{'a' * 200},1,0,0,1,1,7,0\n", "200 characters, expected at most 180"),
        ("test.txt", None, "test.txt"),
    ],
    ids=["no annotations", "a path for an id", "a long id", "no list"],
)
def test_annotations_that_do_not_fit_are_refused(
    name: str, text: str | None, expected: str
) -> None:
    data = own(["a"], ["b"], data={"test": TEST, "seconds": "seconds.txt"})
    if text is None:
        Path(name).unlink()
    else:
        Path(name).write_text(text)
    with pytest.raises(InputError, match=expected):
        _ = data.parts


@pytest.mark.parametrize(
    ("more", "expected"),
    [([], r"one video films/b\.\*, found 0"), (["b.mp4", "b.webm"], "found 2: b.mp4, b.w")],
    ids=["no film", "two films"],
)
def test_a_video_has_one_file(more: list[str], expected: str) -> None:
    data = own(["a"], ["b"])
    Path("films/b.mkv").unlink()
    for name in more:
        (Path("films") / name).touch()
    with pytest.raises(InputError, match=expected):
        data.videos.path("b")


def test_what_a_download_has_begun_is_no_video() -> None:
    data = own(["a"], ["b"])
    Path("films/a.mp4.part").touch()
    assert data.videos.path("a") == "films/a.mp4"


def test_the_videos_of_a_submission_have_to_be_listed() -> None:
    data = project(overlay(Path("own.yaml"), {"data": ANNOTATED})).data("small")
    assert data.videos.splits == ("train", "val")
    with pytest.raises(InputError, match=r"data\.test\.films: is null in the settings of small"):
        data.videos.ids("test")
