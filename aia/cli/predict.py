"""`aia predict`: from videos or a camera to what each person does."""

import argparse
import contextlib
from pathlib import Path
from typing import Any

from aia import log
from aia.cli.options import add_command, add_options
from aia.errors import InputError

RULES = ("person_threshold", "object_threshold", "fps", "short_side")
"""Options that change what the model's file says."""


def add_parsers(commands: Any) -> None:
    """Add `predict` to the commands of `aia`."""
    command = add_command(commands, "predict", predict, "--device", settings=None)
    videos = (
        "files, folders, patterns, a list (.txt), a camera (0), or an rtsp:// or http:// stream"
    )
    command.add_argument("videos", nargs="+", metavar="VIDEO", help=videos)
    model = "a run's folder, a model.safetensors, or a published checkpoint"
    command.add_argument("--model", required=True, metavar="MODEL", help=model)
    output = "folder that is written (default: predictions)"
    command.add_argument(
        "--output", type=Path, default=Path("predictions"), metavar="DIR", help=output
    )
    command.add_argument("--overwrite", action="store_true", help="files of other calls in it, too")

    seen = command.add_argument_group("what is looked at")
    detector = "a detector's file, or one of torchvision's by name; without: the model's own"
    seen.add_argument("--detector", metavar="FILE|NAME", help=detector)
    seen.add_argument(
        "--per-second", type=float, default=1.0, help="key frames a second (default: 1)"
    )
    track = "frames a second in which persons are followed (default: 5; 0: key frames alone)"
    seen.add_argument("--track-per-second", type=float, metavar="N", help=track)
    seconds = "key frames instead: a second a line for all videos, or video,second"
    seen.add_argument("--seconds", type=Path, metavar="FILE", help=seconds)
    persons = "least score of a person (without: the model's, mostly 0.8)"
    seen.add_argument("--person-threshold", type=float, metavar="SCORE", help=persons)
    objects = "least score of an object (without: the model's, mostly 0.5)"
    seen.add_argument("--object-threshold", type=float, metavar="SCORE", help=objects)
    frames = "frames a second, of a model that does not say its own"
    seen.add_argument("--fps", type=float, help=frames)
    size = "shorter side of a frame in pixels, of a model that does not say its own"
    seen.add_argument("--short-side", type=int, metavar="PIXELS", help=size)
    add_options(seen, "--labels", help="classes (.pbtxt) of a checkpoint that names none")
    network = "run that a checkpoint holds, such as slowfast_r50_4x16-dense-POMPOM-amu"
    seen.add_argument("--network", metavar="RUN", help=network)
    precision = "of the network's arithmetic (default: float32, exact)"
    seen.add_argument(
        "--precision", default="float32", choices=("float32", "bfloat16", "auto"), help=precision
    )
    threads = "on a CPU (default: all cores)"
    seen.add_argument("--threads", type=int, help=threads)

    live = command.add_argument_group("a camera or stream")
    view = "auto (default): a window where there is a screen, else a page on this machine"
    live.add_argument(
        "--view", default="auto", choices=("auto", "window", "page", "none"), help=view
    )
    port = "of the page (default: 8765; 0: any that is free)"
    live.add_argument("--port", type=int, help=port)
    address = "where the page is served (default: 127.0.0.1, for this machine alone)"
    live.add_argument("--address", default="127.0.0.1", help=address)
    play = "play a video file in real time, as a camera of so many frames a second"
    live.add_argument("--play", type=float, metavar="FPS", help=play)
    retries = "connections that are tried once a stream broke off (default: 5)"
    live.add_argument("--reconnect", type=int, default=5, metavar="N", help=retries)
    part = "minutes of scores that one file holds (default: 10)"
    live.add_argument("--part", type=float, default=10.0, metavar="MINUTES", help=part)

    shown = command.add_argument_group("what is written")
    least = "score from which on an action begins and is shown (default: 0.5)"
    shown.add_argument("--action-threshold", type=float, default=0.5, metavar="SCORE", help=least)
    stop = "score below which it ends (default: 0.6 of --action-threshold)"
    shown.add_argument("--stop-below", type=float, metavar="SCORE", help=stop)
    gap = "longest gap within one action, in seconds (default: 1)"
    shown.add_argument("--gap", type=float, default=1.0, metavar="SECONDS", help=gap)
    smooth = "mean of a person's scores over so many seconds (default: none)"
    shown.add_argument("--smooth", type=float, default=0.0, metavar="SECONDS", help=smooth)
    shown.add_argument("--no-film", action="store_true", help="no annotated video")
    shown.add_argument("--no-page", action="store_true", help="no review page")


