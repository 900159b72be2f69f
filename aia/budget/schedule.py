"""Jobs on cores and GPUs: when the last one ends, and the longest chain of them."""

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from aia.errors import InputError


class Task(NamedTuple):
    """A job as the schedule sees it."""

    seconds: float
    cores: int
    gpus: int
    after: set[int]
    """Numbers of the tasks that it waits for."""


class Plan(NamedTuple):
    """How long it all takes."""

    wall_sec: float
    """With the cores and GPUs that there are."""
    chain_sec: float
    """With as many as one likes."""
    chain: list[int]
    """The tasks that take so long one after the other."""


def schedule(tasks: Sequence[Task], *, cores: int, gpus: int) -> Plan:
    """Start whatever is ready and has place, what has the longest rest behind it first.

    Args:
        tasks: In any order.
        cores: That there are; a task that asks for more gets all of them.
        gpus: Likewise.
    """
    following = _following(tasks)
    rest = _longest_rests(tasks, following)
    waits = [len(task.after) for task in tasks]
    ready = [(-rest[i], i) for i, count in enumerate(waits) if not count]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now, free_cores, free_gpus = 0.0, cores, gpus
    while ready or running:
        held = []
        while ready:
            place = heapq.heappop(ready)
            task = tasks[place[1]]
            if min(task.cores, cores) > free_cores or min(task.gpus, gpus) > free_gpus:
                held.append(place)
                continue
            free_cores -= min(task.cores, cores)
            free_gpus -= min(task.gpus, gpus)
            heapq.heappush(running, (now + task.seconds, place[1]))
        now, done = heapq.heappop(running)
        free_cores += min(tasks[done].cores, cores)
        free_gpus += min(tasks[done].gpus, gpus)
        for other in following[done]:
            waits[other] -= 1
            if not waits[other]:
                held.append((-rest[other], other))
        ready = held
        heapq.heapify(ready)
    chain = _longest_chain(tasks, following, rest)
    return Plan(now, max(rest, default=0.0), chain)


def _following(tasks: Sequence[Task]) -> list[list[int]]:
    following: list[list[int]] = [[] for _ in tasks]
    for number, task in enumerate(tasks):
        for before in task.after:
            following[before].append(number)
    return following


def _longest_rests(tasks: Sequence[Task], following: list[list[int]]) -> list[float]:
    """Of each task the seconds from its start to the end of the longest chain behind it."""
    open_after = [len(others) for others in following]
    rest = [0.0] * len(tasks)
    ends = [number for number, count in enumerate(open_after) if not count]
    seen = 0
    while ends:
        number = ends.pop()
        seen += 1
        rest[number] = tasks[number].seconds + max((rest[i] for i in following[number]), default=0)
        for before in tasks[number].after:
            open_after[before] -= 1
            if not open_after[before]:
                ends.append(before)
    if seen < len(tasks):
        raise InputError("the planned jobs wait for each other in a circle")
    return rest


def _longest_chain(
    tasks: Sequence[Task], following: list[list[int]], rest: list[float]
) -> list[int]:
    begins = [number for number, task in enumerate(tasks) if not task.after]
    chain = []
    while begins:
        longest = max(begins, key=rest.__getitem__)
        chain.append(longest)
        begins = following[longest]
    return chain
