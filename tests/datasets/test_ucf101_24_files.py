"""UCF101-24 fetched from a server of our own, and films out of archives that mean well or ill."""

import binascii
import io
import struct
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from aia.config import FetchConfig
from aia.datasets.ucf101_24_files import fetch_annotations, fetch_films, write_film_list
from aia.errors import InputError
from aia.fetch import take_files
from tests.serving import Served, Site, serving

FILMS = {video: b"RIFF" + video.encode() * 61 for video in ("v_a_g01_c01", "v_b_g01_c02")}
OTHERS = {
    "UCF-101/Archery/v_Archery_g01_c01.avi": b"RIFF of another class",
    "../../evil.avi": b"RIFF evil",
    "UCF-101/A/v_a_g01_c01.txt": b"not a film",
}


def inside(films: Mapping[str, bytes] = FILMS) -> dict[str, bytes]:
    return {f"UCF-101/A/{video}.avi": content for video, content in films.items()} | OTHERS


def zipped(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def tarred(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def rar(members: Mapping[str, bytes], *, method: int = 0x30, flags: int = 0) -> bytes:
    """A RAR 3 archive; method 0x30 keeps files as they are, others say that they are packed."""

    def block(kind: int, flags: int, fields: bytes, content: bytes = b"") -> bytes:
        head = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
        return struct.pack("<H", binascii.crc32(head) & 0xFFFF) + head + content

    blocks = [b"Rar!\x1a\x07\x00", block(0x73, flags, bytes(6))]
    for name, content in members.items():
        size, crc, path = len(content), binascii.crc32(content), name.encode()
        fields = struct.pack(
            "<LLBLLBBHL", size, size, 3, crc, 0x21 << 16, 29, method, len(path), 0o100644
        )
        blocks.append(block(0x74, 0x8000, fields + path, content))
    return b"".join([*blocks, block(0x7B, 0x4000, b"")])


ARCHIVES = {"UCF101.rar": rar, "films.zip": zipped, "films.tar.gz": tarred}


@pytest.fixture
def site() -> Iterator[Site]:
    with serving() as site:
        for name, pack in ARCHIVES.items():
            site.files[f"/{name}"] = Served(pack(inside()))
        site.files["/annots/pyannot.pkl"] = Served(b"annotations", breaks_at=[5])
        site.files["/annots/testlist01.txt"] = Served(b"A/v_a_g01_c01\n")
        yield site


@pytest.fixture
def config(site: Site) -> FetchConfig:
    return FetchConfig(
        address=site.address,
        ucf101_24_annotations=f"{site.address}/annots/",
        ucf101_films=f"{site.address}/UCF101.rar",
        epic55_annotations=site.address,
        epic55_films=site.address,
        at_once=2,
        attempts=2,
        wait_sec=0.01,
        stall_sec=1.0,
    )


def test_both_tables_come_whole(config: FetchConfig, tmp_path: Path) -> None:
    fetch_annotations(tmp_path, config=config)
    assert (tmp_path / "pyannot.pkl").read_bytes() == b"annotations"
    assert (tmp_path / "testlist01.txt").read_text() == "A/v_a_g01_c01\n"


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_films_that_are_asked_for_come_out_and_nothing_else(
    site: Site, config: FetchConfig, tmp_path: Path, name: str
) -> None:
    site.files[f"/{name}"].breaks_at = [100]
    config = replace(config, ucf101_films=f"{site.address}/{name}")
    paths = fetch_films(list(FILMS), tmp_path / "in" / "films", config=config)
    assert [path.read_bytes() for path in paths] == list(FILMS.values())
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    films = {f"in/films/{video}.avi" for video in FILMS}
    assert there == films | {f"in/{name}", f"in/{name}.fetched.json"}
    assert site.asked(f"/{name}")[1] == "bytes=100-"


def test_films_that_are_there_are_used_as_they_are(
    site: Site, config: FetchConfig, tmp_path: Path
) -> None:
    first, second = FILMS
    (tmp_path / f"{first}.mp4").write_bytes(b"mine")
    assert fetch_films([first], tmp_path, config=config) == [tmp_path / f"{first}.mp4"]
    assert site.requests == []
    paths = fetch_films([first, second], tmp_path, config=config)
    assert [path.name for path in paths] == [f"{first}.mp4", f"{second}.avi"]
    assert paths[0].read_bytes() == b"mine"
    (tmp_path.parent / "UCF101.rar").unlink(missing_ok=True)
    site.requests.clear()
    fetch_films([first, second], tmp_path, config=config)  # the archive may go once they are there
    assert site.requests == []
    write_film_list(tmp_path / "list.csv", paths)
    assert (tmp_path / "list.csv").read_text().splitlines()[1] == f"{first},{first}.mp4,4"


def test_a_folder_or_an_archive_of_ones_own_takes_the_servers_place(
    site: Site, config: FetchConfig, tmp_path: Path
) -> None:
    (tmp_path / "own" / "deep").mkdir(parents=True)
    for video, content in FILMS.items():
        (tmp_path / "own" / "deep" / f"{video}.avi").write_bytes(content)
    (tmp_path / "own.zip").write_bytes(zipped(inside()))
    for source in ("own", "own.zip"):
        own = replace(config, ucf101_films=str(tmp_path / source))
        paths = fetch_films(list(FILMS), tmp_path / f"films of {source}", config=own)
        assert [path.read_bytes() for path in paths] == list(FILMS.values())
    assert site.requests == []


def test_films_that_no_archive_has_are_named(config: FetchConfig, tmp_path: Path) -> None:
    wanted = [*FILMS, *(f"v_c_g01_c{k:02d}" for k in range(7))]
    with pytest.raises(InputError, match=r"rar: lacks v_c_g01_c00, .* and 2 more, of 9 films; is"):
        fetch_films(wanted, tmp_path / "films", config=config)
    assert len(list((tmp_path / "films").iterdir())) == len(FILMS)  # those stay


@pytest.mark.parametrize("name", ARCHIVES)
def test_nothing_is_written_outside_the_folder(tmp_path: Path, name: str) -> None:
    evil = {
        name: b"RIFF" for name in ("../a.avi", "/tmp/b.avi", "..\\c.avi", "x/../../d.avi", "e.avi")
    }
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(ARCHIVES[name](evil))
    take_files(tmp_path / "in" / name, lambda name: name, tmp_path / "in" / "films")
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {f"in/films/{letter}.avi" for letter in "abcde"} | {f"in/{name}"}
    for wrong in ("../a.avi", "..", "a/b.avi", ""):
        with pytest.raises(InputError, match="is not a file's name"):
            take_files(tmp_path / "in" / name, lambda _, wrong=wrong: wrong, tmp_path / "other")


def test_links_in_a_tar_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("RIFF secret")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name, kind in (("a.avi", tarfile.SYMTYPE), ("b.avi", tarfile.LNKTYPE)):
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = kind, str(tmp_path / "secret")
            archive.addfile(entry)
    assert take_files(tmp_path / "a.tar", lambda name: name, tmp_path / "films") == {}
    assert list((tmp_path / "films").iterdir()) == []


def test_a_packed_rar_without_a_tool_says_which_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "a.rar").write_bytes(rar({"a.avi": b"RIFF packed"}, method=0x33))
    with pytest.raises(InputError, match=r"a\.rar: .*unrar, unar, 7z, 7zz or bsdtar is needed"):
        take_files(tmp_path / "a.rar", lambda name: name, tmp_path / "films")
    assert list((tmp_path / "films").iterdir()) == []


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_cut_off_is_named(tmp_path: Path, name: str) -> None:
    whole = ARCHIVES[name]({"a.avi": b"RIFF" + bytes(range(256)) * 40})
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InputError, match=rf"{name}: (cannot be unpacked|neither)"):
        take_files(tmp_path / name, lambda name: name, tmp_path / "films")
    assert not list((tmp_path / "films").iterdir())


