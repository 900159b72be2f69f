"""Rules of the workflow: outputs, inputs and command of each kind of job.

The rules in workflow/rules/ have the same names and outputs; they take their inputs from here.
`needs` are named as the options of the command, which takes them from here, too, where they are
not given by hand. NOT_DATED ones decide on nothing by their date: a newer one is no reason to run.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aia.config import ENSEMBLE_PATTERN, RUN_PATTERN, VIDEO_ENDINGS, parse_run
from aia.errors import InputError
from aia.plan.dataset import DataSet, Files
from aia.plan.publishers import AVA, DETECTORS, EPIC, PUBLISHED, WEIGHTS
from aia.weights.published import own_backbone_file

Wildcards = Mapping[str, str]
Needs = dict[str, str | Files | Sequence[str] | None]
"""Files by what they are; None, or an empty list: not needed."""
NOT_DATED = ("checked", "unpacked", "actions")

CONSTRAINTS = {
    "dataset": r"[A-Za-z0-9_-]+",
    "part": r"(?:train|val|test)(?:_(?:val|test))*\.\d\d\d+",
    "split": "train|val|test",
    "kind": "persons|objects",
    "run": RUN_PATTERN,
    "ensemble": ENSEMBLE_PATTERN,
    "scorer": r"[a-z0-9_]+(?:-[A-Za-z0-9_-]+)?",  # a run or an ensemble
    "boxes": "val|val-gt",
    "scored": "val|val-gt|test",
    "view": r"(?:@[1-9]\d*(?:-flip)?)?",  # frames at another short side, mirrored; or as kept
    "views": r"(?:@[1-9]\d*(?:-flip)?|-multiscale)?",  # the same, or the mean of several
    "table": "table1[a-f]",
    "version": r"2\.[12]",
    "film": rf"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(?:{'|'.join(VIDEO_ENDINGS)})",
    "weights": "|".join(WEIGHTS),
    "publisher": r"ava_v2\.[12]|ucf101_24|epic55",
    "detector": "|".join(map(re.escape, DETECTORS)),
    "backbone": r"[a-z0-9_]+",
    "video": r"P\d\d_\d\d",  # of EPIC-Kitchens; other videos are no targets of their own
}
"""Pattern of each wildcard."""


class Rule(NamedTuple):
    """Kind of job."""

    name: str
    makes: tuple[str, ...]
    """Patterns of the files that it makes, with wildcards in braces."""
    command: str
    """Empty: the job runs nothing of ours."""
    needs: Callable[[DataSet, Wildcards], Needs]
    takes_settings: bool = True
    """True if the command reads results/{dataset}/settings.yaml; else all files are options."""


RULES: dict[str, Rule] = {}
_MADE_OF_DATA = (
    "data/classes.pbtxt",
    "data/evaluated.pbtxt",
    "data/videos.csv",
    "data/train.parquet",
    "data/val.parquet",
    "data/train_excluded.parquet",
    "data/val_excluded.parquet",
    "data/test_excluded.parquet",
    "data/train_objects.parquet",
    "data/val_objects.parquet",
    "data/seconds.txt",
)
_DRAWN = {
    "ava": [
        "actions.pbtxt",
        *(f"train{what}.csv" for what in ("", "_excluded", "_objects")),
        *(f"val{what}.csv" for what in ("", "_excluded", "_objects")),
    ],
    "ucf101_24": ["actions.pbtxt", "pyannot.pkl", "testlist01.txt",
                  "train_objects.csv", "val_objects.csv"],
    "epic_kitchens": [
        *(f"EPIC_{name}.csv" for name in
          ("train_action_labels", "verb_classes", "noun_classes", "video_info")),
        "train_boxes.csv", "val_boxes.csv",
    ],
}  # fmt: skip
"""Annotation files that Playhouse writes, by form."""


def _rule(
    name: str, *makes: str, command: str, takes_settings: bool = True
) -> Callable[[Callable[[DataSet, Wildcards], Needs]], Callable[[DataSet, Wildcards], Needs]]:
    """Declare a rule by the function that gives its needs; `makes` lie in results/{dataset}/."""

    def declare(needs: Callable[[DataSet, Wildcards], Needs]) -> Callable[..., Needs]:
        paths = tuple(
            f"results/{path[3:]}" if path.startswith("../") else f"results/{{dataset}}/{path}"
            for path in makes
        )
        RULES[name] = Rule(name, paths, command, needs, takes_settings)
        return needs

    return declare


# --- data ----------------------------------------------------------------------------------------


def _nothing(data: DataSet, _: Wildcards) -> Needs:
    """Need the settings alone."""
    return {}


for _form, _rule_name in (
    ("ava", "draw_playhouse"),
    ("ucf101_24", "draw_playhouse_ucf24"),
    ("epic_kitchens", "draw_playhouse_epic"),
):
    _rule(
        _rule_name, "films", *(f"annotations/{name}" for name in _DRAWN[_form]),
        command="aia playhouse",
    )(_nothing)  # fmt: skip


@_rule("prepare_data", *_MADE_OF_DATA, command="aia prepare data")
def prepare_data(data: DataSet, _: Wildcards) -> Needs:
    """Need all files of annotations, classes, objects and key frames in the settings."""
    said, source = data.settings.data, data.settings.data.source
    test = said.test
    splits: list[str | None] = [said.excluded.train, said.excluded.val, test.excluded]
    splits += [said.objects.train, said.objects.val]
    if source is None:
        splits += [said.annotations.train, said.annotations.val]
        splits += list(said.tasks.values()) if said.tasks is not None else [said.labels]
    else:
        names = ("annotations", "train", "val", "labels", "verbs", "nouns", "videos")
        epic = source.format == "epic55"  # whose train and val are participants
        splits += [
            getattr(source, name, None) for name in names if not (epic and name in ("train", "val"))
        ]
    files = [*splits, said.evaluated, said.seconds, test.films, test.labels]
    return {
        "sources": sorted({str(path) for path in files if path}),
    }


_rule("prepare_tubes", *_MADE_OF_DATA, "data/tubes.csv", command="aia prepare data")(prepare_data)
_rule(
    "prepare_segments", *_MADE_OF_DATA, "data/verbs.pbtxt", "data/nouns.pbtxt",
    command="aia prepare data",
)(prepare_data)  # fmt: skip


@_rule("store_frames", "parts/{part}.frames", command="aia frames --part {part}")
def store_frames(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need the videos of a part: the folder of drawn ones, or the list of unpacked ones."""
    videos = data.part(wildcards["part"]).videos
    if data.videos.are_drawn:
        return {"folder": data.path("films")}
    if data.videos.are_unpacked:
        return {"unpacked": data.path("fetched_films.csv")}
    return {"videos": [data.videos.path(video) for video in videos]}


