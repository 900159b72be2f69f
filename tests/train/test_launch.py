"""Where the nodes of a run meet, by what Slurm says."""

import pytest

from aia.errors import InputError
from aia.train.launch import _rendezvous


@pytest.fixture
def slurm(monkeypatch):
    """The variables of the second of two nodes."""
    told = {"NNODES": "2", "NODEID": "1", "JOB_NODELIST": "gpu[07-08]", "JOB_ID": "2999"}
    for name, value in told.items():
        monkeypatch.setenv(f"SLURM_{name}", value)


@pytest.mark.usefixtures("slurm")
def test_the_nodes_meet_on_the_first_of_them():
    assert _rendezvous(2)[:3] == ["--nnodes=2", "--node-rank=1", "--master-addr=gpu07"]
    with pytest.raises(InputError, match=r"train\.nodes = 3, but the job has 2"):
        _rendezvous(3)


@pytest.mark.usefixtures("slurm")
@pytest.mark.parametrize(
    ("job", "port"), [("2999", 32499), ("3000", 29500), ("987654321", 29500 + 321)]
)
def test_the_port_is_the_jobs_own_and_below_those_that_anybody_is_given(monkeypatch, job, port):
    monkeypatch.setenv("SLURM_JOB_ID", job)
    assert _rendezvous(2)[3] == f"--master-port={port}"
    assert port < 32768
