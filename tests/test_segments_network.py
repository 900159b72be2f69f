"""A segment as the query (§6.1): the clip as a whole, hands for the P-Block, objects remembered."""

import pytest
import torch

from aia.clip import Slots
from aia.network import build_network
from aia.train.loss import action_loss
from tests.test_network import batch_of, network_of

SEGMENT = {"network": {"query": "segment", "max_persons": 2}}


def batch(hands=2, **sizes):
    """Clips that are asked about as a whole, and which have hands."""
    whole, boxes = batch_of(persons=0, **sizes), batch_of(persons=hands, **sizes)
    return whole._replace(
        hands_xyxy=boxes.persons_xyxy,
        hands_filled=boxes.persons_filled,
        labels=torch.zeros(len(whole.keys), 1, 5, dtype=torch.uint8),
        query="clip",
    )


def test_the_query_is_the_mean_of_the_map_and_not_a_box():
    network, clips = network_of(**SEGMENT, feature_norm=False), batch()
    raw = network_of(network=SEGMENT["network"] | {"feature_norm": False})
    P, O, H = raw.features(clips)
    maps = raw.maps_of(clips)
    mean = torch.cat([map_.mean(dim=(2, 3, 4)) for map_ in maps], dim=1)
    torch.testing.assert_close(P.features[:, 0], mean)
    assert P.features.shape == (3, 1, network.d)
    assert P.filled.tolist() == [[True]] * 3
    assert (O.features.shape[1], H.features.shape[1]) == (1, 2)


def test_the_mean_is_that_of_the_clip_without_the_padding_of_its_batch():
    network, clips = network_of(network=SEGMENT["network"]), batch()
    padded = torch.zeros(3, 6, 64, 96, 3, dtype=torch.uint8)
    padded[:, :, :48, :64] = clips.frames
    padded[:, :, 48:] = 255  # whatever stands there
    alone = network.features(clips).P.features
    # What lies near the edge sees the padding instead of the convolution's own zeros.
    found = network.features(clips._replace(frames=padded)).P.features
    naive = network.features(
        clips._replace(frames=padded, sizes_hw=torch.tensor([[64.0, 96.0]] * 3))
    ).P.features
    assert (naive - alone).abs().mean() > 2 * (found - alone).abs().mean()


@pytest.mark.parametrize("structure", ["serial", "dense", "parallel"])
def test_p_blocks_attend_to_hands_alone(structure):
    network, clips = network_of(structure, "POP", **SEGMENT), batch()
    P, O, H = network.features(clips)
    result = network.interaction.forward_with_attention(P, O, None, H)
    assert result.attention["P1"].shape == result.attention["P2"].shape == (3, 1, 2)
    other = Slots(H.features.flip(1), H.filled)  # their order does not matter
    torch.testing.assert_close(
        network.actions(P, O, None, other), network.actions(P, O, None, H), atol=1e-5, rtol=1e-5
    )
    none = Slots(H.features * 0, torch.zeros_like(H.filled))
    assert not torch.allclose(network.actions(P, O, None, none), network.actions(P, O, None, H))


def test_p_blocks_without_their_hands_are_an_error():
    network, clips = network_of("serial", "P", **SEGMENT), batch()
    P, O, _ = network.features(clips)
    with pytest.raises(ValueError, match="attends to hand, but got none"):
        network.actions(P, O, None, None)


def test_a_memory_of_objects_has_channels_of_its_own():
    plain = network_of("serial", "M", **SEGMENT)
    assert plain.interaction.reduce["memory"].in_features == plain.d
    # the same, of what a detector with 7 channels saw
    import tests.test_network as of

    raw = of.overlay(of.read_yaml(of.REPOSITORY / "config.yaml"), SEGMENT)
    network = build_network(
        backbone=of.build_section(of.BackboneConfig, raw["backbones"]["slowfast_tiny"], "b"),
        frozen_norm=True,
        structure="serial",
        blocks="M",
        network=of.build_section(of.NetworkConfig, raw["network"], "network"),
        memory=of.build_section(of.MemoryConfig, raw["memory"], "memory"),
        classes=5,
        d_memory=7,
    )
    seconds = 2 * raw["memory"]["reach"] + 1
    M = Slots(torch.randn(3, seconds, 7), torch.ones(3, seconds, dtype=torch.bool))
    P, O, H = network.features(batch())
    assert network.actions(P, O, M, H).shape == (3, 1, 5)


def test_softmax_is_the_cross_entropy_of_the_one_class_that_is_true():
    logits = torch.tensor([[[2.0, 0.0, -1.0]], [[0.5, 0.25, 0.0]]])
    labels = torch.tensor([[[0, 1, 0]], [[1, 0, 0]]])
    loss = action_loss(logits, labels, kind="softmax")
    expected = torch.nn.functional.cross_entropy(logits[:, 0], torch.tensor([1, 0]))
    torch.testing.assert_close(loss, expected)
