"""What each kind of job needs, by how the data are annotated and what the settings say."""

from pathlib import Path
from typing import Any

import pytest

from aia.errors import InputError
from aia.plan import RULES, DataSet, declared, paths_of
from tests.workflow import TEST, overlay, project, write_ava

RUN = "slowfast_tiny-serial-POM-amu-s0"
PERSONS, OBJECTS = {"train": None, "val": "val.json"}, {"train": "o.json", "val": "o.json"}


def data_set(name: str = "small", **changes: Any) -> DataSet:
    return project(overlay(Path("changes.yaml"), {"dataset": name, **changes})).data(name)


def own(**data: Any) -> DataSet:
    """Return a data set of two videos to train on and one to score."""
    write_ava(Path(), train=["a", "b"], val=["c"], data=data)
    return project().data("ava")


def needs(rule: str, data: DataSet, **wildcards: str) -> dict[str, list[str]]:
    """Return what a job waits for, without where: results/{dataset}/."""
    found = declared(RULES[rule].needs(data, wildcards))
    start = f"results/{data.name}/"
    return {name: [path.removeprefix(start) for path in paths] for name, paths in found.items()
            if paths}  # fmt: skip


# --- data -----------------------------------------------------------------------------------------


def test_the_one_form_is_made_of_all_tables_that_the_settings_name() -> None:
    assert needs("prepare_data", own())["sources"] == ["labels.pbtxt", "train.csv", "val.csv"]
    tubes = needs("prepare_tubes", data_set("small_ucf24"))["sources"]
    assert tubes == [
        f"annotations/{name}"
        for name in (
            "actions.pbtxt", "pyannot.pkl", "testlist01.txt", "train_objects.csv", "val_objects.csv"
        )
    ]  # fmt: skip
    segments = needs("prepare_segments", data_set("small_epic"))["sources"]
    assert [Path(path).stem for path in segments] == [
        *("EPIC_noun_classes", "EPIC_train_action_labels", "EPIC_verb_classes", "EPIC_video_info"),
        *("train_boxes", "val_boxes"),
    ]


def test_a_list_of_scored_seconds_and_of_a_submissions_videos_belong_to_the_data() -> None:
    data = own(test=TEST | {"labels": "labels.pbtxt"}, seconds="seconds.txt")
    sources = needs("prepare_data", data)["sources"]
    assert sources == ["labels.pbtxt", "seconds.txt", "test.txt", "train.csv", "val.csv"]


def test_drawn_videos_are_waited_for_as_one_folder_and_own_ones_by_name() -> None:
    assert needs("store_frames", data_set(), part="val.000") == {"folder": ["films"]}
    brought = needs("store_frames", own(), part="train.000")
    assert brought == {"videos": ["films/a.mp4", "films/b.mkv"]}


def test_videos_are_looked_at_against_annotations_where_key_frames_have_times() -> None:
    frames = {"train_frames": ["parts/train.000.frames"], "val_frames": ["parts/val.000.frames"]}
    tables = ["data/train.parquet", "data/val.parquet"]
    assert needs("check_films", data_set()) == frames | {"annotations": tables}
    assert needs("check_films", data_set("small_epic")) == frames
    listed = own(test=TEST, seconds="seconds.txt")
    assert needs("check_films", listed)["seconds"] == ["data/seconds.txt"]
    assert needs("check_films", listed)["test_frames"] == ["parts/test.000.frames"]


# --- boxes ----------------------------------------------------------------------------------------


def test_the_detector_is_fine_tuned_on_training_key_frames_with_their_boxes() -> None:
    assert needs("finetune_detector", data_set()) == {
        "frames": ["parts/train.000.frames"],
        "annotations": ["data/train.parquet"],
        "excluded": ["data/train_excluded.parquet"],
        "objects": ["data/train_objects.parquet"],
    }
    assert needs("finetune_detector", data_set("small_epic")) == {
        "frames": ["parts/train.000.frames"],
        "objects": ["data/train_objects.parquet"],  # hands are among them
    }
    as_it_is = data_set(detector={"finetune": False, "weights": "detector.pth"})
    assert needs("finetune_detector", as_it_is) == {"start": ["detector.pth"]}


def test_boxes_are_detected_on_key_frames_or_where_segments_lie() -> None:
    common = {"frames": ["parts/val.000.frames"], "weights": ["detector.safetensors"]}
    found = needs("detect_boxes", data_set(), part="val.000")
    assert found == common | {"annotations": ["data/val.parquet"]}
    found = needs("detect_boxes", data_set("small_epic"), part="val.000")
    assert found == common | {"segments": ["data/val.parquet"]}
    assert needs("extract_objects", data_set("small_epic"), part="val.000") == common


