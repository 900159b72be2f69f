# What publishers offer, fetched where a data set's settings ask for it (data.fetch). What breaks off is
# gone on with: parts lie beside the files and are no outputs, which Snakemake would delete.


# Nodes of a cluster may have no way to the network.
localrules:
    annotations_fetched,
    fetch_ava_annotations,
    fetch_ava_film,
    fetch_ucf101_24_annotations,
    fetch_ucf101_24_films,
    fetch_epic55_annotations,
    fetch_epic55_film,
    fetch_detector,
    fetch_weights,
    convert_backbone,


checkpoint annotations_fetched:
    """A publisher's tables -> that the films they name can be planned.

    Only where tables have yet to be fetched: a checkpoint among a plan's jobs has Snakemake go
    through all that depends on it once more, on every call.
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
    """A version's number -> AVA's tables and class lists, and the lists of its films."""
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
    """A film's name -> the film; several at once, as many as the profile's `downloads` says."""
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
    """Lists of films -> a list of where they are; what is not there comes out of UCF101's archive."""
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
    """EPIC-Kitchens-55's tables of segments, classes and films."""
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
    """A film's id -> the film; several at once, as many as the profile's `downloads` says."""
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
