"""AVA in miniature, fetched by the workflow from a server of our own, up to the frames."""

import csv
import os
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest

from aia.datasets.pets09 import write_tables
from tests.fetch.archives import zipped
from tests.serving import Served, Site, serving
from tests.video.videos import moving, write_video
from tests.workflow import made, message, overlay, planned, snakemake

VIDEOS = {"-a_bCdEfGhI": "-a_bCdEfGhI.mkv", "b0123456789": "b0123456789.mp4"}
UNLABELLED = "zz.mkv"  # a test film: nobody annotated it
LABELS = 'label { name: "stand" label_id: 12 }\n'
NOBODY = "http://127.0.0.1:9/gt.txt"  # an address that nobody answers at
TARGET = "results/ava_v22/films.csv"


def film_bytes(folder: Path, name: str, numbers: list[int]) -> bytes:
    film = write_video(
        folder / name,
        moving(numbers),
        times_sec=[k / 30 for k in range(len(numbers))],
        rate=Fraction(30),
        clock=Fraction(1, 90000),
    )
    return film.read_bytes()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two annotated films of 8 s and one without labels; the seconds 2 to 6 are kept."""
    rows = {video: f"{video},3,0.1,0.1,0.5,0.9,12,0\n" for video in VIDEOS}
    train, val = rows.values()
    tables = {
        "ava_train_v2.2.csv": train,
        "ava_val_v2.2.csv": val,
        "ava_train_excluded_timestamps_v2.2.csv": "",
        "ava_val_excluded_timestamps_v2.2.csv": "",
        "ava_included_timestamps_v2.2.txt": "0003\n0005\n",
        "ava_action_list_v2.2.pbtxt": LABELS,
        "ava_action_list_v2.2_for_activitynet_2019.pbtxt": LABELS,
    }
    (tmp_path / "films").mkdir()
    with serving() as site:
        files = site.files
        files["/annotations/ava_v2.2.zip"] = Served(zipped(tables), statuses=[503])
        names = "\n".join([*VIDEOS.values(), ""]).encode()
        files["/annotations/ava_file_names_trainval_v2.1.txt"] = Served(names)
        files["/annotations/ava_file_names_test_v2.1.txt"] = Served(f"{UNLABELLED}\n".encode())
        for number, name in enumerate((*VIDEOS.values(), UNLABELLED)):
            numbers = list(range(1000 * number, 1000 * number + 240))
            content = film_bytes(tmp_path / "films", name, numbers)
            part = "test" if name == UNLABELLED else "trainval"
            files[f"/{part}/{name}"] = Served(content, breaks_at=[5000])
        overlay(
            tmp_path / "mini.yaml",
            {
                "fetch": {"address": site.address, "wait_sec": 0.01, "attempts": 2},
                "frames": {"start_sec": 2.0, "end_sec": 6.0, "short_side": 48, "codec": "jpeg"},
                "check": {"frames": 120},
            },
        )
        yield site


def names_in(folder: Path) -> set[str]:
    return {name for name in os.listdir(folder) if not name.startswith(".")}


def test_without_tables_these_are_planned_and_nothing_is_asked_of_anybody(
    site: Site, tmp_path: Path
) -> None:
    jobs = planned(snakemake(TARGET, "-n", "--configfile", "mini.yaml", cwd=tmp_path))
    assert jobs == {"fetch_ava_annotations": 1, "annotations_fetched": 1, "check_films": 1}
    assert site.requests == []


def test_ava_is_fetched_and_its_films_are_looked_at(site: Site, tmp_path: Path) -> None:
    made(TARGET, "--configfile", "mini.yaml", cwd=tmp_path)
    for name in VIDEOS.values():
        served = site.files[f"/trainval/{name}"]
        assert (tmp_path / "data" / "ava" / "films" / name).read_bytes() == served.content
        assert site.asked(f"/trainval/{name}")[:2] == [None, "bytes=5000-"]
    with open(tmp_path / TARGET, newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["video"]: row["frames"] for row in rows} == dict.fromkeys((*VIDEOS, "zz"), "120")

    site.requests.clear()
    again = snakemake("-n", TARGET, "--configfile", "mini.yaml", cwd=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr
    mirror = overlay(tmp_path / "mirror.yaml", {"fetch": {"address": "http://elsewhere"}})
    moved = snakemake("-n", TARGET, "--configfile", "mini.yaml", mirror, cwd=tmp_path)
    assert "Nothing to be done" in moved.stdout + moved.stderr
    assert site.requests == []

    # the film stays when its part of the pipeline is made anew, and it alone is stored again
    late = film_bytes(tmp_path / "films", "late.mkv", list(range(15, 255)))
    (tmp_path / "data" / "ava" / "films" / VIDEOS["-a_bCdEfGhI"]).write_bytes(late)
    frames = sorted((tmp_path / "results/ava_v22/frames").iterdir())
    before = {path.stem: path.stat().st_ino for path in frames}
    made(TARGET, "--configfile", "mini.yaml", cwd=tmp_path)
    changed = {path.stem for path in frames if path.stat().st_ino != before[path.stem]}
    assert changed == {"-a_bCdEfGhI"}
    assert site.requests == []


def test_a_test_film_that_lacks_seconds_to_score_stops_before_anything_is_trained(
    site: Site, tmp_path: Path
) -> None:
    tables = {"ava_included_timestamps_v2.2.txt": "0003\n0009\n"}
    rows = {split: "b0123456789,3,0.1,0.1,0.5,0.9,12,0\n" for split in ("train", "val")}
    tables |= {f"ava_{split}_v2.2.csv": row for split, row in rows.items()}
    tables |= {f"ava_{split}_excluded_timestamps_v2.2.csv": "" for split in rows}
    names = ("ava_action_list_v2.2.pbtxt", "ava_action_list_v2.2_for_activitynet_2019.pbtxt")
    tables |= dict.fromkeys(names, LABELS)
    site.files["/annotations/ava_v2.2.zip"] = Served(zipped(tables))
    said = message(snakemake(TARGET, "--configfile", "mini.yaml", cwd=tmp_path))
    assert "zz: is to be scored from 3 to 9 s, but its frames go from 2.00 to 6.00 s" in said
    assert "b0123456789: is" not in said  # it is annotated


def test_a_film_that_is_not_to_be_had_is_named_and_the_others_stay(
    site: Site, tmp_path: Path
) -> None:
    page = b"<html><body>not today</body></html>"
    site.files["/trainval/-a_bCdEfGhI.mkv"] = Served(page, content_type="text/html")
    said = message(snakemake(TARGET, "--configfile", "mini.yaml", "-k", cwd=tmp_path))
    assert "a web page came instead of -a_bCdEfGhI.mkv; it was refused" in said
    films = {
        f"{name}{end}" for name in ("b0123456789.mp4", UNLABELLED) for end in ("", ".fetched.json")
    }
    assert names_in(tmp_path / "data" / "ava" / "films") == films


def test_a_street_is_planned_whole_before_anything_is_there(tmp_path: Path) -> None:
    jobs = planned(snakemake("-n", "results/pets09_val.csv", cwd=tmp_path))
    assert jobs["fetch_pets09"] == jobs["prepare_data"] == jobs["store_frames"] == 1
    assert jobs["train"] == 4


def test_a_street_that_is_at_hand_is_prepared_and_a_cause_is_said_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay(
        tmp_path / "fast.yaml",
        {"fetch": {"attempts": 1, "pets09_tracks": NOBODY, "pets09_video": NOBODY}},
    )
    call = ("results/pets09/data/classes.pbtxt", "--configfile", "fast.yaml")
    monkeypatch.delenv("AIA_SHARED_DATA", raising=False)
    said = message(snakemake(*call, cwd=tmp_path))
    command, _, end = said.partition("At least one job did not complete successfully.\n")
    assert end.startswith("logs/fetch_pets09.log: error: ")
    assert NOBODY in end.splitlines()[-1]
    assert max(len(line) for line in command.splitlines()) < 400

    shared = tmp_path / "shared" / "pets09"
    shared.mkdir(parents=True)
    (shared / "vtest.avi").write_bytes(b"RIFF")
    (tmp_path / "gt.txt").write_text("21,3,300,200,30,80\n281,3,300,200,30,80\n")
    write_tables(tmp_path / "gt.txt", shared)
    monkeypatch.setenv("AIA_SHARED_DATA", str(shared.parent))
    made(*call, cwd=tmp_path)
    assert (tmp_path / "data" / "pets09" / "vtest.avi").read_bytes() == b"RIFF"
