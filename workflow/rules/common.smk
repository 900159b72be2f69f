"""What the rules share: settings of each data set, its films and files; runs.smk has the runs."""

import csv
import functools
import json
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

REPOSITORY = Path(workflow.basedir)
sys.path.insert(0, str(REPOSITORY / "workflow"))

from environment import has_gpu, make_findable

make_findable(REPOSITORY)

import aia.config
from aia.datasets import ava_files, ucf101_24
from aia.datasets.playhouse import video_names
from aia.errors import InputError
from aia.fetch import NOT_YET

AVA = "data/ava"  # where what is fetched of AVA lies; it may be a link to a large disk
WEIGHTS = ("i3d_kinetics400",)  # published backbones that `aia weights fetch` knows
DETECTORS = {  # maskrcnn-benchmark's, by their files' names
    "e2e_faster_rcnn_X_101_32x8d_FPN_1x.pth": "https://download.pytorch.org/models/maskrcnn",
}
VERSIONS = aia.config.STAGE_VERSIONS
BOX_FILES = {"persons": "person_boxes", "objects": "object_boxes"}  # in data:, by kind


wildcard_constraints:
    dataset=r"[A-Za-z0-9_-]+",
    video=r"[A-Za-z0-9_.-]+",
    split="train|val|test",
    kind="persons|objects",
    run=r"[a-z0-9_]+-(?:none|nl|(?:parallel|serial|dense|lfb)-[POM]+-(?:none|amu|frozen))-s\d+(?:-[a-z0-9_]+)?",
    ensemble=r"[a-z0-9_]+",  # never a run's name: those have a - in it
    scorer=r"[a-z0-9_]+(?:-[A-Za-z0-9_-]+)?",  # a run or an ensemble
    boxes="val|val-gt",
    scored="val|val-gt|test",
    view=r"(?:@[1-9]\d*(?:-flip)?)?",  # frames at another short side, mirrored; or as they are kept
    views=r"(?:@[1-9]\d*(?:-flip)?|-multiscale)?",  # the same, or the mean of several
    table="table1[a-f]",
    version=r"2\.[12]",
    film=r"[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(?:mkv|mp4|webm|avi|mov|m4v|flv|3gp)",
    weights="|".join(WEIGHTS),
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
    if own and "fetch" in aia.config.read_yaml(own):
        raise InputError(
            f"{own}: fetch is of all data sets alike; set it in config.yaml or in a --configfile"
        )
    layers = [
        aia.config.read_yaml(settings_file("config.yaml")),
        aia.config.read_yaml(own) if own else {},
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


# --- films and files of a data set ------------------------------------------------------


def is_drawn(dataset):
    """Whether the films are drawn here (Playhouse) rather than brought along."""
    return settings(dataset).data.films.startswith(f"results/{dataset}/")


def split_file(dataset, name, split):
    """What data.NAME says of a split; data.test.NAME of the one without labels."""
    data = settings(dataset).data
    return (
        getattr(data.test, name)
        if split == "test"
        else getattr(getattr(data, name), split)
    )


@one_message
def test_videos(dataset):
    """Ids of the films without labels."""
    from aia.tables import read_films

    path = settings(dataset).data.test.films
    if path is None:
        raise InputError(
            f"data.test.films: is null in the settings of {dataset}; a submission needs the list "
            "of the films that it is for"
        )
    return tuple(read_films(fetched_table(dataset, path)))


@one_message
def prepared_films(dataset):
    """Ids of each split's films, where annotations have a form of their own."""
    source = settings(dataset).data.source
    known = ucf101_24.read_annotations(source.annotations)
    films = ucf101_24.split_films(known, val=source.val, train=source.train)
    return {
        split: [ucf101_24.video_id(film) for film in names]
        for split, names in films.items()
    }


def source_file(name):
    """An input function: what data.source.NAME says; nothing where null."""

    def path(wildcards):
        source = settings(wildcards.dataset).data.source
        if source is None:
            raise WorkflowError(
                f"data.source: is null in the settings of {wildcards.dataset}, so there is nothing "
                "to prepare; its annotations are where data.annotations says"
            )
        return getattr(source, name) or []

    return path


@one_message
def videos(dataset, split):
    """Ids of the films that a split's annotations speak of."""
    if split == "test":
        return test_videos(dataset)
    if is_drawn(dataset):
        return tuple(video_names(settings(dataset).playhouse, split))
    if settings(dataset).data.source:
        return tuple(sorted(prepared_films(dataset)[split]))
    path = fetched_table(dataset, getattr(settings(dataset).data.annotations, split))
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = enumerate(csv.reader(file), start=1)
            line_of = {row[0]: line for line, row in rows if row}
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"data.annotations.{split}: {path} cannot be read ({error}); expected a CSV of "
            "video,second,x1,y1,x2,y2,action,person"
        ) from None
    for video, line in line_of.items():
        if not re.fullmatch(r"[A-Za-z0-9_.-]*[A-Za-z0-9_-]", video):
            raise InputError(
                f"{path}, line {line}: '{video}' is not a film's id (letters, digits, _ - .); "
                "the first column names the film without its folder and ending"
            )
    return tuple(sorted(line_of))


