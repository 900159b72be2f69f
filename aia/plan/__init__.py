"""Which files a target needs, and which command makes them; knows nothing of Snakemake.

    publishers.py   what can be downloaded, and where it lies
    videos.py       the videos of a data set, by split
    dataset.py      a data set: its settings, and where its files lie
    rules.py        each kind of job: what it makes and needs, and its command
    recipes.py      what decides on a job's outcome beside its files
    resources.py    threads, memory and GPUs of jobs
    project.py      all data sets; the jobs of a target

The workflow takes its inputs from here (workflow/rules/common.smk), and so do the commands:
`aia train --settings results/small/settings.yaml --run NAME` reads what the rule `train` waits for.
"""

from aia.plan.dataset import BOX_FILES, DataSet, Files, Part, find_settings, view_of
from aia.plan.project import Job, Plan, Project
from aia.plan.recipes import recipe
from aia.plan.rules import CONSTRAINTS, NOT_DATED, RULES, Needs, declared, paths_of
from aia.plan.videos import NotFetchedError

__all__ = [
    "BOX_FILES",
    "CONSTRAINTS",
    "DataSet",
    "Files",
    "Job",
    "NOT_DATED",
    "Needs",
    "NotFetchedError",
    "Part",
    "Plan",
    "Project",
    "RULES",
    "declared",
    "find_settings",
    "paths_of",
    "recipe",
    "view_of",
]
