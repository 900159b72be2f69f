"""What the commands of stage 2 take: training, scoring, evaluation, the cost of a network.

A training pass is taken as three forward passes of what is trained.
"""

import argparse
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aia.budget.facts import Facts, KeyFrames
from aia.budget.networks import CLASSES, NetworkCost, network_cost
from aia.budget.perceive import BOX_BYTES
from aia.budget.speeds import GIGA, Computing, Speeds, Work
from aia.config import parse_run, read_sections
from aia.errors import InputError
from aia.run import Run


class Pool(NamedTuple):
    """Bytes of Ω."""

    memory: int | float
    """Places for all persons of every second."""
    disk: int | float
    """The remembered ones alone."""


def training_work(options: argparse.Namespace, facts: Facts, speeds: Speeds) -> Work:
    """`aia train`: steps, the points of the mAP curve, and a frozen bank where there is one."""
    run = run_of(options)
    recipe, store = run.train, facts.store(options.frames[0])
    clips = _clips(facts, options.frames, options.annotations, options.excluded)
    cost = network_cost(run, store.size_hw)
    passes = _passes(run, clips, cost)
    forward, loaded = 0.0, passes.loaded
    if options.val_annotations and recipe.validate_every:
        points = math.ceil(recipe.steps / recipe.validate_every)
        val = _clips(facts, options.val_frames, options.val_annotations, options.val_excluded)
        forward = points * val.clips * (cost.backbone_flops + cost.head_flops)
        loaded += points * val.clips
    named = {"network": run.name.backbone, "precision": recipe.precision}
    computing = speeds.computing("train", passes.flops, **named)
    computing += speeds.computing("score", forward, **named)
    pool = pool_bytes(run, clips, cost.d)
    states = 1 if recipe.optimizer == "sgd" else 2
    checkpoint = 4 * (cost.parameters + states * cost.trained_parameters)
    pools = 1 if run.name.has_bank else recipe.keep_checkpoints
    saved = recipe.batch * cost.saved_bytes * (0.5 if speeds.bfloat16(recipe.precision) else 1)
    steps_sec = 0.0 if run.name.structure == "none" else speeds.rates[f"step.{speeds.device}"]
    steps_sec *= recipe.steps
    gradients = 4 * cost.trained_parameters
    of_node = options.processes or recipe.processes
    processes = of_node * (options.nodes or recipe.nodes)
    if processes > 1:
        share = speeds.rates["share.several"]
        computing = Computing(computing.core_sec / share, computing.gpu_sec / share)
    return Work(
        start_sec=speeds.start() + steps_sec,
        **computing._asdict(),
        load_sec=speeds.load_sec(store, frames=cost.frames * loaded),
        workers=recipe.workers,
        processes=processes,
        **_where(
            speeds,
            checkpoint + gradients + saved / processes + (pool.memory if processes == 1 else 0),
            workers=recipe.workers,
            processes=of_node,
            shared_bytes=pool.memory if processes > 1 else 0,
        ),
        disk_bytes=recipe.keep_checkpoints * checkpoint + pools * pool.disk + 4 * cost.parameters,
    )


class Passes(NamedTuple):
    """What training computes: operations, and clips that are loaded."""

    flops: int | float
    loaded: int | float


def _passes(run: Run, clips: KeyFrames, cost: NetworkCost) -> Passes:
    recipe = run.train
    draws = recipe.steps * recipe.batch
    head = 3 * draws * cost.head_flops
    if recipe.keep_maps:  # the backbone sees each clip once
        body = min(clips.clips, draws) * cost.backbone_flops
    else:
        body = draws * cost.backbone_flops * (3 if recipe.backbone_factor else 1)
    bank = clips.clips if run.name.has_bank else 0
    return Passes(head + body + bank * cost.backbone_flops, draws + bank)


def pool_bytes(run: Run, clips: KeyFrames, d: int) -> Pool:
    """Ω of these clips; nothing for a run without memory."""
    if run.memory is None:
        return Pool(0, 0)
    row = d * (2 if run.memory.dtype == "float16" else 4)
    places = run.memory.persons_per_clip
    # of a clip's persons, on average; with many persons on some and few on others it is less
    remembered = min(clips.persons, clips.clips * places)
    return Pool(clips.seconds * places * row, remembered * row)


