"""PySlowFast's names and Caffe2's: each has its place, or is said to have none.

The names are spelled out here a second time, layer by layer, after PySlowFast's modules and its
table of Caffe2 names; no test asks the code under test for one.
"""

import dataclasses
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F

from aia.config import BackboneConfig, build_section, read_yaml
from aia.errors import InputError
from aia.features import build_backbone
from aia.weights.pyslowfast import (
    backbone_state,
    blob_key,
    is_caffe2,
    is_pyslowfast,
    non_local_blocks,
    recognise,
    rename,
    to_pyslowfast,
)
from tests.conftest import REPOSITORY

BACKBONES = {
    name: build_section(BackboneConfig, section, name)
    for name, section in read_yaml(REPOSITORY / "config.yaml")["backbones"].items()
}
R50, R101 = (3, 4, 6, 3), (3, 4, 23, 3)
NORM = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}


class Spelled(NamedTuple):
    """One tensor: its name in either kind of file and here, and its shape."""

    theirs: str
    blob: str
    ours: str
    shape: tuple[int, ...]


def unit(theirs, bn, blob, blob_bn, ours, shape):
    """List the tensors of a convolution and its norm."""
    yield Spelled(f"{theirs}.weight", f"{blob}_w", f"{ours}.conv.weight", shape)
    for name, letter in NORM.items():
        yield Spelled(f"{bn}.{name}", f"{blob_bn}_{letter}", f"{ours}.norm.{name}", shape[:1])


def pathway(number, t, ours, *, width, stem, blocks, kernels, crossing):
    """List the tensors of stem and stages; `kernels(stage, block)` are temporal sizes."""
    yield from unit(
        f"s1.pathway{number}_stem.conv", f"s1.pathway{number}_stem.bn",
        f"{t}conv1", f"{t}res_conv1_bn", f"{ours}stem.0", (width, 3, stem, 7, 7),
    )  # fmt: skip
    channels = width
    for stage, count in enumerate(blocks, start=2):
        inner, out = width * 2 ** (stage - 2), width * 2**stage
        for block in range(count):
            entering = channels + (crossing(channels) if block == 0 else 0)
            their, blob = f"s{stage}.pathway{number}_res{block}", f"{t}res{stage}_{block}"
            here = f"{ours}stages.{stage - 2}.{block}"
            for letter, layer, shape in (
                ("a", "reduce", (inner, entering, kernels(stage, block), 1, 1)),
                ("b", "spatial", (inner, inner, 1, 3, 3)),
                ("c", "expand", (out, inner, 1, 1, 1)),
            ):
                yield from unit(
                    f"{their}.branch2.{letter}", f"{their}.branch2.{letter}_bn",
                    f"{blob}_branch2{letter}", f"{blob}_branch2{letter}_bn",
                    f"{here}.{layer}", shape,
                )  # fmt: skip
            if block == 0:
                yield from unit(
                    f"{their}.branch1", f"{their}.branch1_bn",
                    f"{blob}_branch1", f"{blob}_branch1_bn",
                    f"{here}.shortcut", (out, entering, 1, 1, 1),
                )  # fmt: skip
            channels = out


def slowfast(blocks, kernel):
    yield from pathway(
        0, "", "slow.", width=64, stem=1, blocks=blocks,
        kernels=lambda stage, _: 1 if stage < 4 else 3, crossing=lambda slow: slow // 8 * 2,
    )  # fmt: skip
    yield from pathway(
        1, "t_", "fast.", width=8, stem=5, blocks=blocks,
        kernels=lambda *_: 3, crossing=lambda _: 0,
    )  # fmt: skip
    for stage, fast in enumerate((8, 32, 64, 128), start=1):
        last = f"res{stage}_{blocks[stage - 2] - 1}_branch2c_bn" if stage > 1 else "pool1"
        yield from unit(
            f"s{stage}_fuse.conv_f2s", f"s{stage}_fuse.bn",
            f"t_{last}_subsample", f"t_{last}_subsample_bn",
            f"laterals.{stage - 1}.0", (2 * fast, fast, kernel, 1, 1),
        )  # fmt: skip


