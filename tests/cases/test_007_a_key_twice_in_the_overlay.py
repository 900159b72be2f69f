"""Case 007: what YAML loses or changes in silence is an error with its line."""

from pathlib import Path

import pytest

from aia.config import dump_yaml, read_yaml
from aia.errors import InputError
from tests.workflow import message, snakemake


def said(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_yaml(path)
    assert str(error.value).startswith(str(path))
    return str(error.value).removeprefix(str(path))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frames:\n  fps: 25\nmemory: {}\nframes:\n  short_side: 256\n",
         ", line 4: frames stands twice, first on line 1"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", ", line 4: b stands twice, first on line 2"),
        ("a: {b: 1, b: 1}\n", ", line 1: b stands twice, first on line 1"),
        ("a:\n  - b: 1\n    b: 2\n", ", line 3: b stands twice, first on line 2"),
        ("a:\n\tb: 1\n", "cannot start any token"),
        ("a:\n\tb: 1\n", "there is a tab, and YAML is indented with blanks"),
        ("a: *b\n", ": not readable as YAML: found undefined alias"),
        ("a: {<<: *b}\n", "the anchor (&name) must stand before it"),
        ("a:\n  on: 1\n", ", line 2: the key on is not read as text"),
        ("1: 2\n", ", line 1: the key 1 is not read as text"),
        ("a:\n  null: 1\n", ", line 2: the key null is not read as text"),
        ("a: 1e-3\n", ", line 1: YAML reads 1e-3 as text; write 1.0e-3"),
        ("a: 1e3\n", ", line 1: YAML reads 1e3 as text; write 1.0e+3"),
        ("a: 5.e3\n", ", line 1: YAML reads 5.e3 as text; write 5.e+3"),
        ("a: [1, 2E5]\n", ", line 1: YAML reads 2E5 as text; write 2.0e+5"),
        ("a: 12:30\n", ", line 1: YAML reads 12:30 as a number of base 60"),
        ("a: 1:30.5\n", ", line 1: YAML reads 1:30.5 as a number of base 60"),
        ("a: 010\n", ", line 1: YAML reads 010 as a number of base 8"),
        ("a: 1_000\n", ", line 1: 1_000 is a number with underscores; write 1000"),
    ],
)  # fmt: skip
def test_case_007_what_would_be_lost_is_told(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in said(tmp_path / "own.yaml", text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: &x {b: 1, c: 2}\nd: {<<: *x, b: 3}\n", {"a": {"b": 1, "c": 2}, "d": {"b": 3, "c": 2}}),
        ("a: &x {b: 1}\nc: &y {<<: *x, b: 2}\nd: {<<: *y, b: 3}\n",
         {"a": {"b": 1}, "c": {"b": 2}, "d": {"b": 3}}),
        ("a: '1e-3'\nb: \"010\"\nc: 1.0e-3\nd: 0\ne: -0.5\n",
         {"a": "1e-3", "b": "010", "c": 0.001, "d": 0, "e": -0.5}),
        ("a: 0x10\nb: yes\nc: r50_4x16\nd: x_y: z\n".replace("d: x_y: z\n", ""),
         {"a": 16, "b": True, "c": "r50_4x16"}),
        ("a: {b: 1}\nc: {b: 1}\n", {"a": {"b": 1}, "c": {"b": 1}}),
    ],
)  # fmt: skip
def test_what_is_right_is_read(tmp_path: Path, text: str, expected: dict) -> None:
    (tmp_path / "own.yaml").write_text(text)
    assert read_yaml(tmp_path / "own.yaml") == expected


def test_case_007_the_workflow_says_so_of_configfiles_too(tmp_path: Path) -> None:
    (tmp_path / "twice.yaml").write_text("memory: {reach: 5}\nmemory: {penalty: false}\n")
    result = snakemake("-n", "--configfile", "twice.yaml", cwd=tmp_path)
    assert "twice.yaml, line 2: memory stands twice, first on line 1" in message(result)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    texts = ("1e-3", "2E5", "010", "12:30", "1_000", "yes", "null", "1.0e3", "a: b", "", "ü")
    settings = {"b": {text: text for text in texts}, "a": [1e-7, 1e22, 0.001, None, True, -3]}
    (tmp_path / "own.yaml").write_text(dump_yaml(settings), encoding="utf-8")
    found = read_yaml(tmp_path / "own.yaml")
    assert found == settings
    assert list(found) == ["b", "a"]