def scoring_work(
    options: argparse.Namespace,
    facts: Facts,
    speeds: Speeds,
    run: Run,
) -> Work:
    """`aia score`: each clip once through the backbone, then IA and the classifier."""
    settings = read_sections(options.settings)["score"]
    store = facts.store(options.frames[0])
    clips = _clips(facts, options.frames, options.annotations, options.excluded)
    cost = network_cost(run, store.size_hw)
    bodies = 2 if run.name.has_bank else 1
    computing = speeds.computing(
        "score",
        clips.clips * (bodies * cost.backbone_flops + cost.head_flops),
        network=run.name.backbone,
        precision=settings["precision"],
    )
    slots = clips.persons + clips.clips * run.network.max_objects
    kept = slots * cost.d * 4 if run.memory else 0  # the features of the first pass
    pool = pool_bytes(run, clips, cost.d)
    return Work(
        start_sec=speeds.start(),
        **computing._asdict(),
        load_sec=speeds.load_sec(store, frames=cost.frames * clips.clips),
        workers=settings["workers"],
        **_where(speeds, 4 * cost.parameters + kept + pool.memory, workers=settings["workers"]),
        disk_bytes=clips.persons * (4 * len(run.classes) + BOX_BYTES),
    )


def cost_work(options: argparse.Namespace, facts: Facts, speeds: Speeds) -> Work:
    """`aia cost`: one forward pass, or training steps by reach (Figure 5)."""
    run = run_of(options)
    short_side = read_sections(options.settings)["frames"]["short_side"]
    cost = network_cost(run, (short_side, short_side * 3 // 2))
    forward = cost.backbone_flops + cost.head_flops
    named = {"network": run.name.backbone, "precision": run.train.precision}
    if options.reaches is None:
        computing = Speeds(speeds.rates, gpu=False).computing("score", forward, **named)
        return Work(start_sec=speeds.start(), **computing._asdict(), **_process(speeds))
    steps = REACH_STEPS * (len(options.reaches) + sum(1 + 2 * reach for reach in options.joint))
    computing = speeds.computing("train", 3 * steps * options.clips * forward, **named)
    longest = max([0, *options.joint])
    saved = options.clips * (1 + 2 * longest) * cost.saved_bytes
    return Work(start_sec=speeds.start(), **computing._asdict(), **_where(speeds, saved))


REACH_STEPS = 5
"""Of each length: three that count, one before them, one for the memory."""


def evaluation_work(options: argparse.Namespace, facts: Facts, speeds: Speeds) -> Work:
    """`aia evaluate ava`: as many boxes as the annotations have, each with all classes."""
    table = facts.all_key_frames(options.groundtruth)
    rows = table.persons * len(CLASSES)
    return Work(
        start_sec=speeds.start("small") + rows / 1e6 / speeds.rates["evaluate"],
        memory_bytes=speeds.rates["memory.small"] * GIGA + 100 * rows,
    )


def run_of(options: argparse.Namespace) -> Run:
    """A command's run."""
    name, settings = parse_run(options.name), read_sections(options.settings)
    return Run.from_settings(name, settings, classes=CLASSES)


def trained_run(model: Path, commands: Iterable[argparse.Namespace]) -> Run:
    """The run of a model: of the command that will train it, or as the file itself says.

    Raises:
        InputError: it is not a model, and nothing will make it.
    """
    for options in commands:
        if options.run.__name__ == "train" and options.output_dir == model.parent:
            return run_of(options)
    try:
        return Run.load(model)
    except InputError as error:
        raise InputError(f"{model}: no planned job trains it ({error})") from None


def _clips(
    facts: Facts, stores: Sequence[Path], annotations: Path, excluded: Path | None
) -> KeyFrames:
    return facts.key_frames(annotations, [path.stem for path in stores], excluded=excluded)


def _where(
    speeds: Speeds,
    computing_bytes: int | float,
    *,
    workers: int = 0,
    processes: int = 1,
    shared_bytes: int | float = 0,
) -> dict[str, Any]:
    """Memory of a node's processes, each of which computes with so many bytes where it computes.

    Args:
        speeds: Of the device.
        computing_bytes: Of each process, on the device.
        workers: Processes that load, for each.
        processes: How many there are.
        shared_bytes: What they have together, on the host.
    """
    process = (speeds.rates["memory.torch"] + workers * speeds.rates["memory.small"]) * GIGA
    if speeds.gpu:
        return {
            "memory_bytes": processes * process + shared_bytes,
            "gpu_bytes": computing_bytes,
        }
    return {"memory_bytes": processes * (process + computing_bytes) + shared_bytes}


def _process(speeds: Speeds) -> dict[str, Any]:
    return {"memory_bytes": speeds.rates["memory.torch"] * GIGA}
