"""Trackers get what metrics.jsonl gets, once, and never stop a run."""

import json
import math
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from aia.config import overlay, parse_run
from aia.errors import InputError
from aia.log import Pace
from aia.train import trackers
from aia.train.loop import Step
from aia.train.metrics import Metrics
from aia.train.trackers import Tracker, open_trackers
from tests.train.running import finish
from tests.train.test_run import kill_at_generation

RUN = parse_run("slowfast_tiny-none-s0")
PACE = Pace(total=10)


class Noting:
    """Tracker that keeps what it gets."""

    def __init__(self, run: str = "", folder: Path = Path(), after: int = 0) -> None:
        self.opened, self.got, self.closed = (run, folder, after), [], False

    def write(self, step, values):
        self.got.append((step, values))

    def close(self):
        self.closed = True


class Failing(Noting):
    def write(self, step, values):
        super().write(step, values)
        raise OSError("no network")


def step(number: int, trust: float = math.nan) -> Step:
    loss, trusted = torch.tensor(0.5), torch.tensor(trust)
    return Step(number, loss, trust=trusted, age=trusted, rate=0.25, clips=2)


def test_a_tracker_gets_the_numbers_of_each_line_and_no_nothing(tmp_path):
    noting = Noting()
    metrics = Metrics(tmp_path / "m.jsonl", run=RUN, before="", trackers={"noting": noting})
    metrics.write(step(1), PACE)
    metrics.write(step(2, trust=0.75), PACE)
    metrics.validated(2, 0.5)
    assert not noting.closed
    metrics.close()
    assert noting.got == [
        (1, {"loss": 0.5, "lr": 0.25}),
        (2, {"loss": 0.5, "lr": 0.25, "trust": 0.75, "age": 0.75}),
        (2, {"val_map": 0.5}),
    ]
    assert noting.closed


def test_a_tracker_that_fails_is_left_out_and_the_file_has_all(tmp_path, capsys):
    failing, noting = Failing(), Noting()
    both = {"failing": failing, "noting": noting}
    metrics = Metrics(tmp_path / "m.jsonl", run=RUN, before="", trackers=both)
    for number in (1, 2, 3):
        metrics.write(step(number), PACE)
    metrics.close()
    assert [len(tracker.got) for tracker in (failing, noting)] == [1, 3]
    assert not failing.closed
    assert len((tmp_path / "m.jsonl").read_text().splitlines()) == 3
    assert capsys.readouterr().err.count("failing gets no more metrics (no network)") == 1


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that brings a tracker, which notes all in a file."""
    folder = tmp_path / "site"
    (folder / "noting-1.dist-info").mkdir(parents=True)
    (folder / "noting-1.dist-info" / "METADATA").write_text("Name: noting\nVersion: 1\n")
    (folder / "noting-1.dist-info" / "entry_points.txt").write_text(
        "[aia.trackers]\nnoting = noting:Noting\n"
    )
    (folder / "noting.py").write_text(
        "import json\n"
        "class Noting:\n"
        "    def __init__(self, run, folder, after):\n"
        "        self.file = open(folder / 'noted', 'a', buffering=1)\n"
        "        print(json.dumps({'run': run, 'after': after}), file=self.file)\n"
        "    def write(self, step, values):\n"
        "        print(json.dumps({'step': step} | values), file=self.file)\n"
        "    def close(self):\n"
        "        self.file.close()\n"
    )
    monkeypatch.syspath_prepend(str(folder))


def test_an_unknown_tracker_of_several_is_refused_with_the_nearest(package, tmp_path):
    with pytest.raises(InputError, match=r"notin is not known, did you mean noting\?"):
        open_trackers(["notin"], run="r", folder=tmp_path, after=0)


def test_an_unknown_tracker_is_refused_with_what_there_is(tmp_path):
    with pytest.raises(InputError, match=r"trackers: tensorbord is not known.*tensorboard"):
        open_trackers(["tensorbord"], run="r", folder=tmp_path, after=0)


def test_tensorboard_is_left_out_where_it_is_not_installed(monkeypatch, tmp_path):
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: None)
    assert open_trackers(["tensorboard"], run="r", folder=tmp_path, after=0) == {}


def test_tensorboard_drops_the_points_that_are_written_again(monkeypatch, tmp_path):
    """A stand-in for the writer: the package is an extra."""
    calls: list = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            calls.append((folder, purge_step))

        def add_scalar(self, name, value, step):
            calls.append((name, value, step))

        def close(self):
            calls.append("closed")

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    monkeypatch.setattr(trackers.importlib.util, "find_spec", lambda name: name)
    opened = open_trackers(["tensorboard"], run="r", folder=tmp_path, after=6)
    assert isinstance(opened["tensorboard"], Tracker)
    opened["tensorboard"].write(7, {"loss": 0.5, "lr": 0.25})
    opened["tensorboard"].close()
    folder = str(tmp_path / "tensorboard")
    assert calls == [(folder, 7), ("loss", 0.5, 7), ("lr", 0.25, 7), "closed"]


@pytest.mark.long
def test_a_resumed_run_tells_from_which_step_on_points_come_again(
    videos, settings, tmp_path, package
):
    often = overlay(settings, {"train": {"log_every": 1}, "trackers": ["noting"]})
    kill_at_generation(videos, often, tmp_path, 3)
    finish(videos, often, tmp_path)
    noted: list[dict] = []
    restarts = []
    for line in map(json.loads, (tmp_path / "work" / "noted").read_text().splitlines()):
        if "after" in line:
            restarts.append(line["after"])
            noted = [point for point in noted if point["step"] <= line["after"]]
        else:
            noted.append(line)
    assert restarts[0] == 0
    assert restarts[1] >= 3
    assert len(restarts) == 2
    lines = map(json.loads, (tmp_path / "metrics.jsonl").read_text().splitlines())
    assert noted == [{k: v for k, v in line.items() if v is not None} for line in lines]
