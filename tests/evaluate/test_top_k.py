import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch

from aia.cli import main
from aia.errors import InputError
from aia.evaluate.top_k import _read_scores, evaluate_epic, top_k
from aia.tables import read_metrics


@pytest.fixture
def files(tmp_path):
    """Two segments, two verbs, three nouns."""
    (tmp_path / "labels.csv").write_text("verb,noun\n0,2\n1,0\n")
    (tmp_path / "verbs.csv").write_text("2,1\n0,3\n")
    (tmp_path / "nouns.csv").write_text("0,1,2\n1,0,0\n")
    return tmp_path


def evaluate(folder, **options):
    paths = [folder / f"{name}.csv" for name in ("labels", "verbs", "nouns")]
    return evaluate_epic(*paths, **options)


def test_an_action_is_right_if_the_pair_is_among_the_best_pairs():
    verbs, nouns = np.array([[0.6, 0.4]]), np.array([[0.7, 0.2, 0.1]])
    # by product: (0,0) .42, (1,0) .28, (0,1) .12, (1,1) .08, (0,2) .06, (1,2) .04
    ranked = {(0, 0): 1, (1, 0): 2, (0, 1): 3, (1, 1): 4, (0, 2): 5, (1, 2): 6}
    for pair, place in ranked.items():
        result = top_k(verbs, nouns, np.array([pair]), ks=(place - 1, place))
        assert result.action == {place - 1: 0.0, place: 1.0}


def test_of_equal_scores_the_lower_class_comes_first():
    equal = np.full((1, 4), 0.25)
    assert top_k(equal, equal, np.array([[1, 0]]), ks=(1, 2)).verb == {1: 0.0, 2: 1.0}


def test_many_segments_are_ranked_as_one_by_one():
    rng = np.random.default_rng(0)
    verbs, nouns = rng.dirichlet(np.ones(4), 1100), rng.dirichlet(np.ones(5), 1100)
    truth = np.stack([rng.integers(0, 4, 1100), rng.integers(0, 5, 1100)], axis=1)
    each = [top_k(verbs[i : i + 1], nouns[i : i + 1], truth[i : i + 1]) for i in range(1100)]
    whole = top_k(verbs, nouns, truth)
    assert whole.action[5] == pytest.approx(np.mean([one.action[5] for one in each]))
    assert whole.verb[1] == pytest.approx(np.mean([one.verb[1] for one in each]))


def test_probabilities_and_parquet_are_read_as_what_they_are(files):
    logits = pd.read_csv(files / "verbs.csv", header=None)
    p = np.exp(logits) / np.exp(logits).to_numpy().sum(axis=1, keepdims=True)
    p.columns = ["open", "close"]
    p.to_parquet(files / "verbs.parquet")
    again = evaluate_epic(files / "labels.csv", files / "verbs.parquet", files / "nouns.csv")
    assert again == evaluate(files)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("labels", "verb,thing\n0,1\n", "expected a CSV with the columns verb and noun"),
        ("labels", "verb,noun\n0,1\n-1,0\n", "line 3: verb and noun are -1, 0"),
        ("labels", "verb,noun\n0,1\n0,\n", "line 3: verb and noun are"),
        ("labels", "verb,noun\n0,1\n2,0\n", "line 3: verb 2, but there are scores of 2"),
        ("labels", "verb,noun\n", "has no segment"),
        ("labels", "", "cannot be read"),
        ("verbs", "1,2\n", "has 1 lines, but"),
        ("verbs", "1,2\n1,nan\n", "line 2: holds what is not a number"),
        ("verbs", "1,2\n1,b\n", "cannot be read as scores"),
        ("nouns", "1,2\n1,2,3\n", "cannot be read as scores"),
    ],
)
def test_files_that_do_not_fit_are_refused(files, name, text, message):
    (files / f"{name}.csv").write_text(text)
    with pytest.raises(InputError, match=message):
        evaluate(files)


def test_the_command_writes_every_metric(files):
    command = ["evaluate", "epic", "--output", str(files / "out.csv")]
    for name in ("labels", "verbs", "nouns"):
        command += [f"--{name}", str(files / f"{name}.csv")]
    assert main(command) == 0
    table = read_metrics(files / "out.csv").set_index("metric")["value"]
    assert table.to_dict() == {
        "verb top-1": 1.0, "verb top-5": 1.0, "noun top-1": 1.0, "noun top-5": 1.0,
        "action top-1": 1.0, "action top-5": 1.0,
    }  # fmt: skip
    assert main([*command, "--prior", str(files / "none.csv")]) == 2


@pytest.mark.parametrize(
    ("prior", "name"),
    [(False, "action product"), (True, "action product x train prior p(noun|verb) (LFB)")],
)
def test_the_numbers_are_those_of_the_peers_evaluators(golden, prior, name):
    folder = golden / "protocols"
    expected = json.loads((folder / "expected.json").read_text())["epic"]
    result = evaluate_epic(
        folder / "epic_labels.csv",
        folder / "epic_verb_logits.csv",
        folder / "epic_noun_logits.csv",
        prior=folder / "epic_train_pairs.csv" if prior else None,
    )
    for values, wanted in zip(result, ("verb", "noun", name), strict=True):
        assert 100 * values[1] == pytest.approx(expected[wanted]["top1"], abs=1e-9)
        assert 100 * values[5] == pytest.approx(expected[wanted]["top5"], abs=1e-9)


