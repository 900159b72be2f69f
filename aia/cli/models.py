"""Models by name, and their way to others: list, export, push, pull."""

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

from aia import log
from aia.cli.options import add_command, add_options


def add_parsers(commands: Any) -> None:
    """Add `models`, `export`, `push` and `pull` to the commands of `aia`."""
    command = add_command(commands, "models", models, settings=None)
    command.add_argument("--json", action="store_true", help="all that is known, as JSON")

    command = add_command(commands, "export", export, settings=None)
    add_options(
        command,
        "run_folder",
        metavar="RUN",
        help="a run's folder, such as results/playhouse/runs/RUN",
    )
    add_options(command, "output", help="folder that is written")
    licence = "of the weights, as the hub calls it, such as apache-2.0"
    command.add_argument("--licence", metavar="NAME", help=licence)

    command = add_command(commands, "push", push, settings=None)
    add_options(command, "folder", help="a folder of `aia export`")
    command.add_argument("repository", metavar="USER/NAME", help="repository of the hub")
    command.add_argument("--private", action="store_true", help="make it a private one")

    command = add_command(commands, "pull", pull, settings=None)
    command.add_argument("repository", metavar="USER/NAME", help="repository of the hub")
    output = "folder that is written; without: NAME"
    add_options(command, "output", nargs="?", help=output)


def models(options: argparse.Namespace) -> None:
    """List the models that are known by name: network, classes, published mAP, licence."""
    from aia.predict.models import published_models

    known = published_models()
    if options.json:
        table = {name: dataclasses.asdict(entry) for name, entry in known.items()}
        print(json.dumps(table, indent=2, ensure_ascii=False))
        return
    width = max(map(len, known))
    wide = max(len(entry.network) for entry in known.values())
    for name, entry in known.items():
        print(f"{name:{width}}  {entry.network:{wide}}  mAP {entry.map:.1f}  {entry.tried}")
    for source in dict.fromkeys(entry.source for entry in known.values()):
        of_source = [entry for entry in known.values() if entry.source == source]
        print(f"\n{source}\n  {of_source[0].classes}; {of_source[0].protocol}")
        print(f"  licence: {of_source[0].licence}")


def export(options: argparse.Namespace) -> None:
    """Write a run as a folder that stands alone: model, detector, and a card."""
    from aia.predict.export import export_run

    export_run(options.run_folder, options.output, licence=options.licence)
    log.say(
        f"{options.output}: {', '.join(sorted(path.name for path in options.output.iterdir()))}"
    )


def push(options: argparse.Namespace) -> None:
    """Send an exported model to a hub (huggingface_hub)."""
    from aia.predict import models as hub

    log.say(hub.push(options.folder, options.repository, private=options.private))


def pull(options: argparse.Namespace) -> None:
    """Take a model from a hub into a folder: weights and descriptions, nothing that executes."""
    from aia.predict import models as hub

    folder = options.output or Path(options.repository.rpartition("/")[2])
    log.say(f"{hub.pull(options.repository, folder)}: pulled")
