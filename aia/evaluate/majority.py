"""Floor of EPIC-Kitchens' table: the accuracy without looking at any video (§6).

Every segment gets the same scores: the frequency of each verb, noun and action among the training
segments. An action is counted as a pair: the product of the counts of its verb and its noun would
be a lower floor (0.04 % top-1 on the paper's split, where the pairs give 3.07), as the most
frequent verb and noun do not occur together.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from aia.evaluate.top_k import TopK, read_pairs


def evaluate_majority(labels: Path | str, train: Path | str) -> TopK:
    """Compute top-1 and top-5 of the training set's frequencies.

    Args:
        labels: CSV with columns verb and noun, a line for each scored segment.
        train: The same for the training segments.
    """
    return majority(read_pairs(train), read_pairs(labels))


def majority(
    train: Int[np.ndarray, "train 2"],
    truth: Int[np.ndarray, "segments 2"],
    ks: Sequence[int] = (1, 5),
) -> TopK:
    """Compute top-1 and top-5 of the training set's frequencies.

    >>> train = np.array([[0, 1], [0, 1], [1, 0]])
    >>> majority(train, np.array([[0, 1], [1, 1], [1, 0], [0, 0]])).action[1]
    0.25
    """
    shape = np.maximum(train.max(axis=0), truth.max(axis=0)) + 1
    pairs = np.zeros(shape, int)
    np.add.at(pairs, (train[:, 0], train[:, 1]), 1)
    return TopK(
        _shares(pairs.sum(axis=1), truth[:, 0], ks),
        _shares(pairs.sum(axis=0), truth[:, 1], ks),
        _shares(pairs.ravel(), np.ravel_multi_index((truth[:, 0], truth[:, 1]), pairs.shape), ks),
    )


def _shares(
    counts: Int[np.ndarray, " classes"], wanted: Int[np.ndarray, " segments"], ks: Sequence[int]
) -> dict[int, float]:
    """Compute the share of segments with a class among the k most frequent, low ids first."""
    rank = np.empty(len(counts), int)
    rank[np.argsort(-counts, kind="stable")] = np.arange(len(counts))
    return {k: float(np.mean(rank[wanted] < k)) for k in ks}
