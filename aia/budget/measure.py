"""The rates that matter most, measured on this machine with the data and networks of a plan.

Films and frame stores: half a minute of a planned film, or of one that is drawn where none is there
yet. Networks: each planned backbone without interaction, and the planned detector, on noise of the
size of the data set's frames. It takes about a minute.
"""

import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from aia.budget.facts import Facts, StoreFacts
from aia.budget.jobs import Job, Parse, options_of
from aia.budget.networks import CLASSES, network_cost
from aia.budget.perceive import detector_flops
from aia.budget.rates import Rate, Rates
from aia.budget.speeds import GIGA, Speeds
from aia.config import (
    FramesConfig,
    PlayhouseConfig,
    build_section,
    parse_run,
    read_sections,
)
from aia.detect.model import build_detector
from aia.detect.predict import detect_frames
from aia.log import say
from aia.playhouse import draw_playhouse
from aia.run import Run
from aia.train.cost import Problem, Work, median_times
from aia.train.start import pick_device
from aia.video.decode import VideoFile, open_container
from aia.video.store import FrameStore, make_store

FILM_SEC = 30.0
"""As much of a film is decoded."""
STEP_FLOPS = 1e12
"""About as many operations has a training step that is timed; on a GPU it has the run's batch."""
SPAN = 64
"""Frames of a window that is read; every second one."""


def measured_rates(jobs: Sequence[Job], *, parse: Parse, rates: Rates) -> dict[str, Rate]:
    """Rates of this machine, for what is planned.

    Args:
        jobs: The plan.
        parse: Reads the words of an `aia` command.
        rates: For the units, and for what films are like that are not there.
    """
    options = [one for one in (options_of(job, parse) for job in jobs) if one is not None]
    facts = Facts(options, rates)
    device = pick_device("auto")
    kind = "gpu" if device.type == "cuda" else "cpu"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # rates are of one core
    found: dict[str, float] = {}
    storing = [one for one in options if one.run.__name__ == "frames"]
    stores = [facts.store(one.output) for one in storing[:1]]
    if storing:
        raw = read_sections(storing[0].settings)["frames"]
        found |= _film_rates(storing[0].film, build_section(FramesConfig, raw, "frames"))
    for one in options:
        if one.run.__name__ in ("train", "detect"):
            stores = stores or [facts.store(np.atleast_1d(one.frames)[0])]
        if one.run.__name__ == "train":
            run = parse_run(one.name)
            if f"train.{kind}.{run.backbone}" not in found:
                found |= _network_rates(one.name, one.settings, stores[0], kind, device)
        elif one.run.__name__ == "detect":
            config = read_sections(one.settings)["detector"]
            if f"detect.{kind}.{config['model']}" not in found:
                speeds = Speeds(rates, gpu=kind == "gpu")
                found |= _detector_rates(config, stores[0], speeds, device)
    torch.set_num_threads(threads)
    where = torch.cuda.get_device_name() if kind == "gpu" else "a core of this machine's CPU"
    named = {}
    for name, value in found.items():
        on = where if f".{kind}." in name else "a core of this machine's CPU"
        known = rates.known.get(name) or rates.known.get(name.rpartition(".")[0])
        unit = known.unit if known else "GFLOP/s"
        named[name] = Rate(value=value, unit=unit, source=f"measured here by --measure, on {on}")
        say(f"measured: {name} {value:.4g} {unit}")
    return named


def _seconds(work: Work, device: torch.device) -> float:
    """Of a GPU; or of the CPU that this process had, whatever else the machine does."""
    if device.type == "cuda":
        grad = torch.is_grad_enabled()
        return median_times({"": work}, device=device, rounds=3, grad=grad)[""]
    taken = []
    for _ in range(3):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def _film_rates(film: Path, config: FramesConfig) -> dict[str, float]:
    """`decode`, `encode` and `load` of half a minute of a film."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cut = folder / "cut.mkv"
        if film.is_file() and film.stat().st_size:
            _cut(film, cut)
        else:
            say(f"{film} is not there yet: films of Playhouse are measured instead")
            drawn = PlayhouseConfig(
                form="ava",
                seed=0,
                train_films=1,
                val_films=1,
                seconds=20,
                fps=8,
                size_hw=(112, 160),
            )
            draw_playhouse(folder, config=drawn, processes=1)
            cut = next((folder / "films").glob("*.mp4"))
        source = VideoFile(cut)
        start = time.process_time()
        source.count_frames()
        decoding = max(time.process_time() - start, 1e-9)
        start = time.process_time()
        info = make_store(cut, folder / "store.h5", config=config)
        storing = max(time.process_time() - start - decoding, 1e-9)
        pixels = math.prod(info.size_hw) / 1e6
        store, random = FrameStore(folder / "store.h5"), np.random.default_rng(0)
        span = min(SPAN, len(store))
        windows = random.integers(0, len(store) - span + 1, 20)
        start = time.process_time()
        for first in windows:
            store.read(range(first, first + span, 2))
        loading = max(time.process_time() - start, 1e-9)
        loaded = len(windows) * len(range(0, span, 2)) * pixels
        return {
            "decode": source.source_frames * math.prod(source.size_hw) / 1e6 / decoding,
            f"encode.{config.codec}": info.frames * pixels / storing,
            f"load.{config.codec}": loaded / loading,
        }


def _cut(film: Path, output: Path) -> None:
    """The beginning of a film, as it is packed."""
    with open_container(film) as source, av.open(str(output), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is None:
                continue
            if float(packet.dts * packet.time_base) > FILM_SEC:
                break
            packet.stream = copy
            target.mux(packet)


def _network_rates(
    name: str, settings: str, store: StoreFacts, kind: str, device: torch.device
) -> dict[str, float]:
    """`train` and `score` of a run's backbone, without interaction."""
    run = Run.from_settings(parse_run(name), read_sections(settings), classes=CLASSES)
    run = replace(
        run,
        name=run.name._replace(structure="none", blocks="", memory="none"),
        memory=None,
        train=replace(run.train, keep_maps=False),  # or a second step has no body
    )
    cost = network_cost(run, store.size_hw)
    forward = cost.backbone_flops + cost.head_flops
    passes = 3 if run.train.backbone_factor else 1
    flops = passes * cost.backbone_flops + 3 * cost.head_flops
    clips = run.train.batch
    if kind == "cpu":
        clips = max(1, min(clips, int(STEP_FLOPS / flops)))
    problem = Problem(
        run, clips=clips, size_hw=store.size_hw, device=device, precision=run.train.precision
    )
    step = _seconds(problem.step(), device)
    with torch.no_grad():
        score = _seconds(problem.scores, device)
    return {
        f"train.{kind}.{run.name.backbone}": clips * flops / GIGA / step,
        f"score.{kind}.{run.name.backbone}": clips * forward / GIGA / score,
    }


def _detector_rates(
    config: dict[str, Any], store: StoreFacts, speeds: Speeds, device: torch.device
) -> dict[str, float]:
    """`detect`, on noise and with fresh weights."""
    detector = build_detector(
        config["model"], classes=config["classes"], short_side=config["short_side"]
    ).to(device)
    noise = np.random.default_rng(0).integers(0, 256, (2, *store.size_hw, 3), dtype=np.uint8)
    seconds = _seconds(lambda: detect_frames(detector, noise), device)
    flops = len(noise) * detector_flops(config, store, speeds)
    return {f"detect.{speeds.device}.{config['model']}": flops / GIGA / seconds}
