"""Which films a data set has, by split, and where each lies, or is fetched from."""

import csv

from aia.datasets import sources
from aia.datasets.playhouse import video_names
from aia.fetch import NOT_YET
from aia.fetch import sources as publishers

AVA_TABLES = [
    *publishers.ava_tables("{version}"),
    *publishers.AVA_LISTS.values(),
]
PUBLISHED = {  # the tables that say what there is, by publisher
    "ava_v{version}": [f"{AVA}/v{{version}}/{name}" for name in AVA_TABLES],
    "ucf101_24": [f"{UCF}/{name}" for name in publishers.UCF101_24_TABLES],
    "epic55": [f"{EPIC}/{name}" for name in publishers.EPIC55_TABLES],
}


def publishers_tables(wildcards):
    """The tables of a publisher."""
    name, _, version = wildcards.publisher.partition("_v")
    paths = PUBLISHED["ava_v{version}" if version else name]
    return [path.replace("{version}", version) for path in paths]


def is_drawn(dataset):
    """Whether the films are drawn here (Playhouse) rather than brought along."""
    return settings(dataset).data.films.startswith(f"results/{dataset}/")


@one_message
def playhouse_form(dataset):
    """In which form Playhouse draws a data set, from its own settings alone: they are read early."""
    path = settings_file(f"config/{dataset}.yaml")
    layers = (
        workflow.config_settings.overwrite_config,
        read_settings(path) if path else {},
        config,
    )
    said = [layer.get("playhouse") or {} for layer in layers]
    return next(playhouse["form"] for playhouse in said if "form" in playhouse)


def drawn_as(form):
    """The data sets that Playhouse draws in a form, as a pattern of their names."""
    files = [*(REPOSITORY / "config").glob("*.yaml"), *Path("config").glob("*.yaml")]
    names = {config["dataset"], *(path.stem for path in files)}
    return "|".join(sorted(n for n in names if playhouse_form(n) == form)) or "(?!)"


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
    if source.format == "epic55":
        from aia.datasets import epic55

        if settings(dataset).data.fetch == "epic55":
            if not os.path.exists(source.annotations):  # what needs it waits for it
                checkpoints.annotations_fetched.get(publisher="epic55")
        return epic55.split_films(
            source.annotations, train=source.train, val=source.val
        )
    if settings(dataset).data.fetch == "ucf101_24":
        asked = {source.annotations, source.val} & {*PUBLISHED["ucf101_24"]}
        if not all(map(os.path.exists, asked)):  # what needs them waits for them
            checkpoints.annotations_fetched.get(publisher="ucf101_24")
    return sources.read_tubes(source).ids


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
    if has_segments(dataset):
        from aia.tables import read_segments

        return tuple(sorted(set(read_segments(path)["video"])))
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
        if not re.fullmatch(r"(?!\.)[A-Za-z0-9_.-]{0,179}[A-Za-z0-9_-]", video):
            raise InputError(
                f"{path}, line {line}: '{video[:200]}' is not a film's id (letters, digits, _ - ., "
                "no . at either end, at most 180 characters); the first column names the film "
                "without its folder and ending"
            )
    return tuple(sorted(line_of))


def splits_of_film(wildcards):
    """Which splits a film is in."""
    dataset = wildcards.dataset
    splits = ["train", "val"] + (["test"] if settings(dataset).data.test.films else [])
    return [split for split in splits if wildcards.video in videos(dataset, split)]


def fetched_table(dataset, path):
    """A table's path; where it has yet to be fetched, what needs it waits for that."""
    asked = settings(dataset).data.fetch
    if asked and not os.path.exists(path) and path.startswith(f"{AVA}/{asked[4:]}/"):
        checkpoints.annotations_fetched.get(publisher=asked)
    return path


@functools.cache
def film_list(dataset, part):
    """The names of AVA's films by their ids, of one part: trainval or test."""
    folder = f"{AVA}/{settings(dataset).data.fetch[4:]}"
    return publishers.read_ava_list(
        fetched_table(dataset, f"{folder}/{publishers.AVA_LISTS[part]}")
    )


