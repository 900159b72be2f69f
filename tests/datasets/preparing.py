"""A data set in a form of its own, written in the one form as `aia prepare data` does it."""

from pathlib import Path
from typing import Any

from aia.config import DataConfig, EpicSourceConfig, build_section, overlay, read_yaml
from aia.datasets import epic55, sources
from aia.datasets.data import write_data
from tests.conftest import REPOSITORY

NOTHING = dict.fromkeys(("train", "val"))


def data_config(**changes: Any) -> DataConfig:
    """Return the section `data` of a data set that has no more than its annotations."""
    plain = {"excluded": NOTHING, "objects": NOTHING}
    raw = overlay(read_yaml(REPOSITORY / "config.yaml")["data"], plain | changes)
    return build_section(DataConfig, raw, "settings: data")


def prepare(output: Path, *, fps: float = 25.0, **source: Any) -> dict[str, list[str]]:
    """Write annotations as the settings `source` say, and return the videos of each split."""
    given = {n: str(value) if isinstance(value, Path) else value for n, value in source.items()}
    tasks = {"verb": "verbs", "noun": "nouns"} if given["format"] == "epic55" else None
    config = data_config(source=given, clips_per_sec=fps, tasks=tasks)
    if isinstance(config.source, EpicSourceConfig):
        said = config.source
        videos = epic55.split_films(said.annotations, train=said.train, val=said.val)
    else:
        assert config.source is not None
        videos = sources.read_tubes(config.source).ids
    write_data(config, videos=videos, output=output)
    return videos
