# Pictures of the results; the runs are those of `results`, frames show the first seed of the last.


rule draw_curves:
    """Progress of all runs -> loss, trust w (Eq. 2), learning rate and mAP over the steps."""
    input:
        progress=run_files("runs/{run}/metrics.jsonl", with_starts=True),
        metrics=run_files("metrics/{run}.val.csv"),
    output:
        report(
            "results/{dataset}/figures/curves.png",
            caption="../report/curves.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "1 loss and mAP over the steps"},
        ),
    log:
        "logs/{dataset}/draw_curves.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        progress=named_run_files("runs/{run}/metrics.jsonl", with_starts=True),
        metrics=named_run_files("metrics/{run}.val.csv"),
    shell:
        "aia figure curves --progress {params.progress:q} --metrics {params.metrics:q}"
        " --output {output} --log {log}"


rule draw_per_class:
    """Metrics of all methods -> AP of each class, grouped by kind of class (Fig. 6)."""
    input:
        metrics=run_files("metrics/{run}.val.csv"),
        labels=data_file("labels"),
    output:
        report(
            "results/{dataset}/figures/fig6.png",
            caption="../report/per_class.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "2 AP of each class (Fig. 6)"},
        ),
    log:
        "logs/{dataset}/draw_per_class.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        metrics=method_files("metrics/{run}.val.csv"),
    shell:
        "aia figure per-class --metrics {params.metrics:q} --labels {input.labels:q}"
        " --output {output} --log {log}"


rule draw_detections:
    """Detected beside annotated boxes on some key frames."""
    input:
        frames=per_video("frames/{video}.h5", "val"),
        groundtruth=data_file("annotations", "val"),
        excluded=data_file("excluded", "val"),
        persons=boxes("persons", "val"),
        object_boxes=boxes("objects", "val"),
        objects=data_file("objects", "val"),
    output:
        report(
            "results/{dataset}/figures/detections.png",
            caption="../report/detections.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "3 detected persons and objects"},
        ),
    log:
        "logs/{dataset}/draw_detections.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        optional=optional_flags,
        persons=person_rules,
        objects=object_rules,
    shell:
        "aia figure detections --frames {input.frames:q} --groundtruth {input.groundtruth:q}"
        " {params.optional} {params.persons} {params.objects}"
        " --output {output} --log {log}"


rule draw_keyframes:
    """Predicted and true actions on some key frames."""
    input:
        frames=per_video("frames/{video}.h5", "val"),
        groundtruth=data_file("annotations", "val"),
        excluded=data_file("excluded", "val"),
        scores=shown_run("scores/{run}.val.parquet"),
        labels=data_file("labels"),
    output:
        report(
            "results/{dataset}/figures/keyframes.png",
            caption="../report/keyframes.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "4 predicted and true actions"},
        ),
    log:
        "logs/{dataset}/draw_keyframes.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        optional=optional_flags,
    shell:
        "aia figure keyframes --frames {input.frames:q} --groundtruth {input.groundtruth:q}"
        " --scores {input.scores:q} {params.optional} --labels {input.labels:q}"
        " --output {output} --log {log}"


rule draw_attention:
    """Whom, what and which second persons attended to in a P-, an O- and an M-Block (Fig. 4)."""
    input:
        attention=shown_run("scores/{run}.attention.parquet"),
        frames=per_video("frames/{video}.h5", "val"),
        groundtruth=data_file("annotations", "val"),
        scores=shown_run("scores/{run}.val-gt.parquet"),
        labels=data_file("labels"),
    output:
        report(
            "results/{dataset}/figures/attention.png",
            caption="../report/attention.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "5 attention (Fig. 4)"},
        ),
    log:
        "logs/{dataset}/draw_attention.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    shell:
        "aia figure attention --attention {input.attention:q} --frames {input.frames:q}"
        " --groundtruth {input.groundtruth:q} --scores {input.scores:q} --labels {input.labels:q}"
        " --output {output} --log {log}"


