"""Cost of a run, and of a target before it starts."""

import argparse
import os
from pathlib import Path
from typing import Any

from aia import log
from aia.cli.options import add_command, add_options, run_of
from aia.cli.planned import check_by_hand, planned
from aia.config import FramesConfig, overlay, read_yaml, section, settings_folder
from aia.errors import InputError
from aia.plan import Project


def add_parsers(commands: Any) -> None:
    """Add `cost` and `budget` to the commands of `aia`."""
    command = add_command(
        commands, "cost", cost, "--labels", "--device", "--output", needs=("labels", "output")
    )
    add_options(command, "--run", required=True)
    by_reach = "measure the steps of figure5 in --settings"
    command.add_argument("--by-reach", action="store_true", help=by_reach)
    command.add_argument("--reaches", type=int, nargs="+", help="L of training steps to measure")
    command.add_argument("--joint", type=int, nargs="*", default=[], help="L trained jointly")
    command.add_argument("--clips", type=int, default=2, help="of a batch that is measured")

    command = add_command(commands, "budget", budget, "--configfile", settings=None)
    command.add_argument("targets", nargs="+", metavar="TARGET", help="as for snakemake")
    command.add_argument("--cores", type=int, help="without: as many as this machine has")
    command.add_argument("--gpus", type=int, help="0: networks run on cores")
    add_options(command, "--rates", help="YAML with rates instead of the shipped ones")


def cost(options: argparse.Namespace) -> None:
    """Count a run's parameters and operations (Table 1e), or measure a step by reach (Fig. 5)."""
    from aia.labels import read_labels
    from aia.train import cost as costs
    from aia.train.start import pick_device

    if options.labels is None:
        data = planned(options, "measure_cost", run=options.name)
        what = "reach" if options.by_reach else "cost"
        options.output = Path(data.path(f"metrics/{options.name}.{what}.csv"))
        if options.by_reach:
            steps = data.settings.figure5
            options.clips, options.reaches, options.joint = steps.clips, steps.reaches, steps.joint
    check_by_hand(options)
    run = run_of(options, read_labels(options.labels))
    short_side = section(FramesConfig, options.settings, "frames").short_side
    if options.reaches is None:
        found = costs.clip_cost(run, short_side=short_side)
        costs.write_cost(options.output, found)
        log.say(
            f"{run.name}: {found.parameters / 1e6:.2f} M parameters, {found.flops / 1e9:.2f} GFLOP"
        )
        return
    if not run.name.is_asynchronous:
        raise InputError(f"--run {run.name}: has no memory of its own, so its steps have no reach")
    measured = costs.cost_by_reach(
        run,
        clips=options.clips,
        size_hw=(short_side, short_side * 3 // 2),
        reaches=options.reaches,
        joint=options.joint,
        device=pick_device(options.device),
    )
    costs.write_reach(options.output, measured)


def budget(options: argparse.Namespace) -> None:
    """Estimate the cost of a target before anything starts: jobs, hours, memory, disk."""
    from aia.budget.account import account_lines, account_of
    from aia.budget.rates import Rates

    cores = len(os.sched_getaffinity(0)) if options.cores is None else options.cores
    if cores < 1 or (options.gpus or 0) < 0:
        raise InputError("--cores, --gpus: expected at least one core, and no negative GPUs")
    overlays: dict[str, Any] = {}
    for path in options.configfile:
        overlays = overlay(overlays, read_yaml(path))
    project = Project((Path("."), settings_folder()), overlays=overlays, source=options.configfile)
    rates = Rates(options.rates)
    account = account_of(project, options.targets, rates=rates, cores=cores, gpus=options.gpus)
    print("\n".join(account_lines(options.targets, account)))
