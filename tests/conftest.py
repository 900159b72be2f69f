"""What all tests share."""

import os
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]

LONGEST = (
    "test_workflow.py",
    "train/test_ranks.py",
    "faults/test_soak.py",
    "test_epic_workflow.py",
    "test_ucf24_workflow.py",
    "faults/test_machine.py",
    "train/test_run.py",
    "test_fetch_ucf101_24_workflow.py",
    "test_fetch_workflow.py",
    "faults/test_damage.py",
)
"""Files of tests that take long together, the longest first."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the long files where several processes share them, so that all end together."""
    if hasattr(config, "workerinput"):
        places = {REPOSITORY / "tests" / name: place for place, name in enumerate(LONGEST)}
        items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real films and annotations; the setting AIA_SHARED_DATA says where they are."""
    folder = REPOSITORY / os.environ.get("AIA_SHARED_DATA", "../shared/data")
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}; set AIA_SHARED_DATA to its folder")
    return folder


@pytest.fixture(scope="session")
def golden() -> Path:
    """Numbers that other implementations gave, small enough to be kept here."""
    return REPOSITORY / "tests" / "data" / "golden"


@pytest.fixture(autouse=True)
def _same_random_numbers() -> None:
    torch.manual_seed(0)
