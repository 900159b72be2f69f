"""Case 012: `./run` from another folder."""

from pathlib import Path

from tests.cases.conftest import run


def test_case_012_paths_are_those_of_the_folder_one_stands_in(clone: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    seen, said = run(clone, "aia", "doctor", "det.csv", "gt.csv", cwd=mine)
    assert (seen["in"], said) == (str(mine), "")
    seen, said = run(clone, "snakemake", "-n", cwd=mine)
    assert seen["in"] == str(clone)
    assert f"the workflow runs in {clone}" in said
    seen, said = run(clone, "snakemake", "-n", cwd=clone)
    assert (seen["in"], said) == (str(clone), "")


def test_case_012_the_clone_that_is_called_is_the_one_that_runs(
    clone: Path, tmp_path: Path
) -> None:
    """Also if two clones share an environment, where another one is installed."""
    seen, _ = run(clone, "aia", cwd=tmp_path, PYTHONPATH="/elsewhere")
    assert seen["PYTHONPATH"] == f"{clone}:/elsewhere"
