# Downloads of published files, if a data set's settings ask for them (data.fetch). Interrupted downloads
# resume: partial files lie beside the outputs, because Snakemake deletes outputs of failed jobs.


# Nodes of a cluster may have no network.
localrules:
    annotations_fetched,
    fetch_ava_annotations,
    fetch_ava_film,
    fetch_ucf101_24_annotations,
    fetch_ucf101_24_films,
    fetch_epic55_annotations,
    fetch_epic55_film,
    fetch_pets09,
    fetch_detector,
    fetch_weights,
    convert_backbone,


checkpoint annotations_fetched:
    """A publisher's tables -> the plan can include the videos that they name.

    It is needed only while tables are missing: a checkpoint makes Snakemake evaluate all jobs that
    depend on it twice, on every call.
    """
    input:
        tables=publishers_tables,
    output:
        touch("results/fetched/{publisher}.done"),
    log:
        "logs/annotations_fetched/{publisher}.log",
    threads: 1
    resources:
        mem_mb=100,
        runtime=5,


rule fetch_ava_annotations:
    """A version's number -> AVA's tables, class lists, and lists of videos."""
    output:
        [path.replace("2.2", "{version}") for path in publishers.PUBLISHED["ava_v2.2"]],
    log:
        "logs/fetch_ava_annotations/v{version}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=60,
        downloads=1,
    params:
        folder=f"{publishers.AVA}/v{{version}}",
        settings=fetch_settings,
    shell:
        "aia fetch ava-annotations {wildcards.version} --folder {params.folder:q}"
        " --settings {params.settings:q} --log {log}"


rule fetch_ava_film:
    """A video's name -> the video; the profile's `downloads` limits parallel downloads."""
    output:
        film=f"{publishers.AVA}/films/{{film}}",
    log:
        "logs/fetch_ava_film/{film}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=720,
        downloads=1,
    params:
        address=video_address,
        folder=subpath(output.film, parent=True),
        settings=fetch_settings,
    shell:
        "aia fetch files {params.address:q} --folder {params.folder:q}"
        " --settings {params.settings:q} --log {log}"


rule fetch_ucf101_24_annotations:
    """UCF101-24's corrected annotations and the list of split 1."""
    output:
        publishers.PUBLISHED["ucf101_24"],
    log:
        "logs/fetch_ucf101_24_annotations.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
        downloads=1,
    params:
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        settings=fetch_settings,
    shell:
        "aia fetch ucf101-24 --folder {params.folder:q} --settings {params.settings:q} --log {log}"


rule fetch_ucf101_24_films:
    """Lists of videos -> a list of their paths; missing videos are extracted from UCF101's archive."""
    input:
        unpack(needs("fetch_ucf101_24_films")),
    output:
        films="results/{dataset}/fetched_films.csv",
    log:
        "logs/{dataset}/fetch_ucf101_24_films.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime=720,
        downloads=1,
    params:
        folder=publishers.UCF,
        lists=lambda wildcards, input: " ".join(
            shlex.join([f"--{name}", *input[name]])
            for name in ("train", "val")
            if name in input.keys()
        ),
        settings=fetch_settings,
    shell:
        "aia fetch ucf101-24 --annotations {input.annotations:q} {params.lists} --folder {params.folder:q}"
        " --output {output.films} --settings {params.settings:q} --log {log}"


rule fetch_epic55_annotations:
    """EPIC-Kitchens-55's tables of segments, classes and videos."""
    output:
        publishers.PUBLISHED["epic55"],
    log:
        "logs/fetch_epic55_annotations.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
        downloads=1,
    params:
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        settings=fetch_settings,
    shell:
        "aia fetch epic55-annotations --folder {params.folder:q} --settings {params.settings:q} --log {log}"


rule fetch_epic55_film:
    """A video's id -> the video; the profile's `downloads` limits parallel downloads."""
    input:
        unpack(needs("fetch_epic55_film")),
    output:
        film=f"{publishers.EPIC}/films/{{video}}.MP4",
    log:
        "logs/fetch_epic55_film/{video}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=720,
        downloads=1,
    params:
        folder=subpath(output.film, parent=True),
        settings=fetch_settings,
    shell:
        "aia fetch epic55-films {wildcards.video} --actions {input.actions:q} --folder {params.folder:q}"
        " --settings {params.settings:q} --log {log}"


rule fetch_pets09:
    """A street crossing: its video, tracks, and the labels that follow from them."""
    output:
        publishers.PUBLISHED["pets09"],
    log:
        "logs/fetch_pets09.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
        downloads=1,
    params:
        folder=lambda wildcards, output: os.path.dirname(output[0]),
        settings=fetch_settings,
    shell:
        "aia fetch pets09 --folder {params.folder:q} --settings {params.settings:q} --log {log}"


rule fetch_detector:
    """A published Faster R-CNN, by its file's name."""
    output:
        weights="data/detectors/{detector}",
    log:
        "logs/fetch_detector/{detector}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=60,
        downloads=1,
    params:
        base=lambda wildcards, input: publishers.DETECTORS[wildcards.detector],
        folder=subpath(output.weights, parent=True),
        settings=fetch_settings,
    shell:
        "aia fetch files {params.base:q}/{wildcards.detector} --folder {params.folder:q}"
        " --settings {params.settings:q} --log {log}"
