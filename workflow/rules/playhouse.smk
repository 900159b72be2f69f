# The embedded data set: a scripted, rendered world whose actions need each kind of interaction.


rule draw_playhouse:
    """A seed -> the embedded data set: films, class list, who does what, boxes of objects."""
    output:
        films=directory("results/{dataset}/films"),
        labels="results/{dataset}/annotations/actions.pbtxt",
        annotations=expand(
            "results/{{dataset}}/annotations/{split}{kind}.csv",
            split=["train", "val"],
            kind=["", "_excluded", "_objects"],
        ),
    log:
        "logs/{dataset}/draw_playhouse.log",
    wildcard_constraints:
        dataset=drawn_as("ava"),
    conda:
        "../../envs/aia.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=sections("playhouse"),
        version=VERSIONS["playhouse"],
    shell:
        "aia playhouse results/{wildcards.dataset} --processes {threads}"
        " --settings {params.settings:q} --log {log}"


rule draw_playhouse_ucf24:
    """A seed -> the same films with every frame labelled: who does what as tubes (§5)."""
    output:
        films=directory("results/{dataset}/films"),
        labels="results/{dataset}/annotations/actions.pbtxt",
        tubes="results/{dataset}/annotations/pyannot.pkl",
        val="results/{dataset}/annotations/testlist01.txt",
        objects=expand(
            "results/{{dataset}}/annotations/{split}_objects.csv",
            split=["train", "val"],
        ),
    log:
        "logs/{dataset}/draw_playhouse_ucf24.log",
    wildcard_constraints:
        dataset=drawn_as("ucf101_24"),
    conda:
        "../../envs/aia.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=sections("playhouse"),
        version=VERSIONS["playhouse"],
    shell:
        "aia playhouse results/{wildcards.dataset} --processes {threads}"
        " --settings {params.settings:q} --log {log}"


rule draw_playhouse_epic:
    """A seed -> a kitchen: films, segments with a verb and a noun, boxes of hands and things (§6)."""
    output:
        films=directory("results/{dataset}/films"),
        tables=expand(
            "results/{{dataset}}/annotations/EPIC_{table}.csv",
            table=[
                "train_action_labels",
                "verb_classes",
                "noun_classes",
                "video_info",
            ],
        ),
        boxes=expand(
            "results/{{dataset}}/annotations/{split}_boxes.csv", split=["train", "val"]
        ),
    log:
        "logs/{dataset}/draw_playhouse_epic.log",
    wildcard_constraints:
        dataset=drawn_as("epic_kitchens"),
    conda:
        "../../envs/aia.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        settings=sections("playhouse"),
        version=VERSIONS["playhouse"],
    shell:
        "aia playhouse results/{wildcards.dataset} --processes {threads}"
        " --settings {params.settings:q} --log {log}"
