# Scores of every box and class; each metric is computed from them, without the network.


rule score_detected:
    """Detected persons, or segments -> their scores, in two passes: first the memory, then the actions."""
    input:
        unpack(needs("score_detected")),
    output:
        scores="results/{dataset}/scores/{run}.val{view}.parquet",
    log:
        "logs/{dataset}/score_detected/{run}{view}.log",
    benchmark:
        "logs/{dataset}/score_detected/{run}{view}.benchmark.tsv"
    conda:
        "../../envs/aia.yaml"
    threads: scoring_threads
    resources:
        mem_mb=per_attempt(8000),
        runtime=per_attempt(240),
        gpu=gpus,
    params:
        recipe=recipe("score_detected"),
        boxes="val",
        threads=scored_with,
    shell:
        "aia score --settings results/{wildcards.dataset}/settings.yaml --run {wildcards.run} --boxes {params.boxes}{wildcards.view}"
        " --threads {params.threads} --log {log}"


use rule score_detected as score_groundtruth with:
    # Annotated persons -> their scores, and whom and what some of them attended to (Fig. 4).
    input:
        unpack(needs("score_groundtruth")),
    output:
        scores="results/{dataset}/scores/{run}.val-gt{view}.parquet",
        attention="results/{dataset}/scores/{run}.attention{view}.parquet",
    log:
        "logs/{dataset}/score_groundtruth/{run}{view}.log",
    benchmark:
        "logs/{dataset}/score_groundtruth/{run}{view}.benchmark.tsv"
    params:
        recipe=recipe("score_groundtruth"),
        boxes="val-gt",
        threads=scored_with,


use rule score_detected as score_test with:
    # Detected persons of videos without labels -> their scores.
    input:
        unpack(needs("score_test")),
    output:
        scores="results/{dataset}/scores/{run}.test{view}.parquet",
    log:
        "logs/{dataset}/score_test/{run}{view}.log",
    benchmark:
        "logs/{dataset}/score_test/{run}{view}.benchmark.tsv"
    params:
        recipe=recipe("score_test"),
        boxes="test",
        threads=scored_with,


rule evaluate:
    """Scores -> frame mAP and the AP of each class, under the data set's protocol (§4.1); or top-k (§6)."""
    input:
        unpack(needs("evaluate")),
    output:
        metrics="results/{dataset}/metrics/{scorer}.{boxes}{views}.csv",
    log:
        "logs/{dataset}/evaluate/{scorer}.{boxes}{views}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        recipe=recipe("evaluate"),
    shell:
        "aia evaluate scores {wildcards.scorer}.{wildcards.boxes}{wildcards.views}"
        " --settings results/{wildcards.dataset}/settings.yaml --log {log}"


rule evaluate_protocols:
    """Scores -> frame mAP under every named protocol, and whose numbers each compares with."""
    input:
        unpack(needs("evaluate_protocols")),
    output:
        metrics="results/{dataset}/metrics/{scorer}.{boxes}{views}.protocols.csv",
    log:
        "logs/{dataset}/evaluate_protocols/{scorer}.{boxes}{views}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        recipe=recipe("evaluate_protocols"),
    shell:
        "aia evaluate protocols {wildcards.scorer}.{wildcards.boxes}{wildcards.views}"
        " --settings results/{wildcards.dataset}/settings.yaml --log {log}"


rule evaluate_persons:
    """Boxes of persons -> the detector's AP."""
    input:
        unpack(needs("evaluate_persons")),
    output:
        metrics="results/{dataset}/metrics/persons.csv",
    log:
        "logs/{dataset}/evaluate_persons.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    shell:
        "aia evaluate persons --settings results/{wildcards.dataset}/settings.yaml --log {log}"


rule submit:
    """Scores of videos without labels -> the CSV for AVA's evaluation server."""
    input:
        unpack(needs("submit")),
    output:
        "results/{dataset}/submission/{scorer}.test{views}.csv",
    log:
        "logs/{dataset}/submit/{scorer}{views}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        labels=lambda wildcards, input: (
            shlex.join(["--labels", *input.labels]) if "labels" in input.keys() else ""
        ),
    shell:
        "aia submit {input.scores} {params.labels} --output {output} --log {log}"
