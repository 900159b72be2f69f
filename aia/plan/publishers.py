"""What can be downloaded, and where it lies: data sets of publishers, detectors, backbones."""

from typing import Literal

from aia.datasets import ava_files, ucf101_24_files

AVA = "data/ava"
"""Folder of what is downloaded of AVA; it may be a link to a large disk."""
UCF = "data/ucf101_24"
EPIC = "data/epic55"
WEIGHTS = ("i3d_kinetics400",)
"""Published backbones that `aia weights fetch` knows."""
DETECTORS = {
    "e2e_faster_rcnn_X_101_32x8d_FPN_1x.pth": "https://download.pytorch.org/models/maskrcnn",
}
"""maskrcnn-benchmark's detectors: file name to the folder that it is downloaded from."""
EPIC_TABLES = ("train_action_labels", "verb_classes", "noun_classes", "video_info")


def ava_tables(version: Literal["2.1", "2.2"]) -> list[str]:
    """List the tables of a version of AVA, the lists of its videos among them.

    >>> ava_tables("2.2")[-1]
    'data/ava/v2.2/ava_file_names_test_v2.1.txt'
    """
    names = [
        *ava_files.tables(version).values(),
        *map(ava_files.film_list, ava_files.FILM_PARTS),
    ]
    return [f"{AVA}/v{version}/{name}" for name in names]


PUBLISHED = {
    "ava_v2.1": ava_tables("2.1"),
    "ava_v2.2": ava_tables("2.2"),
    "ucf101_24": [f"{UCF}/{name}" for name in ucf101_24_files.TABLES],
    "epic55": [f"{EPIC}/EPIC_{name}.csv" for name in EPIC_TABLES],
}
"""The tables that say what there is, by publisher (`data.fetch`)."""
