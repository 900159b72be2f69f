import numpy as np
import pytest

from aia.errors import InputError
from aia.tables import read_metrics, write_metrics


def test_metrics_keep_every_digit(tmp_path):
    path = tmp_path / "metrics.csv"
    write_metrics(path, [("mAP@0.5", None, "", 1 / 3), ("AP@0.5", 7, 'a, "b"', np.nan)])
    assert path.read_text() == (
        'metric,class_id,class_name,value\nmAP@0.5,,,0.3333333333333333\nAP@0.5,7,"a, ""b""",nan\n'
    )
    table = read_metrics(path)
    assert table["value"].iloc[0] == 1 / 3
    assert table["class_id"].isna().tolist() == [True, False]
    assert table["class_name"].tolist() == ["", 'a, "b"']
    assert np.isnan(table["value"].iloc[1])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "line 1: the header is 'a,b'"),
        ("metric,class_id,class_name,value\nm,x,,1\n", "line 2: class_id is 'x', expected a whole"),
    ],
)
def test_metrics_of_another_form_are_refused(tmp_path, text, message):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_metrics(tmp_path / "metrics.csv")
