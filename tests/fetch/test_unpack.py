"""Videos out of archives that mean well or ill."""

import tarfile
from pathlib import Path

import pytest

from aia.errors import InputError
from aia.fetch import take_files
from tests.fetch.archives import ARCHIVES, rar, zipped


@pytest.mark.parametrize("name", ARCHIVES)
def test_nothing_is_written_outside_the_folder(tmp_path: Path, name: str) -> None:
    evil = {
        name: b"RIFF" for name in ("../a.avi", "/tmp/b.avi", "..\\c.avi", "x/../../d.avi", "e.avi")
    }
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(ARCHIVES[name](evil))
    take_files(tmp_path / "in" / name, lambda name: name, tmp_path / "in" / "videos")
    there = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {f"in/videos/{letter}.avi" for letter in "abcde"} | {f"in/{name}"}
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
    assert take_files(tmp_path / "a.tar", lambda name: name, tmp_path / "videos") == {}
    assert list((tmp_path / "videos").iterdir()) == []


def test_a_packed_rar_without_a_tool_says_which_would_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / "a.rar").write_bytes(rar({"a.avi": b"RIFF packed"}, method=0x33))
    with pytest.raises(InputError, match=r"a\.rar: .*unrar, unar, 7z, 7zz or bsdtar is needed"):
        take_files(tmp_path / "a.rar", lambda name: name, tmp_path / "videos")
    assert list((tmp_path / "videos").iterdir()) == []


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_that_is_cut_off_is_named(tmp_path: Path, name: str) -> None:
    whole = ARCHIVES[name]({"a.avi": b"RIFF" + bytes(range(256)) * 40})
    (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(InputError, match=rf"{name}: (cannot be unpacked|neither)"):
        take_files(tmp_path / name, lambda name: name, tmp_path / "videos")
    assert not list((tmp_path / "videos").iterdir())


def test_a_rar_with_a_damaged_video_is_named(tmp_path: Path) -> None:
    video = b"RIFF" + bytes(500)
    damaged = bytearray(rar({"a.avi": video}))
    damaged[damaged.index(video) + 70] ^= 1
    (tmp_path / "a.rar").write_bytes(damaged)
    with pytest.raises(InputError, match=r"a\.rar: cannot be unpacked \(BadRarFile"):
        take_files(tmp_path / "a.rar", lambda name: name, tmp_path / "videos")
    assert not list((tmp_path / "videos").iterdir())


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({"a.avi": b"<html>no video</html>"}))
    with pytest.raises(InputError, match=r"a\.zip, a\.avi: a web page came instead of a\.avi"):
        take_files(tmp_path / "a.zip", lambda name: name, tmp_path / "videos")
    (tmp_path / "b.zip").write_bytes(zipped({"x/a.avi": b"RIFF 1", "y/a.avi": b"RIFF 2"}))
    with pytest.raises(InputError, match=r"b\.zip: has a\.avi twice, x/a\.avi and y/a\.avi"):
        take_files(tmp_path / "b.zip", lambda name: name, tmp_path / "videos")
    (tmp_path / "c.rar").write_bytes(b"something else")
    for name in ("c.rar", "d.rar"):
        with pytest.raises(InputError, match=rf"{name}: (neither a rar|there is no such)"):
            take_files(tmp_path / name, lambda name: name, tmp_path / "videos")
