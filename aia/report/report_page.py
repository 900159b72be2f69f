"""Report of a data set: one HTML file that needs no other file and no network.

It opens on the number, some key frames and what `aia doctor` found; then mistakes beside what is
right, the AP of each class with its examples, curves and attention, and all numbers. The page is
`report.html`, a Jinja template that escapes what is filled in; here its contents are gathered.
"""

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import jinja2
import numpy as np
import pandas as pd
import simplejpeg
from jaxtyping import UInt8

from aia import __version__
from aia.errors import InputError
from aia.files import write_text
from aia.labels import ClassList
from aia.report.choice import Second, by_second, choose_seconds
from aia.report.drawing import Videos
from aia.report.mistakes import Comparison, Example, Judged, compare
from aia.report.result_page import as_tables
from aia.report.result_table import TABLE_COLUMNS
from aia.tables import ScoreTable
from aia.video.transforms import resize

OPENING = 3
"""Key frames that the page opens with."""
MOST = 6
"""Examples of each kind of mistake."""
MOST_PERSONS = 8
"""Persons of one picture that are written about."""
_WIDEST, _QUALITY = 480, 85  # of a picture: pixels, JPEG
_TEXTS = ("method", "row", "backbone", "input", "pretraining", "metric", "protocol", "source")


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Scores of one run beside the annotations, for the pictures."""

    run: str
    scores: ScoreTable
    actions: pd.DataFrame
    """Annotated actions of the scored videos."""
    train: pd.DataFrame
    """Annotated actions that the run was trained on."""
    labels: ClassList
    """Classes that are evaluated."""
    excluded: set[tuple[str, int]]
    """Key frames that are not scored."""
    videos: Videos
    threshold: float = 0.5
    """Score from which a class counts as predicted."""


class _Card(NamedTuple):
    """Number of one method, or of the detector."""

    method: str
    metric: str
    value: str
    notes: list[str]


def write_report(
    output: Path | str,
    *,
    dataset: str,
    table: pd.DataFrame,
    classes: pd.DataFrame,
    scored: Scored | None = None,
    findings: pd.DataFrame | None = None,
    figures: Mapping[str, Path] | None = None,
    pages: Sequence[Path] = (),
    files: Sequence[Path] = (),
) -> None:
    """Write the report of a data set, whole or not at all.

    Args:
        output: HTML file. Links to other files are relative to its folder.
        dataset: Name of the data set.
        table: Results, with the columns TABLE_COLUMNS.
        classes: AP of each class: columns class, group and one for each row of the results.
        scored: What pictures of key frames are made from; None: there are no key frames.
        findings: What `aia doctor` found in these scores (aia.doctor.read_findings); None: it did
            not look.
        figures: Drawn figures (PNG) by their captions.
        pages: Review pages of videos.
        files: Files that the report was made from.

    Raises:
        InputError: The scores have no key frame in common with annotations and frames.
    """
    output, figures = Path(output), figures or {}
    compared = mistakes = None
    opening: list[dict[str, Any]] = []
    if scored is not None:
        compared = compare(scored.actions, scored.scores, scored.labels, excluded=scored.excluded)
        opening = _opening(scored, compared)
        mistakes = _mistakes(scored, compared)
    text = resources.files("aia.report").joinpath("report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(text).render(
        dataset=dataset,
        cards=_cards(table),
        run=scored.run if scored else "",
        threshold=scored.threshold if scored else None,
        most=MOST,
        opening=opening,
        counts=compared.counts() if compared else None,
        findings=None if findings is None else findings.to_dict("records"),
        mistakes=mistakes,
        classes=_class_rows(classes, scored, compared),
        figures=[(words, _data("png", path.read_bytes())) for words, path in figures.items()],
        pages=[_link(path, output) for path in pages],
        tables=as_tables(table),
        files=[str(path) for path in files],
        version=__version__,
    )  # fmt: skip
    write_text(output, page)


def read_table(path: Path) -> pd.DataFrame:
    """Read results/{dataset}_val.csv; what is not known is NaN in numbers, "" in texts."""
    return _read(path, TABLE_COLUMNS, _TEXTS)


def read_classes(path: Path) -> pd.DataFrame:
    """Read results/{dataset}_val.classes.csv."""
    return _read(path, ("class", "group"), ("class", "group"))


def _read(path: Path, columns: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    try:
        found = pd.read_csv(path, dtype=dict.fromkeys(texts, str), encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: cannot be read as CSV ({problem})") from None
    missing = [name for name in columns if name not in found]
    if missing:
        raise InputError(
            f"{path}: has no column {missing[0]}; expected {','.join(columns)}, as aia writes it"
        )
    return found.fillna(dict.fromkeys(texts, ""))


# --- numbers -------------------------------------------------------------------------------------


def _cards(table: pd.DataFrame) -> list[_Card]:
    """Take the first metric of each method (of segments that of actions), the detector's last."""
    ours = table[table["source"] == ""]
    actions = ours[ours["metric"] == "action top-1"]
    ours = (actions if len(actions) else ours).drop_duplicates("method")
    detector = ours["backbone"] == ""
    cards = []
    for row in pd.concat([ours[~detector], ours[detector]]).to_dict("records"):
        notes = []
        if np.isfinite(row["paper"]):
            apart = row["difference"]
            by = f" ({apart:+.2f})" if np.isfinite(apart) else ", on its own data"
            notes.append(f"paper {row['paper']:.2f}{by}")
        if np.isfinite(row["gain"]):
            notes.append(f"{row['gain']:+.2f} over the first")
        if row["seeds"] > 1:
            notes.append(f"{row['seeds']} seeds, ± {row['spread']:.2f}")
        cards.append(_Card(row["method"], row["metric"], f"{row['ours']:.2f}", notes))
    return cards


