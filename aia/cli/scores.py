"""Scores of a trained run, their means, drift of its memory, submissions."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from aia import log
from aia.cli.clips import (
    key_frames,
    readable_clips,
    remembered_objects,
    segments,
    with_objects_of,
)
from aia.cli.options import CLIPS, SEGMENTS, add_command, add_objects, add_options
from aia.cli.planned import check_by_hand, data_set, planned, rules_of_clips
from aia.config import ScoreConfig, section
from aia.errors import InputError
from aia.plan import view_of
from aia.plan.recipes import submission_rows, submissions_data


def add_parsers(commands: Any) -> None:
    """Add `score`, `fuse`, `drift`, `submit` and `submissions` to the commands of `aia`."""
    command = add_command(
        commands, "score", score, *CLIPS, *SEGMENTS,
        "--run", "--model", "--person-threshold", "--output", "--device", "--threads",
        needs=("model", "frames", "labels", "output"),
    )  # fmt: skip
    boxes = "of --run: val, val-gt or test, and a view"
    command.add_argument("--boxes", default="val", metavar="BOXES", help=boxes)
    videos = command.add_mutually_exclusive_group()
    add_options(videos, "--annotations")
    add_options(videos, "--films", help="list of videos without annotations, one a line")
    add_objects(command)
    persons = "detected boxes; without: annotated ones"
    add_options(command, "--persons", nargs="+", help=persons)
    command.add_argument("--max-objects", type=int, default=5, help="of a clip (default: 5)")
    seconds = "key frames of each video, one a line; without: annotated ones"
    add_options(command, "--seconds", help=seconds)
    command.add_argument("--short-side", type=int, help="pixels; frames are resized from the store")
    command.add_argument("--flip", action="store_true", help="show the network mirrored clips")
    add_options(command, "--attention", help="also keep the attention of some clips")
    command.add_argument("--attention-clips", type=int, default=12, help="how many")

    command = add_command(commands, "fuse", fuse)
    add_options(command, "scores", nargs="+", help="of the same boxes, in any order")
    command.add_argument("--weights", type=float, nargs="+", help="one a file; without: all alike")
    kinds, mean = ("arithmetic", "geometric"), "kind of mean (default: arithmetic)"
    command.add_argument("--mean", default="arithmetic", choices=kinds, help=mean)
    add_options(command, "--output", required=True)

    command = add_command(
        commands, "drift", drift, "--run", "--model", "--frames", "--annotations", "--excluded",
        "--labels", "--clips-per-sec", "--device", "--threads", "--output",
        needs=("model", "work", "frames", "annotations", "labels", "output"),
    )  # fmt: skip
    add_options(command, "--work", help="the run's checkpoints")
    command.add_argument("--batch", type=int, default=16, help="clips of one pass (default: 16)")
    command.add_argument("--most", type=int, default=4000, help="clips, evenly spread")

    command = add_command(commands, "submit", submit)
    add_options(command, "scores", help="scores (.parquet)")
    add_options(command, "--labels", help="classes that are submitted; without: all")
    command.add_argument("--threshold", type=float, default=0.0, help="lower scores are left out")
    add_options(command, "--output", required=True)

    command = add_command(commands, "submissions", submissions)
    command.add_argument("--rows", help="JSON: methods and their files; without: by --settings")
    command.add_argument("--paper-data", help="what the paper calls the videos: AVA v2.2 test")
    add_options(command, "--output", required=True)


def score(options: argparse.Namespace) -> None:
    """Score every person of the key frames, in two passes."""
    import torch

    from aia.evaluate.attention import choose_clips
    from aia.evaluate.score import score_clips
    from aia.labels import read_labels
    from aia.run import Model
    from aia.tables import write_scores
    from aia.tables.attention import write_attention
    from aia.train.start import pick_device, usable_threads
    from aia.video.store import readable_stores
    from aia.video.transforms import View

    if options.name is not None:
        _planned_scores(options)
    check_by_hand(options)
    if not (options.annotations or options.films):
        raise InputError("--annotations, or --films: one must say which key frames are scored")
    if options.short_side is not None and options.short_side < 16:
        raise InputError(f"--short-side: {options.short_side} pixels, expected at least 16")
    view = View(options.short_side, options.flip)
    torch.set_num_threads(usable_threads(options.threads))
    device = pick_device(options.device)
    config = section(ScoreConfig, options.settings, "score")
    model = Model.load(options.model, device=device)
    labels = read_labels(options.labels)
    if labels.ids != model.run.classes.ids:
        raise InputError(
            f"{options.labels}: has other classes than {options.model} was trained on "
            f"({len(labels)} against {len(model.run.classes)}); is it of another data set?"
        )
    stores = readable_stores(options.frames)
    model.run.check_stores(stores.values())
    _tell_what_differs(options, model.run, config)
    annotated, clips = _clips_to_score(options, labels)
    clips = readable_clips(clips, stores, options, span=model.run.backbone.span)
    wanted = choose_clips(annotated, options.attention_clips) if options.attention else []
    scored, attention = score_clips(
        model,
        clips,
        stores,
        config=config,
        extend=bool(options.persons),
        device=device,
        view=view,
        attention_of=wanted,
        bank=remembered_objects(options, model.run.memory, device),
    )
    write_scores(
        options.output,
        boxes=scored.boxes,
        scores=scored.scores,
        class_ids=labels.ids,
        provenance={
            "run": str(model.run.name),
            "model": model.digest,
            "boxes": "detected" if options.persons or options.task else "ground truth",
            "view": str(view),
        },
    )
    if options.attention:
        write_attention(options.attention, attention)


def _tell_what_differs(options: argparse.Namespace, run: Any, config: ScoreConfig) -> None:
    """Take the model's thresholds where none are given; say which rules are not the model's."""
    from aia.tables.parquet import read_description

    own = run.perception
    for name, usual in (("person_threshold", 0.8), ("object_threshold", 0.5)):
        if getattr(options, name) is None:
            setattr(options, name, getattr(own, name) if own else usual)
    if own is None:
        return
    used = {
        "person_threshold": options.person_threshold if options.persons else own.person_threshold,
        "object_threshold": options.object_threshold,
        "extend": tuple(config.extend),
        "detector": own.detector,
    }
    if options.persons:
        about = read_description(options.persons[0], (), "boxes").get("provenance", {})
        used["detector"] = about.get("detector", own.detector)
    for name, value in used.items():
        if value != getattr(own, name):
            log.say(
                f"{options.model}: its own {name} is {getattr(own, name)}, but these scores are "
                f"made with {value}; they are not comparable with its published numbers"
            )


def _clips_to_score(options: argparse.Namespace, labels: Any) -> tuple[list[Any], list[Any]]:
    """Read the clips that are scored, as annotated and with the persons that are scored."""
    from aia.datasets.ava import detected_clips

    if options.task:
        _refuse_with_segments(options)
        clips = segments(options, labels, most_objects=options.max_objects)
        return clips, clips
    clips = annotated = key_frames(options, labels)
    if options.persons:
        clips = detected_clips(
            clips,
            options.persons,
            threshold=options.person_threshold,
            per_sec=options.clips_per_sec,
        )
    return annotated, with_objects_of(clips, options, most=options.max_objects)


def _planned_scores(options: argparse.Namespace) -> None:
    """Take all that the rule of a run's scores reads and writes from the plan."""
    found = re.fullmatch(r"(val-gt|val|test)(.*)", options.boxes)
    if found is None:
        raise InputError(f"--boxes {options.boxes}: expected val, val-gt or test, and a view")
    boxes, view = found.groups()
    rules = {"val": "score_detected", "val-gt": "score_groundtruth", "test": "score_test"}
    data = planned(options, rules[boxes], run=options.name, view=view)
    rules_of_clips(options, data, options.name)
    options.short_side, options.flip = view_of(view)
    options.device = data.settings.train.device
    options.output = Path(data.path(f"scores/{options.name}.{boxes}{view}.parquet"))
    if boxes == "val-gt":
        options.attention = Path(data.path(f"scores/{options.name}.attention{view}.parquet"))


