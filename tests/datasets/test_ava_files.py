"""AVA from a server of our own: its archive, its lists, its films."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aia.cli import main
from aia.config import FetchConfig
from aia.datasets.ava_files import fetch_annotations, fetch_films, films_of
from aia.errors import InputError
from aia.labels import read_labels
from tests.serving import Served, Site, serving

FILM = b"\x1a\x45\xdf\xa3" + bytes(2000)
ROW = "-a_bCdEfGhI,0902,0.1,0.1,0.5,0.9,12,0\n"
LABELS = 'label { name: "stand" label_id: 12 }\n'
TABLES = {
    "ava_train_v2.2.csv": ROW,
    "ava_val_v2.2.csv": ROW,
    "ava_train_excluded_timestamps_v2.2.csv": "",
    "ava_val_excluded_timestamps_v2.2.csv": "",
    "ava_action_list_v2.2.pbtxt": LABELS,
    "ava_action_list_v2.2_for_activitynet_2019.pbtxt": LABELS,
    "ava_test_v2.2.txt": "zz_test\n",
}


def archive(tables: dict[str, str], folder: str = "") -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in tables.items():
            file.writestr(folder + name, text)
    return content.getvalue()


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        lists = "/annotations/ava_file_names_{}_v2.1.txt"
        site.files[lists.format("trainval")] = Served(b"-a_bCdEfGhI.mkv\nb.mp4\n")
        site.files[lists.format("test")] = Served(b"zz_test.webm\n")
        site.files["/annotations/ava_v2.2.zip"] = Served(archive(TABLES))
        site.files["/trainval/-a_bCdEfGhI.mkv"] = Served(FILM)
        site.files["/test/zz_test.webm"] = Served(FILM)
        yield site


@pytest.fixture
def config(site: Site) -> FetchConfig:
    return FetchConfig(
        address=site.address + "/",
        ucf101_24_annotations=site.address,
        ucf101_films=site.address,
        epic55_annotations=site.address,
        epic55_films=site.address,
        at_once=2,
        attempts=2,
        wait_sec=0.01,
        stall_sec=1.0,
    )


@pytest.mark.parametrize("inside", ["", "ava_v2.2/"])
def test_all_tables_come_out_wherever_in_the_archive_they_lie(
    site: Site, config: FetchConfig, tmp_path: Path, inside: str
) -> None:
    other = {**TABLES, "../../evil.sh": "rm"}
    site.files["/annotations/ava_v2.2.zip"] = Served(archive(other, inside))
    fetch_annotations("2.2", tmp_path / "in", config=config)
    for name, text in TABLES.items():
        ours = name.replace("for_activitynet_2019", "evaluated")
        assert (tmp_path / "in" / ours).read_text() == text
    assert not list(tmp_path.rglob("evil.sh"))


def test_an_archive_without_the_80_classes_gets_ours(
    site: Site, config: FetchConfig, tmp_path: Path
) -> None:
    less = {name: text for name, text in TABLES.items() if name != "ava_action_list_v2.2.pbtxt"}
    site.files["/annotations/ava_v2.2.zip"] = Served(archive(less))
    fetch_annotations("2.2", tmp_path, config=config)
    assert len(read_labels(tmp_path / "ava_action_list_v2.2.pbtxt")) == 80


def test_a_list_of_classes_may_end_in_txt_as_well(
    site: Site, config: FetchConfig, tmp_path: Path
) -> None:
    tables = {name.replace("2.2", "2.1"): text for name, text in TABLES.items()}
    tables.pop("ava_action_list_v2.1_for_activitynet_2019.pbtxt")
    tables["ava_action_list_v2.1_for_activitynet_2018.pbtxt.txt"] = LABELS
    site.files["/annotations/ava_v2.1.zip"] = Served(archive(tables))
    fetch_annotations("2.1", tmp_path, config=config)
    assert (tmp_path / "ava_action_list_v2.1_evaluated.pbtxt").read_text() == LABELS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (archive({"ava_train_v2.2.csv": ROW}), r"ava_v2\.2\.zip: lacks ava_val_v2\.2\.csv"),
        (archive(TABLES)[:-30], r"ava_v2\.2\.zip: is damaged"),
        (b"not a zip at all", r"ava_v2\.2\.zip does not begin as a \.zip file"),
    ],
    ids=["a table less", "cut off", "no archive"],
)
def test_another_archive_is_refused_by_name(
    site: Site, config: FetchConfig, tmp_path: Path, content: bytes, said: str
) -> None:
    site.files["/annotations/ava_v2.2.zip"] = Served(content)
    with pytest.raises(InputError, match=said):
        fetch_annotations("2.2", tmp_path, config=config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no film"),
        ("a.mkv\n../up.mkv\n", r"line 2: '\.\./up\.mkv' is not a film's name"),
        ("a.mkv\na.mp4\n", "a.mkv and a.mp4 share their id"),
        ("<html>\n", "'<html>' is not a film's name"),
    ],
)
def test_a_list_of_films_is_checked(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        films_of(tmp_path / "list.txt")


@pytest.fixture
def lists(site: Site, config: FetchConfig, tmp_path: Path) -> list[Path]:
    fetch_annotations("2.2", tmp_path / "lists", config=config)
    return sorted((tmp_path / "lists").glob("ava_file_names_*.txt"))


def test_a_film_comes_from_its_part_with_its_ending(
    config: FetchConfig, lists: list[Path], tmp_path: Path
) -> None:
    fetch_films(["zz_test", "-a_bCdEfGhI"], lists, tmp_path / "films", config=config)
    found = {path.name for path in (tmp_path / "films").iterdir() if "fetched" not in path.name}
    assert found == {"zz_test.webm", "-a_bCdEfGhI.mkv"}


def test_a_film_that_is_in_no_list_is_named(
    config: FetchConfig, lists: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="^c: not a film in the lists"):
        fetch_films(["zz_test", "c"], lists, tmp_path / "films", config=config)
    assert not (tmp_path / "films").exists()


def test_the_commands(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = (
        f'{{"fetch": {{"address": "{site.address}", "ucf101_24_annotations": "http://unused", '
        '"ucf101_films": "unused", "epic55_annotations": "http://unused", '
        '"epic55_films": "http://unused", "at_once": 2, "attempts": 2, '
        '"wait_sec": 0.01, "stall_sec": 1.0}}'
    )
    run: Callable[..., int] = lambda *given: main(["fetch", *given])  # noqa: E731
    assert run("ava-annotations", "2.2", "--folder", "a", "--settings", settings) == 0
    names = ["--lists", "a/ava_file_names_trainval_v2.1.txt", "--folder", "f"]
    assert run("ava-films", *names, "--settings", settings, "--", "-a_bCdEfGhI") == 0
    assert Path("f/-a_bCdEfGhI.mkv").read_bytes() == FILM
    assert run("ava-films", *names, "--settings", settings) == 2  # b.mp4 is not there
    address = f"{site.address}/trainval/-a_bCdEfGhI.mkv"
    assert run("files", address, "--folder", "g", "--settings", settings) == 0
    assert run("files", address, "--size", "7", "--folder", "g", "--settings", settings) == 2
