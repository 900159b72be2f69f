"""Numbers from scores: metrics, the cause of a low one, and tables."""

import argparse
import json
import re
from pathlib import Path
from typing import Any

from aia import log
from aia.cli.options import add_command, add_options
from aia.cli.planned import check_by_hand, planned
from aia.errors import InputError
from aia.plan.recipes import paper_numbers, table_rows

VIDEO_IOUS = "0.2,0.5,0.5:0.95"


def add_parsers(commands: Any) -> None:
    """Add `evaluate` with its kinds, `doctor` and `table` to the commands of `aia`."""
    evaluate = commands.add_parser("evaluate", help="numbers from scores")
    kinds = evaluate.add_subparsers(required=True, metavar="KIND")
    command = add_command(kinds, "scores", evaluate_scores)
    command.add_argument("name", metavar="SCORER.BOXES", help="such as RUN.val or RUN.val-gt")

    files = ("--groundtruth", "--detections", "--output")
    rules = ("--excluded", "--labels", "--iou")
    command = add_command(kinds, "ava", evaluate_ava, *rules, "--protocol")
    add_options(command, *files, required=True)
    needs = ("groundtruth", "detections", "output")
    command = add_command(kinds, "protocols", evaluate_protocols, *files, *rules, needs=needs)
    command.add_argument("name", nargs="?", metavar="SCORER.BOXES", help="instead of files")

    command = add_command(kinds, "ucf24", evaluate_ucf24, "--iou", "--labels", "--fps")
    truth = "pyannot.pkl, finalAnnots.mat, or CSV of boxes by frame"
    add_options(command, "--groundtruth", required=True, help=truth)
    found = "CSV of boxes by frame, scores (.parquet), or a folder of YOWO's detections"
    add_options(command, "--detections", required=True, help=found)
    add_options(command, "--split", help="list of the videos that are evaluated")
    command.add_argument("--frames", choices=("all", "annotated"), help="that count in frame mAP")
    rules_of = "rules of frame and video mAP (default: voc)"
    command.add_argument("--protocol", default="voc", choices=("voc", "yowo", "act"), help=rules_of)
    command.add_argument("--video-iou", default=VIDEO_IOUS, help="of tubes")
    add_options(command, "--output", required=True)

    command = add_command(kinds, "epic", evaluate_epic)
    add_options(command, "--labels", required=True, help="CSV: verb,noun")
    add_options(command, "--verbs", "--nouns", required=True, help="scores, a line a segment")
    add_options(command, "--prior", help="CSV of the training segments: verb,noun")
    add_options(command, "--output", required=True)

    command = add_command(kinds, "epic-majority", evaluate_epic_majority)
    add_options(command, "--labels", "--train", required=True, help="CSV: verb,noun")
    add_options(command, "--output", required=True)

    command = add_command(
        kinds, "persons", evaluate_persons, "--groundtruth", "--excluded", "--output",
        needs=("groundtruth", "boxes", "output"),
    )  # fmt: skip
    add_options(command, "--boxes", nargs="+")

    by_hand = ("scores", "groundtruth")
    command = add_command(commands, "doctor", doctor, *rules, "--protocol", needs=by_hand)
    found = "detections as AVA's CSV, or scores (.parquet); without: those of --settings"
    add_options(command, "scores", nargs="?", help=found)
    add_options(command, "groundtruth", nargs="?", help="annotations")
    add_options(command, "--frames", default=[], help="frame stores, for sizes in pixels")
    add_options(command, "--output", help="CSV of the findings")

    command = add_command(commands, "table", table, "--labels")
    command.add_argument("--table", default="results", help="results, or a part such as table1a")
    command.add_argument("--rows", help="JSON: what the rows are made of; without: by --settings")
    add_options(command, "--persons", help="metrics of the detector, for a line below")
    skipped = "frame stores: notes name those skipped"
    add_options(command, "--maybe-skipped", nargs="+", default=[], help=skipped)
    add_options(command, "--output", required=True)
    command.add_argument("--paper-table", help="of the paper, such as 1a")
    command.add_argument("--paper-data", help="what the paper calls the data, such as AVA v2.2 val")


