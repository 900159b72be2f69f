"""Downloads from a server that breaks off, is slow, lies, or has something else."""

import hashlib
import json
import multiprocessing
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aia.errors import InputError
from aia.fetch import fetch, fetch_all, wanted_file
from tests.fetch.archives import fetching
from tests.serving import Served, Site, serving

CONTENT = np.random.default_rng(3).bytes(20_011)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
VIDEO = b"\x1a\x45\xdf\xa3" + CONTENT
SOON = fetching("http://unused", at_once=3, attempts=3, stall_sec=0.4)


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        yield site


def get(site: Site, folder: Path, name: str = "a.bin", **known: object) -> Path:
    wanted = wanted_file(f"{site.address}/{name}", folder, **known)
    fetch(wanted, config=SOON)
    return wanted.path


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


# What arrives


def test_a_file_comes_whole_with_a_note_of_what_it_is(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT)
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert left(tmp_path) == {"a.bin", "a.bin.fetched.json"}
    note = json.loads((tmp_path / "a.bin.fetched.json").read_text())
    assert (note["size"], note["sha256"]) == (len(CONTENT), SHA256)


def test_an_existing_file_is_not_downloaded_again(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT)
    get(site, tmp_path)
    site.requests.clear()
    get(site, tmp_path)
    assert site.requests == []


def test_a_file_of_the_users_own_is_kept_and_noted(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT)
    (tmp_path / "a.bin").write_bytes(CONTENT)
    get(site, tmp_path)
    assert site.asked("/a.bin") == []
    assert json.loads((tmp_path / "a.bin.fetched.json").read_text())["sha256"] == SHA256


def test_a_file_of_the_users_own_that_is_cut_off_is_named(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT)
    (tmp_path / "a.bin").write_bytes(CONTENT[:500])
    with pytest.raises(InputError, match=r"a\.bin has 500 bytes, not the 20,011 .* cut off"):
        get(site, tmp_path)


def test_a_file_that_was_changed_since_is_named(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT)
    path = get(site, tmp_path)
    path.write_bytes(bytes(len(CONTENT)))
    with pytest.raises(InputError, match=r"a\.bin has the SHA-256 .* changed or damaged"):
        get(site, tmp_path)


# Interruptions


@pytest.mark.parametrize("cuts", [[7000], [1, 5000, 9999], [0, 0, 300]])
def test_an_interrupted_download_resumes(site: Site, tmp_path: Path, cuts: list[int]) -> None:
    site.files["/a.bin"] = Served(CONTENT, breaks_at=list(cuts))
    assert get(site, tmp_path).read_bytes() == CONTENT
    starts, at = [], 0
    for cut in [0, *cuts]:
        at += cut
        starts.append(f"bytes={at}-" if at else None)
    assert site.asked("/a.bin")[: len(starts)] == starts


def test_a_later_call_resumes_where_an_earlier_one_gave_up(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, breaks_at=[7000, 0, 0, 0])
    with pytest.raises(InputError, match=r"broke off at 7,000 of 20,011 bytes; given up after 3 "):
        get(site, tmp_path)
    assert left(tmp_path) == {"a.bin.part", "a.bin.part.json"}
    site.requests.clear()
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked("/a.bin")[0] == "bytes=7000-"


def test_a_complete_part_needs_no_request(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, breaks_at=[7000, 0, 0, 0])
    with pytest.raises(InputError):
        get(site, tmp_path)
    (tmp_path / "a.bin.part").write_bytes(CONTENT)  # as if killed before it was renamed
    site.requests.clear()
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked("/a.bin") == []


def test_a_server_without_ranges_starts_anew(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, breaks_at=[7000, 19_000], ranges=False)
    assert get(site, tmp_path).read_bytes() == CONTENT


def test_without_a_mark_of_the_version_nothing_is_joined(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, breaks_at=[7000], named=False)
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked("/a.bin")[:2] == [None, None]


def test_two_versions_of_a_file_are_never_joined(site: Site, tmp_path: Path) -> None:
    newer = CONTENT[::-1]
    site.files["/a.bin"] = Served(CONTENT, breaks_at=[7000], becomes=newer)
    assert get(site, tmp_path).read_bytes() == newer