def test_seconds_are_scored_beside_annotated_ones_but_not_trained_on() -> None:
    data = own(test=TEST, seconds="seconds.txt")
    assert needs("detect_boxes", data, part="val.000")["seconds"] == ["data/seconds.txt"]
    assert "annotations" not in needs("detect_boxes", data, part="test.000")
    assert "seconds" not in needs("detect_boxes", data, part="train.000")
    assert needs("score_detected", data, run=RUN, view="")["seconds"] == ["data/seconds.txt"]
    assert "seconds" not in needs("score_groundtruth", data, run=RUN, view="")


def test_published_boxes_are_imported_of_the_videos_that_a_split_has() -> None:
    data = own(
        person_boxes=PERSONS,
        box_images={"train": None, "val": "list.txt"},
        frame_sizes="sizes.csv",
        seconds="seconds.txt",
        test=TEST | {"object_boxes": "t.json"},
    )
    assert needs("import_boxes", data, split="val", kind="persons") == {
        "files": ["val.json"],
        "annotations": ["data/val.parquet"],
        "images": ["list.txt"],
        "frame_sizes": ["sizes.csv"],
    }
    found = needs("import_boxes", data, split="test", kind="objects")
    assert found == {"files": ["t.json"], "films": ["data/videos.csv"],
                     "frame_sizes": ["sizes.csv"]}  # fmt: skip
    with pytest.raises(InputError, match=r"data\.object_boxes: says of train in the settings of"):
        needs("import_boxes", data, split="train", kind="objects")


# --- runs -----------------------------------------------------------------------------------------


def test_a_training_needs_frames_actions_objects_and_where_it_begins() -> None:
    found = needs("train", data_set(), run=RUN)
    assert found == {
        "frames": ["parts/train.000.frames"],
        "annotations": ["data/train.parquet"],
        "excluded": ["data/train_excluded.parquet"],
        "labels": ["data/classes.pbtxt"],
        "objects": ["data/train_objects.parquet"],
        "init": ["runs/slowfast_tiny-none-s0-pretrain/model.safetensors"],
        "val_annotations": ["data/val.parquet"],
        "val_frames": ["parts/val.000.frames"],
        "val_excluded": ["data/val_excluded.parquet"],
        "val_objects": ["data/val_objects.parquet"],
    }
    without = data_set(train={"validate_every": None, "init": "scratch"})
    alone = needs("train", without, run="slowfast_tiny-none-s0")
    assert set(alone) == {"frames", "annotations", "excluded", "labels"}


def test_objects_that_nobody_annotated_are_detected_ones() -> None:
    data = own(person_boxes=PERSONS)
    found = needs("train", data, run=RUN)
    assert "objects" not in found
    assert found["object_boxes"] == ["parts/train.000.boxes"]
    assert found["val_object_boxes"] == ["parts/val.000.boxes"]
    assert "object_boxes" not in needs("train", data, run="slowfast_tiny-serial-PM-amu-s0")
    assert needs("score_groundtruth", data, run=RUN, view="")["object_boxes"] == [
        "parts/val.000.boxes"
    ]


def test_objects_that_are_annotated_are_detected_ones_if_the_settings_want_that() -> None:
    data = data_set(score={"objects": "detected"})
    assert needs("train", data, run=RUN)["objects"] == ["data/train_objects.parquet"]
    assert needs("train", data, run=RUN)["val_object_boxes"] == ["parts/val.000.boxes"]
    found = needs("score_groundtruth", data, run=RUN, view="")
    assert found["object_boxes"] == ["parts/val.000.boxes"]


def test_detected_persons_have_detected_objects_beside_them() -> None:
    found = needs("score_detected", data_set(), run=RUN, view="")
    assert found["persons"] == found["object_boxes"] == ["parts/val.000.boxes"]
    assert "objects" not in found
    imported = own(person_boxes=PERSONS, object_boxes=OBJECTS)
    found = needs("score_detected", imported, run=RUN, view="@98-flip")
    assert found["persons"] == ["parts/val.persons.imported"]
    assert found["object_boxes"] == ["parts/val.objects.imported"]


def test_a_run_on_segments_sees_hands_objects_and_for_nouns_a_memory_of_objects() -> None:
    data = data_set("small_epic")
    run = "slowfast_tiny-dense-POM-objects-s0-noun"
    found = needs("train", data, run=run)
    assert found["hands"] == found["object_boxes"] == ["parts/train.000.boxes"]
    assert found["object_features"] == ["parts/train.000.object_features"]
    assert found["labels"] == ["data/nouns.pbtxt"]
    found = needs("score_detected", data, run=run, view="")
    assert found["object_features"] == ["parts/val.000.object_features"]
    assert "persons" not in found
    assert "hands" not in needs("train", data, run="slowfast_tiny-none-s0-verb")


def test_videos_without_labels_need_a_list_of_seconds_and_their_persons() -> None:
    data = own(test=TEST, seconds="seconds.txt")
    found = needs("score_test", data, run=RUN, view="")
    assert found["films"] == ["data/videos.csv"]
    assert found["seconds"] == ["data/seconds.txt"]
    assert found["persons"] == found["object_boxes"] == ["parts/test.000.boxes"]
    with pytest.raises(InputError, match=r"data\.test\.films: is null"):
        needs("score_test", data_set(), run=RUN, view="")


