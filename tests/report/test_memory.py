import numpy as np
import pandas as pd
import pytest

from aia.errors import InputError
from aia.report.memory import by_age, draw_memory, read_drift


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
