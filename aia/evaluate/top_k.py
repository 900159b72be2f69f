"""Top-1 and top-5 of verbs, nouns and actions, the metrics of EPIC-Kitchens (§6).

A segment's action is a verb and a noun; its score is the product of theirs. The k best actions are
the k best pairs, not pairs of the k best verbs and nouns, which is easier and not the metric.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aia.errors import InputError
from aia.log import say
from aia.pickles import read_pickle
from aia.tables import is_score_table, read_scores, read_segments, write_metrics

_BLOCK = 512  # segments whose pairs are ranked at once: 125 x 352 numbers each


class TopK(NamedTuple):
    """Share of segments whose truth is among the k best, for each k."""

    verb: dict[int, float]
    noun: dict[int, float]
    action: dict[int, float]


def evaluate_epic(
    labels: Path | str,
    verbs: Path | str,
    nouns: Path | str,
    *,
    prior: Path | str | None = None,
    ks: Sequence[int] = (1, 5),
) -> TopK:
    """Evaluate files of scores.

    Args:
        labels: CSV with columns verb and noun (class numbers), a line for each segment; for tables
            of `aia score` also segment, its number.
        verbs: Scores of the verbs, a line for each segment, a column for each class, without
            names; .csv, .parquet, or .pkl as PySlowFast saves its results. Logits, unless every
            line is a distribution, or in a .pkl the sum of several views'. Or a table of
            `aia score`, in any order; segments that it lacks count as missed.
        nouns: The same for the nouns.
        prior: CSV with columns verb and noun of the training segments; actions are then weighted
            by their p(noun|verb) (as in LFB; the paper does not say so).
        ks: Values of k.
    """
    truth = read_pairs(labels)
    p, scored = zip(
        *(
            _read_scores(path, truth=truth[:, column], labels=labels)
            for column, path in enumerate((verbs, nouns))
        ),
        strict=True,
    )
    shape = p[0].shape[1], p[1].shape[1]
    _check_classes(truth, shape, labels)
    weights = None
    if prior is not None:
        pairs = read_pairs(prior)
        _check_classes(pairs, shape, prior)
        weights = noun_given_verb(pairs, shape)
    return top_k(p[0], p[1], truth, prior=weights, ks=ks, scored=scored)


def write_top_k(path: Path | str, result: TopK) -> None:
    """Write the metrics, as fractions."""
    rows = [
        (f"{name} top-{k}", None, "", value)
        for name, values in result._asdict().items()
        for k, value in values.items()
    ]
    write_metrics(path, rows)


def top_k(
    verbs: Float[np.ndarray, "segments verbs"],
    nouns: Float[np.ndarray, "segments nouns"],
    truth: Int[np.ndarray, "segments 2"],
    *,
    prior: Float[np.ndarray, "verbs nouns"] | None = None,
    ks: Sequence[int] = (1, 5),
    scored: Sequence[Bool[np.ndarray, " segments"]] | None = None,
) -> TopK:
    """Rank the true verb, noun and action of each segment among all.

    Args:
        verbs: p(verb).
        nouns: p(noun).
        truth: Verb and noun.
        prior: Further factor of each action, such as p(noun|verb), or None.
        ks: Values of k.
        scored: Masks of segments with a verb's scores, and with a noun's; None: all. Others
            count as missed, and an action needs both.
    """
    wanted = truth[:, 0] * nouns.shape[1] + truth[:, 1]
    ranks = []
    for start in range(0, len(truth), _BLOCK):
        part = slice(start, start + _BLOCK)
        actions = verbs[part, :, None] * nouns[part, None, :]
        if prior is not None:
            actions *= prior
        ranks.append(_rank(actions.reshape(len(actions), -1), wanted[part]))
    of = _rank(verbs, truth[:, 0]), _rank(nouns, truth[:, 1]), np.concatenate(ranks or [wanted])
    verb, noun = scored or (np.ones(len(truth), bool),) * 2
    there = verb, noun, verb & noun
    return TopK(
        *(
            {k: float(np.mean((rank < k) & known)) for k in ks}
            for rank, known in zip(of, there, strict=True)
        )
    )


def noun_given_verb(
    pairs: Int[np.ndarray, "segments 2"], shape: tuple[int, int]
) -> Float[np.ndarray, "verbs nouns"]:
    """Compute p(noun|verb) among segments; 0 for a verb that is not among them.

    >>> noun_given_verb(np.array([[0, 1], [0, 1], [0, 0], [1, 0]]), (2, 2)).round(2)
    array([[0.33, 0.67],
           [1.  , 0.  ]])
    """
    counts = np.zeros(shape)
    np.add.at(counts, (pairs[:, 0], pairs[:, 1]), 1)
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


def _rank(
    scores: Float[np.ndarray, "segments classes"], wanted: Int[np.ndarray, " segments"]
) -> Int[np.ndarray, " segments"]:
    """Count the classes ranked before the wanted one; among equals the lower id is first."""
    own = np.take_along_axis(scores, wanted[:, None], axis=1)
    before = np.arange(scores.shape[1]) < wanted[:, None]
    return ((scores > own) | ((scores == own) & before)).sum(axis=1)


def read_pairs(path: Path | str) -> Int[np.ndarray, "segments 2"]:
    """Read verb and noun of each segment from a CSV with these columns among others."""
    try:
        table = _labels(path)
        pairs = table[["verb", "noun"]].to_numpy()
    except KeyError:
        found = ", ".join(map(str, table.columns[:6]))
        raise InputError(
            f"{path}: expected a CSV with the columns verb and noun, found {found}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as a CSV with columns verb and noun ({error})"
        ) from None
    if not len(pairs):
        raise InputError(f"{path}: has no segment")
    if not np.issubdtype(pairs.dtype, np.integer) or (pairs < 0).any():
        whole = pd.DataFrame(pairs).apply(pd.to_numeric, errors="coerce")
        bad = int((~((whole >= 0) & (whole % 1 == 0)).all(axis=1)).to_numpy().argmax())
        raise InputError(
            f"{path}, line {bad + 2}: verb and noun are {', '.join(map(str, pairs[bad]))}; "
            "expected class numbers from 0"
        )
    return pairs.astype(np.int64)


def _labels(path: Path | str) -> pd.DataFrame:
    """Read the segments of a data set's own table, or any CSV."""
    return read_segments(path) if Path(path).suffix == ".parquet" else pd.read_csv(path)


