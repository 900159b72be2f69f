"""Shared by all rules: checked settings, and functions that call aia/plan."""

import atexit
import functools
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY / "workflow"))

from causes import causes
from environment import make_findable

make_findable(REPOSITORY)

from aia import plan
from aia.config import read_yaml
from aia.errors import InputError
from aia.plan import publishers, recipes, resources, rules as planned, videos

FOLDERS = (Path("."), REPOSITORY)  # where config.yaml and config/ may lie


configfile: plan.find_settings("config.yaml", FOLDERS)


wildcard_constraints:
    **plan.CONSTRAINTS,


PROJECT = plan.Project(
    FOLDERS,
    overlays=workflow.config_settings.overwrite_config,
    default=config["dataset"],
    source=[os.path.relpath(path) for path in workflow.overwrite_configfiles],
)


def one_message(function):
    """Report invalid input as one message, before any job starts."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except InputError as error:
            raise WorkflowError(str(error)) from None

    return wrapped


@one_message
def data_of(wildcards):
    """Return the data set of a job, or the configured one for a job without a data set."""
    return PROJECT.data(getattr(wildcards, "dataset", config["dataset"]))


def settings(wildcards):
    """Return all settings of the data set of a job."""
    return data_of(wildcards).settings


def only_for(name):
    """Return the data sets that a rule applies to, as a pattern of names."""
    return "|".join(map(re.escape, one_message(PROJECT.of_rule)(name))) or "(?!)"


def needs(name):
    """Make an input function: the files that a rule needs according to aia/plan, by name."""

    @one_message
    def files(wildcards):
        try:
            if workflow.is_main_process:
                PROJECT.check([PROJECT.made_by(name, dict(wildcards.items()))])
            found = plan.RULES[name].needs(data_of(wildcards), dict(wildcards.items()))
        except plan.NotFetchedError as missing:  # wait for the tables, then plan again
            checkpoints.annotations_fetched.get(publisher=missing.publisher)
            return files(wildcards)
        named = plan.declared(found).items()
        return {
            what: ancient(paths) if what in plan.NOT_DATED else paths
            for what, paths in named
            if paths
        }

    return functools.cache(files)


def recipe(name):
    """Make a params function: what determines a job's outcome besides the files that rules make."""

    known = {}

    @one_message
    def found(wildcards):
        job = dict(wildcards.items())
        key = tuple(job.items())
        if key not in known:
            try:
                known[key] = PROJECT.recipe(name, job)
            except plan.NotFetchedError:  # planned again when its tables are there
                return plan.recipe(name, data_of(wildcards), job)
        return known[key]

    return found


def checked(*targets):
    """Make an input function of targets whose sources must be there."""

    @one_message
    def files(wildcards):
        PROJECT.check(targets)
        return targets

    return files


# Snakemake runs a job again when a param changes, unless the param's function takes `input`.


def fetch_settings(wildcards, input):
    """Return the file with the settings of downloads, which are of all data sets alike."""
    return f"results/{config['dataset']}/settings.yaml"


def video_address(wildcards, input):
    """Return the address of a video of AVA."""
    return one_message(videos.published_address)(
        wildcards.film, config["fetch"]["address"]
    )


def publishers_tables(wildcards):
    """Return the tables of a publisher."""
    return publishers.PUBLISHED[wildcards.publisher]


# --- resources of jobs ----------------------------------------------------------------------


def gpus(wildcards):
    """Return the number of GPUs of a job."""
    return resources.gpus(settings(wildcards))


def training_gpus(wildcards):
    """Return the number of GPUs of a run on all of its nodes."""
    wanted = resources.training_gpus(settings(wildcards))
    say_if_fewer(wildcards.dataset, wanted)
    return wanted


@functools.cache
def say_if_fewer(dataset, wanted):
    """Warn that Snakemake silently reduces a job's GPUs to the limit."""
    limit = getattr(workflow.global_resources.get("gpu"), "value", None)
    if limit is None or not 0 < limit < wanted or not workflow.is_main_process:
        return
    logger.warning(
        f"{dataset}: train.processes and train.nodes are for {wanted} GPUs at once, but gpu="
        f"{limit} is all there is, so a run trains on {limit}; for more: "
        f"--resources gpu={wanted} downloads=4"
    )


def training_threads(wildcards):
    """Return the number of threads of a run on a node."""
    return resources.training_threads(settings(wildcards))


def scoring_threads(wildcards):
    """Return the number of threads of a scoring job."""
    return resources.scoring_threads(settings(wildcards))


def measuring_threads(wildcards):
    """Return the number of threads of a job that loads clips in its own process."""
    return settings(wildcards).train.threads


def training_memory(wildcards, attempt):
    """Return the memory of a run on a node, in MB; more on a retry."""
    return resources.training_memory_mb(settings(wildcards), attempt)


def per_video(minutes):
    """Make a run time in minutes that grows with the videos of a part and with retries."""
    return lambda wildcards, attempt: (
        minutes * attempt * len(data_of(wildcards).part(wildcards.part).videos)
    )


def per_attempt(amount):
    """Make a resource that grows with each retry."""
    return lambda wildcards, attempt: amount * attempt


def started(wildcards, input, threads, resources):
    """Return the options of a run on each node: threads and processes."""
    chosen = settings(wildcards)
    arithmetic = min(plan.resources.arithmetic_threads(chosen), threads)
    processes = plan.resources.started_processes(chosen, resources.gpu)
    return (
        f"--threads {arithmetic} --processes {processes} --nodes {chosen.train.nodes}"
    )


def launcher(wildcards, input):
    """Return the command that starts a run on each of several nodes."""
    return resources.launcher(settings(wildcards))


def scored_with(wildcards, input, threads):
    """Return the number of computing threads; a job's other threads load clips."""
    return min(settings(wildcards).train.threads, threads)


def same_settings(wildcards):
    """Return options that give another call of snakemake the settings of this one."""
    files = [str(path) for path in workflow.overwrite_configfiles]
    values = [
        f"{key}={value!r}" for key, value in workflow.config_settings.config.items()
    ]
    options = ["--snakefile", str(workflow.main_snakefile)]
    options += ["--configfile", *files] if files else []
    options += ["--config", *values] if values else []
    return shlex.join(options)


for path in workflow.overwrite_configfiles:  # Snakemake keeps the last of two keys
    one_message(read_yaml)(path)
one_message(PROJECT.data)(config["dataset"])  # a wrong setting stops here


# Commands read all settings from one file. It is not an input of rules: with an input that is itself an
# output and marked `ancient`, Snakemake 9.27 ignores other reasons to run a job.
onstart:
    PROJECT.write_settings()


onerror:
    # At exit, after Snakemake's last words; what is registered last runs first.
    for cause in reversed(causes(log)):
        atexit.register(print, cause, file=sys.stderr)


atexit.register(PROJECT.contents.save)
