# The report: one HTML file with the table, the figures, and how each was made.


rule report_results:
    """Table and figures of the configured data set -> one HTML file."""
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