def i3d(blocks):
    patterns = {2: (3,), 3: (3, 1), 4: (3, 1), 5: (1, 3)}
    yield from pathway(
        0, "", "", width=64, stem=5, blocks=blocks, crossing=lambda _: 0,
        kernels=lambda stage, block: patterns[stage][block % len(patterns[stage])],
    )  # fmt: skip


def c2d(blocks):
    yield from pathway(
        0, "", "", width=64, stem=1, blocks=blocks,
        kernels=lambda *_: 1, crossing=lambda _: 0,
    )  # fmt: skip


def slow(blocks):
    yield from pathway(
        0, "", "", width=64, stem=1, blocks=blocks, crossing=lambda _: 0,
        kernels=lambda stage, _: 1 if stage < 4 else 3,
    )  # fmt: skip


NETWORKS = {
    "slowfast_r50_4x16_pyslowfast": lambda: slowfast(R50, 5),
    "slowfast_r50_8x8_pyslowfast": lambda: slowfast(R50, 7),
    "slowfast_r101_8x8_pyslowfast": lambda: slowfast(R101, 5),
    "i3d_r50_8x8": lambda: i3d(R50),
    "i3d_r101_8x8": lambda: i3d(R101),
    "c2d_r50_8x8": lambda: c2d(R50),
    "c2d_r101_8x8": lambda: c2d(R101),
    "slow_r50_4x16": lambda: slow(R50),
}


def file_of(network, kind="theirs", **more):
    """Make a checkpoint whose tensors are distinct constants that take no memory."""
    tensors = {
        getattr(spelled, kind): torch.tensor(float(number)).expand(spelled.shape)
        for number, spelled in enumerate(NETWORKS[network]())
    }
    return tensors | more


def fits(tensors, **options):
    return recognise(rename(tensors, source="x"), BACKBONES, source="x", **options)


@pytest.mark.parametrize("kind", ["theirs", "blob"])
@pytest.mark.parametrize("network", NETWORKS)
def test_every_tensor_of_a_published_network_has_its_place(network, kind):
    tensors = file_of(network, kind)
    assert (is_pyslowfast(tensors), is_caffe2(tensors)) == (kind == "theirs", kind == "blob")
    renamed = rename(tensors, source="x")
    assert renamed.left_over == []
    assert renamed.names == {s.ours: getattr(s, kind) for s in NETWORKS[network]()}
    for number, spelled in enumerate(NETWORKS[network]()):
        assert renamed.state[spelled.ours].shape == spelled.shape
        assert renamed.state[spelled.ours].flatten()[0] == number, spelled
    assert recognise(renamed, BACKBONES, source="x")[0] == network


@pytest.mark.parametrize("network", NETWORKS)
def test_our_network_has_the_published_tensors_and_the_counters_of_its_norms(network):
    with torch.device("meta"):
        ours = build_backbone(BACKBONES[network], frozen_norm=True).state_dict()
    theirs = {name: tuple(tensor.shape) for name, tensor in to_pyslowfast(ours).items()}
    counters = {name for name in theirs if name.endswith("num_batches_tracked")}
    published = {spelled.theirs: spelled.shape for spelled in NETWORKS[network]()}
    assert {name: theirs[name] for name in theirs.keys() - counters} == published
    norms = {name.removesuffix("running_var") for name in published if "running_var" in name}
    assert counters == {f"{norm}num_batches_tracked" for norm in norms}


@pytest.mark.parametrize("network", ["slowfast_r50_8x8_pyslowfast", "i3d_r50_8x8"])
def test_there_and_back_every_tensor_is_the_same(network):
    counter = {"s1.pathway0_stem.bn.num_batches_tracked": torch.tensor(17)}
    tensors = file_of(network, **counter)
    state = backbone_state(rename(tensors, source="x"), BACKBONES[network])
    back = to_pyslowfast(state)
    assert tensors.keys() <= back.keys()
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())
    added = back.keys() - tensors.keys()
    assert all(name.endswith("num_batches_tracked") and back[name] == 0 for name in added)


