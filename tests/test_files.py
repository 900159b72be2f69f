import pytest

from aia.files import atomic_path, file_digest, write_text


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
