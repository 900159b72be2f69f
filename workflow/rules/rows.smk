"""Rows of tables and figures: which runs stand behind each, and which of their files it needs."""

@one_message
def table_runs(dataset, table):
    """A table's rows: each its name and the names of the runs behind it, one for each seed."""
    chosen = settings(dataset)
    return {row: list(chosen.runs_of(table, row)) for row in chosen.table(table).rows}


def table_name(wildcards):
    """The table that is asked for, else the results."""
    return getattr(wildcards, "table", "results")


def rows_of(wildcards):
    """Rows of that table."""
    return table_runs(wildcards.dataset, table_name(wildcards))


def run_file(wildcards, pattern, run):
    return f"results/{wildcards.dataset}/{pattern.replace('{run}', run)}"


def kinds_of_boxes(dataset):
    """On which boxes runs are evaluated: annotated and detected ones; segments have none."""
    return ("val",) if has_segments(dataset) else ("val-gt", "val")


def scored_as(dataset, table, row, kind):
    """How a row's scores on boxes of a kind are named: once for each seed, once of an ensemble."""
    chosen, read = settings(dataset), aia.config.parse_row(row)
    scorers = [read.name] if read.is_ensemble else chosen.runs_of(table, row)
    return [f"{scorer}.{kind}{read.views}" for scorer in scorers]


def metrics_of_row(wildcards, row, kind):
    """A row's metrics on boxes of a kind."""
    names = scored_as(wildcards.dataset, table_name(wildcards), row, kind)
    return [f"results/{wildcards.dataset}/metrics/{name}.csv" for name in names]


def row_metrics(kind):
    """An input function: the metrics of all rows of a table on boxes of a kind."""

    def paths(wildcards):
        rows = rows_of(wildcards)
        return [file for row in rows for file in metrics_of_row(wildcards, row, kind)]

    return paths


def person_metrics(wildcards):
    """How well persons are found."""
    return f"results/{wildcards.dataset}/metrics/persons.csv"


def run_files(pattern, *, with_starts=False):
    """An input function: one file of each run behind a table."""

    def paths(wildcards):
        return [
            file for _, file in named_files(wildcards, pattern, with_starts=with_starts)
        ]

    return paths


def named_run_files(pattern, *, with_starts=False):
    """A params function: RUN=FILE of each run behind a table."""

    def pairs(wildcards):
        named = named_files(wildcards, pattern, with_starts=with_starts)
        return [f"{run}={file}" for run, file in named]

    return pairs


def named_files(wildcards, pattern, *, with_starts):
    """Name and file of each run behind a table, once; also of the runs that those begin with."""
    runs = settings(wildcards.dataset).runs(table_name(wildcards))
    if with_starts:
        starts = [starting_run(wildcards.dataset, run) for run in runs]
        runs = list(dict.fromkeys([*filter(None, starts), *runs]))
    return [(run, run_file(wildcards, pattern, run)) for run in runs]


def method_files(pattern):
    """A params function: METHOD=FILE of each run behind a table; a method's runs differ by seed."""

    def pairs(wildcards):
        return [
            f"{aia.config.parse_run(run).without_seed}={run_file(wildcards, pattern, run)}"
            for run in settings(wildcards.dataset).runs(table_name(wildcards))
        ]

    return pairs


def structures(dataset):
    """Parallel and serial of Table 1d: the name of the row, and its first seed's run."""
    called = settings(dataset).table("table1d").rows
    runs = table_runs(dataset, "table1d")
    return {
        called[row]: seeds[0]
        for row, seeds in runs.items()
        if called[row] in ("Parallel", "Serial")
    }


def structure_files(pattern):
    """An input function: a file of each structure that Fig. 4 compares."""

    def paths(wildcards):
        runs = structures(wildcards.dataset).values()
        return [run_file(wildcards, pattern, run) for run in runs]

    return paths


def named_structure_files(pattern):
    """A params function: STRUCTURE=FILE of the same."""

    def pairs(wildcards):
        runs = structures(wildcards.dataset)
        return [
            f"{name}={run_file(wildcards, pattern, run)}" for name, run in runs.items()
        ]

    return pairs


def remembering(dataset):
    """IA with and without AMU of Table 1e: the name of the row, and its first seed's run."""
    called = settings(dataset).table("table1e").rows
    runs = table_runs(dataset, "table1e")
    return {called[row]: runs[row][0] for row in runs if called[row].startswith("IA")}


