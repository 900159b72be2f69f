"""Files beside the films: annotations, and boxes, detected here or by others."""


def split_file(dataset, name, split):
    """What data.NAME says of a split; data.test.NAME of the one without labels."""
    data = settings(dataset).data
    return (
        getattr(data.test, name)
        if split == "test"
        else getattr(getattr(data, name), split)
    )


def data_file(name, split=None):
    """An input function: the file that data.NAME (of a split) says; nothing where null."""

    def path(wildcards):
        if split:
            return split_file(wildcards.dataset, name, split) or []
        return getattr(settings(wildcards.dataset).data, name) or []

    return path


def datasets_from(*forms):
    """Names of the data sets whose annotations have one of these forms, as a pattern."""
    names = {
        path.stem
        for folder in ("config", REPOSITORY / "config")
        for path in Path(folder).glob("*.yaml")
    }
    found = []
    for name in sorted(names | {config["dataset"]}):
        source = raw_settings(name).get("data", {}).get("source") or {}
        if source.get("format") in forms:
            found.append(re.escape(name))
    return "|".join(found) or "(?!)"


def source_file(name):
    """An input function: what data.source.NAME says; nothing where null."""

    def path(wildcards):
        source = settings(wildcards.dataset).data.source
        if source is None:
            raise WorkflowError(
                f"data.source: is null in the settings of {wildcards.dataset}, so there is nothing "
                "to prepare; its annotations are where data.annotations says"
            )
        return getattr(source, name, None) or []  # not every form has it

    return path


def evaluated_labels(wildcards):
    """The classes that are scored, where those are not all."""
    data = settings(wildcards.dataset).data
    return data.evaluated or data.labels


def has_segments(dataset):
    """Whether the data are labelled by segment rather than on key frames."""
    return settings(dataset).data.tasks is not None


def has_tubes(dataset):
    """Whether every frame is labelled, in a form of its own."""
    return settings(dataset).data.source is not None and not has_segments(dataset)


def unless_segments(function):
    """An input function that gives nothing of data labelled by segment."""

    def paths(wildcards):
        return [] if has_segments(wildcards.dataset) else function(wildcards)

    return paths


def when_segments(function):
    """An input function that gives something only of data labelled by segment."""

    def paths(wildcards):
        return function(wildcards) if has_segments(wildcards.dataset) else []

    return paths


def key_frames(*splits):
    """An input function: who does what on key frames; nothing of data labelled by segment."""

    def paths(wildcards):
        if has_segments(wildcards.dataset):
            return []
        return [data_file("annotations", split)(wildcards) for split in splits]

    return paths


def annotations_of_film(wildcards):
    """The annotations that name this film: their seconds are its key frames."""
    return key_frames(*{"train", "val"} & {*splits_of_film(wildcards)})(wildcards)


def segments_of_film(wildcards):
    """The segments that name this film: its key frames are where their clips may lie."""
    if not has_segments(wildcards.dataset):
        return []
    splits = [split for split in splits_of_film(wildcards) if split != "test"]
    return [data_file("annotations", split)(wildcards) for split in splits]


def seconds_of_film(wildcards):
    """The list of key frames, of films that are scored on them."""
    splits = splits_of_film(wildcards)
    return data_file("seconds")(wildcards) if {"val", "test"} & {*splits} else []


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


def when_finetuned(function):
    """An input function that gives nothing where the detector is used as it is."""

    def paths(wildcards):
        return (
            function(wildcards) if settings(wildcards.dataset).detector.finetune else []
        )

    return paths


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


def detector_address(wildcards, input):
    """Where a published detector lies."""
    return DETECTORS[wildcards.detector]
