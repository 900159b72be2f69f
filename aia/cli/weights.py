"""Published weights: download, find by name, inspect, convert."""

import argparse
from typing import Any

from aia.cli.options import add_command, add_options, whole_section, whole_settings
from aia.config import FetchConfig


def add_parsers(commands: Any) -> None:
    """Add `weights` with its kinds to the commands of `aia`."""
    weights = commands.add_parser("weights", help="published weights")
    kinds = weights.add_subparsers(required=True, metavar="WHAT")
    command = add_command(kinds, "fetch", weights_fetch)
    command.add_argument("name", choices=("i3d_kinetics400",), help="of the weights")
    add_options(command, "--output", required=True)
    command = add_command(kinds, "backbone", weights_backbone)
    command.add_argument("name", help="such as slowfast_r50_4x16")
    add_options(command, "--folder", required=True, help="of files, also your own")
    add_options(command, "--output", required=True)
    command = add_command(kinds, "inspect", weights_inspect)
    add_options(command, "file", help="a checkpoint")
    command = add_command(kinds, "convert", weights_convert)
    add_options(command, "file", help="a checkpoint, or a model of ours")
    add_options(command, "output", help=".safetensors; .pth for the way back")
    network = "that it must be, such as slowfast_r50_4x16-none or i3d_r50_8x8"
    command.add_argument("--network", help=network)
    add_options(command, "--labels", help="classes that are not AVA's 80")


def weights_fetch(options: argparse.Namespace) -> None:
    """Download published weights by name and convert them."""
    from aia.weights.i3d import fetch_i3d

    fetch_i3d(options.output)


def weights_backbone(options: argparse.Namespace) -> None:
    """Find or download a backbone's weights by its name, and convert them."""
    from aia.convert import convert
    from aia.weights.published import backbone_file

    config = whole_section(FetchConfig, options.settings, "fetch")
    path = backbone_file(options.name, options.folder, config=config)
    settings = whole_settings(options.settings)
    convert(path, options.output, settings=settings, network=options.name)


def weights_inspect(options: argparse.Namespace) -> None:
    """Describe a published checkpoint: layout, network, unused entries."""
    from aia.convert import inspect

    for line in inspect(options.file, settings=whole_settings(options.settings)):
        print(line)


def weights_convert(options: argparse.Namespace) -> None:
    """Convert a published checkpoint to our format, or a model to the authors' (.pth)."""
    from aia.convert import convert, convert_back

    if options.output.suffix == ".pth":
        convert_back(options.file, options.output)
        return
    convert(
        options.file,
        options.output,
        settings=whole_settings(options.settings),
        labels=options.labels,
        network=options.network,
    )
