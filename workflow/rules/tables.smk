# Tables of a data set: the rows of `results` on annotated and on detected boxes, the ablations (§4.2,
# Table 1) of any data set, and the list of submissions for videos without labels.


rule result_table:
    """Metrics of all rows -> table of the data set, as CSV and, for the report, HTML."""
    input:
        unpack(needs("result_table")),
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
        recipe=recipe("result_table"),
        table=lambda wildcards: getattr(wildcards, "table", "results"),
    shell:
        "aia table --settings results/{wildcards.dataset}/settings.yaml --table {params.table} --output {output.table} --log {log}"


use rule result_table as ablation_table with:
    # Metrics of the runs of one part of Table 1 -> its rows, with the spread over seeds.
    input:
        unpack(needs("ablation_table")),
    output:
        table=report(
            "results/{dataset}/{table}.csv",
            caption="../report/ablation.rst",
            category="3. Ablations",
            labels={"data set": "{dataset}", "what": "{table} as CSV"},
        ),
        classes="results/{dataset}/{table}.classes.csv",
        html=report(
            "results/{dataset}/{table}.html",
            caption="../report/ablation.rst",
            category="3. Ablations",
            labels={"data set": "{dataset}", "what": "{table}"},
        ),
    log:
        "logs/{dataset}/ablation_table/{table}.log",
    params:
        recipe=recipe("ablation_table"),
        table=lambda wildcards: wildcards.table,


rule submission_list:
    """Files of `submissions` -> list of rows, with file and the paper's number of each."""
    input:
        unpack(needs("submission_list")),
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
        recipe=recipe("submission_list"),
    shell:
        "aia submissions --settings results/{wildcards.dataset}/settings.yaml --output {output} --log {log}"


rule table:
    """Table of a data set, by the name of the data set alone."""
    input:
        unpack(needs("table")),
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
        "cp {input.table:q} {output} 2> {log}"


rule measure_cost:
    """A run's network -> number of parameters and operations for one clip (Table 1e)."""
    input:
        unpack(needs("measure_cost")),
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
        recipe=recipe("measure_cost"),
    shell:
        "aia cost --settings results/{wildcards.dataset}/settings.yaml --run {wildcards.run} --log {log}"
