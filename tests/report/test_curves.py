import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from aia.errors import InputError
from aia.report import style
from aia.report.curves import (
    by_age,
    draw_curves,
    draw_memory,
    draw_reach,
    mean_of_classes,
    read_drift,
    read_progress,
    read_reach,
    smooth,
)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved, to look into."""
    figures: list[Figure] = []
    save = style.save

    def keep(figure: Figure, path: Path) -> None:
        figures.append(figure)
        save(figure, path)

    monkeypatch.setattr(style, "save", keep)
    return figures


def test_a_run_without_any_step_gives_a_picture_that_says_so(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    (tmp_path / "metrics.jsonl").write_text("")
    progress = {"run": read_progress(tmp_path / "metrics.jsonl")}
    draw_curves(progress, tmp_path / "curves.png")
    assert [text.get_text() for text in drawn[0].axes[0].texts] == [
        "No run has written any step yet."
    ]


def test_only_quantities_that_some_run_has_get_a_panel(tmp_path: Path, drawn: list[Figure]) -> None:
    baseline = pd.DataFrame({"step": [10, 20], "loss": [3.0, 2.0], "lr": [0.1, 0.2]})
    ours = pd.DataFrame({"step": [10, 20], "loss": [3.0, 1.0], "trust": [0.5, np.nan]})
    draw_curves({"a": baseline, "b": ours}, tmp_path / "curves.png")
    panels = {axes.get_title(loc="left").split()[0]: axes for axes in drawn[0].axes}
    assert list(panels) == ["loss", "trust", "learning"]
    assert [len(axes.lines) for axes in panels.values()] == [2, 1, 1]
    assert panels["trust"].lines[0].get_xdata().tolist() == [10]


def test_the_final_map_stands_at_each_runs_last_step_in_percent(
    tmp_path: Path, drawn: list[Figure]
) -> None:
    progress = {"a": pd.DataFrame({"step": [7, 13], "loss": [1.0, 0.5]})}
    draw_curves(progress, tmp_path / "curves.svg", final_map={"a": 0.625})
    marks = drawn[0].axes[-1].lines
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in marks] == [(13.0, 62.5)]


def test_evaluations_within_a_run_are_a_curve(tmp_path: Path, drawn: list[Figure]) -> None:
    lines = [{"step": 5, "loss": 1.0}, {"step": 5, "val_map": 0.25}, {"step": 11, "val_map": 0.5}]
    path = tmp_path / "metrics.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    draw_curves({"a": read_progress(path)}, tmp_path / "curves.png")
    assert drawn[0].axes[1].lines[0].get_ydata().tolist() == [25.0, 50.0]


def test_one_odd_batch_does_not_move_the_median() -> None:
    assert smooth(np.array([1.0, 1.0, 9.0, 1.0, 1.0]), window=3).tolist() == [1.0] * 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"step": 1', "one JSON object a line"),
        ('{"loss": 1}', "has no 'step'"),
        ("3", "no 'step'"),
    ],
)
def test_what_is_no_progress_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "metrics.jsonl").write_text(text)
    with pytest.raises(InputError, match=message):
        read_progress(tmp_path / "metrics.jsonl")


def test_the_mean_is_the_line_of_no_class() -> None:
    metrics = pd.DataFrame({"class_id": pd.array([1, pd.NA], dtype="Int64"), "value": [0.25, 0.75]})
    assert mean_of_classes(metrics) == 0.75
    with pytest.raises(InputError, match="no line of the mean"):
        mean_of_classes(metrics.head(1))


def drift(steps, distances) -> pd.DataFrame:
    return pd.DataFrame({"step": steps, "cosine_distance": distances})


def test_drift_is_averaged_by_age() -> None:
    table = by_age(drift([10] * 3 + [4] * 3, [0.1, 0.2, 0.3, 0.5, 0.6, 0.7]))
    assert table["age"].tolist() == [0, 6]
    assert table["median"].tolist() == pytest.approx([0.2, 0.6])
    bank = by_age(drift([0] * 5, np.arange(5) / 10))
    assert bank[["low", "median", "high"]].iloc[0].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_three_panels_with_and_without_amu(tmp_path) -> None:
    lines = {"step": [1, 2], "loss": [1.0, 0.5], "trust": [np.nan, 0.5], "age": [np.nan, 1.0]}
    progress = {"IA (w/ AMU)": pd.DataFrame(lines), "IA (w/o AMU)": pd.DataFrame({"step": [1]})}
    drifts = {"IA (w/ AMU)": drift([1, 2], [0.2, 0.1]), "IA (w/o AMU)": drift([0, 0], [0.5, 0.6])}
    draw_memory(progress, drifts, tmp_path / "a.png")
    bank = "IA (w/o AMU)"
    draw_memory({bank: progress[bank]}, {bank: drifts[bank]}, tmp_path / "b.png")
    assert min((tmp_path / f"{name}.png").stat().st_size for name in "ab") > 1000
    with pytest.raises(InputError, match="no drift is given"):
        draw_memory({}, {}, tmp_path / "c.png")


def test_a_file_without_drift_is_refused(tmp_path) -> None:
    (tmp_path / "a.csv").write_text("step\n3\n")
    with pytest.raises(InputError, match="has no column 'cosine_distance'"):
        read_drift(tmp_path / "a.csv")


def test_a_line_for_each_way_of_training(tmp_path) -> None:
    costs = pd.DataFrame(
        [("AMU", 0, 1.0, 0.1, "CPU"), ("AMU", 30, 1.1, 0.1, "CPU"), ("joint", 1, 3.0, 0.3, "CPU")],
        columns=["training", "reach", "seconds", "memory_gb", "device"],
    )
    costs.to_csv(tmp_path / "costs.csv", index=False)
    draw_reach(read_reach(tmp_path / "costs.csv"), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_what_was_not_measured_is_not_drawn(tmp_path) -> None:
    (tmp_path / "costs.csv").write_text("training,reach\nAMU,3\n")
    with pytest.raises(InputError, match="has no column 'device'"):
        read_reach(tmp_path / "costs.csv")
    with pytest.raises(InputError, match="is not a CSV of costs by reach"):
        read_reach(tmp_path / "none.csv")
    empty = pd.DataFrame(columns=["training", "reach", "seconds", "memory_gb", "device"])
    with pytest.raises(InputError, match="no training step was measured"):
        draw_reach(empty, tmp_path / "a.png")
