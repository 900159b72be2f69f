"""EPIC-Kitchens-55 from a server of our own: its tables, its films."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aia.cli import main
from aia.config import FetchConfig
from aia.datasets.epic55_files import fetch_annotations, fetch_films, labelled_films
from aia.errors import InputError
from tests.serving import Served, Site, serving

FILM = b"\x00\x00\x00\x20ftypmp41" + bytes(5000)
TABLES = {
    "EPIC_train_action_labels.csv": "uid,participant_id,video_id\n"
    "0,P01,P01_02\n1,P01,P01_02\n2,P30,P30_01\n",
    "EPIC_verb_classes.csv": "verb_id,class_key\n0,take\n",
    "EPIC_noun_classes.csv": "noun_id,class_key\n0,cup\n",
    "EPIC_video_info.csv": "video,resolution,duration,fps\nP01_02,1920x1080,7.5,60\n",
}
OBJECTS = "EPIC_train_object_labels.csv"


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        for name, text in TABLES.items():
            site.files[f"/tables/{name}"] = Served(text.encode())
        site.files[f"/tables/{OBJECTS}"] = Served(b"noun_class\n")
        site.files["/films/train/P01/P01_02.MP4"] = Served(FILM, breaks_at=[3000])
        site.files["/films/train/P30/P30_01.MP4"] = Served(FILM)
        yield site


@pytest.fixture
def config(site: Site) -> FetchConfig:
    return FetchConfig(
        address=site.address,
        ucf101_24_annotations=site.address,
        ucf101_films=site.address,
        epic55_annotations=f"{site.address}/tables/",
        epic55_films=f"{site.address}/films",
        at_once=2,
        attempts=2,
        wait_sec=0.01,
        stall_sec=1.0,
    )


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    (tmp_path / "actions.csv").write_text(TABLES["EPIC_train_action_labels.csv"])
    return tmp_path / "actions.csv"


def fetched(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if "fetched" not in path.name}


def test_the_tables_come_and_those_of_objects_if_asked_for(
    site: Site, config: FetchConfig, tmp_path: Path
) -> None:
    fetch_annotations(tmp_path / "in", config=config)
    assert fetched(tmp_path / "in") == set(TABLES)
    for name, text in TABLES.items():
        assert (tmp_path / "in" / name).read_text() == text
    asked = len(site.asked("/tables/EPIC_verb_classes.csv"))
    fetch_annotations(tmp_path / "in", config=config, objects=True)
    assert fetched(tmp_path / "in") == {*TABLES, OBJECTS}
    assert len(site.asked("/tables/EPIC_verb_classes.csv")) == asked  # it was there


def test_a_table_that_is_another_is_refused(
    site: Site, config: FetchConfig, tmp_path: Path
) -> None:
    site.files["/tables/EPIC_video_info.csv"] = Served(b"some,thing\n1,2\n")
    with pytest.raises(InputError, match=r"EPIC_video_info\.csv, line 1: has no column video"):
        fetch_annotations(tmp_path, config=config)


def test_a_film_goes_on_where_the_line_broke_off(
    site: Site, config: FetchConfig, actions: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "films"
    fetch_films(["P01_02"], actions, folder, config=config)
    assert fetched(folder) == {"P01_02.MP4"}
    assert (folder / "P01_02.MP4").read_bytes() == FILM
    assert site.asked("/films/train/P01/P01_02.MP4")[:2] == [None, "bytes=3000-"]


def test_a_film_that_is_not_labelled_is_named(
    site: Site, config: FetchConfig, actions: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^P01_07: not a film of .*actions\.csv"):
        fetch_films(["P01_07"], actions, tmp_path / "films", config=config)
    assert not (tmp_path / "films").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3,P01,../../P01_01", "line 5: video id is"),
        ("3,..,P01_01", r"line 5: film 'P01_01' of participant '\.\.'"),
        ("3,P01", "line 5: 2 columns, expected 3"),
    ],
)
def test_a_table_of_films_that_leads_elsewhere_is_refused(
    actions: Path, line: str, message: str
) -> None:
    actions.write_text(actions.read_text() + line + "\n")
    with pytest.raises(InputError, match=message):
        labelled_films(actions)


def test_the_commands(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = (
        '{"fetch": {"address": "http://127.0.0.1:1", '
        '"ucf101_24_annotations": "http://127.0.0.1:1", '
        '"ucf101_films": "http://127.0.0.1:1", "epic55_annotations": "http://127.0.0.1:1", '
        '"epic55_films": "http://127.0.0.1:1", "at_once": 2, "attempts": 2, '
        '"wait_sec": 0.01, "stall_sec": 1.0}}'
    )
    common = ["--settings", settings]
    tables = ["fetch", "epic55-annotations", "--address", f"{site.address}/tables", *common]
    assert main([*tables, "--folder", "in"]) == 0
    films = ["fetch", "epic55-films", "--actions", "in/EPIC_train_action_labels.csv", *common]
    films += ["--folder", "films", "--address", f"{site.address}/films"]
    assert main([*films, "P30_01"]) == 0
    assert fetched(Path("films")) == {"P30_01.MP4"}
    assert main(films) == 0
    assert fetched(Path("films")) == {"P30_01.MP4", "P01_02.MP4"}
    assert main([*films, "P02_01"]) == 2
    assert "P02_01: not a film of" in capsys.readouterr().err


def test_the_published_table_names_272_films(shared_data: Path) -> None:
    films = labelled_films(shared_data / "epic55" / "EPIC_train_action_labels.csv")
    assert (len(films), len(set(films.values()))) == (272, 28)
    assert films["P01_01"] == "P01"
