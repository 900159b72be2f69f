# Annotations of another form become AVA's, once; all else reads that form alone.


rule prepare_annotations:
    """Annotations as they were published -> class list, and who does what on every key frame."""
    input:
        annotations=source_file("annotations"),
        train=source_file("train"),
        val=source_file("val"),
        labels=source_file("labels"),
    output:
        labels="results/{dataset}/prepared/actions.pbtxt",
        train="results/{dataset}/prepared/train.csv",
        val="results/{dataset}/prepared/val.csv",
    log:
        "logs/{dataset}/prepare_annotations.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        folder=subpath(output.labels, parent=True),
        lists=flags_of("train", "val"),
        rules=source_rules,
        version=VERSIONS["prepare"],
    shell:
        "aia prepare ucf24 {input.annotations} {params.lists} {params.rules}"
        " --output-dir {params.folder} --log {log}"
