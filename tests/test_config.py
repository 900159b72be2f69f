import json
from pathlib import Path

import pytest

from aia.config import (
    MemoryConfig,
    load_settings,
    overlay,
    parse_row,
    parse_run,
    read_yaml,
    run_settings,
    section,
)
from aia.errors import InputError

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def raw() -> dict:
    return read_yaml(REPOSITORY / "config.yaml")


def test_the_shipped_settings_fit_their_types(raw):
    settings = load_settings(raw)
    assert settings.memory.reach == raw["memory"]["reach"]
    assert settings.backbones["slowfast_r101_8x8"].blocks == (3, 4, 23, 3)


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "config").glob("*.yaml")), ids=lambda p: p.stem
)
def test_every_shipped_overlay_fits(raw, path):
    load_settings(overlay(raw, read_yaml(path)), source=path.name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": {"test": {"films": "t.txt"}}}, "data.test.films: needs seconds"),
        ({"data": {"test": {"video": "t"}}}, "data.test.video is not a setting"),
        ({"data": {"person_boxes": {"val": 3}}}, "data.person_boxes.val = 3 is not a text"),
        ({"memory": {"reech": 3}}, "memory.reech is not a setting, did you mean memory.reach?"),
        ({"memry": {}}, "memry is not a setting, did you mean memory?"),
        ({"memory": {"reach": -1}}, "memory.reach = -1 is less than 0"),
        ({"memory": {"reach": 1.5}}, "memory.reach = 1.5 is not a whole number"),
        ({"memory": {"penalty": 1}}, "memory.penalty = 1 is not true or false"),
        ({"memory": 7}, "memory = 7, expected a section of settings"),
        ({"train": {"optimizer": "sdg"}}, "expected one of sgd, adamw, did you mean sgd?"),
        ({"train": {"learning_rate": "1e-3"}}, "write 1.0e-3"),
        ({"train": {"learning_rate": float("nan")}}, "train.learning_rate = nan is not a number"),
        ({"score": {"extend": [0.1]}}, "score.extend = [0.1], expected a list of 2"),
        ({"fuse": {"short_sides": []}}, "fuse.short_sides: needs at least one"),
        ({"fuse": {"short_sides": [98, 8]}}, "fuse.short_sides: 8 is less than 16"),
        ({"fuse": {"short_sides": [98, 98]}}, "[98, 98] names one of them twice"),
        ({"fuse": {"ensembles": {"a-b": ["slowfast_tiny-none-s0"]}}}, "'a-b' is not a name of a-z"),
        ({"fuse": {"ensembles": {"two": []}}}, "fuse.ensembles.two: needs at least one"),
        ({"fuse": {"ensembles": {"two": ["slowfast_tiny-none"]}}}, "is not a run: expected"),
        ({"fuse": {"ensembles": {"one": ["teeny-none-s0"]}}}, "backbone 'teeny' is not one of"),
        ({"evaluate": {"iou": 50}}, "evaluate.iou = 50.0 is outside 0..1"),
        ({"data": {"films": "films/a.mp4"}}, "lacks {video}"),
        ({"backbones": {"new": {"family": "resnet"}}}, "expected one of slowfast, i3d"),
        ({"backbones": {"slowfast_tiny": {"blocks": [1]}}}, "for the 1 stages of blocks"),
        ({"backbones": {"slowfast_tiny": {"strides": [3, 2]}}}, "3 must be a multiple of 2"),
        ({"backbones": {"slowfast_tiny": {"strides": [4, 0]}}}, "strides: 0 is less than 1"),
        ({"backbones": {"slowfast_tiny": {"blocks": [1, 0]}}}, "blocks: 0 is less than 1"),
        (
            {"backbones": {"slowfast_tiny": {"stem_kernels": [1, 4]}}},
            "backbones.slowfast_tiny.stem_kernels: 4 is not an odd number of frames",
        ),
        (
            {"backbones": {"slowfast_tiny": {"lateral": {"norm": True}}}},
            "backbones.slowfast_tiny.lateral.bias: true has no effect before norm: true",
        ),
        (
            {"backbones": {"slowfast_tiny": {"lateral": {"relu": True}}}},
            "lateral.relu is not a setting",
        ),
        ({"backbones": {"slowfast_tiny": {"pool_padding": 2}}}, "pool_padding = 2 is more than 1"),
        ({"backbones": {"slowfast_tiny": {"std": [1, 0, 1]}}}, "holds a number that is not above"),
        (
            {"backbones": {"c2d_r50_1x1": {"temporal_pool": True}}},
            "temporal_pool: true needs at least 2 frames, but span 1 with strides [1] gives 1",
        ),
        (
            {"backbones": {"i3d_r50_8x8": {"temporal_patterns": [[3], [3, 1], [], [1]]}}},
            "temporal_patterns: a stage has no kernel",
        ),
        (
            {"backbones": {"i3d_r50_8x8": {"temporal_patterns": [[3], [3, 2], [1], [1]]}}},
            "backbones.i3d_r50_8x8.temporal_patterns: 2 is not an odd number of frames",
        ),
        (
            {"backbones": {"i3d_r50_8x8": {"temporal_patern": [[3]]}}},
            "did you mean backbones.i3d_r50_8x8.temporal_patterns?",
        ),
        ({"backbones": {"i3d_r50_8x8": {"dilations": [1, 2]}}}, "has 2 entries for the 4 stages"),
        ({"backbones": {"i3d_r50_8x8": {"strides": [65]}}}, "65 is more than the span 64"),
        ({"backbones": {"r3d_18": {"model": "r3d_81"}}}, "did you mean r3d_18?"),
        (
            {"backbones": {"r3d_18": {"weights": "KINETICS_V1"}}},
            "backbones.r3d_18.weights = 'KINETICS_V1', expected scratch, KINETICS400_V1",
        ),
        ({"variants": {"odd": {"loss": {"kind": "mse"}}}}, "with variant odd: loss.kind = 'mse'"),
        (
            {"results": {"runs": ["slowfast_tiny"]}},
            "'slowfast_tiny': slowfast_tiny is neither a run nor one of fuse.ensembles",
        ),
        ({"results": {"runs": ["slowfast_tiny-nine"]}}, "'slowfast_tiny-nine-s0' is not a run"),
        (
            {"results": {"runs": ["slowfast_tiny-none multiscal"]}},
            "'multiscal' says nothing of a run, did you mean multiscale?",
        ),
        (
            {"results": {"runs": ["slowfast_tiny-none multiscale flip"]}},
            "'multiscale flip' says nothing of a run",
        ),
        (
            {
                "fuse": {"ensembles": {"three": ["slowfast_tiny-none-s0"]}},
                "results": {"runs": ["tree multiscale"]},
            },
            "tree is neither a run nor one of fuse.ensembles (it has three), did you mean three?",
        ),
        (
            {
                "fuse": {"ensembles": {"three": ["slowfast_tiny-none-s0"]}},
                "results": {"runs": ["three"]},
                "data": {"tasks": {"verb": "verbs.pbtxt", "noun": "nouns.pbtxt"}},
            },
            "results.runs: 'three' is an ensemble; a row of data labelled by segment is one run",
        ),
        (
            {"submissions": {"seeds": [0], "runs": ["trio"], "paper_data": None}},
            "submissions.runs: 'trio': trio is neither a run nor",
        ),
        (
            {"submissions": {"seeds": [0], "runs": ["slowfast_tiny-none"]}},
            "submissions.paper_data is missing",
        ),
        (
            {"table1a": {"none": "none multiscale"}},
            "'slowfast_tiny-none multiscale-s0' is not a run",
        ),
        ({"results": {"runs": ["slowfast_huge-none"]}}, "'slowfast_huge' is not one of backbones"),
        ({"dataset": "../up"}, "'../up' is not a name"),
        ({"detector": {"finetune": False}}, "finetune: false needs weights"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(raw, change, message):
    with pytest.raises(InputError) as error:
        load_settings(overlay(raw, change))
    assert message in str(error.value)


def test_a_row_may_be_multi_scale_or_an_ensemble_and_the_runs_behind_are_each_there_once(raw):
    members = [f"slowfast_tiny-none-s{seed}" for seed in (2, 5, 7)]
    rows = ["slowfast_tiny-none", "slowfast_tiny-none multiscale", "three", "three  multiscale"]
    change = {"fuse": {"ensembles": {"three": members}}, "results": {"seeds": [2, 3], "runs": rows}}
    settings = load_settings(overlay(raw, change))
    behind = [settings.runs_of("results", row) for row in rows]
    both = ("slowfast_tiny-none-s2", "slowfast_tiny-none-s3")
    assert behind == [both, both, tuple(members), tuple(members)]
    assert settings.runs("results") == (*both, *members[1:])
    assert [parse_row(row).views for row in rows] == ["", "-multiscale", "", "-multiscale"]
    assert [parse_row(row).is_ensemble for row in rows] == [False, False, True, True]


def test_a_missing_setting_is_named(raw):
    memory = {key: value for key, value in raw["memory"].items() if key != "reach"}
    with pytest.raises(InputError, match=r"memory.reach is missing"):
        load_settings(raw | {"memory": memory})


@pytest.mark.parametrize(
    "name",
    [
        "slowfast_tiny-none-s0",
        "slowfast_tiny-none-s3-pretrain",
        "slowfast_r50_4x16-dense-POMPOM-amu-s0",
        "i3d_kinetics400-serial-PO-none-s11-wide",
        "slowfast_tiny-serial-POM-frozen-s0",
        "slowfast_tiny-nl-s0",
        "slowfast_tiny-nl-s1-wide",
        "slowfast_tiny-lfb-MM-frozen-s0",
    ],
)
def test_a_run_is_named_by_what_it_is(name):
    assert str(parse_run(name)) == name


@pytest.mark.parametrize("name", ["a-lfb-POM-amu-s0", "a-lfb-PO-none-s0"])
def test_lfb_has_no_blocks_but_the_memorys(name):
    with pytest.raises(InputError, match="LFB attends to the memory alone"):
        parse_run(name)


def test_a_run_without_its_seed_names_the_row_of_a_table():
    assert (
        parse_run("slowfast_tiny-serial-PM-amu-s2-x").without_seed
        == "slowfast_tiny-serial-PM-amu-x"
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "tiny",
        "tiny-none",
        "tiny-serial-s0",
        "tiny-nl-P-none-s0",
        "tiny-lfb-s0",
        "tiny-serial-PXM-amu-s0",
        "../x-none-s0",
        "a-none-s0-../b",
    ],
)
def test_what_is_not_a_run_is_refused(name):
    with pytest.raises(InputError, match="is not a run"):
        parse_run(name)


@pytest.mark.parametrize("name", ["a-serial-PO-amu-s0", "a-serial-POM-none-s0"])
def test_memory_and_m_blocks_need_each_other(name):
    with pytest.raises(InputError, match="M-Block"):
        parse_run(name)


def test_a_variant_changes_its_run_alone(raw):
    plain = run_settings(raw, parse_run("slowfast_tiny-none-s0"))
    changed = run_settings(raw, parse_run("slowfast_tiny-none-s0-pretrain"))
    assert plain["train"]["init"] == "pretrain"
    assert changed["train"]["init"] == "scratch"
    assert changed["network"] == plain["network"]


def test_a_baseline_does_not_depend_on_the_memory(raw):
    assert "memory" not in run_settings(raw, parse_run("slowfast_tiny-none-s0"))


def test_an_unknown_variant_gets_a_suggestion(raw):
    with pytest.raises(InputError, match="did you mean pretrain"):
        run_settings(raw, parse_run("slowfast_tiny-none-s0-pretran"))


def test_a_section_comes_from_json_or_from_a_file(raw, tmp_path):
    inline = section(MemoryConfig, json.dumps({"memory": raw["memory"]}), "memory")
    (tmp_path / "c.yaml").write_text(json.dumps({"memory": raw["memory"]}))
    assert section(MemoryConfig, str(tmp_path / "c.yaml"), "memory") == inline


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("a: [", "not readable as YAML"), ("- 1", "expected sections")],
)
def test_a_file_of_settings_that_cannot_be_read_is_named(tmp_path, content, message):
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read_yaml(path)
    assert str(path) in str(error.value)


def test_importing_the_settings_imports_nothing_heavy():
    import subprocess
    import sys

    code = "import sys, aia.config; print({'torch', 'numpy', 'pandas'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"
