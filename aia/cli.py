"""The command line: one thin command for each stage, each of which also works by hand.

Exit status: 0 done, 2 bad arguments or input (one clear message), 1 anything else.
"""

import argparse
import dataclasses
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aia import log
from aia.config import (
    BackboneConfig,
    CheckConfig,
    DetectorConfig,
    FetchConfig,
    FramesConfig,
    LossConfig,
    MemoryConfig,
    NetworkConfig,
    PlayhouseConfig,
    RunName,
    ScoreConfig,
    TrainConfig,
    build_section,
    parse_run,
    read_sections,
    run_settings,
    section,
)
from aia.errors import InputError

# Commands import what they need when they run: torch takes seconds, and most do without it.

_PROTOCOLS = ("paper", "activitynet", "slowfast", "mmaction", "acar")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    log.copy_to(options.log)
    try:
        options.run(options)
    except InputError as error:
        log.say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        log.say("interrupted")
        return 130
    except Exception:
        log.say(traceback.format_exc().rstrip())
        return 1
    finally:
        log.copy_to(None)
    return 0


def playhouse(options: argparse.Namespace) -> None:
    """Draw the embedded data set."""
    from aia.datasets.playhouse import draw_playhouse

    config = section(PlayhouseConfig, options.settings, "playhouse")
    draw_playhouse(options.folder, config=config, processes=options.processes)


def fetch_files(options: argparse.Namespace) -> None:
    """Fetch files by their addresses: whole and checked, going on where a line breaks off."""
    from aia.fetch import fetch_all, wanted_file

    if options.sha256 and len(options.addresses) > 1:
        raise InputError("--sha256: belongs to one file; give one address with it")
    known = {"sha256": options.sha256, "size": options.size}
    wanted = [wanted_file(address, options.folder, **known) for address in options.addresses]
    fetch_all(wanted, config=_whole_section(FetchConfig, options.settings, "fetch"))


def fetch_ava_annotations(options: argparse.Namespace) -> None:
    """Fetch AVA's tables and the lists of its films."""
    from aia.datasets.ava_files import fetch_annotations

    config = _whole_section(FetchConfig, options.settings, "fetch")
    fetch_annotations(options.version, options.folder, config=config)


def fetch_ava_films(options: argparse.Namespace) -> None:
    """Fetch films of AVA by their ids, or all that the lists name."""
    from aia.datasets.ava_files import fetch_films

    config = _whole_section(FetchConfig, options.settings, "fetch")
    fetch_films(options.videos, options.lists, options.folder, config=config)


def prepare_ucf24(options: argparse.Namespace) -> None:
    """UCF101-24's annotations in the form that all else reads."""
    from aia.datasets.ucf101_24 import prepare

    films = prepare(
        options.annotations, val=options.val, train=options.train, output=options.output_dir
    )
    log.say(
        f"{options.output_dir}: {len(films['train'])} films to train on, "
        f"{len(films['val'])} to score"
    )


def frames(options: argparse.Namespace) -> None:
    """Decode one film into its frame store."""
    from aia.video.store import make_store, skip_film

    config = section(FramesConfig, options.settings, "frames")
    given = read_sections(options.settings)
    check = section(CheckConfig, options.settings, "check") if "check" in given else None
    try:
        info = make_store(
            options.film, options.output, config=config, min_frames=options.min_frames, check=check
        )
    except InputError as error:
        if given.get("data", {}).get("bad_films") != "skip":
            raise InputError(
                f"{error} (data.bad_films: skip would go on without this film)"
            ) from None
        log.say(f"skipped: {error}")
        skip_film(options.output, why=str(error))
        return
    height, width = info.size_hw
    log.say(
        f"{options.film}: {info.frames} frames of {width}x{height} in {info.bytes / 1e6:.1f} MB, "
        f"{info.duration_sec:.2f} s"
    )


def check_films(options: argparse.Namespace) -> None:
    """See that all films are cut as their annotations expect, and write their fingerprints."""
    from aia.datasets.films import check_films as check

    check(
        stores=options.frames,
        annotations=options.annotations,
        frames=section(FramesConfig, options.settings, "frames"),
        check=section(CheckConfig, options.settings, "check"),
        output=options.output,
    )


def finetune_detector(options: argparse.Namespace) -> None:
    """Fine-tune Faster R-CNN on a data set's boxes."""
    from aia.detect.finetune import finetune_on_files
    from aia.weights.maskrcnn_benchmark import read_maskrcnn_benchmark

    finetune_on_files(
        stores=options.frames,
        annotations=options.annotations,
        excluded=options.excluded,
        objects=options.objects,
        tracks=options.tracks,
        config=section(DetectorConfig, options.settings, "detector"),
        output=options.output,
        metrics=options.metrics,
        seed=options.seed,
        threads=options.threads,
        read=read_maskrcnn_benchmark,
    )


