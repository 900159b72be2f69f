# Means of scores over the same boxes: of several views of a run (multi-scale, Table 2's "*"), and of several
# runs (its "3 ens."). Both can be evaluated or submitted like other scores.


rule fuse_views:
    """Scores of a run in each view of fuse.short_sides and fuse.flip -> their mean."""
    input:
        unpack(needs("fuse_views")),
    output:
        scores="results/{dataset}/scores/{run}.{scored}-multiscale.parquet",
    log:
        "logs/{dataset}/fuse_views/{run}.{scored}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        mean=lambda wildcards: settings(wildcards).fuse.mean,
    shell:
        "aia fuse {input.scores} --mean {params.mean} --output {output.scores} --log {log}"


use rule fuse_views as fuse_runs with:
    # Scores of the runs of fuse.ensembles -> their mean.
    input:
        unpack(needs("fuse_runs")),
    output:
        scores="results/{dataset}/scores/{ensemble}.{scored}{views}.parquet",
    log:
        "logs/{dataset}/fuse_runs/{ensemble}.{scored}{views}.log",