def _read_scores(
    path: Path | str, *, truth: Int[np.ndarray, " n"], labels: Path | str
) -> tuple[Float[np.ndarray, "n c"], Bool[np.ndarray, " n"]]:
    """Read probabilities from a file of logits or probabilities, and a mask of scored segments."""
    path = Path(path)
    if path.suffix == ".parquet" and is_score_table(path):
        return _aligned(path, labels)
    scores = _read_lines(path, truth=truth, name=labels)
    sums = scores.sum(axis=1, keepdims=True)
    views = max(1, round(sums.mean())) if path.suffix == ".pkl" else 1
    if (scores >= 0).all() and np.allclose(sums, views, rtol=1e-3, atol=1e-3):
        what = "a distribution" if views == 1 else f"the sum of {views} views"
        say(f"{path}: taken as probabilities, every line is {what}")
        scores = scores / views
    else:
        shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores = shifted / shifted.sum(axis=1, keepdims=True)
    return scores, np.ones(len(truth), bool)


def _aligned(
    path: Path, labels: Path | str
) -> tuple[Float[np.ndarray, "n c"], Bool[np.ndarray, " n"]]:
    """Align a table of `aia score` with the labels' segments; a column for each class id."""
    table = read_scores(path)
    wanted = _labels(labels)
    for name, columns in ((path, table.boxes.columns), (labels, wanted.columns)):
        if "segment" not in columns:
            raise InputError(
                f"{name}: has no column segment, by which scores and labels belong together; are "
                f"{path} and {labels} of data that are labelled by segment?"
            )
    found = pd.Series(range(len(table.boxes)), index=table.boxes["segment"])
    if found.index.has_duplicates:
        again = found.index[found.index.duplicated()][0]
        raise InputError(f"{path}: scores segment {again} twice")
    unknown = found.index.difference(pd.Index(wanted["segment"]))
    if len(unknown):
        raise InputError(
            f"{path}: scores segment {unknown[0]} and {len(unknown) - 1} more that {labels} "
            "does not have; are they of the same split?"
        )
    places = found.reindex(wanted["segment"])
    scored = places.notna().to_numpy()
    if not scored.all():
        say(
            f"{path}: lacks {int((~scored).sum())} of {len(scored)} segments, which count as missed"
        )
    scores = np.zeros((len(wanted), max(table.class_ids) + 1))
    rows = places[scored].to_numpy(int)
    scores[np.ix_(np.flatnonzero(scored), np.array(table.class_ids))] = table.scores[rows]
    return scores, scored