def detect(options: argparse.Namespace) -> None:
    """Detect persons and objects on the key frames of one film."""
    from aia.detect.predict import detect_to_files

    detect_to_files(
        store=options.frames,
        weights=options.weights,
        annotations=options.annotations,
        seconds=options.seconds,
        persons=options.persons,
        objects=options.objects,
        config=section(DetectorConfig, options.settings, "detector"),
        threads=options.threads,
    )


def boxes_import(options: argparse.Namespace) -> None:
    """Published boxes, in whatever layout, as one table for each film."""
    from aia.detect.imported import import_boxes

    import_boxes(
        options.files,
        kind=options.kind,
        films=_films_of(options.films, options.annotations),
        output_dir=options.output_dir,
        images=options.images,
        frame_sizes=options.frame_sizes,
    )


def train(options: argparse.Namespace) -> None:
    """Train a run, going on from its last checkpoint."""
    from aia.datasets.ava import annotated_clips
    from aia.files import file_digest
    from aia.labels import read_labels
    from aia.train.run import train_run
    from aia.video.store import readable_stores

    run = parse_run(options.name)
    sections = _run_sections(options.settings, run)
    if options.threads is not None:
        config = dataclasses.replace(sections.train, threads=options.threads)
        sections = sections._replace(train=config)
    labels = read_labels(options.labels)
    stores = readable_stores(options.frames)
    clips = annotated_clips(
        options.annotations,
        labels=labels,
        excluded=options.excluded,
        per_sec=options.clips_per_sec,
    )
    clips = _add_objects(clips, options, most=sections.network.max_objects)
    clips = clips_of_films(clips, stores, options, span=sections.backbone.span)
    inputs = [options.annotations, options.labels, options.excluded, options.objects, options.init]
    digests = {str(path): file_digest(path) for path in [*inputs, *options.object_boxes] if path}
    if options.clips_per_sec != 1:  # other key frames share a place in the memory
        digests["clips a second"] = str(options.clips_per_sec)
    digests |= {f"film {name}": str(store.fingerprint["sha256"]) for name, store in stores.items()}
    train_run(
        run=run,
        sections=sections,
        clips=clips,
        stores=stores,
        labels=labels,
        init=options.init,
        data_digests=digests,
        work=options.work,
        output=options.output_dir,
        validate=_validation(run, sections, labels, options),
    )


def score(options: argparse.Namespace) -> None:
    """Score every person of the key frames, in two passes."""
    import torch

    from aia.datasets.ava import detected_clips
    from aia.evaluate.attention import choose_clips
    from aia.evaluate.score import load_trained, score_clips
    from aia.labels import read_labels
    from aia.tables import write_scores
    from aia.tables.attention import write_attention
    from aia.train.run import pick_device, usable_threads
    from aia.video.store import readable_stores
    from aia.video.transforms import View

    if options.short_side is not None and options.short_side < 16:
        raise InputError(f"--short-side: {options.short_side} pixels, expected at least 16")
    view = View(options.short_side, options.flip)
    torch.set_num_threads(usable_threads(options.threads))
    device = pick_device(options.device)
    config = section(ScoreConfig, options.settings, "score")
    trained = load_trained(options.model, device=device)
    labels = read_labels(options.labels)
    if labels.ids != trained.labels.ids:
        raise InputError(
            f"{options.labels}: has other classes than {options.model} was trained on "
            f"({len(labels)} against {len(trained.labels)}); is it of another data set?"
        )
    stores = readable_stores(options.frames)
    clips = annotated = _key_frames(options, labels)
    if options.persons:
        clips = detected_clips(
            clips,
            options.persons,
            threshold=options.person_threshold,
            per_sec=options.clips_per_sec,
        )
    clips = _add_objects(clips, options, most=options.max_objects)
    clips = clips_of_films(clips, stores, options, span=trained.backbone.span)
    wanted = choose_clips(annotated, options.attention_clips) if options.attention else []
    scored, attention = score_clips(
        trained,
        clips,
        stores,
        config=config,
        extend=bool(options.persons),
        device=device,
        view=view,
        attention_of=wanted,
    )
    write_scores(
        options.output,
        boxes=scored.boxes,
        scores=scored.scores,
        class_ids=labels.ids,
        provenance={
            "run": str(trained.name),
            "model": trained.digest,
            "boxes": "detected" if options.persons else "ground truth",
            "view": str(view),
        },
    )
    if options.attention:
        write_attention(options.attention, attention)


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
    """Compare what a run remembers with what its network makes of the same persons now."""
    import torch

    from aia.datasets.ava import annotated_clips
    from aia.evaluate.drift import last_memory, measure_drift, write_drift
    from aia.evaluate.score import load_trained
    from aia.labels import read_labels
    from aia.train.run import pick_device, usable_threads
    from aia.video.store import readable_stores

    torch.set_num_threads(usable_threads(options.threads))
    device = pick_device(options.device)
    trained = load_trained(options.model, device=device)
    stores = readable_stores(options.frames)
    labels = read_labels(options.labels)
    clips = annotated_clips(
        options.annotations,
        labels=labels,
        excluded=options.excluded,
        per_sec=options.clips_per_sec,
    )
    clips = clips_of_films(clips, stores, options, span=trained.backbone.span)
    found = measure_drift(
        trained,
        last_memory(options.work),
        clips,
        stores,
        batch=options.batch,
        device=device,
        most=options.most,
    )
    write_drift(options.output, found)
    log.say(
        f"{trained.name}: {len(found)} remembered clips, median cosine distance "
        f"{found['cosine_distance'].median():.4f}"
    )


