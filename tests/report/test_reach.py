import pandas as pd
import pytest

from aia.errors import InputError
from aia.report.reach import draw_reach, read_reach


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
