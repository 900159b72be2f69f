"""Published data sets from a server of our own: their archives, tables and videos."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from aia.cli import main
from aia.config import FetchConfig
from aia.errors import InputError
from aia.fetch.sources import (
    PETS09_FILES,
    fetch_ava_annotations,
    fetch_ava_videos,
    fetch_epic55_annotations,
    fetch_epic55_videos,
    fetch_pets09,
    fetch_ucf101_24_annotations,
    fetch_ucf101_videos,
    labelled_videos,
    read_ava_list,
)
from aia.labels import read_labels
from tests.fetch.archives import ARCHIVES, fetching, zipped
from tests.serving import Served, Site, serving


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


@pytest.fixture
def config(site: Site) -> FetchConfig:
    return fetching(site.address + "/")


def command(site: Site, *given: str) -> int:
    settings = json.dumps({"fetch": asdict(fetching(site.address))})
    return main(["fetch", *given[:1], "--settings", settings, *given[1:]])


def fetched(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if "fetched" not in path.name}


# AVA

MKV = b"\x1a\x45\xdf\xa3" + bytes(2000)
ROW = "-a_bCdEfGhI,0902,0.1,0.1,0.5,0.9,12,0\n"
LABELS = 'label { name: "stand" label_id: 12 }\n'
AVA_TABLES = {
    "ava_train_v2.2.csv": ROW,
    "ava_val_v2.2.csv": ROW,
    "ava_train_excluded_timestamps_v2.2.csv": "",
    "ava_val_excluded_timestamps_v2.2.csv": "",
    "ava_action_list_v2.2.pbtxt": LABELS,
    "ava_action_list_v2.2_for_activitynet_2019.pbtxt": LABELS,
    "ava_test_v2.2.txt": "zz_test\n",
}


@pytest.fixture
def ava(site: Site) -> Site:
    lists = "/annotations/ava_file_names_{}_v2.1.txt"
    site.files[lists.format("trainval")] = Served(b"-a_bCdEfGhI.mkv\nb.mp4\n")
    site.files[lists.format("test")] = Served(b"zz_test.webm\n")
    site.files["/annotations/ava_v2.2.zip"] = Served(zipped(AVA_TABLES))
    site.files["/trainval/-a_bCdEfGhI.mkv"] = Served(MKV)
    site.files["/test/zz_test.webm"] = Served(MKV)
    return site


@pytest.mark.parametrize("inside", ["", "ava_v2.2/"])
def test_avas_tables_come_out_wherever_in_the_archive_they_lie(
    ava: Site, config: FetchConfig, tmp_path: Path, inside: str
) -> None:
    other = {**AVA_TABLES, "../../evil.sh": "rm"}
    ava.files["/annotations/ava_v2.2.zip"] = Served(zipped(other, inside))
    fetch_ava_annotations("2.2", tmp_path / "in", config=config)
    for name, text in AVA_TABLES.items():
        ours = name.replace("for_activitynet_2019", "evaluated")
        assert (tmp_path / "in" / ours).read_text() == text
    assert not list(tmp_path.rglob("evil.sh"))


def test_avas_archive_without_the_80_classes_gets_ours(
    ava: Site, config: FetchConfig, tmp_path: Path
) -> None:
    less = {name: text for name, text in AVA_TABLES.items() if name != "ava_action_list_v2.2.pbtxt"}
    ava.files["/annotations/ava_v2.2.zip"] = Served(zipped(less))
    fetch_ava_annotations("2.2", tmp_path, config=config)
    assert len(read_labels(tmp_path / "ava_action_list_v2.2.pbtxt")) == 80


def test_a_list_of_classes_may_end_in_txt_as_well(
    ava: Site, config: FetchConfig, tmp_path: Path
) -> None:
    tables = {name.replace("2.2", "2.1"): text for name, text in AVA_TABLES.items()}
    tables.pop("ava_action_list_v2.1_for_activitynet_2019.pbtxt")
    tables["ava_action_list_v2.1_for_activitynet_2018.pbtxt.txt"] = LABELS
    ava.files["/annotations/ava_v2.1.zip"] = Served(zipped(tables))
    fetch_ava_annotations("2.1", tmp_path, config=config)
    assert (tmp_path / "ava_action_list_v2.1_evaluated.pbtxt").read_text() == LABELS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (zipped({"ava_train_v2.2.csv": ROW}), r"ava_v2\.2\.zip: lacks ava_val_v2\.2\.csv"),
        (zipped(AVA_TABLES)[:-30], r"ava_v2\.2\.zip: .* is it damaged"),
        (b"not a zip at all", r"ava_v2\.2\.zip does not begin as a \.zip file"),
    ],
    ids=["a table less", "cut off", "no archive"],
)
def test_another_archive_than_avas_is_refused_by_name(
    ava: Site, config: FetchConfig, tmp_path: Path, content: bytes, said: str
) -> None:
    ava.files["/annotations/ava_v2.2.zip"] = Served(content)
    with pytest.raises(InputError, match=said):
        fetch_ava_annotations("2.2", tmp_path, config=config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "names no video"),
        ("a.mkv\n../up.mkv\n", r"line 2: '\.\./up\.mkv' is not a video's name"),
        ("a.mkv\na.mp4\n", "a.mkv and a.mp4 share their id"),
        ("<html>\n", "'<html>' is not a video's name"),
    ],
)
def test_a_list_of_videos_is_checked(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        read_ava_list(tmp_path / "list.txt")


@pytest.fixture
def lists(ava: Site, config: FetchConfig, tmp_path: Path) -> list[Path]:
    fetch_ava_annotations("2.2", tmp_path / "lists", config=config)
    return sorted((tmp_path / "lists").glob("ava_file_names_*.txt"))


def test_a_video_comes_from_its_part_with_its_ending(
    config: FetchConfig, lists: list[Path], tmp_path: Path
) -> None:
    fetch_ava_videos(["zz_test", "-a_bCdEfGhI"], lists, tmp_path / "videos", config=config)
    assert fetched(tmp_path / "videos") == {"zz_test.webm", "-a_bCdEfGhI.mkv"}


def test_a_video_that_is_in_no_list_is_named(
    config: FetchConfig, lists: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="^c: not a video in the lists"):
        fetch_ava_videos(["zz_test", "c"], lists, tmp_path / "videos", config=config)
    assert not (tmp_path / "videos").exists()


def test_avas_commands(ava: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(ava, "ava-annotations", "2.2", "--folder", "a") == 0
    names = ["--lists", "a/ava_file_names_trainval_v2.1.txt", "--folder", "f"]
    assert command(ava, "ava-films", *names, "--", "-a_bCdEfGhI") == 0
    assert Path("f/-a_bCdEfGhI.mkv").read_bytes() == MKV
    assert command(ava, "ava-films", *names) == 2  # b.mp4 is not there
    address = f"{ava.address}/trainval/-a_bCdEfGhI.mkv"
    assert command(ava, "files", address, "--folder", "g") == 0
    assert command(ava, "files", address, "--size", "7", "--folder", "g") == 2


# UCF101-24

AVIS = {video: b"RIFF" + video.encode() * 61 for video in ("v_a_g01_c01", "v_b_g01_c02")}
OTHERS = {
    "UCF-101/Archery/v_Archery_g01_c01.avi": b"RIFF of another class",
    "../../evil.avi": b"RIFF evil",
    "UCF-101/A/v_a_g01_c01.txt": b"not a video",
}


def inside(videos: Mapping[str, bytes] = AVIS) -> dict[str, bytes]:
    return {f"UCF-101/A/{video}.avi": content for video, content in videos.items()} | OTHERS


@pytest.fixture
def ucf101(site: Site) -> Site:
    for name, pack in ARCHIVES.items():
        site.files[f"/{name}"] = Served(pack(inside()))
    site.files["/annots/pyannot.pkl"] = Served(b"annotations", breaks_at=[5])
    site.files["/annots/testlist01.txt"] = Served(b"A/v_a_g01_c01\n")
    return site


@pytest.fixture
def ucf_config(ucf101: Site) -> FetchConfig:
    return fetching(
        ucf101.address,
        ucf101_24_annotations=f"{ucf101.address}/annots/",
        ucf101_films=f"{ucf101.address}/UCF101.rar",
    )


def test_ucf101_24s_tables_come_whole(ucf_config: FetchConfig, tmp_path: Path) -> None:
    fetch_ucf101_24_annotations(tmp_path, config=ucf_config)
    assert (tmp_path / "pyannot.pkl").read_bytes() == b"annotations"
    assert (tmp_path / "testlist01.txt").read_text() == "A/v_a_g01_c01\n"


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_videos_that_are_asked_for_come_out_and_nothing_else(
    ucf101: Site, tmp_path: Path, name: str
) -> None:
    ucf101.files[f"/{name}"].breaks_at = [100]
    config = fetching(ucf101.address, ucf101_films=f"{ucf101.address}/{name}")
    paths = fetch_ucf101_videos(list(AVIS), tmp_path / "in" / "videos", config=config)
    assert [path.read_bytes() for path in paths] == list(AVIS.values())
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    videos = {f"in/videos/{video}.avi" for video in AVIS}
    assert there == videos | {f"in/{name}", f"in/{name}.fetched.json"}
    assert ucf101.asked(f"/{name}")[1] == "bytes=100-"


def test_existing_videos_are_used_as_they_are(
    ucf101: Site, ucf_config: FetchConfig, tmp_path: Path
) -> None:
    first, second = AVIS
    (tmp_path / f"{first}.mp4").write_bytes(b"mine")
    assert fetch_ucf101_videos([first], tmp_path, config=ucf_config) == [tmp_path / f"{first}.mp4"]
    assert ucf101.requests == []
    paths = fetch_ucf101_videos([first, second], tmp_path, config=ucf_config)
    assert [path.name for path in paths] == [f"{first}.mp4", f"{second}.avi"]
    assert paths[0].read_bytes() == b"mine"
    (tmp_path.parent / "UCF101.rar").unlink(missing_ok=True)
    ucf101.requests.clear()
    fetch_ucf101_videos(
        [first, second], tmp_path, config=ucf_config
    )  # the archive may go once they are there
    assert ucf101.requests == []


def test_a_folder_or_an_archive_of_ones_own_takes_the_servers_place(
    ucf101: Site, ucf_config: FetchConfig, tmp_path: Path
) -> None:
    (tmp_path / "own" / "deep").mkdir(parents=True)
    for video, content in AVIS.items():
        (tmp_path / "own" / "deep" / f"{video}.avi").write_bytes(content)
    (tmp_path / "own.zip").write_bytes(zipped(inside()))
    for source in ("own", "own.zip"):
        own = fetching(ucf101.address, ucf101_films=str(tmp_path / source))
        paths = fetch_ucf101_videos(list(AVIS), tmp_path / f"videos of {source}", config=own)
        assert [path.read_bytes() for path in paths] == list(AVIS.values())
    assert ucf101.requests == []


def test_videos_that_no_archive_has_are_named(ucf_config: FetchConfig, tmp_path: Path) -> None:
    wanted = [*AVIS, *(f"v_c_g01_c{k:02d}" for k in range(7))]
    with pytest.raises(InputError, match=r"rar: lacks v_c_g01_c00, .* and 2 more, of 9 videos; is"):
        fetch_ucf101_videos(wanted, tmp_path / "videos", config=ucf_config)
    assert len(list((tmp_path / "videos").iterdir())) == len(AVIS)  # those stay


# EPIC-Kitchens-55

MP4 = b"\x00\x00\x00\x20ftypmp41" + bytes(5000)
EPIC_TABLES = {
    "EPIC_train_action_labels.csv": "uid,participant_id,video_id\n"
    "0,P01,P01_02\n1,P01,P01_02\n2,P30,P30_01\n",
    "EPIC_verb_classes.csv": "verb_id,class_key\n0,take\n",
    "EPIC_noun_classes.csv": "noun_id,class_key\n0,cup\n",
    "EPIC_video_info.csv": "video,resolution,duration,fps\nP01_02,1920x1080,7.5,60\n",
}
OBJECTS = "EPIC_train_object_labels.csv"


@pytest.fixture
def epic(site: Site) -> Site:
    for name, text in EPIC_TABLES.items():
        site.files[f"/tables/{name}"] = Served(text.encode())
    site.files[f"/tables/{OBJECTS}"] = Served(b"noun_class\n")
    site.files["/videos/train/P01/P01_02.MP4"] = Served(MP4, breaks_at=[3000])
    site.files["/videos/train/P30/P30_01.MP4"] = Served(MP4)
    return site


@pytest.fixture
def epic_config(epic: Site) -> FetchConfig:
    return fetching(
        epic.address,
        epic55_annotations=f"{epic.address}/tables/",
        epic55_films=f"{epic.address}/videos",
    )


@pytest.fixture
def actions(tmp_path: Path) -> Path:
    (tmp_path / "actions.csv").write_text(EPIC_TABLES["EPIC_train_action_labels.csv"])
    return tmp_path / "actions.csv"


def test_epics_tables_come_and_those_of_objects_if_asked_for(
    epic: Site, epic_config: FetchConfig, tmp_path: Path
) -> None:
    fetch_epic55_annotations(tmp_path / "in", config=epic_config)
    assert fetched(tmp_path / "in") == set(EPIC_TABLES)
    for name, text in EPIC_TABLES.items():
        assert (tmp_path / "in" / name).read_text() == text
    asked = len(epic.asked("/tables/EPIC_verb_classes.csv"))
    fetch_epic55_annotations(tmp_path / "in", config=epic_config, objects=True)
    assert fetched(tmp_path / "in") == {*EPIC_TABLES, OBJECTS}
    assert len(epic.asked("/tables/EPIC_verb_classes.csv")) == asked  # it was there


def test_another_table_than_epics_is_refused(
    epic: Site, epic_config: FetchConfig, tmp_path: Path
) -> None:
    epic.files["/tables/EPIC_video_info.csv"] = Served(b"some,thing\n1,2\n")
    with pytest.raises(InputError, match=r"EPIC_video_info\.csv, line 1: has no column video"):
        fetch_epic55_annotations(tmp_path, config=epic_config)


def test_an_interrupted_video_resumes(
    epic: Site, epic_config: FetchConfig, actions: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "videos"
    fetch_epic55_videos(["P01_02"], actions, folder, config=epic_config)
    assert fetched(folder) == {"P01_02.MP4"}
    assert (folder / "P01_02.MP4").read_bytes() == MP4
    assert epic.asked("/videos/train/P01/P01_02.MP4")[:2] == [None, "bytes=3000-"]


def test_a_video_without_labels_is_named(
    epic: Site, epic_config: FetchConfig, actions: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^P01_07: not a video of .*actions\.csv"):
        fetch_epic55_videos(["P01_07"], actions, tmp_path / "videos", config=epic_config)
    assert not (tmp_path / "videos").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3,P01,../../P01_01", "line 5: video id is"),
        ("3,..,P01_01", r"line 5: video 'P01_01' of participant '\.\.'"),
        ("3,P01", "line 5: 2 columns, expected 3"),
    ],
)
def test_a_table_of_videos_that_leads_elsewhere_is_refused(
    actions: Path, line: str, message: str
) -> None:
    actions.write_text(actions.read_text() + line + "\n")
    with pytest.raises(InputError, match=message):
        labelled_videos(actions)


def test_epics_commands(
    epic: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    tables = ["epic55-annotations", "--address", f"{epic.address}/tables", "--folder", "in"]
    assert command(epic, *tables) == 0
    videos = ["epic55-films", "--actions", "in/EPIC_train_action_labels.csv", "--folder", "videos"]
    videos += ["--address", f"{epic.address}/videos"]
    assert command(epic, *videos, "P30_01") == 0
    assert fetched(Path("videos")) == {"P30_01.MP4"}
    assert command(epic, *videos) == 0
    assert fetched(Path("videos")) == {"P30_01.MP4", "P01_02.MP4"}
    assert command(epic, *videos, "P02_01") == 2
    assert "P02_01: not a video of" in capsys.readouterr().err


def test_the_published_table_names_272_videos(shared_data: Path) -> None:
    videos = labelled_videos(shared_data / "epic55" / "EPIC_train_action_labels.csv")
    assert (len(videos), len(set(videos.values()))) == (272, 28)
    assert videos["P01_01"] == "P01"


# PETS 2009

GT = "21,3,300,200,30,80,1,-1,-1,-1\n281,3,300,200,30,80,1,-1,-1,-1\n"
MEMBER = "MOT15Labels/train/PETS09-S2L1/gt/gt.txt"


@pytest.fixture
def street(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    video = b"RIFF" + bytes(100)
    monkeypatch.setattr("aia.fetch.sources._VTEST_SHA256", hashlib.sha256(video).hexdigest())
    site.files["/vtest.avi"] = Served(video)
    others = {MEMBER: GT, MEMBER.replace("S2L1", "S2L2"): "1,1,1,1,1,1\n"}
    site.files["/labels.zip"] = Served(zipped(others))
    return site


def street_config(site: Site) -> FetchConfig:
    addresses = {"pets09_video": "/vtest.avi", "pets09_tracks": "/labels.zip"}
    return fetching(site.address, **{name: site.address + at for name, at in addresses.items()})


def test_a_street_is_fetched_and_labelled(street: Site, tmp_path: Path, capsys: Any) -> None:
    fetch_pets09(tmp_path, config=street_config(street))
    assert {*PETS09_FILES} <= fetched(tmp_path)
    assert (tmp_path / "train.csv").read_text().startswith("vtest,0002,0.3906,0.3472,")
    assert (tmp_path / "val.csv").read_text().startswith("vtest,0028,")
    assert "CC BY-NC-SA" in capsys.readouterr().err


def test_another_video_of_the_street_is_refused(street: Site, tmp_path: Path) -> None:
    street.files["/vtest.avi"] = Served(b"RIFF" + bytes(101))
    with pytest.raises(InputError, match="vtest.avi"):
        fetch_pets09(tmp_path, config=street_config(street))
    assert not (tmp_path / "vtest.avi").exists()


def test_an_archive_without_the_street_is_refused(street: Site, tmp_path: Path) -> None:
    street.files["/labels.zip"] = Served(zipped({"2DMOT/README": "none"}))
    with pytest.raises(InputError, match="expected one train/PETS09-S2L1/gt/gt.txt in it, found 0"):
        fetch_pets09(tmp_path, config=street_config(street))


def test_a_street_that_is_at_hand_is_copied(
    street: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pets09").mkdir()
    for name in PETS09_FILES:
        (tmp_path / "pets09" / name).write_text(name)
    monkeypatch.setenv("AIA_SHARED_DATA", str(tmp_path))
    assert command(street, "pets09", "--folder", str(tmp_path / "data")) == 0
    assert fetched(tmp_path / "data") == {*PETS09_FILES}
    assert not street.requests
