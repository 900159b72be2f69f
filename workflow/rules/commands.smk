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
    """The ground truth: annotations of key frames or segments, or tubes."""
    if has_tubes(wildcards.dataset):
        return f"results/{wildcards.dataset}/prepared/tubes.csv"
    return data_file("annotations", "val")(wildcards)


def noun_prior(wildcards):
    """The training segments, where they weigh the nouns of a verb."""
    wanted = (
        has_segments(wildcards.dataset)
        and settings(wildcards.dataset).evaluate.noun_prior
    )
    return data_file("annotations", "train")(wildcards) if wanted else []


def tube_command(wildcards):
    """The kind of `aia prepare` that reads the tubes."""
    return sources.COMMANDS[settings(wildcards.dataset).data.source.format]


def source_rules(wildcards):
    """What tubes are prepared with, beside the files of their splits."""
    data = settings(wildcards.dataset).data
    given = {name: getattr(data.source, name, None) for name in ("labels", "split")} | {
        "fps": f"{data.clips_per_sec:g}"
    }
    return " ".join(
        shlex.join([f"--{name}", str(value)]) for name, value in given.items() if value
    )


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
    files += ["--labels", str(input.labels)]
    if has_tubes(wildcards.dataset):
        rate = settings(wildcards.dataset).data.clips_per_sec
        return shlex.join(["ucf24", *files, "--fps", f"{rate:g}"])
    return shlex.join(["ava", *files])


def evaluation_rules(wildcards):
    """What counts as found."""
    rules = settings(wildcards.dataset).evaluate
    if has_segments(wildcards.dataset):
        return ""
    if has_tubes(wildcards.dataset):
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
