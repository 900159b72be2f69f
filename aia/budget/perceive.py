"""What the commands of stage 1 take: drawing, frame stores, detector, boxes."""

import argparse
import math
from typing import Any

from aia.budget.facts import NO_KEY_FRAMES, Facts, StoreFacts
from aia.budget.speeds import GIGA, Speeds, Work
from aia.config import read_sections

LONGEST = 1333 / 800
"""Of a detector's picture, as a multiple of its short side."""
JPEG_QUALITIES = (75, 85, 90, 95)
"""Whose bytes were measured."""


def drawing_work(options: argparse.Namespace, facts: Facts, speeds: Speeds) -> Work:
    """`aia playhouse`."""
    config = read_sections(options.settings)["playhouse"]
    films = config["train_films"] + config["val_films"]
    pixels = films * config["seconds"] * config["fps"] * math.prod(config["size_hw"])
    return Work(
        start_sec=speeds.start("frames"),
        core_sec=pixels / 1e6 / speeds.rates["draw"],
        memory_bytes=speeds.rates["memory.small"] * GIGA * options.processes,
        disk_bytes=pixels * speeds.rates["bytes.drawn"],
    )


def storing_work(options: argparse.Namespace, facts: Facts, speeds: Speeds) -> Work:
    """`aia frames`: all of a film is decoded, some frames are packed."""
    film, store = facts.film(options.film), facts.store(options.output)
    decoded = film.seconds * film.fps * math.prod(film.size_hw) / 1e6
    kept = store.seconds * store.fps * math.prod(store.size_hw)
    rates = speeds.rates
    return Work(
        start_sec=speeds.start("frames")
        + decoded / rates["decode"]
        + kept / 1e6 / rates[f"encode.{store.codec}"],
        memory_bytes=rates["memory.small"] * GIGA,
        disk_bytes=kept * bytes_per_pixel(store, speeds),
    )


def bytes_per_pixel(store: StoreFacts, speeds: Speeds) -> float:
    """Of a frame store; JPEG's grow with its quality."""
    if store.drawn:
        return speeds.rates[f"bytes.{store.codec}.drawn"]
    if store.codec != "jpeg":
        return speeds.rates[f"bytes.{store.codec}"]
    near = min(JPEG_QUALITIES, key=lambda quality: abs(quality - store.quality))
    return speeds.rates[f"bytes.jpeg{near}"]


def finetuning_work(options: argparse.Namespace, facts: Facts, speeds: Speeds) -> Work:
    """`aia finetune-detector`; without fine-tuning its weights are only written."""
    config = read_sections(options.settings)["detector"]
    start = Work(start_sec=speeds.start(), **_memory(config, speeds))
    if not config["finetune"]:
        return start
    store = facts.store(options.frames[0])
    images = config["steps"] * config["batch"]
    computing = speeds.computing(
        "finetune",
        3 * images * detector_flops(config, store, speeds),
        network=config["model"],
        precision="float32",
    )
    return Work(
        start_sec=start.start_sec,
        load_sec=speeds.load_sec(store, frames=images),
        **computing._asdict(),
        **_memory(config, speeds),
        disk_bytes=0.2 * GIGA if config["model"] != "small" else 5e6,
    )


def detecting_work(options: argparse.Namespace, facts: Facts, speeds: Speeds) -> Work:
    """`aia detect`: one image a key frame."""
    config = read_sections(options.settings)["detector"]
    store, video = facts.store(options.frames), options.frames.stem
    tables = [*options.annotations, *options.segments]
    frames = [facts.key_frames(path, [video]) for path in tables] or [NO_KEY_FRAMES]
    images, persons = (sum(part) for part in list(zip(*frames, strict=True))[:2])
    computing = speeds.computing(
        "detect",
        images * detector_flops(config, store, speeds),
        network=config["model"],
        precision="float32",
    )
    return Work(
        start_sec=speeds.start(),
        load_sec=speeds.load_sec(store, frames=images),
        **computing._asdict(),
        **_memory(config, speeds),
        disk_bytes=(persons + images * config["max_objects"]) * BOX_BYTES,
    )


def remembering_work(options: argparse.Namespace, facts: Facts, speeds: Speeds) -> Work:
    """`aia remember-objects`: one image a second."""
    config = read_sections(options.settings)["detector"]
    store = facts.store(options.frames)
    images = round(store.seconds)
    computing = speeds.computing(
        "detect",
        images * detector_flops(config, store, speeds),
        network=config["model"],
        precision="float32",
    )
    return Work(
        start_sec=speeds.start(),
        load_sec=speeds.load_sec(store, frames=images),
        **computing._asdict(),
        **_memory(config, speeds),
        disk_bytes=images * config["max_objects"] * (BOX_BYTES + FEATURE_BYTES),
    )


FEATURE_BYTES = 2 * 1024
"""Of an object, as the box head of an FPN detector sees it, in float16."""
BOX_BYTES = 40
"""Of a row of a table of boxes, or of a score's columns beside the classes."""


def detector_flops(config: dict[str, Any], store: StoreFacts, speeds: Speeds) -> float:
    """Operations of one image: its body goes with the pixels, its heads with the proposals."""
    short, long = sorted(store.size_hw)
    side = config["short_side"]
    megapixels = side * min(side * long / short, side * LONGEST) / 1e6
    model = config["model"]
    heads = speeds.rates.first(f"heads.{model}", "heads.other")
    return GIGA * (megapixels * speeds.rates[f"flops.{model}"] + heads)


def _memory(config: dict[str, Any], speeds: Speeds) -> dict[str, Any]:
    large = 0.0 if config["model"] == "small" else speeds.rates["memory.detector"] * GIGA
    process = speeds.rates["memory.torch"] * GIGA
    if speeds.gpu:
        return {"memory_bytes": process, "gpu_bytes": large}
    return {"memory_bytes": process + large}
