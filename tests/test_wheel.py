"""The package as `pip install .` makes it: whole, and at work outside the repository."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY
from tests.small_run import write_small_run

pytestmark = pytest.mark.long
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build in a copy: a build leaves folders beside its sources."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "config.yaml"):
        shutil.copy(REPOSITORY / name, source)
    for name in ("aia", "config"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / name, source / name, ignore=ignore)
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    command = [*PIP, "wheel", *options, "--wheel-dir", str(folder), str(source)]
    subprocess.run(command, check=True, timeout=300, cwd=folder)
    (made,) = folder.glob("*.whl")
    return made


def of_package(names: Iterator[str]) -> set[str]:
    return {name for name in names if name.startswith("aia/") and "__pycache__" not in name}


def test_the_wheel_has_every_file_of_the_package_and_the_published_settings(wheel: Path) -> None:
    files = (path for path in (REPOSITORY / "aia").rglob("*") if path.is_file())
    wanted = of_package(str(path.relative_to(REPOSITORY)) for path in files)
    settings = ["config.yaml", *(f"config/{p.name}" for p in REPOSITORY.glob("config/*.yaml"))]
    packaged = {f"aia/config/packaged/{name}" for name in settings}
    with zipfile.ZipFile(wheel) as archive:
        assert of_package(iter(archive.namelist())) == wanted | packaged
    assert wheel.name.startswith("aia_actions-")  # PyPI's `aia` is another project


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the wheel; return the environment in which it is found first."""
    site = tmp_path_factory.mktemp("site")
    command = [*PIP, "install", "--quiet", "--no-index", "--no-deps", "--target", str(site)]
    subprocess.run([*command, str(wheel)], check=True, timeout=300)
    return {
        **os.environ,
        "PYTHONPATH": str(site),
        "PATH": f"{site / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }


def typed(environment: dict[str, str], cwd: Path, *words: str) -> str:
    """Return what a command says, which must end well."""
    done = subprocess.run(
        words, cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_an_installed_package_works_outside_the_repository(
    installed: dict[str, str], tmp_path: Path
) -> None:
    run = write_small_run(tmp_path)
    loaded = f"aia.load({str(run)!r}).classes.names"
    code = f"import aia; print(aia.__file__, aia.__version__, {loaded})"
    said = typed(installed, tmp_path, sys.executable, "-c", code)
    assert said.startswith(installed["PYTHONPATH"])
    assert "watch_tv" in said

    assert "predict" in typed(installed, tmp_path, "aia", "--help")
    assert "usage: aia evaluate" in typed(
        installed, tmp_path, sys.executable, "-m", "aia", "evaluate", "--help"
    )
    typed(installed, tmp_path, "aia", "settings", "ava_v22")  # from the wheel's own config/
    assert "short_side: 256" in (tmp_path / "results/ava_v22/settings.yaml").read_text()

    top = run.parents[1]
    video = top / "films" / "playhouse_val_000.mp4"
    typed(installed, tmp_path, "aia", "predict", str(video), "--model", str(run))
    written = {path.name for path in (tmp_path / "predictions").iterdir()}
    wanted = {"index.html", *(f"{video.stem}.{kind}" for kind in ("csv", "parquet", "mp4", "html"))}
    assert wanted <= written
    typed(
        installed, tmp_path, "aia", "evaluate", "ava",
        "--groundtruth", str(top / "annotations" / "val.csv"),
        "--detections", f"predictions/{video.stem}.parquet",
        "--labels", str(top / "annotations" / "actions.pbtxt"),
        "--output", "map.csv",
    )  # fmt: skip
    assert (tmp_path / "map.csv").read_text().startswith("metric,class_id,class_name,value")
