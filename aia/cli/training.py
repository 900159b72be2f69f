"""`aia train`: Algorithm 1 on the clips of a data set (§3.3)."""

import argparse
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from aia.cli.clips import readable_clips, remembered_objects, segments, with_objects_of
from aia.cli.options import CLIPS, SEGMENTS, add_command, add_objects, add_options, run_of
from aia.cli.planned import check_by_hand, planned, rules_of_clips, sources_of
from aia.config import TrainConfig, build_section, read_sections
from aia.errors import InputError


def add_parsers(commands: Any) -> None:
    """Add `train` to the commands of `aia`."""
    command = add_command(
        commands, "train", train, *CLIPS, *SEGMENTS, "--annotations",
        needs=("annotations", "frames", "labels", "work", "output_dir"),
    )  # fmt: skip
    add_options(command, "--run", required=True)
    add_objects(command)
    add_options(command, "--init", help="weights that the backbone begins with")
    add_options(command, "--work", help="folder of the checkpoints")
    add_options(command, "--output-dir")
    command.add_argument("--threads", type=int, help="instead of train.threads")
    processes = "on each node, instead of train.processes: one for each GPU"
    command.add_argument("--processes", type=int, help=processes)
    command.add_argument("--nodes", type=int, help="instead of train.nodes")
    add_options(command, "--val-annotations", help="for the mAP curve")
    add_options(command, "--val-excluded", help="key frames that are left out of it")
    add_options(command, "--val-frames", nargs="+", default=[], help="their frame stores")
    add_objects(command, "val-")


def train(options: argparse.Namespace) -> int:
    """Train a run, resuming from its last checkpoint; in several processes where wanted."""
    from aia.labels import read_labels
    from aia.ranks import init_distributed
    from aia.train.launch import is_launched, launch

    if options.annotations is None:
        data = planned(options, "train", run=options.name)
        rules_of_clips(options, data, options.name)
        options.output_dir = Path(data.run_file("runs/{run}", options.name))
        options.work = options.output_dir / "work"
        options.sources = sources_of(data)
    check_by_hand(options)
    run = run_of(options, read_labels(options.labels))
    given = {name: getattr(options, name) for name in ("threads", "processes", "nodes")}
    changed = {name: value for name, value in given.items() if value is not None}
    config = build_section(TrainConfig, asdict(run.train) | changed, "settings: train")
    if config.processes * config.nodes > 1 and not is_launched():
        return launch(options.arguments, processes=config.processes, nodes=config.nodes)
    with init_distributed() as ranks:
        _train(options, replace(run, train=config), ranks)
    return 0


def _train(options: argparse.Namespace, run: Any, ranks: Any) -> None:
    """Train as one of the run's processes."""
    from aia.datasets.ava import annotated_clips
    from aia.files import file_digest
    from aia.train.run import train_run
    from aia.train.start import pick_device
    from aia.video.store import readable_stores

    stores = readable_stores(options.frames)
    run.check_stores(stores.values())
    if options.object_threshold is None:
        options.object_threshold = run.perception.object_threshold if run.perception else 0.5
    most = run.network.max_objects
    if options.task:
        clips = segments(options, run.classes, most_objects=most)
    else:
        clips = annotated_clips(
            options.annotations,
            labels=run.classes,
            excluded=options.excluded,
            per_sec=options.clips_per_sec,
        )
        clips = with_objects_of(clips, options, most=most)
    clips = readable_clips(clips, stores, options, span=run.backbone.span)
    inputs = [options.annotations, options.labels, options.excluded, options.objects, options.init]
    inputs += [*options.object_boxes, *options.hands, *options.object_features]
    if options.init and not options.init.is_file():
        raise InputError(f"{options.init}: there is no such file; expected weights to begin with")
    digests = {str(path): file_digest(path) for path in inputs if path}
    digests |= {"task": options.task} if options.task else {}
    if options.clips_per_sec != 1:  # other key frames share a place in the memory
        digests["clips a second"] = str(options.clips_per_sec)
    digests |= {f"film {name}": str(store.fingerprint["sha256"]) for name, store in stores.items()}
    device = pick_device(run.train.device, ranks)
    train_run(
        run,
        clips=clips,
        stores=stores,
        init=options.init,
        data_digests=digests,
        work=options.work,
        output=options.output_dir,
        validate=_validation(run, options),
        bank=remembered_objects(options, run.memory, device, ranks=ranks),
        sources={str(path): file_digest(path) for path in getattr(options, "sources", ())},
        trackers=build_section(
            tuple[str, ...], read_sections(options.settings).get("trackers", []), "trackers"
        ),
        ranks=ranks,
    )


def _validation(run: Any, options: argparse.Namespace) -> Any:
    """Prepare the validation of the mAP curve; None without annotations to validate on."""
    if options.val_annotations is None:
        return None
    if options.task:
        raise InputError(
            "--val-annotations: there is no curve of data labelled by segment; set "
            "train.validate_every: null"
        )
    from aia.datasets.ava import annotated_clips, with_objects
    from aia.evaluate.validation import validation_map
    from aia.video.store import readable_stores

    stores = readable_stores(options.val_frames)
    clips = annotated_clips(
        options.val_annotations,
        labels=run.classes,
        excluded=options.val_excluded,
        per_sec=options.clips_per_sec,
    )
    clips = with_objects(
        clips,
        annotated=options.val_objects,
        detected=options.val_object_boxes,
        threshold=options.object_threshold,
        most=run.network.max_objects,
        per_sec=options.clips_per_sec,
    )
    return partial(
        validation_map,
        run=run,
        clips=[clip for clip in clips if clip.key.video in stores],
        stores=stores,
        groundtruth=options.val_annotations,
        excluded=options.val_excluded,
        labels=options.labels,
    )
