"""Recipe of each job: the settings that decide on its outcome; a change makes the job run again.

Settings of the machine (MACHINE_SETTINGS) are in no recipe. A stage whose output
changes with the code has a version in it.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aia.config import MACHINE_SETTINGS, STAGE_VERSIONS, parse_run
from aia.plan.dataset import DataSet
from aia.plan.rules import Wildcards

Recipe = dict[str, Any]


def recipe(rule: str, data: DataSet, wildcards: Wildcards) -> str:
    """Return a job's recipe as JSON: equal recipes, equal text."""
    found = _RECIPES[rule](data, wildcards) if rule in _RECIPES else {}
    return json.dumps(found, sort_keys=True)


def _section(data: DataSet, name: str, *unread: str) -> Recipe:
    """Return a section of the settings without what has no effect."""
    left_out = (*MACHINE_SETTINGS.get(name, ()), *unread)
    return {key: value for key, value in data.raw[name].items() if key not in left_out}


def _draw(data: DataSet, _: Wildcards) -> Recipe:
    return {"playhouse": data.raw["playhouse"], "version": STAGE_VERSIONS["playhouse"]}


def _prepare(data: DataSet, _: Wildcards) -> Recipe:
    said = data.raw["data"]
    kept = {name: said[name] for name in ("source", "tasks") if said[name] is not None}
    if data.form == "tubes":
        kept["clips_per_sec"] = said["clips_per_sec"]
    return kept | {"version": STAGE_VERSIONS["prepare"]}


def _videos(data: DataSet, wildcards: Wildcards) -> Recipe:
    """Return the videos of a part, since its name has only a number."""
    return {"videos": data.part(wildcards["part"]).videos}


def _frames(data: DataSet, wildcards: Wildcards) -> Recipe:
    made = {"frames": data.raw["frames"], "version": STAGE_VERSIONS["frames"]}
    return made | _videos(data, wildcards)


def _checks(data: DataSet, _: Wildcards) -> Recipe:
    return {"frames": data.raw["frames"], "check": data.raw["check"]}


def _finetune(data: DataSet, _: Wildcards) -> Recipe:
    unread = ("person_threshold", "object_threshold", "max_objects")
    detector = _section(data, "detector", *unread)
    return {"detector": detector, "version": STAGE_VERSIONS["detector"]}


def _detect(data: DataSet, wildcards: Wildcards) -> Recipe:
    detector = _section(data, "detector", "person_threshold", "object_threshold")
    return {
        "detector": detector, "version": STAGE_VERSIONS["detector"], **_videos(data, wildcards)
    }  # fmt: skip


def _extract(data: DataSet, wildcards: Wildcards) -> Recipe:
    detector = _section(data, "detector", "person_threshold")
    return {
        "detector": detector, "version": STAGE_VERSIONS["detector"], **_videos(data, wildcards)
    }  # fmt: skip


def _import(data: DataSet, wildcards: Wildcards) -> Recipe:
    return {"videos": data.videos.ids(wildcards["split"])}


def _train(data: DataSet, wildcards: Wildcards) -> Recipe:
    run, detector = wildcards["run"], data.settings.detector
    sections = data.run_sections(run)
    found: Recipe = {
        name: {
            key: value
            for key, value in section.items()
            if key not in MACHINE_SETTINGS.get(name, ())
        }
        for name, section in sections.items()
    }
    if data.settings.data.clips_per_sec != 1:
        found["clips_per_sec"] = data.settings.data.clips_per_sec
    if "O" in parse_run(run).blocks and data.objects_are_detected("train", run):
        found["object_threshold"] = detector.object_threshold
    if data.form == "segments":
        found |= {"task": data.task(run), "hand_threshold": detector.person_threshold}
    return found | {"version": STAGE_VERSIONS["train"]}


def _score(data: DataSet, wildcards: Wildcards) -> Recipe:
    chosen = data.settings
    found: Recipe = {
        "score": _section(data, "score"),
        "person_threshold": chosen.detector.person_threshold,
        "object_threshold": chosen.detector.object_threshold,
        "max_objects": chosen.network.max_objects,
        "version": STAGE_VERSIONS["score"],
    }
    return found | ({"task": data.task(wildcards["run"])} if data.form == "segments" else {})


def _score_groundtruth(data: DataSet, wildcards: Wildcards) -> Recipe:
    found = _score(data, wildcards)
    del found["person_threshold"]
    seen = "O" in parse_run(wildcards["run"]).blocks
    if not (seen and data.objects_are_detected("score", wildcards["run"])):
        del found["object_threshold"]
    return found


def _evaluate(data: DataSet, _: Wildcards) -> Recipe:
    rules = data.settings.evaluate
    if data.form == "segments":
        return {}
    if data.form == "tubes":
        return {
            "protocol": rules.tube_protocol,
            "frames": rules.frames,
            "iou": rules.iou,
            "fps": data.settings.data.clips_per_sec,
        }
    return {"protocol": rules.protocol, "iou": rules.iou}


def _diagnose(data: DataSet, _: Wildcards) -> Recipe:
    return {"protocol": data.settings.evaluate.protocol, "iou": data.settings.evaluate.iou}


def _protocols(data: DataSet, _: Wildcards) -> Recipe:
    return {"iou": data.settings.evaluate.iou}


def _fuse(data: DataSet, _: Wildcards) -> Recipe:
    return {"mean": data.settings.fuse.mean}


