"""Files of a command that were not given by hand: aia/plan names them.

The workflow calls `aia train --settings results/small/settings.yaml --run NAME`. The settings file
names the data set, and the plan the files that the command's rule waits for.
"""

import argparse
from pathlib import Path
from typing import Any

from aia.errors import InputError
from aia.plan import RULES, DataSet, Files, Needs, paths_of


def planned(options: argparse.Namespace, rule: str, **wildcards: str) -> DataSet:
    """Take from the plan all files that a rule reads, by the names of the command's options.

    Raises:
        InputError: --settings is no settings file of the workflow.
    """
    data = data_set(options)
    take(options, RULES[rule].needs(data, wildcards))
    return data


def data_set(options: argparse.Namespace) -> DataSet:
    """Read the data set whose settings a command was given.

    Raises:
        InputError: It was given none, or those of something else.
    """
    needed = ", ".join(f"--{name.replace('_', '-')}" for name in getattr(options, "by_hand", ()))
    path = Path(options.settings)
    if path.name != "settings.yaml":
        raise InputError(
            f"--settings {str(options.settings)[:80]}: expected results/DATASET/settings.yaml, "
            "which the workflow writes, or `aia settings DATASET`"
            + (f"; or, by hand, {needed}" if needed else "")
        )
    return DataSet.read(path)


def take(options: argparse.Namespace, needs: Needs) -> None:
    """Set options to the files of the plan; what the plan does not name stays as it is."""
    for name, value in needs.items():
        if isinstance(value, str):
            setattr(options, name, Path(value))
        elif isinstance(value, Files):
            setattr(options, name, [Path(path) for path in value.paths])
        elif value:
            setattr(options, name, [Path(path) for path in value])


def sources_of(data: DataSet) -> list[Path]:
    """List the files that a data set's tables were prepared from, as far as they are there."""
    files = paths_of(RULES["prepare_data"].needs(data, {}))["sources"]
    return [path for path in map(Path, files) if path.is_file()]


def rules_of_clips(options: argparse.Namespace, data: DataSet, run: str) -> None:
    """Set the options that say which boxes and clips count, as the settings have them."""
    chosen = data.settings
    options.clips_per_sec = chosen.data.clips_per_sec
    options.person_threshold = chosen.detector.person_threshold
    options.object_threshold = chosen.detector.object_threshold
    options.hand_threshold = chosen.detector.person_threshold
    options.max_objects = chosen.network.max_objects
    options.task = data.task(run)


def check_by_hand(options: argparse.Namespace) -> None:
    """Refuse a command without an option that it needs (add_command).

    Raises:
        InputError: The option.
    """
    for name in options.by_hand:
        if not getattr(options, name):
            raise InputError(f"--{name.replace('_', '-')}: is needed beside the others")


def named(runs: Any, pattern: str, data: DataSet) -> list[str]:
    """Name a file of each run, as NAME=FILE; `runs` are names, or pairs of a name and a run."""
    pairs = runs.items() if isinstance(runs, dict) else ((run, run) for run in runs)
    return [f"{name}={data.run_file(pattern, run)}" for name, run in pairs]
