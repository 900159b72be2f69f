"""The report of a data set, as a page that stands alone."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aia.cli import main
from aia.doctor.finding import COLUMNS as FINDING_COLUMNS
from aia.errors import InputError
from aia.labels import ClassList
from aia.report.report_page import Scored, read_classes, read_table, write_report
from aia.report.result_table import TABLE_COLUMNS

from .conftest import LABELS, Scene

DETECTED = "mAP@0.5 (detected boxes)"


class Page(HTMLParser):
    """Texts, images and links of a page, and whether its elements close in order."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.images: list[str] = []
        self.links: list[str] = []
        self.boxes: list[str] = []
        self.words: list[str] = []
        self.feed(self.source)
        assert self.open == []
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attributes}
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(known["src"])
        if tag == "a":
            self.links.append(known["href"])
        if known.get("class", "").startswith("box "):
            self.boxes.append(known["class"].split()[1])
        assert tag != "script"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.words.append(data)


def table(*rows: tuple) -> pd.DataFrame:
    """Build a table of rows of (method, metric, ours, paper, gain)."""
    lines = []
    for method, metric, ours, paper, gain in rows:
        texts = dict.fromkeys(("row", "input", "pretraining", "protocol", "source"), "")
        backbone = "" if method == "person detector" else "tiny"
        numbers = {"ours": ours, "paper": paper, "difference": ours - paper, "seeds": 3}
        lines.append(
            {"method": method, "metric": metric, "backbone": backbone, "spread": 0.25, "gain": gain,
             "paper_gain": np.nan, **texts, **numbers}
        )  # fmt: skip
    return pd.DataFrame(lines, columns=list(TABLE_COLUMNS))


RESULTS = table(
    ("none", DETECTED, 40.0, 38.5, np.nan),
    ("none", "mAP@0.5 (annotated boxes)", 44.0, np.nan, np.nan),
    ("full", DETECTED, 52.25, np.nan, 12.25),
    ("person detector", "person AP@0.5", 97.0, np.nan, np.nan),
)
CLASSES = pd.DataFrame(
    {
        "class": ["sit", "listen", "open"],
        "group": ["PERSON_MOVEMENT", "PERSON", "MEMORY"],
        "none (detected boxes)": [90.0, 20.0, np.nan],
        "full (detected boxes)": [80.0, 30.0, 10.0],
        "full (annotated boxes)": [7.0, 7.0, 7.0],
    }
)


def scored(scene: Scene, **changes: object) -> Scored:
    given = {
        "run": "full-s0",
        "scores": scene.scores,
        "actions": scene.actions,
        "train": scene.actions.iloc[:5],
        "labels": LABELS,
        "excluded": set(),
        "videos": scene.videos,
    }
    return Scored(**(given | changes))  # type: ignore[arg-type]


def page(folder: Path, **given: object) -> Page:
    write_report(
        folder / "report.html",
        **({"dataset": "small", "table": RESULTS, "classes": CLASSES} | given),  # type: ignore[arg-type]
    )
    return Page(folder / "report.html")


def test_without_key_frames_there_are_the_numbers_alone(tmp_path: Path) -> None:
    made = page(tmp_path)
    assert made.images == made.boxes == []
    assert "52.25" in made.text
    assert "Mistakes" not in made.text
    assert "doctor" not in made.text


def test_it_opens_on_the_number_of_each_method_with_the_papers_where_there_is_one(
    scene: Scene, tmp_path: Path
) -> None:
    text = page(tmp_path, scored=scored(scene)).text
    opening = text[: text.index("Key frames that show")]
    assert f"{DETECTED} 40.00 none paper 38.50 (+1.50) 3 seeds, ± 0.25" in opening
    assert f"{DETECTED} 52.25 full +12.25 over the first" in opening
    assert "person AP@0.5 97.00 person detector" in opening
    assert "44.00" not in opening


def test_it_needs_no_other_file_and_no_network(scene: Scene, tmp_path: Path) -> None:
    figure = tmp_path / "curves.png"
    figure.write_bytes(b"\x89PNG")
    made = page(tmp_path, scored=scored(scene), figures={"Training": figure})
    assert made.images
    assert {re.split("[;,]", image)[0] for image in made.images} == {
        "data:image/jpeg", "data:image/png"
    }  # fmt: skip
    assert "http:" not in made.source
    assert "https:" not in made.source
    assert "url(" not in made.source


def test_mistakes_stand_beside_what_is_right_with_their_scores(
    scene: Scene, tmp_path: Path
) -> None:
    """All on the right have 0.6 for open, which one of them does; only equal scores are wrong."""
    text = page(tmp_path, scored=scored(scene)).text
    wrong = text[text.index("Wrong actions") : text.index("Annotated actions")]
    assert "open 0.60" in wrong  # the highest of a person who does not open
    assert "✗ open 0.60" in wrong
    assert "best: red, 4 s" in wrong  # the only one who does
    assert "✓ open 0.60" in wrong
    assert "sit" not in wrong.split("open 0.60")[0]
    assert "Each annotated person has a box" in text


def test_a_wrong_action_below_the_threshold_is_named_as_well(scene: Scene, tmp_path: Path) -> None:
    values = scene.scores.scores * np.float32(0.5)
    low = scene.scores._replace(scores=values)
    text = page(tmp_path, scored=scored(scene, scores=low)).text
    assert "✗ open 0.30" in text


