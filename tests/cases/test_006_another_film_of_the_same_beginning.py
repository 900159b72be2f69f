"""Case 006: a * in data.films stands for the ending of a video, and for nothing else."""

from pathlib import Path

import pytest

from aia.cli.sources import _video
from aia.errors import InputError
from aia.plan import DataSet
from tests.workflow import ANNOTATED, project


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def data_set(*files: str, films: str = "films/{video}.*") -> DataSet:
    Path("films").mkdir()
    for name in files:
        Path("films", name).touch()
    raw = {**project().raw("playhouse"), "dataset": "own"}
    raw["data"] = {**raw["data"], **ANNOTATED, "films": films}
    return DataSet(raw)


def test_case_006_another_film_of_the_same_beginning_is_not_taken() -> None:
    data = data_set("cam1.night.mp4")
    with pytest.raises(InputError, match=r"expected one video films/cam1\.\*, found 0"):
        data.videos.path("cam1")
    assert data.videos.path("cam1.night") == "films/cam1.night.mp4"
    with pytest.raises(InputError, match="found 0"):
        _video(Path("films/cam1.*"))


def test_case_006_both_are_found_beside_files_that_are_no_videos() -> None:
    sides = ("info.json", "srt", "jpg", "mp4.part", "mp4.fetched.json", "de.vtt", "txt", "wav")
    data = data_set("cam1.MP4", "cam1.night.mkv", *(f"cam1.{side}" for side in sides))
    assert data.videos.path("cam1") == "films/cam1.MP4"
    assert data.videos.path("cam1.night") == "films/cam1.night.mkv"
    assert _video(Path("films/cam1.*")) == Path("films/cam1.MP4")


def test_a_file_whose_name_is_no_id_is_meant_by_the_id_made_of_it() -> None:
    data = data_set("Küche (1).MOV", "Küche (1).srt", "Küche (2).MOV")
    assert data.videos.path("Kueche_1") == "films/Küche (1).MOV"
    assert data.videos.path("Kueche_2") == "films/Küche (2).MOV"
    with pytest.raises(InputError, match="found 0"):
        data.videos.path("Kueche")


def test_two_files_of_which_one_id_is_made_are_named() -> None:
    data = data_set("a b.mp4", "a_b.mp4")
    with pytest.raises(InputError, match=r"found 2: a b\.mp4, a_b\.mp4"):
        data.videos.path("a_b")


def test_two_videos_of_one_id_are_named() -> None:
    data = data_set("cam1.mp4", "cam1.avi")
    with pytest.raises(InputError, match=r"found 2: cam1\.avi, cam1\.mp4"):
        data.videos.path("cam1")


def test_a_file_that_is_no_video_by_its_ending_is_named() -> None:
    data = data_set("cam1.dat")
    with pytest.raises(InputError, match=r"found 0 \(cam1\.dat is no video by its ending"):
        data.videos.path("cam1")
    raw = {**data.raw, "data": {**data.raw["data"], "films": "films/{video}.dat"}}
    assert DataSet(raw).videos.path("cam1") == "films/cam1.dat"


@pytest.mark.parametrize(
    ("films", "files", "found"),
    [
        ("films/{video}*", ["cam1.mp4", "cam10.mp4"], "films/cam1.mp4"),
        ("films/{video}_*.mp4", ["cam1_0.mp4", "cam1_0.x.mp4", "cam10_0.mp4"], "films/cam1_0.mp4"),
    ],
)
def test_a_star_elsewhere(films: str, files: list[str], found: str) -> None:
    assert data_set(*files, films=films).videos.path("cam1") == found
