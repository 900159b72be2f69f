"""What a run costs: counted on a tiny network, against sums by hand."""

import dataclasses
from pathlib import Path

import torch

from aia.config import parse_run, read_yaml
from aia.labels import ClassList
from aia.run import Run
from aia.tables import read_metrics
from aia.train.cost import Problem, clip_cost, cost_by_reach, step_memory, write_cost

CONFIG = str(Path(__file__).resolve().parents[2] / "config.yaml")


def run_of(name: str) -> Run:
    name = parse_run(f"slowfast_tiny-{name}-s0")
    return Run.from_settings(name, read_yaml(CONFIG), classes=ClassList.numbered(4))


def cost(name: str):
    return clip_cost(run_of(name), short_side=32)


def test_a_frozen_bank_adds_a_backbone_in_parameters_and_operations() -> None:
    run = run_of("serial-POM-amu")
    problem = Problem(run, clips=1, size_hw=(32, 48))
    backbone = sum(p.numel() for p in problem.network.backbone.parameters())
    amu, frozen = cost("serial-POM-amu"), cost("serial-POM-frozen")
    assert frozen.parameters - amu.parameters == backbone
    assert 0 < frozen.flops - amu.flops <= cost("none").flops


def test_interaction_adds_to_the_baseline_by_its_layers() -> None:
    run = run_of("serial-P-none")
    none, alone = cost("none"), cost("serial-P-none")
    interaction = Problem(run, clips=1, size_hw=(32, 48)).network.interaction
    assert alone.parameters - none.parameters == sum(p.numel() for p in interaction.parameters())
    assert alone.flops > none.flops


def test_a_cost_is_written_as_metrics(tmp_path) -> None:
    found = cost("none")
    write_cost(tmp_path / "cost.csv", found)
    metrics = read_metrics(tmp_path / "cost.csv")
    written = dict(zip(metrics["metric"], metrics["value"], strict=True))
    assert written == {"params": found.parameters, "FLOPs": found.flops}


def test_joint_training_needs_more_with_every_second_and_amu_does_not() -> None:
    run = run_of("serial-PM-amu")
    costs = cost_by_reach(
        run, clips=1, size_hw=(32, 48), reaches=[0, 4], joint=[0, 4],
        device=torch.device("cpu"), rounds=1,
    )  # fmt: skip
    assert costs["training"].tolist() == ["AMU", "AMU", "joint", "joint"]
    memory = costs.set_index(["training", "reach"])["memory_gb"]
    assert memory["joint", 4] > 4 * memory["joint", 0]
    assert memory["AMU", 4] < 1.5 * memory["AMU", 0]


def test_joint_training_learns_through_its_neighbours() -> None:
    """The backbone's gradient differs from AMU's, whose memory is not differentiated."""
    run = run_of("serial-M-amu")
    run = dataclasses.replace(run, memory=dataclasses.replace(run.memory, reach=1))
    gradients = []
    for joint in (False, True):
        problem = Problem(run, clips=1, size_hw=(32, 48))
        problem.scores(joint=joint).sum().backward()
        gradients.append(next(problem.network.backbone.parameters()).grad)
    assert not torch.allclose(*gradients)


def test_the_memory_of_a_step_is_what_its_backward_pass_keeps() -> None:
    weight = torch.ones(1000, requires_grad=True)
    step = lambda: (weight * weight).sum().backward()  # noqa: E731
    assert step_memory(step, torch.device("cpu")) == 4000


def test_a_reach_needs_a_memory_of_its_own(tmp_path, capsys) -> None:
    from aia.cli import main

    labels = Path(CONFIG).parent / "aia" / "datasets" / "ava_v2.2.pbtxt"
    for name in ("none", "serial-PM-frozen"):
        options = ["--labels", str(labels), "--output", str(tmp_path / "x.csv"), "--reaches", "1"]
        run = f"slowfast_tiny-{name}-s0"
        assert main(["cost", "--run", run, "--settings", CONFIG, *options]) == 2
        assert "has no memory of its own" in capsys.readouterr().err
    assert not (tmp_path / "x.csv").exists()
