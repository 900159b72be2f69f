"""Lets jobs find `aia` and its Python however `snakemake` was called, also from elsewhere."""

import os
import sys
from pathlib import Path


def make_findable(repository: Path) -> None:
    """Put this Python's commands on PATH and the repository on PYTHONPATH, for all jobs.

    Without this, `.venv/bin/snakemake` called by its path would run another Python's `aia`, or
    none. A conda environment (`--sdm conda`) still comes first: it is put in front later.
    """
    commands = Path(sys.executable).parent
    for variable, first in (("PATH", commands), ("PYTHONPATH", repository)):
        rest = os.environ.get(variable)
        os.environ[variable] = os.pathsep.join([str(first), *([rest] if rest else [])])
    sys.path.insert(0, str(repository))