def _cost(data: DataSet, wildcards: Wildcards) -> Recipe:
    sections = data.run_sections(wildcards["run"])
    kept = ("network", "memory", "backbones")
    size = {"short_side": data.raw["frames"]["short_side"]}
    return {"frames": size, **{name: sections[name] for name in kept if name in sections}}


def _reach(data: DataSet, wildcards: Wildcards) -> Recipe:
    return _cost(data, wildcards) | {"figure5": data.raw["figure5"]}


def _results(data: DataSet, _: Wildcards) -> Recipe:
    return {"rows": table_rows(data, "results"), "paper": paper_numbers(data, "results")}


def _ablation(data: DataSet, wildcards: Wildcards) -> Recipe:
    table = wildcards["table"]
    return {"rows": table_rows(data, table), "paper": paper_numbers(data, table)}


def _submissions(data: DataSet, _: Wildcards) -> Recipe:
    return {"rows": submission_rows(data), "paper": submissions_data(data)}


def _thresholds(data: DataSet, _: Wildcards) -> Recipe:
    detector = data.settings.detector
    return {
        "person_threshold": detector.person_threshold,
        "object_threshold": detector.object_threshold,
    }


def _named(data: DataSet, _: Wildcards) -> Recipe:
    return {"structures": data.structure_runs()}


def _remembered(data: DataSet, _: Wildcards) -> Recipe:
    return {"memories": data.memory_runs()}


_RECIPES: dict[str, Callable[[DataSet, Wildcards], Recipe]] = {
    "draw_playhouse": _draw,
    "draw_playhouse_ucf24": _draw,
    "draw_playhouse_epic": _draw,
    "prepare_data": _prepare,
    "prepare_tubes": _prepare,
    "prepare_segments": _prepare,
    "store_frames": _frames,
    "check_films": _checks,
    "finetune_detector": _finetune,
    "detect_boxes": _detect,
    "extract_objects": _extract,
    "import_boxes": _import,
    "train": _train,
    "score_detected": _score,
    "score_groundtruth": _score_groundtruth,
    "score_test": _score,
    "evaluate": _evaluate,
    "evaluate_protocols": _protocols,
    "fuse_views": _fuse,
    "fuse_runs": _fuse,
    "measure_cost": _cost,
    "measure_reach": _reach,
    "result_table": _results,
    "ablation_table": _ablation,
    "submission_list": _submissions,
    "diagnose": _diagnose,
    "draw_detections": _thresholds,
    "draw_structures": _named,
    "draw_memory": _remembered,
}


# --- what tables say of their rows ---------------------------------------------------------------


def table_rows(data: DataSet, table: str) -> list[dict[str, Any]]:
    """Describe a table's rows: method, metrics files by kind of boxes, backbone, input."""
    called = data.settings.table(table).rows
    described = []
    for method, runs in data.rows(table).items():
        metrics = {kind: data.metrics_of_row(table, method, kind) for kind in data.kinds_of_boxes}
        words = _row_in_words(data, runs) | {"row": called[method]}
        if table == "table1e":
            words["cost"] = data.run_file("metrics/{run}.cost.csv", runs[0])
        described.append({"method": method, "metrics": metrics, **words})
    return described


def paper_numbers(data: DataSet, table: str) -> dict[str, str | None]:
    """Return the paper's table that a table is a twin of, and what the paper calls the data."""
    chosen = data.settings
    twin = chosen.paper_table if table == "results" else table.removeprefix("table")
    return {"table": twin, "data": chosen.paper_data}


def submissions_data(data: DataSet) -> str | None:
    """Return what the paper calls the videos that are submitted."""
    data.settings.table("submissions")  # there may be none
    assert data.settings.submissions is not None
    return data.settings.submissions.paper_data


def submission_rows(data: DataSet) -> list[dict[str, Any]]:
    """Describe the rows of `submissions`, each with its files."""
    return [
        {
            "method": method,
            "row": row,
            "files": [
                data.path(f"submission/{name}.csv")
                for name in data.scored_as("submissions", method, "test")
            ],
        }
        for method, row in data.settings.table("submissions").rows.items()
    ]


def _row_in_words(data: DataSet, runs: list[str]) -> dict[str, str]:
    """Describe the runs behind a row, which differ in an ensemble alone."""
    words = [_run_in_words(data, run) for run in runs]
    return {key: " + ".join(dict.fromkeys(w[key] for w in words)) for key in words[0]}


def _run_in_words(data: DataSet, run: str) -> dict[str, str]:
    """Describe a run beside its name: backbone, frames x stride, pre-training."""
    backbone = parse_run(run).backbone
    chosen = data.settings.backbones[backbone]
    stride = chosen.strides[-1]
    start = data.run_sections(run)["train"]["init"]
    words = {"scratch": "none", "pretrain": f"{data.name}, backbone alone"}
    return {
        "backbone": backbone,
        "input": f"{chosen.span // stride}x{stride}",
        "pretraining": words.get(start, Path(start).stem),
    }


def clip_frames(data: DataSet) -> int:
    """Return the frames that a clip of the results spans: a video with fewer is of no use."""
    runs = map(parse_run, data.settings.runs("results"))
    return max(data.settings.backbones[run.backbone].span for run in runs)


def method_of(run: str) -> str:
    """Return a run's name without its seed.

    >>> method_of("c2d-none-s3-wide")
    'c2d-none-wide'
    """
    return parse_run(run).without_seed
