"""One training run from its files to its published weights: what `aia train` does.

The work folder holds the checkpoints. Outputs are published at the very end, the model last, so
that whoever sees a model sees a finished run; a run that was killed goes on from its checkpoint
and ends with the same weights: bit for bit in one process on a CPU (same machine, same number of
threads), up to rounding on GPUs and in several processes.
"""

import contextlib
import dataclasses
import functools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml

from aia.clip import ClipSample
from aia.config import MACHINE_SETTINGS, RunName
from aia.datasets.loader import ClipFrames, StepSampler, training_batches
from aia.errors import InputError
from aia.files import write_text
from aia.labels import ClassList
from aia.log import Pace, say
from aia.memory import FeaturePool, ObjectBank
from aia.network import Network
from aia.ranks import ALONE, Ranks
from aia.tensors import write_tensors
from aia.train import checkpoint
from aia.train.bank import prepare_bank
from aia.train.loop import Step, train
from aia.train.loss import action_loss
from aia.train.metrics import Metrics
from aia.train.schedule import build_optimizer, rate_share
from aia.train.start import Sections, empty_pool, pick_device, starting_network, usable_threads
from aia.video.store import FrameStore


def train_run(
    *,
    run: RunName,
    sections: Sections,
    clips: Sequence[ClipSample],
    stores: Mapping[str, FrameStore],
    labels: ClassList,
    init: Path | None,
    data_digests: Mapping[str, str],
    work: Path,
    output: Path,
    validate: Callable[[Network], float] | None = None,
    bank: ObjectBank | None = None,
    ranks: Ranks = ALONE,
) -> None:
    """Train the run, going on from the work folder's checkpoint where there is one.

    Args:
        run: Its name.
        sections: Its settings.
        clips: What it learns from; clips without a person are left out.
        stores: Frames of every video.
        labels: The classes.
        init: Weights that the backbone begins with; None: none, or those of its own section.
        data_digests: Content of all inputs; a change makes it another run.
        work: Where checkpoints live.
        output: Folder that gets model.safetensors, metrics.jsonl and config.yaml.
        validate: Gives the mAP for the curve, every `validate_every` steps.
        bank: The memory of a run that remembers objects.
        ranks: The processes that train it together; each calls this.
    """
    device = pick_device(sections.train.device, ranks)
    threads = max(sections.train.threads // ranks.local_count, 1)
    torch.set_num_threads(usable_threads(threads))
    clips = [clip for clip in clips if len(clip.persons_xyxy)]
    given = Given(run, sections, clips, stores, labels, work, device, validate, ranks)
    _refuse_impossible(given, bank)
    described = describe_run(run, sections, labels)
    if bank is not None:
        described["objects_seen"] = {"channels": bank.pool.d, "detector": bank.detector}
    network = starting_network(
        run,
        sections,
        classes=len(labels),
        d_memory=bank.pool.d if bank is not None else None,
        init=init,
        device=device,
        ranks=ranks,
    )
    with checkpoint.only_one(work) if ranks.first else contextlib.nullcontext() as lock:
        writer = None
        if lock is not None:
            identity = described | {"train": _without_machine(described["train"])}
            fingerprint = {"run": identity, "data": dict(sorted(data_digests.items()))}
            writer = checkpoint.Writer(
                work,
                run=checkpoint.claim(work, fingerprint),
                lock=lock,
                keep=sections.train.keep_checkpoints,
            )
        pool = bank.pool if bank is not None else None
        if network.remembers and bank is None:
            pool = empty_pool(clips, network, sections.memory, device, ranks)
        optimizer = build_optimizer(network, sections.train)
        start = checkpoint.resume(
            work,
            network=network,
            optimizer=optimizer,
            pool=pool if run.memory == "amu" else None,
            device=device,
            ranks=ranks,
        )
        _say_beginning(given, network, pool, start.step)
        if run.memory == "frozen" and start.step < sections.train.steps:
            assert pool is not None
            prepare_bank(
                work,
                network=network,
                pool=pool,
                frames=ClipFrames(**_seen(given)),
                batch=sections.train.batch,
                workers=sections.train.workers,
                precision=sections.train.precision,
                device=device,
                lock=lock,
                ranks=ranks,
            )
        metrics = _optimise(given, network, pool, optimizer, start, writer)
        if lock is not None:
            lock.check()
            publish(network, described, metrics=metrics, output=output)
        ranks.wait()


class Given(NamedTuple):
    """What a run is trained with; see `train_run`."""

    run: RunName
    sections: Sections
    clips: Sequence[ClipSample]
    """Each with a person."""
    stores: Mapping[str, FrameStore]
    labels: ClassList
    work: Path
    device: torch.device
    validate: Callable[[Network], float] | None
    ranks: Ranks


def _refuse_impossible(given: Given, bank: ObjectBank | None) -> None:
    """Raise an InputError for a run that cannot be trained from what it is given."""
    if not given.clips:
        raise InputError("the annotations hold no person at all; is it the right file?")
    batch, count = given.sections.train.batch, given.ranks.count
    if batch < count:
        raise InputError(
            f"train.batch = {batch} is shared by {count} processes; expected at least a clip for "
            "each"
        )
    if (given.run.memory == "objects") != (bank is not None):
        raise InputError(
            f"{given.run}: a memory of objects needs what the detector saw of them "
            "(--object-features), and nothing else does"
        )


def publish(network: Network, described: dict[str, Any], *, metrics: str, output: Path) -> None:
    """Put the finished run's files in place, the model last."""
    write_text(output / "config.yaml", yaml.safe_dump(described, sort_keys=False))
    write_text(output / "metrics.jsonl", metrics)
    write_tensors(output / "model.safetensors", network.state_dict(), entry="run", about=described)


def describe_run(run: RunName, sections: Sections, labels: ClassList) -> dict[str, Any]:
    """What a run is made of, as plain values: enough to build its network again."""
    return {
        "run": str(run),
        "classes": {
            "ids": list(labels.ids),
            "names": list(labels.names),
            "groups": list(labels.groups),
        },
        **{
            name: None if part is None else json.loads(json.dumps(dataclasses.asdict(part)))
            for name, part in sections._asdict().items()
        },
    }


def _without_machine(section: Mapping[str, Any]) -> dict[str, Any]:
    """The training recipe without what a run may change when it goes on."""
    return {name: value for name, value in section.items() if name not in MACHINE_SETTINGS["train"]}


def _say_beginning(given: Given, network: Network, pool: FeaturePool | None, step: int) -> None:
    """Tell what will be trained, in a few lines."""
    run, ranks = given.run, given.ranks
    parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
    persons = sum(len(clip.persons_xyxy) for clip in given.clips)
    trained = f"{parameters / 1e6:.2f} M trained parameters"
    say(f"{run}: {trained}, {len(given.clips)} clips, {persons} persons")
    if ranks.count > 1:
        say(f"{run}: {ranks.count} processes on {ranks.nodes} node{'s' * (ranks.nodes > 1)}")
    if pool is not None:
        size_mb = pool.features.numel() * pool.features.element_size() / 1e6
        say(f"{run}: memory pool of {size_mb:.1f} MB")
    if step:
        say(f"{run}: going on after step {step}")


def _optimise(
    given: Given,
    network: Network,
    pool: FeaturePool | None,
    optimizer: torch.optim.Optimizer,
    start: checkpoint.Resumed,
    writer: checkpoint.Writer | None,
) -> str:
    """Run Algorithm 1 to its last step, with checkpoints and a line of metrics now and then.

    Args:
        given: What is trained with what.
        network: N.
        pool: Ω.
        optimizer: Of N.
        start: Where the run goes on.
        writer: Of the checkpoints, in the first process.

    Returns:
        The lines of metrics.jsonl, in the first process.
    """
    config, ranks = given.sections.train, given.ranks
    metrics = None
    if writer is not None:
        metrics = Metrics(given.work / "metrics.jsonl", run=given.run, before=start.metrics)
    pace = Pace(total=config.steps, done=start.step)
    with contextlib.closing(metrics) if metrics else contextlib.nullcontext():
        for step in _steps(given, network, pool, optimizer, start):
            last = step.number == config.steps
            if metrics and (step.number % config.log_every == 0 or last or step.number == 1):
                metrics.write(step, pace)
                if pace.due() or last:
                    say(metrics.line(step, config.steps, pace))
            if (
                given.validate
                and config.validate_every
                and (step.number % config.validate_every == 0 or last)
            ):
                if metrics:
                    metrics.validated(step.number, given.validate(network))
                ranks.wait()
            if step.number % config.checkpoint_every == 0 or last:
                if pool is not None:
                    pool.settle()  # what all have written
                if metrics and writer:
                    metrics.flush()
                    writer.save(
                        step=step.number,
                        network=network,
                        optimizer=optimizer,
                        # a bank stands beside the checkpoints
                        pool=pool if given.run.memory == "amu" else None,
                        err=step.loss,
                        metrics=metrics.text,
                    )
                ranks.wait()  # the disk may be slow, and NCCL waits for minutes only
        if writer:
            writer.finish()
    return metrics.text if metrics else ""


def _steps(
    given: Given,
    network: Network,
    pool: FeaturePool | None,
    optimizer: torch.optim.Optimizer,
    start: checkpoint.Resumed,
) -> Iterator[Step]:
    """Algorithm 1 with the run's settings, from the step after `start` on."""
    config, memory, loss = given.sections.train, given.sections.memory, given.sections.loss
    run, ranks = given.run, given.ranks
    sampler = StepSampler(
        given.clips,
        batch=config.batch,
        steps=config.steps,
        seed=run.seed,
        balance=config.balance,
        first=start.step + 1,
        share=ranks.share(config.batch),
    )
    frames = ClipFrames(
        **_seen(given),
        jitter=config.jitter,
        flip=config.flip,
        colour_jitter=config.colour_jitter,
        slow_jitter=config.slow_jitter,
        max_persons=config.max_persons,
    )
    loss_of = functools.partial(
        action_loss,
        kind=loss.kind,
        gamma=loss.focal_gamma,
        missing_pose=loss.missing_pose,
        groups=given.labels.groups,
        group_weights=loss.group_weights,
    )
    return train(
        network=network,
        pool=pool,
        batches=training_batches(frames, sampler, workers=config.workers),
        loss_of=loss_of,
        optimizer=optimizer,
        rate_at=lambda step: config.learning_rate * rate_share(step, config),
        reach=memory.reach if memory else 0,
        penalty=memory.penalty if memory else False,
        seed=run.seed,
        clip_norm=config.clip_norm,
        device=given.device,
        precision=config.precision,
        first_step=start.step + 1,
        err=start.err,
        frozen=run.memory == "frozen",
        objects=run.memory == "objects",
        ranks=ranks,
        batch_size=config.batch,
        max_persons=config.max_persons,
    )


def _seen(given: Given) -> dict[str, Any]:
    """What `ClipFrames` needs to know of the clips, whatever is done to them."""
    backbone = given.sections.backbone
    return {
        "clips": given.clips,
        "stores": given.stores,
        "span": backbone.span,
        "strides": backbone.strides,
    }
