# Where persons and objects are (§4.1): a Faster R-CNN, fine-tuned on the training key frames.


rule finetune_detector:
    """Training key frames with their boxes -> weights of the detector (§4.1)."""
    input:
        frames=when_finetuned(per_video("frames/{video}.h5", "train")),
        annotations=data_file("annotations", "train"),
        excluded=data_file("excluded", "train"),
        objects=data_file("objects", "train"),
        tracks=data_file("tracks"),
        start=detector_start,
        checked=when_finetuned(checked),
    output:
        weights="results/{dataset}/detector.safetensors",
        metrics="results/{dataset}/detector.jsonl",
    log:
        "logs/{dataset}/finetune_detector.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=600,
        gpu=gpus,
    params:
        optional=optional_flags,
        settings=detector_settings(
            "person_threshold", "object_threshold", "max_objects"
        ),
        version=VERSIONS["detector"],
    shell:
        "aia finetune-detector --frames {input.frames} --annotations {input.annotations}"
        " {params.optional} --output {output.weights} --metrics {output.metrics}"
        " --settings {params.settings:q} --seed 0 --threads {threads} --log {log}"


rule detect_boxes:
    """Key frames -> boxes of persons and objects with their scores (§4.1)."""
    input:
        frames="results/{dataset}/frames/{video}.h5",
        weights="results/{dataset}/detector.safetensors",
        annotations=annotations_of_film,
    output:
        persons="results/{dataset}/persons/{video}.parquet",
        objects="results/{dataset}/objects/{video}.parquet",
    log:
        "logs/{dataset}/detect_boxes/{video}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
        gpu=gpus,
    params:
        settings=detector_settings("person_threshold", "object_threshold"),
        version=VERSIONS["detector"],
    shell:
        "aia detect {input.frames} --weights {input.weights} --annotations {input.annotations}"
        " --persons {output.persons} --objects {output.objects}"
        " --settings {params.settings:q} --threads {threads} --log {log}"
