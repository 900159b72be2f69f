"""What is labelled next: what is not sure, not labelled, and not like what is chosen already."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.testing import assert_allclose

from aia.annotate import choosing
from aia.annotate.cvat import read_cvat
from aia.annotate.importing import Clip
from aia.cli import main
from aia.tables.scores import ScoreTable
from tests.predict.conftest import who, write_video  # noqa: F401 (a fixture)


def table(**tracks) -> ScoreTable:
    """Scores of one class by `VIDEO_TRACK`, one a second."""
    rows, scores = [], []
    for name, values in tracks.items():
        video, track = name.split("_")
        for second, score in enumerate(values):
            rows.append((video, float(second), 0.1, 0.1, 0.3, 0.9, 0.9, int(track)))
            scores.append([score])
    columns = ["video", "time_sec", "x1", "y1", "x2", "y2", "score", "track"]
    boxes = pd.DataFrame(rows, columns=columns).astype({"track": "Int32"})
    return ScoreTable(boxes, np.array(scores, np.float32), (1,), {})


def names(found) -> list[tuple[str, int, int]]:
    return [(one.video, one.track, len(one.rows)) for one in found]


def test_stretches_are_runs_of_what_has_no_label_and_not_too_long():
    found = choosing.stretches(table(a_1=[0.5] * 25), labelled=[("a", 3.0), ("b", 5.0)])
    assert names(found) == [("a", 1, 3), ("a", 1, 10), ("a", 1, 10), ("a", 1, 1)]


def test_what_the_model_is_not_sure_of_is_worth_more():
    sure, unsure, changing = choosing.stretches(
        table(a_1=[0.99] * 6, a_2=[0.5] * 6, a_3=[0.99, 0.01] * 3)
    )
    assert min(unsure.value, changing.value) > 10 * sure.value
    assert_allclose(unsure.value, 1.0, atol=1e-6)


def test_the_budget_is_spent_on_the_most_worth_first_and_never_twice():
    scores = table(a_1=[0.9] * 6, a_2=[0.5] * 6, a_3=[0.7] * 6)
    found = choosing.stretches(scores)
    features = np.array([[one] for one in np.repeat([0.0, 5.0, 9.0], 6)])
    chosen = choosing.choose(found, features, budget=8)
    assert names(chosen) == [("a", 2, 6), ("a", 3, 2)]
    assert names(choosing.choose(found, features, budget=100)) == [
        ("a", 2, 6), ("a", 3, 6), ("a", 1, 6),
    ]  # fmt: skip
    assert choosing.choose([], features, budget=3) == []


def test_what_looks_like_what_is_chosen_waits_for_others():
    scores = table(a_1=[0.5] * 4, a_2=[0.49] * 4, b_1=[0.3] * 4)
    features = np.array([[one] for one in np.repeat([0.0, 0.01, 3.0], 4)])
    chosen = choosing.choose(choosing.stretches(scores), features, budget=8)
    assert names(chosen) == [("a", 1, 4), ("b", 1, 4)]


def test_the_command_writes_a_task_of_just_the_chosen(who, tmp_path, monkeypatch, capsys):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", seconds=8)
    model = who()
    monkeypatch.setattr("aia.predict.model.load_action_detector", lambda *_, **__: model)
    Path("done.csv").write_text("a,0,0.1,0.1,0.2,0.2,1,1\na,1\n")
    given = ["--model", "any", "--videos", "a.mp4", "--labelled", "done.csv", "--output", "next"]
    assert main(["labels", "next", *given, "--budget", "5"]) == 0
    listed = pd.read_csv("next/next.csv")
    assert listed["start_sec"].min() >= 2
    found = read_cvat(Path("next/a.xml"))
    clip = Clip.open(Path("a.mp4"))
    seconds = sum(
        track.state(clip.position(track, float(second))) is not None
        for track in found.tracks
        for second in range(8)
    )
    assert seconds == 5
    (label,) = json.loads(Path("next/labels.json").read_text())
    assert [one["name"] for one in label["attributes"]] == list(model.model.run.classes.names)
    assert "seconds of persons" in capsys.readouterr().err
    assert main(["labels", "next", *given, "--budget", "0"]) == 2
