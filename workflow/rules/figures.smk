# Figures of the runs of `results`; frames show the first seed of the last run.


rule draw_curves:
    """Metrics of all runs -> loss, trust w (Eq. 2), learning rate and mAP over the steps."""
    input:
        unpack(needs("draw_curves")),
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
        mem_mb=2000,
        runtime=10,
    params:
        recipe=recipe("draw_curves"),
        kind="curves",
    shell:
        "aia figure {params.kind} --settings results/{wildcards.dataset}/settings.yaml --output {output} --log {log}"


use rule draw_curves as draw_per_class with:
    # Metrics of all methods -> AP of each class, grouped by kind of class (Fig. 6).
    input:
        unpack(needs("draw_per_class")),
    output:
        report(
            "results/{dataset}/figures/fig6.png",
            caption="../report/per_class.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "2 AP of each class (Fig. 6)"},
        ),
    log:
        "logs/{dataset}/draw_per_class.log",
    params:
        recipe=recipe("draw_per_class"),
        kind="per-class",


use rule draw_curves as draw_detections with:
    # Detected and annotated boxes on some key frames.
    input:
        unpack(needs("draw_detections")),
    output:
        report(
            "results/{dataset}/figures/detections.png",
            caption="../report/detections.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "3 detected persons and objects"},
        ),
    log:
        "logs/{dataset}/draw_detections.log",
    params:
        recipe=recipe("draw_detections"),
        kind="detections",


use rule draw_curves as draw_attention with:
    # Attention of persons to persons, objects and seconds in a P-, an O- and an M-Block (Fig. 4).
    input:
        unpack(needs("draw_attention")),
    output:
        report(
            "results/{dataset}/figures/attention.png",
            caption="../report/attention.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "4 attention (Fig. 4)"},
        ),
    log:
        "logs/{dataset}/draw_attention.log",
    params:
        recipe=recipe("draw_attention"),
        kind="attention",


use rule draw_curves as draw_structures with:
    # Attention of the last P-Block, parallel and serial (Fig. 4).
    input:
        unpack(needs("draw_structures")),
    output:
        report(
            "results/{dataset}/figures/fig4.png",
            caption="../report/structures.rst",
            category="2. Figures",
            labels={
                "data set": "{dataset}",
                "what": "5 attention of parallel and serial IA (Fig. 4)",
            },
        ),
    log:
        "logs/{dataset}/draw_structures.log",
    params:
        recipe=recipe("draw_structures"),
        kind="structures",


use rule draw_curves as draw_reach with:
    # Time and memory of a training step by the reach L, joint training and AMU (Fig. 5).
    input:
        unpack(needs("draw_reach")),
    output:
        report(
            "results/{dataset}/figures/fig5.png",
            caption="../report/reach.rst",
            category="2. Figures",
            labels={"data set": "{dataset}", "what": "6 cost of the memory (Fig. 5)"},
        ),
    log:
        "logs/{dataset}/draw_reach.log",
    params:
        recipe=recipe("draw_reach"),
        kind="reach",


use rule draw_curves as draw_memory with:
    # Age, trust (Eq. 2) and drift of remembered features, with AMU and a frozen bank (§3.3).
    input:
        unpack(needs("draw_memory")),
    output:
        report(
            "results/{dataset}/figures/memory.png",
            caption="../report/memory.rst",
            category="2. Figures",
            labels={
                "data set": "{dataset}",
                "what": "7 age, trust and drift of the memory",
            },
        ),
    log:
        "logs/{dataset}/draw_memory.log",
    params:
        recipe=recipe("draw_memory"),
        kind="memory",


rule measure_reach:
    """Training steps on this machine -> time and memory by the reach L (Fig. 5)."""
    input:
        unpack(needs("measure_reach")),
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
        recipe=recipe("measure_reach"),
    shell:
        "aia cost --settings results/{wildcards.dataset}/settings.yaml --run {wildcards.run} --by-reach --log {log}"


rule measure_drift:
    """A trained run and its memory -> the distance of the memory from fresh features (§3.3)."""
    input:
        # The memory is part of the run's last checkpoint, which is not an output.
        unpack(needs("measure_drift")),
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
    shell:
        "aia drift --settings results/{wildcards.dataset}/settings.yaml --run {wildcards.run} --threads {threads} --log {log}"