def test_the_variance_and_the_colours_of_a_caffe2_file_stay_as_they_are():
    tensors = file_of("c2d_r50_8x8", "blob")
    tensors["conv1_w"] = torch.randn(64, 3, 1, 7, 7)
    tensors["res5_2_branch2c_bn_riv"] = torch.rand(2048)
    state = backbone_state(rename(tensors, source="x"), BACKBONES["c2d_r50_8x8"])
    assert torch.equal(state["stem.0.conv.weight"], tensors["conv1_w"])
    variance = state["stages.3.2.expand.norm.running_var"]
    assert torch.equal(variance, tensors["res5_2_branch2c_bn_riv"])


def test_half_precision_becomes_single():
    tensors = {name: tensor.half() for name, tensor in file_of("c2d_r50_8x8").items()}
    state = backbone_state(rename(tensors, source="x"), BACKBONES["c2d_r50_8x8"])
    assert state["stem.0.conv.weight"].dtype == torch.float32


# From PySlowFast's own report of what it read from its file SLOWFAST_32x2_R101_50_50_v2.1.pkl.
REPORTED = {
    "conv1_w": "s1.pathway0_stem.conv.weight",
    "t_conv1_w": "s1.pathway1_stem.conv.weight",
    "res_conv1_bn_riv": "s1.pathway0_stem.bn.running_var",
    "t_res_conv1_bn_riv": "s1.pathway1_stem.bn.running_var",
    "res2_0_branch1_bn_rm": "s2.pathway0_res0.branch1_bn.running_mean",
    "t_res3_0_branch1_w": "s3.pathway1_res0.branch1.weight",
    "t_res3_0_branch1_bn_s": "s3.pathway1_res0.branch1_bn.weight",
    "res4_14_branch2b_w": "s4.pathway0_res14.branch2.b.weight",
    "res4_22_branch2c_bn_b": "s4.pathway0_res22.branch2.c_bn.bias",
    "t_res4_7_branch2b_bn_rm": "s4.pathway1_res7.branch2.b_bn.running_mean",
    "t_pool1_subsample_bn_riv": "s1_fuse.bn.running_var",
    "t_res2_2_branch2c_bn_subsample_bn_s": "s2_fuse.bn.weight",
    "t_res2_2_branch2c_bn_subsample_bn_rm": "s2_fuse.bn.running_mean",
    "t_res3_3_branch2c_bn_subsample_bn_riv": "s3_fuse.bn.running_var",
    "t_res4_22_branch2c_bn_subsample_w": "s4_fuse.conv_f2s.weight",
    "nonlocal_conv4_13_g_w": None,
}


def test_blobs_have_the_names_that_pyslowfast_reports_for_a_published_file():
    assert {blob: blob_key(blob) for blob in REPORTED} == REPORTED


def test_what_is_of_no_backbone_is_left_over_by_name():
    more = {
        "head.projection.weight": torch.zeros(400, 2048),
        "s3.pathway0_nonlocal1.conv_theta.weight": torch.zeros(256, 512, 1, 1, 1),
        "s3.pathway0_nonlocal1.bn.weight": torch.zeros(512),
        "s3.pathway0_nonlocal3.bn.weight": torch.zeros(512),
        "s1.pathway0_stem.conv.bias": torch.zeros(64),
    }
    renamed = rename(file_of("i3d_r50_8x8", **more), source="x")
    assert renamed.left_over == list(more)
    assert non_local_blocks(renamed) == 2
    blobs = {
        "pred_w": torch.zeros(400, 2048),
        "pred_b": torch.zeros(400),
        "conv1_w_momentum": torch.zeros(64, 3, 5, 7, 7),
        "nonlocal_conv3_1_theta_w": torch.zeros(256, 512, 1, 1, 1),
        "lr": torch.zeros(1),
    }
    renamed = rename(file_of("i3d_r50_8x8", "blob", **blobs), source="x")
    assert renamed.left_over == list(blobs)
    assert non_local_blocks(renamed) == 1