def test_a_damaged_part_is_downloaded_anew(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, breaks_at=[7000, 0, 0, 0])
    with pytest.raises(InputError):
        get(site, tmp_path)
    (tmp_path / "a.bin.part").write_bytes(bytes(7000))
    assert get(site, tmp_path, sha256=SHA256).read_bytes() == CONTENT


def test_a_part_of_another_address_is_not_resumed(site: Site, tmp_path: Path) -> None:
    site.files["/old/a.bin"] = Served(CONTENT[::-1], breaks_at=[7000, 0, 0, 0])
    site.files["/a.bin"] = Served(CONTENT)
    with pytest.raises(InputError):
        get(site, tmp_path, "old/a.bin")
    assert get(site, tmp_path).read_bytes() == CONTENT


# Stalls


def test_a_server_that_falls_silent_is_left_and_asked_again(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, hangs_at=[6000])
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked("/a.bin")[1] == "bytes=6000-"


def test_a_server_that_stays_silent_is_given_up(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, hangs_at=[0] * 9)
    with pytest.raises(InputError, match=r"sent nothing for 0\.4 s; given up after 3 attempts"):
        get(site, tmp_path)


def test_slow_is_not_silent(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, piece_pause_sec=0.03)  # longer in all than a stall
    assert get(site, tmp_path).read_bytes() == CONTENT
    assert site.asked("/a.bin")[0] is None


# Wrong lengths


@pytest.mark.parametrize("ranges", [True, False])
def test_a_length_that_is_too_long_ends(site: Site, tmp_path: Path, ranges: bool) -> None:
    site.files["/a.bin"] = Served(CONTENT, states=len(CONTENT) + 77, ranges=ranges)
    with pytest.raises(InputError, match=r"/a\.bin: .*given up after 3 attempts without progress"):
        get(site, tmp_path)
    assert not (tmp_path / "a.bin").exists()


def test_a_length_that_is_too_short_is_found_by_asking_again(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, states=15_000)
    with pytest.raises(
        InputError, match=r"a\.bin has 15,000 bytes, not the 20,011 that the server states"
    ):
        get(site, tmp_path)
    assert left(tmp_path) == set()


@pytest.mark.parametrize("known", [{"size": len(CONTENT)}, {"sha256": SHA256}])
def test_a_length_that_is_too_short_is_found_by_what_is_published(
    site: Site, tmp_path: Path, known: dict
) -> None:
    site.files["/a.bin"] = Served(CONTENT, states=15_000, ranges=False)
    with pytest.raises(InputError, match=r"a\.bin has (15,000 bytes|the SHA-256 .* published)"):
        get(site, tmp_path, **known)
    assert left(tmp_path) == set()


# Wrong content


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_file_that_is_not_to_be_had_fails_at_once(
    site: Site, tmp_path: Path, status: int
) -> None:
    site.files["/a.bin"] = Served(CONTENT, statuses=[status])
    with pytest.raises(InputError, match=rf"{site.address}/a\.bin: the server answers {status} "):
        get(site, tmp_path)
    assert len(site.requests) == 1
    assert left(tmp_path) == set()


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_is_busy_is_asked_again(site: Site, tmp_path: Path, status: int) -> None:
    site.files["/a.bin"] = Served(CONTENT, statuses=[status, status])
    assert get(site, tmp_path).read_bytes() == CONTENT


