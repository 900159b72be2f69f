# The workflow: videos -> frames -> boxes -> runs -> scores -> tables, figures, report. Each rule calls one
# `aia` command, which also works by hand. `snakemake --list` names the rules, `snakemake -n` shows what
# would be done, `snakemake results/playhouse_val.csv` does it.
from snakemake.utils import min_version

min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"  # reads config.yaml and checks it; what is made of what stands in aia/plan
include: "workflow/rules/playhouse.smk"
include: "workflow/rules/fetch.smk"
include: "workflow/rules/prepare.smk"
include: "workflow/rules/frames.smk"
include: "workflow/rules/boxes.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/scores.smk"
include: "workflow/rules/fuse.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"


rule all:
    """The table of the configured data set, and its report."""
    default_target: True
    input:
        checked(f"results/{config['dataset']}_val.csv"),
        f"results/{config['dataset']}/report.html",
