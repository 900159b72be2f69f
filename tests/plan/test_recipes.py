"""Which settings a job's recipe has: a change of these makes the job run again, and of no other."""

import json
from pathlib import Path
from typing import Any

import pytest

from aia.plan import RULES, DataSet, recipe
from tests.workflow import overlay, project

RUN = "slowfast_tiny-serial-POM-amu-s0"
WILDCARDS = {
    "part": "val.000",
    "run": RUN,
    "table": "table1e",
    "split": "val",
    "kind": "persons",
    "scorer": RUN,
    "boxes": "val",
    "views": "",
    "view": "",
    "scored": "val",
    "ensemble": "pair",
}


def data_set(name: str = "small", **changes: Any) -> DataSet:
    return project(overlay(Path("changes.yaml"), {"dataset": name, **changes})).data(name)


def changed(name: str = "small", **changes: Any) -> set[str]:
    """Return the rules whose recipe is another one after a change of settings."""
    before, after = data_set(name), data_set(name, **changes)
    # A data set without a list of videos to submit has no such job.
    rules = {*RULES} - {"submission_list"}
    return {
        rule for rule in rules if recipe(rule, before, WILDCARDS) != recipe(rule, after, WILDCARDS)
    }


SCORING = {"score_detected", "score_groundtruth", "score_test"}
PREPARING = {"prepare_data", "prepare_tubes", "prepare_segments"}
DRAWING = {"draw_playhouse", "draw_playhouse_ucf24", "draw_playhouse_epic"}
COST = {"measure_cost", "measure_reach"}


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({"playhouse": {"fps": 9}}, DRAWING),
        ({"frames": {"quality": 91}}, {"store_frames", "check_films"}),
        ({"check": {"source_fps": 8}}, {"check_films"}),
        ({"detector": {"steps": 5}}, {"finetune_detector", "detect_boxes", "extract_objects"}),
        ({"detector": {"max_objects": 7}}, {"detect_boxes", "extract_objects"}),
        (
            {"detector": {"person_threshold": 0.06}},
            {"score_detected", "score_test", "draw_detections"},
        ),
        (
            {"detector": {"object_threshold": 0.06}},
            {"extract_objects", "score_detected", "score_test", "draw_detections"},
        ),
        ({"network": {"dropout": 0.25}}, {"train"} | COST),
        ({"network": {"max_objects": 4}}, {"train"} | SCORING | COST),
        ({"memory": {"reach": 2}}, {"train"} | COST),
        ({"train": {"steps": 13}}, {"train"}),
        ({"loss": {"kind": "softmax"}}, {"train"}),
        ({"score": {"extend": [0.0, 0.0]}}, SCORING),
        ({"evaluate": {"protocol": "activitynet"}}, {"evaluate", "diagnose"}),
        ({"evaluate": {"iou": 0.4}}, {"evaluate", "evaluate_protocols", "diagnose"}),
        ({"fuse": {"mean": "geometric"}}, {"fuse_views", "fuse_runs"}),
        ({"figure5": {"clips": 3}}, {"measure_reach"}),
        ({"paper_table": "1a"}, {"result_table"}),
        ({"ablations": {"seeds": [5]}}, {"ablation_table", "draw_structures", "draw_memory"}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)
def test_a_setting_is_in_the_recipes_of_the_jobs_that_it_matters_to(
    change: Any, rules: set[str]
) -> None:
    assert changed(**change) == rules


@pytest.mark.parametrize(
    "change",
    [
        {"train": {"checkpoint_every": 3, "keep_checkpoints": 3, "log_every": 2}},
        {"train": {"workers": 1, "threads": 2, "processes": 2, "nodes": 2, "device": "cpu"}},
        {"train": {"validate_every": None}},
        {"score": {"workers": 1}},
        {"data": {"bad_films": "skip"}},
        {"fetch": {"address": "http://elsewhere", "at_once": 1}},
        {"variants": {"wide": {"network": {"width": 128}}}},
    ],
    ids=str,
)
def test_how_a_machine_works_is_in_no_recipe(change: Any) -> None:
    assert changed(**change) == set()


def test_a_variant_changes_the_run_of_that_variant_alone() -> None:
    wide = {"variants": {"wide": {"network": {"width": 128}}}}
    data = data_set(**wide)
    plain = recipe("train", data, {"run": RUN})
    assert plain == recipe("train", data_set(), {"run": RUN})
    assert json.loads(recipe("train", data, {"run": f"{RUN}-wide"}))["network"]["width"] == 128


def test_a_threshold_of_objects_matters_to_runs_that_see_detected_ones() -> None:
    for objects, seen in (("groundtruth", False), ("detected", True)):
        data = data_set(train={"objects": objects}, score={"objects": objects})
        for rule in ("train", "score_groundtruth"):
            for run, sees in ((RUN, True), ("slowfast_tiny-serial-PM-amu-s0", False)):
                found = json.loads(recipe(rule, data, {"run": run}))
                assert ("object_threshold" in found) == (seen and sees), (rule, run)


def test_segments_are_trained_by_task_and_evaluated_by_nothing_that_can_be_set() -> None:
    data = data_set("small_epic")
    for task in ("verb", "noun"):
        run = {"run": f"slowfast_tiny-none-s0-{task}"}
        assert json.loads(recipe("train", data, run))["task"] == task
        assert json.loads(recipe("score_detected", data, run))["task"] == task
    assert recipe("evaluate", data, {}) == "{}"


def test_tubes_are_prepared_and_evaluated_at_their_rate() -> None:
    assert {"prepare_tubes", "evaluate", "train"} <= changed(
        "small_ucf24", data={"clips_per_sec": 1}
    )
    assert "evaluate" in changed("small_ucf24", evaluate={"tube_protocol": "yowo"})
    assert "evaluate" not in changed("small_ucf24", evaluate={"protocol": "slowfast"})


def test_the_videos_of_a_part_are_in_the_recipe_since_its_name_does_not_say_them() -> None:
    assert changed(playhouse={"val_films": 1}) == DRAWING | {
        *("store_frames", "detect_boxes", "extract_objects", "import_boxes"),
    }
    assert changed(videos_per_job=1) == {"store_frames", "detect_boxes", "extract_objects"}
