"""Targets and the jobs that they need: how many, in which order, and what stops them."""

import re
from collections import Counter
from pathlib import Path

import pytest

from aia.errors import InputError
from aia.plan import CONSTRAINTS, RULES
from tests.conftest import REPOSITORY
from tests.workflow import TEST, jobs, overlay, project, write_ava

RUN = "slowfast_tiny-serial-POM-amu"
RUNS = {"results": {"seeds": [0], "runs": ["slowfast_tiny-none", RUN]}}


# --- which jobs -----------------------------------------------------------------------------------


def test_nothing_but_the_table_is_made_for_the_table() -> None:
    assert jobs("results/playhouse_val.csv") == {
        "draw_playhouse": 1,
        "prepare_data": 1,
        "store_frames": 12 + 3,  # of 96 and 24 videos
        "finetune_detector": 1,
        "detect_boxes": 3,  # of validation videos alone: training has annotated objects
        "train": 3,  # two methods, and the backbone that both begin with
        "score_detected": 2,
        "score_groundtruth": 2,
        "evaluate": 4,
        "evaluate_persons": 1,
        "result_table": 1,
    }


def test_another_data_set_needs_no_option_but_its_name() -> None:
    assert jobs("results/small.csv") == jobs("results/small_val.csv") + Counter(table=1)


def test_all_of_table_3_is_planned_before_anything_is_drawn() -> None:
    assert jobs("results/small_ucf24.csv") == {
        "draw_playhouse_ucf24": 1,
        "prepare_tubes": 1,
        "store_frames": 2,
        "finetune_detector": 1,
        "detect_boxes": 1,
        "train": 4,  # three methods, and the backbone that all begin with
        "score_detected": 3,
        "score_groundtruth": 3,
        "evaluate": 6,
        "evaluate_persons": 1,
        "result_table": 1,
        "table": 1,
    }


def test_verbs_and_nouns_are_trained_apart_and_actions_made_of_both() -> None:
    assert jobs("results/small_epic.csv") == {
        "draw_playhouse_epic": 1,
        "prepare_segments": 1,
        "store_frames": 2,
        "finetune_detector": 1,
        "detect_boxes": 2,
        "extract_objects": 2,
        "train": 4,  # two rows, two tasks
        "score_detected": 4,
        "evaluate": 2,
        "result_table": 1,
        "table": 1,
    }


def test_an_ablation_has_each_row_with_each_seed() -> None:
    found = jobs("results/small/table1a.csv")
    assert found["train"] == 5 * 3 + 3
    assert found["score_detected"] == found["score_groundtruth"] == 15
    assert found["evaluate"] == 30  # on annotated and on detected persons


def test_all_parts_of_table_1_share_their_runs() -> None:
    one = overlay(Path("one.yaml"), {"ablations": {"seeds": [3]}})
    tables = [f"results/small/table1{letter}.csv" for letter in "abcdef"]
    figures = [f"results/small/figures/fig{number}.png" for number in (4, 5, 6)]
    found = jobs(*tables, *figures, overlays=(one,))
    assert found["ablation_table"] == 6
    # 25 rows of 19 networks, the backbone that they begin with, and the two runs of Fig. 6
    assert found["train"] == 19 + 1 + 2 + 1
    assert found["measure_cost"] == 5  # Table 1e
    assert found["measure_reach"] == found["draw_structures"] == found["draw_per_class"] == 1


def test_a_row_of_an_ablation_may_be_left_out_and_all_may_have_a_variant() -> None:
    less = overlay(
        Path("less.yaml"),
        {
            "ablations": {"seeds": [0], "variant": "wide"},
            "variants": {"wide": {"network": {"width": 128}}},
            "table1a": {"P O": None, "P M": None, "O M": None},
        },
    )
    found = jobs("results/small/table1a.csv", overlays=(less,))
    assert found["train"] == 2 + 1
    wide = "results/small/metrics/slowfast_tiny-serial-POM-amu-s0-wide.val.csv"
    # it is one of the table's files
    assert jobs("results/small/table1a.csv", wide, overlays=(less,)) == found


