"""What all tests share."""

import os
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]


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
