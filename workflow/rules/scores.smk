# Scores of every box and class; each metric is computed from them, without the network.


rule score_detected:
    """Detected persons, or segments -> their scores, in two passes: first the memory, then the actions."""
    input:
        model="results/{dataset}/runs/{run}/model.safetensors",
        frames=per_video("frames/{video}.h5", "val"),
        annotations=data_file("annotations", "val"),
        excluded=data_file("excluded", "val"),
        labels=labels_of_run,
        seconds=data_file("seconds"),
        persons=detected_persons("val"),
        hands=hands("val"),
        object_boxes=detected_objects("val"),
        object_features=remembered_objects("val"),
    output:
        scores="results/{dataset}/scores/{run}.val{view}.parquet",
    log:
        "logs/{dataset}/score_detected/{run}{view}.log",
    conda:
        "../../envs/aia.yaml"
    threads: scoring_threads
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=gpus,
    params:
        optional=optional_flags,
        persons=person_rules,
        objects=object_rules,
        settings=scoring_settings,
        recipe=scoring_recipe,
        device=scoring_device,
        threads=scoring_arithmetic_threads,
        view=view_flags,
        most=most_objects,
        rate=clip_rate,
        task=task_rules,
        version=VERSIONS["score"],
    shell:
        "aia score --model {input.model:q} --frames {input.frames:q}"
        " --annotations {input.annotations:q} --labels {input.labels:q} {params.optional}"
        " {params.persons} {params.objects} {params.task} --max-objects {params.most} {params.rate}"
        " --output {output.scores}"
        " --settings {params.settings:q} --device {params.device:q} {params.view} --threads {params.threads}"
        " --log {log}"


rule score_groundtruth:
    """Annotated persons -> their scores, and whom and what some of them attended to (Fig. 4)."""
    input:
        model="results/{dataset}/runs/{run}/model.safetensors",
        frames=per_video("frames/{video}.h5", "val"),
        annotations=data_file("annotations", "val"),
        excluded=data_file("excluded", "val"),
        labels=data_file("labels"),
        objects=objects("score", "val"),
        object_boxes=object_boxes("score", "val"),
    output:
        scores="results/{dataset}/scores/{run}.val-gt{view}.parquet",
        attention="results/{dataset}/scores/{run}.attention{view}.parquet",
    log:
        "logs/{dataset}/score_groundtruth/{run}{view}.log",
    conda:
        "../../envs/aia.yaml"
    threads: scoring_threads
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=gpus,
    params:
        optional=optional_flags,
        objects=object_rules_where_seen("score", "val"),
        settings=scoring_settings,
        recipe=scoring_recipe,
        device=scoring_device,
        threads=scoring_arithmetic_threads,
        view=view_flags,
        most=most_objects,
        rate=clip_rate,
        version=VERSIONS["score"],
    shell:
        "aia score --model {input.model:q} --frames {input.frames:q}"
        " --annotations {input.annotations:q} --labels {input.labels:q} {params.optional}"
        " {params.objects} --max-objects {params.most} {params.rate}"
        " --output {output.scores} --attention {output.attention}"
        " --settings {params.settings:q} --device {params.device:q} {params.view} --threads {params.threads}"
        " --log {log}"


rule evaluate:
    """Scores -> frame mAP and the AP of each class, under the data set's protocol (§4.1); or top-k (§6)."""
    input:
        scores=evaluated_scores,
        groundtruth=evaluated_against,
        prior=noun_prior,
        excluded=data_file("excluded", "val"),
        labels=evaluated_labels,
    output:
        metrics="results/{dataset}/metrics/{scorer}.{boxes}{views}.csv",
    log:
        "logs/{dataset}/evaluate/{scorer}.{boxes}{views}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        optional=flags_of("excluded", "prior"),
        evaluator=evaluator,
        rules=evaluation_rules,
    shell:
        "aia evaluate {params.evaluator} {params.optional} {params.rules}"
        " --output {output.metrics} --log {log}"


rule evaluate_protocols:
    """Scores -> frame mAP under every named protocol, and whose numbers each compares with."""
    input:
        scores="results/{dataset}/scores/{scorer}.{boxes}{views}.parquet",
        groundtruth=data_file("annotations", "val"),
        excluded=data_file("excluded", "val"),
        labels=evaluated_labels,
    output:
        metrics="results/{dataset}/metrics/{scorer}.{boxes}{views}.protocols.csv",
    log:
        "logs/{dataset}/evaluate_protocols/{scorer}.{boxes}{views}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        optional=optional_flags,
        iou=lambda wildcards: settings(wildcards.dataset).evaluate.iou,
    shell:
        "aia evaluate protocols --groundtruth {input.groundtruth:q} --detections {input.scores:q}"
        " {params.optional} --labels {input.labels:q} --iou {params.iou}"
        " --output {output.metrics} --log {log}"


rule evaluate_persons:
    """Boxes of persons -> the detector's AP."""
    input:
        boxes=boxes("persons", "val"),
        groundtruth=data_file("annotations", "val"),
        excluded=data_file("excluded", "val"),
    output:
        metrics="results/{dataset}/metrics/persons.csv",
    log:
        "logs/{dataset}/evaluate_persons.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        optional=flags_of("boxes", "excluded"),
    shell:
        "aia evaluate persons --groundtruth {input.groundtruth:q} {params.optional}"
        " --output {output.metrics} --log {log}"


rule score_test:
    """Detected persons of films without labels -> their scores."""
    input:
        model="results/{dataset}/runs/{run}/model.safetensors",
        frames=per_video("frames/{video}.h5", "test"),
        films=data_file("films", "test"),
        seconds=data_file("seconds"),
        excluded=data_file("excluded", "test"),
        labels=data_file("labels"),
        persons=boxes("persons", "test"),
        object_boxes=detected_objects("test"),
        checked=checked,
    output:
        scores="results/{dataset}/scores/{run}.test{view}.parquet",
    log:
        "logs/{dataset}/score_test/{run}{view}.log",
    conda:
        "../../envs/aia.yaml"
    threads: scoring_threads
    resources:
        mem_mb=8000,
        runtime=240,
        gpu=gpus,
    params:
        optional=optional_flags,
        persons=person_rules,
        objects=object_rules,
        settings=scoring_settings,
        recipe=scoring_recipe,
        device=scoring_device,
        threads=scoring_arithmetic_threads,
        view=view_flags,
        most=most_objects,
        rate=clip_rate,
        version=VERSIONS["score"],
    shell:
        "aia score --model {input.model:q} --frames {input.frames:q} --labels {input.labels:q}"
        " {params.optional} {params.persons} {params.objects} --max-objects {params.most} {params.rate}"
        " --output {output.scores}"
        " --settings {params.settings:q} --device {params.device:q} {params.view} --threads {params.threads}"
        " --log {log}"


rule submit:
    """Scores of films without labels -> the CSV for AVA's evaluation server."""
    input:
        scores="results/{dataset}/scores/{scorer}.test{views}.parquet",
        labels=data_file("labels", "test"),
    output:
        "results/{dataset}/submission/{scorer}.test{views}.csv",
    log:
        "logs/{dataset}/submit/{scorer}{views}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        labels=flags_of("labels"),
    shell:
        "aia submit {input.scores:q} {params.labels} --output {output} --log {log}"