def test_key_frames_where_nobody_was_found_are_counted_and_shown(
    scene: Scene, tmp_path: Path
) -> None:
    kept = (scene.scores.boxes["time_sec"] > 2).to_numpy()
    few = scene.scores._replace(
        boxes=scene.scores.boxes[kept].reset_index(drop=True), scores=scene.scores.scores[kept]
    )
    made = page(tmp_path, scored=scored(scene, scores=few))
    assert "12 annotated key frames with 24 persons, of whom the detector found 16" in made.text
    assert "On 4 of the key frames nobody was found" in made.text
    lost = made.text[made.text.index("Persons not found") :]
    assert "not found" in lost
    assert "all found: red, 3 s" in lost
    assert made.boxes.count("unfound") >= 8


def test_scores_of_no_box_at_all_are_shown_as_such(scene: Scene, tmp_path: Path) -> None:
    none = scene.scores._replace(boxes=scene.scores.boxes.iloc[:0], scores=scene.scores.scores[:0])
    made = page(tmp_path, scored=scored(scene, scores=none))
    assert "On 12 of the key frames nobody was found" in made.text
    assert set(made.boxes) == {"unfound"}


def test_classes_have_their_examples_and_the_last_methods_lowest_stands_first(
    scene: Scene, tmp_path: Path
) -> None:
    text = page(tmp_path, scored=scored(scene)).text
    text = text[text.index("AP of each class") : text.index("All numbers")]
    # sit: 2 videos x 6 seconds x 2 persons; listen: one of them; open: once
    assert "open memory 1 0 – 10.00 listen person 12 2 20.00 30.00 sit person movement 24 3" in text
    assert "7.00" not in text


def test_segments_open_on_their_actions_and_have_no_classes(tmp_path: Path) -> None:
    kinds = {"verb": 50.0, "noun": 40.0, "action": 30.0}
    rows = [("none", f"{kind} top-1", value, np.nan, np.nan) for kind, value in kinds.items()]
    classes = pd.DataFrame({"class": ["take"], "group": [""], "none": [np.nan]})
    text = page(tmp_path, table=table(*rows), classes=classes).text
    assert "small action top-1 30.00 none" in text
    assert "AP of each class" not in text


def test_what_the_doctor_found_stands_there_or_that_it_found_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    one = {"finding": "ids <shifted>", "rows": 3, "share": 0.5, "map_before": 0.1, "map_after": 0.4,
           "example": "row 1", "cause": "another list", "fix": "add one"}  # fmt: skip
    found = pd.DataFrame([one], columns=list(FINDING_COLUMNS))
    text = page(tmp_path, scored=scored(scene), findings=found).text
    assert "ids <shifted> Cause: another list. Fix: add one. mAP 10.00 → 40.00" in text
    text = page(tmp_path, scored=scored(scene), findings=found.iloc[:0]).text
    assert "Nothing is wrong" in text


def test_names_are_escaped(scene: Scene, tmp_path: Path) -> None:
    evil = '"><script>alert(1)</script>&'
    labels = ClassList(LABELS.ids, (evil, "listen", "open"), LABELS.groups)
    made = page(
        tmp_path,
        dataset=evil,
        table=table((evil, evil, 1.0, np.nan, np.nan)),
        classes=CLASSES.rename(columns={"full (detected boxes)": f"{evil} (detected boxes)"}),
        scored=scored(scene, labels=labels, run=evil),
        files=[Path(f"results/{evil}.csv")],
    )
    assert evil in made.text
    assert "<script" not in made.source


def test_review_pages_are_linked_relative_to_the_report(tmp_path: Path) -> None:
    pages = [tmp_path / "predictions" / name for name in ("index.html", "a b#ü.html")]
    assert page(tmp_path, pages=pages).links == [
        "predictions/index.html", "predictions/a%20b%23%C3%BC.html"
    ]  # fmt: skip
    assert page(tmp_path).links == []


def test_frames_of_another_data_set_are_refused(scene: Scene, tmp_path: Path) -> None:
    other = scene.actions.assign(video="other")
    with pytest.raises(InputError, match="same data set"):
        page(tmp_path, scored=scored(scene, actions=other))
    assert not (tmp_path / "report.html").exists()


def test_tables_are_read_as_they_were_written_and_others_refused(tmp_path: Path) -> None:
    path = tmp_path / "small_val.csv"
    RESULTS.to_csv(path, index=False)
    pd.testing.assert_frame_equal(read_table(path), RESULTS)
    with pytest.raises(InputError, match=r"small_val\.csv: has no column class"):
        read_classes(path)
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        read_table(tmp_path / "none.csv")


def test_the_command_writes_it_by_hand_and_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    RESULTS.to_csv(tmp_path / "t.csv", index=False)
    CLASSES.to_csv(tmp_path / "c.csv", index=False)
    given = ["report", "--table", str(tmp_path / "t.csv"), "--classes", str(tmp_path / "c.csv")]
    assert main([*given, "--output", str(tmp_path / "own.html"), "--title", "street"]) == 0
    assert "street" in Page(tmp_path / "own.html").text
    (tmp_path / "predictions").mkdir()
    for name in ("a", "index", "z"):
        (tmp_path / "predictions" / f"{name}.html").touch()
    own = ["--output", str(tmp_path / "own.html"), "--predictions", str(tmp_path / "predictions")]
    assert main([*given, *own]) == 0
    links = ["predictions/index.html", "predictions/a.html", "predictions/z.html"]
    assert Page(tmp_path / "own.html").links == links
    assert main(given) == 2
    assert "--output: is needed" in capsys.readouterr().err
    assert main([*given, "--output", "o.html", "--scores", str(tmp_path / "s.parquet")]) == 2
    assert "--groundtruth: is needed" in capsys.readouterr().err
