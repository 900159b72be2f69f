import numpy as np
import pytest
import torch

from aia.clip import Batch, ClipKey
from aia.config import (
    BackboneConfig,
    MemoryConfig,
    NetworkConfig,
    build_section,
    overlay,
    read_yaml,
)
from aia.memory import Asynchronous, FeaturePool, PersonDraws
from aia.network import arithmetic, build_network
from aia.train.loop import train
from aia.train.loss import action_loss
from tests.conftest import REPOSITORY


def network_of(structure="none", blocks="", backbone="slowfast_tiny", **change):
    raw = overlay(read_yaml(REPOSITORY / "config.yaml"), change)
    torch.manual_seed(1)
    return build_network(
        backbone=build_section(BackboneConfig, raw["backbones"][backbone], "backbone"),
        frozen_norm=True,
        structure=structure,
        blocks=blocks,
        network=build_section(NetworkConfig, raw["network"], "network"),
        memory=build_section(MemoryConfig, raw["memory"], "memory"),
        classes=5,
    ).eval()


def batch_of(clips=3, persons=2, objects=1, size_hw=(48, 64)):
    rng = np.random.default_rng(clips)

    def boxes(slots):
        low = rng.random((clips, slots, 2)) * 0.5
        return torch.from_numpy(np.concatenate([low, low + 0.4], axis=2).astype(np.float32))

    frames = rng.integers(0, 256, (clips, 6, *size_hw, 3)).astype(np.uint8)
    return Batch(
        keys=[ClipKey("film", t) for t in range(clips)],
        frames=torch.from_numpy(frames),
        sizes_hw=torch.tensor([size_hw] * clips, dtype=torch.float32),
        persons_xyxy=boxes(persons),
        persons_filled=torch.ones(clips, persons, dtype=torch.bool),
        labels=torch.zeros(clips, persons, 5, dtype=torch.uint8),
        objects_xyxy=boxes(objects),
        objects_filled=torch.ones(clips, objects, dtype=torch.bool),
    )


def test_the_padding_of_a_batch_changes_nothing():
    network, batch = network_of(), batch_of()
    padded = torch.zeros(3, 6, 64, 96, 3, dtype=torch.uint8)
    padded[:, :, :48, :64] = batch.frames
    padded[:, :, 48:] = 255  # whatever stands there
    slow, fast = network.pathways(padded, sizes_hw=batch.sizes_hw)
    assert not slow[..., 48:, :].any()
    assert not fast[..., 64:].any()
    plain = network.pathways(batch.frames, sizes_hw=batch.sizes_hw)
    torch.testing.assert_close(slow[..., :48, :64], plain[0])


def test_frames_are_split_between_the_pathways():
    slow, fast = network_of().pathways(batch_of().frames, sizes_hw=torch.tensor([[48.0, 64.0]] * 3))
    assert (slow.shape[2], fast.shape[2]) == (2, 4)


def test_empty_slots_have_no_features_and_do_not_disturb_the_others():
    network, batch = network_of(), batch_of()
    filled = batch.persons_filled.clone()
    filled[1, 1] = False
    P, O, _ = network.features(batch._replace(persons_filled=filled))
    full, _, _ = network.features(batch)
    assert not P.features[1, 1].any()
    torch.testing.assert_close(P.features[filled], full.features[filled])
    assert O.features.shape == (3, 1, network.d)


def test_features_are_normalised_so_that_the_weight_of_eq_2_still_shrinks_them():
    P, _, _ = network_of().features(batch_of())
    torch.testing.assert_close(P.features.mean(dim=2), torch.zeros(3, 2), atol=1e-5, rtol=0)
    raw, _, _ = network_of(network={"feature_norm": False}).features(batch_of())
    assert raw.features.mean() > 0


def test_a_batch_without_persons_or_objects_passes():
    network, batch = network_of("serial", "PO"), batch_of(persons=0, objects=0)
    P, O, _ = network.features(batch)
    assert network.actions(P, O, None).shape == (3, 0, 5)


