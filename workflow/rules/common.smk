"""What all rules share: the settings, checked, and what aia/plan says of each rule."""

import functools
import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY / "workflow"))

from environment import make_findable

make_findable(REPOSITORY)

from aia import plan
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
    """Let bad input end as one message, before any job starts."""

    @functools.wraps(function)
    def wrapped(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except InputError as error:
            raise WorkflowError(str(error)) from None

    return wrapped


@one_message
def data_of(wildcards):
    """The data set of a job; the configured one, of a job that belongs to none."""
    return PROJECT.data(getattr(wildcards, "dataset", config["dataset"]))


def settings(wildcards):
    """All settings of the data set of a job."""
    return data_of(wildcards).settings


def only_for(name):
    """The data sets that a rule is for, as a pattern of their names."""
    return "|".join(map(re.escape, one_message(PROJECT.of_rule)(name))) or "(?!)"


def needs(name):
    """An input function: the files that aia/plan names, by what they are."""

    @one_message
    def files(wildcards):
        try:
            found = plan.RULES[name].needs(data_of(wildcards), dict(wildcards.items()))
        except (
            plan.NotFetchedError
        ) as missing:  # waits for the tables, then looks again
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
    """A params function: what decides on the outcome of a job beside its files."""
    return functools.cache(
        one_message(
            lambda wildcards: plan.recipe(
                name, data_of(wildcards), dict(wildcards.items())
            )
        )
    )


# Snakemake takes a changed param for a reason to run again, unless its function asks for `input`.


def fetch_settings(wildcards, input):
    """Where files come from; another mirror is no reason to download them again."""
    return json.dumps({"fetch": config["fetch"]}, sort_keys=True)


def conversion_settings(wildcards, input):
    """Which networks there are, and how files are downloaded."""
    return json.dumps(data_of(wildcards).raw)


def video_address(wildcards, input):
    """The address of one of AVA's videos."""
    return one_message(videos.published_address)(
        wildcards.film, config["fetch"]["address"]
    )


def publishers_tables(wildcards):
    """The tables of a publisher."""
    return publishers.PUBLISHED[wildcards.publisher]


# --- what jobs ask of a machine -------------------------------------------------------------


def gpus(wildcards):
    """GPUs of a job."""
    return resources.gpus(settings(wildcards))


def training_gpus(wildcards):
    """GPUs of a run on all of its nodes."""
    wanted = resources.training_gpus(settings(wildcards))
    say_if_fewer(wildcards.dataset, wanted)
    return wanted


@functools.cache
def say_if_fewer(dataset, wanted):
    """Snakemake takes a job's GPUs down to the limit and says nothing."""
    limit = getattr(workflow.global_resources.get("gpu"), "value", None)
    if limit is None or not 0 < limit < wanted or not workflow.is_main_process:
        return
    logger.warning(
        f"{dataset}: train.processes and train.nodes are for {wanted} GPUs at once, but gpu="
        f"{limit} is all there is, so a run trains on {limit}; for more: "
        f"--resources gpu={wanted} downloads=4"
    )


def training_threads(wildcards):
    """Threads of a run on a node."""
    return resources.training_threads(settings(wildcards))


def scoring_threads(wildcards):
    """Threads of a job that scores."""
    return resources.scoring_threads(settings(wildcards))


def measuring_threads(wildcards):
    """Threads of a job that loads its clips itself."""
    return settings(wildcards).train.threads


def training_memory(wildcards, attempt):
    """Memory of a run on a node, in MB; more on a retry."""
    return resources.training_memory_mb(settings(wildcards), attempt)


def per_video(minutes):
    """Run time of a job about the videos of a part, in minutes; more on a retry."""
    return lambda wildcards, attempt: (
        minutes * attempt * len(data_of(wildcards).part(wildcards.part).videos)
    )


def per_attempt(amount):
    """An amount that grows with each retry."""
    return lambda wildcards, attempt: amount * attempt


def started(wildcards, input, threads, resources):
    """With how many threads and processes a run is started on each node; their number rounds."""
    chosen = settings(wildcards)
    arithmetic = min(plan.resources.arithmetic_threads(chosen), threads)
    processes = plan.resources.started_processes(chosen, resources.gpu)
    return (
        f"--threads {arithmetic} --processes {processes} --nodes {chosen.train.nodes}"
    )


def launcher(wildcards, input):
    """What starts a run on each of several nodes."""
    return resources.launcher(settings(wildcards))


def scored_with(wildcards, input, threads):
    """Threads that compute; the others of a job load clips."""
    return min(settings(wildcards).train.threads, threads)


def same_settings(wildcards):
    """What gives another call of snakemake the settings of this one."""
    files = [str(path) for path in workflow.overwrite_configfiles]
    values = [
        f"{key}={value!r}" for key, value in workflow.config_settings.config.items()
    ]
    options = ["--snakefile", str(workflow.main_snakefile)]
    options += ["--configfile", *files] if files else []
    options += ["--config", *values] if values else []
    return shlex.join(options)


one_message(PROJECT.data)(config["dataset"])  # a wrong setting stops here


# Commands read all settings from one file. It is no input of rules: of an input that is itself to be
# made, and that decides on nothing by its date, Snakemake 9.27 forgets other reasons to run a job.
onstart:
    PROJECT.write_settings()
