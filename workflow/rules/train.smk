# Training (Algorithm 1). A run is named by what it is: {backbone}-{structure}-{blocks}-{memory}-s{seed}.


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
    """A backbone's name -> its weights: the file that was brought along, or a published one."""
    output:
        weights="data/backbones/{backbone}.safetensors",
    log:
        "logs/convert_backbone/{backbone}.log",
    # What has to be brought along is asked for before the videos are downloaded.
    priority: 100
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        downloads=1,
    params:
        folder=subpath(output.weights, parent=True),
        settings=conversion_settings,
    shell:
        "aia weights backbone {wildcards.backbone} --folder {params.folder:q}"
        " --output {output.weights} --settings {params.settings:q} --log {log}"


rule train:
    """Clips with their actions -> a trained network, by Algorithm 1 where it has a memory (§3.3)."""
    input:
        unpack(needs("train")),
    output:
        # Beside them lies work/, which is no output: Snakemake deletes those of a failed job, and
        # training resumes from there.
        model="results/{dataset}/runs/{run}/model.safetensors",
        metrics="results/{dataset}/runs/{run}/metrics.jsonl",
        settings="results/{dataset}/runs/{run}/config.yaml",
    log:
        "logs/{dataset}/train/{run}.log",
    benchmark:
        "logs/{dataset}/train/{run}.benchmark.tsv"
    # The longest chain of jobs goes through here, so training starts before all else.
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
