import subprocess
import sys

import pytest

from aia.files import atomic_path, file_digest, is_temporary, write_text


def test_a_file_appears_whole(tmp_path):
    write_text(tmp_path / "deep" / "a.txt", "one")
    assert (tmp_path / "deep" / "a.txt").read_text() == "one"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.txt"]


def test_a_writer_that_fails_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "a.txt", "old")

    def fail() -> None:
        with atomic_path(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_digest_is_of_the_content(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a").startswith("ba7816bf8f01cfea")


def test_what_a_killed_writer_left_is_taken_away_by_the_next(tmp_path):
    target = tmp_path / "table [1].csv"
    code = (
        "import os, sys\n"
        "from aia.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "half"
    with atomic_path(target) as temporary:
        assert not left.exists()
        with atomic_path(target) as other:  # a writer that lives is left alone
            other.write_text("other")
        assert temporary.exists()
        temporary.write_text("whole")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [
        ("table [1].csv", "whole")
    ]


def test_a_temporary_name_is_known(tmp_path):
    for name in ("a.b.parquet", "folder", ".hidden.h5"):
        with atomic_path(tmp_path / name) as temporary:
            assert is_temporary(temporary)
        assert not is_temporary(tmp_path / name)
    assert not is_temporary(tmp_path / ".film-12-34.parquet")