@pytest.mark.parametrize(
    ("structure", "blocks", "remembers"),
    [
        ("none", "", False),
        ("nl", "", False),
        ("serial", "PO", False),
        ("dense", "POM", True),
        ("lfb", "MM", True),
    ],
)
def test_only_m_blocks_need_a_memory(structure, blocks, remembers):
    assert network_of(structure, blocks).remembers == remembers


def test_kept_maps_give_the_same_features_without_the_frames():
    network, batch = network_of(), batch_of()
    batch = batch._replace(times_sec=(2.0, 3.0, 4.0))
    expected = network.features(batch)[0].features
    network.keep_maps(batch)
    network.backbone.register_forward_pre_hook(lambda *_: pytest.fail("computed again"))
    order = [2, 0, 1]
    P, _, _ = network.features(
        batch._replace(
            keys=[batch.keys[place] for place in order],
            times_sec=[batch.times_sec[place] for place in order],
            frames=batch.frames[:, :0],
            persons_xyxy=batch.persons_xyxy[order],
            objects_xyxy=batch.objects_xyxy[order],
        )
    )
    torch.testing.assert_close(P.features, expected[order], atol=1e-5, rtol=1e-4)


def test_a_segment_that_is_seen_elsewhere_has_other_maps_though_its_key_is_the_same():
    network, batch = network_of(), batch_of()
    there = batch._replace(times_sec=(2.0, 3.0, 4.0))
    elsewhere = batch._replace(times_sec=(2.0, 3.0, 9.0), frames=255 - batch.frames)
    expected = [network.features(clips)[0].features[2] for clips in (there, elsewhere)]
    network.keep_maps(there)
    network.keep_maps(elsewhere)
    for clips, features in zip((there, elsewhere), expected, strict=True):
        seen = network.features(clips._replace(frames=batch.frames[:, :0]))[0].features[2]
        torch.testing.assert_close(seen, features, atol=1e-5, rtol=1e-4)


