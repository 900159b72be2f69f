"""Command line: one thin command for each stage, each of which also works by hand.

Exit status: 0 done, 2 bad arguments or input (one clear message), 1 anything else.

    labels.py       labels of annotation tools; settings for own footage
    models.py       models by name, export, hubs
    predict.py      videos to what each person does
    sources.py      embedded data set, downloads, annotations, frames
    boxes.py        persons and objects
    training.py     training
    scores.py       scores of a trained run, drift, submissions
    numbers.py      metrics and tables
    figures.py      pictures and the report
    costs.py        cost of a run and of a target
    weights.py      published weights
    upkeep.py       verification of files
    options.py      options and settings that commands share
    clips.py        clips that a command reads
    planned.py      files of a data set that are not given by hand

Each module has its commands and, in `add_parsers`, their options. Commands import what they need
when they run: torch takes seconds, and most do without it.
"""

import argparse
import errno
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from aia import log
from aia.cli import (
    boxes,
    costs,
    figures,
    labels,
    models,
    numbers,
    predict,
    scores,
    sources,
    training,
    upkeep,
    weights,
)
from aia.errors import InputError
from aia.files import VanishedError

MACHINE_ERRORS = {
    errno.ENOSPC: "free some room",
    errno.EDQUOT: "free some room, or have the quota raised",
    errno.EFBIG: "the limit on the size of a file (ulimit -f) is too low",
    errno.EROFS: "the folder can only be read; is the disk mounted as it should be?",
    errno.EPERM: "is the file another user's, or its disk one without permissions?",
    errno.EACCES: "give this user the right to write there",
    errno.EIO: "the disk may be failing",
    errno.ENOTCONN: "the folder's server or its program (FUSE) is gone; mount it again",
    errno.ESTALE: "the folder is gone from the server; mount it again",
}
"""Errors of the machine, not of the input, and what helps."""

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""Errors that count also if a writer hides them behind an error of its own (torch.save)."""

VANISHED = "was it removed or moved, or has its disk been unmounted?"
"""Hint for a file that vanished while it was written."""


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
    except Exception as error:
        refused = _refusal(error)
        if refused is None:
            log.say(traceback.format_exc().rstrip())
            return 1
        helps = VANISHED if isinstance(refused, VanishedError) else MACHINE_ERRORS[refused.errno]
        where = f"{refused.filename}: " if refused.filename else ""
        log.say(
            f"error: {where}{refused.strerror}; {helps}. Nothing that was finished is lost: the "
            "same command resumes from there"
        )
        return 1
    finally:
        log.copy_to(None)
    return status or 0


def _refusal(error: BaseException) -> Any:
    """Find the OSError by which the machine refused; None: the program itself is at fault."""
    if isinstance(error, OSError) and (
        isinstance(error, VanishedError) or error.errno in MACHINE_ERRORS
    ):
        return error
    before = error.__context__
    while before is not None:
        if isinstance(before, OSError) and before.errno in NO_ROOM:
            return before
        before = before.__context__
    return None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="aia", description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    parts = (
        sources,
        boxes,
        training,
        scores,
        predict,
        labels,
        models,
        numbers,
        costs,
        weights,
        upkeep,
        figures,
    )
    for part in parts:
        part.add_parsers(commands)
    return parser