def test_training_and_submissions_wait_until_all_videos_were_looked_at() -> None:
    rules = {"train": {"run": RUN}, "finetune_detector": {}}
    for rule, wildcards in rules.items():
        checked = data_set(check={"source_fps": 8})
        assert needs(rule, checked, **wildcards)["checked"] == ["films.csv"]
        assert "checked" not in needs(rule, data_set(), **wildcards)


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "scores", "truth"),
    [
        ("small", ["slowfast_tiny-none-s0.val"], "data/val.parquet"),
        ("small_ucf24", ["slowfast_tiny-none-s0.val"], "data/tubes.csv"),
        (
            "small_epic",
            ["slowfast_tiny-none-s0-verb.val", "slowfast_tiny-none-s0-noun.val"],
            "data/val.parquet",
        ),
    ],
)
def test_scores_are_compared_with_the_truth_in_its_own_form(
    name: str, scores: list[str], truth: str
) -> None:
    row = {"scorer": "slowfast_tiny-none-s0", "boxes": "val", "views": ""}
    found = needs("evaluate", data_set(name), **row)
    assert found["scores"] == [f"scores/{score}.parquet" for score in scores]
    assert found["groundtruth"] == [truth]
    assert found["labels"] == ["data/evaluated.pbtxt"]


def test_a_mean_over_views_and_over_runs_is_made_of_each_one() -> None:
    pair = ["slowfast_tiny-none-s0", RUN]
    data = data_set(fuse={"short_sides": [98, 112], "flip": False, "ensembles": {"pair": pair}})
    views = needs("fuse_views", data, run=RUN, scored="val-gt")["scores"]
    assert views == [f"scores/{RUN}.val-gt{view}.parquet" for view in ("@98", "")]
    several = needs("fuse_runs", data, ensemble="pair", scored="test", views="-multiscale")
    assert several["scores"] == [f"scores/{run}.test-multiscale.parquet" for run in pair]
    with pytest.raises(InputError, match=r"'trio' is neither a run nor one of fuse\.ensembles"):
        needs("fuse_runs", data, ensemble="trio", scored="val", views="")


def test_a_table_needs_the_metrics_of_every_row_and_seed() -> None:
    data = data_set(
        results={"seeds": [0, 1], "runs": ["slowfast_tiny-none", "pair multiscale"]},
        fuse={"ensembles": {"pair": ["slowfast_tiny-none-s0", RUN]}},
    )
    found = needs("result_table", data)
    names = ["slowfast_tiny-none-s0", "slowfast_tiny-none-s1"]
    assert found["detected"] == [
        *(f"metrics/{name}.val.csv" for name in names),
        "metrics/pair.val-multiscale.csv",
    ]
    assert [path.replace(".val-gt", ".val") for path in found["groundtruth"]] == found["detected"]
    assert found["persons"] == ["metrics/persons.csv"]
    segments = needs("result_table", data_set("small_epic"))
    assert "groundtruth" not in segments
    assert "persons" not in segments


def test_a_table_tells_of_videos_that_were_skipped_where_that_may_be() -> None:
    assert "maybe_skipped" not in needs("result_table", data_set())
    skipping = data_set(data={"bad_films": "skip"})
    found = RULES["result_table"].needs(skipping, {})
    assert len(paths_of(found)["maybe_skipped"]) == 5
    assert len(declared(found)["maybe_skipped"]) == 2


def test_table_1e_has_what_each_network_costs() -> None:
    data = data_set(ablations={"seeds": [3, 4]})
    found = needs("ablation_table", data, table="table1e")
    assert len(found["costs"]) == 5
    assert all(path.endswith("-s3.cost.csv") for path in found["costs"])
    assert "costs" not in needs("ablation_table", data, table="table1a")


def test_a_table_without_rows_is_refused() -> None:
    names = ("Parallel", "Serial", "Dense Serial")
    data = data_set(table1d=dict.fromkeys(names))
    with pytest.raises(InputError, match="table1d: all of its rows are null in the settings of s"):
        needs("ablation_table", data, table="table1d")
    with pytest.raises(InputError, match="submissions: is null in the settings of small"):
        needs("submission_list", data)


def test_curves_show_the_runs_of_the_results_and_what_they_began_with() -> None:
    rows = ["slowfast_tiny-none", "slowfast_tiny-serial-POM-amu"]
    data = data_set(results={"seeds": [0, 1], "runs": [*rows, f"{rows[1]} multiscale"]})
    found = needs("draw_curves", data)
    runs = [f"{row}-s{seed}" for row in rows for seed in (0, 1)]
    assert found["metrics"] == [f"metrics/{run}.val.csv" for run in runs]
    starts = [f"{rows[0]}-s{seed}-pretrain" for seed in (0, 1)]
    assert found["progress"] == [f"runs/{run}/metrics.jsonl" for run in (*starts, *runs)]
