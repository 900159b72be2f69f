# Annotations of another form become AVA's, once; all else reads that form alone.


rule prepare_tubes:
    """Tubes as they were published -> class list, who does what on every key frame, and tubes to score."""
    input:
        annotations=source_file("annotations"),
        train=source_file("train"),
        val=source_file("val"),
        labels=source_file("labels"),
    output:
        labels="results/{dataset}/prepared/actions.pbtxt",
        train="results/{dataset}/prepared/train.csv",
        val="results/{dataset}/prepared/val.csv",
        tubes="results/{dataset}/prepared/tubes.csv",
    log:
        "logs/{dataset}/prepare_tubes.log",
    wildcard_constraints:
        dataset=datasets_from(*sources.COMMANDS),
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        folder=subpath(output.labels, parent=True),
        lists=flags_of("train", "val"),
        kind=tube_command,
        rules=source_rules,
        version=VERSIONS["prepare"],
    shell:
        "aia prepare {params.kind} {input.annotations:q} {params.lists} {params.rules}"
        " --output-dir {params.folder:q} --log {log}"


rule prepare_segments:
    """EPIC-Kitchens' tables -> the classes of each task, and the segments of two splits (§6)."""
    input:
        annotations=source_file("annotations"),
        verbs=source_file("verbs"),
        nouns=source_file("nouns"),
        videos=source_file("videos"),
    output:
        verbs="results/{dataset}/prepared/verbs.pbtxt",
        nouns="results/{dataset}/prepared/nouns.pbtxt",
        train="results/{dataset}/prepared/train.csv",
        val="results/{dataset}/prepared/val.csv",
    log:
        "logs/{dataset}/prepare_segments.log",
    wildcard_constraints:
        dataset=datasets_from("epic55"),
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folder=subpath(output.verbs, parent=True),
        train=lambda wildcards: settings(wildcards.dataset).data.source.train,
        val=lambda wildcards: settings(wildcards.dataset).data.source.val,
        version=VERSIONS["prepare"],
    shell:
        "aia prepare epic {input.annotations:q} --verbs {input.verbs:q} --nouns {input.nouns:q}"
        " --videos {input.videos:q} --train {params.train:q} --val {params.val:q}"
        " --output-dir {params.folder:q} --log {log}"
