import json

import pandas as pd
import pytest

from aia.cli import main
from aia.errors import InputError
from aia.report.paper import PaperNumbers
from aia.report.submissions import SUBMISSION_COLUMNS, Submission, write_submission_list

THREE = "AIA R101 multi-scale 3 ens. K700"


def test_a_list_without_submissions_has_its_columns(tmp_path):
    table = write_submission_list(tmp_path / "list.csv", [], PaperNumbers(None, None))
    assert list(table) == list(SUBMISSION_COLUMNS)
    assert (tmp_path / "list.csv").read_text().strip() == ",".join(SUBMISSION_COLUMNS)


def test_each_file_stands_with_the_papers_number_on_the_test_videos(tmp_path):
    files = [tmp_path / f"{name}.test.csv" for name in ("three", "s0", "s1")]
    for file in files:
        file.write_text("a,902,0,0,1,1,3,0.5\n")
    rows = [
        {"method": "three multiscale", "row": THREE, "files": [str(files[0])]},
        {"method": "c2d-none", "files": [str(file) for file in files[1:]]},
    ]
    out = tmp_path / "list.csv"
    options = ["--rows", json.dumps(rows), "--paper-data", "AVA v2.2 test", "--output", str(out)]
    assert main(["submissions", *options]) == 0
    table = pd.read_csv(out)
    assert table["method"].tolist() == ["three multiscale", "c2d-none", "c2d-none"]
    assert table["file"].tolist() == [str(file) for file in files]
    assert table["paper"].tolist()[0] == 34.42
    assert table["paper"].isna().tolist() == [False, True, True]
    assert table["to_do"].str.contains("paper's 34.42").tolist() == [True, False, False]


def test_a_file_that_is_missing_or_empty_is_refused(tmp_path):
    empty = tmp_path / "empty.test.csv"
    empty.touch()
    for file in (empty, tmp_path / "none.test.csv"):
        with pytest.raises(InputError, match=f"{file.name}: is not there or empty"):
            write_submission_list(
                tmp_path / "list.csv", [Submission("c2d-none", "", file)], PaperNumbers(None, None)
            )
    assert not (tmp_path / "list.csv").exists()


@pytest.mark.parametrize("text", ["{", "[3]", '[{"method": "c2d-none"}]', '[{"files": ["a"]}]'])
def test_rows_that_are_no_submissions_are_refused(text, tmp_path, capsys):
    assert main(["submissions", "--rows", text, "--output", str(tmp_path / "list.csv")]) == 2
    assert "--rows: is not a list of submissions as JSON" in capsys.readouterr().err
