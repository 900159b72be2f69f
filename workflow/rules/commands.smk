"""What stands on a command's line: its inputs as flags, and how scores are evaluated."""

import shlex

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
    "hands",
    "object_features",
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
    if source is None or has_segments(wildcards.dataset):
        return data_file("annotations", "val")(wildcards)
    return source.annotations


def evaluated_films(wildcards):
    """The list of the films that are scored, where the ground truth has others too."""
    source = settings(wildcards.dataset).data.source
    return source.val if source and not has_segments(wildcards.dataset) else []


def noun_prior(wildcards):
    """The training segments, where they weigh the nouns of a verb."""
    wanted = (
        has_segments(wildcards.dataset)
        and settings(wildcards.dataset).evaluate.noun_prior
    )
    return data_file("annotations", "train")(wildcards) if wanted else []


def source_rules(wildcards):
    """What data in UCF101-24's form has otherwise than that."""
    data = settings(wildcards.dataset).data
    labels = shlex.join(["--labels", data.source.labels]) if data.source.labels else ""
    return f"{labels} --fps {data.clips_per_sec:g}".strip()


def evaluator(wildcards, input):
    """The command that evaluates this data, with its scores and the truth."""
    if has_segments(wildcards.dataset):
        verbs, nouns = input.scores
        files = [
            "epic",
            "--labels",
            input.groundtruth,
            "--verbs",
            verbs,
            "--nouns",
            nouns,
        ]
        return shlex.join(map(str, files))
    files = ["--groundtruth", input.groundtruth, "--detections", str(input.scores)]
    if settings(wildcards.dataset).data.source:
        words = shlex.join(["ucf24", *files, "--split", str(input.split)])
        return f"{words} {source_rules(wildcards)}"
    return shlex.join(["ava", *files, "--labels", str(input.labels)])


def evaluation_rules(wildcards):
    """What counts as found."""
    rules = settings(wildcards.dataset).evaluate
    if has_segments(wildcards.dataset):
        return ""
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
