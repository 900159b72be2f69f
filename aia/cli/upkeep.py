"""`aia verify`: compares the files in a folder with their digests."""

import argparse
from typing import Any

from aia.cli.options import add_command, add_options
from aia.log import say


def add_parsers(commands: Any) -> None:
    """Add `verify` to the commands of `aia`."""
    command = add_command(commands, "verify", verify)
    add_options(command, "folders", nargs="+", help="such as results")
    command.add_argument(
        "--remove", action="store_true", help="remove damaged files, to be recreated"
    )


def verify(options: argparse.Namespace) -> int:
    """Read every file that has a digest, and name those that are damaged (exit status 2)."""
    from aia.verify import remove, scan

    checked, damaged = 0, 0
    for folder in options.folders:
        for found in scan(folder):
            checked += 1
            if found.damage is None:
                continue
            damaged += 1
            say(f"damaged: {found.damage}")
            if options.remove:
                remove(found)
                whole = "" if found.made_with == found.path else ", all of it, as one job makes it"
                again = "it is recreated when it is needed, or as a target"
                say(f"removed: {found.made_with}{whole}; {again}")
    say(f"{checked} files checked, {damaged} damaged")
    return 2 if damaged and not options.remove else 0