def evaluate_scores(options: argparse.Namespace) -> None:
    """Evaluate a run's or an ensemble's scores as its data set defines it."""
    scorer, boxes, views = _named_scores(options.name)
    data = planned(options, "evaluate", scorer=scorer, boxes=boxes, views=views)
    rules, options.output = data.settings.evaluate, Path(data.path(f"metrics/{options.name}.csv"))
    options.iou, options.frames, options.split = rules.iou, rules.frames, None
    if data.form == "segments":
        options.verbs, options.nouns = options.scores
        options.labels, options.prior = options.groundtruth, getattr(options, "prior", None)
        evaluate_epic(options)
        return
    (options.detections,) = options.scores
    if data.form == "tubes":
        options.protocol, options.fps = rules.tube_protocol, data.settings.data.clips_per_sec
        options.video_iou = VIDEO_IOUS
        evaluate_ucf24(options)
        return
    options.protocol, options.excluded = rules.protocol, getattr(options, "excluded", None)
    evaluate_ava(options)


def _named_scores(name: str) -> tuple[str, str, str]:
    """Split the name of scores into scorer, boxes and view.

    >>> _named_scores("c2d-none-s0.val-gt@98-flip")
    ('c2d-none-s0', 'val-gt', '@98-flip')
    """
    found = re.fullmatch(r"([^./]+)\.(val-gt|val)(@[1-9]\d*(?:-flip)?|-multiscale|)", name)
    if found is None:
        raise InputError(f"'{name[:80]}': expected SCORER.BOXES, as in c2d-none-s0.val or .val-gt")
    scorer, boxes, views = found.groups()
    return scorer, boxes, views


def evaluate_ava(options: argparse.Namespace) -> None:
    """Compute AVA frame mAP under a named protocol."""
    from aia.evaluate.frame_map import evaluate_ava as evaluate
    from aia.evaluate.frame_map import write_frame_map

    result = evaluate(
        options.groundtruth,
        options.detections,
        excluded=options.excluded,
        labels=options.labels,
        protocol=options.protocol,
        iou=options.iou,
    )
    write_frame_map(options.output, result)
    log.say(f"frame mAP@{options.iou:g} ({options.protocol}): {100 * result.mean:.2f}")


def evaluate_protocols(options: argparse.Namespace) -> None:
    """Compute AVA frame mAP under all protocols, and say whose numbers each compares with."""
    from aia.evaluate.all_protocols import evaluate_protocols as evaluate
    from aia.evaluate.all_protocols import in_words, write_protocols

    if options.name is not None:
        scorer, boxes, views = _named_scores(options.name)
        data = planned(options, "evaluate_protocols", scorer=scorer, boxes=boxes, views=views)
        options.iou = data.settings.evaluate.iou
        options.output = Path(data.path(f"metrics/{options.name}.protocols.csv"))
    check_by_hand(options)
    table = evaluate(
        options.groundtruth,
        options.detections,
        excluded=options.excluded,
        labels=options.labels,
        iou=options.iou,
    )
    write_protocols(options.output, table)
    for line in in_words(table):
        log.say(line)


def evaluate_ucf24(options: argparse.Namespace) -> None:
    """Compute UCF101-24's frame mAP and video mAP."""
    from aia.evaluate.ucf24 import evaluate_ucf24 as evaluate
    from aia.evaluate.ucf24 import mean_of, write_ucf24

    result = evaluate(
        options.groundtruth,
        options.detections,
        split=options.split,
        frames=options.frames,
        protocol=options.protocol,
        iou=options.iou,
        video_ious=options.video_iou.split(","),
        labels=options.labels,
        fps=options.fps,
    )
    write_ucf24(options.output, result)
    frames = options.frames or f"the frames of protocol {options.protocol}"
    log.say(f"frame mAP@{options.iou:g} ({frames}): {100 * result.frame.mean:.2f}")
    for text, maps in result.video.items():
        log.say(f"video mAP@{text}: {100 * mean_of(maps):.2f}")


