"""The authors' checkpoints, whole: recognised, loaded, and with their scores; and those of others.

First AlphAction's, then PySlowFast's and maskrcnn-benchmark's.
"""

import io
import json
import pickle
import runpy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import load_file, save_file

from aia import convert
from aia.cli import main
from aia.clip import Batch, ClipKey, Slots, clip_offsets
from aia.config import (
    BackboneConfig,
    NetworkConfig,
    build_section,
    overlay,
    parse_run,
    read_yaml,
)
from aia.detect.maskrcnn_benchmark import build_maskrcnn_benchmark
from aia.detect.model import build_detector
from aia.errors import InputError
from aia.labels import ClassList
from aia.memory import FeaturePool, recall
from aia.network import build_network
from aia.run import Model, Run
from aia.train.start import load_backbone
from aia.video.transforms import extend_boxes
from aia.weights.alphaction_network import recognise, reference_entries
from aia.weights.maskrcnn_benchmark import to_reference
from aia.weights.pyslowfast import to_pyslowfast
from tests.conftest import REPOSITORY

SETTINGS = read_yaml(REPOSITORY / "config.yaml")
NETWORKS = [
    f"{depth}_{structure}"
    for depth in ("R50", "R101")
    for structure in ("baseline", "serial", "denseserial", "parallel")
]


@pytest.fixture(scope="module")
def recipe(golden):
    return runpy.run_path(str(golden / "recipe.py"))


def entries_of(golden, name):
    return json.loads((golden / "keys" / f"{name}.json").read_text())["entries"]


def network_of(form):
    with torch.device("meta"):
        return convert._run(form, SETTINGS, ClassList.numbered(form.classes)).build()


@pytest.mark.parametrize("name", NETWORKS)
def test_the_authors_network_has_these_tensors_and_no_others(golden, name):
    entries = [(key, tuple(shape), kind) for key, shape, kind in entries_of(golden, name)]
    form = recognise({key: shape for key, shape, _ in entries}, source=name)
    depth, structure = name.split("_")
    assert form.backbone == {"R50": "slowfast_r50_4x16", "R101": "slowfast_r101_8x8"}[depth]
    ours = {"baseline": "none", "denseserial": "dense"}
    assert form.structure == ours.get(structure, structure)
    network = network_of(form)
    assert sorted(map(tuple, reference_entries(network))) == sorted(entries)
    facts = json.loads((golden / "keys" / f"{name}.json").read_text())
    assert sum(np.prod(shape) for _, shape, kind in entries if kind == "param") == facts["n_params"]


@pytest.fixture(scope="module")
def checkpoint(golden, recipe, tmp_path_factory):
    """Write a network's file as the authors' code would, with known weights."""
    folder = tmp_path_factory.mktemp("published")

    def write(name):
        path = folder / f"{name}.pth"
        if not path.exists():
            state = {
                f"module.{key}": torch.from_numpy(recipe["weight"](key, shape))
                for key, shape, _ in entries_of(golden, name)
            }
            torch.save({"model": state, "iteration": 110000}, path)
        return path

    return write


def converted(path, **options):
    output = path.with_suffix(".safetensors")
    if not output.exists():
        convert.convert(path, output, settings=SETTINGS, **options)
    return Model.load(output, device=torch.device("cpu"))


def batch_of(recipe, network):
    """Make a batch of the recorded clips, with padded frames and extended persons."""
    offsets = np.concatenate([clip_offsets(64, 16), clip_offsets(64, 2)])
    frames = np.zeros((3, len(offsets), 128, 176, 3), np.uint8)
    sizes, persons, objects = [], [], []
    for clip, (name, height, width, _, _) in enumerate(recipe["CLIPS"]):
        frames[clip, :, :height, :width] = recipe["raw_clip"](name, 64, height, width)[offsets]
        size = np.array([width, height, width, height], np.float64)
        sizes.append((height, width))
        persons.append(np.array(recipe["PERSONS"][clip]) / size)
        objects.append(np.array(recipe["OBJECTS"][clip]).reshape(-1, 4) / size)
    return frames, torch.tensor(sizes, dtype=torch.float32), persons, objects


