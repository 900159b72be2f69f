# Films become frame stores, once: decoded at the data set's frame rate and size, random access after.


rule store_frames:
    """Film -> its frames at the data set's rate and size, ready for random access."""
    input:
        film=film,
    output:
        frames="results/{dataset}/frames/{video}.h5",
    log:
        "logs/{dataset}/store_frames/{video}.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        film=path_of_film,
        settings=frames_settings,
        clip_frames=clip_frames,
        recipe=sections("frames"),
        version=VERSIONS["frames"],
    shell:
        "aia frames {params.film:q} --output {output.frames} --min-frames {params.clip_frames}"
        " --settings {params.settings:q} --log {log}"


rule check_films:
    """All films' frames -> that they are cut as the annotations expect; and a list of them."""
    input:
        train=per_video("frames/{video}.h5", "train"),
        val=per_video("frames/{video}.h5", "val"),
        test=when_tested(per_video("frames/{video}.h5", "test")),
        annotations=key_frames("train", "val"),
        seconds=when_tested(data_file("seconds")),
    output:
        films="results/{dataset}/films.csv",
    log:
        "logs/{dataset}/check_films.log",
    conda:
        "../../envs/aia.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        seconds=flags_of("seconds"),
        settings=sections("frames", "check"),
    shell:
        "aia check-films --frames {input.train:q} {input.val:q} {input.test:q} --annotations {input.annotations:q}"
        " {params.seconds} --output {output.films} --settings {params.settings:q} --log {log}"