def fetched_table(dataset, path):
    """A table's path; where it has yet to be fetched, what needs it waits for that."""
    asked = settings(dataset).data.fetch
    if asked and not os.path.exists(path) and path.startswith(f"{AVA}/{asked[4:]}/"):
        checkpoints.fetch_ava_annotations.get(version=asked[5:])
    return path


@functools.cache
def files_in(folder):
    """The files in a folder, listed once: films are many, and their disk may be slow."""
    return sorted(os.listdir(folder)) if os.path.isdir(folder) else []


@one_message
def film_path(dataset, video):
    """The film of an id; a * in data.films stands for what differs, such as the ending."""
    path = settings(dataset).data.films.replace("{video}", video)
    folder, name = os.path.split(path)
    if "*" not in name:
        return path
    start, end = name.split("*", 1)
    found = [
        file
        for file in files_in(folder)
        if file.startswith(start) and file.endswith(end) and not file.endswith(NOT_YET)
    ]
    if not found and settings(dataset).data.fetch and folder == f"{AVA}/films":
        return f"{AVA}/films/{fetched_film(dataset, video)}"
    if len(found) != 1:
        raise InputError(
            f"data.films: expected one film {path}, found {len(found)}"
            f"{': ' + ', '.join(found) if found else ''}"
        )
    return os.path.join(folder, found[0])


@functools.cache
def film_list(dataset, part):
    """The names of AVA's films by their ids, of one part: trainval or test."""
    folder = f"{AVA}/{settings(dataset).data.fetch[4:]}"
    return ava_files.films_of(
        fetched_table(dataset, f"{folder}/{ava_files.film_list(part)}")
    )


def fetched_film(dataset, video):
    """A film's name with its ending, which differs among AVA's."""
    for part in ava_files.FILM_PARTS:
        if video in film_list(dataset, part):
            return film_list(dataset, part)[video]
    raise InputError(
        f"{video}: is annotated, but not in AVA's lists of films, so it cannot be fetched; is it "
        "a film of your own? Put it where data.films says"
    )


def film(wildcards):
    """The film itself, or the folder of all drawn films."""
    if is_drawn(wildcards.dataset):
        return f"results/{wildcards.dataset}/films"
    return film_path(wildcards.dataset, wildcards.video)


def path_of_film(wildcards):
    """The film's own path, also where the input is the folder of all drawn films."""
    return film_path(wildcards.dataset, wildcards.video)


def frames_settings(wildcards, input):
    """How frames are kept, and what to do about a film that cannot be read."""
    raw = raw_settings(wildcards.dataset)
    return as_json(
        {
            "frames": raw["frames"],
            "check": raw["check"],
            "data": {"bad_films": raw["data"]["bad_films"]},
        }
    )