def _read_lines(
    path: Path, *, truth: Int[np.ndarray, " n"], name: Path | str
) -> Float[np.ndarray, "n c"]:
    """Read plain numbers, a line for each segment."""
    rows, scored_on = len(truth), None
    try:
        if path.suffix == ".pkl":
            scores, scored_on = _pyslowfast_results(path)
        elif path.suffix == ".parquet":
            scores = pd.read_parquet(path).to_numpy(float)
        else:
            scores = pd.read_csv(path, header=None).to_numpy(float)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read as scores ({error}); expected numbers alone, a line for each "
            "segment, a column for each class"
        ) from None
    if len(scores) != rows:
        raise InputError(
            f"{path}: has {len(scores)} lines, but {name} has {rows} segments; are they of the "
            "same split, and has the file no header?"
        )
    finite = np.isfinite(scores).all(axis=1)
    if not finite.all():
        raise InputError(f"{path}, line {int(finite.argmin()) + 1}: holds what is not a number")
    if scored_on is not None and (scored_on != truth).any():
        row = int((scored_on != truth).argmax())
        raise InputError(
            f"{path}: its label of row {row} (from 0) is {scored_on[row]}, that of {name} "
            f"{truth[row]}; are they of the same split, in the same order, and both verbs or nouns?"
        )
    return scores


def _pyslowfast_results(
    path: Path,
) -> tuple[Float[np.ndarray, "n c"], Int[np.ndarray, " n"]]:
    """Read TEST.SAVE_RESULTS_PATH: a pickle of [scores, labels], of which nothing is executed."""
    found = read_pickle(path)
    parts = [np.asarray(part) for part in found] if isinstance(found, list | tuple) else []
    if not (
        len(parts) == 2
        and [part.ndim for part in parts] == [2, 1]
        and len(parts[0]) == len(parts[1])
        and parts[0].dtype.kind in "fiu"
        and parts[1].dtype.kind in "iu"
    ):
        raise InputError(
            f"{path}: a pickle of something else than [scores, labels], a row and a class number "
            "for each segment, as PySlowFast saves its results (TEST.SAVE_RESULTS_PATH)"
        )
    return parts[0].astype(float), parts[1].astype(np.int64)


def _check_classes(
    pairs: Int[np.ndarray, "segments 2"], shape: tuple[int, int], path: Path | str
) -> None:
    for column, (name, classes) in enumerate(zip(("verb", "noun"), shape, strict=True)):
        beyond = pairs[:, column] >= classes
        if beyond.any():
            line = int(beyond.argmax())
            raise InputError(
                f"{path}, line {line + 2}: {name} {pairs[line, column]}, but there are scores of "
                f"{classes} classes, 0 to {classes - 1}"
            )