rule draw_structures:
    """Whom the last P-Block attends to, in parallel against in serial (Fig. 4)."""
    input:
        attention=structure_files("scores/{run}.attention.parquet"),
        frames=per_video("frames/{video}.h5", "val"),
        groundtruth=data_file("annotations", "val"),
        labels=data_file("labels"),
    output:
        report(
            "results/{dataset}/figures/fig4.png",
            caption="../report/structures.rst",
            category="2. Figures",
            labels={
                "data set": "{dataset}",
                "what": "6 attention of parallel and serial IA (Fig. 4)",
            },
        ),
    log:
        "logs/{dataset}/draw_structures.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        attention=named_structure_files("scores/{run}.attention.parquet"),
    shell:
        "aia figure structures --attention {params.attention:q} --frames {input.frames:q}"
        " --groundtruth {input.groundtruth:q} --labels {input.labels:q}"
        " --output {output} --log {log}"


rule measure_reach:
    """Training steps on this machine -> their time and memory by the reach L (Fig. 5)."""
    input:
        labels=data_file("labels"),
    output:
        costs="results/{dataset}/metrics/{run}.reach.csv",
    log:
        "logs/{dataset}/measure_reach/{run}.log",
    conda:
        "../../envs/aia.yaml"
    threads: measuring_threads
    resources:
        mem_mb=16000,
        runtime=60,
        gpu=gpus,
    params:
        settings=cost_settings,
        recipe=cost_recipe,
        steps=reach_steps,
    shell:
        "aia cost --run {wildcards.run} --labels {input.labels:q} {params.steps}"
        " --output {output.costs} --settings {params.settings:q} --log {log}"


rule draw_reach:
    """Time and memory of a training step by the reach L, joint against AMU (Fig. 5)."""
    input:
        costs=shown_run("metrics/{run}.reach.csv"),
    output:
        report(
            "results/{dataset}/figures/fig5.png",
            caption="../report/reach.rst",
            category="2. Figures",
            labels={
                "data set": "{dataset}",
                "what": "7 cost of the memory (Fig. 5)",
            },
        ),
    log:
        "logs/{dataset}/draw_reach.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    shell:
        "aia figure reach --costs {input.costs:q} --output {output} --log {log}"


rule measure_drift:
    """A trained run and what it remembers -> how far that is from fresh features (§3.3)."""
    input:
        model="results/{dataset}/runs/{run}/model.safetensors",
        frames=per_video("frames/{video}.h5", "train"),
        annotations=data_file("annotations", "train"),
        excluded=data_file("excluded", "train"),
        labels=data_file("labels"),
    output:
        drift="results/{dataset}/metrics/{run}.drift.csv",
    log:
        "logs/{dataset}/measure_drift/{run}.log",
    conda:
        "../../envs/aia.yaml"
    threads: measuring_threads
    resources:
        mem_mb=8000,
        runtime=60,
        gpu=gpus,
    params:
        # The memory lies with the run's last checkpoint.
        work="results/{dataset}/runs/{run}/work",
        optional=optional_flags,
        device=scoring_device,
        rate=clip_rate,
    shell:
        "aia drift --model {input.model:q} --work {params.work:q} --frames {input.frames:q} {params.rate}"
        " --annotations {input.annotations:q} --labels {input.labels:q} {params.optional}"
        " --device {params.device:q} --threads {threads} --output {output.drift} --log {log}"


rule draw_memory:
    """Age, trust (Eq. 2) and drift of what is remembered, with AMU and in a frozen bank (§3.3)."""
    input:
        progress=remembering_files("runs/{run}/metrics.jsonl"),
        drift=remembering_files("metrics/{run}.drift.csv"),
    output:
        report(
            "results/{dataset}/figures/memory.png",
            caption="../report/memory.rst",
            category="2. Figures",
            labels={
                "data set": "{dataset}",
                "what": "8 age, trust and drift of the memory",
            },
        ),
    log:
        "logs/{dataset}/draw_memory.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        progress=named_remembering_files("runs/{run}/metrics.jsonl"),
        drift=named_remembering_files("metrics/{run}.drift.csv"),
    shell:
        "aia figure memory --progress {params.progress:q} --drift {params.drift:q}"
        " --output {output} --log {log}"
