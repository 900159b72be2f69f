"""Case 010's kind: a rank that is gone or stuck ends the others with the cause, in minutes."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from aia.datasets.loader import LONGEST_WAIT_SEC
from aia.ranks import BEAT_SEC, SILENT_BEATS, STEP_TIMEOUT, STUCK_BEATS
from tests.conftest import REPOSITORY

RANK = """
import os, signal, time
from aia import ranks
from aia.ranks import count_work, init_distributed

ranks.BEAT_SEC, ranks.SILENT_BEATS, ranks.STUCK_BEATS = 0.05, {silent}, 60
with init_distributed() as these:
    these.barrier()
    if these.rank == {rank}:
        {does}
    these.barrier()
print("through", flush=True)
"""


@pytest.fixture
def ranks(tmp_path: Path):
    """Start two ranks, one of which does something while the other one waits for it."""
    begun: list[subprocess.Popen[str]] = []

    def start(rank: int, does: str, silent: int = 1000) -> list[subprocess.Popen[str]]:
        script = tmp_path / "rank.py"
        script.write_text(RANK.format(rank=rank, does=does, silent=silent))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
        meeting |= {"LOCAL_WORLD_SIZE": "2", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)}
        for number in ("0", "1"):
            begun.append(
                subprocess.Popen(
                    [sys.executable, script], text=True, stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env={**os.environ, **meeting, "RANK": number, "LOCAL_RANK": number},
                )
            )  # fmt: skip
        return begun

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def test_a_rank_that_is_stopped_ends_the_one_that_waits_for_it(ranks) -> None:
    waits, _ = ranks(1, "os.kill(os.getpid(), signal.SIGSTOP)", silent=40)
    _, said = waits.communicate(timeout=60)
    assert waits.returncode == 1
    assert f"error: process 1 on {socket.gethostname()}: no sign of life for" in said
    assert "was it stopped, or its machine switched off" in said
    assert "resumes from the last checkpoint" in said
    assert "Traceback" not in said


def test_a_rank_that_is_stuck_says_where_and_ends(ranks) -> None:
    stuck, waits = ranks(0, "time.sleep(1000)")
    _, said = stuck.communicate(timeout=60)
    assert stuck.returncode == 1
    assert f"error: process 0 on {socket.gethostname()}: stuck for" in said
    assert "in <module> (" in said
    assert "rank.py:10)" in said
    waits.communicate(timeout=60)
    assert waits.returncode != 0


def test_a_rank_that_works_for_long_is_waited_for(ranks) -> None:
    both = ranks(0, "[(time.sleep(1), count_work()) for _ in range(4)]  # 80 beats")
    for process in both:
        out, said = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "through\n"), said


def test_ranks_are_more_patient_than_loaders_and_less_than_a_step() -> None:
    assert SILENT_BEATS * BEAT_SEC < LONGEST_WAIT_SEC < STUCK_BEATS * BEAT_SEC
    assert STEP_TIMEOUT.total_seconds() > STUCK_BEATS * BEAT_SEC