def _class_rows(
    classes: pd.DataFrame, scored: Scored | None, compared: Comparison | None
) -> dict[str, Any]:
    """Lay out AP and examples of each class, the lowest AP of the last method first."""
    methods = [str(name) for name in classes if name not in ("class", "group")]
    if classes[methods].isna().all(axis=None):  # segments have none
        methods = []
    detected = [name for name in methods if name.endswith("(detected boxes)")]
    methods = detected or methods
    held: dict[str, int] = {}
    trained: dict[str, int] = {}
    if scored is not None and compared is not None:
        held = dict(zip(compared.names, compared.does.sum(axis=0).tolist(), strict=True))
        times = scored.train["action"].value_counts()
        labels = scored.labels
        trained = {n: int(times.get(i, 0)) for i, n in zip(labels.ids, labels.names, strict=True)}
    rows = []
    ordered = classes.sort_values(methods[-1:], kind="stable") if methods else classes.iloc[:0]
    for one in ordered.to_dict("records"):
        values = [float(one[name]) for name in methods]
        examples = [held.get(one["class"]), trained.get(one["class"])] if held else []
        if not held or examples != [None, None]:  # else a class that is not evaluated
            rows.append({
                "name": one["class"], "group": one["group"].replace("_", " ").lower(),
                "examples": examples, "values": values,
            })  # fmt: skip
    heads = [name.removesuffix(" (detected boxes)") for name in methods]
    return {"methods": heads, "rows": rows, "counted": bool(held), "detected": bool(detected)}


# --- key frames ----------------------------------------------------------------------------------


def _opening(scored: Scored, compared: Comparison) -> list[dict[str, Any]]:
    """Show key frames that the annotations alone choose."""
    true = by_second(scored.actions[scored.actions["action"] >= 0])
    candidates = {
        second: rows
        for second, rows in true.items()
        if second in compared.seconds and second.video in scored.videos
    }
    if not candidates:
        raise InputError(
            "no annotated key frame has frames; are annotations, scores and frames of the same "
            "data set?"
        )
    return [_frame(scored, compared, one) for one in choose_seconds(candidates, most=OPENING)]