def remembering_files(pattern):
    """An input function: a file of each run whose memory is looked at."""

    def paths(wildcards):
        runs = remembering(wildcards.dataset).values()
        return [run_file(wildcards, pattern, run) for run in runs]

    return paths


def named_remembering_files(pattern):
    """A params function: ROW=FILE of the same."""

    def pairs(wildcards):
        runs = remembering(wildcards.dataset)
        return [
            f"{name}={run_file(wildcards, pattern, run)}" for name, run in runs.items()
        ]

    return pairs


def reach_steps(wildcards):
    """Which training steps Fig. 5 measures."""
    chosen = settings(wildcards.dataset).figure5
    joint = " ".join(map(str, chosen.joint))
    reaches = " ".join(map(str, chosen.reaches))
    return f"--clips {chosen.clips} --reaches {reaches} --joint {joint}"


def shown_run(pattern):
    """An input function: a file of the run that figures show, the first behind the last row."""

    def path(wildcards):
        return run_file(wildcards, pattern, list(rows_of(wildcards).values())[-1][0])

    return path


@one_message
def run_in_words(dataset, run):
    """What a table says of a run beside its name: backbone, frames x stride, pre-training."""
    backbone = aia.config.parse_run(run).backbone
    described = settings(dataset).backbones[backbone]
    stride = described.strides[-1]
    start = run_sections(dataset, run)["train"]["init"]
    words = {"scratch": "none", "pretrain": f"{dataset}, backbone alone"}
    return {
        "backbone": backbone,
        "input": f"{described.span // stride}x{stride}",
        "pretraining": words.get(start, Path(start).stem),
    }


def row_in_words(dataset, runs):
    """The same of all runs behind a row, which differ in an ensemble alone."""
    words = [run_in_words(dataset, run) for run in runs]
    return {key: " + ".join(dict.fromkeys(w[key] for w in words)) for key in words[0]}


def table_rows(wildcards):
    """A table's rows with the metrics files of each, as JSON."""
    called = settings(wildcards.dataset).table(table_name(wildcards)).rows
    described = []
    for method, runs in rows_of(wildcards).items():
        metrics = {
            kind: metrics_of_row(wildcards, method, kind)
            for kind in kinds_of_boxes(wildcards.dataset)
        }
        words = row_in_words(wildcards.dataset, runs) | {"row": called[method]}
        if costs(wildcards):
            words["cost"] = run_file(wildcards, "metrics/{run}.cost.csv", runs[0])
        described.append({"method": method, "metrics": metrics, **words})
    return as_json(described)


def costs(wildcards):
    """An input function: what a clip costs, for the table that compares it (Table 1e)."""
    if table_name(wildcards) != "table1e":
        return []
    rows = rows_of(wildcards).values()
    return [run_file(wildcards, "metrics/{run}.cost.csv", runs[0]) for runs in rows]


def paper_numbers(wildcards):
    """Where the paper's numbers of a table stand, and whether they are of this very data."""
    chosen, table = settings(wildcards.dataset), table_name(wildcards).removeprefix(
        "table"
    )
    data, table = chosen.paper_data, chosen.paper_table if table == "results" else table
    flags = ["--paper-table", table] if table else []
    return shlex.join(flags + (["--paper-data", data] if data else []))


# --- what is submitted ------------------------------------------------------------------


@one_message
def submissions(dataset):
    """The rows of `submissions`, each with its files; their films have no labels."""
    called = settings(dataset).table("submissions").rows
    folder = f"results/{dataset}/submission"
    return [
        {
            "method": method,
            "row": row,
            "files": [
                f"{folder}/{name}.csv"
                for name in scored_as(dataset, "submissions", method, "test")
            ],
        }
        for method, row in called.items()
    ]


def submission_files(wildcards):
    """An input function: all files that are to be submitted."""
    return [file for row in submissions(wildcards.dataset) for file in row["files"]]


def submission_rows(wildcards):
    """The rows of what is submitted, as JSON."""
    return as_json(submissions(wildcards.dataset))


def submission_paper(wildcards):
    """What the paper calls the films that are submitted."""
    data = settings(wildcards.dataset).table("submissions").paper_data
    return shlex.join(["--paper-data", data]) if data else ""