def padded(boxes):
    most = max(map(len, boxes))
    xyxy, filled = torch.zeros(len(boxes), most, 4), torch.zeros(len(boxes), most, dtype=torch.bool)
    for clip, some in enumerate(boxes):
        xyxy[clip, : len(some)] = torch.as_tensor(some, dtype=torch.float32)
        filled[clip, : len(some)] = True
    return xyxy, filled


def features_of(recipe, network, extended):
    frames, sizes_hw, persons, objects = batch_of(recipe, network)
    counts = np.cumsum([len(some) for some in persons])[:-1]
    grown = np.split(extended, counts)
    grown = [
        some / np.array([w, h, w, h]) for some, (h, w) in zip(grown, sizes_hw.numpy(), strict=True)
    ]
    persons_xyxy, persons_filled = padded(grown)
    objects_xyxy, objects_filled = padded(objects)
    keys = [ClipKey(movie, t) for *_, movie, t in recipe["CLIPS"]]
    labels = torch.zeros(*persons_filled.shape, 80, dtype=torch.uint8)
    batch = Batch(
        keys, torch.from_numpy(frames), sizes_hw, persons_xyxy, persons_filled, labels,
        objects_xyxy, objects_filled,
    )  # fmt: skip
    return keys, network.features(batch)


@torch.inference_mode()
def test_a_converted_baseline_gives_the_authors_logits(golden, recipe, checkpoint):
    model = converted(checkpoint("R50_baseline"))
    file = np.load(golden / "detector" / "R50_baseline.npz")
    _, (P, O, _) = features_of(recipe, model.network, file["extended_boxes"])
    assert_allclose(P.features[P.filled], file["person_pooled"], rtol=1e-5, atol=1e-4)
    logits = model.network.actions(P, O, None)[P.filled]
    assert_allclose(logits, file["logits"], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_a_converted_dense_serial_network_gives_the_authors_logits_in_one_and_two_passes(
    golden, recipe, checkpoint
):
    model = converted(checkpoint("R50_denseserial"))
    assert model.run.memory.reach == 30
    assert model.run.name.without_seed == "slowfast_r50_4x16-dense-POMPOM-amu-released"
    network = model.network
    file = np.load(golden / "detector" / "R50_denseserial.npz")
    keys, (P, O, _) = features_of(recipe, network, file["extended_boxes"])
    assert_allclose(O.features[O.filled], file["object_pooled"], rtol=1e-5, atol=1e-4)
    pool = FeaturePool(
        seconds={"movA": (870, 944), "movB": (1150, 1231)}, persons_per_clip=5, d=2304
    )
    for (movie, t), n in recipe["memory_timestamps"]().items():
        kept = torch.from_numpy(recipe["memory_feature"](movie, t, n)).reshape(1, n, 2304)
        there = Slots(kept, torch.ones(1, n, dtype=torch.bool))
        pool.write([ClipKey(movie, t)], there, loss_tag=1.0, step=0)

    M, _ = recall(pool, keys, P, err=1.0, reach=30, penalty=False)
    assert_allclose(network.actions(P, O, M)[P.filled], file["logits"], rtol=0, atol=1e-4)

    pool.write(keys, P, loss_tag=1.0, step=1)  # the first pass
    M, _ = recall(pool, keys, P, err=1.0, reach=30, penalty=False)
    two = network.actions(P, O, M)[P.filled]
    assert_allclose(two, file["logits_two_pass"], rtol=0, atol=1e-4)
    assert np.abs(file["logits_two_pass"] - file["logits"]).max() > 1e-3, "two passes differ"


def test_persons_grow_as_the_authors_boxes_do_up_to_their_plus_one(golden, recipe):
    """Allow for their width of a box, x2 - x1 + 1: 10 % of a pixel."""
    file = np.load(golden / "detector" / "R50_baseline.npz")
    place = 0
    for (_, height, width, _, _), persons in zip(recipe["CLIPS"], recipe["PERSONS"], strict=True):
        size = np.array([width, height, width, height])
        ours = extend_boxes(np.array(persons) / size, (0.1, 0.05)) * size
        theirs = file["extended_boxes"][place : place + len(persons)]
        place += len(persons)
        assert np.abs(ours - theirs).max() <= 1.0  # they clip at W - 1, we at W


def test_back_and_forth_no_tensor_changes(golden, checkpoint, tmp_path):
    path = checkpoint("R50_denseserial")
    converted(path)
    assert (
        main(["weights", "convert", str(path.with_suffix(".safetensors")), str(tmp_path / "b.pth")])
        == 0
    )
    back = torch.load(tmp_path / "b.pth", weights_only=True)["model"]
    original = torch.load(path, weights_only=True)["model"]
    assert {f"module.{name}" for name in back} == original.keys()
    for name, tensor in back.items():
        assert torch.equal(tensor, original[f"module.{name}"]), name
    convert.convert(tmp_path / "b.pth", tmp_path / "c.safetensors", settings=SETTINGS)
    first, again = (
        load_file(path.with_suffix(".safetensors")),
        load_file(tmp_path / "c.safetensors"),
    )
    assert all(torch.equal(first[name], again[name]) for name in first | again)


@pytest.mark.parametrize("name", ["nl-s0", "lfb-MM-amu-s0", "serial-PM-frozen-s0"])
def test_a_baseline_that_the_authors_code_lacks_is_not_converted_back(tmp_path, name):
    raw = overlay(SETTINGS, {"network": {"feature_norm": False}})
    run = Run.from_settings(parse_run(f"slowfast_tiny-{name}"), raw, classes=ClassList.numbered(1))
    model = tmp_path / "model.safetensors"
    run.write(model, run.build().state_dict())
    with pytest.raises(InputError, match="a baseline that AlphAction's code does not have"):
        convert.convert_back(model, tmp_path / "back.pth")
    assert not (tmp_path / "back.pth").exists()


def test_inspect_says_layout_network_and_what_is_left_over(
    checkpoint, tmp_path, capsys, monkeypatch
):
    state = torch.load(checkpoint("R50_baseline"), weights_only=True)["model"]
    torch.save(state | {"module.ema.decay": torch.ones(1)}, tmp_path / "more.pth")
    monkeypatch.chdir(tmp_path)  # where no config.yaml is
    assert main(["weights", "inspect", str(tmp_path / "more.pth")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("layout: AlphAction, 545 tensors")
    assert said[1] == "network: slowfast_r50_4x16-none (80 classes)"
    assert said[2] == "left over: 1 tensors: ema.decay"


def test_a_file_that_would_run_something_is_refused(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (print, ("it ran",))

    for name in ("evil.pth", "evil.pkl", "evil.pyth"):
        (tmp_path / name).write_bytes(pickle.dumps({"model": Evil()}))
        assert main(["weights", "inspect", str(tmp_path / name)]) == 2
    said = capsys.readouterr()
    assert "it ran" not in said.out
    assert said.err.count("refused") + said.err.count("would run") == 3


def damaged(state, change):
    state = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    change(state)
    return {"model": state}


STEM = "backbone.slow.conv1.weight"
DEEPER = "backbone.slow.res_nl3.res_6.btnk.conv1.conv.weight"
SCORE = "roi_heads.action.predictor.cls_score"
FEW = {f"{SCORE}.weight": torch.zeros(15, 1024), f"{SCORE}.bias": torch.zeros(15)}


def without_head(state):
    for name in [name for name in state if "roi_heads" in name]:
        del state[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop(STEM), f"1 of 544 tensors are missing, the first is {STEM}"),
        (
            lambda s: s.update({STEM: torch.zeros(32, 3, 1, 7, 7)}),
            rf"{STEM} has shape \[32, 3, 1, 7, 7\], expected \[64, 3, 1, 7, 7\]",
        ),
        (lambda s: s.pop(f"{SCORE}.weight"), "cls_score.weight is missing"),
        (
            lambda s: s.update({DEEPER: torch.zeros(1)}),
            r"res4 of the slow pathway has 7 blocks; known are 6 \(slowfast_r50_4x16\), 23",
        ),
        (without_head, "its layout is unknown"),
        (lambda s: s.update(FEW), "has 15 classes, which are not AVA's 80; give their list"),
    ],
    ids=["missing", "shape", "head", "depth", "layout", "classes"],
)
def test_a_checkpoint_that_does_not_fit_says_why(checkpoint, tmp_path, change, message):
    state = torch.load(checkpoint("R50_baseline"), weights_only=True)["model"]
    torch.save(damaged(state, change), tmp_path / "bad.pth")
    with pytest.raises(InputError, match=message):
        convert.convert(tmp_path / "bad.pth", tmp_path / "out.safetensors", settings=SETTINGS)
    assert not (tmp_path / "out.safetensors").exists()


def test_tensors_in_the_order_of_the_alphabet_need_the_order_of_the_blocks(checkpoint, tmp_path):
    state = torch.load(checkpoint("R50_denseserial"), weights_only=True)["model"]
    save_file(state, tmp_path / "sorted.safetensors")  # which sorts
    out = tmp_path / "out.safetensors"
    with pytest.raises(InputError, match="order of its blocks.*--network"):
        convert.convert(tmp_path / "sorted.safetensors", out, settings=SETTINGS)
    name = "slowfast_r50_4x16-dense-POMPOM-amu"
    convert.convert(tmp_path / "sorted.safetensors", out, settings=SETTINGS, network=name)
    assert Model.load(out, device=torch.device("cpu")).run.name.blocks == "POMPOM"
    with pytest.raises(InputError, match="not slowfast_r50_4x16-dense-PPOOM-amu"):
        convert.convert(
            tmp_path / "sorted.safetensors",
            out,
            settings=SETTINGS,
            network="slowfast_r50_4x16-dense-PPOOM-amu",
        )


def test_another_network_than_the_asked_one_is_refused(checkpoint, tmp_path):
    with pytest.raises(InputError, match="has slowfast_r50_4x16-none, not slowfast_r101_8x8-none"):
        convert.convert(
            checkpoint("R50_baseline"),
            tmp_path / "out.safetensors",
            settings=SETTINGS,
            network="slowfast_r101_8x8-none",
        )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.pth", None, "there is no such file"),
        ("cut.pth", b"PK\x03\x04abc", "cannot be read as a checkpoint"),
        ("cut.safetensors", b"abc", "not a safetensors file"),
        ("text.pth", b"hello", "cannot be read as a checkpoint|refused"),
        ("empty.pkl", pickle.dumps({"model": {}}), "holds no named tensors"),
    ],
)
def test_what_is_no_checkpoint_is_told(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        convert.inspect(tmp_path / name, settings=SETTINGS)


# PySlowFast's and maskrcnn-benchmark's files: a whole file each, at sizes that take a moment.

SMALL = {
    "slowfast_small": SETTINGS["backbones"]["slowfast_r50_8x8_pyslowfast"]
    | {
        "stem_channels": [8, 2],
        "blocks": [1, 1, 1, 1],
        "inner_channels": [[5, 2], [6, 2], [7, 3], [8, 3]],
        "outer_channels": [[11, 3], [13, 5], [17, 6], [19, 7]],
    },
    "i3d_small": SETTINGS["backbones"]["i3d_r50_8x8"]
    | {
        "stem_channels": 8,
        "blocks": [1, 1, 1, 1],
        "inner_channels": [5, 6, 7, 8],
        "outer_channels": [11, 13, 17, 19],
    },
}
SMALL_SETTINGS = SETTINGS | {"backbones": SMALL}


def small_network(name):
    """Build a network with the small backbone and distinct statistics in every norm."""
    network = build_network(
        backbone=build_section(BackboneConfig, SMALL[name], name),
        frozen_norm=True,
        structure="none",
        blocks="",
        network=build_section(NetworkConfig, SETTINGS["network"], "network"),
        memory=None,
        classes=3,
    )
    for tensor_name, tensor in network.backbone.state_dict().items():
        if ".norm." in tensor_name and tensor.dtype == torch.float32:
            torch.nn.init.uniform_(tensor, 0.5, 1.5)
    return network


def blobs_of(theirs):
    """Rename tensors of a small I3D to those of a Caffe2 file."""
    blobs = {}
    for name, tensor in theirs.items():
        layer, _, part = name.rpartition(".")
        letter = {"weight": "s", "bias": "b", "running_mean": "rm", "running_var": "riv"}.get(part)
        if letter is None:
            continue
        stage, _, inside = layer.partition(".pathway0_")
        block = inside.replace("res0.", f"res{stage[1]}_0_").replace("branch2.", "branch2")
        block = {"stem.conv": "conv1", "stem.bn": "res_conv1_bn"}.get(block, block)
        blobs[f"{block}_{letter if block.endswith('bn') else 'w'}"] = tensor.numpy()
    return blobs


def written(kind, network, folder):
    """Write the network's backbone as PySlowFast or Caffe2 would save it."""
    theirs = to_pyslowfast(network.backbone.state_dict())
    classifier = torch.randn(3, 19)
    if kind == "caffe2":
        path = folder / "small.pkl"
        blobs = blobs_of(theirs) | {"pred_w": classifier.numpy(), "model_iter": np.int64(7)}
        path.write_bytes(pickle.dumps({"blobs": blobs}, protocol=2))
        return path
    path = folder / ("small.pkl" if "pkl" in kind else "small.pyth")
    state = theirs | {"head.projection.weight": classifier}
    if kind == "parallel":
        state = {f"module.{name}": tensor for name, tensor in state.items()}
    content = {"epoch": 7, "model_state": state, "optimizer_state": {"state": {}}, "cfg": "A: 1"}
    torch.save(content, path, _use_new_zipfile_serialization=kind != "old pkl")
    return path


@pytest.mark.parametrize(
    ("kind", "backbone"),
    [
        ("pyth", "slowfast_small"),
        ("pyth", "i3d_small"),
        ("parallel", "slowfast_small"),
        ("pkl", "i3d_small"),
        ("old pkl", "i3d_small"),
        ("caffe2", "i3d_small"),
    ],
)
def test_a_run_begins_with_the_backbone_of_a_file_of_pyslowfast(tmp_path, capsys, kind, backbone):
    network, fresh = small_network(backbone), small_network(backbone)
    path = written(kind, network, tmp_path)
    layout, name, left = convert.inspect(path, settings=SMALL_SETTINGS)
    assert layout.startswith("layout: Caffe2 of" if kind == "caffe2" else "layout: PySlowFast, ")
    assert name == f"network: backbone {backbone}"
    classifier = "pred_w" if kind == "caffe2" else "head.projection.weight"
    assert left == f"left over: 1 tensors: {classifier}"
    convert.convert(path, tmp_path / "out.safetensors", settings=SMALL_SETTINGS)
    said = capsys.readouterr()
    assert f"backbone {backbone}, for train.init" in said.out + said.err
    load_backbone(fresh, tmp_path / "out.safetensors")
    before, after = network.backbone.state_dict(), fresh.backbone.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_another_backbone_than_the_asked_one_is_refused_and_nothing_written(tmp_path):
    path = written("pyth", small_network("i3d_small"), tmp_path)
    for network in ("slowfast_small", "i3d_large"):
        with pytest.raises(InputError, match=f"{network}.*i3d_small"):
            convert.convert(
                path, tmp_path / "out.safetensors", settings=SMALL_SETTINGS, network=network
            )
    with pytest.raises(InputError, match="leave out --labels"):
        convert.convert(
            path, tmp_path / "out.safetensors", settings=SMALL_SETTINGS, labels=convert.AVA_LABELS
        )
    assert not (tmp_path / "out.safetensors").exists()


def test_a_network_with_non_local_blocks_is_said_to_be_another_one(tmp_path):
    state = to_pyslowfast(small_network("i3d_small").backbone.state_dict())
    state["s3.pathway0_nonlocal0.conv_g.weight"] = torch.zeros(1)
    torch.save({"model_state": state}, tmp_path / "nln.pyth")
    lines = convert.inspect(tmp_path / "nln.pyth", settings=SMALL_SETTINGS)
    assert lines[2].startswith("not the same network: our backbones lack its 1 non-local")
    assert lines[3] == "left over: 1 tensors: s3.pathway0_nonlocal0.conv_g.weight"


def test_a_program_in_a_pickle_that_looks_like_torchs_is_refused(tmp_path, capsys):
    class Evil:
        def __reduce__(self):
            return (print, ("it ran",))

    buffer = io.BytesIO()
    torch.save({"model_state": {}}, buffer, _use_new_zipfile_serialization=False)
    beginning = buffer.getvalue()[:15]  # torch's number, a whole pickle
    (tmp_path / "evil.pkl").write_bytes(beginning + pickle.dumps(Evil(), protocol=2))
    with pytest.raises(InputError, match=r"refused|cannot be read"):
        convert.inspect(tmp_path / "evil.pkl", settings=SETTINGS)
    content = {"blobs": {"conv1_w": Evil(), "res_conv1_bn_rm": 1, "res_conv1_bn_riv": 1}}
    (tmp_path / "evil2.pkl").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(InputError, match="would run"):
        convert.inspect(tmp_path / "evil2.pkl", settings=SETTINGS)
    assert "it ran" not in capsys.readouterr().out


@pytest.fixture(scope="module")
def detector_file(tmp_path_factory):
    """Write R-50-FPN of maskrcnn-benchmark with a tensor of a mask head; return its numbers."""
    torch.manual_seed(0)
    theirs = to_reference(build_maskrcnn_benchmark("maskrcnn_r50_fpn").state_dict())
    path = tmp_path_factory.mktemp("detector") / "r50.pth"
    torch.save({"model": theirs | {"roi_heads.mask.predictor.mask.bias": torch.zeros(1)}}, path)
    return path, theirs


def test_inspect_knows_a_detector_of_maskrcnn_benchmark(detector_file):
    path, theirs = detector_file
    lines = convert.inspect(path, settings=SETTINGS)
    assert lines[0].startswith(f"layout: maskrcnn-benchmark, {len(theirs) + 1} tensors, ")
    assert lines[1] == "network: detector maskrcnn_r50_fpn (80 classes)"
    assert lines[2] == "left over: 1 tensors: roi_heads.mask.predictor.mask.bias"


def test_inspect_knows_a_detector_of_detectron(golden):
    pairs = json.loads((golden / "mrcnn" / "keys" / "c2_R_50_FPN.json").read_text())["pairs"]
    with torch.device("meta"):
        theirs = to_reference(build_maskrcnn_benchmark("maskrcnn_r50_fpn").state_dict())
    blobs = {blob: torch.zeros(()).expand(theirs[name].shape) for blob, name in pairs}
    given = convert.Checkpoint("r50.pkl", blobs | {"lr": torch.zeros(1)}, SETTINGS)
    assert convert._layout(given).name == "Detectron"
    assert convert._inspect_detector(given) == [
        "network: detector maskrcnn_r50_fpn (80 classes)",
        "left over: 1 tensors: lr",
    ]


def test_a_converted_detector_is_taken_by_detector_weights(detector_file, tmp_path):
    path, theirs = detector_file
    with pytest.raises(InputError, match="has maskrcnn_r50_fpn, not maskrcnn_r101_fpn"):
        convert.convert(
            path, tmp_path / "no.safetensors", settings=SETTINGS, network="maskrcnn_r101_fpn"
        )
    convert.convert(path, tmp_path / "out.safetensors", settings=SETTINGS)
    detector = build_detector(
        "maskrcnn_r50_fpn",
        classes=("person",),
        short_side=256,
        weights=str(tmp_path / "out.safetensors"),
        finetune=False,
    )
    assert (len(detector.classes), detector.classes[0]) == (80, "person")
    back = to_reference(detector.network.state_dict())
    assert all(torch.equal(back[name], tensor) for name, tensor in theirs.items())


def test_a_detector_with_a_tensor_of_another_shape_is_told(detector_file, tmp_path):
    _, theirs = detector_file
    name = "backbone.fpn.fpn_layer3.weight"
    torch.save(theirs | {name: torch.zeros(5, 256, 3, 3)}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match=rf"{name} has shape \[5, .*it fits no other network"):
        convert.inspect(tmp_path / "bad.pth", settings=SETTINGS)
