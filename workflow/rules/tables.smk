# The result of a data set as a table: every row of `results`, on annotated and on detected boxes; and the
# list of what is submitted for films without labels.


rule result_table:
    """Metrics of all rows -> the table of the data set, as CSV and for the report as HTML."""
    input:
        detected=row_metrics("val"),
        groundtruth=unless_segments(row_metrics("val-gt")),
        persons=unless_segments(person_metrics),
        labels=data_file("labels"),
        maybe_skipped=when_films_may_be_skipped(
            per_video("frames/{video}.h5", "train"),
            per_video("frames/{video}.h5", "val"),
        ),
    output:
        table=report(
            "results/{dataset}_val.csv",
            caption="../report/table.rst",
            category="1. Results",
            labels={"data set": "{dataset}", "what": "2 the same as CSV"},
        ),
        classes="results/{dataset}_val.classes.csv",
        html=report(
            "results/{dataset}_val.html",
            caption="../report/table.rst",
            category="1. Results",
            labels={"data set": "{dataset}", "what": "1 frame mAP"},
        ),
    log:
        "logs/{dataset}/result_table.log",
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


rule submission_list:
    """All submissions of `submissions` -> which file is which row, and what to hold it against."""
    input:
        submission_files,
    output:
        "results/{dataset}_test.csv",
    log:
        "logs/{dataset}/submission_list.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        rows=submission_rows,
        paper=submission_paper,
    shell:
        "aia submissions --rows {params.rows:q} {params.paper} --output {output} --log {log}"


rule table:
    """The table of a data set, by the name of the data set alone."""
    input:
        "results/{dataset}_val.csv",
    output:
        "results/{dataset}.csv",
    log:
        "logs/{dataset}/table.log",
    wildcard_constraints:
        dataset=r"[A-Za-z0-9_-]+(?<!_val)(?<!_test)",  # those tables have rules of their own
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,
    shell:
        "cp {input:q} {output} 2> {log}"
