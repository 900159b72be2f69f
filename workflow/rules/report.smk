# The report of a data set: one HTML file that opens on the number, key frames and what was found.
# Snakemake's own report shows how each table and figure was made.


rule diagnose:
    """Scores of the run that is shown -> what `aia doctor` finds wrong with them."""
    input:
        unpack(needs("diagnose")),
    output:
        findings="results/{dataset}/findings.csv",
    log:
        "logs/{dataset}/diagnose.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=16000,
        runtime=60,
    params:
        recipe=recipe("diagnose"),
    shell:
        "aia doctor --settings results/{wildcards.dataset}/settings.yaml --log {log}"


rule predict_sample:
    """Model, detector, one video -> annotated video and review page of what each person does."""
    input:
        unpack(needs("predict_sample")),
    output:
        index="results/{dataset}/predictions/index.html",
    log:
        "logs/{dataset}/predict_sample.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        video=lambda wildcards: planned.sample_video(data_of(wildcards)),
        run=lambda wildcards: data_of(wildcards).shown_run(),
    shell:
        "aia predict {params.video:q} --model results/{wildcards.dataset}/runs/{params.run}"
        " --output results/{wildcards.dataset}/predictions --overwrite --threads 1 --log {log}"


rule report:
    """Table, scores, frames and figures -> the report, which links review pages that there are."""
    input:
        unpack(needs("report")),
    output:
        html="results/{dataset}/report.html",
    log:
        "logs/{dataset}/report.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        recipe=recipe("report"),
    shell:
        "aia report --settings results/{wildcards.dataset}/settings.yaml --log {log}"


rule report_results:
    """Table and figures of the configured data set -> Snakemake's report."""
    input:
        table=f"results/{config['dataset']}_val.csv",
        figures=expand(
            "results/{dataset}/figures/{figure}.png",
            dataset=config["dataset"],
            figure=planned.REPORT_FIGURES,
        ),
    output:
        html="results/report.html",
    log:
        "logs/report_results.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        same=same_settings,
    shell:
        # --nolock: the running workflow has locked the folder; it also has recorded how each file was made.
        "snakemake {input.table:q} {input.figures:q} {params.same} --cores 1 --nolock --quiet all"
        " --report {output.html} 2> {log}"
