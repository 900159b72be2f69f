import numpy as np
import pandas as pd
import pytest

from aia.datasets.epic55 import read_splits
from aia.evaluate.majority import evaluate_majority, majority
from aia.evaluate.top_k import evaluate_epic, top_k


def percent(result):
    return [
        f"{100 * values[1]:.2f}/{100 * values[5]:.2f}"
        for values in (result.verb, result.noun, result.action)
    ]


def test_an_action_is_counted_as_the_pair_that_it_is():
    """Verb 0 and noun 1 are the most frequent, and never together."""
    train = np.array([[0, 0]] * 2 + [[0, 2]] * 2 + [[0, 3]] + [[1, 1]] * 3)
    assert majority(train, np.array([[1, 1]])).action == {1: 1.0, 5: 1.0}
    assert majority(train, np.array([[0, 1]])).action[1] == 0.0
    assert majority(train, np.array([[0, 1]])).verb[1] == 1.0
    assert majority(train, np.array([[0, 1]])).noun[1] == 1.0


def test_a_class_that_was_never_seen_comes_after_all_that_were():
    train = np.array([[0, 0], [1, 1], [2, 2], [3, 3], [4, 4]])
    result = majority(train, np.array([[5, 7], [4, 4]]))
    assert (result.verb[5], result.noun[5], result.action[5]) == (0.5, 0.5, 0.5)


@pytest.fixture(scope="module")
def prepared(shared_data, tmp_path_factory):
    folder, output = shared_data / "epic55", tmp_path_factory.mktemp("epic")
    _, rows = read_splits(
        folder / "EPIC_train_action_labels.csv",
        verbs=folder / "EPIC_verb_classes.csv",
        nouns=folder / "EPIC_noun_classes.csv",
        videos=folder / "EPIC_video_info.csv",
    )
    for split, table in rows.items():
        table.to_csv(output / f"{split}.csv", index=False)
    return output


def test_the_floor_of_the_papers_split(prepared):
    """The numbers that the literature's evaluation gives for the same answer to every segment."""
    result = evaluate_majority(prepared / "val.csv", prepared / "train.csv")
    assert percent(result) == ["21.97/69.44", "4.05/21.89", "3.07/7.90"]


def test_files_of_frequencies_give_the_same_verbs_and_nouns_and_fewer_actions(prepared):
    """Through the files of `aia evaluate epic`, where an action is the product of verb and noun."""
    train = pd.read_csv(prepared / "train.csv")
    rows = len(pd.read_csv(prepared / "val.csv"))
    for task, classes in (("verb", 125), ("noun", 352)):
        frequency = np.bincount(train[task], minlength=classes) / len(train)
        table = pd.DataFrame(np.tile(frequency, (rows, 1)))
        table.rename(columns=str).to_parquet(prepared / f"{task}s.parquet")
    files = [prepared / name for name in ("val.csv", "verbs.parquet", "nouns.parquet")]
    assert percent(evaluate_epic(*files)) == ["21.97/69.44", "4.05/21.89", "0.04/4.26"]


def test_it_is_what_the_evaluator_says_of_the_same_scores():
    rng = np.random.default_rng(0)
    train = np.stack([rng.integers(0, 5, 97), rng.integers(0, 7, 97)], axis=1)
    truth = np.stack([rng.integers(0, 5, 53), rng.integers(0, 7, 53)], axis=1)
    pairs = np.zeros((5, 7))
    np.add.at(pairs, (train[:, 0], train[:, 1]), 1 / 97)
    verbs, nouns = np.tile(pairs.sum(axis=1), (53, 1)), np.tile(pairs.sum(axis=0), (53, 1))
    apart = top_k(verbs.round(9), nouns.round(9), truth)
    together = top_k(np.ones((53, 5)), np.ones((53, 7)), truth, prior=pairs.round(9))
    assert majority(train, truth) == apart._replace(action=together.action)
