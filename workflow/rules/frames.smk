# Videos become frame stores, once: decoded at the data set's frame rate and size, random access after.


rule store_frames:
    """Videos of a part -> their frames at the data set's rate and size, ready for random access."""
    input:
        unpack(needs("store_frames")),
    output:
        "results/{dataset}/parts/{part}.frames",  # frames/{video}.h5 of each video
    log:
        "logs/{dataset}/store_frames/{part}.log",
    benchmark:
        "logs/{dataset}/store_frames/{part}.benchmark.tsv"
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=per_video(60),
    params:
        recipe=recipe("store_frames"),
    shell:
        "aia frames --settings results/{wildcards.dataset}/settings.yaml --part {wildcards.part} --log {log}"


rule check_films:
    """All videos' frames -> that they are cut as the annotations expect."""
    input:
        unpack(needs("check_films")),
    output:
        films="results/{dataset}/films.csv",
    log:
        "logs/{dataset}/check_films.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        recipe=recipe("check_films"),
    shell:
        "aia check-films --settings results/{wildcards.dataset}/settings.yaml --log {log}"
