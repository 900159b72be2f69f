"""When the last job ends."""

import pytest

from aia.budget.schedule import Task, schedule
from aia.errors import InputError


def test_nothing_takes_no_time():
    assert schedule([], cores=1, gpus=0) == (0.0, 0.0, [])


def test_cores_are_shared_and_the_longest_chain_is_not_shortened():
    tasks = [
        Task(7.0, 1, 0, set()),
        Task(2.0, 1, 0, set()),
        Task(3.0, 1, 0, {1}),
        Task(5.0, 1, 0, {0, 2}),
    ]
    assert schedule(tasks, cores=1, gpus=0).wall_sec == 17
    assert schedule(tasks, cores=2, gpus=0) == (12, 12, [0, 3])
    assert schedule(tasks, cores=13, gpus=0).wall_sec == 12


def test_what_has_the_longest_rest_behind_it_goes_first():
    tasks = [Task(5.0, 1, 0, set()), Task(1.0, 1, 0, set()), Task(11.0, 1, 0, {1})]
    # 1 and 2 one after the other take 12; 0 beside them
    assert schedule(tasks, cores=2, gpus=0).wall_sec == 12


def test_one_gpu_holds_one_job_and_a_large_job_gets_all_cores():
    tasks = [Task(3.0, 1, 1, set()), Task(5.0, 1, 1, set()), Task(2.0, 64, 0, set())]
    assert schedule(tasks, cores=4, gpus=1).wall_sec == 10
    assert schedule(tasks, cores=4, gpus=2).wall_sec == 7


def test_a_circle_is_refused():
    with pytest.raises(InputError, match="circle"):
        schedule([Task(1.0, 1, 0, {1}), Task(1.0, 1, 0, {0})], cores=1, gpus=0)
