"""Training run from its files to its published weights, for `aia train`.

The work folder holds the checkpoints. Outputs are published at the very end, the model last, so
that a model is always one of a finished run. An interrupted run resumes from its checkpoint and
ends with the same weights: bit for bit in one process on a CPU (same machine, same number of
threads), up to rounding on GPUs and in several processes.
"""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from aia.clip import Batch, ClipSample
from aia.config import TrainConfig, dump_yaml
from aia.datasets.ava import seconds_of
from aia.datasets.loader import ClipFrames, StepSampler, scoring_batches, training_batches
from aia.errors import InputError
from aia.files import write_text
from aia.log import Pace, progress, say
from aia.memory import Memory, ObjectBank, PersonDraws, build_memory
from aia.network import Network, arithmetic
from aia.ranks import SINGLE_PROCESS, Ranks
from aia.run import ObjectsSeen, Run
from aia.train import checkpoint
from aia.train.bank import fill_bank, prepare_bank
from aia.train.loop import Loss, Start, Step, train
from aia.train.loss import action_loss
from aia.train.metrics import Metrics
from aia.train.schedule import build_optimizer, rate_share
from aia.train.start import pick_device, starting_network, usable_threads
from aia.train.trackers import open_trackers
from aia.video.store import FrameStore


def train_run(
    run: Run,
    *,
    clips: Sequence[ClipSample],
    stores: Mapping[str, FrameStore],
    init: Path | None,
    data_digests: Mapping[str, str],
    work: Path,
    output: Path,
    validate: Callable[[Network], float] | None = None,
    bank: ObjectBank | None = None,
    sources: Mapping[str, str] | None = None,
    trackers: Sequence[str] = (),
    ranks: Ranks = SINGLE_PROCESS,
) -> None:
    """Train the run, resuming from the work folder's checkpoint if there is one.

    Args:
        run: Run to train.
        clips: Training clips; those without a person are left out.
        stores: Frames of every video.
        init: Weights that the backbone begins with; None: none, or those of its own section.
        data_digests: Content of all inputs; a change makes it another run.
        work: Folder of the checkpoints.
        output: Folder that gets model.safetensors, metrics.jsonl and config.yaml.
        validate: Function that computes the mAP for the curve, every `validate_every` steps.
        bank: Memory of a run that remembers objects.
        sources: Digests of the files that the inputs were prepared from (see `open_work_dir`).
        trackers: Programs that get the metrics, too (see trackers.py).
        ranks: The processes that train it together; each calls this.
    """
    config = run.train
    device = pick_device(config.device, ranks)
    threads = max(config.threads // ranks.local_count, 1)
    torch.set_num_threads(usable_threads(threads))
    clips = [clip for clip in clips if clip.queries]
    _refuse_impossible(run, clips, ranks)
    if bank is not None:
        seen = ObjectsSeen(bank.pool.d, bank.detector)
        run = dataclasses.replace(run, objects_seen=seen)
    network = starting_network(run, init=init, device=device, ranks=ranks)
    memory = _memory_of(run, clips, d=network.d, device=device, bank=bank, ranks=ranks)
    with checkpoint.exclusive_lock(work) if ranks.first else contextlib.nullcontext() as lock:
        writer = metrics = None
        if lock is not None:
            fingerprint = {"run": run.identity(), "data": dict(sorted(data_digests.items()))}
            writer = checkpoint.Writer(
                work,
                run=checkpoint.open_work_dir(work, fingerprint, sources=sources),
                lock=lock,
                keep=config.keep_checkpoints,
            )
        optimizer = build_optimizer(network, config)
        saved: dict[str, Any] = {
            "network": network,
            "optimizer": optimizer,
            "pool": memory.state,  # a bank lies beside the checkpoints
        }
        start = checkpoint.resume(work, **saved, device=device, ranks=ranks)
        _say_beginning(run, clips, network, memory, start.step, ranks)
        frames = functools.partial(
            ClipFrames,
            clips=clips,
            stores=stores,
            span=run.backbone.span,
            strides=run.backbone.strides,
        )
        if memory.filled_first and start.step < config.steps:
            fill = functools.partial(_fill, run, network, memory, frames, ranks)
            prepare_bank(work, memory, fill, lock=lock, ranks=ranks)
        if config.keep_maps and start.step < config.steps:
            _keep_maps(run, network, clips, frames)
        if writer is not None:
            metrics = Metrics(
                work / "metrics.jsonl",
                run=run.name,
                before=start.metrics,
                trackers=open_trackers(
                    trackers if start.step < config.steps else (),
                    run=str(run.name),
                    folder=work,
                    after=start.step,
                ),
            )
        steps = train(
            network=network,
            memory=memory,
            batches=_batches(run, clips, frames, first=start.step + 1, ranks=ranks),
            loss_of=_loss_of(run),
            optimizer=optimizer,
            rate_at=lambda step: config.learning_rate * rate_share(step, config),
            seed=run.name.seed,
            clip_norm=config.clip_norm,
            precision=config.precision,
            start=Start(start.step, start.err),
            ranks=ranks,
            batch_size=config.batch,
        )
        _record(
            steps,
            config=config,
            pace=Pace(total=config.steps, done=start.step),
            metrics=metrics,
            save=functools.partial(writer.save, **saved) if writer else None,
            validate=functools.partial(validate, network) if validate else None,
            flush=memory.flush,
            ranks=ranks,
        )
        if lock is not None and writer is not None and metrics is not None:
            writer.finish()
            lock.check()
            publish(run, network, metrics=metrics.text, output=output)
        ranks.barrier()


def _memory_of(
    run: Run,
    clips: Sequence[ClipSample],
    *,
    d: int,
    device: torch.device,
    bank: ObjectBank | None,
    ranks: Ranks,
) -> Memory:
    """Build the memory of a run that trains on these clips."""
    config = run.train
    return build_memory(
        run.name,
        run.memory,
        seconds=seconds_of(clips),
        d=d,
        device=device,
        draws=PersonDraws(
            run.name.seed, batch_size=config.batch, max_persons=config.max_persons, ranks=ranks
        ),
        objects=bank,
        ranks=ranks,
    )


def _fill(
    run: Run, network: Network, memory: Memory, frames: Callable[..., ClipFrames], ranks: Ranks
) -> None:
    """Fill a frozen bank with the persons of every clip."""
    config = run.train
    every = scoring_batches(frames(), batch=config.batch, workers=config.workers, ranks=ranks)
    fill_bank(network, memory, every, precision=config.precision)


def _keep_maps(
    run: Run, network: Network, clips: Sequence[ClipSample], frames: Callable[..., ClipFrames]
) -> None:
    """Keep the maps of every clip, at all times where it may lie; each process keeps them all."""
    config, device = run.train, next(network.parameters()).device
    places = [place for clip in clips for place in clip.places or (clip,)]
    every = scoring_batches(frames(clips=places), batch=config.batch, workers=config.workers)
    network.eval()
    for batch in progress(every, what="feature maps, batch", total=len(every)):
        with arithmetic(device, config.precision):
            network.keep_maps(batch.to(device))


def _refuse_impossible(run: Run, clips: Sequence[ClipSample], ranks: Ranks) -> None:
    """Raise an InputError for a run that cannot be trained from its inputs."""
    if not clips:
        raise InputError("the annotations hold no person at all; is it the right file?")
    run.check_queries(clips)
    if run.train.batch < ranks.count:
        raise InputError(
            f"train.batch = {run.train.batch} is shared by {ranks.count} processes; expected at "
            "least a clip for each"
        )


def publish(run: Run, network: Network, *, metrics: str, output: Path) -> None:
    """Write the finished run's files, the model last."""
    write_text(output / "config.yaml", dump_yaml(run.to_json()))
    write_text(output / "metrics.jsonl", metrics)
    points = [
        line["val_map"] for line in map(json.loads, metrics.splitlines()) if "val_map" in line
    ]
    if points:
        run = dataclasses.replace(run, numbers={"frame mAP, annotated persons": points[-1]})
    run.write(output / "model.safetensors", network.state_dict())


def _say_beginning(
    run: Run,
    clips: Sequence[ClipSample],
    network: Network,
    memory: Memory,
    step: int,
    ranks: Ranks,
) -> None:
    """Log what will be trained, in a few lines."""
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    persons = sum(clip.queries for clip in clips)
    trained = f"{parameters / 1e6:.2f} M trained parameters"
    say(f"{run.name}: {trained}, {len(clips)} clips, {persons} persons")
    if ranks.count > 1:
        say(f"{run.name}: {ranks.count} processes on {ranks.nodes} node{'s' * (ranks.nodes > 1)}")
    if memory.pool is not None:
        size_mb = memory.pool.features.nbytes / 1e6
        say(f"{run.name}: memory pool of {size_mb:.1f} MB")
    if step:
        say(f"{run.name}: resuming after step {step}")


def _record(
    steps: Iterable[Step],
    *,
    config: TrainConfig,
    pace: Pace,
    metrics: Metrics | None,
    save: Callable[..., None] | None,
    validate: Callable[[], float] | None,
    flush: Callable[[], None],
    ranks: Ranks,
) -> None:
    """Run all steps, with metrics, validation and checkpoints at their intervals.

    Args:
        steps: Steps of Algorithm 1, which train when they are iterated.
        config: Intervals.
        pace: Pace of the steps.
        metrics: Log of the steps, in the first process.
        save: Function that starts writing a checkpoint, in the first process.
        validate: Function that computes the frame mAP.
        flush: Function that makes pending writes to Ω visible.
        ranks: The processes that train together.
    """
    with contextlib.closing(metrics) if metrics else contextlib.nullcontext():
        for step in steps:
            last = step.number == config.steps
            if metrics and (step.number % config.log_every == 0 or last or step.number == 1):
                metrics.write(step, pace)
                if pace.due() or last:
                    say(metrics.line(step, config.steps, pace))
            every = config.validate_every
            if validate and every and (step.number % every == 0 or last):
                if metrics:
                    metrics.validated(step.number, validate())
                ranks.barrier()
            if step.number % config.checkpoint_every == 0 or last:
                flush()
                if metrics and save:
                    metrics.flush()
                    save(step=step.number, err=step.loss, metrics=metrics.text)
                ranks.barrier()  # the disk may be slow, and NCCL's timeout is minutes


def _batches(
    run: Run,
    clips: Sequence[ClipSample],
    frames: Callable[..., ClipFrames],
    *,
    first: int,
    ranks: Ranks,
) -> Iterable[Batch]:
    """Load this process's share of each step's clips, from step `first` on."""
    config = run.train
    sampler = StepSampler(
        clips,
        batch=config.batch,
        steps=config.steps,
        seed=run.name.seed,
        balance=config.balance,
        first=first,
        share=ranks.share(config.batch),
    )
    augmented = frames(
        jitter=config.jitter,
        flip=config.flip,
        colour_jitter=config.colour_jitter,
        slow_jitter=config.slow_jitter,
        max_persons=config.max_persons,
        read=not config.keep_maps,
    )
    return training_batches(augmented, sampler, workers=config.workers)


def _loss_of(run: Run) -> Loss:
    """Bind the run's settings to the loss."""
    return functools.partial(
        action_loss,
        kind=run.loss.kind,
        gamma=run.loss.focal_gamma,
        missing_pose=run.loss.missing_pose,
        groups=run.classes.groups,
        group_weights=run.loss.group_weights,
    )
