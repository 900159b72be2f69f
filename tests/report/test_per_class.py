from pathlib import Path

import pandas as pd
import pytest

from aia.errors import InputError
from aia.labels import ClassList
from aia.report.per_class import class_order, class_values, draw_per_class

LABELS = ClassList(
    (2, 3, 5, 7), ("sit", "listen", "open", "close"), ("POSE", "PERSON", "MEMORY", "MEMORY")
)


def metrics(values: dict[int, float]) -> pd.DataFrame:
    lines = [("mAP", None, "", 0.5), *(("AP", i, "", value) for i, value in values.items())]
    table = pd.DataFrame(lines, columns=["metric", "class_id", "class_name", "value"])
    return table.astype({"class_id": "Int64"})


def test_metrics_of_other_classes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="do metrics and labels belong"):
        draw_per_class({"a": [metrics({17: 0.5})]}, LABELS, tmp_path / "bars.png")


def test_seeds_are_averaged_and_their_range_kept() -> None:
    values = class_values([metrics({2: 0.25, 3: 0.5}), metrics({2: 0.75, 3: 0.5})])
    assert values.loc[2].tolist() == [50.0, 25.0, 75.0]
    assert values.loc[3].tolist() == [50.0, 50.0, 50.0]


def test_groups_keep_their_order_and_the_greatest_gain_stands_first_in_each() -> None:
    before = class_values([metrics({2: 0.9, 3: 0.5, 5: 0.5, 7: 0.5})])
    after = class_values([metrics({2: 0.1, 3: 0.6, 5: 0.6, 7: 0.9})])
    assert class_order([7, 5, 3, 2], LABELS, [before, after]) == [2, 3, 7, 5]


def test_a_class_without_ground_truth_has_no_bar_but_its_name(tmp_path: Path) -> None:
    methods = {"a": [metrics({2: 0.5, 3: float("nan")})], "b": [metrics({2: 0.7})]}
    draw_per_class(methods, LABELS, tmp_path / "bars.png")
    assert (tmp_path / "bars.png").stat().st_size > 1000


def test_the_same_metrics_give_the_same_file(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        draw_per_class({"a": [metrics({2: 0.5, 7: 0.25})]}, LABELS, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
