"""A job of several videos that ends in the middle keeps its finished videos, and makes no other."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import aia.detect.object_features
import aia.detect.predict
import aia.video.store
from aia.cli import main
from aia.detect.model import build_detector, save_detector
from tests.video.videos import grey, write_video
from tests.workflow import overlay, write_ava

VIDEOS = ["a", "b", "c"]
SETTINGS = ("--settings", "results/ava/settings.yaml")


def film(name: str, first: int = 0) -> None:
    """Write a video of four seconds whose first frame is this grey."""
    frames = [grey(first + number, (48, 64)) for number in range(32)]
    write_video(Path("films") / f"{name}.mp4", frames, times_sec=[k / 8 for k in range(32)], rate=8)


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A data set of three videos to train on, prepared, and a detector."""
    monkeypatch.chdir(tmp_path)
    write_ava(tmp_path, train=VIDEOS, val=["d"], frames={"short_side": 48})
    for path in Path("films").iterdir():
        path.unlink()
    for number, name in enumerate(VIDEOS):
        film(name, 7 * number)
    rows = [f"{name},1,0.1,0.1,0.5,0.9,1,0\n" for name in VIDEOS]
    Path("train.csv").write_text("".join(rows))
    assert main(["settings", "ava"]) == 0
    assert main(["prepare", "data", *SETTINGS]) == 0
    save_detector(
        Path("results/ava/detector.safetensors"),
        build_detector("small", classes=("person", "cup"), short_side=48),
    )


def interrupted_at_c(real: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap what handles one video, so that the job ends at the third."""

    def wrapped(first: Any, *args: Any, **kwargs: Any) -> Any:
        if getattr(first, "video", Path(str(first)).stem) == "c":
            raise KeyboardInterrupt
        return real(first, *args, **kwargs)

    return wrapped


def state(folders: tuple[str, ...]) -> dict[str, tuple[int, int]]:
    """Return which file each one is, and when it was written."""
    paths = [path for folder in folders for path in Path("results/ava", folder).iterdir()]
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in sorted(paths)}


def listed(name: str) -> int:
    """Count the files in the list of a part, all of which `sha256sum` finds as they are."""
    path = f"results/ava/parts/{name}"
    said = subprocess.run(["sha256sum", "-c", path], capture_output=True, text=True, check=True)
    assert said.stdout.count(": OK\n") == len(Path(path).read_text().splitlines())
    return said.stdout.count(": OK\n")


FEATURES = aia.detect.object_features
CASES = [
    ("frames", aia.video.store, "make_store", ("frames",)),
    ("detect", aia.detect.predict, "detect_video", ("persons", "objects")),
    ("extract-objects", FEATURES, "extract_object_features", ("object_features",)),
]
ENDS = {"frames": "frames", "detect": "boxes", "extract-objects": "object_features"}


@pytest.mark.parametrize(
    ("command", "module", "function", "folders"), CASES, ids=[case[0] for case in CASES]
)
def test_what_was_finished_is_kept_and_a_changed_video_remakes_itself_alone(
    monkeypatch: pytest.MonkeyPatch, command: str, module: Any, function: str, folders: Any
) -> None:
    words = [command, *SETTINGS, "--part", "train.000"]
    storing = ["frames", *words[1:]]
    if command != "frames":
        assert main(storing) == 0
    name = f"train.000.{ENDS[command]}"
    with monkeypatch.context() as patch:
        patch.setattr(module, function, interrupted_at_c(getattr(module, function)))
        assert main(words) == 130
    assert not Path(f"results/ava/parts/{name}").exists()
    finished = state(folders)
    assert {Path(path).stem for path in finished} == {"a", "b"}

    assert main(words) == 0
    after = state(folders)
    assert {path: after[path] for path in finished} == finished
    assert {Path(path).stem for path in after} == {"a", "b", "c"}
    assert listed(name) == 3 * len(folders)

    before, text = after, Path(f"results/ava/parts/{name}").read_text()
    film("b", 29)
    assert main(storing) == 0
    assert main(words) == 0
    after = state(folders)
    changed = {Path(path).stem for path in after if after[path] != before[path]}
    assert changed == {"b"}
    assert listed(name) == 3 * len(folders)
    assert Path(f"results/ava/parts/{name}").read_text() != text

    gone = next(path for path in after if Path(path).stem == "a")
    Path(gone).unlink()
    assert main(words) == 0
    again = state(folders)
    kept = {path for path in after if again[path] == after[path]}
    assert {Path(path).stem for path in {*after} - kept} == {"a"}


def test_other_settings_make_all_videos_of_a_part_again() -> None:
    words = ["frames", *SETTINGS, "--part", "train.000"]
    assert main(words) == 0
    before = state(("frames",))
    overlay(Path("more.yaml"), {"frames": {"quality": 71}, "videos_per_job": 2})
    assert main(["settings", "ava", "--configfile", "more.yaml"]) == 0
    assert main(words) == 0  # of two videos now
    after = state(("frames",))
    assert {Path(path).stem for path in after if after[path] != before[path]} == {"a", "b"}
    assert listed("train.000.frames") == 2


def test_other_parts_find_the_videos_finished() -> None:
    assert main(["frames", *SETTINGS, "--part", "train.000"]) == 0
    before = state(("frames",))
    overlay(Path("more.yaml"), {"videos_per_job": 1})
    assert main(["settings", "ava", "--configfile", "more.yaml"]) == 0
    for number in range(3):
        assert main(["frames", *SETTINGS, "--part", f"train.00{number}"]) == 0
    assert state(("frames",)) == before


def test_a_part_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["frames", *SETTINGS, "--part", "train.001"]) == 2
    assert "train.001: is not a part of ava" in capsys.readouterr().err
    assert main(["frames", "--part", "train.000"]) == 2
    assert "--settings config.yaml: expected results/DATASET/settings.yaml" in (
        capsys.readouterr().err
    )
