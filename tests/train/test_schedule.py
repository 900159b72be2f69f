import dataclasses
import json

import pytest
import torch

from aia.config import (
    BackboneConfig,
    MemoryConfig,
    NetworkConfig,
    TrainConfig,
    build_section,
    parse_run,
    read_yaml,
    run_settings,
    section,
)
from aia.network import build_network
from aia.train.schedule import build_optimizer, rate_share, set_rate
from tests.conftest import REPOSITORY
from tests.train.conftest import HandNetwork

CONFIG = section(TrainConfig, str(REPOSITORY / "config.yaml"), "train")


def test_the_papers_schedule_divides_by_ten_at_17500_and_22500():
    config = dataclasses.replace(
        CONFIG, schedule="steps", drop_at=(17500, 22500), steps=27500, warmup_steps=2000
    )
    shares = [rate_share(step, config) for step in (2000, 17499, 17500, 22500, 27500)]
    assert shares == pytest.approx([1, 1, 0.1, 0.01, 0.01])


def test_warm_up_is_linear_from_its_start():
    config = dataclasses.replace(
        CONFIG, schedule="steps", drop_at=(), steps=100, warmup_steps=10, warmup_start=0.25
    )
    assert rate_share(5, config) == pytest.approx(0.25 + 0.75 * 0.5)
    assert rate_share(11, config) == 1


def test_a_cosine_falls_to_nothing():
    config = dataclasses.replace(CONFIG, schedule="cosine", steps=100, warmup_steps=0)
    shares = [rate_share(step, config) for step in range(1, 101)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert shares[-1] < 0.001


class TwoParts(HandNetwork):
    def __init__(self):
        super().__init__()
        self.backbone = torch.nn.Linear(2, 3)
        self.interaction = torch.nn.Linear(2, 3)
        self.classifier = torch.nn.Linear(2, 3)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_backbone_and_biases_have_rates_and_decay_of_their_own(optimizer):
    config = dataclasses.replace(
        CONFIG,
        optimizer=optimizer,
        backbone_factor=0.1,
        interaction_factor=10.0,
        bias_factor=2.0,
        weight_decay=0.5,
    )
    network = TwoParts()
    built = build_optimizer(network, config)
    set_rate(built, 7.0)
    found = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in built.param_groups
        for parameter in group["params"]
    }
    expected = {
        network.backbone.weight: (0.7, 0.5),
        network.backbone.bias: (1.4, 0.0),
        network.interaction.weight: (70.0, 0.5),
        network.interaction.bias: (140.0, 0.0),
        network.classifier.weight: (7.0, 0.5),
        network.classifier.bias: (14.0, 0.0),
    }
    for parameter, (rate, decay) in expected.items():
        assert found[id(parameter)] == pytest.approx((rate, decay))


# the authors' numbers

RELEASED = {"R50_baseline": "none", "R50_denseserial": "dense", "R101_denseserial": "dense"}


def released(name):
    """The run's network, without memory for its weights, and its recipe."""
    structure, depth = RELEASED[name], name.split("_")[0]
    backbone = {"R50": "slowfast_r50_4x16", "R101": "slowfast_r101_8x8"}[depth]
    middle = "none" if structure == "none" else f"{structure}-POMPOM-amu"
    run = parse_run(f"{backbone}-{middle}-s0-released")
    raw = run_settings(read_yaml(REPOSITORY / "config.yaml"), run)
    memory = raw.get("memory")
    with torch.device("meta"):
        network = build_network(
            backbone=build_section(BackboneConfig, raw["backbones"][backbone], "backbones"),
            frozen_norm=True,
            structure=run.structure,
            blocks=run.blocks,
            network=build_section(NetworkConfig, raw["network"], "network"),
            memory=build_section(MemoryConfig, memory, "memory") if memory else None,
            classes=80,
        )
    return network, build_section(TrainConfig, raw["train"], "train")


@pytest.mark.parametrize("name", sorted(RELEASED))
def test_the_released_recipe_has_the_authors_groups_and_rates(golden, name):
    recorded = json.loads((golden / "solver" / "solver.json").read_text())[name]
    network, config = released(name)
    optimizer = build_optimizer(network, config)
    found = {
        (round(group["factor"] * config.learning_rate, 12), group["weight_decay"]): len(
            group["params"]
        )
        for group in optimizer.param_groups
    }
    expected = {}
    for label, group in recorded["groups"].items():
        rate, decay = (float(part.split("=")[1]) for part in label.split())
        expected[rate, decay] = group["n"]
    assert found == expected
    assert optimizer.defaults["momentum"] == recorded["momentum"]
    assert optimizer.defaults["nesterov"] is recorded["nesterov"] is False

    if RELEASED[name] == "none":  # their baseline is trained for less long
        config = dataclasses.replace(config, steps=90000, drop_at=(50000, 70000))
    rates = recorded["lr_of_group0_by_scheduler_last_epoch"]
    for step, rate in rates.items():
        assert config.learning_rate * rate_share(int(step), config) == pytest.approx(rate), step