def submit(options: argparse.Namespace) -> None:
    """Scores as the CSV that AVA's evaluation server takes."""
    from aia.labels import read_labels
    from aia.tables import read_scores
    from aia.tables.submission import write_submission

    table = read_scores(options.scores)
    labels = read_labels(options.labels) if options.labels else None
    lines = write_submission(options.output, table, labels=labels, threshold=options.threshold)
    films = table.boxes["video"].nunique()
    log.say(f"{options.output}: {lines} lines, {len(table.boxes)} boxes of {films} films")


def evaluate_ava(options: argparse.Namespace) -> None:
    """AVA frame mAP under a named protocol."""
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
    """AVA frame mAP under all named protocols at once, and whose numbers each compares with."""
    from aia.evaluate.all_protocols import evaluate_protocols as evaluate
    from aia.evaluate.all_protocols import in_words, write_protocols

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


def doctor(options: argparse.Namespace) -> None:
    """Explain a low frame mAP: what is wrong with a file of scores, and what mending it brings.

    A finding is no error: the exit status is 0 with findings and without.
    """
    from aia.doctor import diagnose, report, write_findings

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
    mended = f", {100 * found.map_after:.2f} with all mended that can be" if found.findings else ""
    log.say(
        f"{options.scores}: {found.rows} detections, frame mAP@{options.iou:g} "
        f"({options.protocol}) {100 * found.map_before:.2f}{mended}"
    )


def evaluate_persons(options: argparse.Namespace) -> None:
    """Person AP of a detector's boxes."""
    from aia.evaluate.person_ap import evaluate_persons as evaluate
    from aia.evaluate.person_ap import write_person_ap

    result = evaluate(options.groundtruth, options.boxes, excluded=options.excluded)
    write_person_ap(options.output, result)
    log.say(f"person AP@0.5: {100 * result.ap:.2f}")


def evaluate_ucf24(options: argparse.Namespace) -> None:
    """UCF101-24's frame mAP and video mAP."""
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
    )
    write_ucf24(options.output, result)
    frames = options.frames or f"the frames of protocol {options.protocol}"
    log.say(f"frame mAP@{options.iou:g} ({frames}): {100 * result.frame.mean:.2f}")
    for text, maps in result.video.items():
        log.say(f"video mAP@{text}: {100 * mean_of(maps):.2f}")


def evaluate_epic(options: argparse.Namespace) -> None:
    """EPIC-Kitchens top-1 and top-5 of verbs, nouns and actions."""
    from aia.evaluate.top_k import evaluate_epic as evaluate
    from aia.evaluate.top_k import write_top_k

    result = evaluate(options.labels, options.verbs, options.nouns, prior=options.prior)
    write_top_k(options.output, result)
    for name, values in result._asdict().items():
        log.say(f"{name}: " + ", ".join(f"top-{k} {100 * v:.2f}" for k, v in values.items()))


def table(options: argparse.Namespace) -> None:
    """Put the metrics of runs together as a table."""
    from aia.evaluate.paper import PaperNumbers
    from aia.evaluate.result_table import table_from_json
    from aia.video.store import skipped_films

    table_from_json(
        options.rows,
        labels=options.labels,
        output=options.output,
        persons=options.persons,
        skipped=skipped_films(options.maybe_skipped),
        paper=PaperNumbers(options.paper_table, options.paper_data),
    )


