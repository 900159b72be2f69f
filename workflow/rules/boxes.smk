# Where persons and objects are (§4.1): a Faster R-CNN, fine-tuned on the training key frames.


rule finetune_detector:
    """Training key frames with their boxes -> weights of the detector (§4.1)."""
    input:
        unpack(needs("finetune_detector")),
    output:
        weights="results/{dataset}/detector.safetensors",
        metrics="results/{dataset}/detector.jsonl",
    log:
        "logs/{dataset}/finetune_detector.log",
    benchmark:
        "logs/{dataset}/finetune_detector.benchmark.tsv"
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=per_attempt(600),
        gpu=gpus,
    params:
        recipe=recipe("finetune_detector"),
    shell:
        "aia finetune-detector --settings results/{wildcards.dataset}/settings.yaml --seed 0 --threads {threads} --log {log}"


rule detect_boxes:
    """Key frames of the videos of a part -> boxes of persons and objects with their scores (§4.1)."""
    input:
        unpack(needs("detect_boxes")),
    output:
        "results/{dataset}/parts/{part}.boxes",  # persons/{video}.parquet and objects/{video}.parquet
    log:
        "logs/{dataset}/detect_boxes/{part}.log",
    benchmark:
        "logs/{dataset}/detect_boxes/{part}.benchmark.tsv"
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=per_video(120),
        gpu=gpus,
    params:
        recipe=recipe("detect_boxes"),
    shell:
        "aia detect --settings results/{wildcards.dataset}/settings.yaml --part {wildcards.part} --threads {threads} --log {log}"


rule extract_objects:
    """Every second of the videos of a part -> what the detector sees of their objects (§6.1)."""
    input:
        unpack(needs("extract_objects")),
    output:
        "results/{dataset}/parts/{part}.object_features",  # object_features/{video}.parquet
    log:
        "logs/{dataset}/extract_objects/{part}.log",
    benchmark:
        "logs/{dataset}/extract_objects/{part}.benchmark.tsv"
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=per_video(240),
        gpu=gpus,
    params:
        recipe=recipe("extract_objects"),
    shell:
        "aia extract-objects --settings results/{wildcards.dataset}/settings.yaml --part {wildcards.part} --threads {threads}"
        " --log {log}"


rule import_boxes:
    """Boxes that others published -> the same files of each video of a split, instead of detected ones."""
    input:
        unpack(needs("import_boxes")),
    output:
        "results/{dataset}/parts/{split}.{kind}.imported",  # {kind}/{video}.parquet
    log:
        "logs/{dataset}/import_boxes/{split}.{kind}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        recipe=recipe("import_boxes"),
    shell:
        "aia boxes import --settings results/{wildcards.dataset}/settings.yaml --split {wildcards.split} --kind {wildcards.kind}"
        " --log {log}"
