"""What planned jobs will meet."""

import json
from pathlib import Path

import pytest

from aia.budget.account import account_of
from aia.budget.facts import FilmFacts, KeyFrames, StoreFacts, counted_key_frames, stored
from aia.budget.jobs import Job
from aia.budget.rates import packaged_rates
from aia.cli import _parser
from aia.video.decode import VideoFile

FRAMES = {"fps": 5, "short_side": 30, "codec": "jpeg", "quality": 90}


def test_key_frames_with_a_person_are_counted_and_excluded_seconds_are_not(tmp_path):
    table, excluded = tmp_path / "val.csv", tmp_path / "excluded.csv"
    box, other = "0.1,0.1,0.5,0.9", "0.5,0.1,0.9,0.9"
    table.write_text(
        f"a,0902,{box},11,0\na,0902,{box},12,0\na,0902,{other},11,1\n"  # two persons, three labels
        f"a,0905,{box},11,0\na,0907,{box},11,0\n"
        "a,0911\n"  # nobody
        f"b,1000,{box},11,0\n"
    )
    excluded.write_text("a,0907\n")
    assert counted_key_frames(table, None) == {"a": KeyFrames(3, 4, 6), "b": KeyFrames(1, 1, 1)}
    assert counted_key_frames(table, excluded)["a"] == KeyFrames(2, 3, 4)


def test_a_store_has_its_films_length_at_its_own_rate_and_size():
    film = FilmFacts(7.0, 24.0, (60, 90))
    assert stored(film, FRAMES) == StoreFacts(7.0, 5, (30, 45), "jpeg", 90)
    part = stored(film, FRAMES | {"start_sec": 2.0, "end_sec": 5.0})
    assert part.seconds == 3.0


def test_a_films_own_header_is_read(shared_data: Path):
    film = shared_data / "pets09" / "vtest.avi"
    job = Job(
        rule="store_frames",
        command=f"aia frames {film} --output f.h5 --settings '{json.dumps({'frames': FRAMES})}'",
        output=("f.h5",),
    )
    rates = packaged_rates()
    found = account_of([job], parse=_parser().parse_args, rates=rates, cores=1, gpus=0)
    source = VideoFile(film)
    pixels = source.stated_sec * 5 * 30 * round(30 * source.size_hw[1] / source.size_hw[0])
    assert found.rows[-1].disk_gb * 1e9 == pytest.approx(pixels * rates["bytes.jpeg90"])
    assert found.notes == []


def test_what_is_planned_up_to_a_checkpoint_says_so():
    job = Job(rule="fetch", command="curl x", output=("data/table.csv",), checkpoint=True)
    found = account_of([job], parse=_parser().parse_args, rates=packaged_rates(), cores=1, gpus=0)
    assert "what follows fetch is known when it has run" in found.notes[0]
    assert found.rows[-1].jobs == 1
