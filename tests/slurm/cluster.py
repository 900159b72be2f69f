"""A Slurm of one node or two, on this machine and in a folder, for as long as tests need it.

It pretends to have more CPUs and GPUs than there are, so that scheduling can be looked at on a
small machine: a GPU is a device file that is there everywhere. Nothing is fenced in (no cgroups).
A second node is a daemon with another host name and with shared memory of its own.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")
CPUS, GPUS = 32, ("/dev/null", "/dev/zero")

# Jobs do not inherit SLURM_CONF (the executor plugin takes Slurm's variables away), so the
# configuration has to be where Slurm looks by itself.
HOME = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")


def why_not() -> str | None:
    """Why no Slurm can be started here; None where it can."""
    missing = [program for program in PROGRAMS if not shutil.which(program)]
    if missing:
        return f"Slurm is not installed ({missing[0]} not found; Debian: slurmctld slurmd munge)"
    if os.geteuid() != 0:
        return "needs root, to write /etc/slurm and to start Slurm's daemons"
    if any((HOME / name).exists() for name in FILES):
        return f"this machine has a Slurm of its own ({HOME})"
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configuration(folder: Path, hosts: Sequence[str]) -> dict[str, str]:
    """The text of each file; the first host is this machine's name."""
    megabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    # Of memory too it has more than there is: what rules ask for is meant for larger data.
    settings = {
        "ClusterName": "tests",
        "SlurmctldHost": f"{hosts[0]}(127.0.0.1)",
        "SlurmctldPort": free_port(),
        "SlurmUser": "root",
        "SlurmdUser": "root",
        "AuthInfo": f"socket={folder}/munge.socket",
        "StateSaveLocation": f"{folder}/state",
        "SlurmdSpoolDir": f"{folder}/spool-%n",
        "SlurmctldPidFile": f"{folder}/slurmctld.pid",
        "SlurmdPidFile": f"{folder}/slurmd-%n.pid",
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "MpiDefault": "none",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core_Memory",
        "SlurmdParameters": "config_overrides",
        "SchedulerParameters": "sched_interval=1,bf_interval=1",
        "GresTypes": "gpu",
        "MinJobAge": 3600,  # seconds: the tests ask about jobs that have ended
        "KillWait": 2,  # seconds from SIGTERM to SIGKILL
        "ReturnToService": 2,
    }
    lines = [f"{name}={value}" for name, value in settings.items()]
    lines += [
        f"NodeName={host} NodeAddr=127.0.0.1 Port={free_port()} CPUs={CPUS} Gres=gpu:{len(GPUS)}"
        f" RealMemory={max(megabytes, 200_000)}"
        for host in hosts
    ]
    lines += ["PartitionName=main Nodes=ALL Default=YES DefMemPerCPU=1000"]
    gpus = [f"NodeName={host} Name=gpu File={file}" for host in hosts for file in GPUS]
    return {"slurm.conf": "\n".join(lines) + "\n", "gres.conf": "\n".join(gpus) + "\n"}


def wait_until(condition, seconds: float, what: str) -> None:
    """Look until it is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def ask(*command: str) -> str:
    """What one of Slurm's programs says."""
    return subprocess.run(command, check=True, text=True, capture_output=True).stdout


@contextmanager
def started(folder: Path, nodes: int = 1) -> Iterator[None]:
    """A Slurm whose nodes are idle; it is gone afterwards, with its jobs."""
    host = socket.gethostname().partition(".")[0]
    hosts = [host, *(f"{host}-{node}" for node in range(2, nodes + 1))]
    for name in ("state", *(f"spool-{host}" for host in hosts)):
        (folder / name).mkdir()
    links = [HOME / name for name in FILES]
    HOME.mkdir(exist_ok=True)
    for link, (name, text) in zip(links, configuration(folder, hosts).items(), strict=True):
        (folder / name).write_text(text)
        link.unlink(missing_ok=True)  # one that leads nowhere: of tests that were killed
        link.symlink_to(folder / name)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o400)
    munged = [
        *("munged", "--foreground", "--force", f"--socket={folder}/munge.socket"),
        *(f"--key-file={key}", f"--pid-file={folder}/munged.pid"),
        *(f"--seed-file={folder}/munge.seed", f"--log-file={folder}/munged.log"),
    ]
    other = "mount -t tmpfs shm /dev/shm && hostname $1 && exec slurmd -D -N $1"
    commands = {"munged": munged, "slurmctld": ["slurmctld", "-D"], host: ["slurmd", "-D"]}
    for name in hosts[1:]:
        commands[name] = ["unshare", "--uts", "--mount", "sh", "-c", other, "sh", name]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        for name, command in commands.items():
            with open(folder / f"{name}.out", "wb") as out:
                daemons.append(subprocess.Popen(command, stdout=out, stderr=out))
            if command is munged:
                wait_until((folder / "munge.socket").exists, 20, "munged listens")
        idle = ("sinfo", "--noheader", "--Node", "--format=%T")
        wait_until(
            lambda: _said(*idle).split() == ["idle"] * nodes, 60, f"all nodes are idle ({folder})"
        )
        yield
        ask("scancel", "--user=root")
        wait_until(lambda: not _said("squeue", "--noheader").strip(), 60, "all jobs have ended")
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        for link in links:
            link.unlink()


def _said(*command: str) -> str:
    return subprocess.run(command, text=True, capture_output=True).stdout


def jobs() -> list[dict[str, str]]:
    """All jobs that were ever submitted, as `scontrol show job` tells of them, oldest first."""
    lines = ask("scontrol", "show", "job", "--oneliner").splitlines()
    words = [[word for word in line.split() if "=" in word] for line in lines]
    told = [dict(word.split("=", 1) for word in of_job) for of_job in words if of_job]
    return sorted(told, key=lambda job: int(job["JobId"]))
