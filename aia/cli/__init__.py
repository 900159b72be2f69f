"""The command line: one thin command for each stage, each of which also works by hand.

Exit status: 0 done, 2 bad arguments or input (one clear message), 1 anything else.

    sources.py      the embedded data set, what is fetched, films and their frames
    boxes.py        persons and objects
    training.py     runs
    scores.py       what a trained run gives
    numbers.py      metrics and tables
    costs.py        what a run costs, and what a target will
    weights.py      published weights
    options.py      arguments and settings that commands share
    clips.py        which clips a command reads

Each of the first seven has its commands and, in `add_parsers`, their arguments; those of pictures
are in aia/figures/commands.py. Commands import what they need when they run: torch takes seconds,
and most do without it.
"""

import argparse
import sys
import traceback
from collections.abc import Sequence

from aia import log
from aia.cli import boxes, costs, numbers, scores, sources, training, weights
from aia.errors import InputError
from aia.figures import commands as figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    options = _parser().parse_args(arguments)
    options.arguments = sys.argv[1:] if arguments is None else list(arguments)
    log.copy_to(options.log)
    try:
        status = options.run(options)
    except InputError as error:
        log.say(f"error: {error}")
        return 2
    except KeyboardInterrupt:
        log.say("interrupted")
        return 130
    except Exception:
        log.say(traceback.format_exc().rstrip())
        return 1
    finally:
        log.copy_to(None)
    return status or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aia", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for part in (sources, boxes, training, scores, numbers, costs, weights, figures):
        part.add_parsers(commands)
    return parser
