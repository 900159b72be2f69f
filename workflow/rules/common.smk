"""What all rules share: constants, and the settings of each data set, checked.

films.smk, inputs.smk and commands.smk have the functions of input files and params, runs.smk those of runs.
"""

import functools
import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY / "workflow"))

from environment import has_gpu, make_findable

make_findable(REPOSITORY)

import aia.config
from aia.errors import InputError

AVA = "data/ava"  # where what is fetched of AVA lies; it may be a link to a large disk
UCF = "data/ucf101_24"  # of UCF101-24, likewise
EPIC = "data/epic55"  # of EPIC-Kitchens-55, likewise
WEIGHTS = ("i3d_kinetics400",)  # published backbones that `aia weights fetch` knows
DETECTORS = {  # maskrcnn-benchmark's, by their files' names
    "e2e_faster_rcnn_X_101_32x8d_FPN_1x.pth": "https://download.pytorch.org/models/maskrcnn",
}
VERSIONS = aia.config.STAGE_VERSIONS
BOX_FILES = {"persons": "person_boxes", "objects": "object_boxes"}  # in data:, by kind


wildcard_constraints:
    dataset=r"[A-Za-z0-9_-]+",
    video=aia.config.VIDEO_ID,
    split="train|val|test",
    kind="persons|objects",
    run=aia.config.RUN_PATTERN,
    ensemble=aia.config.ENSEMBLE_PATTERN,  # never a run's name: those have a - in it
    scorer=r"[a-z0-9_]+(?:-[A-Za-z0-9_-]+)?",  # a run or an ensemble
    boxes="val|val-gt",
    scored="val|val-gt|test",
    view=r"(?:@[1-9]\d*(?:-flip)?)?",  # frames at another short side, mirrored; or as they are kept
    views=r"(?:@[1-9]\d*(?:-flip)?|-multiscale)?",  # the same, or the mean of several
    table="table1[a-f]",
    version=r"2\.[12]",
    film=aia.config.VIDEO_ID + r"\.(?:mkv|mp4|webm|avi|mov|m4v|flv|3gp)",
    weights="|".join(WEIGHTS),
    publisher=r"ava_v2\.[12]|ucf101_24|epic55",
    detector="|".join(map(re.escape, DETECTORS)),


def one_message(function):
    """Remember results, and let bad input end as one message, before any job starts."""

    @functools.cache
    @functools.wraps(function)
    def wrapped(*args):
        try:
            return function(*args)
        except InputError as error:
            raise WorkflowError(str(error)) from None

    return wrapped


# --- settings ---------------------------------------------------------------------------


def settings_file(name):
    """A file of settings in the working directory, else in the repository, else None."""
    places = (Path(name), REPOSITORY / name)
    return next((path for path in places if path.is_file()), None)


configfile: settings_file("config.yaml")


@functools.cache
def read_settings(path):
    """A file of settings, read once."""
    return aia.config.read_yaml(path)


@one_message
def raw_settings(dataset):
    """config.yaml, config/{dataset}.yaml and the user's --configfile, in layers."""
    own = settings_file(f"config/{dataset}.yaml")
    if own is None and dataset != config["dataset"]:
        known = {path.stem for path in (REPOSITORY / "config").glob("*.yaml")}
        raise InputError(
            f"'{dataset}' has no settings: expected a file config/{dataset}.yaml, or "
            f"'dataset: {dataset}' in a --configfile (data sets with settings: "
            f"{', '.join(sorted(known | {config['dataset']}))})"
        )
    if own and "fetch" in read_settings(own):
        raise InputError(
            f"{own}: fetch is of all data sets alike; set it in config.yaml or in a --configfile"
        )
    layers = [
        read_settings(settings_file("config.yaml")),
        read_settings(own) if own else {},
        workflow.config_settings.overwrite_config,
    ]
    return functools.reduce(aia.config.overlay, layers) | {"dataset": dataset}


@one_message
def settings(dataset):
    """All settings of a data set, checked."""
    own = f"config/{dataset}.yaml"
    given = [os.path.relpath(path) for path in workflow.overwrite_configfiles]
    files = ["config.yaml", *([own] if settings_file(own) else []), *given]
    source = " + ".join(dict.fromkeys(files))
    return aia.config.load_settings(raw_settings(dataset), source=source)


def as_json(value):
    """Settings as one argument of a command; sorted: equal settings, equal text."""
    return json.dumps(value, sort_keys=True)


def sections(*names):
    """A params function: these sections alone, so that a change reruns what needs it."""

    def picked(wildcards):
        settings(wildcards.dataset)  # checks them
        raw = raw_settings(wildcards.dataset)
        return as_json({name: raw[name] for name in names})

    return picked


# Snakemake takes a changed param for a reason to run again, unless its function asks for
# `input`. So commands get all they need by such functions, and what decides on the outcome
# stands beside it as `recipe`.


def recipe(sections):
    """What of some sections decides on the outcome, as JSON."""
    kept = {
        name: {
            key: value
            for key, value in section.items()
            if key not in aia.config.MACHINE_SETTINGS.get(name, ())
        }
        for name, section in sections.items()
    }
    return as_json(kept)


def gpus(wildcards):
    """GPUs that a job asks for; the default profile runs one such job at a time."""
    device = settings(wildcards.dataset).train.device
    return int(device.startswith("cuda") or (device == "auto" and has_gpu()))


def training_gpus(wildcards):
    """Those of a run on all of its nodes: one for each of its processes."""
    chosen = settings(wildcards.dataset).train
    wanted = gpus(wildcards) * chosen.processes * chosen.nodes
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
    """Those of all processes of a run on a node, and of the workers that load their clips."""
    chosen = settings(wildcards.dataset).train
    return training_arithmetic(wildcards) + chosen.processes * chosen.workers


def scoring_threads(wildcards):
    """Likewise."""
    chosen = settings(wildcards.dataset)
    return chosen.train.threads + chosen.score.workers


def measuring_threads(wildcards):
    """Of what loads its clips itself."""
    return settings(wildcards.dataset).train.threads


def training_memory(wildcards, attempt):
    """MB of a node: Ω and a process, further processes, workers; half more on each retry."""
    chosen = settings(wildcards.dataset).train
    needed = 16000 + 3000 * (chosen.processes - 1)
    needed += 500 * chosen.processes * chosen.workers
    return needed * (1 + min(attempt, 3)) // 2


def training_arithmetic(wildcards):
    """Threads that compute on a CPU: one for each process at least."""
    chosen = settings(wildcards.dataset).train
    return max(chosen.threads, chosen.processes)


settings(config["dataset"])  # a wrong setting stops here
