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
    wildcard_constraints:
        backbone=r"[a-z0-9_]+",
    # What has to be brought along is asked for before the films are fetched.
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
        frames=per_video("frames/{video}.h5", "train"),
        annotations=data_file("annotations", "train"),
        excluded=data_file("excluded", "train"),
        labels=labels_of_run,
        objects=objects("train", "train"),
        object_boxes=object_boxes("train", "train"),
        hands=hands("train"),
        object_features=remembered_objects("train"),
        init=init,
        checked=checked,
        val_annotations=when_validated(data_file("annotations", "val")),
        val_frames=when_validated(per_video("frames/{video}.h5", "val")),
        val_excluded=when_validated(data_file("excluded", "val")),
        val_objects=when_validated(objects("score", "val")),
        val_object_boxes=when_validated(object_boxes("score", "val")),
    output:
        model="results/{dataset}/runs/{run}/model.safetensors",
        metrics="results/{dataset}/runs/{run}/metrics.jsonl",
        settings="results/{dataset}/runs/{run}/config.yaml",
    log:
        "logs/{dataset}/train/{run}.log",
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
        # Not an output: Snakemake deletes those of a failed job, and training resumes from here.
        work="results/{dataset}/runs/{run}/work",
        folder="results/{dataset}/runs/{run}",
        optional=optional_flags,
        boxes=object_rules_where_seen("train", "train"),
        task=task_rules,
        rate=clip_rate,
        settings=training_settings,
        recipe=training_recipe,
        nodes=started_nodes,
        processes=started_processes,
        threads=training_arithmetic_threads,
        launcher=on_each_node,
        version=VERSIONS["train"],
    shell:
        "{params.launcher} aia train --run {wildcards.run} --frames {input.frames:q}"
        " --annotations {input.annotations:q} --labels {input.labels:q} {params.optional} {params.boxes} {params.task} {params.rate}"
        " --work {params.work:q} --output-dir {params.folder:q}"
        " --settings {params.settings:q} --threads {params.threads} --processes {params.processes}"
        " --nodes {params.nodes} --log {log}"
