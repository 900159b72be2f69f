"""Labels with planted mistakes: each is found where it is, and nothing is found without them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aia.annotate import checking
from aia.cli import main
from aia.labels import ClassList
from tests.video.videos import write_video

CLASSES = ClassList((1, 2), ("sit", "wave"), ("", ""))
COLUMNS = ["video", "time_sec", "x1", "y1", "x2", "y2", "action", "person"]
SECONDS, FPS, SIZE_HW = 30, 8, (96, 128)


def rows(*given) -> pd.DataFrame:
    return pd.DataFrame(given, columns=COLUMNS)


def steady(video="a", person=1, action=1, seconds=range(12), x=0.2):
    return [(video, float(t), x, 0.2, x + 0.2, 0.8, action, person) for t in seconds]


def whats(found) -> list[tuple[str, str, float, int]]:
    return [(one.what, one.video, one.second, one.person) for one in found]


def test_labels_without_mistakes_have_no_findings():
    good = rows(*steady(), *steady(person=2, x=0.6, action=2))
    assert checking.doubled(good) + checking.jumps(good) + checking.flips(good, CLASSES) == []


def test_two_persons_with_one_box_are_found():
    found = checking.doubled(rows(*steady(seconds=[3]), *steady(person=2, seconds=[3], x=0.205)))
    assert whats(found) == [("doubled", "a", 3.0, 1)]


def test_a_box_that_is_elsewhere_for_a_second_is_found():
    table = rows(*steady())
    table.loc[5, ["x1", "x2"]] = [0.7, 0.9]
    assert whats(checking.jumps(table)) == [("jump", "a", 5.0, 1)]


def test_an_action_that_is_on_or_off_for_one_key_frame_is_found():
    on = rows(*steady(), *steady(action=2, seconds=[6]))
    assert whats(checking.flips(on, CLASSES)) == [("flip", "a", 6.0, 1)]
    seconds = [t for t in range(12) if t != 7]
    off = rows(*steady(), *steady(action=2, seconds=seconds))
    (found,) = checking.flips(off, CLASSES)
    assert found.says == "wave is off for one"
    longer = rows(*steady(), *steady(action=2, seconds=[6, 7]))
    assert checking.flips(longer, CLASSES) == []


def test_classes_with_few_examples_or_on_one_side_are_found():
    parts = {"train": rows(*steady()), "val": rows(*steady("b"), *steady("b", action=2))}
    assert [one.what for one in checking.rare(parts, CLASSES)] == ["never in train", "one video"]
    parts = {"train": rows(*steady(), *steady("c", action=2, seconds=[1])), "val": parts["val"]}
    assert [one.what for one in checking.rare(parts, CLASSES)] == ["few examples"]


def place(time_sec: float) -> tuple[float, float]:
    """Left and top of a square that goes to and fro over the picture, as fractions."""
    return 0.1 + 0.35 * (1 + np.sin(0.9 * time_sec)), 0.35 + 0.2 * np.sin(0.4 * time_sec)


def film(path: Path, *, seed: int = 0, quality: int | None = None) -> Path:
    rng = np.random.default_rng(seed)
    height, width = SIZE_HW
    ground = np.kron(rng.integers(30, 140, (6, 8, 3)), np.ones((16, 16, 1))).astype(np.uint8)
    frames = []
    for k in range(SECONDS * FPS):
        x, y = place(k / FPS + seed)
        frame = ground.copy()
        top, left = int(y * height), int(x * width)
        frame[top : top + 24, left : left + 20] = rng.integers(150, 255, 3)
        frames.append(frame)
    times = [k / FPS for k in range(len(frames))]
    return write_video(path, frames, times_sec=times, rate=FPS)


def labels_of(video: str, *, late_sec: float = 0.0) -> list[tuple]:
    found = []
    for t in range(4, SECONDS - 4):
        x, y = place(t - late_sec)
        found.append((video, float(t), x, y, x + 20 / 128, y + 24 / 96, 1, 1))
    return found


@pytest.mark.parametrize(("late_sec", "word"), [(2.0, "earlier"), (-1.5, "later")])
def test_labels_of_another_clock_are_found_by_motion(tmp_path, late_sec, word):
    path = film(tmp_path / "a.mp4")
    (found,) = checking.shifted("a", rows(*labels_of("a", late_sec=late_sec)), path)
    assert f"{abs(late_sec):g} s {word}" in found.says
    assert checking.shifted("a", rows(*labels_of("a")), path) == []


def test_the_same_pictures_in_train_and_val_are_found_under_any_name(tmp_path):
    one, other = film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4", seed=5)
    copy = film(tmp_path / "c.mp4")
    videos = {"a": one, "b": other, "c": copy}
    parts = {"train": rows(*labels_of("a"), *labels_of("b")), "val": rows(*labels_of("c"))}
    (found,) = checking.repeated_videos(parts, videos)
    assert "c of val shows at 0 s what a of train shows at 0 s" in found.says
    parts["val"] = rows(*labels_of("b"))
    parts["train"] = rows(*labels_of("a"))
    assert checking.repeated_videos(parts, videos) == []


def test_the_command_lists_what_it_found_and_writes_rows(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("films").mkdir()
    film(Path("films/a.mp4"))
    film(Path("films/b.mp4"), seed=5)
    Path("data").mkdir()
    for part, video in (("train", "a"), ("val", "b")):
        lines = [",".join(map(str, row)) for row in labels_of(video)]
        Path(f"data/{part}.csv").write_text("\n".join(lines) + "\n")
    Path("data/classes.pbtxt").write_text('label { name: "go" label_id: 1 }\n')
    assert main(["labels", "check", "data", "--videos", "films"]) in (0, 1)
    Path("data/val.csv").write_text("b,7,0.1,0.1,0.2,0.3,1,1\nb,7,0.1,0.1,0.201,0.3,1,2\n")
    given = ["data", "--videos", "films", "--output", "found.csv"]
    assert main(["labels", "check", *given]) == 1
    found = pd.read_csv("found.csv")
    assert set(found["what"]) >= {"doubled", "few examples"}
    assert "doubled: b, 7 s" in capsys.readouterr().err
