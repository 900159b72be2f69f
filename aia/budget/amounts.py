"""How much work each kind of job is, which follows from its rule and the settings.

A training pass counts as three forward passes of what is trained.
"""

import math
from collections.abc import Callable
from typing import Any

from aia.budget.facts import Clips
from aia.budget.networks import NetworkCost, network_cost
from aia.budget.work import GIGA, OneJob, Work
from aia.plan import resources, view_of
from aia.run import Run
from aia.video.transforms import resize_size_hw

LONGEST = 1333 / 800
"""Longest side of a detector's image, as a multiple of its short side."""
BOX_BYTES = 40
"""Bytes of a row of a table of boxes, or of a score's columns beside the classes."""
FEATURE_BYTES = 2 * 1024
"""Bytes of an object's features from the box head of an FPN detector, in float16."""
REACH_STEPS = 5
"""Steps of each length in Figure 5: three that count, one before them, one for the memory."""

# --- videos, boxes -------------------------------------------------------------------------------


def small(job: OneJob) -> Work:
    """Estimate a job that computes no network: tables, figures, evaluation."""
    return Work(start_sec=job.rates["job.small"], memory=job.rates["memory.small"] * GIGA)


def _fetch(job: OneJob) -> Work:
    size = f"bytes.{job.rule}"
    if size not in job.rates:
        job.note(f"how much {job.rule} downloads is not known")
        return small(job)._replace(download_sec=0.0)
    disk = job.rates[size] * GIGA
    return small(job)._replace(download_sec=disk / (job.rates["download"] * 1e6), disk=disk)


def _draw(job: OneJob) -> Work:
    pixels = len(job.facts.videos) * job.facts.video.pixels
    processes = min(resources.threads(job.rule, job.settings), job.cores)
    return Work(
        start_sec=job.rates["job.frames"],
        core_sec=pixels / 1e6 / job.rates["draw"],
        threads=processes,
        memory=job.rates["memory.small"] * GIGA * processes,
        disk=pixels * job.rates["bytes.drawn"],
    )


def _store_frames(job: OneJob) -> Work:
    """Estimate frame stores: all of a video is decoded, some frames are packed."""
    decoded = len(job.videos) * job.facts.video.pixels
    kept = len(job.videos) * job.facts.store.pixels
    packing = kept / 1e6 / job.rates[f"encode.{job.settings.frames.codec}"]
    return Work(
        start_sec=job.rates["job.frames"] + decoded / 1e6 / job.rates["decode"] + packing,
        memory=job.rates["memory.small"] * GIGA,
        disk=kept * job.facts.bytes_per_pixel,
    )


def _finetune_detector(job: OneJob) -> Work:
    """Estimate fine-tuning; without it the weights are only written."""
    config = job.settings.detector
    if not config.finetune:
        return Work(start_sec=job.rates["job.torch"], **_detector_memory(job))
    detecting = _detecting(job, "finetune", config.steps * config.batch)
    return detecting._replace(disk=0.2 * GIGA if config.model != "small" else 5e6)


def _detect_boxes(job: OneJob) -> Work:
    data, objects = job.facts.data, job.settings.detector.max_objects
    images = boxes = 0.0
    for split in data.videos.splits_of(job.videos[0]):
        clips = job.facts.clips(split)
        share = len(job.videos) / len(data.videos.ids(split))
        images += share * clips.clips
        boxes += share * (clips.persons + clips.clips * objects)
    return _detecting(job, "detect", images)._replace(disk=boxes * BOX_BYTES)


def _extract_objects(job: OneJob) -> Work:
    seconds = len(job.videos) * job.facts.store.seconds
    objects = seconds * job.settings.detector.max_objects
    return _detecting(job, "detect", seconds)._replace(disk=objects * (BOX_BYTES + FEATURE_BYTES))


def _detecting(job: OneJob, stage: str, images: int | float) -> Work:
    """Estimate the detector: its body goes with the pixels, its heads with the proposals."""
    config, passes = job.settings.detector, 3 if stage == "finetune" else 1
    short, long = sorted(job.facts.store.size_hw)
    megapixels = config.short_side**2 * min(long / short, LONGEST) / 1e6
    heads = f"heads.{config.model}"
    heads = heads if heads in job.rates else "heads.other"
    flops = GIGA * (megapixels * job.rates[f"flops.{config.model}"] + job.rates[heads])
    computing = job.computing(stage, passes * images * flops, network=config.model)
    return Work(
        start_sec=job.rates["job.torch"],
        load_sec=job.loading(images),
        **job.on_device(computing),
        **_detector_memory(job),
    )


def _detector_memory(job: OneJob) -> dict[str, Any]:
    large = job.settings.detector.model != "small"
    return job.memory(job.rates["memory.detector"] * GIGA if large else 0.0)


# --- runs ----------------------------------------------------------------------------------------