def test_kept_maps_of_clips_of_two_sizes_are_padded_to_one():
    network, batch = network_of(), batch_of()
    batch = batch._replace(times_sec=(2.0, 3.0, 4.0))
    one = slice(0, 1)
    small = Batch(*(part[one] if isinstance(part, torch.Tensor) else part for part in batch))
    small = small._replace(
        keys=[ClipKey("small", 2)], times_sec=(2.0,), frames=small.frames[:, :, :32, :48],
        sizes_hw=torch.tensor([[32.0, 48.0]]),
    )  # fmt: skip
    expected = [network.features(clips)[0].features for clips in (small, batch)]
    network.keep_maps(batch)
    network.keep_maps(small)
    mixed = batch._replace(
        keys=[*small.keys, *batch.keys[1:]],
        frames=batch.frames[:, :0],
        sizes_hw=torch.cat([small.sizes_hw, batch.sizes_hw[1:]]),
    )
    found = network.features(mixed)[0].features
    torch.testing.assert_close(found[:1], expected[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(found[1:], expected[1][1:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("structure", ["none", "serial"])
def test_bfloat16_arithmetic_gives_nearly_float32s_logits_and_features_in_float32(structure):
    blocks = "" if structure == "none" else "PO"
    network, batch = network_of(structure, blocks), batch_of()
    cpu, found = torch.device("cpu"), {}
    for precision in ("float32", "bfloat16"):
        with torch.no_grad(), arithmetic(cpu, precision):
            P, O, _ = network.features(batch)
            found[precision] = network.actions(P, O, None).float()
        assert P.features.dtype == O.features.dtype == torch.float32
    error = (found["float32"] - found["bfloat16"]).norm() / found["float32"].norm()
    assert 0 < error < 0.05
    with arithmetic(cpu, "auto"):
        assert not torch.is_autocast_enabled("cpu"), "auto is float32 on a CPU"


def test_a_compiled_backbone_keeps_the_names_of_its_weights():
    network = network_of()
    names = list(network.state_dict())
    network.backbone.compile()
    assert list(network.state_dict()) == names


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_training_step_does_not_make_the_device_wait(precision):
    gpu = torch.device("cuda")
    network = network_of("serial", "POM").to(gpu).train()
    pool = FeaturePool(seconds={"film": (0, 9)}, persons_per_clip=1, d=network.d, device=gpu)
    weights = [{"params": network.parameters(), "factor": 1.0}]
    batches = [batch_of().to(gpu) for _ in range(4)]
    steps = train(
        network=network,
        memory=Asynchronous(pool, reach=2, penalty=True, draws=PersonDraws(0)),
        batches=batches,
        loss_of=action_loss,
        optimizer=torch.optim.SGD(weights, lr=0.1, fused=True),
        rate_at=lambda step: 0.1,
        seed=0,
        clip_norm=1.0,
        precision=precision,
    )
    next(steps)  # the first one may allocate and choose kernels
    try:
        torch.cuda.set_sync_debug_mode("error")
        assert len(list(steps)) == 3
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize(
    ("backbone", "frames", "d"),
    [("c2d_r50_1x1", 1, 2048), ("r3d_18", 16, 512), ("swin3d_t", 32, 768)],
)
def test_every_family_of_backbones_gives_features_of_persons(backbone, frames, d):
    network = network_of(backbone=backbone)
    batch = batch_of(clips=2)
    one = batch.frames[:, :1].expand(-1, frames, -1, -1, -1)
    with torch.no_grad():
        P, O, _ = network.features(batch._replace(frames=one))
        assert network.actions(P, O, None).shape == (2, 2, 5)
    assert P.features.shape == (2, 2, d)
    assert network.d == d


@torch.no_grad()
def test_non_local_with_a_zero_output_is_the_baseline():
    baseline, batch = network_of(), batch_of()
    still, alive = (network_of("nl", network={"zero_output": zero}) for zero in (True, False))
    logits = []
    for network in (baseline, still, alive):
        network.load_state_dict(baseline.state_dict(), strict=False)
        P, O, _ = network.features(batch)
        logits.append(network.actions(P, O, None))
    assert torch.equal(logits[0], logits[1])
    assert not torch.allclose(logits[0], logits[2], atol=1e-4)


@torch.no_grad()
def test_non_local_sees_every_place_of_the_clip_and_no_object():
    network, batch = network_of("nl"), batch_of()
    maps = network.maps_of(batch)
    P, places, _ = network.features(batch)
    rows, columns = maps[0].shape[3:]
    assert places.features.shape == (3, rows * columns, network.d)
    place = torch.cat([map_[1, :, :, 1, 2].mean(dim=1) for map_ in maps])
    expected = torch.nn.functional.layer_norm(place, (network.d,))
    torch.testing.assert_close(places.features[1, columns + 2], expected)
    elsewhere, _, _ = network.features(batch._replace(objects_xyxy=batch.objects_xyxy * 0.5))
    assert torch.equal(P.features, elsewhere.features)
    assert torch.equal(P.features, network_of().features(batch).P.features)


@torch.no_grad()
def test_non_local_does_not_look_at_a_batchs_padding():
    network, batch = network_of("nl"), batch_of()
    padded = torch.zeros(3, 6, 64, 96, 3, dtype=torch.uint8)
    padded[:, :, :48, :64] = batch.frames
    _, plain, _ = network.features(batch)
    _, larger, _ = network.features(batch._replace(frames=padded))
    assert larger.filled.sum(dim=1).tolist() == plain.filled.sum(dim=1).tolist()
    assert plain.filled.all()
    assert not larger.features[~larger.filled].any()


def test_a_network_with_a_frozen_backbone_starts_like_the_same_one_without():
    raw = read_yaml(REPOSITORY / "config.yaml")
    states = []
    for bank in (False, True):
        torch.manual_seed(1)
        network = build_network(
            backbone=build_section(BackboneConfig, raw["backbones"]["slowfast_tiny"], "backbone"),
            frozen_norm=True,
            structure="serial",
            blocks="POM",
            network=build_section(NetworkConfig, raw["network"], "network"),
            memory=build_section(MemoryConfig, raw["memory"], "memory"),
            classes=5,
            bank=bank,
        )
        states.append(network.state_dict())
    assert states[1].keys() - states[0].keys() == {
        f"bank_{name}" for name in states[0] if name.startswith("backbone.")
    }
    assert all(torch.equal(states[1][name], tensor) for name, tensor in states[0].items())
