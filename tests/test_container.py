"""The container's recipe, which cannot be built here: its pieces are those of the repository."""

import re
import tomllib

from tests.conftest import REPOSITORY

RECIPE = (REPOSITORY / "envs" / "aia.Dockerfile").read_text()


def test_all_that_the_recipe_copies_is_there_and_nothing_that_a_call_needs_is_left_out() -> None:
    lines = re.findall(r"^COPY (.+) (\S+)$", RECIPE, flags=re.MULTILINE)
    sources = {source for line, _ in lines for source in line.split()}
    assert all((REPOSITORY / source).exists() for source in sources)
    assert {"aia", "workflow", "config", "profiles", "Snakefile", "config.yaml"} <= sources
    for line, target in lines:  # COPY takes a folder's content, not the folder
        is_folder = [(REPOSITORY / source).is_dir() for source in line.split()]
        assert not any(is_folder) or target == f"/opt/aia/{line}"


def test_the_recipes_python_is_pinned_and_one_that_the_package_allows() -> None:
    (version,) = re.findall(r"^FROM python:(\d+\.\d+\.\d+)-\S+$", RECIPE, flags=re.MULTILINE)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    least = project["requires-python"].removeprefix(">=")
    assert [int(n) for n in version.split(".")][:2] >= [int(n) for n in least.split(".")]
