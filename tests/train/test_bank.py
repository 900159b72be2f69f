"""The frozen bank: filled once by the backbone that a run starts from, and never again."""

import copy

import numpy as np
import pytest
import torch

from aia.clip import ClipKey, ClipSample
from aia.config import BackboneConfig, NetworkConfig, build_section, read_yaml
from aia.datasets.loader import ClipFrames, Draw, collate, scoring_batches
from aia.memory import FeaturePool, FrozenBank, sampled
from aia.network import Network, build_network
from aia.train.bank import fill_bank, prepare_bank
from aia.train.checkpoint import BANK, exclusive_lock
from aia.video.store import FrameStore
from tests.conftest import REPOSITORY

CPU = torch.device("cpu")
PERSONS = {1: 2, 2: 3, 4: 1, 5: 7}  # of each second; none in the third
CLIP = {"span": 8, "strides": (4, 2)}


class Noise(FrameStore):
    """Frames that differ from second to second, 4 a second; counts how often it is read."""

    def __init__(self):
        self.reads = 0

    def __len__(self):
        return 30

    def nearest(self, time_sec):
        return round(time_sec * 4)

    def read(self, indices):
        self.reads += 1
        frames = [np.random.default_rng(i).integers(0, 256, (48, 64, 3)) for i in indices]
        return np.stack(frames).astype(np.uint8)


def clip(t: int, persons: int) -> ClipSample:
    low = np.random.default_rng(t).random((persons, 2)) * 0.5
    return ClipSample(
        key=ClipKey("video", t),
        time_sec=float(t),
        persons_xyxy=np.concatenate([low, low + 0.4], axis=1).astype(np.float32),
        persons_score=np.ones(persons, np.float32),
        labels=np.ones((persons, 3), np.uint8),
        objects_xyxy=np.zeros((0, 4), np.float32),
    )


CLIPS = [clip(t, n) for t, n in PERSONS.items()]


def network_of(*, bank: bool = True, frozen_norm: bool = False) -> Network:
    raw = read_yaml(REPOSITORY / "config.yaml")
    torch.manual_seed(1)
    network = build_network(
        backbone=build_section(BackboneConfig, raw["backbones"]["slowfast_tiny"], "backbone"),
        frozen_norm=frozen_norm,
        structure="none",
        blocks="",
        network=build_section(NetworkConfig, raw["network"], "network"),
        memory=None,
        classes=3,
        bank=bank,
    )
    network.start_bank()
    return network


def frames() -> ClipFrames:
    return ClipFrames(clips=CLIPS, stores={"video": Noise()}, **CLIP)


def empty(network: Network, most: int = 2) -> FrozenBank:
    pool = FeaturePool(seconds={"video": (1, 5)}, persons_per_clip=most, d=network.d)
    return FrozenBank(pool, reach=1)


def fill(network: Network, memory: FrozenBank, clips: ClipFrames, batch: int = 2) -> None:
    batches = scoring_batches(clips, batch=batch, workers=0)
    fill_bank(network, memory, batches, precision="float32")


def filled(network: Network, *, batch: int = 2, most: int = 2) -> FeaturePool:
    memory = empty(network, most)
    fill(network, memory, frames(), batch)
    return memory.pool


def change(backbone: torch.nn.Module) -> None:
    with torch.no_grad():
        for parameter in backbone.parameters():
            parameter += 0.1


@pytest.mark.parametrize("most", [1, 2, 11])
def test_every_second_with_a_person_is_in_the_bank_from_the_start(most):
    network = network_of().eval()
    pool = filled(network, most=most)
    assert pool.count[1:].tolist() == [min(PERSONS.get(t, 0), most) for t in range(1, 6)]
    for place, (t, persons) in enumerate(PERSONS.items()):
        with torch.no_grad():
            alone, _, _ = network.features(collate([frames()[Draw(place, None)]]))
        kept = sampled(ClipKey("video", t), persons, most)
        expected = alone.features[0, kept]
        torch.testing.assert_close(pool.features[t, : len(kept)], expected, atol=1e-5, rtol=1e-4)


def test_what_the_trained_backbone_learns_does_not_reach_the_bank():
    network = network_of()
    before = filled(network)
    change(network.backbone)
    assert torch.equal(filled(network).features, before.features)
    change(network.bank_backbone)
    assert not torch.equal(filled(network).features, before.features)


def test_in_the_midst_of_training_the_bank_is_made_in_eval_mode():
    """BatchNorm would take a batch's own statistics, and keep them."""
    network = network_of()
    expected = filled(network.eval())
    found = filled(network.train())
    assert torch.equal(found.features, expected.features)
    assert torch.equal(filled(network).features, expected.features)


def test_clips_do_not_see_with_whom_they_are_computed():
    network = network_of()
    one, all_ = (filled(network, batch=batch).features for batch in (1, 5))
    torch.testing.assert_close(one, all_, atol=1e-5, rtol=1e-4)


def test_a_bank_draws_no_random_numbers():
    before = torch.get_rng_state()
    network = network_of()
    after_building = torch.get_rng_state()
    filled(network)
    assert torch.equal(torch.get_rng_state(), after_building)
    network_of(bank=False)
    assert torch.equal(torch.get_rng_state(), after_building), "the frozen backbone is a copy"
    torch.set_rng_state(before)


def test_the_frozen_bank_costs_a_second_backbone_and_nothing_that_is_trained():
    """Table 1e: 2.18x and 1.18x, 2.35x and 1.35x. There the difference is a whole baseline."""
    with_, without = network_of(), network_of(bank=False)

    def size(module, trained=False):
        return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained)

    assert size(with_) - size(without) == size(without.backbone)
    assert size(with_, trained=True) == size(without)


def prepare(work, network, store):
    memory = empty(network)
    clips = ClipFrames(clips=CLIPS, stores={"video": store}, **CLIP)
    with exclusive_lock(work) as lock:
        prepare_bank(work, memory, lambda: fill(network, memory, clips), lock=lock)
    return memory.pool


def test_a_bank_is_computed_once_and_read_from_then_on(tmp_path):
    network, store = network_of(), Noise()
    first = prepare(tmp_path, network, store)
    reads = store.reads
    assert reads == len(CLIPS)
    second = prepare(tmp_path, network, store)
    assert store.reads == reads
    assert torch.equal(first.features, second.features)
    assert torch.equal(first.count, second.count)


def test_a_damaged_bank_is_computed_again_to_the_same_numbers(tmp_path):
    network = network_of()
    first = prepare(tmp_path, network, Noise())
    chunk = next(path for path in (tmp_path / BANK / "features" / "c").rglob("*") if path.is_file())
    content = bytearray(chunk.read_bytes())
    content[0] ^= 255
    chunk.write_bytes(content)
    changed = copy.deepcopy(network)
    change(changed.backbone)  # trained in between
    store = Noise()
    second = prepare(tmp_path, changed, store)
    assert store.reads == len(CLIPS)
    assert torch.equal(first.features, second.features)
