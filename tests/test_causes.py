"""What is said last when jobs failed."""

import importlib.util
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
COMMAND = "Command 'set -euo pipefail;  aia train --run a --log {}' "


@pytest.fixture
def causes(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("causes", REPOSITORY / "workflow" / "causes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.chdir(tmp_path)

    def of(said: str) -> list[str]:
        Path("snakemake.log").write_text(said)
        return module.causes(["snakemake.log"])

    return of


def test_the_last_error_of_each_failed_job_is_said_with_all_its_lines(causes):
    Path("a.log").write_text("step 1\nerror: old\nstep 2\nerror: two files:\n  a\n  b\n")
    Path("b.log").write_text("error: none\n")
    said = "".join(
        COMMAND.format(log) + "returned non-zero exit status 2.\n" for log in ("a.log", "b.log")
    )
    assert causes(said) == ["a.log: error: two files:\n  a\n  b", "b.log: error: none"]


def test_a_job_that_was_killed_is_said_to_be(causes):
    Path("a.log").write_text("error: of the day before\n")
    (cause,) = causes(COMMAND.format("a.log") + "died with <Signals.SIGKILL: 9>.\n")
    assert cause.startswith("a.log: ended by SIGKILL (was its memory too little?)")
    (cause,) = causes(COMMAND.format("a.log") + "died with <Signals.SIGTERM: 15>.\n")
    assert cause == "a.log: ended by SIGTERM; the same command resumes"
    by_shell = "returned non-zero exit status 137.\n"
    (cause,) = causes(COMMAND.format("a.log") + by_shell)
    assert cause.startswith("a.log: ended by SIGKILL")


def test_a_job_of_a_cluster_has_its_log_named(causes):
    Path("a.log").write_text("error: no GPU\n")
    assert causes("    log: a.log (check log file(s) for error details)\n") == [
        "a.log: error: no GPU"
    ]


def test_a_job_without_an_error_says_its_last_line(causes):
    Path("a.log").write_text("step 1\nTraceback\nKeyError: 'x'\n")
    ended = "returned non-zero exit status 1.\n"
    assert causes(COMMAND.format("a.log") + ended) == ["a.log: KeyError: 'x'"]
    assert causes(COMMAND.format("gone.log") + ended) == ["gone.log: said nothing"]
    assert causes("Command 'set -e;  cp a b 2> a.log' " + ended) == ["a.log: KeyError: 'x'"]
    assert causes("WorkflowError\n") == []