def data_file(name, split=None):
    """An input function: the file that data.NAME (of a split) says; nothing where null."""

    def path(wildcards):
        if split:
            return split_file(wildcards.dataset, name, split) or []
        return getattr(settings(wildcards.dataset).data, name) or []

    return path


def per_video(pattern, split):
    """An input function: one file of each film of a split."""

    def paths(wildcards):
        folder = f"results/{wildcards.dataset}"
        return [
            f"{folder}/{pattern.replace('{video}', video)}"
            for video in videos(wildcards.dataset, split)
        ]

    return paths


def evaluated_labels(wildcards):
    """The classes that are scored, where those are not all."""
    data = settings(wildcards.dataset).data
    return data.evaluated or data.labels


def known_fingerprints(wildcards):
    """The list of right films, where there is one."""
    return settings(wildcards.dataset).check.fingerprints or []


def checked(wildcards):
    """What is there once all films were looked at; a newer list is no reason to train anew."""
    if not settings(wildcards.dataset).check.asks:
        return []
    return ancient(f"results/{wildcards.dataset}/films.csv")


def fetch_settings(wildcards, input):
    """Where files come from; another mirror is no reason to fetch them anew."""
    return as_json({"fetch": config["fetch"]})


def film_address(wildcards, input):
    """A film's address; another mirror is no reason to fetch it anew."""
    base = config["fetch"]["address"].rstrip("/")
    for version in ("2.2", "2.1"):
        for part in ava_files.FILM_PARTS:
            path = f"{AVA}/v{version}/{ava_files.film_list(part)}"
            if os.path.exists(path):
                if wildcards.film in ava_files.films_of(path).values():
                    return f"{base}/{part}/{wildcards.film}"
    raise WorkflowError(
        f"{wildcards.film}: is in none of the lists of AVA's films under {AVA}; fetch these first: "
        f"`snakemake {AVA}/v2.2/{ava_files.film_list('trainval')}`"
    )


def detector_address(wildcards, input):
    """Where a published detector lies."""
    return DETECTORS[wildcards.detector]


def is_imported(dataset, kind, split):
    """Whether a split's persons, or objects, are boxes that others published."""
    return split_file(dataset, BOX_FILES[kind], split) is not None


def boxes(kind, split):
    """An input function: a split's persons or objects; imported ones as one folder."""

    def paths(wildcards):
        if is_imported(wildcards.dataset, kind, split):
            return f"results/{wildcards.dataset}/imported/{split}/{kind}"
        return per_video(f"{kind}/{{video}}.parquet", split)(wildcards)

    return paths


def published(name, *splits):
    """An input function: what data.NAME says of the imported split, if it is one of these."""

    def path(wildcards):
        if wildcards.split not in splits:
            return []
        return split_file(wildcards.dataset, name, wildcards.split) or []

    return path


@one_message
def published_file(dataset, kind, split):
    if not is_imported(dataset, kind, split):
        raise InputError(
            f"data.{BOX_FILES[kind]}: says of {split} in the settings of {dataset} that its "
            f"{kind} are detected, so there are none to import"
        )
    return split_file(dataset, BOX_FILES[kind], split)


def published_boxes(wildcards):
    """The boxes that others published."""
    return published_file(wildcards.dataset, wildcards.kind, wildcards.split)


def splits_of_film(wildcards):
    """Which splits a film is in."""
    dataset = wildcards.dataset
    splits = ["train", "val"] + (["test"] if settings(dataset).data.test.films else [])
    return [split for split in splits if wildcards.video in videos(dataset, split)]


def annotations_of_film(wildcards):
    """The annotations that name this film: their seconds are its key frames."""
    annotations = settings(wildcards.dataset).data.annotations
    splits = splits_of_film(wildcards)
    return [getattr(annotations, split) for split in splits if split != "test"]