@_rule("check_films", "films.csv", command="aia check-films")
def check_films(data: DataSet, _: Wildcards) -> Needs:
    """Need all frames, and the key frames that they must hold."""
    needs: Needs = {f"{split}_frames": data.frames(split) for split in data.videos.splits}
    if data.form != "segments":
        needs["annotations"] = [data.data("train.parquet"), data.data("val.parquet")]
    if data.settings.data.test.films:
        needs["seconds"] = data.data("seconds.txt")
    return needs


def _checked(data: DataSet) -> str | None:
    """Name what is there once all videos were checked."""
    return data.path("films.csv") if data.settings.check.enabled else None


# --- boxes ---------------------------------------------------------------------------------------


@_rule("finetune_detector", "detector.safetensors", "detector.jsonl",
       command="aia finetune-detector --seed 0")  # fmt: skip
def finetune_detector(data: DataSet, _: Wildcards) -> Needs:
    """Need training key frames and their boxes; weights alone if they are not fine-tuned."""
    said, detector = data.settings.data, data.settings.detector
    needs = Needs()
    needs["start"] = None if detector.weights in ("scratch", "coco") else detector.weights
    if not detector.finetune:
        return needs
    needs["frames"] = data.frames("train")
    needs["annotations"] = None if data.form == "segments" else data.data("train.parquet")
    needs["excluded"] = data.data("train_excluded.parquet") if said.excluded.train else None
    needs["objects"] = data.data("train_objects.parquet") if said.objects.train else None
    needs["tracks"] = said.tracks
    return needs | {"checked": _checked(data)}