def predict(options: argparse.Namespace) -> int:
    """Find every person in videos, and write what each does when: video, page, CSV, Parquet."""
    from aia.predict.sources import expand

    _check(options)
    sources = expand(options.videos)  # before torch is loaded: a typing error is told at once
    if options.play is not None or sources[0].kind != "file":
        _check_live(options, len(sources))
    import torch

    from aia.predict.folder import PredictOptions, predict_folder
    from aia.predict.model import load_action_detector
    from aia.tables import read_seconds_by_video
    from aia.train.start import usable_threads

    if options.threads is not None:
        torch.set_num_threads(usable_threads(options.threads))
    changes = {name: getattr(options, name) for name in RULES if getattr(options, name) is not None}
    who = load_action_detector(
        options.model,
        detector=options.detector,
        labels=options.labels,
        network=options.network,
        device=options.device,
        precision=options.precision,
        changes=changes,
    )
    if options.play is not None or sources[0].kind != "file":
        return _watch(who, sources[0], options)
    failed = predict_folder(
        who,
        sources,
        options.output,
        PredictOptions(
            per_sec=options.per_second,
            times_sec=read_seconds_by_video(options.seconds) if options.seconds else {},
            track_per_sec=options.track_per_second,
            start_at=options.action_threshold,
            stop_below=options.stop_below,
            gap_sec=options.gap,
            smooth_sec=options.smooth,
            film=not options.no_film,
            page=not options.no_page,
            overwrite=options.overwrite,
        ),
    )
    log.say(f"{options.output / 'index.html'}: {len(sources) - len(failed)} videos")
    for line in failed:
        log.say(f"failed: {line}")
    return 1 if failed else 0


def _watch(who: Any, source: Any, options: argparse.Namespace) -> int:
    """Watch a camera, a stream, or a file that is played."""
    from aia.predict import feeds
    from aia.predict.viewers import PORT, MjpegServer, Window, has_screen
    from aia.predict.watch import WatchOptions, watch

    if source.kind == "file":
        feed = feeds.playing(source.address, options.play)
    elif source.kind == "camera":
        feed = feeds.camera(source.address)
    else:
        feed = feeds.stream(source.address, retries=options.reconnect)
    view = options.view
    if view == "auto":
        view = "window" if has_screen() else "page"
    with contextlib.ExitStack() as stack:
        viewers: list[Any] = []
        if view == "window":
            viewers.append(stack.enter_context(contextlib.closing(Window(source.id))))
        elif view == "page":
            port = PORT if options.port is None else options.port
            page = stack.enter_context(MjpegServer(source.id, address=options.address, port=port))
            log.say(f"watch it at {page.address}")
            viewers.append(page)
        watch(
            who,
            feed,
            name=source.id,
            output=options.output,
            options=WatchOptions(
                per_sec=options.per_second,
                track_per_sec=options.track_per_second,
                start_at=options.action_threshold,
                stop_below=options.stop_below,
                gap_sec=options.gap,
                part_sec=60 * options.part,
                overwrite=options.overwrite,
            ),
            viewers=viewers,
        )
    return 0


def _check_live(options: argparse.Namespace, sources: int) -> None:
    """Check what only holds of a camera or stream."""
    if sources > 1:
        raise InputError(f"--play: {sources} videos, expected one; it is watched alone")
    for name, given in (("--seconds", options.seconds), ("--smooth", options.smooth)):
        if given:
            raise InputError(f"{name}: needs the whole video, which a camera or stream has not yet")
    if options.play is not None and not 0 < options.play <= 240:
        raise InputError(f"--play: {options.play:g}, expected frames a second, at most 240")
    if options.reconnect < 0:
        raise InputError(f"--reconnect: {options.reconnect}, expected a number, 0 or more")
    if not 0 < options.part < float("inf"):
        raise InputError(f"--part: {options.part:g}, expected minutes, more than 0")


def _check(options: argparse.Namespace) -> None:
    """Check numbers, and set the ones that follow from others."""
    if options.stop_below is None:
        options.stop_below = 0.6 * options.action_threshold
    for name in ("person_threshold", "object_threshold", "action_threshold", "stop_below"):
        value = getattr(options, name)
        if value is not None and not 0 <= value <= 1:
            raise InputError(f"--{name.replace('_', '-')}: {value:g}, expected a score, 0 to 1")
    if options.stop_below > options.action_threshold:
        raise InputError(
            f"--stop-below: {options.stop_below:g} is above --action-threshold "
            f"{options.action_threshold:g}; an action ends where its score falls, not rises"
        )
    if not 0 < options.per_second <= 60:
        raise InputError(f"--per-second: {options.per_second:g}, expected more than 0, at most 60")
    if not 0 <= (options.track_per_second or 0) <= 60:
        raise InputError(f"--track-per-second: {options.track_per_second:g}, expected 0 to 60")
    for name in ("gap", "smooth"):
        if not 0 <= getattr(options, name) < float("inf"):
            raise InputError(f"--{name}: {getattr(options, name):g}, expected seconds, 0 or more")
