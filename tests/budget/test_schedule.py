"""When the last job ends."""

from aia.budget.schedule import Task, schedule


def test_nothing_takes_no_time() -> None:
    assert schedule([], (1, 0)) == (0.0, 0.0, [])


def test_cores_are_shared_and_the_longest_chain_is_not_shortened() -> None:
    tasks = [Task(7.0, (1,), []), Task(2.0, (1,), []), Task(3.0, (1,), [1]),
             Task(5.0, (1,), [0, 2])]  # fmt: skip
    assert schedule(tasks, (1,)).wall_sec == 17
    assert schedule(tasks, (2,)) == (12, 12, [0, 3])
    assert schedule(tasks, (13,)).wall_sec == 12


def test_what_has_the_longest_rest_behind_it_goes_first() -> None:
    tasks = [Task(5.0, (1,), []), Task(1.0, (1,), []), Task(11.0, (1,), [1])]
    # 1 and 2 one after the other take 12; 0 beside them
    assert schedule(tasks, (2,)).wall_sec == 12


def test_one_gpu_holds_one_job_and_a_large_job_gets_all_cores() -> None:
    tasks = [Task(3.0, (1, 1), []), Task(5.0, (1, 1), []), Task(2.0, (64, 0), [])]
    assert schedule(tasks, (4, 1)).wall_sec == 10
    assert schedule(tasks, (4, 2)).wall_sec == 7
