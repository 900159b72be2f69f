import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aia.errors import InputError
from aia.labels import ClassList, write_labels
from aia.report.paper import PaperNumbers
from aia.report.result_table import Row, class_table, result_table, table_from_json
from aia.tables import write_metrics

REPOSITORY = Path(__file__).resolve().parents[2]
LABELS = ClassList((2, 3, 5), ("sit", "talk <loud>", "wait"), ("ALONE", "PERSON", "ALONE"))


@pytest.fixture
def metrics(tmp_path):
    def metrics(name, values, ids=LABELS.ids):
        path = tmp_path / f"{name}.csv"
        rows = [("mAP@0.5", None, "", float(np.nanmean(values)))]
        rows += [("AP@0.5", i, "any", value) for i, value in zip(ids, values, strict=True)]
        write_metrics(path, rows)
        return path

    return metrics


def row(*files, method="i3d-serial-POM-amu", boxes="", **more):
    return Row(method, "i3d", "64x1", "K400", files, boxes, **more)


def test_a_table_without_rows_has_its_columns():
    assert list(result_table([], LABELS)) == [
        "method", "row", "backbone", "input", "pretraining",
        "metric", "ours", "paper", "difference", "seeds", "spread", "gain", "paper_gain",
        "protocol", "source",
    ]  # fmt: skip


def test_a_row_without_files_is_refused():
    with pytest.raises(InputError, match="no metrics file is named"):
        result_table([row()], LABELS)


def test_one_seed_has_no_spread(metrics):
    table = result_table([row(metrics("a", [0.5, 0.25, 0.75]))], LABELS)
    assert table["metric"].tolist() == ["mAP@0.5", "mAP@0.5 ALONE", "mAP@0.5 PERSON"]
    assert table["ours"].tolist() == [50.0, 62.5, 25.0]
    assert table["seeds"].tolist() == [1, 1, 1]
    assert table["spread"].isna().all()
    assert table[["paper", "difference"]].isna().all(axis=None)


def test_seeds_become_their_mean_and_sample_deviation(metrics):
    files = [metrics(name, [value] * 3) for name, value in (("a", 0.25), ("b", 0.5), ("c", 0.75))]
    paper = PaperNumbers("1d", "AVA v2.2 val")
    table = result_table([row(*files, row="Dense Serial")], LABELS, paper)
    first = table.iloc[0]
    assert (first["ours"], first["seeds"], first["spread"]) == (50.0, 3, 25.0)
    assert (first["paper"], first["difference"]) == (29.8, 50.0 - 29.8)
    assert table["paper"].iloc[1:].isna().all()


def test_a_class_without_ground_truth_is_left_out_of_its_group(metrics):
    rows = [row(metrics("a", [0.5, np.nan, np.nan]))]
    table = result_table(rows, LABELS)
    assert table["ours"].fillna(-1).tolist() == [50.0, 50.0, -1.0]
    assert class_table(rows, LABELS)["i3d-serial-POM-amu"].fillna(-1).tolist() == [50.0, -1, -1]


def test_classes_without_groups_have_no_group_rows(metrics):
    plain = ClassList(LABELS.ids, LABELS.names, ("", "", ""))
    assert len(result_table([row(metrics("a", [0.5, 0.25, 0.75]))], plain)) == 1


def test_the_papers_number_is_not_compared_on_annotated_boxes(metrics):
    file = metrics("a", [0.5, 0.25, 0.75])
    rows = [row(file, boxes=f"{kind} boxes", row="P O") for kind in ("annotated", "detected")]
    table = result_table(rows, LABELS, PaperNumbers("1a", None))
    assert table["metric"].iloc[0] == "mAP@0.5 (annotated boxes)"
    assert table["paper"].notna().tolist() == [False] * 3 + [True, False, False]


def test_metrics_that_do_not_fit_are_refused(metrics, tmp_path):
    with pytest.raises(InputError, match="class 7 is not in the list of classes"):
        result_table([row(metrics("a", [0.5], ids=(7,)))], LABELS)
    write_metrics(tmp_path / "b.csv", [("AP@0.5", 2, "sit", 0.5)])
    with pytest.raises(InputError, match="has no metric of all classes"):
        result_table([row(tmp_path / "b.csv")], LABELS)
    write_metrics(tmp_path / "c.csv", [("mAP@0.75", None, "", 0.5)])
    with pytest.raises(InputError, match="has the metrics mAP@0.75, but"):
        result_table([row(metrics("a", [0.5, 0.25, 0.75]), tmp_path / "c.csv")], LABELS)
    with pytest.raises(InputError, match="there is no such file; metrics expected"):
        result_table([row(tmp_path / "none.csv")], LABELS)