def test_the_baselines_of_the_papers_tables_are_runs_like_others() -> None:
    runs = ("nl", "lfb-MM-frozen", "lfb-MM-amu", "serial-POMPOM-frozen")
    found = jobs(*(f"results/small/metrics/slowfast_tiny-{run}-s0.val-gt.csv" for run in runs))
    assert found["train"] == len(runs) + 1  # and the backbone that all begin with
    assert found["score_groundtruth"] == found["evaluate"] == len(runs)


def test_an_ensemble_in_multi_scale_is_scored_in_each_view_and_fused_twice() -> None:
    runs = [f"{RUN}-s0", "slowfast_tiny-none-s0", "slowfast_tiny-none-s1"]
    three = (overlay(Path("three.yaml"), {"fuse": {"ensembles": {"three": runs}}}),)
    ours = f"results/small/metrics/{runs[0]}.val"
    found = jobs(f"{ours}-multiscale.csv", overlays=three)
    assert (found["score_detected"], found["fuse_views"], found["evaluate"]) == (6, 1, 1)
    # the network in the size as kept is scored but once, for whomever
    both = jobs(f"{ours}-multiscale.csv", f"{ours}.csv", overlays=three)
    assert both["score_detected"] == 6
    found = jobs("results/small/metrics/three.val-gt.csv", overlays=three)
    assert (found["score_groundtruth"], found["fuse_runs"], found["evaluate"]) == (3, 1, 1)
    metrics = ("results/small/metrics/three.val-multiscale.csv", f"{ours}@98-flip.protocols.csv")
    found = jobs(*metrics, overlays=three)
    assert (found["score_detected"], found["fuse_views"], found["fuse_runs"]) == (18, 3, 1)
    assert (found["evaluate"], found["evaluate_protocols"]) == (1, 1)


def test_rows_of_a_table_share_their_runs_with_its_multi_scale_rows_and_ensembles() -> None:
    pair = [f"{RUN}-s0", "slowfast_tiny-none-s1"]
    rows = ["slowfast_tiny-none", RUN, f"{RUN} multiscale", "pair", "pair multiscale"]
    results = {"results": {"seeds": [0, 1], "runs": rows}, "fuse": {"ensembles": {"pair": pair}}}
    more = (overlay(Path("rows.yaml"), results),)
    found = jobs("results/small_val.csv", overlays=more)
    assert found["train"] == 4 + 2  # two networks, two seeds, and the backbones they begin with
    # of all as kept; five further views of the multi-scale row's two, and of the ensemble's other
    assert found["score_detected"] == found["score_groundtruth"] == 4 + 5 * 3
    assert found["fuse_views"] == 2 * 3
    assert found["fuse_runs"] == 2 * 2
    assert found["evaluate"] == 2 * (2 + 2 + 2 + 1 + 1)
    figures = [f"results/small/figures/{name}.png" for name in ("curves", "fig6", "detections")]
    found = jobs(*figures, overlays=more)
    assert found["train"] == 4 + 2
    assert found["evaluate"] == found["score_detected"] == 4


def test_a_data_set_of_avas_size_is_planned_with_ids_as_avas_are() -> None:
    ids = [f"{'-_aZ'[i % 4]}{i:03d}-_x{i % 7}B_" for i in range(299)]
    write_ava(Path(), train=ids[:235], val=ids[235:])
    found = jobs("results/ava_val.csv")
    assert found["store_frames"] == found["detect_boxes"] == 30 + 8  # nobody annotated objects
    assert found["train"] == 3
    assert "draw_playhouse" not in found


