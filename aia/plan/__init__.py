"""Plan: the files that a target needs and the commands that make them, without Snakemake.

    publishers.py   files that can be downloaded, and their folders
    videos.py       videos of a data set, by split
    dataset.py      data set: its settings and the paths of its files
    rules.py        kinds of jobs: outputs, inputs and command
    recipes.py      settings that decide on a job's outcome, beside its files
    contents.py     contents of files that no rule makes
    resources.py    threads, memory and GPUs of jobs
    project.py      all data sets; the jobs of a target

The workflow takes its inputs from here (workflow/rules/common.smk), and so do the commands:
`aia train --settings results/small/settings.yaml --run NAME` reads the inputs of the rule `train`.
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