def test_a_web_page_is_no_video(site: Site, tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><html><body>Please log in</body></html>" * 40
    for content_type in ("text/html; charset=utf-8", "video/x-matroska"):
        site.files["/a.mkv"] = Served(page, content_type=content_type)
        with pytest.raises(InputError, match=r"a web page came instead of a\.mkv; it was refused"):
            get(site, tmp_path, "a.mkv")
        assert left(tmp_path) == set()


@pytest.mark.parametrize("name", ["a.mkv", "a.webm", "a.mp4", "a.avi", "a.zip"])
def test_a_file_of_another_kind_is_refused_by_name(site: Site, tmp_path: Path, name: str) -> None:
    site.files[f"/{name}"] = Served(CONTENT)
    with pytest.raises(InputError, match=rf"{name} does not begin as a \.\w+ file does"):
        get(site, tmp_path, name)
    assert left(tmp_path) == set()


def test_a_video_is_accepted(site: Site, tmp_path: Path) -> None:
    site.files["/a.mkv"] = Served(VIDEO)
    assert get(site, tmp_path, "a.mkv").read_bytes() == VIDEO


def test_another_digest_than_the_published_one_is_refused(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT)
    with pytest.raises(InputError, match=r"a\.bin has the SHA-256 .* not the one published, 000"):
        get(site, tmp_path, sha256="0" * 64)
    assert left(tmp_path) == set()
    assert len(site.asked("/a.bin")) == 1  # it came in one piece, so it is wrong


def test_a_file_that_was_fetched_before_must_be_the_same(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT)
    get(site, tmp_path).unlink()
    site.files["/a.bin"] = Served(CONTENT[::-1])
    with pytest.raises(InputError, match=r"not the one of the first fetch \(a\.bin\.fetched\.json"):
        get(site, tmp_path)


@pytest.mark.parametrize(
    "address", ["a.bin", "ftp://host/a.bin", "http://host/", "http://host/%2e%2e", "http:///a.bin"]
)
def test_an_address_must_name_a_file(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="address|not a file's name"):
        wanted_file(address, tmp_path)


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be reached .*given up after 3 attempts"):
        fetch(wanted_file("http://127.0.0.1:9/a.bin", tmp_path), config=SOON)


# Several files


def test_several_files_come_side_by_side(site: Site, tmp_path: Path) -> None:
    names = [f"{k}.bin" for k in range(7)]
    for name in names:
        site.files[f"/{name}"] = Served(CONTENT + name.encode(), piece_pause_sec=0.005)
    fetch_all([wanted_file(f"{site.address}/{name}", tmp_path) for name in names], config=SOON)
    assert all((tmp_path / name).read_bytes() == CONTENT + name.encode() for name in names)
    assert site.most_at_once == SOON.at_once


def test_one_that_fails_leaves_the_others_alone(site: Site, tmp_path: Path) -> None:
    for name in ("a.bin", "c.bin", "d.mkv"):
        site.files[f"/{name}"] = Served(CONTENT)
    wanted = [
        wanted_file(f"{site.address}/{name}", tmp_path)
        for name in ("a.bin", "b.bin", "c.bin", "d.mkv")
    ]
    with pytest.raises(InputError) as error:
        fetch_all(wanted, config=SOON)
    said = str(error.value).splitlines()
    assert said[0] == "2 of 4 files could not be fetched:"
    assert "/b.bin: the server answers 404" in said[1]
    assert "d.mkv does not begin as a .mkv file" in said[2]
    assert {"a.bin", "c.bin"} <= left(tmp_path)


def test_two_that_fetch_the_same_file_do_not_mix(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT, piece_pause_sec=0.05)
    wanted = wanted_file(f"{site.address}/a.bin", tmp_path)
    patient = replace(SOON, stall_sec=5.0)
    other = multiprocessing.get_context("spawn").Process(
        target=fetch, args=(wanted,), kwargs={"config": patient}
    )
    other.start()
    while not (tmp_path / "a.bin.part.json").exists():
        assert other.is_alive()
    with pytest.raises(InputError, match="another process is fetching it right now"):
        fetch(wanted, config=SOON)
    other.join()
    assert wanted.path.read_bytes() == CONTENT


def test_a_download_that_was_stopped_can_resume(site: Site, tmp_path: Path) -> None:
    site.files["/a.bin"] = Served(CONTENT)
    stop = threading.Event()
    stop.set()
    wanted = wanted_file(f"{site.address}/a.bin", tmp_path)
    with pytest.raises(InputError, match="stopped"):
        fetch(wanted, config=SOON, stop=stop)
    fetch(wanted, config=SOON)
    assert wanted.path.read_bytes() == CONTENT