def test_imported_persons_are_not_detected_and_objects_beside_them_are() -> None:
    persons = {"person_boxes": {"train": None, "val": "val.json"}}
    write_ava(Path(), train=["a", "b"], val=["c", "d", "e"], data=persons, **RUNS)
    scores = "results/ava/scores/slowfast_tiny-none-s0.val.parquet"
    found = jobs(scores, "results/ava/metrics/persons.csv")
    assert found["import_boxes"] == 1
    assert not {"detect_boxes", "finetune_detector"} & {*found}
    mixed = jobs("results/ava_val.csv")
    assert (mixed["import_boxes"], mixed["detect_boxes"]) == (1, 2)  # objects of both splits
    objects = {"object_boxes": {"train": "train_objects.json", "val": "val_objects.json"}}
    both = (overlay(Path("both.yaml"), {"data": objects}),)
    found = jobs("results/ava_val.csv", "results/ava/figures/detections.png", overlays=both)
    assert found["import_boxes"] == 3
    assert not {"detect_boxes", "finetune_detector"} & {*found}


def test_films_without_labels_are_scored_for_a_submission() -> None:
    both = {"fuse": {"short_sides": [98], "flip": False, "ensembles": {"alone": [f"{RUN}-s0"]}}}
    rows = {"seeds": [0, 1], "paper_data": None, "runs": ["slowfast_tiny-none", "alone multiscale"]}
    listed = {"test": TEST, "seconds": "seconds.txt"}
    write_ava(Path(), train=["a"], val=["b"], data=listed, submissions=rows, **both)
    found = jobs("results/ava/submission/slowfast_tiny-none-s0.test.csv")
    assert (found["submit"], found["score_test"], found["detect_boxes"]) == (1, 1, 1)
    # all that is to be submitted, listed
    found = jobs("results/ava_test.csv")
    assert (found["submission_list"], found["submit"], found["score_test"]) == (1, 3, 3)
    assert (found["fuse_views"], found["fuse_runs"]) == (1, 1)


def test_what_is_there_is_not_planned_again() -> None:
    before = jobs("results/small_val.csv")
    made = project().job("results/small/data/val.parquet")
    assert made is not None
    for name in made.makes:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert jobs("results/small_val.csv") == before - Counter(prepare_data=1)
    Path("results/small/data/seconds.txt").unlink()  # one of them
    assert jobs("results/small_val.csv") == before


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "command"),
    [
        (f"runs/{RUN}-s3/model.safetensors", f"aia train --run {RUN}-s3"),
        (f"scores/{RUN}-s3.val@98-flip.parquet", f"aia score --run {RUN}-s3 --boxes val@98-flip"),
        (f"scores/{RUN}-s3.attention.parquet", f"aia score --run {RUN}-s3 --boxes val-gt"),
        (f"metrics/{RUN}-s3.val-gt.csv", f"aia evaluate scores {RUN}-s3.val-gt"),
        (f"metrics/{RUN}-s3.val.protocols.csv", f"aia evaluate protocols {RUN}-s3.val"),
        (f"metrics/{RUN}-s3.reach.csv", f"aia cost --run {RUN}-s3 --by-reach"),
        ("parts/train.000.frames", "aia frames --part train.000"),
        ("parts/val.objects.imported", "aia boxes import --split val --kind objects"),
        ("table1b.html", "aia table --table table1b"),
        ("data/videos.csv", "aia prepare data"),
    ],
)
def test_a_command_names_what_it_makes_and_the_settings(path: str, command: str) -> None:
    if "imported" in path:
        given = {"object_boxes": {"train": None, "val": "val.json"}}
        overlay(Path("own.yaml"), {"dataset": "small", "data": given})
        job = project("own.yaml").job(f"results/small/{path}")
    else:
        job = project().job(f"results/small/{path}")
    assert job is not None
    assert job.command == f"{command} --settings results/small/settings.yaml"


def test_every_wildcard_has_its_pattern_and_no_file_two_rules() -> None:
    used = {name for rule in RULES.values() for path in rule.makes for name in fields(path)}
    assert used <= {*CONSTRAINTS}
    for rule in RULES.values():
        assert {name for path in rule.makes for name in fields(path)} >= {*fields(rule.command)}


