"""HTML page of a table of results, without references to other files.

The CSV has a line for each method and metric; here the methods stand side by side.
"""

import html
from collections.abc import Sequence

import numpy as np
import pandas as pd

_KEY = ("method", "row", "backbone", "input", "pretraining", "seeds")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2em auto; max-width: 75em; color: #222 }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums }
caption { text-align: left; font-weight: 600; padding: .3em 0 }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: left }
td.number { text-align: right }
th { border-bottom: 2px solid #888; vertical-align: bottom }
small { color: #777 }
"""


def as_page(
    title: str, table: pd.DataFrame, classes: pd.DataFrame, notes: Sequence[str] = ()
) -> str:
    """Render both tables as one page: a line for each metric, a column for each method."""
    name = html.escape(title)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{name}</h1>\n"
        "<p>Percent. The spread is the standard deviation over seeds; "
        "a dash stands where there is nothing to measure.</p>\n"
        f"{''.join(f'<p>Note: {html.escape(note)}</p>' for note in notes)}\n"
        f"{as_tables(table)}"
        f"{_html_table('AP of each class', [str(name) for name in classes], _class_cells(classes))}"
        "</body>\n</html>\n"
    )


def as_tables(table: pd.DataFrame) -> str:
    """Render methods, results, the detector and what others published as tables in HTML."""
    others = table["source"] != ""
    networks = (table["backbone"].fillna("") != "") & ~others
    detector = ~networks & ~others
    return (
        f"{_html_table('Methods', *_methods(table[networks]))}"
        f"{_html_table('Results', *_side_by_side(table[networks]))}"
        f"{_html_table('Detector', *_side_by_side(table[detector]))}"
        f"{_html_table('Published', *_published(table[others]))}"
    )


def _methods(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Describe each method."""
    known = table[list(_KEY)].drop_duplicates("method")
    return list(_KEY), [list(map(str, line)) for line in known.itertuples(index=False)]


def _side_by_side(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Lay out a line for each metric, methods side by side, the paper's number after ours."""
    methods = list(dict.fromkeys(table["method"]))
    lines = []
    for metric, some in table.groupby("metric", sort=False):
        found = some.set_index("method")
        cells = []
        for method in methods:
            row = found.loc[method] if method in found.index else None
            cells.append("–" if row is None else _cell(row["ours"], row["spread"]))
            if row is not None and not np.isnan(row["paper"]):
                apart = row["difference"]
                cells[-1] += f" (paper {row['paper']:.2f}"
                cells[-1] += ")" if np.isnan(apart) else f", {apart:+.2f})"
        lines.append([str(metric), *cells])
    return ["metric", *methods], lines


def _published(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    """Lay out what others published on the same data, best first, with the protocol."""
    heads = ["method", "metric", "value", "protocol", "source"]
    order = table.groupby("metric", sort=False)["paper"].rank(ascending=False)
    metric = table["metric"].map({name: k for k, name in enumerate(table["metric"].unique())})
    known = table.assign(metric_place=metric, place=order).sort_values(["metric_place", "place"])
    lines = []
    for one in known.to_dict("records"):
        how = one["protocol"] or "not stated"
        lines.append([one["method"], one["metric"], _cell(one["paper"]), how, one["source"]])
    return heads, lines


def _class_cells(classes: pd.DataFrame) -> list[list[str]]:
    return [[name, group, *map(_cell, values)] for name, group, *values in classes.to_numpy()]


def _cell(value: float | None, spread: float | None = None) -> str:
    if value is None or np.isnan(value):
        return "–"
    around = "" if spread is None or np.isnan(spread) else f" ± {spread:.2f}"
    return f"{value:.2f}{around}"


def _html_table(caption: str, heads: list[str], lines: list[list[str]]) -> str:
    if not lines:
        return ""

    def row(cells: list[str], tag: str) -> str:
        marked = []
        for cell in cells:
            number = tag == "td" and (cell[:1].isdigit() or cell[:1] in "-–")
            kind = ' class="number"' if number else ""
            marked.append(f"<{tag}{kind}>{html.escape(cell)}</{tag}>")
        return f"<tr>{''.join(marked)}</tr>\n"

    body = "".join(row(line, "td") for line in lines)
    return (
        f"<table>\n<caption>{html.escape(caption)}</caption>\n"
        f"<thead>\n{row(heads, 'th')}</thead>\n<tbody>\n{body}</tbody>\n</table>\n"
    )
