"""What commands share: their common arguments, and the settings that they are given."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aia.config import build_section, parse_run, read_sections
from aia.files import file_digest, write_text

REPOSITORY = Path(__file__).parents[2]
"""Where the Snakefile and its config.yaml are."""


def add_command(commands: Any, name: str, run: Any) -> argparse.ArgumentParser:
    """A command that runs `run`, whose docstring is its help; it takes --settings and --log."""
    command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
    command.set_defaults(run=run)
    command.add_argument(
        "--settings", default="config.yaml", help="a YAML file, or sections as a JSON object"
    )
    command.add_argument("--log", help="file that gets a copy of all lines")
    return command


def write_part(data: Any, name: str, files: Iterable[Path | str | None]) -> None:
    """Say that a job of several videos is done: its files with their digests, as sha256sum does."""
    lines = [f"{file_digest(path)}  {path}\n" for path in files if path is not None]
    write_text(data.path(f"parts/{name}"), "".join(lines))


def add_clip_inputs(command: argparse.ArgumentParser) -> None:
    """Add frame stores, classes and objects: what clips are made of beside annotations."""
    command.add_argument("--frames", type=Path, nargs="+", help="frame stores")
    command.add_argument("--excluded", type=Path)
    command.add_argument("--labels", type=Path)
    objects = command.add_mutually_exclusive_group()
    objects.add_argument("--objects", type=Path, help="annotated boxes of objects")
    objects.add_argument("--object-boxes", type=Path, nargs="+", default=[], help="detected ones")
    command.add_argument("--object-threshold", type=float, default=0.5, help="§4.1: 0.5")
    add_clips_per_sec(command)


def add_segment_inputs(command: argparse.ArgumentParser) -> None:
    """Add what data labelled by segment have beside their segments and objects (§6)."""
    command.add_argument("--task", choices=("verb", "noun"), help="--annotations are segments")
    command.add_argument("--hands", type=Path, nargs="+", default=[], help="detected boxes")
    command.add_argument("--hand-threshold", type=float, default=0.8)
    command.add_argument(
        "--object-features", type=Path, nargs="+", default=[], help="of a memory of objects"
    )


def add_clips_per_sec(command: argparse.ArgumentParser) -> None:
    """Add how many key frames a second has."""
    command.add_argument(
        "--clips-per-sec", type=float, default=1.0, help="25: every frame is a key frame; AVA: 1"
    )


def add_ucf24(command: argparse.ArgumentParser) -> None:
    """Add what other data in UCF101-24's form may have otherwise."""
    command.add_argument("--labels", type=Path, help="classes (.pbtxt); without: the file's own")
    command.add_argument("--fps", type=float, default=25.0, help="frames a second of the films")


def whole_settings(given: str) -> Any:
    """config.yaml of the working directory or, where there is none, of the repository."""
    own = REPOSITORY / "config.yaml"
    return read_sections(str(own) if given == "config.yaml" and not Path(given).exists() else given)


def whole_section(kind: Any, given: str, name: str) -> Any:
    """One section of config.yaml, wherever that is."""
    return build_section(kind, whole_settings(given)[name], f"settings: {name}")


def run_of(options: argparse.Namespace, labels: Any) -> Any:
    """Read the run that --run names, from --settings."""
    from aia.run import Run

    settings = read_sections(options.settings)
    return Run.from_settings(parse_run(options.name), settings, classes=labels)