class Page(HTMLParser):
    """Collects what a page shows and what it refers to."""

    def __init__(self, text):
        super().__init__()
        self.cells, self.references, self.open, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.references += [value for name, value in attributes if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


def test_the_three_files_are_written(metrics, tmp_path):
    write_labels(tmp_path / "labels.pbtxt", LABELS)
    write_metrics(tmp_path / "persons.csv", [("person AP@0.5", None, "person", 0.875)])
    files = [str(metrics("a", [0.25, 0.5, np.nan])), str(metrics("b", [0.75, 0.5, np.nan]))]
    rows = [{"method": "tiny-<none>", "metrics": {"val-gt": files, "val": files}, "row": "none"}]
    table_from_json(
        json.dumps(rows),
        labels=tmp_path / "labels.pbtxt",
        output=tmp_path / "results" / "world_val.csv",
        persons=tmp_path / "persons.csv",
        skipped={"attic": "no video <at all>"},
        paper=PaperNumbers("1a", "AVA v2.2 val"),
    )
    table = pd.read_csv(tmp_path / "results" / "world_val.csv")
    assert table["method"].iloc[7:].tolist() == ["P O", "P M", "O M", "P O M"]  # no run of ours
    assert table["ours"].iloc[7:].isna().all()
    table = table.iloc[:7]
    assert table["backbone"].tolist() == ["tiny"] * 6 + [np.nan]
    assert table["metric"].iloc[[0, 3, 6]].tolist() == [
        "mAP@0.5 (annotated boxes)", "mAP@0.5 (detected boxes)", "person AP@0.5",
    ]  # fmt: skip
    assert table["ours"].iloc[[0, 3, 6]].tolist() == [50.0, 50.0, 87.5]
    assert table["difference"].iloc[3] == pytest.approx(50 - 26.54)
    classes = pd.read_csv(tmp_path / "results" / "world_val.classes.csv")
    assert classes["class"].tolist() == list(LABELS.names)
    assert classes["tiny-<none> (detected boxes)"].fillna(-1).tolist() == [50.0, 50.0, -1.0]
    page = Page((tmp_path / "results" / "world_val.html").read_text())
    assert page.references == []
    assert any("attic was skipped" in text and "no video <at all>" in text for text in page.text)
    assert page.open == []
    ours = "50.00 ± 17.68 (paper 26.54, +23.46)"
    assert {"tiny-<none>", "talk <loud>", "50.00 ± 17.68", ours, "87.50", "–"} <= set(page.cells)


@pytest.mark.parametrize(
    "rows", ["", "{}x", "[3]", '[{"metrics": {"val": []}}]', '[{"method": "a"}]']
)
def test_rows_that_are_none_are_refused(rows, tmp_path):
    with pytest.raises(InputError, match="--rows: is not a list of rows as JSON"):
        table_from_json(rows, labels=tmp_path / "none", output=tmp_path / "out.csv")


def test_a_table_is_a_csv_file(tmp_path):
    write_labels(tmp_path / "labels.pbtxt", LABELS)
    with pytest.raises(InputError, match=r"out.txt: a table is written as \{name\}.csv"):
        table_from_json("[]", labels=tmp_path / "labels.pbtxt", output=tmp_path / "out.txt")


def test_on_other_data_gains_are_compared_and_no_difference_is_given(metrics, tmp_path):
    write_labels(tmp_path / "labels.pbtxt", LABELS)
    methods = {"none": [0.25] * 3, "P O M": [0.5] * 3}
    rows = [
        {"method": f"tiny-{i}", "row": name, "metrics": {"val": [str(metrics(str(i), values))]}}
        for i, (name, values) in enumerate(methods.items())
    ]
    table_from_json(
        json.dumps(rows),
        labels=tmp_path / "labels.pbtxt",
        output=tmp_path / "table1a.csv",
        paper=PaperNumbers("1a", None),
    )
    table = pd.read_csv(tmp_path / "table1a.csv")
    overall = table[table["metric"] == "mAP@0.5"]
    assert overall["row"].tolist() == list(methods)
    assert overall["paper"].tolist() == [26.54, 29.26]
    assert overall["difference"].isna().all()
    assert overall["gain"].fillna(-1).tolist() == [-1, 25.0]
    assert overall["paper_gain"].iloc[1] == pytest.approx(29.26 - 26.54)
    page = (tmp_path / "table1a.html").read_text()
    assert "are of AVA v2.2 val, not of this data" in page


def test_costs_are_multiples_of_the_first_rows(metrics, tmp_path):
    rows = []
    for name, (parameters, flops) in {"Baseline": (2.0, 5.0), "IA (w/ AMU)": (2.7, 6.0)}.items():
        path = tmp_path / f"{len(rows)}.cost.csv"
        write_metrics(path, [("params", None, "", parameters), ("FLOPs", None, "", flops)])
        file = metrics(f"m{len(rows)}", [0.5, 0.5, 0.5])
        rows.append(row(file, method=name, row=name, cost_file=path))
    table = result_table(rows, LABELS, PaperNumbers("1e", "AVA v2.2 val"))
    costs = table[table["metric"].str.contains("times")]
    assert costs["ours"].tolist() == [1.0, 1.0, 1.35, 1.2]
    assert costs["paper"].tolist() == [1.0, 1.0, 1.35, 1.15]
    write_metrics(rows[0].cost_file, [("params", None, "", 3.0)])
    with pytest.raises(InputError, match=r"0.cost.csv: has no FLOPs"):
        result_table(rows, LABELS)


def test_what_others_published_on_the_same_data_stands_below(metrics, tmp_path):
    write_labels(tmp_path / "labels.pbtxt", LABELS)
    path = tmp_path / "metrics.csv"
    write_metrics(path, [("frame_mAP@0.5", None, "", 0.5), ("video_mAP@0.2", None, "", 0.25)])
    for data, count in (("UCF101-24 split 1", 7 + 19), (None, 0)):
        table_from_json(
            json.dumps([{"method": "c2d", "metrics": {"val": [str(path)]}, "row": "AIA-Serial"}]),
            labels=tmp_path / "labels.pbtxt",
            output=tmp_path / "ucf.csv",
            paper=PaperNumbers(None, data),
        )
        table = pd.read_csv(tmp_path / "ucf.csv")
        ours, others = table[table["source"].isna()], table[table["source"].notna()]
        assert ours["ours"].tolist() == [50.0, 25.0]
        assert len(others) == count + (1 if data else 0)  # the paper has nine, one is ours
        assert others["ours"].isna().all()
        assert set(others["seeds"]) <= {0}
        assert "AIA-Serial" not in set(others["method"])
        page = (tmp_path / "ucf.html").read_text()
        assert ("MOC RGB+flow" in page) == ("<caption>Published" in page) == bool(data)
        if data:
            theirs = others.set_index(["method", "metric"])["paper"]
            assert theirs["T-CNN", "frame mAP@0.5"] == 41.4
            assert theirs["MOC RGB+flow", "video mAP@0.5:0.95"] == 28.33
            assert page.index("STAR/L") < page.index("YOWOv2") < page.index("T-CNN")


def test_every_published_number_says_how_and_where():
    known = pd.read_csv(REPOSITORY / "aia" / "report" / "published.csv")
    assert known[["protocol", "source"]].notna().all(axis=None)
    assert not known.duplicated(["dataset", "method", "metric"]).any()
    assert known["value"].between(1, 100).all()  # percent
    for data in known["dataset"].unique():
        assert PaperNumbers(None, data).comparable
    # numbers from memory are not published
    assert not known["method"].str.contains("YOWOv3|STMixer|HIT|ACAR|TubeR").any()


def test_numbers_of_other_data_are_not_published():
    assert PaperNumbers("1a", None).without_run([]) == []
    assert PaperNumbers(None, None).without_run([]) == []
    assert {one.source for one in PaperNumbers(None, "AVA v2.2 val").without_run([])} == {
        "the paper, Table 2b"
    }


def test_the_papers_tables_are_known_by_their_names():
    assert PaperNumbers(None, "AVA v2.2 val").value("AIA R50 32x2 K700", "mAP") == 29.8
    assert PaperNumbers(None, "AVA v2.1 val").value("AIA R50 32x2 K700", "mAP") == 28.9
    assert np.isnan(PaperNumbers(None, None).value("none", "mAP"))
    for table, data in (("7", None), (None, "AVA v9")):
        with pytest.raises(InputError, match="of the paper's tables; expected one of"):
            PaperNumbers(table, data)
