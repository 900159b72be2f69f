"""How well persons keep their numbers: IDF1 and switches (Ristani et al., ECCV 2016)."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from scipy.optimize import linear_sum_assignment


class Identity(NamedTuple):
    """Score of the numbers that a tracker gave to boxes."""

    idf1: float
    """2 IDTP / (boxes + boxes that are numbered), over the best one-to-one map of persons to
    tracks."""
    switches: int
    """Boxes whose number differs from that of the person's last numbered box."""


def identity_of(persons: Int[np.ndarray, " boxes"], numbers: Int[np.ndarray, " boxes"]) -> Identity:
    """Compare numbers with the true persons of the same boxes, in the order of time.

    Args:
        persons: True person of each box; -1: none, a false one.
        numbers: Number given; -1: none.
    """
    true, given = persons >= 0, numbers >= 0
    both = true & given
    names, columns = np.unique(numbers[both], return_inverse=True)
    people, rows = np.unique(persons[both], return_inverse=True)
    counts = np.zeros((len(people), len(names)), np.int64)
    np.add.at(counts, (rows, columns), 1)
    matched = int(counts[linear_sum_assignment(-counts)].sum())
    boxes = int(true.sum() + given.sum())
    last: dict[int, int] = {}
    switches = 0
    for person, number in zip(persons[both].tolist(), numbers[both].tolist(), strict=True):
        switches += last.get(person, number) != number
        last[person] = number
    return Identity(2 * matched / boxes if boxes else 1.0, switches)
