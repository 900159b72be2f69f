"""Backbones by their name in config.yaml."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aia.config import BackboneConfig, load_settings, read_yaml

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def backbone_config() -> Callable[[str], BackboneConfig]:
    """The section of a backbone."""
    return load_settings(read_yaml(REPOSITORY / "config.yaml")).backbones.__getitem__