def seconds_of_film(wildcards):
    """The list of key frames, of films that are scored on them."""
    splits = splits_of_film(wildcards)
    return data_file("seconds")(wildcards) if {"val", "test"} & {*splits} else []


def when_finetuned(function):
    """An input function that gives nothing where the detector is used as it is."""

    def paths(wildcards):
        return (
            function(wildcards) if settings(wildcards.dataset).detector.finetune else []
        )

    return paths


def when_films_may_be_skipped(*functions):
    """An input function that gives nothing where every film must be readable."""

    def paths(wildcards):
        if settings(wildcards.dataset).data.bad_films != "skip":
            return []
        return [path for function in functions for path in function(wildcards)]

    return paths


def clip_frames(wildcards, input):
    """Frames that a clip of the data set's results spans: a film with fewer is of no use."""
    backbones = settings(wildcards.dataset).backbones
    results = settings(wildcards.dataset).results.rows
    return max(backbones[run.split("-")[0]].span for run in results)


def detector_settings(*unread):
    """A params function: the detector's settings, without effect of those a command ignores."""

    def picked(wildcards):
        settings(wildcards.dataset)  # checks them
        detector = raw_settings(wildcards.dataset)["detector"]
        # the command checks the section as a whole, so they are 0 rather than gone
        return as_json({"detector": detector | dict.fromkeys(unread, 0)})

    return picked


def detector_start(wildcards):
    """The weights that the detector starts from, where they are a file."""
    weights = settings(wildcards.dataset).detector.weights
    return [] if weights in ("scratch", "coco") else weights


# --- command lines ----------------------------------------------------------------------

OPTIONAL = (
    "excluded",
    "objects",
    "object_boxes",
    "tracks",
    "maybe_skipped",
    "init",
    "films",
    "seconds",
    "persons",
    "val_annotations",
    "val_frames",
    "val_excluded",
    "val_objects",
    "val_object_boxes",
)


def flags_of(*names):
    """A params function: those of a rule's inputs that there are, as flags of its command."""

    def flags(wildcards, input):
        given = [
            f"--{name.replace('_', '-')} {shlex.join(one_by_one(wildcards, files))}"
            for name, files in input.items()
            if name in names and files
        ]
        return " ".join(given)

    return flags


optional_flags = flags_of(*OPTIONAL)


def one_by_one(wildcards, files):
    """Files as a list; the folder of imported boxes as the files of its films."""
    if not isinstance(files, str):
        return files
    folder = re.fullmatch(r"results/[^/]+/imported/(\w+)/\w+", files)
    if not folder:
        return [files]
    return [
        f"{files}/{video}.parquet" for video in videos(wildcards.dataset, folder[1])
    ]


def evaluated_against(wildcards):
    """The ground truth, in the form in which it was published."""
    source = settings(wildcards.dataset).data.source
    return source.annotations if source else data_file("annotations", "val")(wildcards)


def evaluated_films(wildcards):
    """The list of the films that are scored, where the ground truth has others too."""
    source = settings(wildcards.dataset).data.source
    return source.val if source else []


def evaluator(wildcards, input):
    """The command that scores this data, with what it alone needs."""
    if settings(wildcards.dataset).data.source:
        return f"ucf24 --split {shlex.quote(str(input.split))}"
    return shlex.join(["ava", "--labels", str(input.labels)])


def evaluation_rules(wildcards):
    """What counts as found."""
    rules = settings(wildcards.dataset).evaluate
    if settings(wildcards.dataset).data.source:
        return f"--protocol {rules.tube_protocol} --frames {rules.frames} --iou {rules.iou}"
    return f"--protocol {rules.protocol} --iou {rules.iou}"


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


def gpus(wildcards):
    """GPUs that a job asks for; the default profile runs one such job at a time."""
    device = settings(wildcards.dataset).train.device
    return int(device.startswith("cuda") or (device == "auto" and has_gpu()))


def training_threads(wildcards):
    return settings(wildcards.dataset).train.threads


settings(config["dataset"])  # a wrong setting stops here