@_rule("detect_boxes", "parts/{part}.boxes", command="aia detect --part {part}")
def detect_boxes(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need the frames of a part's videos, and which of them are key frames."""
    part = data.part(wildcards["part"])
    splits = data.videos.splits_of(part.videos[0])
    annotated = [data.data(f"{split}.parquet") for split in splits if split != "test"]
    scored = {"val", "test"} & {*splits}
    return {
        "frames": Files(
            tuple(data.path(f"frames/{video}.h5") for video in part.videos),
            (data.path(f"parts/{part.name}.frames"),),
        ),
        "weights": data.path("detector.safetensors"),
        "segments" if data.form == "segments" else "annotations": annotated,
        "seconds": data.data("seconds.txt") if data.settings.data.seconds and scored else None,
    }


@_rule("extract_objects", "parts/{part}.object_features",
       command="aia extract-objects --part {part}")  # fmt: skip
def extract_objects(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need the frames of a part's videos and the detector."""
    needs = detect_boxes(data, wildcards)
    return {name: needs[name] for name in ("frames", "weights")}


@_rule("import_boxes", "parts/{split}.{kind}.imported",
       command="aia boxes import --split {split} --kind {kind}")  # fmt: skip
def import_boxes(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need the published boxes of a split, and the tables of its videos and times."""
    split, kind = wildcards["split"], wildcards["kind"]
    setting = {"persons": "person_boxes", "objects": "object_boxes"}[kind]
    files = data.split_setting(setting, split)
    if files is None:
        raise InputError(
            f"data.{setting}: says of {split} in the settings of {data.name} that its {kind} are "
            "detected, so there are none to import"
        )
    annotated = split in ("train", "val")
    table = data.data(f"{split}.parquet") if annotated else None
    return {
        "files": files,
        "annotations": table if data.form != "segments" else None,
        "segments": table if data.form == "segments" else None,
        "films": None if annotated else data.data("videos.csv"),
        "images": data.split_setting("box_images", split),
        "frame_sizes": data.settings.data.frame_sizes,
    }


# --- runs ----------------------------------------------------------------------------------------


def _seen_beside(data: DataSet, run: str, stage: str, split: str) -> Needs:
    """Name what a run sees beside the persons or the clip: objects, hands, a memory of objects."""
    name, needs = parse_run(run), Needs()
    if "O" in name.blocks:
        if stage == "detected" or data.objects_are_detected(stage, run):  # type: ignore[arg-type]
            needs["object_boxes"] = data.boxes("objects", split)
        elif getattr(data.settings.data.objects, split):
            needs["objects"] = data.data(f"{split}_objects.parquet")
        else:
            needs["object_boxes"] = data.boxes("objects", split)
    if data.form == "segments" and "P" in name.blocks:
        needs["hands"] = data.boxes("persons", split)
    if name.memory == "objects":
        needs["object_features"] = data.object_features(split)
    return needs


def _excluded(data: DataSet, split: str) -> str | None:
    given = data.split_setting("excluded", split)
    return data.data(f"{split}_excluded.parquet") if given else None


@_rule(
    "train",
    "runs/{run}/model.safetensors", "runs/{run}/metrics.jsonl", "runs/{run}/config.yaml",
    command="aia train --run {run}",
)  # fmt: skip
def train(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need frames, annotations, what is seen beside persons, the backbone; and validation's."""
    run = wildcards["run"]
    needs: Needs = {
        "frames": data.frames("train"),
        "annotations": data.data("train.parquet"),
        "excluded": _excluded(data, "train"),
        "labels": data.labels(run),
        **_seen_beside(data, run, "train", "train"),
        "init": data.init(run),
        "checked": _checked(data),
    }
    if data.run_sections(run)["train"]["validate_every"]:
        seen = _seen_beside(data, run, "score", "val")
        needs |= {
            "val_annotations": data.data("val.parquet"),
            "val_frames": data.frames("val"),
            "val_excluded": _excluded(data, "val"),
            **{f"val_{name}": seen[name] for name in ("objects", "object_boxes") if name in seen},
        }
    return needs


def _scored(data: DataSet, run: str, split: str) -> Needs:
    """Name what every kind of scoring needs."""
    return {
        "model": data.run_file("runs/{run}/model.safetensors", run),
        "frames": data.frames(split),
        "excluded": _excluded(data, split),
        "labels": data.labels(run),
    }


@_rule("score_detected", "scores/{run}.val{view}.parquet",
       command="aia score --run {run} --boxes val{view}")  # fmt: skip
def score_detected(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need a run, and detected persons or segments with what is seen beside them."""
    needs = _scored(data, wildcards["run"], "val")
    needs["annotations"] = data.data("val.parquet")
    needs |= _seen_beside(data, wildcards["run"], "detected", "val")
    if data.form != "segments":
        needs["seconds"] = data.data("seconds.txt") if data.settings.data.seconds else None
        needs["persons"] = data.boxes("persons", "val")
    return needs


@_rule("score_groundtruth",
       "scores/{run}.val-gt{view}.parquet", "scores/{run}.attention{view}.parquet",
       command="aia score --run {run} --boxes val-gt{view}")  # fmt: skip
def score_groundtruth(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need a run and annotated persons."""
    needs = _scored(data, wildcards["run"], "val")
    needs["annotations"] = data.data("val.parquet")
    return needs | _seen_beside(data, wildcards["run"], "score", "val")


@_rule("score_test", "scores/{run}.test{view}.parquet",
       command="aia score --run {run} --boxes test{view}")  # fmt: skip
def score_test(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need a run and the persons of videos without labels."""
    data.videos.ids("test")
    return {
        **_scored(data, wildcards["run"], "test"),
        "films": data.data("videos.csv"),
        "seconds": data.data("seconds.txt"),
        "persons": data.boxes("persons", "test"),
        **_seen_beside(data, wildcards["run"], "detected", "test"),
        "checked": _checked(data),
    }


@_rule("fuse_views", "scores/{run}.{scored}-multiscale.parquet",
       command="aia fuse", takes_settings=False)  # fmt: skip
def fuse_views(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need a run's scores in each view of multi-scale testing."""
    start = data.path(f"scores/{wildcards['run']}.{wildcards['scored']}")
    return {"scores": [f"{start}{view}.parquet" for view in data.views()]}


@_rule("fuse_runs", "scores/{ensemble}.{scored}{views}.parquet",
       command="aia fuse", takes_settings=False)  # fmt: skip
def fuse_runs(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need the scores of an ensemble's runs."""
    end = f"{wildcards['scored']}{wildcards['views']}.parquet"
    runs = data.ensemble_runs(wildcards["ensemble"])
    return {"scores": [data.path(f"scores/{run}.{end}") for run in runs]}


# --- numbers -------------------------------------------------------------------------------------


@_rule("evaluate", "metrics/{scorer}.{boxes}{views}.csv",
       command="aia evaluate scores {scorer}.{boxes}{views}")  # fmt: skip
def evaluate(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need scores (of segments those of verbs and of nouns), and the truth in its own form."""
    scorer, end = wildcards["scorer"], f"{wildcards['boxes']}{wildcards['views']}.parquet"
    runs = data.runs_of_tasks(scorer) if data.form == "segments" else [scorer]
    needs: Needs = {
        "scores": [data.path(f"scores/{run}.{end}") for run in runs],
        "groundtruth": data.data("tubes.csv" if data.form == "tubes" else "val.parquet"),
        "labels": data.data("evaluated.pbtxt"),
    }
    if data.form == "segments":
        prior = data.settings.evaluate.noun_prior
        return needs | {"prior": data.data("train.parquet") if prior else None}
    return needs | {"excluded": _excluded(data, "val")}


@_rule("evaluate_protocols", "metrics/{scorer}.{boxes}{views}.protocols.csv",
       command="aia evaluate protocols {scorer}.{boxes}{views}")  # fmt: skip
def evaluate_protocols(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need scores, and annotations of key frames."""
    end = f"{wildcards['boxes']}{wildcards['views']}.parquet"
    return {
        "detections": data.path(f"scores/{wildcards['scorer']}.{end}"),
        "groundtruth": data.data("val.parquet"),
        "excluded": _excluded(data, "val"),
        "labels": data.data("evaluated.pbtxt"),
    }


@_rule("evaluate_persons", "metrics/persons.csv", command="aia evaluate persons")
def evaluate_persons(data: DataSet, _: Wildcards) -> Needs:
    """Need the boxes of persons, and annotated ones."""
    return {
        "boxes": data.boxes("persons", "val"),
        "groundtruth": data.data("val.parquet"),
        "excluded": _excluded(data, "val"),
    }


@_rule("submit", "submission/{scorer}.test{views}.csv",
       command="aia submit", takes_settings=False)  # fmt: skip
def submit(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need scores of videos without labels, and the classes that are submitted."""
    name = f"scores/{wildcards['scorer']}.test{wildcards['views']}.parquet"
    return {"scores": data.path(name), "labels": data.settings.data.test.labels}


def _table(data: DataSet, table: str) -> Needs:
    """Name the metrics of all rows of a table."""
    rows = data.rows(table)
    needs: Needs = {
        "labels": data.data("classes.pbtxt"),
        "detected": [file for row in rows for file in data.metrics_of_row(table, row, "val")],
    }
    if data.form != "segments":
        annotated = [file for row in rows for file in data.metrics_of_row(table, row, "val-gt")]
        needs["groundtruth"] = annotated
    if data.settings.data.bad_films == "skip":
        train, val = data.frames("train"), data.frames("val")
        declared = dict.fromkeys([*train.declared, *val.declared])
        needs["maybe_skipped"] = Files((*train.paths, *val.paths), tuple(declared))
    return needs


@_rule("result_table", "../{dataset}_val.csv", "../{dataset}_val.classes.csv",
       "../{dataset}_val.html", command="aia table")  # fmt: skip
def result_table(data: DataSet, _: Wildcards) -> Needs:
    """Need the metrics of all rows of the results, and how well persons are found."""
    persons = None if data.form == "segments" else data.path("metrics/persons.csv")
    return _table(data, "results") | {"persons": persons}


@_rule("ablation_table", "{table}.csv", "{table}.classes.csv", "{table}.html",
       command="aia table --table {table}")  # fmt: skip
def ablation_table(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need the metrics of all rows of a part of Table 1; what they cost, of Table 1e."""
    table = wildcards["table"]
    rows = data.rows(table).values()
    costs = [data.run_file("metrics/{run}.cost.csv", runs[0]) for runs in rows]
    return _table(data, table) | {"costs": costs if table == "table1e" else []}


@_rule("submission_list", "../{dataset}_test.csv", command="aia submissions")
def submission_list(data: DataSet, _: Wildcards) -> Needs:
    """Need all files that are to be submitted."""
    rows = data.settings.table("submissions").rows
    names = [name for row in rows for name in data.scored_as("submissions", row, "test")]
    return {
        "files": [data.path(f"submission/{name}.csv") for name in names],
    }


@_rule("table", "../{dataset}.csv", command="")
def table(data: DataSet, _: Wildcards) -> Needs:
    """Need the table under its longer name."""
    return {"table": f"results/{data.name}_val.csv"}


@_rule("measure_cost", "metrics/{run}.cost.csv", command="aia cost --run {run}")
def measure_cost(data: DataSet, _: Wildcards) -> Needs:
    """Need the classes: their number is part of the network."""
    return {"labels": data.data("classes.pbtxt")}


_rule("measure_reach", "metrics/{run}.reach.csv", command="aia cost --run {run} --by-reach")(
    measure_cost
)


@_rule("measure_drift", "metrics/{run}.drift.csv", command="aia drift --run {run}")
def measure_drift(data: DataSet, wildcards: Wildcards) -> Needs:
    """Need a run, whose memory lies beside its last checkpoint, and what it was trained on."""
    return {
        **_scored(data, wildcards["run"], "train"),
        "annotations": data.data("train.parquet"),
    }


# --- figures -------------------------------------------------------------------------------------


def _named(runs: Mapping[str, str], data: DataSet, pattern: str) -> list[str]:
    """Name a file of each run, in the order of the runs."""
    return [data.run_file(pattern, run) for run in runs.values()]


@_rule("draw_curves", "figures/curves.png", command="aia figure curves")
def draw_curves(data: DataSet, _: Wildcards) -> Needs:
    """Need the progress and the metrics of all runs of the results."""
    progress = data.named_runs(with_starts=True)
    return {
        "progress": [data.run_file("runs/{run}/metrics.jsonl", run) for run in progress],
        "metrics": _of_runs(data, "metrics/{run}.val.csv"),
    }


def _of_runs(data: DataSet, pattern: str) -> list[str]:
    return [data.run_file(pattern, run) for run in data.named_runs(with_starts=False)]


@_rule("draw_per_class", "figures/fig6.png", command="aia figure per-class")
def draw_per_class(data: DataSet, _: Wildcards) -> Needs:
    """Need the metrics of all runs of the results."""
    return {
        "metrics": _of_runs(data, "metrics/{run}.val.csv"),
        "labels": data.data("classes.pbtxt"),
    }


def _shown(data: DataSet) -> Needs:
    """Name the frames and the truth of pictures of key frames."""
    return {
        "frames": data.frames("val"),
        "groundtruth": data.data("val.parquet"),
    }


@_rule("draw_detections", "figures/detections.png", command="aia figure detections")
def draw_detections(data: DataSet, _: Wildcards) -> Needs:
    """Need detected and annotated boxes."""
    annotated = data.data("val_objects.parquet") if data.settings.data.objects.val else None
    return _shown(data) | {
        "excluded": _excluded(data, "val"),
        "persons": data.boxes("persons", "val"),
        "object_boxes": data.boxes("objects", "val"),
        "objects": annotated,
    }


@_rule("draw_attention", "figures/attention.png", command="aia figure attention")
def draw_attention(data: DataSet, _: Wildcards) -> Needs:
    """Need the attention of the run that is shown, and its scores."""
    run = data.shown_run()
    return _shown(data) | {
        "attention": data.run_file("scores/{run}.attention.parquet", run),
        "scores": data.run_file("scores/{run}.val-gt.parquet", run),
        "labels": data.data("classes.pbtxt"),
    }


@_rule("draw_structures", "figures/fig4.png", command="aia figure structures")
def draw_structures(data: DataSet, _: Wildcards) -> Needs:
    """Need the attention of the parallel and of the serial structure."""
    return _shown(data) | {
        "attention": _named(data.structure_runs(), data, "scores/{run}.attention.parquet"),
        "labels": data.data("classes.pbtxt"),
    }


@_rule("draw_reach", "figures/fig5.png", command="aia figure reach")
def draw_reach(data: DataSet, _: Wildcards) -> Needs:
    """Need the measured steps of the run that is shown."""
    costs = data.run_file("metrics/{run}.reach.csv", data.shown_run())
    return {"costs": costs}


@_rule("draw_memory", "figures/memory.png", command="aia figure memory")
def draw_memory(data: DataSet, _: Wildcards) -> Needs:
    """Need progress and drift of the runs with and without AMU."""
    return {
        "progress": _named(data.memory_runs(), data, "runs/{run}/metrics.jsonl"),
        "drift": _named(data.memory_runs(), data, "metrics/{run}.drift.csv"),
    }


# --- report --------------------------------------------------------------------------------------


@_rule("diagnose", "findings.csv", command="aia doctor")
def diagnose(data: DataSet, _: Wildcards) -> Needs:
    """Need the scores of the run that is shown, and annotations of key frames."""
    return {
        "scores": data.run_file("scores/{run}.val.parquet", data.shown_run()),
        "groundtruth": data.data("val.parquet"),
        "excluded": _excluded(data, "val"),
        "labels": data.data("evaluated.pbtxt"),
    }


@_rule("predict_sample", "predictions/index.html", command="aia predict", takes_settings=False)
def predict_sample(data: DataSet, _: Wildcards) -> Needs:
    """Need the run that is shown, the detector, and the first video of val."""
    drawn = data.videos.are_drawn
    return {
        "model": data.run_file("runs/{run}/model.safetensors", data.shown_run()),
        "detector": data.path("detector.safetensors"),
        "video": data.path("films") if drawn else sample_video(data),
    }


def sample_video(data: DataSet) -> str:
    """Return the path of the video that shows what a prediction looks like."""
    return data.videos.path(data.videos.ids("val")[0])


@_rule("report", "report.html", command="aia report")
def report(data: DataSet, _: Wildcards) -> Needs:
    """Need the table; for pictures also frames, scores and figures, which segments have none of."""
    table = f"results/{data.name}_val"
    needs: Needs = {"table": f"{table}.csv", "classes": f"{table}.classes.csv"}
    if data.form == "segments":
        return needs
    if data.form == "boxes" and data.videos.are_drawn:  # elsewhere a prediction may take long
        needs["pages"] = data.path("predictions/index.html")
    figures = {name: data.path(f"figures/{name}.png") for name in PAGE_FIGURES}
    return needs | _shown(data) | figures | {
        "excluded": _excluded(data, "val"),
        "scores": data.run_file("scores/{run}.val.parquet", data.shown_run()),
        "evaluated": data.data("evaluated.pbtxt"),
        "train": data.data("train.parquet"),
        "findings": data.path("findings.csv"),
    }  # fmt: skip


PAGE_FIGURES = ("curves", "attention", "detections")
"""Figures of a data set's report."""
REPORT_FIGURES = ("curves", "fig6", "detections", "attention")
"""Figures of Snakemake's own report."""


# --- what is downloaded --------------------------------------------------------------------------


@_rule("fetch_ucf101_24_films", "fetched_films.csv",
       command="aia fetch ucf101-24", takes_settings=False)  # fmt: skip
def fetch_ucf101_24_films(data: DataSet, _: Wildcards) -> Needs:
    """Need the annotations and lists that name the videos."""
    source = data.settings.data.source
    names = ("annotations", "train", "val")
    return {name: getattr(source, name, None) for name in names}


def _epic_actions(data: DataSet, _: Wildcards) -> Needs:
    return {"actions": f"{EPIC}/EPIC_train_action_labels.csv"}


def _own_weights(data: DataSet, wildcards: Wildcards) -> Needs:
    own = own_backbone_file(wildcards["backbone"], "data/backbones")
    return {"weights": str(own) if own else None}


for _name, _makes, _command in (
    ("fetch_ava_annotations", [p.replace("2.2", "{version}") for p in PUBLISHED["ava_v2.2"]],
     "aia fetch ava-annotations"),
    ("fetch_ava_film", [f"{AVA}/films/{{film}}"], "aia fetch files"),
    ("fetch_ucf101_24_annotations", PUBLISHED["ucf101_24"], "aia fetch ucf101-24"),
    ("fetch_epic55_annotations", PUBLISHED["epic55"], "aia fetch epic55-annotations"),
    ("fetch_pets09", PUBLISHED["pets09"], "aia fetch pets09"),
    ("fetch_epic55_film", [f"{EPIC}/films/{{video}}.MP4"], "aia fetch epic55-films"),
    ("fetch_detector", ["data/detectors/{detector}"], "aia fetch files"),
    ("fetch_weights", ["results/weights/{weights}.safetensors"], "aia weights fetch"),
    ("convert_backbone", ["data/backbones/{backbone}.safetensors"], "aia weights backbone"),
):  # fmt: skip
    _special = {"fetch_epic55_film": _epic_actions, "convert_backbone": _own_weights}
    RULES[_name] = Rule(_name, tuple(_makes), _command, _special.get(_name, _nothing))

# The data set decides which rule makes outputs that several rules declare.
FORM_OF = {"prepare_data": "boxes", "prepare_tubes": "tubes", "prepare_segments": "segments"}
DRAWN_AS = {
    "draw_playhouse": "ava",
    "draw_playhouse_ucf24": "ucf101_24",
    "draw_playhouse_epic": "epic_kitchens",
}


def paths_of(needs: Needs) -> dict[str, list[str]]:
    """Return the files that a command opens, by what they are."""
    return {name: _flat(value, "paths") for name, value in needs.items()}


def declared(needs: Needs) -> dict[str, list[str]]:
    """Return the files that the workflow waits for, by what they are."""
    return {name: _flat(value, "declared") for name, value in needs.items()}


def _flat(value: str | Files | Sequence[str] | None, side: str) -> list[str]:
    if value is None:
        return []
    if isinstance(value, Files):
        return list(getattr(value, side))
    return [value] if isinstance(value, str) else list(value)


def drawn(form: str) -> list[str]:
    """Return the annotation files that Playhouse writes in a form, as patterns."""
    return [f"results/{{dataset}}/annotations/{name}" for name in _DRAWN[form]]


def prepared(rule: str) -> list[str]:
    """Return the tables of the one form that a rule writes, as patterns."""
    return list(RULES[rule].makes)
