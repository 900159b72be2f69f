"""UCF101-24 in miniature, fetched by the workflow from a server of our own, up to the frames."""

import csv
import pickle
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.fetch.archives import zipped
from tests.serving import Served, Site, serving
from tests.video.films import moving, write_film
from tests.workflow import made, message, overlay, planned, snakemake

FRAMES = {"Biking/v_Biking_g01_c01": 23, "Diving/v_Diving_g02_c03": 31}
TARGET = "results/ucf101_24/films.csv"
NTSC = Fraction(30000, 1001)


def film_bytes(folder: Path, video: str, frames: int) -> bytes:
    film = write_film(
        folder / f"{video}.avi",
        moving(range(frames)),
        times_sec=[k / NTSC for k in range(frames)],
        rate=NTSC,
        clock=1 / NTSC,
    )
    return film.read_bytes()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    tube = {"label": 5, "sf": 2, "ef": 5, "boxes": np.tile(np.uint8([160, 60, 80, 60]), (3, 1))}
    annotations = {name: {"numf": n, "annotations": [tube]} for name, n in FRAMES.items()}
    (tmp_path / "made").mkdir()
    films = {
        f"UCF-101/{name}.avi": film_bytes(tmp_path / "made", name.split("/")[1], frames)
        for name, frames in FRAMES.items()
    }
    with serving() as site:
        site.files["/annots/pyannot.pkl"] = Served(pickle.dumps(annotations), statuses=[503])
        site.files["/annots/testlist01.txt"] = Served(b"Diving/v_Diving_g02_c03.avi\n")
        site.files["/UCF101.zip"] = Served(zipped(films), breaks_at=[5000])
        overlay(
            tmp_path / "mini.yaml",
            {
                "fetch": {
                    "ucf101_24_annotations": f"{site.address}/annots",
                    "ucf101_films": f"{site.address}/UCF101.zip",
                    "wait_sec": 0.01,
                    "attempts": 2,
                },
                "frames": {"short_side": 48},
            },
        )
        yield site


def test_from_nothing_the_annotations_are_planned_and_nobody_is_asked(
    site: Site, tmp_path: Path
) -> None:
    jobs = planned(
        snakemake("results/ucf101_24.csv", "-n", "--configfile", "mini.yaml", cwd=tmp_path)
    )
    assert jobs["fetch_ucf101_24_annotations"] == jobs["result_table"] == 1
    assert site.requests == []


def test_ucf101_24_is_fetched_unpacked_and_every_frame_kept(site: Site, tmp_path: Path) -> None:
    with_settings = ("--configfile", "mini.yaml")
    tables = [f"data/ucf101_24/{name}" for name in ("pyannot.pkl", "testlist01.txt")]
    made(*tables, *with_settings, cwd=tmp_path)
    jobs = planned(snakemake(TARGET, "-n", *with_settings, cwd=tmp_path))
    assert jobs == {
        "prepare_tubes": 1,
        "fetch_ucf101_24_films": 1,  # one archive has all of them
        "store_frames": 2,
        "check_films": 1,
    }

    made(TARGET, *with_settings, cwd=tmp_path)
    with open(tmp_path / TARGET, newline="") as file:
        kept = {row["video"]: row["frames"] for row in csv.DictReader(file)}
    assert kept == {"v_Biking_g01_c01": "23", "v_Diving_g02_c03": "31"}
    assert site.asked("/UCF101.zip")[:2] == [None, "bytes=5000-"]

    site.requests.clear()
    (tmp_path / "data" / "ucf101_24" / "UCF101.zip").unlink()
    again = snakemake("-n", TARGET, *with_settings, cwd=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr
    assert site.requests == []


def test_films_that_are_there_are_not_fetched_and_one_of_other_length_is_named(
    site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "ucf101_24"
    (folder / "films").mkdir(parents=True)
    for name, frames in FRAMES.items():
        video = name.split("/")[1]
        short = frames - 4 * video.startswith("v_Diving")
        (folder / "films" / f"{video}.avi").write_bytes(film_bytes(tmp_path, video, short))
    said = message(snakemake(TARGET, "--configfile", "mini.yaml", cwd=tmp_path))
    assert "v_Diving_g02_c03: has 27 frames, but 31 are annotated" in said
    assert "v_Biking_g01_c01: has" not in said
    assert site.asked("/UCF101.zip") == []