def evaluate_epic(options: argparse.Namespace) -> None:
    """Compute EPIC-Kitchens' top-1 and top-5 of verbs, nouns and actions."""
    from aia.evaluate.top_k import evaluate_epic as evaluate
    from aia.evaluate.top_k import write_top_k

    result = evaluate(options.labels, options.verbs, options.nouns, prior=options.prior)
    write_top_k(options.output, result)
    _say_top_k(result)


def evaluate_epic_majority(options: argparse.Namespace) -> None:
    """Compute the floor of EPIC-Kitchens: frequencies of the training set as scores."""
    from aia.evaluate.majority import evaluate_majority
    from aia.evaluate.top_k import write_top_k

    result = evaluate_majority(options.labels, options.train)
    write_top_k(options.output, result)
    _say_top_k(result)


def _say_top_k(result: Any) -> None:
    for name, values in result._asdict().items():
        log.say(f"{name}: " + ", ".join(f"top-{k} {100 * v:.2f}" for k, v in values.items()))


def evaluate_persons(options: argparse.Namespace) -> None:
    """Compute person AP of a detector's boxes."""
    from aia.evaluate.person_ap import evaluate_persons as evaluate
    from aia.evaluate.person_ap import write_person_ap

    if options.groundtruth is None:
        options.output = Path(planned(options, "evaluate_persons").path("metrics/persons.csv"))
    check_by_hand(options)
    result = evaluate(options.groundtruth, options.boxes, excluded=options.excluded)
    write_person_ap(options.output, result)
    log.say(f"person AP@0.5: {100 * result.ap:.2f}")


def doctor(options: argparse.Namespace) -> None:
    """Explain a low frame mAP: what is wrong with a file of scores, and what fixing it brings.

    The exit status is 0 with and without findings.
    """
    from aia.doctor import diagnose, report, write_findings

    if options.scores is None:
        data = planned(options, "diagnose")
        options.protocol, options.iou = data.settings.evaluate.protocol, data.settings.evaluate.iou
        options.output = options.output or Path(data.path("findings.csv"))
    check_by_hand(options)
    found = diagnose(
        options.scores,
        options.groundtruth,
        labels=options.labels,
        excluded=options.excluded,
        protocol=options.protocol,
        iou=options.iou,
        frames=options.frames,
    )
    if options.output is not None:
        write_findings(options.output, found.findings)
    print(report(found.findings))
    fixed = f", {100 * found.map_after:.2f} with all fixed that can be" if found.findings else ""
    log.say(
        f"{options.scores}: {found.rows} detections, frame mAP@{options.iou:g} "
        f"({options.protocol}) {100 * found.map_before:.2f}{fixed}"
    )


def table(options: argparse.Namespace) -> None:
    """Write the metrics of runs as a table, beside the paper's numbers."""
    from aia.report.paper import PaperNumbers
    from aia.report.result_table import table_from_json
    from aia.video.store import skipped_videos

    if options.rows is None:
        of_part = {"table": options.table}
        rule = "result_table" if options.table == "results" else "ablation_table"
        data = planned(options, rule, **of_part)
        options.rows = json.dumps(table_rows(data, options.table), sort_keys=True)
        paper = paper_numbers(data, options.table)
        options.paper_table, options.paper_data = paper["table"], paper["data"]
    if options.labels is None:
        raise InputError("--labels: is needed beside --rows")
    table_from_json(
        options.rows,
        labels=options.labels,
        output=options.output,
        persons=options.persons,
        skipped=skipped_videos(options.maybe_skipped),
        paper=PaperNumbers(options.paper_table, options.paper_data),
    )