def fetched_film(dataset, video):
    """A film's name with its ending, which differs among AVA's."""
    for part in publishers.AVA_LISTS:
        if video in film_list(dataset, part):
            return film_list(dataset, part)[video]
    raise InputError(
        f"{video}: is annotated, but not in AVA's lists of films, so it cannot be fetched; is it "
        "a film of your own? Put it where data.films says"
    )


def film_address(wildcards, input):
    """A film's address; another mirror is no reason to fetch it anew."""
    base = config["fetch"]["address"].rstrip("/")
    for version in ("2.2", "2.1"):
        for part in publishers.AVA_LISTS:
            path = f"{AVA}/v{version}/{publishers.AVA_LISTS[part]}"
            if os.path.exists(path):
                if wildcards.film in publishers.read_ava_list(path).values():
                    return f"{base}/{part}/{wildcards.film}"
    raise WorkflowError(
        f"{wildcards.film}: is in none of the lists of AVA's films under {AVA}; fetch these first: "
        f"`snakemake {AVA}/v2.2/{publishers.AVA_LISTS['trainval']}`"
    )


def fetch_settings(wildcards, input):
    """Where files come from; another mirror is no reason to fetch them anew."""
    return as_json({"fetch": config["fetch"]})


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
    if not found and settings(dataset).data.fetch == "epic55":
        return f"{EPIC}/films/{video}.MP4"
    if len(found) != 1:
        raise InputError(
            f"data.films: expected one film {path}, found {len(found)}"
            f"{': ' + ', '.join(found) if found else ''}"
        )
    return os.path.join(folder, found[0])


def is_unpacked(dataset):
    """Whether films come out of one archive where they are not there."""
    data = settings(dataset).data
    return data.fetch == "ucf101_24" and data.films == f"{UCF}/films/{{video}}.*"


def film(wildcards):
    """The film itself, the folder of all drawn films, or the list of those that were unpacked."""
    if is_drawn(wildcards.dataset):
        return f"results/{wildcards.dataset}/films"
    if is_unpacked(wildcards.dataset):  # another list is no reason to decode films anew
        return ancient(f"results/{wildcards.dataset}/fetched_films.csv")
    return film_path(wildcards.dataset, wildcards.video)


def path_of_film(wildcards):
    """The film's own path, also where the input is another one; its ending may not be known yet."""
    if is_unpacked(wildcards.dataset):
        return f"{UCF}/films/{wildcards.video}.*"
    return film_path(wildcards.dataset, wildcards.video)


def per_video(pattern, split):
    """An input function: one file of each film of a split."""

    def paths(wildcards):
        folder = f"results/{wildcards.dataset}"
        return [
            f"{folder}/{pattern.replace('{video}', video)}"
            for video in videos(wildcards.dataset, split)
        ]

    return paths


def when_tested(function):
    """An input function that gives nothing where no film is without labels."""

    def paths(wildcards):
        return (
            function(wildcards) if settings(wildcards.dataset).data.test.films else []
        )

    return paths


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


def clip_frames(wildcards, input):
    """Frames that a clip of the data set's results spans: a film with fewer is of no use."""
    chosen = settings(wildcards.dataset)
    runs = map(aia.config.parse_run, chosen.runs("results"))
    return max(chosen.backbones[run.backbone].span for run in runs)


def checked(wildcards):
    """What is there once all films were looked at; a newer list is no reason to train anew."""
    if not settings(wildcards.dataset).check.enabled:
        return []
    return ancient(f"results/{wildcards.dataset}/films.csv")


def when_films_may_be_skipped(*functions):
    """An input function that gives nothing where every film must be readable."""

    def paths(wildcards):
        if settings(wildcards.dataset).data.bad_films != "skip":
            return []
        return [path for function in functions for path in function(wildcards)]

    return paths
