# Where persons and objects are (§4.1): a Faster R-CNN, fine-tuned on the training key frames.


rule finetune_detector:
    """Training key frames with their boxes -> weights of the detector (§4.1)."""
    input:
        frames=when_finetuned(per_video("frames/{video}.h5", "train")),
        annotations=key_frames("train"),
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
        optional=flags_of(*OPTIONAL, "annotations"),
        settings=detector_settings(
            "person_threshold", "object_threshold", "max_objects"
        ),
        version=VERSIONS["detector"],
    shell:
        "aia finetune-detector --frames {input.frames:q}"
        " {params.optional} --output {output.weights} --metrics {output.metrics}"
        " --settings {params.settings:q} --seed 0 --threads {threads} --log {log}"


rule detect_boxes:
    """Key frames -> boxes of persons and objects with their scores (§4.1)."""
    input:
        frames="results/{dataset}/frames/{video}.h5",
        weights="results/{dataset}/detector.safetensors",
        annotations=annotations_of_film,
        segments=segments_of_film,
        seconds=seconds_of_film,
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
        key_frames=flags_of("annotations", "segments", "seconds"),
        settings=detector_settings("person_threshold", "object_threshold"),
        version=VERSIONS["detector"],
    shell:
        "aia detect {input.frames:q} --weights {input.weights:q} {params.key_frames}"
        " --persons {output.persons} --objects {output.objects}"
        " --settings {params.settings:q} --threads {threads} --log {log}"


rule remember_objects:
    """Every second of a film -> what the detector sees of its objects, for a memory of them (§6.1)."""
    input:
        frames="results/{dataset}/frames/{video}.h5",
        weights="results/{dataset}/detector.safetensors",
    output:
        objects="results/{dataset}/object_features/{video}.parquet",
    log:
        "logs/{dataset}/remember_objects/{video}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
        gpu=gpus,
    params:
        settings=detector_settings("person_threshold"),
        version=VERSIONS["detector"],
    shell:
        "aia remember-objects {input.frames:q} --weights {input.weights:q} --output {output.objects}"
        " --settings {params.settings:q} --threads {threads} --log {log}"


rule import_boxes:
    """Boxes that others published -> the same of each film of a split, instead of detected ones."""
    input:
        boxes=published_boxes,
        annotations=unless_segments(published("annotations", "train", "val")),
        segments=when_segments(published("annotations", "train", "val")),
        films=published("films", "test"),
        images=published("box_images", "train", "val", "test"),
        frame_sizes=data_file("frame_sizes"),
    output:
        folder=directory("results/{dataset}/imported/{split}/{kind}"),
    log:
        "logs/{dataset}/import_boxes/{split}.{kind}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        given=flags_of("annotations", "segments", "films", "images", "frame_sizes"),
    shell:
        "aia boxes import {input.boxes:q} --kind {wildcards.kind} {params.given}"
        " --output-dir {output.folder} --log {log}"