def cost(options: argparse.Namespace) -> None:
    """Count a run's parameters and operations (Table 1e), or measure a step by reach (Fig. 5)."""
    from aia.labels import read_labels
    from aia.train import cost as costs
    from aia.train.run import pick_device

    run = parse_run(options.name)
    sections = _run_sections(options.settings, run)
    classes = len(read_labels(options.labels))
    short_side = section(FramesConfig, options.settings, "frames").short_side
    if options.reaches is None:
        found = costs.clip_cost(run, sections, classes=classes, short_side=short_side)
        costs.write_cost(options.output, found)
        log.say(f"{run}: {found.parameters / 1e6:.2f} M parameters, {found.flops / 1e9:.2f} GFLOP")
        return
    if run.memory != "amu":
        raise InputError(f"--run {run}: has no memory of its own, so its steps have no reach")
    measured = costs.cost_by_reach(
        run,
        sections,
        classes=classes,
        clips=options.clips,
        size_hw=(short_side, short_side * 3 // 2),
        reaches=options.reaches,
        joint=options.joint,
        device=pick_device(options.device),
    )
    costs.write_reach(options.output, measured)


def budget(options: argparse.Namespace) -> None:
    """Say what a target will take, before anything starts: jobs, hours, memory, disk."""
    from aia.budget.account import account_lines, account_of
    from aia.budget.jobs import planned_jobs
    from aia.budget.rates import packaged_rates, read_rates, write_rates

    cores = len(os.sched_getaffinity(0)) if options.cores is None else options.cores
    if cores < 1 or (options.gpus or 0) < 0:
        raise InputError("--cores, --gpus: expected at least one core, and no negative GPUs")
    if options.output_rates and not options.measure:
        raise InputError("--output-rates: is for what --measure finds; give both")
    rates = packaged_rates()
    if options.rates:
        rates = rates.with_other(read_rates(options.rates, rates))
    planner = options.workflow / "workflow" / "jobs.py"
    words = ["--cores", str(cores)]
    words += ["--configfile", *options.configfile] if options.configfile else []
    jobs = planned_jobs(planner, options.targets, options=words)
    parse = _parser().parse_args
    if options.measure:
        from aia.budget.measure import measured_rates

        found = measured_rates(jobs, parse=parse, rates=rates)
        rates = rates.with_other(found)
        if options.output_rates:
            write_rates(options.output_rates, found)
    gpus = options.gpus if options.gpus is not None else max([0, *(job.gpu for job in jobs)])
    account = account_of(jobs, parse=parse, rates=rates, cores=cores, gpus=gpus)
    print("\n".join(account_lines(options.targets, account)))


def weights_inspect(options: argparse.Namespace) -> None:
    """Say what a published checkpoint is: layout, network, what is left over."""
    from aia.convert import inspect

    for line in inspect(options.file, settings=_whole_settings(options.settings)):
        print(line)


def weights_convert(options: argparse.Namespace) -> None:
    """Make ours of a published checkpoint, or the authors' file of a model (.pth)."""
    from aia.convert import convert, convert_back

    if options.output.suffix == ".pth":
        convert_back(options.file, options.output)
        return
    convert(
        options.file,
        options.output,
        settings=_whole_settings(options.settings),
        labels=options.labels,
        network=options.network,
    )


def _whole_settings(given: str) -> Any:
    """config.yaml of the working directory or, where there is none, of the repository."""
    own = Path(__file__).parents[1] / "config.yaml"
    return read_sections(str(own) if given == "config.yaml" and not Path(given).exists() else given)


def _whole_section(kind: Any, given: str, name: str) -> Any:
    """One section of config.yaml, wherever that is."""
    return build_section(kind, _whole_settings(given)[name], f"settings: {name}")


def weights_backbone(options: argparse.Namespace) -> None:
    """Find or fetch a backbone's weights by its name, and convert them."""
    from aia.convert import convert
    from aia.weights.published import backbone_file

    config = _whole_section(FetchConfig, options.settings, "fetch")
    path = backbone_file(options.name, options.folder, config=config)
    settings = _whole_settings(options.settings)
    convert(path, options.output, settings=settings, network=options.name)


def weights_fetch(options: argparse.Namespace) -> None:
    """Fetch published weights by name and convert them."""
    from aia.weights.i3d import fetch_i3d

    fetch_i3d(options.output)


def _films_of(films: Path | None, annotations: Sequence[Path] | None) -> list[str]:
    """Films of a list, or those that the annotations name."""
    from aia.tables import read_actions, read_films

    if films is not None:
        return read_films(films)
    return sorted({video for path in annotations or () for video in read_actions(path)["video"]})


def _key_frames(options: argparse.Namespace, labels: Any) -> list[Any]:
    """What is scored: the annotated key frames, or a list of seconds of each film."""
    from aia.datasets.ava import annotated_clips, listed_clips
    from aia.tables import read_seconds

    more = {"labels": labels, "excluded": options.excluded, "per_sec": options.clips_per_sec}
    if options.seconds is None and options.films is None:
        return annotated_clips(options.annotations, **more)
    if options.seconds is None:
        raise InputError("--films: needs --seconds, the seconds of these films that are scored")
    if not options.persons:
        raise InputError("--seconds: needs --persons, nobody has annotated whom to score there")
    if options.attention:
        raise InputError("--attention: is kept of annotated key frames, leave --seconds out")
    films = _films_of(options.films, [options.annotations])
    seconds = read_seconds(options.seconds)
    return listed_clips(films, seconds, **more)


def clips_of_films(
    clips: Sequence[Any], stores: dict[str, Any], options: argparse.Namespace, *, span: int
) -> list[Any]:
    """The clips whose films can be read; all others must have been skipped on purpose.

    Raises:
        InputError: a video without a frame store, a film shorter than the `span` frames of a
            clip, or a second beyond the end of its film.
    """
    named = options.annotations or options.films
    skipped = {path.stem for path in options.frames} - stores.keys()
    kept = [clip for clip in clips if clip.key.video not in skipped]
    for clip in kept:
        store = stores.get(clip.key.video)
        if store is None:
            raise InputError(
                f"{named}: has video '{clip.key.video}', but no frame store of it was given"
            )
        if len(store) < span:
            raise InputError(
                f"{store.path}: has {len(store)} frames, but a clip of this backbone spans {span}; "
                "is the film cut, or frames.fps too low for it?"
            )
        end_sec = store.times_sec[-1] + 1 / store.fps
        if not 0 <= clip.time_sec <= end_sec:
            raise InputError(
                f"{named}: {clip.key.video} has second {clip.time_sec:g}, but the "
                f"film ends at {end_sec:.2f} s; is the film cut, or does its clock start elsewhere?"
            )
    return kept


def _validation(run: RunName, sections: Any, labels: Any, options: argparse.Namespace) -> Any:
    """What gives the points of the mAP curve; None without annotations to validate on."""
    if options.val_annotations is None:
        return None
    from aia.datasets.ava import annotated_clips, with_objects
    from aia.evaluate.validation import Validation
    from aia.video.store import readable_stores

    stores = readable_stores(options.val_frames)
    clips = annotated_clips(
        options.val_annotations,
        labels=labels,
        excluded=options.val_excluded,
        per_sec=options.clips_per_sec,
    )
    clips = with_objects(
        clips,
        annotated=options.val_objects,
        detected=options.val_object_boxes,
        threshold=options.object_threshold,
        most=sections.network.max_objects,
        per_sec=options.clips_per_sec,
    )
    return Validation(
        run=run,
        backbone=sections.backbone,
        memory=sections.memory,
        loss=sections.loss,
        labels=labels,
        clips=[clip for clip in clips if clip.key.video in stores],
        stores=stores,
        groundtruth=options.val_annotations,
        excluded=options.val_excluded,
        labels_file=options.labels,
        config=ScoreConfig(
            batch=sections.train.batch,
            objects="groundtruth",
            extend=(0.0, 0.0),
            precision=sections.train.precision,
            workers=sections.train.workers,
        ),
    )


def _add_objects(clips: list[Any], options: argparse.Namespace, *, most: int) -> list[Any]:
    from aia.datasets.ava import with_objects

    return with_objects(
        clips,
        annotated=options.objects,
        detected=options.object_boxes,
        threshold=options.object_threshold,
        most=most,
        per_sec=options.clips_per_sec,
    )


def _run_sections(settings: str, run: RunName) -> Any:
    """The sections of a run, its variant applied."""
    from aia.train.run import Sections

    raw = read_sections(settings)
    if "variants" in raw:  # a whole config.yaml, rather than what a rule already picked
        raw = run_settings(raw, run)

    def read(kind: Any, name: str) -> Any:
        return build_section(kind, raw[name], f"settings: {name}")

    return Sections(
        backbone=build_section(BackboneConfig, raw["backbones"][run.backbone], "backbones"),
        network=read(NetworkConfig, "network"),
        memory=read(MemoryConfig, "memory") if run.memory != "none" else None,
        loss=read(LossConfig, "loss"),
        train=read(TrainConfig, "train"),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aia", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = _command(commands, "playhouse", playhouse)
    command.add_argument("folder", type=Path)
    command.add_argument("--processes", type=int, default=1)

    fetching = commands.add_parser("fetch", help="files from the network, AVA's among them")
    kinds = fetching.add_subparsers(required=True, metavar="WHAT")
    command = _command(kinds, "files", fetch_files)
    command.add_argument("addresses", nargs="+", metavar="ADDRESS")
    command.add_argument("--folder", type=Path, default=Path())
    command.add_argument("--sha256", help="that the file must have")
    command.add_argument("--size", type=int, help="bytes that the file must have")
    command = _command(kinds, "ava-annotations", fetch_ava_annotations)
    command.add_argument("version", choices=("2.1", "2.2"))
    command.add_argument("--folder", type=Path, required=True)
    command = _command(kinds, "ava-films", fetch_ava_films)
    command.add_argument("videos", nargs="*", metavar="ID", help="none: all films of the lists")
    command.add_argument("--lists", type=Path, nargs="+", required=True)
    command.add_argument("--folder", type=Path, required=True)

    preparing = commands.add_parser("prepare", help="annotations of other forms in AVA's")
    kinds = preparing.add_subparsers(required=True, metavar="KIND")
    command = _command(kinds, "ucf24", prepare_ucf24)
    command.add_argument("annotations", type=Path, help="pyannot.pkl")
    command.add_argument("--val", type=Path, required=True, help="list of films: testlist01.txt")
    command.add_argument("--train", type=Path, help="list of films; without: all others")
    command.add_argument("--output-dir", type=Path, required=True)

    command = _command(commands, "frames", frames)
    command.add_argument("film", type=Path)
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--min-frames", type=int, default=1, help="that a clip spans")

    command = _command(commands, "check-films", check_films)
    command.add_argument("--frames", type=Path, nargs="+", required=True, help="frame stores")
    command.add_argument("--annotations", type=Path, nargs="*", default=[])
    command.add_argument("--output", type=Path, required=True, help="CSV of fingerprints")

    command = _command(commands, "finetune-detector", finetune_detector)
    command.add_argument("--frames", type=Path, nargs="*", required=True)
    command.add_argument("--annotations", type=Path, required=True)
    command.add_argument("--excluded", type=Path)
    command.add_argument("--objects", type=Path)
    command.add_argument("--tracks", type=Path)
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--metrics", type=Path)
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1)

    command = _command(commands, "detect", detect)
    command.add_argument("frames", type=Path)
    command.add_argument("--weights", type=Path, required=True)
    command.add_argument("--annotations", type=Path, nargs="+", default=[])
    command.add_argument("--seconds", type=Path, help="a list of more key frames")
    command.add_argument("--persons", type=Path, required=True)
    command.add_argument("--objects", type=Path, required=True)
    command.add_argument("--threads", type=int, default=1)

    boxes = commands.add_parser("boxes", help="boxes that others detected")
    kinds = boxes.add_subparsers(required=True, metavar="WHAT")
    command = _command(kinds, "import", boxes_import)
    command.add_argument("files", type=Path, nargs="+", help="JSON, CSV or Parquet")
    command.add_argument("--kind", choices=("persons", "objects"), required=True)
    films = command.add_mutually_exclusive_group(required=True)
    films.add_argument("--annotations", type=Path, nargs="+", help="whose films get a file")
    films.add_argument("--films", type=Path, help="a list of them, one a line")
    command.add_argument(
        "--images", type=Path, help="what image ids mean: AlphAction's annotations or list of films"
    )
    command.add_argument(
        "--frame-sizes", type=Path, help="CSV of video,width,height, for boxes in pixels"
    )
    command.add_argument("--output-dir", type=Path, required=True)

    command = _command(commands, "train", train)
    command.add_argument("--run", dest="name", required=True, help="name of the run")
    command.add_argument("--annotations", type=Path, required=True)
    _add_clip_inputs(command)
    command.add_argument("--init", type=Path, help="weights that the backbone begins with")
    command.add_argument("--work", type=Path, required=True, help="folder of the checkpoints")
    command.add_argument("--output-dir", type=Path, required=True)
    command.add_argument("--threads", type=int, help="instead of train.threads")
    command.add_argument("--val-annotations", type=Path, help="for the mAP curve")
    command.add_argument("--val-frames", type=Path, nargs="+", default=[])
    command.add_argument("--val-excluded", type=Path)
    objects = command.add_mutually_exclusive_group()
    objects.add_argument("--val-objects", type=Path)
    objects.add_argument("--val-object-boxes", type=Path, nargs="+", default=[])

    command = _command(commands, "score", score)
    command.add_argument("--model", type=Path, required=True)
    films = command.add_mutually_exclusive_group(required=True)
    films.add_argument("--annotations", type=Path)
    films.add_argument("--films", type=Path, help="films that nobody annotated, one a line")
    _add_clip_inputs(command)
    command.add_argument(
        "--persons", type=Path, nargs="+", help="detected boxes; without: annotated ones"
    )
    command.add_argument("--person-threshold", type=float, default=0.8, help="§4.1: 0.8")
    command.add_argument("--max-objects", type=int, default=5)
    command.add_argument(
        "--seconds", type=Path, help="key frames of each film, one a line; without: annotated ones"
    )
    command.add_argument("--output", type=Path, required=True)
    command.add_argument("--short-side", type=int, help="pixels; frames are resized from the store")
    command.add_argument("--flip", action="store_true", help="show the network mirrored clips")
    command.add_argument("--attention", type=Path, help="also keep the attention of some clips")
    command.add_argument("--attention-clips", type=int, default=12)
    command.add_argument("--device", default="auto")
    command.add_argument("--threads", type=int, default=1)

    command = _command(commands, "fuse", fuse)
    command.add_argument("scores", type=Path, nargs="+", help="of the same boxes, in any order")
    command.add_argument("--weights", type=float, nargs="+", help="one a file; without: all alike")
    command.add_argument("--mean", default="arithmetic", choices=("arithmetic", "geometric"))
    command.add_argument("--output", type=Path, required=True)

    command = _command(commands, "drift", drift)
    command.add_argument("--model", type=Path, required=True)
    command.add_argument("--work", type=Path, required=True, help="the run's checkpoints")
    command.add_argument("--frames", type=Path, nargs="+", required=True, help="frame stores")
    command.add_argument("--annotations", type=Path, required=True, help="that it learned from")
    command.add_argument("--excluded", type=Path)
    command.add_argument("--labels", type=Path, required=True)
    command.add_argument("--batch", type=int, default=16)
    command.add_argument("--most", type=int, default=4000, help="clips, evenly spread")
    _add_clips_per_sec(command)
    command.add_argument("--device", default="auto")
    command.add_argument("--threads", type=int, default=1)
    command.add_argument("--output", type=Path, required=True)

    command = _command(commands, "submit", submit)
    command.add_argument("scores", type=Path)
    command.add_argument("--labels", type=Path, help="classes that are submitted; without: all")
    command.add_argument("--threshold", type=float, default=0.0, help="lower scores are left out")
    command.add_argument("--output", type=Path, required=True)

    evaluate = commands.add_parser("evaluate", help="numbers from scores")
    kinds = evaluate.add_subparsers(required=True, metavar="KIND")
    for name, run in (("ava", evaluate_ava), ("protocols", evaluate_protocols)):
        command = _command(kinds, name, run)
        command.add_argument("--groundtruth", type=Path, required=True)
        command.add_argument("--detections", type=Path, required=True)
        command.add_argument("--excluded", type=Path)
        command.add_argument("--labels", type=Path)
        command.add_argument("--iou", type=float, default=0.5)
        command.add_argument("--output", type=Path, required=True)
        if name == "ava":
            command.add_argument("--protocol", default="paper", choices=_PROTOCOLS)

    command = _command(kinds, "ucf24", evaluate_ucf24)
    command.add_argument(
        "--groundtruth", type=Path, required=True, help="pyannot.pkl, or CSV of boxes by frame"
    )
    command.add_argument(
        "--detections", type=Path, required=True, help="CSV of boxes by frame, or scores (.parquet)"
    )
    command.add_argument("--split", type=Path, help="list of the films that are evaluated")
    command.add_argument("--frames", choices=("all", "annotated"), help="that count in frame mAP")
    command.add_argument("--protocol", default="voc", choices=("voc", "yowo", "act"))
    command.add_argument("--iou", type=float, default=0.5)
    command.add_argument("--video-iou", default="0.2,0.5,0.5:0.95", help="of tubes")
    command.add_argument("--output", type=Path, required=True)

    command = _command(kinds, "epic", evaluate_epic)
    command.add_argument("--labels", type=Path, required=True, help="CSV: verb,noun")
    command.add_argument("--verbs", type=Path, required=True, help="scores, a line a segment")
    command.add_argument("--nouns", type=Path, required=True)
    command.add_argument("--prior", type=Path, help="CSV of the training segments: verb,noun")
    command.add_argument("--output", type=Path, required=True)

    command = _command(kinds, "persons", evaluate_persons)
    command.add_argument("--groundtruth", type=Path, required=True)
    command.add_argument("--excluded", type=Path)
    command.add_argument("--boxes", type=Path, nargs="+", required=True)
    command.add_argument("--output", type=Path, required=True)

    command = _command(commands, "doctor", doctor)
    command.add_argument("scores", type=Path, help="detections as AVA's CSV, or scores (.parquet)")
    command.add_argument("groundtruth", type=Path)
    command.add_argument("--labels", type=Path)
    command.add_argument("--excluded", type=Path)
    command.add_argument("--protocol", default="paper", choices=_PROTOCOLS)
    command.add_argument("--iou", type=float, default=0.5)
    command.add_argument(
        "--frames", type=Path, nargs="+", default=[], help="frame stores, for sizes in pixels"
    )
    command.add_argument("--output", type=Path, help="CSV of the findings")

    command = _command(commands, "table", table)
    command.add_argument("--rows", required=True, help="JSON: what the rows are made of")
    command.add_argument("--labels", type=Path, required=True)
    command.add_argument("--persons", type=Path, help="metrics of the detector, for a line below")
    command.add_argument(
        "--maybe-skipped", type=Path, nargs="+", default=[], help="frame stores: notes tell of gaps"
    )
    command.add_argument("--output", type=Path, required=True)

    command.add_argument("--paper-table", help="of which it is a twin, such as 1a")
    command.add_argument("--paper-data", help="what the paper calls the data, such as AVA v2.2 val")

    command = _command(commands, "cost", cost)
    command.add_argument("--run", dest="name", required=True, help="name of the run")
    command.add_argument("--labels", type=Path, required=True)
    command.add_argument("--reaches", type=int, nargs="+", help="L of training steps to measure")
    command.add_argument("--joint", type=int, nargs="*", default=[], help="L trained jointly")
    command.add_argument("--clips", type=int, default=2, help="of a batch that is measured")
    command.add_argument("--device", default="auto")
    command.add_argument("--output", type=Path, required=True)

    command = commands.add_parser("budget", help=budget.__doc__, description=budget.__doc__)
    command.set_defaults(run=budget)
    command.add_argument("targets", nargs="+", metavar="TARGET", help="as for snakemake")
    command.add_argument("--cores", type=int, help="that there are; else those of this machine")
    command.add_argument("--gpus", type=int, help="that there are; 0: networks run on cores")
    command.add_argument("--configfile", nargs="+", default=[], help="as for snakemake")
    command.add_argument("--rates", type=Path, help="YAML with rates instead of the packaged ones")
    command.add_argument("--measure", action="store_true", help="rates of this machine, a minute")
    command.add_argument("--output-rates", type=Path, help="file that gets what was measured")
    command.add_argument(
        "--workflow", type=Path, default=Path(__file__).parents[1], help="folder of the Snakefile"
    )
    command.add_argument("--log", help="file that gets a copy of all lines")

    weights = commands.add_parser("weights", help="published weights")
    kinds = weights.add_subparsers(required=True, metavar="WHAT")
    command = _command(kinds, "fetch", weights_fetch)
    command.add_argument("name", choices=("i3d_kinetics400",))
    command.add_argument("--output", type=Path, required=True)
    command = _command(kinds, "backbone", weights_backbone)
    command.add_argument("name", help="such as slowfast_r50_4x16")
    command.add_argument("--folder", type=Path, required=True, help="of files, also your own")
    command.add_argument("--output", type=Path, required=True)
    command = _command(kinds, "inspect", weights_inspect)
    command.add_argument("file", type=Path)
    command = _command(kinds, "convert", weights_convert)
    command.add_argument("file", type=Path)
    command.add_argument("output", type=Path, help=".safetensors; .pth for the way back")
    command.add_argument(
        "--network", help="that it must be, such as slowfast_r50_4x16-none or i3d_r50_8x8"
    )
    command.add_argument("--labels", type=Path, help="classes that are not AVA's 80")

    from aia.figures.commands import add_parsers

    add_parsers(commands)
    return parser


def _command(commands: Any, name: str, run: Any) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
    command.set_defaults(run=run)
    command.add_argument(
        "--settings", default="config.yaml", help="a YAML file, or sections as a JSON object"
    )
    command.add_argument("--log", help="file that gets a copy of all lines")
    return command


def _add_clip_inputs(command: argparse.ArgumentParser) -> None:
    command.add_argument("--frames", type=Path, nargs="+", required=True, help="frame stores")
    command.add_argument("--excluded", type=Path)
    command.add_argument("--labels", type=Path, required=True)
    objects = command.add_mutually_exclusive_group()
    objects.add_argument("--objects", type=Path, help="annotated boxes of objects")
    objects.add_argument("--object-boxes", type=Path, nargs="+", default=[], help="detected ones")
    command.add_argument("--object-threshold", type=float, default=0.5, help="§4.1: 0.5")
    _add_clips_per_sec(command)


def _add_clips_per_sec(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--clips-per-sec", type=float, default=1.0, help="25: every frame is a key frame; AVA: 1"
    )


if __name__ == "__main__":
    sys.exit(main())
