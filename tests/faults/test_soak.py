"""A few kills of the whole workflow at random moments; the long soak is `tests.faults.soak`."""

import pytest

from tests.faults.soak import soak


@pytest.mark.parametrize(
    "kills",
    [pytest.param(3, marks=pytest.mark.long), pytest.param(200, marks=pytest.mark.slow)],
)
def test_what_is_killed_at_random_ends_with_the_same_results(tmp_path, capsys, kills):
    report = soak(tmp_path, kills=kills, seed=5)
    with capsys.disabled():
        print("\n" + "\n".join(report.lines()))
    assert sum(report.kills.values()) == kills
    assert report.rounds >= 1
    assert report.differences == []
