"""What a review page carries, read back as a browser reads it."""

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest

from aia.errors import InputError
from aia.labels import ClassList
from aia.predict.page import FLOOR, IndexRow, write_index, write_page
from aia.tables.attention import ATTENTION_COLUMNS
from aia.tables.scores import ScoreTable
from tests.predict.scored import SIDES, hour, spans_where, table_of

CLASSES = ClassList((3, 5, 11), ("walk", "talk", ""), ("PERSON_MOVEMENT", "", ""))
LEFT, RIGHT = (0.1, 0.2, 0.3, 0.7), (0.6, 0.2, 0.8, 0.7)
HOSTILE = '</script><img src=x onerror="document.title=1"><!--'


class Elements(HTMLParser):
    """Names of a page's elements, and the text of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.data, self.title, self._in = "", "", ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self._in = "data" if ("id", "data") in attrs else tag

    def handle_endtag(self, tag: str) -> None:
        self._in = ""

    def handle_data(self, data: str) -> None:
        if self._in == "data":
            self.data += data
        if self._in == "title":
            self.title += data


def write(output: Path, table: ScoreTable, classes: ClassList = CLASSES, **more: Any) -> Path:
    """Write a page with what a test does not care about filled in."""
    given = {"video": output.parent / "street.mp4", "about": {}, "attention": None}
    given |= {"duration_sec": 7.0, "size_hw": (240, 320), "spans": spans_where(table, classes)}
    write_page(output, table=table, classes=classes, **(given | more))
    return output


def data_of(page: Path) -> Any:
    """Read the data of a page."""
    return json.loads(Elements(page.read_text("utf-8")).data)


def unpacked(text: str, kind: str) -> np.ndarray:
    """Read an array."""
    return np.frombuffer(base64.b64decode(text), kind)


def boxes_of(
    data: Any,
) -> list[tuple[float, int, tuple[float, ...], dict[int, tuple[float, bool]]]]:
    """Read time, track, sides and {class id: (score, label)} of each box."""
    times = np.repeat(unpacked(data["key_times"], "<f8"), unpacked(data["counts"], "<u2"))
    sides = unpacked(data["xyxy"], "<u2").reshape(-1, 4) / 65535
    last = np.cumsum(unpacked(data["entries"], "<u2"), dtype=int)
    classes, scores = unpacked(data["class"], "<u2"), unpacked(data["score"], "<u1")
    found = []
    for k, track in enumerate(unpacked(data["track"], "<i4")):
        entries = {}
        for e in range(last[k - 1] if k else 0, last[k]):
            class_id = data["classes"][classes[e] & 0x7FFF]["id"]
            entries[class_id] = (scores[e] / 255, bool(classes[e] >> 15))
        found.append((float(times[k]), int(track), tuple(sides[k]), entries))
    return found


def test_a_video_without_persons_has_a_page(tmp_path: Path) -> None:
    data = data_of(write(tmp_path / "street.html", table_of([], CLASSES.ids)))
    assert boxes_of(data) == []
    assert data["video"]["id"] == "street"


def test_boxes_scores_and_labels_come_back(tmp_path: Path) -> None:
    rows = [
        (2.0, 7, RIGHT, [0.91, 0.02, 0.2]),
        (1.0, 7, RIGHT, [0.7, 0.5, 0.0]),
        (1.0, None, LEFT, [0.2, 0.6, 0.0]),
    ]
    data = data_of(write(tmp_path / "street.html", table_of(rows, CLASSES.ids)))
    assert [one["name"] for one in data["classes"]] == ["walk", "talk", "class 11"]
    assert data["per_sec"] == 1
    found = boxes_of(data)
    assert [box[:2] for box in found] == [(1.0, -1), (1.0, 7), (2.0, 7)]
    np.testing.assert_allclose([box[2] for box in found], [LEFT, RIGHT, RIGHT], atol=1e-5)
    entries = [{c: (round(s, 2), label) for c, (s, label) in box[3].items()} for box in found]
    assert entries == [
        {3: (0.2, False), 5: (0.6, True)},
        {3: (0.7, True), 5: (0.5, True)},
        {3: (0.91, True), 11: (0.2, False)},
    ]


def test_what_a_span_covers_is_a_label_whatever_its_score(tmp_path: Path) -> None:
    rows = [(float(second), 2, LEFT, [0.01, 0.9, 0.0]) for second in range(5)]
    spans = pd.DataFrame(
        {"video": "street", "track": pd.array([2, 3, None], "Int32"), "start_sec": [0.5, 0, 0]}
        | {"stop_sec": [2.5, 9, 9], "action": [3, 5, 5], "name": "", "score": 0.4}
    )
    found = boxes_of(data_of(write(tmp_path / "a.html", table_of(rows, CLASSES.ids), spans=spans)))
    assert [box[3].get(3, (0, False))[1] for box in found] == [False, True, True, False, False]
    assert not any(box[3][5][1] for box in found)


def test_the_table_may_have_fewer_classes_in_another_order(tmp_path: Path) -> None:
    table = table_of([(1.0, 1, LEFT, [0.8, 0.3])], (5, 3))
    data = data_of(write(tmp_path / "a.html", table))
    assert [(one["id"], one["name"]) for one in data["classes"]] == [(5, "talk"), (3, "walk")]
    ((_, _, _, entries),) = boxes_of(data)
    assert entries[5] == (pytest.approx(0.8, abs=0.002), True)


def test_no_box_loses_its_area(tmp_path: Path) -> None:
    rows = [(1.0, 1, (0.5, 0.5, 0.500001, 0.500001), [1, 0, 0]), (1.0, 2, (1, 1, 1, 1), [1, 0, 0])]
    for *_, (x1, y1, x2, y2), _ in boxes_of(
        data_of(write(tmp_path / "a.html", table_of(rows, CLASSES.ids)))
    ):
        assert x1 < x2 <= 1
        assert y1 < y2 <= 1


def test_a_page_is_of_one_video(tmp_path: Path) -> None:
    table = table_of([(1.0, 1, LEFT, [1, 0, 0]), (2.0, 1, LEFT, [1, 0, 0])], CLASSES.ids)
    table.boxes["video"] = ["a", "b"]
    with pytest.raises(InputError, match="boxes of 2 videos, a and others"):
        write(tmp_path / "a.html", table)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "name", ["a b.mp4", "käse.mp4", "a#b?c.mp4", "50%.mp4", "a:b.mp4", "«'\"<&.mp4"]
)
def test_the_address_of_a_video_is_percent_encoded(name: str, tmp_path: Path) -> None:
    video = tmp_path / "films here" / name
    data = data_of(write(tmp_path / "out" / "a.html", table_of([], CLASSES.ids), video=video))
    address = data["video"]["src"]
    assert re.fullmatch(r"[A-Za-z0-9%._~/-]+", address)
    assert unquote(address) == f"../films here/{name}"
    assert data["video"]["name"] == name


def test_nothing_from_a_file_becomes_an_element(tmp_path: Path) -> None:
    table = table_of([(1.0, 1, LEFT, [1, 0, 0])], CLASSES.ids, video=HOSTILE)
    plain = Elements(write(tmp_path / "a.html", table_of([], CLASSES.ids)).read_text("utf-8"))
    hostile = ClassList(CLASSES.ids, (HOSTILE, "talk", "{{title}}"), (HOSTILE, "", ""))
    page = write(
        tmp_path / "b.html",
        table,
        hostile,
        video=tmp_path / "<img onerror=x>.mp4",
        about={HOSTILE: HOSTILE},
    )
    elements = Elements(page.read_text("utf-8"))
    assert elements.names == plain.names
    assert elements.title == f"{HOSTILE}: who does what"
    data = json.loads(elements.data)
    assert data["classes"][0]["name"] == HOSTILE
    assert data["classes"][2]["name"] == "{{title}}"
    assert data["about"] == {HOSTILE: HOSTILE}


def test_only_the_template_s_script_may_run(tmp_path: Path) -> None:
    text = write(tmp_path / "a.html", table_of([], CLASSES.ids)).read_text("utf-8")
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy.startswith("default-src 'none'")
    assert re.search(r"script-src 'sha256-[A-Za-z0-9+/]{43}='$", policy)


def attention_of(rows: list[tuple[Any, ...]]) -> pd.DataFrame:
    """Make rows of attention from time, target, its box, block, second, slot, box and weight."""
    flat = [("street", t, k, *a, block, s, n, *b, w) for t, k, a, block, s, n, b, w in rows]
    return pd.DataFrame(flat, columns=list(ATTENTION_COLUMNS))


def test_attention_names_boxes_by_row_and_lists_other_places(tmp_path: Path) -> None:
    rows = [(1.0, 7, RIGHT, [1, 0, 0]), (1.0, 2, LEFT, [1, 0, 0]), (3.0, 2, LEFT, [1, 0, 0])]
    thing = (0.4, 0.5, 0.45, 0.6)
    attention = attention_of(
        [
            (1.0, 0, RIGHT, "P1", 1.0, 0, RIGHT, 0.25),
            (1.0, 0, RIGHT, "P1", 1.0, 1, LEFT, 0.75),
            (1.0, 0, RIGHT, "O1", 1.0, 0, thing, 1.0),
            (1.0, 0, RIGHT, "M1", 3.0, 4, LEFT, 0.6),
            (1.0, 0, RIGHT, "M1", 5.5, 0, thing, 0.4),
            (9.0, 0, RIGHT, "P1", 9.0, 0, RIGHT, 1.0),
        ]
    )
    page = write(tmp_path / "a.html", table_of(rows, CLASSES.ids), attention=attention)
    found = data_of(page)["attention"]
    assert found["blocks"] == ["M1", "O1", "P1"]
    assert unpacked(found["entries"], "<u2").tolist() == [0, 5, 0]  # (1 s, 2), (1 s, 7), (3 s, 2)
    assert unpacked(found["block"], "<u1").tolist() == [0, 0, 1, 2, 2]
    assert unpacked(found["place"], "<u4").tolist() == [2, 3, 4, 0, 1]
    weights = unpacked(found["weight"], "<u1") / 255
    np.testing.assert_allclose(weights, [0.6, 0.4, 1, 0.75, 0.25], atol=0.002)
    assert unpacked(found["place_time"], "<f4").tolist() == [5.5, 1.0]
    sides = unpacked(found["place_xyxy"], "<u2").reshape(-1, 4) / 65535
    np.testing.assert_allclose(sides, [thing, thing], atol=1e-5)


def test_of_many_slots_those_with_the_greatest_weights_are_kept(tmp_path: Path) -> None:
    weights = np.arange(1, 32) / 496
    rows = [(1.0, 0, LEFT, "M1", float(k), 0, RIGHT, w) for k, w in enumerate(weights)]
    table = table_of([(1.0, 1, LEFT, [1, 0, 0])], CLASSES.ids)
    found = data_of(write(tmp_path / "a.html", table, attention=attention_of(rows)))["attention"]
    assert unpacked(found["place_time"], "<f4").tolist() == [30, 29, 28, 27, 26, 25]


def test_an_hour_takes_less_than_25_kilobytes_a_minute(tmp_path: Path) -> None:
    table = hour(persons=5, classes=79)
    classes = ClassList.numbered(79)
    page = write(tmp_path / "a.html", table, classes, duration_sec=3600.0)
    empty = write(tmp_path / "b.html", table_of([], classes.ids), classes).stat().st_size
    a_minute = (page.stat().st_size - empty) / 60
    print(f"{a_minute / 1000:.1f} kB a minute")
    assert a_minute < 25_000
    found = boxes_of(data_of(page))
    assert len(found) == 18_000
    kept = sum(len(box[3]) for box in found)
    assert kept == int((table.scores >= FLOOR).sum())
    np.testing.assert_allclose([box[2] for box in found], table.boxes[SIDES].to_numpy(), atol=1e-5)


def test_the_index_has_a_line_for_each_video(tmp_path: Path) -> None:
    rows = [
        IndexRow("a", 61.5, 3, ("walk", "talk"), tmp_path / "a 1.html", tmp_path / "a.mp4"),
        IndexRow(HOSTILE, failed=HOSTILE),
    ]
    write_index(tmp_path / "index.html", rows)
    elements = Elements((tmp_path / "index.html").read_text("utf-8"))
    assert "img" not in elements.names
    assert json.loads(elements.data) == [
        {
            "video": "a",
            "duration": 61.5,
            "persons": 3,
            "actions": ["walk", "talk"],
            "failed": "",
            "links": {"page": "a%201.html", "film": "a.mp4"},
        },
        {
            "video": HOSTILE,
            "duration": None,
            "persons": None,
            "actions": [],
            "failed": HOSTILE,
            "links": {},
        },
    ]