def literal(theirs, slow, fast, *, alpha, strides, dilations):
    """Run PySlowFast's forward pass up to its head, by its names."""

    def conv(x, name, bn, stride=(1, 1, 1), dilation=1):
        weight = theirs[f"{name}.weight"]
        t, h, w = weight.shape[2:]
        padding = (t // 2, h // 2 * dilation, w // 2 * dilation)
        x = F.conv3d(x, weight, None, stride, padding, (1, dilation, dilation))
        statistics = (theirs[f"{bn}.{part}"] for part in ("running_mean", "running_var"))
        return F.batch_norm(x, *statistics, theirs[f"{bn}.weight"], theirs[f"{bn}.bias"])

    def block(x, name, stride, dilation):
        inner = conv(x, f"{name}.branch2.a", f"{name}.branch2.a_bn").relu()
        step = (1, stride, stride)
        inner = conv(inner, f"{name}.branch2.b", f"{name}.branch2.b_bn", step, dilation).relu()
        inner = conv(inner, f"{name}.branch2.c", f"{name}.branch2.c_bn")
        if f"{name}.branch1.weight" in theirs:
            x = conv(x, f"{name}.branch1", f"{name}.branch1_bn", step)
        return (x + inner).relu()

    paths = [slow, fast]
    for number, frames in enumerate(paths):
        stem = f"s1.pathway{number}_stem"
        frames = conv(frames, f"{stem}.conv", f"{stem}.bn", (1, 2, 2)).relu()
        paths[number] = F.max_pool3d(frames, (1, 3, 3), (1, 2, 2), (0, 1, 1))
    for stage in range(2, 6):
        fuse = f"s{stage - 1}_fuse"
        crossing = conv(paths[1], f"{fuse}.conv_f2s", f"{fuse}.bn", (alpha, 1, 1)).relu()
        paths[0] = torch.cat([paths[0], crossing], 1)
        for number in (0, 1):
            index = 0
            while f"s{stage}.pathway{number}_res{index}.branch2.a.weight" in theirs:
                paths[number] = block(
                    paths[number],
                    f"s{stage}.pathway{number}_res{index}",
                    strides[stage - 2] if index == 0 else 1,
                    dilations[stage - 2],
                )
                index += 1
    return paths


@torch.inference_mode()
def test_the_network_gives_the_maps_that_pyslowfasts_layers_give_with_the_same_tensors():
    name = "slowfast_r50_8x8_pyslowfast"
    config = dataclasses.replace(
        BACKBONES[name],
        stem_channels=(8, 2),
        blocks=(1, 2, 1, 1),
        inner_channels=((5, 2), (6, 2), (7, 3), (8, 3)),
        outer_channels=((11, 3), (13, 5), (17, 6), (19, 7)),
    )
    network = build_backbone(config, frozen_norm=True).eval()
    theirs = {
        key: tensor.uniform_(0.5, 1.5) if "bn" in key else tensor
        for key, tensor in to_pyslowfast(network.state_dict()).items()
        if "batches_tracked" not in key
    }
    fresh = build_backbone(config, frozen_norm=True).eval()
    fresh.load_state_dict(backbone_state(rename(theirs, source="x"), config))
    slow, fast = torch.randn(1, 3, 2, 64, 96), torch.randn(1, 3, 8, 64, 96)
    expected = literal(theirs, slow, fast, alpha=4, strides=(1, 2, 2, 1), dilations=(1, 1, 1, 2))
    for ours, map_ in zip(fresh([slow, fast]), expected, strict=True):
        torch.testing.assert_close(ours, map_, rtol=1e-4, atol=1e-4)


def test_networks_that_differ_in_pace_or_pooling_alone_are_all_told():
    assert fits(file_of("c2d_r50_8x8")) == ["c2d_r50_8x8", "c2d_r50_8x8_nopool", "c2d_r50_1x1"]
    assert fits(file_of("slow_r50_4x16", "blob")) == ["slow_r50_4x16", "slow_r50_8x8"]
    assert fits(file_of("c2d_r50_8x8"), asked="c2d_r50_1x1") == ["c2d_r50_1x1"]


LATERAL = "s1_fuse.conv_f2s.weight"
DEEP = "s4.pathway0_res6.branch2.a.weight"


def without(tensors, name):
    return {key: tensor for key, tensor in tensors.items() if key != name}


@pytest.mark.parametrize(
    ("tensors", "asked", "message"),
    [
        (
            lambda: file_of("slowfast_r50_8x8_pyslowfast"),
            "slowfast_r50_4x16_pyslowfast",
            rf"{LATERAL} has shape \[16, 8, 7, 1, 1\], slowfast_r50_4x16_pyslowfast expects "
            r"\[16, 8, 5, 1, 1\]; it would fit slowfast_r50_8x8_pyslowfast$",
        ),
        (
            lambda: file_of("i3d_r50_8x8", "blob"),
            "c2d_r50_8x8",
            r"conv1_w has shape \[64, 3, 5, 7, 7\], c2d_r50_8x8 expects \[64, 3, 1, 7, 7\]; "
            "it would fit i3d_r50_8x8$",
        ),
        (
            lambda: file_of("c2d_r101_8x8"),
            "c2d_r50_8x8",
            r"has s4.pathway0_res6.* which c2d_r50_8x8 does not have; it would fit c2d_r101_8x8",
        ),
        (
            lambda: file_of(
                "slowfast_r50_4x16_pyslowfast", **{LATERAL: torch.zeros(16, 8, 7, 1, 1)}
            ),
            None,
            r"slowfast_r50_4x16_pyslowfast expects \[16, 8, 5, 1, 1\]; the file fits no backbone "
            r"\(of .*\); this tensor would fit slowfast_r50_8x8_pyslowfast$",
        ),
        (
            lambda: without(file_of("i3d_r50_8x8"), "s5.pathway0_res2.branch2.c_bn.running_mean"),
            None,
            r"lacks s5.pathway0_res2.branch2.c_bn.running_mean, which i3d_r50_8x8 has; the file "
            "fits no",
        ),
        (
            lambda: file_of(
                "slowfast_r101_8x8_pyslowfast", **{DEEP: torch.zeros(256, 1024, 1, 1, 1)}
            ),
            None,
            rf"{DEEP} has shape \[256, 1024, 1, 1, 1\], slowfast_r101_8x8_pyslowfast expects",
        ),
        (lambda: file_of("c2d_r50_8x8"), "slowfast_r50_4x16", "is not a backbone of PySlowFast's"),
    ],
    ids=["pace", "family", "depth", "one shape", "missing", "short temporal", "AlphAction's"],
)
def test_a_file_that_does_not_fit_says_which_tensor_and_what_it_would_fit(tensors, asked, message):
    with pytest.raises(InputError, match=message):
        fits(tensors(), asked=asked)


def test_two_blobs_of_one_place_are_an_input_error():
    blobs = file_of("slowfast_r50_4x16_pyslowfast", "blob")
    blobs["t_res2_1_branch2c_bn_subsample_w"] = torch.zeros(64, 32, 5, 1, 1)
    with pytest.raises(InputError, match="are both s2_fuse.conv_f2s.weight"):
        rename(blobs, source="x")


def test_settings_without_such_a_backbone_are_told():
    renamed = rename(file_of("c2d_r50_8x8"), source="x")
    with pytest.raises(InputError, match="no backbone of PySlowFast's form"):
        recognise(renamed, {}, source="x")


@pytest.mark.parametrize("name", ["classifier.fc1.weight", "stages.0.0.middle.conv.weight"])
def test_a_name_of_another_network_does_not_go_back(name):
    with pytest.raises(InputError, match=f"{name} has no name in PySlowFast"):
        to_pyslowfast({name: torch.zeros(1)})


def test_a_detector_of_detectron_is_not_taken_for_a_video_network():
    assert not is_caffe2(["conv1_w", "res_conv1_bn_s", "res_conv1_bn_b", "conv_rpn_fpn2_w"])
