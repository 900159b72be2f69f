# Training (Algorithm 1). The name of a run describes it: {backbone}-{structure}-{blocks}-{memory}-s{seed}.


rule fetch_weights:
    """Published weights of a backbone, by name."""
    output:
        weights="results/weights/{weights}.safetensors",
    log:
        "logs/fetch_weights/{weights}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    shell:
        "aia weights fetch {wildcards.weights} --output {output.weights} --log {log}"


rule convert_backbone:
    """A backbone's name -> its weights: the user's file, or a published one."""
    input:
        unpack(needs("convert_backbone")),
    output:
        weights="data/backbones/{backbone}.safetensors",
    log:
        "logs/convert_backbone/{backbone}.log",
    # a missing file of the user is reported before the videos are downloaded
    priority: 100
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        downloads=1,
    params:
        recipe=recipe("convert_backbone"),
        folder=subpath(output.weights, parent=True),
        settings=fetch_settings,
    shell:
        "aia weights backbone {wildcards.backbone} --folder {params.folder:q}"
        " --output {output.weights} --settings {params.settings:q} --log {log}"


rule train:
    """Clips with their actions -> a trained network, by Algorithm 1 if it has a memory (§3.3)."""
    input:
        unpack(needs("train")),
    output:
        # work/ beside them has the checkpoints; it is not an output, because Snakemake deletes outputs
        # of failed jobs, and training resumes from it.
        model="results/{dataset}/runs/{run}/model.safetensors",
        metrics="results/{dataset}/runs/{run}/metrics.jsonl",
        settings="results/{dataset}/runs/{run}/config.yaml",
    log:
        "logs/{dataset}/train/{run}.log",
    benchmark:
        "logs/{dataset}/train/{run}.benchmark.tsv"
    # training is on the longest chain of jobs, so it starts before all others
    priority: 10
    conda:
        "../../envs/aia.yaml"
    threads: training_threads
    resources:
        mem_mb=training_memory,
        runtime=2880,
        gpu=training_gpus,
    params:
        recipe=recipe("train"),
        launcher=launcher,
        started=started,
    shell:
        "{params.launcher} aia train --settings results/{wildcards.dataset}/settings.yaml --run {wildcards.run} {params.started}"
        " --log {log}"
