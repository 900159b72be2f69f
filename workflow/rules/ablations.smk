# The paper's ablations (§4.2, Table 1), on any data set: in minutes on Playhouse, on a cluster on AVA.


rule ablation_table:
    """Metrics of the runs of one part of Table 1 -> its rows, with the spread over seeds."""
    input:
        detected=row_metrics("val"),
        groundtruth=unless_segments(row_metrics("val-gt")),
        costs=costs,
        labels=data_file("labels"),
        maybe_skipped=when_films_may_be_skipped(
            per_video("frames/{video}.h5", "train"),
            per_video("frames/{video}.h5", "val"),
        ),
    output:
        table=report(
            "results/{dataset}/{table}.csv",
            caption="../report/ablation.rst",
            category="3. Ablations",
            labels={
                "data set": "{dataset}",
                "what": "{table} as CSV",
            },
        ),
        classes="results/{dataset}/{table}.classes.csv",
        html=report(
            "results/{dataset}/{table}.html",
            caption="../report/ablation.rst",
            category="3. Ablations",
            labels={
                "data set": "{dataset}",
                "what": "{table}",
            },
        ),
    log:
        "logs/{dataset}/ablation_table/{table}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        optional=optional_flags,
        rows=table_rows,
        paper=paper_numbers,
    shell:
        "aia table --rows {params.rows:q} --labels {input.labels:q}"
        " {params.optional} {params.paper} --output {output.table} --log {log}"


rule measure_cost:
    """A run's network -> its parameters and the operations of one clip (Table 1e)."""
    input:
        labels=data_file("labels"),
    output:
        cost="results/{dataset}/metrics/{run}.cost.csv",
    log:
        "logs/{dataset}/measure_cost/{run}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=30,
    params:
        settings=cost_settings,
        recipe=cost_recipe,
    shell:
        "aia cost --run {wildcards.run} --labels {input.labels:q} --output {output.cost}"
        " --settings {params.settings:q} --log {log}"
