"""Network small enough to follow by hand, and clips that need no video file."""

import numpy as np
import pytest
import torch
from torch import nn

from aia.clip import Batch, ClipKey, Slots
from aia.config import PlayhouseConfig, overlay, read_yaml
from aia.network import Features, Network
from aia.playhouse import draw_playhouse, video_names
from aia.video.store import make_store
from tests.train.running import REPOSITORY, STEPS


class HandNetwork(Network):
    """One person a clip with one feature, a · t; its logit is the sum of its memory plus b."""

    def __init__(self):
        nn.Module.__init__(self)
        self.a = nn.Parameter(torch.tensor(1.0))
        self.b = nn.Parameter(torch.tensor(0.0))
        self.seen: list[list[float]] = []

    def features(self, batch):
        t = torch.tensor([[[float(key.t)]] for key in batch.keys])
        none = Slots(torch.zeros(len(batch.keys), 0, 1), torch.zeros(len(batch.keys), 0).bool())
        return Features(Slots(self.a * t, torch.ones(len(batch.keys), 1).bool()), none, None)

    def actions(self, P, O, M, H=None):
        self.seen += M.features[..., 0].tolist() if M is not None else []
        memory = M.features.sum(dim=1, keepdim=True) if M is not None else 0.0
        return 0.1 * P.features + 0.01 * memory + self.b


def batch_of(*seconds: int, video: str = "video") -> Batch:
    clips = len(seconds)
    return Batch(
        keys=[ClipKey(video, t) for t in seconds],
        frames=torch.zeros(clips, 1, 2, 2, 3, dtype=torch.uint8),
        sizes_hw=torch.full((clips, 2), 2.0),
        persons_xyxy=torch.zeros(clips, 1, 4),
        persons_filled=torch.ones(clips, 1, dtype=torch.bool),
        labels=torch.ones(clips, 1, 1, dtype=torch.uint8),
        objects_xyxy=torch.zeros(clips, 0, 4),
        objects_filled=torch.zeros(clips, 0, dtype=torch.bool),
    )


@pytest.fixture
def network():
    return HandNetwork()


def logistic(x: float) -> float:
    return float(np.log1p(np.exp(-x)))


@pytest.fixture(scope="session")
def settings():
    raw = read_yaml(REPOSITORY / "config.yaml")
    change = read_yaml(REPOSITORY / "config" / "small.yaml") | {
        "train": {
            "init": "scratch",
            "frozen_norm": False,
            "steps": STEPS,
            "batch": 2,
            "warmup_steps": 2,
            "checkpoint_every": 3,
            "optimizer": "adamw",
            "learning_rate": 1.0e-3,
        },
        "network": {"dropout": 0.1},  # its random numbers have to go on as well
    }
    return overlay(raw, change)


@pytest.fixture(scope="session")
def videos(tmp_path_factory, settings):
    """A folder with frames and annotations of a few seconds."""
    from aia.config import FramesConfig, build_section

    folder = tmp_path_factory.mktemp("films")
    config = build_section(PlayhouseConfig, settings["playhouse"], "playhouse")
    draw_playhouse(folder, config=config, processes=1)
    frames = build_section(FramesConfig, settings["frames"], "frames")
    for video in video_names(config, "train"):
        path = folder / "films" / f"{video}.mp4"
        make_store(path, folder / "frames" / f"{video}.h5", config=frames)
    return folder
