"""Fused scores: the mean of several score files over the same boxes, without a network.

Both multi-scale testing and ensembles (Table 2, "*" and "3 ens.") are such means: of one run's
views of its clips, or of several runs' scores. The paper does not say how it takes the mean.
"""

import json
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from aia.errors import InputError
from aia.tables import ScoreTable, read_scores

NEAR = 1e-5
"""Coordinates (fractions of the frame) and detectors' scores that differ by less are the same."""

_NUMBERS = ["x1", "y1", "x2", "y2", "score"]
_NAMED = 2  # rows that an error names


def fuse_scores(
    paths: Sequence[Path],
    *,
    weights: Sequence[float] | None = None,
    mean: Literal["arithmetic", "geometric"] = "arithmetic",
) -> ScoreTable:
    """Take the mean score of each box and class.

    Args:
        paths: Tables of scores of the same boxes, in any order.
        weights: Weight of each file, above 0, in any unit; None: all the same.
        mean: Kind of mean; the geometric one is 0 if any file has 0.

    Returns:
        The boxes in the order of the first file. The provenance holds that of every file.

    Raises:
        InputError: Files of other boxes or classes, a file given twice, or wrong weights.
    """
    shares = _shares(paths, weights)
    first = read_scores(paths[0])
    total = np.zeros(first.scores.shape)
    origins = []
    for path, share in zip(paths, shares, strict=True):
        table = first if path == paths[0] else read_scores(path)
        _check_classes(path, table, paths[0], first)
        rows = _same_rows(path, table.boxes, paths[0], first.boxes)
        scores = table.scores[rows].astype(np.float64)
        with np.errstate(divide="ignore"):  # the logarithm of 0, whose mean is 0 again
            total += share * (np.log(scores) if mean == "geometric" else scores)
        origins.append({"file": path.name, "weight": share, **table.provenance})
    if mean == "geometric":
        total = np.exp(total)
    provenance = {
        name: " + ".join(dict.fromkeys(str(origin.get(name, "unknown")) for origin in origins))
        for name in ("run", "boxes")
    }
    provenance |= {"mean": mean, "of": json.dumps(origins)}
    return ScoreTable(first.boxes, total.astype(np.float32), first.class_ids, provenance)


def _shares(paths: Sequence[Path], weights: Sequence[float] | None) -> list[float]:
    """Compute each file's share of the mean."""
    twice = [path for place, path in enumerate(paths) if path in paths[:place]]
    if twice:
        raise InputError(f"{twice[0]}: is given twice; --weights makes a file count more")
    weights = [1.0] * len(paths) if weights is None else list(weights)
    if len(weights) != len(paths):
        raise InputError(f"--weights: {len(weights)} numbers for {len(paths)} files of scores")
    for weight in weights:
        if not 0 < weight < np.inf:
            raise InputError(f"--weights: {weight:g}, expected numbers above 0; leave the file out")
    return [weight / sum(weights) for weight in weights]


def _check_classes(path: Path, table: ScoreTable, first_path: Path, first: ScoreTable) -> None:
    pairs = zip_longest(table.class_ids, first.class_ids, fillvalue="none")
    for place, (ours, theirs) in enumerate(pairs, start=1):
        if ours != theirs:
            raise InputError(
                f"{path}: has other classes than {first_path} ({len(table.class_ids)} against "
                f"{len(first.class_ids)}; number {place} is {ours} against {theirs}); are they of "
                "another data set?"
            )


def _same_rows(
    path: Path, boxes: pd.DataFrame, first_path: Path, first: pd.DataFrame
) -> Int[np.ndarray, " boxes"]:
    """Find the row of `boxes` for each row of `first`."""
    seconds, first_seconds = _seconds(boxes), _seconds(first)
    numbers, first_numbers = _numbers(boxes), _numbers(first)
    if seconds.equals(first_seconds) and (np.abs(numbers - first_numbers) <= NEAR).all():
        return np.arange(len(first))
    places = np.full(len(first), -1)
    rows_at = boxes.groupby(seconds).indices
    for second, rows in first.groupby(first_seconds).indices.items():
        others = np.asarray(rows_at.get(second, ()), dtype=int)
        places[rows] = _paired(first_numbers[rows], numbers[others], others)
    differing = [
        *_in_words("the former", boxes, np.setdiff1d(np.arange(len(boxes)), places)),
        *_in_words("the latter", first, np.flatnonzero(places < 0)),
    ]
    if differing:
        raise InputError(
            f"{path}: its {len(boxes)} boxes are not the {len(first)} of {first_path}: "
            f"{'; '.join(differing)}. Their mean needs the same boxes: score them all with one "
            "detector's and one threshold"
        )
    return places


def _seconds(boxes: pd.DataFrame) -> pd.Series:
    """Join video and time of each row to one key, to a thousandth; segments may share both."""
    thousandths = (boxes["time_sec"] * 1000).round().astype(np.int64)
    keys = boxes["video"] + "\n" + thousandths.astype(str)
    return keys + "\n" + boxes["segment"].astype(str) if "segment" in boxes else keys


def _numbers(boxes: pd.DataFrame) -> Float[np.ndarray, "boxes 5"]:
    return boxes[_NUMBERS].to_numpy(np.float64)


def _paired(
    numbers: Float[np.ndarray, "boxes 5"],
    others: Float[np.ndarray, "others 5"],
    rows: Int[np.ndarray, " others"],
) -> Int[np.ndarray, " boxes"]:
    """Find the same box among others, each used once; -1 if there is none.

    Duplicate boxes are paired in their order.
    """
    places = np.full(len(numbers), -1)
    if not len(others):
        return places
    far = np.abs(numbers[:, None] - others[None]).max(axis=2)
    for box in range(len(numbers)):
        nearest = int(far[box].argmin())
        if far[box, nearest] <= NEAR:
            places[box] = rows[nearest]
            far[:, nearest] = np.inf
    return places


def _in_words(whose: str, boxes: pd.DataFrame, rows: Int[np.ndarray, " rows"]) -> Iterator[str]:
    """Describe the first rows that only one file has."""
    if not len(rows):
        return
    named = []
    for row in rows[:_NAMED]:
        video, time_sec = boxes["video"].iloc[row], boxes["time_sec"].iloc[row]
        *xyxy, score = (f"{number:.6g}" for number in _numbers(boxes)[row])
        named.append(f"row {row} ({video} at {time_sec:g} s, {' '.join(xyxy)}, score {score})")
    more = f" and {len(rows) - len(named)} more" if len(rows) > len(named) else ""
    yield f"{whose} alone has {', '.join(named)}{more}"
