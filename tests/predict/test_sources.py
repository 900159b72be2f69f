"""Which videos are meant, and what their files are called."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aia.config import VIDEO_ID, video_id
from aia.errors import InputError
from aia.predict.sources import expand, shown, unique_ids


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.mp4", "a.MKV", "a.srt", ".hidden.mp4", "in/c.webm", "in/b.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


def ids(*given):
    return [source.id for source in expand(given)]


def test_folders_patterns_and_lists_are_the_videos_in_them(folder):
    assert ids(".") == ["a", "b"]
    assert ids("*") == ["a", "b"]
    assert ids("**") == ["a", "b", "b-2", "c"]
    (folder / "in" / "list.txt").write_text("# two\nc.webm\n\n../b.mp4\n")
    assert ids("in/list.txt") == ["c", "b"]
    assert ids("b.mp4", "./in/../b.mp4", str(folder / "b.mp4")) == ["b"]
    assert ids("a.srt") == ["a.srt"], "who names a file means it"


def test_cameras_and_streams_are_known_by_their_form(folder):
    assert expand(["0"])[0][:2] == ("camera", "0")
    (stream,) = expand(["rtsp://me:secret@10.0.0.7:554/live/main?a=1"])
    assert stream.kind == "stream"
    assert stream.id == "10.0.0.7_554_live_main"
    assert "secret" not in shown(stream.address)
    (folder / "0").write_bytes(b"x")
    assert expand(["0"])[0].kind == "file"
    with pytest.raises(InputError, match="is watched alone"):
        expand(["rtsp://host/a", "b.mp4"])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("c.mp4", r"c\.mp4: there is no such video or folder \(/.*c\.mp4\)"),
        ("none*", "none.*no video is of this pattern in /"),
        ("x.txt", r"x\.txt: there is no such list"),
        ("bad.txt", r"bad\.txt, line 2: there is no video /.*nowhere\.mp4"),
        ("none.txt", r"none\.txt: lists no video"),
        ("side", "side: there is no video in this folder"),
    ],
)
def test_what_is_not_there_is_named(folder, given, words):
    (folder / "bad.txt").write_text("b.mp4\nnowhere.mp4\n")
    (folder / "none.txt").write_text("\n# none\n")
    (folder / "side").mkdir()
    (folder / "side" / "a.srt").write_bytes(b"x")
    with pytest.raises(InputError, match=words):
        expand([given])


@given(st.lists(st.text(min_size=1, max_size=300).filter(lambda name: "/" not in name), max_size=9))
def test_any_file_names_give_ids_that_are_valid_and_differ(names):
    found = unique_ids([Path("folder") / f"{name}.mp4" for name in names])
    assert len(set(found)) == len(names)
    for name in found:
        assert re.fullmatch(VIDEO_ID, name)


def test_what_phones_and_messengers_write_stays_legible():
    assert video_id("PXL_20240501_120000123.LS.mp4") == "PXL_20240501_120000123.LS"
    assert video_id("Überraschung für Zoë & Björn [4K].MOV") == ("Ueberraschung_fuer_Zoe_Bjoern_4K")
    assert video_id("视频.mp4") == "video"