def fields(pattern: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", pattern)


def test_a_name_of_a_file_that_no_rule_makes_is_nobodys() -> None:
    plan = project()
    for path in (
        "results/small/parts/train.0.frames",
        "results/small/parts/train_train.000.frames",
        "results/small/scores/run.val.parquet2",
        "results/small/table1g.csv",
        "results/small/metrics/x.test.csv",
        "results/small/annotations/pyannot.pkl",  # of a data set that is drawn as tubes
        "results/small_ucf24/annotations/train_excluded.csv",  # of one that is not
        "results/small/data/tubes.csv",
        "data/ava/films/a.txt",
    ):
        assert plan.job(path) is None, path
        with pytest.raises(InputError, match=f"{path}: there is no such file, and no rule"):
            plan.plan([path])


# --- what stops it --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("plyhouse_val.csv", "'plyhouse' has no settings"),
        ("small/runs/slowfast_tiny-serial-POM-none-s0/model.safetensors", "an M-Block needs a mem"),
        ("small/metrics/trio.val.csv", "'trio' is neither a run nor one of fuse.ensembles"),
        ("small/runs/slowfast_teeny-none-s0/model.safetensors", "did you mean slowfast_tiny?"),
        ("small/runs/slowfast_tiny-none-s0-pretrian/model.safetensors", "did you mean pretrain?"),
        ("small/parts/val.persons.imported", "data.person_boxes: says of val in the settings of"),
        ("small/parts/train.007.frames", "train.007: is not a part of small"),
        ("small_test.csv", "submissions: is null in the settings of small"),
        ("small/submission/slowfast_tiny-none-s0.test.csv", "data.test.films: is null in the set"),
    ],
)
def test_a_target_that_cannot_be_made_says_why(path: str, expected: str) -> None:
    with pytest.raises(InputError) as refused:
        jobs(f"results/{path}")
    assert expected in str(refused.value)


def test_wrong_settings_are_refused_with_all_files_they_are_of() -> None:
    wrong = Path("wrong.yaml")
    overlay(wrong, {"memory": {"reech": 5}})
    found = project(wrong)
    with pytest.raises(InputError, match=r"memory.reech is not a setting, did you mean memory.rea"):
        found.data("small")
    missing = overlay(Path("seconds.yaml"), {"data": {"test": TEST}})
    with pytest.raises(InputError, match=r"test.films: needs seconds"):
        project(missing).data("small")


def test_a_mirror_belongs_to_all_data_sets() -> None:
    Path("config").mkdir()
    overlay(Path("config/mine.yaml"), {"fetch": {"address": "http://elsewhere"}})
    with pytest.raises(InputError, match=r"config/mine.yaml: fetch is of all data sets alike"):
        project().data("mine")


def test_a_row_of_segments_with_a_variant_is_refused() -> None:
    rows = {"results": {"runs": {"AIA-Dense-Serial": "slowfast_tiny-none-verb"}}}
    with pytest.raises(InputError, match="are runs without a variant"):
        jobs("results/small_epic.csv", overlays=(overlay(Path("rows.yaml"), rows),))


# --- what is downloaded ---------------------------------------------------------------------------


def test_tables_that_are_downloaded_first_say_what_else_there_is() -> None:
    plan = project().plan(["results/ava_v22/films.csv"])
    assert plan.waits_for == "ava_v2.2"
    for name in ("data/epic55/hand_objects", "data/backbones"):
        Path(name).mkdir(parents=True)
    assert project().plan(["results/epic_kitchens.csv"]).waits_for == "epic55"
    assert project().plan(["results/ucf101_24.csv"]).waits_for == "ucf101_24"
    assert jobs("data/ava/v2.1/ava_val_v2.1.csv") == {"fetch_ava_annotations": 1}


