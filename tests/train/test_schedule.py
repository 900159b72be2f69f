import dataclasses
from pathlib import Path

import pytest
import torch

from aia.config import TrainConfig, section
from aia.train.schedule import build_optimizer, rate_share, set_rate
from tests.train.conftest import HandNetwork

CONFIG = section(TrainConfig, str(Path(__file__).parents[2] / "config.yaml"), "train")


def test_the_papers_schedule_divides_by_ten_at_17500_and_22500():
    config = dataclasses.replace(
        CONFIG, schedule="steps", drop_at=(17500, 22500), steps=27500, warmup_steps=2000
    )
    shares = [rate_share(step, config) for step in (2000, 17500, 17501, 22501, 27500)]
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
        self.classifier = torch.nn.Linear(2, 3)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_backbone_and_biases_have_rates_and_decay_of_their_own(optimizer):
    config = dataclasses.replace(
        CONFIG, optimizer=optimizer, backbone_factor=0.1, bias_factor=2.0, weight_decay=0.5
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
        network.classifier.weight: (7.0, 0.5),
        network.classifier.bias: (14.0, 0.0),
    }
    for parameter, (rate, decay) in expected.items():
        assert found[id(parameter)] == pytest.approx((rate, decay))
