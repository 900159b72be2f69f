"""Five protocols in one pass: the same numbers as one by one, and the golden ones."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aia.cli import main
from aia.errors import InputError
from aia.evaluate.all_protocols import evaluate_protocols
from aia.evaluate.frame_map import evaluate_ava

GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden" / "protocols"
FILES = {
    "groundtruth": GOLDEN / "ava_gt.csv",
    "detections": GOLDEN / "ava_det.csv",
    "excluded": GOLDEN / "ava_excluded.csv",
    "labels": GOLDEN / "ava_labelmap.pbtxt",
}


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return evaluate_protocols(**FILES)


def test_each_number_is_the_one_that_its_protocol_gives_alone(table) -> None:
    for protocol, value in zip(table["protocol"], table["value"], strict=True):
        assert value == evaluate_ava(**FILES, protocol=protocol).mean
    assert table["difference"].iloc[0] == 0


def test_the_numbers_are_the_peers(table) -> None:
    expected = json.loads((GOLDEN / "expected.json").read_text())["ava"]
    headlines = {
        "paper": "sorted_excluded",
        "slowfast": "unsorted_excluded",
        "acar": "cap50_excluded",
        "activitynet": "cap50_ignore_frames_absent_from_gt",
    }  # mmaction2's has a floor of scores that the file leaves out
    found = dict(zip(table["protocol"], table["value"], strict=True))
    for protocol, name in headlines.items():
        (theirs,) = (value for key, value in expected.items() if key.split(" (")[0] == name)
        assert found[protocol] == pytest.approx(theirs["mAP"], abs=1e-9)


def test_what_counts_is_counted(table) -> None:
    rows = table.set_index("protocol")
    labels = {"detections": FILES["detections"], "excluded": FILES["excluded"]}
    frames = {
        name: pd.read_csv(path, header=None)[[0, 1]].astype({1: float})
        for name, path in labels.items()
    }
    excluded = set(frames["excluded"].itertuples(index=False, name=None))
    seen = {key for key in frames["detections"].itertuples(index=False, name=None)}
    assert 0 < rows.loc["paper", "key_frames"] <= len(seen - excluded)
    assert rows.loc["mmaction", "key_frames"] <= rows.loc["activitynet", "key_frames"]
    assert rows.loc["acar", "detections"] <= rows.loc["paper", "detections"]
    assert rows["compares_with"].str.len().min() > 3


def test_the_command_writes_and_shows_the_table(tmp_path, capsys) -> None:
    options = [f"--{name}={path}" for name, path in FILES.items()]
    assert main(["evaluate", "protocols", *options, f"--output={tmp_path / 'out.csv'}"]) == 0
    written = pd.read_csv(tmp_path / "out.csv")
    assert written["value"].tolist() == evaluate_protocols(**FILES)["value"].tolist()
    assert "PySlowFast, YOWO" in capsys.readouterr().err


def test_nothing_to_score_is_said(tmp_path) -> None:
    keys = pd.read_csv(FILES["groundtruth"], header=None)[[0, 1]].drop_duplicates()
    keys.to_csv(tmp_path / "all.csv", index=False, header=False)
    everywhere = FILES | {"excluded": tmp_path / "all.csv"}
    with pytest.raises(InputError, match="every key frame is excluded"):
        evaluate_protocols(**everywhere)
    assert not np.isnan(evaluate_protocols(**FILES)["value"]).any()


@pytest.mark.parametrize("rows_at_once", [1, 97])
def test_it_does_not_matter_in_how_many_portions_key_frames_are_sorted(
    table, monkeypatch, rows_at_once
) -> None:
    monkeypatch.setattr("aia.evaluate.turns.ROWS_AT_ONCE", rows_at_once)
    pd.testing.assert_frame_equal(evaluate_protocols(**FILES), table, check_exact=True)
