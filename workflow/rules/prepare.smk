# Annotations of any form are converted to the common form, which all later rules read (aia/datasets/data.py).


rule prepare_data:
    """Annotations of any form -> classes, videos, and actions on each key frame."""
    input:
        unpack(needs("prepare_data")),
    output:
        planned.prepared("prepare_data"),
    log:
        "logs/{dataset}/prepare_data.log",
    wildcard_constraints:
        dataset=only_for("prepare_data"),
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        recipe=recipe("prepare_data"),
    shell:
        "aia prepare data --settings results/{wildcards.dataset}/settings.yaml --log {log}"


use rule prepare_data as prepare_tubes with:
    # Tubes over all frames of a video (UCF101-24, J-HMDB) -> key frames, and tubes for scoring.
    output:
        planned.prepared("prepare_tubes"),
    log:
        "logs/{dataset}/prepare_tubes.log",
    wildcard_constraints:
        dataset=only_for("prepare_tubes"),


use rule prepare_data as prepare_segments with:
    # Segments with a verb and a noun (EPIC-Kitchens, §6).
    output:
        planned.prepared("prepare_segments"),
    log:
        "logs/{dataset}/prepare_segments.log",
    wildcard_constraints:
        dataset=only_for("prepare_segments"),