def score_table(path, segments, scores, class_ids):
    from aia.tables import write_scores

    boxes = pd.DataFrame({"segment": segments}).assign(
        video="P01_01", time_sec=1.0, x1=0.0, y1=0.0, x2=1.0, y2=1.0, score=1.0
    )
    write_scores(path, boxes=boxes, scores=np.array(scores), class_ids=class_ids, provenance={})
    return path


@pytest.fixture
def tables(tmp_path):
    """Three segments; the scores stand in another order, and class 1 is not among the verbs."""
    (tmp_path / "labels.csv").write_text("segment,verb,noun\n7,0,1\n8,2,0\n9,2,1\n")
    score_table(tmp_path / "verbs.parquet", [9, 7, 8], [[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]], (0, 2))
    score_table(tmp_path / "nouns.parquet", [8, 9, 7], [[0.6, 0.4], [0.3, 0.7], [0.2, 0.8]], (0, 1))
    return tmp_path


def evaluate_tables(folder):
    return evaluate_epic(
        folder / "labels.csv", folder / "verbs.parquet", folder / "nouns.parquet", ks=(1, 2)
    )


def test_scores_of_a_network_belong_to_their_segments_whatever_their_order(tables):
    result = evaluate_tables(tables)
    assert result.verb == {1: pytest.approx(2 / 3), 2: 1.0}
    assert result.noun == {1: 1.0, 2: 1.0}
    # 8 is (0, 0) .42, (0, 1) .28, (2, 0) .18: its pair is the third
    assert result.action == {1: pytest.approx(2 / 3), 2: pytest.approx(2 / 3)}


def test_a_segment_without_scores_is_missed_and_said(tables, capsys):
    score_table(tables / "nouns.parquet", [9, 7], [[0.3, 0.7], [0.2, 0.8]], (0, 1))
    result = evaluate_tables(tables)
    assert result.noun == {1: pytest.approx(2 / 3), 2: pytest.approx(2 / 3)}
    assert result.action[1] == pytest.approx(2 / 3)
    assert "lacks 1 of 3 segments" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([7, 7, 9], "scores segment 7 twice"),
        ([7, 8, 10], "scores segment 10 and 0 more that .*labels.csv does not have"),
    ],
)
def test_scores_of_other_segments_are_refused(tables, segments, message):
    score_table(tables / "verbs.parquet", segments, [[0.1, 0.9]] * 3, (0, 2))
    with pytest.raises(InputError, match=message):
        evaluate_tables(tables)


def test_a_table_of_scores_needs_labels_with_numbers(tables):
    (tables / "labels.csv").write_text("verb,noun\n0,1\n1,0\n1,1\n")
    with pytest.raises(InputError, match=r"labels.csv: has no column segment"):
        evaluate_tables(tables)


def saved(path, scores, labels):
    """Save as PySlowFast does: two tensors of torch, by plain pickle."""
    path.write_bytes(pickle.dumps([torch.tensor(scores), torch.tensor(labels)]))
    return path


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")  # torch's own, as it is pickled
def test_results_that_pyslowfast_pickles_are_read(files, capsys):
    rows = [[2.0, 1.0], [0.0, 3.5]], [[0.0, 1.0, 2.0], [1.0, 0.0, 0.0]]
    verbs = saved(files / "verbs.pkl", rows[0], [0, 1])
    nouns = saved(files / "nouns.pkl", rows[1], [2, 0])
    for name, numbers in zip(("verbs", "nouns"), rows, strict=True):
        pd.DataFrame(numbers).to_csv(files / f"{name}.csv", header=False, index=False)
    assert evaluate_epic(files / "labels.csv", verbs, nouns) == evaluate(files)
    assert "probabilities" not in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_sums_of_the_probabilities_of_views_are_no_logits(files, capsys):
    nouns = saved(files / "nouns.pkl", [[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]], [2, 0])
    found, scored = _read_scores(nouns, truth=np.array([2, 0]), labels="labels.csv")
    np.testing.assert_allclose(found, [[0, 1 / 3, 2 / 3], [1, 0, 0]])
    assert scored.all()
    said = f"{nouns}: taken as probabilities, every line is the sum of 3 views\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([np.eye(2), [0, 0]], "its label of row 1 (from 0) is 0, that of "),
        ([np.eye(2), [0, 1, 1]], "a pickle of something else than [scores, labels]"),
        ([np.eye(2)], "a pickle of something else than [scores, labels]"),
        ({"preds": np.eye(2)}, "a pickle of something else than [scores, labels]"),
        ([np.eye(3), [0, 1, 1]], "has 3 lines, but "),
        (print, "this pickle would run builtins.print"),
    ],
)
def test_other_pickles_are_no_scores(files, value, said):
    (files / "verbs.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(InputError) as refused:
        evaluate_epic(files / "labels.csv", files / "verbs.pkl", files / "nouns.csv")
    assert str(refused.value).startswith(f"{files / 'verbs.pkl'}: {said}")