def _train(job: OneJob) -> Work:
    """Estimate training: steps, the points of the mAP curve, a frozen bank where there is one."""
    run, recipe, node = job.run, job.run.train, job.settings.train
    clips, cost = job.facts.clips("train"), network_cost(job.run, job.facts.store.size_hw)
    draws = recipe.steps * recipe.batch
    seen = clips.clips if run.name.has_bank else 0  # by a frozen bank
    body = (seen + draws * (3 if recipe.backbone_factor else 1)) * cost.backbone_flops
    if recipe.keep_maps:  # the backbone sees each clip once
        body = (seen + min(clips.clips, draws)) * cost.backbone_flops
    validated = 0.0
    if recipe.validate_every:
        points = math.ceil(recipe.steps / recipe.validate_every)
        validated = points * job.facts.clips("val").clips
    named = {"network": run.name.backbone, "precision": recipe.precision}
    computing = job.computing("train", body + 3 * draws * cost.head_flops, **named)
    forward = validated * (cost.backbone_flops + cost.head_flops)
    computing += job.computing("score", forward, **named)

    wanted = node.processes * node.nodes
    if 0 < job.gpus < wanted:
        job.note(
            f"train.processes and train.nodes are for {wanted} GPUs at once, and there are "
            f"{job.gpus}: a run trains on {job.gpus}"
        )
    of_node = resources.started_processes(job.settings, min(wanted, job.gpus))
    processes = of_node * node.nodes
    if processes > 1:
        computing /= job.rates["share.several"]
    states = 1 if recipe.optimizer == "sgd" else 2
    checkpoint = 4 * (cost.parameters + states * cost.trained_parameters)
    saved = recipe.batch * cost.saved_bytes / (2 if job.is_bfloat16(recipe.precision) else 1)
    pool, pool_disk = pool_bytes(run, clips, cost)
    on_device = checkpoint + 4 * cost.trained_parameters + saved / processes
    steps = 0 if run.name.structure == "none" else recipe.steps * job.rates[f"step.{job.device}"]
    kept = recipe.keep_checkpoints
    return Work(
        start_sec=job.rates["job.torch"] + steps,
        load_sec=job.loading(cost.frames * (draws + seen + validated)),
        threads=min(resources.arithmetic_threads(job.settings), job.cores),
        workers=node.workers,
        processes=processes,
        disk=kept * checkpoint
        + (1 if run.name.has_bank else kept) * pool_disk
        + 4 * cost.parameters,
        **job.on_device(computing),
        **job.memory(
            on_device + (pool if processes == 1 else 0),
            workers=node.workers,
            processes=of_node,
            shared=pool if processes > 1 else 0,
        ),
    )


def pool_bytes(run: Run, clips: Clips, cost: NetworkCost) -> tuple[int | float, int | float]:
    """Return Ω's bytes in memory (places for all persons of every clip) and on disk."""
    if run.memory is None:
        return 0.0, 0.0
    row = cost.d * (2 if run.memory.dtype == "float16" else 4)
    places = run.memory.persons_per_clip
    # On average: with many persons on some clips and few on others it is less.
    remembered = min(clips.persons, clips.clips * places)
    return clips.slots * places * row, remembered * row


def _score(job: OneJob) -> Work:
    """Estimate scoring: each clip once through the backbone, then IA and the classifier."""
    run, config = job.run, job.settings.score
    clips = job.facts.clips("test" if job.rule == "score_test" else "val")
    side, _ = view_of(job.wildcards["view"])
    size_hw = job.facts.store.size_hw
    cost = network_cost(run, resize_size_hw(size_hw, side) if side else size_hw)
    bodies = 2 if run.name.has_bank else 1
    flops = clips.clips * (bodies * cost.backbone_flops + cost.head_flops)
    computing = job.computing("score", flops, network=run.name.backbone, precision=config.precision)
    slots = clips.persons + clips.clips * run.network.max_objects
    kept = slots * cost.d * 4 if run.memory else 0  # the features of the first pass
    pool, _ = pool_bytes(run, clips, cost)
    return Work(
        start_sec=job.rates["job.torch"],
        load_sec=job.loading(cost.frames * clips.clips),
        threads=min(job.settings.train.threads, job.cores),
        workers=config.workers,
        disk=clips.persons * (4 * len(run.classes) + BOX_BYTES),
        **job.on_device(computing),
        **job.memory(4 * cost.parameters + kept + pool, workers=config.workers),
    )


def _measure_reach(job: OneJob) -> Work:
    """Estimate the training steps of Figure 5."""
    run, figure, side = job.run, job.settings.figure5, job.settings.frames.short_side
    cost = network_cost(run, (side, side * 3 // 2))
    steps = REACH_STEPS * (len(figure.reaches) + sum(1 + 2 * reach for reach in figure.joint))
    flops = 3 * steps * figure.clips * (cost.backbone_flops + cost.head_flops)
    named = {"network": run.name.backbone, "precision": run.train.precision}
    return Work(
        start_sec=job.rates["job.torch"],
        threads=min(job.settings.train.threads, job.cores),
        **job.on_device(job.computing("train", flops, **named)),
        **job.memory(figure.clips * (1 + 2 * max([0, *figure.joint])) * cost.saved_bytes),
    )


def _with_torch(job: OneJob) -> Work:
    """Estimate a job that starts torch and computes next to nothing."""
    return Work(start_sec=job.rates["job.torch"], memory=job.rates["memory.torch"] * GIGA)


AMOUNTS: dict[str, Callable[[OneJob], Work]] = {
    "draw_playhouse": _draw,
    "draw_playhouse_ucf24": _draw,
    "draw_playhouse_epic": _draw,
    "fetch_ava_film": _fetch,
    "fetch_ucf101_24_films": _fetch,
    "fetch_epic55_film": _fetch,
    "fetch_pets09": _fetch,
    "fetch_detector": _fetch,
    "fetch_weights": _fetch,
    "store_frames": _store_frames,
    "finetune_detector": _finetune_detector,
    "detect_boxes": _detect_boxes,
    "extract_objects": _extract_objects,
    "train": _train,
    "score_detected": _score,
    "score_groundtruth": _score,
    "score_test": _score,
    "measure_cost": _with_torch,
    "measure_drift": _with_torch,
    "measure_reach": _measure_reach,
}
"""How each kind of job is estimated; the others are small."""