def test_all_of_avas_tables_are_planned_and_their_runs_shared() -> None:
    write_tables(Path("data/ava/v2.2"))
    tables = [f"results/ava_v22/table1{letter}.csv" for letter in "abcdef"]
    found = jobs("results/ava_v22_val.csv", *tables)
    assert found["detect_boxes"] == 30 + 8
    assert found["fetch_ava_film"] == 299 + 1  # the test film is looked at, too
    assert found["store_frames"] == 30 + 8 + 1
    # 19 networks of Table 1 on R50, one of which stands in Table 2 as well, and two on R101
    assert found["train"] == 19 + 2
    # each of them once, and the multi-scale row's run in five views more
    assert found["score_detected"] == found["score_groundtruth"] == found["train"] + 5
    assert (found["fuse_views"], found["convert_backbone"], found["ablation_table"]) == (2, 2, 6)
    run = "slowfast_r50_4x16-dense-POMPOM-amu-s0"
    found = jobs(f"results/ava_v22/submission/{run}.test.csv")
    assert found["submit"] == found["score_test"] == found["train"] == 1
    # all films that are trained on or scored are looked at before training
    assert found["fetch_ava_film"] == 299 + 1
    # Table 2b's rows on the test films: three runs, one of which stands on the validation films too
    found = jobs("results/ava_v22_val.csv", "results/ava_v22_test.csv")
    assert (found["train"], found["submission_list"], found["submit"]) == (3 + 2, 1, 2)
    assert (found["score_test"], found["fuse_runs"]) == (3 * 6, 1)


def write_tables(folder: Path) -> None:
    """AVA's tables at its size: 235 and 64 videos, a few key frames of each."""
    folder.mkdir(parents=True)
    ids = [f"{'-_aZ'[i % 4]}{i:03d}-_x{i % 7}B_" for i in range(299)]
    for split, some in (("train", ids[:235]), ("val", ids[235:])):
        rows = [f"{v},{t},0.1,0.1,0.5,0.9,12,0\n" for v in some for t in (902, 905)]
        (folder / f"ava_{split}_v2.2.csv").write_text("".join(rows))
        (folder / f"ava_{split}_excluded_timestamps_v2.2.csv").write_text("")
    for name in ("ava_action_list_v2.2.pbtxt", "ava_action_list_v2.2_evaluated.pbtxt"):
        (folder / name).write_text('label { name: "stand" label_id: 12 }\n')
    (folder / "ava_included_timestamps_v2.2.txt").write_text("0902\n0905\n")
    (folder / "ava_test_excluded_timestamps_v2.2.csv").write_text("")
    (folder / "ava_file_names_trainval_v2.1.txt").write_text("".join(f"{v}.mkv\n" for v in ids))
    (folder / "ava_file_names_test_v2.1.txt").write_text("zz.mkv\n")


def test_a_video_that_is_annotated_but_in_no_list_stops_everything() -> None:
    write_tables(Path("data/ava/v2.2"))
    names = Path("data/ava/v2.2/ava_file_names_trainval_v2.1.txt")
    first, *rest = names.read_text().splitlines(keepends=True)
    names.write_text("".join(rest))
    with pytest.raises(InputError, match=f"{first[:-5]}: is annotated, but not in AVA's lists of"):
        jobs("results/ava_v22_val.csv")


def test_all_of_the_published_table_4_is_planned_from_the_published_files(
    shared_data: Path,
) -> None:
    Path("data").mkdir()
    Path("data/epic55").symlink_to(shared_data / "epic55")
    for name in ("slowfast.safetensors", "hands"):
        Path(name).touch()
    hands = {"train": "hands", "val": "hands"}
    less = {"data": {"person_boxes": hands, "object_boxes": hands}}
    less |= {"train": {"init": "slowfast.safetensors"}}
    found = jobs("results/epic_kitchens.csv", overlays=(overlay(Path("less.yaml"), less),))
    assert found["fetch_epic55_film"] == 272
    assert found["extract_objects"] == found["store_frames"] == 34  # of eight videos each
    assert found["train"] == 2 * 4  # three structures and the baseline
    assert found["import_boxes"] == 4  # hands and objects of both splits
    assert "detect_boxes" not in found
    assert "fetch_epic55_annotations" not in found  # they are there


def test_the_data_sets_of_the_repository_have_settings_that_fit() -> None:
    found = project()
    assert {*found.names} >= {"playhouse", "small", "ava_v22", "jhmdb", "epic_kitchens"}
    for name in found.names:
        assert found.data(name).name == name
    assert {*found.names} == {path.stem for path in (REPOSITORY / "config").glob("*.yaml")} | {
        "playhouse"
    }
