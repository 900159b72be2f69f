"""Options that commands share, and the settings that they are given."""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from aia.config import build_section, parse_run, read_sections, settings_folder
from aia.files import file_digest, write_text

PROTOCOLS = ("paper", "activitynet", "slowfast", "mmaction", "acar")

_FILES: dict[str, Any] = {"type": Path, "nargs": "+"}
OPTIONS: dict[str, dict[str, Any]] = {
    "--annotations": {"type": Path, "help": "annotated actions"},
    "--boxes": {"type": Path, "help": "detected boxes"},
    "--clips-per-sec": {
        "type": float,
        "default": 1.0,
        "help": "25: every frame is a key frame; AVA: 1",
    },
    "--configfile": {"nargs": "+", "default": [], "help": "as for snakemake"},
    "--device": {"default": "auto", "help": "auto (a GPU if there is one), cpu or cuda"},
    "--detections": {"type": Path, "help": "AVA's CSV, or scores (.parquet)"},
    "--excluded": {"type": Path, "help": "key frames that are left out"},
    "--folder": {"type": Path, "help": "folder that is written"},
    "--fps": {"type": float, "default": 25.0, "help": "frames a second of the videos"},
    "--frames": _FILES | {"help": "frame stores"},
    "--groundtruth": {"type": Path, "help": "annotations"},
    "--hand-threshold": {
        "type": float,
        "default": 0.8,
        "help": "least score of a hand (default: 0.8)",
    },
    "--hands": _FILES | {"default": [], "help": "detected boxes of hands"},
    "--iou": {"type": float, "default": 0.5, "help": "least IoU of a hit (default: 0.5)"},
    "--labels": {"type": Path, "help": "classes (.pbtxt)"},
    "--model": {"type": Path, "help": "a trained model.safetensors"},
    "--nouns": {"type": Path, "help": "EPIC_noun_classes.csv"},
    "--object-boxes": _FILES | {"default": [], "help": "detected boxes of objects"},
    "--object-features": _FILES | {"default": [], "help": "of a memory of objects"},
    "--object-threshold": {"type": float, "help": "without: the model's own, or 0.5 (§4.1)"},
    "--objects": {"type": Path, "help": "annotated boxes of objects"},
    "--output": {"type": Path, "help": "file that is written"},
    "--output-dir": {"type": Path, "help": "folder that is written"},
    "--part": {"help": "instead of one video: those of a part of the data set"},
    "--person-threshold": {"type": float, "help": "without: the model's own, or 0.8 (§4.1)"},
    "--persons": {"type": Path, "help": "file that gets the boxes of persons"},
    "--protocol": {
        "default": "paper",
        "choices": PROTOCOLS,
        "help": "rules of frame mAP (default: paper)",
    },
    "--run": {"dest": "name", "help": "name of the run"},
    "--scores": {"type": Path, "help": "scores (.parquet)"},
    "--segments": _FILES | {"default": [], "help": "tables of labelled segments"},
    "--task": {"choices": ("verb", "noun"), "help": "--annotations are segments (§6)"},
    "--threads": {"type": int, "default": 1, "help": "for arithmetic on a CPU (default: 1)"},
    "--verbs": {"type": Path, "help": "EPIC_verb_classes.csv"},
    "--videos": {"type": Path, "help": "EPIC_video_info.csv"},
    "--weights": {"type": Path, "help": "the detector (.safetensors)"},
}
"""Options that several commands have; one that is not among them is a file."""

CLIPS = ("--frames", "--excluded", "--labels", "--object-threshold", "--clips-per-sec")
"""Options of what clips are made of, beside annotations and objects."""
SEGMENTS = ("--task", "--hands", "--hand-threshold", "--object-features")
"""Options of data labelled by segment, beside segments and objects (§6)."""


def add_command(
    commands: Any,
    name: str,
    run: Any,
    *options: str,
    needs: Sequence[str] = (),
    settings: str | None = "config.yaml",
) -> argparse.ArgumentParser:
    """Add a command with --log, --settings and shared options; its docstring is its help.

    Args:
        commands: Parsers to add it to.
        name: Name of the command.
        run: Function that runs it.
        options: Names of shared options.
        needs: Options that have to be given where the plan does not give them (planned.py).
        settings: Default of --settings; None: the command reads none.
    """
    command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
    command.set_defaults(run=run, by_hand=tuple(needs))
    if settings is not None:
        command.add_argument(
            "--settings", default=settings, help="a YAML file, or sections as a JSON object"
        )
    command.add_argument("--log", help="file that gets a copy of all lines")
    add_options(command, *options)
    return command


def add_options(command: Any, *names: str, **changes: Any) -> None:
    """Add shared options, or files; `changes` apply to all of them."""
    for name in names:
        command.add_argument(name, **(OPTIONS.get(name, {"type": Path}) | changes))


def add_objects(command: argparse.ArgumentParser, prefix: str = "") -> None:
    """Add annotated or detected boxes of objects, one of which may be given."""
    group = command.add_mutually_exclusive_group()
    for name in ("objects", "object-boxes"):
        group.add_argument(f"--{prefix}{name}", **OPTIONS[f"--{name}"])


def write_part(data: Any, name: str, files: Iterable[Path | str | None]) -> None:
    """Mark a job of several videos as done: list its files with digests, as sha256sum does."""
    write_text(data.path(f"parts/{name}"), _digests(files))


def write_sources(data: Any, name: str, files: Iterable[Path | str | None]) -> None:
    """List the files that a job read and no rule makes, with digests, for `aia verify`."""
    write_text(data.path(f"sources/{name}.sha256"), _digests(files))


def _digests(files: Iterable[Path | str | None]) -> str:
    return "".join(f"{file_digest(path)}  {path}\n" for path in files if path is not None)


def whole_settings(given: str) -> Any:
    """Read config.yaml of the working directory or, where there is none, the published one."""
    own = settings_folder() / "config.yaml"
    return read_sections(str(own) if given == "config.yaml" and not Path(given).exists() else given)


def whole_section(kind: Any, given: str, name: str) -> Any:
    """Read one section of config.yaml, wherever that is."""
    return build_section(kind, whole_settings(given)[name], f"settings: {name}")


def run_of(options: argparse.Namespace, labels: Any) -> Any:
    """Read the run that --run names, from --settings."""
    from aia.run import Run

    settings = read_sections(options.settings)
    return Run.from_settings(parse_run(options.name), settings, classes=labels)