def test_a_rar_with_a_damaged_film_is_named(tmp_path: Path) -> None:
    film = b"RIFF" + bytes(500)
    damaged = bytearray(rar({"a.avi": film}))
    damaged[damaged.index(film) + 70] ^= 1
    (tmp_path / "a.rar").write_bytes(damaged)
    with pytest.raises(InputError, match=r"a\.rar: cannot be unpacked \(BadRarFile"):
        take_files(tmp_path / "a.rar", lambda name: name, tmp_path / "films")
    assert not list((tmp_path / "films").iterdir())


def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a.avi": b"<html>no film</html>"}))
    with pytest.raises(InputError, match=r"a\.zip, a\.avi: a web page came instead of a\.avi"):
        take_files(tmp_path / "a.zip", lambda name: name, tmp_path / "films")
    (tmp_path / "b.zip").write_bytes(zipped({"x/a.avi": b"RIFF 1", "y/a.avi": b"RIFF 2"}))
    with pytest.raises(InputError, match=r"b\.zip: has a\.avi twice, x/a\.avi and y/a\.avi"):
        take_files(tmp_path / "b.zip", lambda name: name, tmp_path / "films")
    (tmp_path / "c.rar").write_bytes(b"something else")
    for name in ("c.rar", "d.rar"):
        with pytest.raises(InputError, match=rf"{name}: (neither a rar|there is no such)"):
            take_files(tmp_path / name, lambda name: name, tmp_path / "films")
