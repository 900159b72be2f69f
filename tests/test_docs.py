"""The pages: their links lead somewhere, and the code in docs/api.md and the notebook runs."""

import json
import re
import shutil
from pathlib import Path

import matplotlib as mpl
import pytest

from aia.cli import main
from tests.conftest import REPOSITORY
from tests.small_run import RUN, write_small_run

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *(REPOSITORY / "docs").glob("*.md"),
]
VIDEO = "playhouse_val_000"


def anchors(page: Path) -> set[str]:
    """The headings of a page as the places that links name, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    headings = re.findall(r"^#+ +(.+)$", text, flags=re.M)
    plain = (re.sub(r"[^\w\- ]", "", heading.replace("`", "")).lower() for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, place = target.partition("#")
        path = (page.parent / name).resolve() if name else page
        assert path.exists(), target
        if place:
            assert place in anchors(path), target


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """What `./run` leaves, in small, with the prediction of one video."""
    folder = tmp_path_factory.mktemp("small")
    write_small_run(folder)
    top = folder / "results" / "playhouse"
    film, run = top / "films" / f"{VIDEO}.mp4", top / "runs" / RUN
    output = ["--output", str(folder / "predictions"), "--no-film", "--no-page"]
    assert main(["predict", str(film), "--model", str(run), *output]) == 0
    return folder


@pytest.fixture
def inside(small, tmp_path, monkeypatch):
    shutil.copytree(small, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    mpl.use("Agg")


def test_the_code_of_the_api_page_runs(inside):
    names = {}
    blocks = re.findall(
        r"^```python\n(.*?)^```", (REPOSITORY / "docs/api.md").read_text(), re.M | re.S
    )
    assert len(blocks) > 3
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), names)
    assert len(names["table"]) == len(names["scores"].scores) > 0
    assert set(names["result"].per_class) == set(names["model"].classes.ids)


def test_the_notebook_runs(inside):
    notebook = json.loads((REPOSITORY / "docs/first_steps.ipynb").read_text())
    cells = ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]
    names = {}
    for cell in cells:
        exec(compile(cell, "docs/first_steps.ipynb", "exec"), names)
    assert len(names["persons"]) > 0
    assert names["result"].mean >= 0
