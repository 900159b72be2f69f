"""Launcher of several processes for one run: torchrun starts them with the same command line.

On one node `aia train --processes 8` starts them itself. On several nodes the scheduler (srun)
starts the command once on each, and Slurm's environment gives the node's number.
"""

import os
import re
import signal
import socket
import uuid
from collections.abc import Sequence

from aia.errors import InputError
from aia.log import say
from aia.ranks import LAUNCHER

PORT, PORTS = 29500, 3000
"""Ports for the rendezvous of nodes: the job's number picks one, to keep runs of a node apart.
Ports above 32767 are ephemeral."""


def is_launched() -> bool:
    """Return True if torchrun started this process."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def launch(arguments: Sequence[str], *, processes: int, nodes: int = 1) -> int:
    """Start `aia ARGUMENTS` in several processes on this node and wait for them.

    Args:
        arguments: The command line, without the program.
        processes: Processes on this node; with GPUs, one for each GPU.
        nodes: Number of nodes that start the same command.

    Returns:
        The exit status of the first process that failed; 0 when all are done.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch
    from torch.distributed.run import config_from_args, parse_args

    os.environ.setdefault("OMP_NUM_THREADS", "1")  # else torchrun warns
    os.environ[LAUNCHER] = str(os.getpid())
    single = ["--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", f"--rdzv-id={uuid.uuid4()}"]
    rendezvous = single if nodes == 1 else _rendezvous(nodes)
    torchrun = [*rendezvous, f"--nproc-per-node={processes}", "--max-restarts=0", "-m", "aia"]
    config, program, its_arguments = config_from_args(parse_args(torchrun))
    try:
        # Not through torchrun's own command line, which would parse our options as its own.
        elastic_launch(config, program)(*its_arguments, *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            name = signal.Signals(-failure.exitcode).name
            say(
                f"process {rank} of the run was ended by {name}, so the others were ended too; the "
                "same command resumes from the last checkpoint"
            )
            return 1
        return failure.exitcode
    except SignalException as error:
        say(f"ended by {signal.Signals(error.sigval).name}; the same command resumes")
        return 128 + error.sigval
    return 0


def _rendezvous(nodes: int) -> list[str]:
    """Build torchrun's options for the node's number and rendezvous from Slurm's variables."""
    known = {
        name: os.environ.get(name)
        for name in ("SLURM_NNODES", "SLURM_NODEID", "SLURM_JOB_NODELIST", "SLURM_JOB_ID")
    }
    missing = [name for name, value in known.items() if not value]
    if missing:
        raise InputError(
            f"train.nodes = {nodes}, but {missing[0]} is not set; several nodes are started by "
            "Slurm (srun), or by torchrun itself (docs/clusters.md)"
        )
    if known["SLURM_NNODES"] != str(nodes):
        raise InputError(
            f"train.nodes = {nodes}, but the job has {known['SLURM_NNODES']} (SLURM_NNODES)"
        )
    port = PORT + int(str(known["SLURM_JOB_ID"])) % PORTS
    return [
        f"--nnodes={nodes}",
        f"--node-rank={known['SLURM_NODEID']}",
        f"--master-addr={first_host(str(known['SLURM_JOB_NODELIST']))}",
        f"--master-port={port}",
    ]


def first_host(nodelist: str) -> str:
    """Find the first host of a list in Slurm's notation; a name has one bracket at most.

    >>> first_host("gpu[03-05,9],login"), first_host("one,two")
    ('gpu03', 'one')
    """
    match = re.match(r"([^\[,]+)(?:\[(\d+)[^\]]*\]([^,]*))?", nodelist)
    if match is None:
        return socket.gethostname()
    return "".join(part or "" for part in match.groups())
