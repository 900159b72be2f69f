"""Names of runs, and what follows from them: what a run is made of, starts from and sees."""

@one_message
def run_sections(dataset, run):
    """The settings that make a run what it is, its variant applied."""
    settings(dataset)  # checks them
    return aia.config.run_settings(raw_settings(dataset), aia.config.parse_run(run))


def training_settings(wildcards, input):
    """All that the command needs to know."""
    return as_json(run_sections(wildcards.dataset, wildcards.run))


def started_nodes(wildcards, input):
    """On how many nodes a run is trained."""
    return settings(wildcards.dataset).train.nodes


def started_processes(wildcards, input, resources):
    """On each node as many as it was given GPUs; without any, as many as the settings say."""
    if not resources.gpu:
        return settings(wildcards.dataset).train.processes
    return max(resources.gpu // started_nodes(wildcards, input), 1)


def training_arithmetic_threads(wildcards, input, threads):
    """Of its threads those that compute on a CPU; the others load clips. Their number rounds."""
    return min(training_arithmetic(wildcards), threads)


def scoring_arithmetic_threads(wildcards, input, threads):
    """Likewise."""
    return min(settings(wildcards.dataset).train.threads, threads)


def on_each_node(wildcards, input):
    """What starts the command once on each node of a run that has several.

    All CPUs of the job are for it: srun asks for one a task unless told otherwise, and does not take
    over what sbatch was told (Slurm 22.05). A node that fails ends the others, which wait for it.
    """
    nodes = started_nodes(wildcards, input)
    if nodes == 1:
        return ""
    return f"srun --ntasks={nodes} --ntasks-per-node=1 --cpu-bind=none --kill-on-bad-exit=1"


def clip_rate(wildcards, input):
    """How many clips a second the data has, where that is not one."""
    rate = settings(wildcards.dataset).data.clips_per_sec
    return f"--clips-per-sec {rate}" if rate != 1 else ""


def training_recipe(wildcards):
    """What makes this run what it is: a change of it, and of nothing else, trains again."""
    rate = settings(wildcards.dataset).data.clips_per_sec
    data = {"data": {"clips_per_sec": rate}} if rate != 1 else {}
    return recipe(run_sections(wildcards.dataset, wildcards.run) | data)


def cost_sections(wildcards):
    raw = raw_settings(wildcards.dataset)
    return run_sections(wildcards.dataset, wildcards.run) | {"frames": raw["frames"]}


def cost_settings(wildcards, input):
    """The network and the size of its frames."""
    return as_json(cost_sections(wildcards))


def cost_recipe(wildcards):
    """What of it decides on the cost."""
    sections = cost_sections(wildcards)
    size = {"short_side": sections["frames"]["short_side"]}
    kept = ("network", "memory", "backbones")
    return as_json({"frames": size, **{k: sections[k] for k in kept if k in sections}})


def scoring_settings(wildcards, input):
    """All that the command needs to know."""
    return as_json({"score": raw_settings(wildcards.dataset)["score"]})


def scoring_recipe(wildcards):
    """What of it decides on the scores."""
    return recipe({"score": raw_settings(wildcards.dataset)["score"]})


def scoring_device(wildcards, input):
    """Where to compute."""
    return settings(wildcards.dataset).train.device


def view_flags(wildcards, input):
    """In which view the network sees the frames; it is in the scores' name."""
    short_side, mirrored = re.fullmatch(r"(?:@(\d+)(-flip)?)?", wildcards.view).groups()
    flags = [f"--short-side {short_side}"] if short_side else []
    return " ".join(flags + (["--flip"] if mirrored else []))


# --- fused scores -----------------------------------------------------------------------


def view_scores(wildcards):
    """An input function: a run's scores in each view of multi-scale testing."""
    chosen = settings(wildcards.dataset)
    start = f"results/{wildcards.dataset}/scores/{wildcards.run}.{wildcards.scored}"
    views = [
        f"@{short_side}{mirrored}"
        for short_side in chosen.fuse.short_sides
        for mirrored in (("", "-flip") if chosen.fuse.flip else ("",))
    ]
    as_kept = f"@{chosen.frames.short_side}"  # what is scored anyway
    return [f"{start}{'' if view == as_kept else view}.parquet" for view in views]


@one_message
def ensemble_runs(dataset, ensemble):
    """The runs of an ensemble."""
    known = settings(dataset).fuse.ensembles
    if ensemble not in known:
        raise InputError(
            f"'{ensemble}' is neither a run nor one of fuse.ensembles "
            f"(it has {', '.join(known) or 'none'})"
        )
    return known[ensemble]


def ensemble_scores(wildcards):
    """An input function: the scores of an ensemble's runs, in the ensemble's views."""
    return [
        f"results/{wildcards.dataset}/scores/{run}.{wildcards.scored}{wildcards.views}.parquet"
        for run in ensemble_runs(wildcards.dataset, wildcards.ensemble)
    ]


def kind_of_mean(wildcards):
    return settings(wildcards.dataset).fuse.mean


# --- what a run starts from -------------------------------------------------------------


@one_message
def starting_run(dataset, run):
    """The run whose backbone a run begins with; None: a file's, or none at all."""
    if run_sections(dataset, run)["train"]["init"] != "pretrain":
        return None
    name = aia.config.parse_run(run)
    before = name._replace(
        structure="none", blocks="", memory="none", variant="pretrain"
    )
    if before == name:
        raise InputError(
            "variants.pretrain: its train.init is pretrain, it would wait for itself"
        )
    return str(before)


def init(wildcards):
    """The file that a run's backbone begins with; nothing from scratch."""
    dataset, run = wildcards.dataset, wildcards.run
    before = starting_run(dataset, run)
    if before:
        return f"results/{dataset}/runs/{before}/model.safetensors"
    start = run_sections(dataset, run)["train"]["init"]
    if start == "scratch":
        return []
    if start in WEIGHTS:
        return f"results/weights/{start}.safetensors"
    return start.replace("{backbone}", aia.config.parse_run(run).backbone)


def conversion_settings(wildcards, input):
    """What says which networks there are, and how files are fetched."""
    return as_json(raw_settings(config["dataset"]))


# --- what a run sees --------------------------------------------------------------------


def task_of(dataset, run):
    """What a run tells of segments: its variant's name; runs of other variants learn verbs."""
    tasks = settings(dataset).data.tasks
    variant = aia.config.parse_run(run).variant
    return variant if variant in tasks else "verb"


def labels_of_run(wildcards):
    """The classes that a run tells apart."""
    data = settings(wildcards.dataset).data
    if not has_segments(wildcards.dataset):
        return data.labels
    return data.tasks[task_of(wildcards.dataset, wildcards.run)]


def task_rules(wildcards):
    """Of segments: what is told of them, and from which score hands are used."""
    if not has_segments(wildcards.dataset):
        return ""
    threshold = settings(wildcards.dataset).detector.person_threshold
    task = shlex.quote(task_of(wildcards.dataset, wildcards.run))
    return f"--task {task} --hand-threshold {threshold}"


def hands(split):
    """An input function: hands in segments, for a run with a P-Block."""

    def paths(wildcards):
        wanted = has_segments(wildcards.dataset)
        wanted &= "P" in aia.config.parse_run(wildcards.run).blocks
        return boxes("persons", split)(wildcards) if wanted else []

    return paths


def remembered_objects(split):
    """An input function: what the detector saw, for a run that remembers it."""

    def paths(wildcards):
        if aia.config.parse_run(wildcards.run).memory != "objects":
            return []
        return per_video("object_features/{video}.parquet", split)(wildcards)

    return paths


def detected_persons(split):
    """An input function: who is scored where the truth is not given; segments are given."""

    def paths(wildcards):
        return (
            []
            if has_segments(wildcards.dataset)
            else boxes("persons", split)(wildcards)
        )

    return paths


@one_message
def runs_of_tasks(dataset, row):
    """The runs whose scores make a row's actions: of its verbs and of its nouns (§6.1).

    A row that remembers has AMU for verbs and the detector's objects for nouns.
    """
    name = aia.config.parse_run(row)
    if name.variant is not None:
        raise InputError(
            f"{row}: the rows of data labelled by segment are runs without a variant"
        )
    memory = {
        "verb": name.memory,
        "noun": "none" if name.memory == "none" else "objects",
    }
    return [
        str(name._replace(memory=memory[task], variant=task))
        for task in ("verb", "noun")  # as the evaluation takes them
    ]


def evaluated_scores(wildcards):
    """The scores that a metric is made of: of a run, or of its verbs and its nouns."""
    start, end = (
        f"results/{wildcards.dataset}/scores",
        f"{wildcards.boxes}{wildcards.views}.parquet",
    )
    if not has_segments(wildcards.dataset):
        return f"{start}/{wildcards.scorer}.{end}"
    return [
        f"{start}/{run}.{end}"
        for run in runs_of_tasks(wildcards.dataset, wildcards.scorer)
    ]


def has_object_block(run):
    return "O" in aia.config.parse_run(run).blocks


def objects(stage, split):
    """An input function: annotated objects, for a run with an O-Block that sees those."""

    def path(wildcards):
        choice = getattr(settings(wildcards.dataset), stage).objects
        wanted = has_object_block(wildcards.run) and choice == "groundtruth"
        wanted &= not has_segments(wildcards.dataset)
        return data_file("objects", split)(wildcards) if wanted else []

    return path


def object_boxes(stage, split):
    """An input function: detected objects, for a run with an O-Block that sees those."""

    def paths(wildcards):
        if not has_object_block(wildcards.run) or objects(stage, split)(wildcards):
            return []
        return boxes("objects", split)(wildcards)

    return paths


def when_validated(files):
    """An input function: what a run with a mAP curve is validated on."""

    def paths(wildcards):
        sections = run_sections(wildcards.dataset, wildcards.run)
        return files(wildcards) if sections["train"]["validate_every"] else []

    return paths


def detected_objects(split):
    """An input function: objects beside detected persons; they are detected too, as on a film
    that nobody annotated."""

    def paths(wildcards):
        wanted = has_object_block(wildcards.run)
        return boxes("objects", split)(wildcards) if wanted else []

    return paths


def person_rules(wildcards):
    """From which score detected persons are used (§4.1)."""
    return f"--person-threshold {settings(wildcards.dataset).detector.person_threshold}"


def object_rules(wildcards):
    """From which score detected objects are used (§4.1)."""
    return f"--object-threshold {settings(wildcards.dataset).detector.object_threshold}"


def object_rules_where_seen(stage, split):
    """A params function: the same, for a run that sees detected objects."""

    def rules(wildcards):
        return object_rules(wildcards) if object_boxes(stage, split)(wildcards) else ""

    return rules


def most_objects(wildcards):
    """How many objects of a clip are seen, the best ones by score."""
    return settings(wildcards.dataset).network.max_objects
