"""Resources of jobs: threads, memory, GPUs."""

from pathlib import Path

from aia.config import Settings


def has_gpu() -> bool:
    """Return True if this machine has a GPU of the kind that `device: auto` would take."""
    return Path("/dev/nvidia0").exists()


def gpus(settings: Settings) -> int:
    """Return the GPUs of a job; the default profile runs one such job at a time."""
    device = settings.train.device
    return int(device.startswith("cuda") or (device == "auto" and has_gpu()))


def training_gpus(settings: Settings) -> int:
    """Return the GPUs of a run on all of its nodes: one for each of its processes."""
    return gpus(settings) * settings.train.processes * settings.train.nodes


def arithmetic_threads(settings: Settings) -> int:
    """Return the threads of a run that compute on a CPU: one for each process at least."""
    return max(settings.train.threads, settings.train.processes)


def training_threads(settings: Settings) -> int:
    """Return the threads of all processes of a run on a node, and of their loading workers."""
    return arithmetic_threads(settings) + settings.train.processes * settings.train.workers


def scoring_threads(settings: Settings) -> int:
    """Return the threads that score, and those of the workers that load clips."""
    return settings.train.threads + settings.score.workers


def threads(rule: str, settings: Settings) -> int:
    """Return the threads of a job of a rule, those of its loading workers included."""
    if rule == "train":
        return training_threads(settings)
    if rule.startswith("score_"):
        return scoring_threads(settings)
    if rule in ("measure_reach", "measure_drift"):
        return settings.train.threads
    return 8 if rule.startswith("draw_playhouse") else 1


def training_memory_mb(settings: Settings, attempt: int) -> int:
    """Return the memory of a node: Ω and a process, further processes, workers; more on a retry."""
    chosen = settings.train
    needed = 16000 + 3000 * (chosen.processes - 1) + 500 * chosen.processes * chosen.workers
    return needed * (1 + min(attempt, 3)) // 2


def started_processes(settings: Settings, given_gpus: int) -> int:
    """Return the processes on each node: as many as GPUs were given; without any, as set."""
    if not given_gpus:
        return settings.train.processes
    return max(given_gpus // settings.train.nodes, 1)


def launcher(settings: Settings) -> str:
    """Return what starts a command once on each node of a run that has several.

    It gets all CPUs of the job: by default srun asks for one CPU a task, and does not take over
    sbatch's options (Slurm 22.05). A node that fails ends the others, which wait for
    it.
    """
    nodes = settings.train.nodes
    if nodes == 1:
        return ""
    return f"srun --ntasks={nodes} --ntasks-per-node=1 --cpu-bind=none --kill-on-bad-exit=1"
