"""Downloads and their folders: data sets of publishers, detectors, backbones."""

from aia.fetch import sources

AVA = "data/ava"
"""Folder of what is downloaded of AVA; it may be a link to a large disk."""
UCF = "data/ucf101_24"
EPIC = "data/epic55"
PETS = "data/pets09"
WEIGHTS = ("i3d_kinetics400",)
"""Published backbones that `aia weights fetch` knows."""
DETECTORS = {
    "e2e_faster_rcnn_X_101_32x8d_FPN_1x.pth": "https://download.pytorch.org/models/maskrcnn",
}
"""maskrcnn-benchmark's detectors: file name to the folder that it is downloaded from."""


def ava_tables(version: str) -> list[str]:
    """List the tables of a version of AVA, the lists of its videos among them.

    >>> ava_tables("2.2")[-1]
    'data/ava/v2.2/ava_file_names_test_v2.1.txt'
    """
    names = [*sources.ava_tables(version), *sources.AVA_LISTS.values()]
    return [f"{AVA}/v{version}/{name}" for name in names]


PUBLISHED = {
    "ava_v2.1": ava_tables("2.1"),
    "ava_v2.2": ava_tables("2.2"),
    "ucf101_24": [f"{UCF}/{name}" for name in sources.UCF101_24_TABLES],
    "epic55": [f"{EPIC}/{name}" for name in sources.EPIC55_TABLES],
    "pets09": [f"{PETS}/{name}" for name in sources.PETS09_FILES],
}
"""Tables that list a publisher's files, by publisher (`data.fetch`)."""
