"""What an import loads: little, and later."""

import subprocess
import sys

import pytest

import aia


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.strip()


def test_importing_aia_loads_no_torch_until_a_name_is_used() -> None:
    assert run("import aia, sys; print('torch' in sys.modules, 'numpy' in sys.modules)") == (
        "False False"
    )
    assert run("import aia, sys; aia.FeaturePool; print('torch' in sys.modules)") == "True"


def test_the_command_line_and_the_plan_load_no_tables_and_no_torch() -> None:
    loaded = run("import aia.cli, aia.plan, sys; print(*sys.modules)").split()
    assert {"torch", "pandas", "pyarrow", "numpy", "av", "cv2", "h5py"}.isdisjoint(loaded)


def test_pictures_of_tables_and_frames_need_no_torch() -> None:
    loaded = run("import aia.report.attention, aia.report.keyframes, sys; print(*sys.modules)")
    assert "matplotlib" in loaded.split()
    assert "torch" not in loaded.split()


def test_the_network_needs_no_reader_of_videos_or_tables() -> None:
    loaded = run("import aia.network, sys; print(*sys.modules)").split()
    assert "torch" in loaded
    readers = ("av", "h5py", "cv2", "pandas", "aia.video", "aia.datasets")
    assert [name for name in loaded if name.startswith(tuple(f"{r}." for r in readers))] == []
    assert set(readers).isdisjoint(loaded)


@pytest.mark.parametrize("name", aia.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(aia, name) is not None
    assert name in dir(aia)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'aia' has no attribute 'Netwrk'"):
        _ = aia.Netwrk  # type: ignore[attr-defined]


def test_python_m_aia_is_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "aia"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: aia ")