def _mistakes(scored: Scored, compared: Comparison) -> dict[str, list[dict[str, Any]]]:
    """Show the worst mistakes of each kind, each beside what is right."""
    among = {second.video for second in compared.seconds if second.video in scored.videos}

    def pair(example: Example) -> dict[str, Any]:
        right = compared.right(example.action, unlike=example.second, among=among)
        return {
            "action": example.action,
            "score": example.score,
            "bad": _frame(scored, compared, example.second, focus=example),
            "good": right and _frame(scored, compared, right.second, focus=right),
        }

    unfound = [
        {
            "bad": _frame(scored, compared, second),
            "good": nearest and _frame(scored, compared, nearest),
        }
        for second in compared.unfound(most=MOST, among=among)
        for nearest in [compared.nearest_complete(second)]
    ]
    return {
        "wrong": [pair(one) for one in compared.wrong(most=MOST, among=among)],
        "missed": [pair(one) for one in compared.missed(most=MOST, among=among)],
        "unfound": unfound,
    }


def _frame(
    scored: Scored, compared: Comparison, second: Second, *, focus: Example | None = None
) -> dict[str, Any]:
    """Describe a key frame: picture, boxes and the words below; of one box, if it is in focus."""
    rgb = scored.videos.frame(second.video, second.t)
    judged = compared.judge(second, threshold=scored.threshold)
    persons = [_person(number, one, focus) for number, one in enumerate(judged, start=1)]
    told = persons if focus is None else [one for one in persons if one["focus"]]
    return {
        "video": second.video,
        "t": f"{second.t:g}",
        "picture": _data("jpeg", _jpeg(rgb)),
        "size_hw": rgb.shape[:2],
        "persons": persons,
        "told": told[:MOST_PERSONS],
        "more": max(len(told) - MOST_PERSONS, 0),
    }


def _person(number: int, one: Judged, focus: Example | None) -> dict[str, Any]:
    """Describe a person: place in percent of the frame, kind, and actions with their scores."""
    marked = focus is not None and one.box == focus.box
    if focus is not None and marked and focus.action not in (*one.right, *one.wrong, *one.missed):
        one = one._replace(
            wrong={**one.wrong, focus.action: focus.score}
        )  # a low, yet too high one
    x1, y1, x2, y2 = (100 * float(side) for side in np.clip(one.xyxy, 0, 1))
    words = [
        {
            "kind": kind, "sign": sign, "name": name,
            "score": score if np.isfinite(score) else None,
            "marked": marked and focus is not None and name == focus.action,
        }
        for kind, sign, group in (
            ("right", "✓", one.right), ("wrong", "✗", one.wrong), ("missed", "○", one.missed)
        )
        for name, score in group.items()
    ]  # fmt: skip
    kind = "wrong" if one.wrong or not one.known else "missed" if one.missed else "right"
    return {
        "number": number,
        "left": x1, "top": y1, "width": x2 - x1, "height": y2 - y1,
        "kind": "unfound" if one.box < 0 else kind,
        "focus": marked or focus is None,
        "words": words,
        "known": one.known,
        "found": one.box >= 0,
    }  # fmt: skip


def _jpeg(rgb: UInt8[np.ndarray, "h w 3"]) -> bytes:
    """Encode a picture, no wider than it is shown."""
    height, width = rgb.shape[:2]
    if width > _WIDEST:
        rgb = resize(rgb, (max(round(height * _WIDEST / width), 1), _WIDEST))
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=_QUALITY))


def _data(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _link(path: Path, page: Path) -> tuple[str, str]:
    """Return the address of a file, relative to the page, and its name."""
    relative = Path(os.path.relpath(path, page.parent))
    address = "/".join(quote(os.fsencode(part), safe="") for part in relative.parts)
    return address, path.stem.encode("utf-8", "replace").decode()