def _refuse_with_segments(options: argparse.Namespace) -> None:
    """Refuse options that have no meaning where segments are scored."""
    for name in ("persons", "seconds", "films", "attention", "objects"):
        if getattr(options, name):
            raise InputError(f"--{name}: belongs to boxes on key frames, not to --task")


def fuse(options: argparse.Namespace) -> None:
    """Take the mean of score files over the same boxes: views of a run, or an ensemble."""
    from aia.evaluate.fuse import fuse_scores
    from aia.tables import write_scores

    fused = fuse_scores(options.scores, weights=options.weights, mean=options.mean)
    write_scores(options.output, **fused._asdict())
    log.say(
        f"{options.output}: {options.mean} mean of {len(options.scores)} files, "
        f"{len(fused.boxes)} boxes, {len(fused.class_ids)} classes"
    )


def drift(options: argparse.Namespace) -> None:
    """Compare remembered features of a run with fresh ones of its network."""
    import torch

    from aia.datasets.ava import annotated_clips
    from aia.evaluate.drift import last_memory, measure_drift, write_drift
    from aia.labels import read_labels
    from aia.run import Model
    from aia.train.start import pick_device, usable_threads
    from aia.video.store import readable_stores

    if options.name is not None:
        data = planned(options, "measure_drift", run=options.name)
        options.clips_per_sec = data.settings.data.clips_per_sec
        options.device = data.settings.train.device
        options.work = Path(data.run_file("runs/{run}/work", options.name))
        options.output = Path(data.run_file("metrics/{run}.drift.csv", options.name))
    check_by_hand(options)
    torch.set_num_threads(usable_threads(options.threads))
    device = pick_device(options.device)
    model = Model.load(options.model, device=device)
    stores = readable_stores(options.frames)
    model.run.check_stores(stores.values())
    labels = read_labels(options.labels)
    clips = annotated_clips(
        options.annotations,
        labels=labels,
        excluded=options.excluded,
        per_sec=options.clips_per_sec,
    )
    clips = readable_clips(clips, stores, options, span=model.run.backbone.span)
    found = measure_drift(
        model,
        last_memory(options.work),
        clips,
        stores,
        batch=options.batch,
        device=device,
        most=options.most,
    )
    write_drift(options.output, found)
    log.say(
        f"{model.run.name}: {len(found)} remembered clips, median cosine distance "
        f"{found['cosine_distance'].median():.4f}"
    )


def submit(options: argparse.Namespace) -> None:
    """Write scores as the CSV that AVA's evaluation server takes."""
    from aia.labels import read_labels
    from aia.tables import read_scores
    from aia.tables.submission import write_submission

    table = read_scores(options.scores)
    labels = read_labels(options.labels) if options.labels else None
    lines = write_submission(options.output, table, labels=labels, threshold=options.threshold)
    videos = table.boxes["video"].nunique()
    log.say(f"{options.output}: {lines} lines, {len(table.boxes)} boxes of {videos} videos")


def submissions(options: argparse.Namespace) -> None:
    """List the files for AVA's evaluation server, with the paper's numbers and what to do."""
    from aia.report.paper import PaperNumbers
    from aia.report.submissions import submissions_from_json, write_submission_list

    if options.rows is None:
        data = data_set(options)
        options.rows = json.dumps(submission_rows(data), sort_keys=True)
        options.paper_data = submissions_data(data)
    listed = submissions_from_json(options.rows)
    paper = PaperNumbers(None, options.paper_data)
    for line in write_submission_list(options.output, listed, paper).to_dict("records"):
        log.say(f"{line['file']}: {line['to_do']}")
