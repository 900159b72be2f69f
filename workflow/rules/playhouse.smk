# The embedded data set: a scripted, rendered world whose actions need each kind of interaction.


rule draw_playhouse:
    """A seed -> the embedded data set: videos, class list, actions, boxes of objects."""
    input:
        unpack(needs("draw_playhouse")),
    output:
        films=directory("results/{dataset}/films"),
        annotations=planned.drawn("ava"),
    log:
        "logs/{dataset}/draw_playhouse.log",
    wildcard_constraints:
        dataset=only_for("draw_playhouse"),
    conda:
        "../../envs/aia.yaml"
    threads: 8
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        recipe=recipe("draw_playhouse"),
    shell:
        "aia playhouse results/{wildcards.dataset} --settings results/{wildcards.dataset}/settings.yaml"
        " --processes {threads} --log {log}"


use rule draw_playhouse as draw_playhouse_ucf24 with:
    # The same videos with every frame labelled: actions as tubes (§5).
    output:
        films=directory("results/{dataset}/films"),
        annotations=planned.drawn("ucf101_24"),
    log:
        "logs/{dataset}/draw_playhouse_ucf24.log",
    wildcard_constraints:
        dataset=only_for("draw_playhouse_ucf24"),


use rule draw_playhouse as draw_playhouse_epic with:
    # A kitchen: videos, segments with a verb and a noun, boxes of hands and things (§6).
    output:
        films=directory("results/{dataset}/films"),
        annotations=planned.drawn("epic_kitchens"),
    log:
        "logs/{dataset}/draw_playhouse_epic.log",
    wildcard_constraints:
        dataset=only_for("draw_playhouse_epic"),
