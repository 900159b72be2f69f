"""Jobs on cores and GPUs: when the last one ends, and the longest chain of them.

Amounts are of cores, GPUs and downloads, in this order.
"""

import heapq
from collections.abc import Sequence
from typing import NamedTuple


class Task(NamedTuple):
    """A job as the schedule sees it."""

    seconds: float
    needs: tuple[int, ...]
    """Amounts that it holds."""
    after: Sequence[int]
    """Numbers of the tasks that it waits for, all smaller than its own."""


class Schedule(NamedTuple):
    """How long all tasks take."""

    wall_sec: float
    """On the amounts that there are."""
    chain_sec: float
    """On any amounts."""
    chain: list[int]
    """The tasks that take so long one after the other."""


def schedule(tasks: Sequence[Task], amounts: tuple[int, ...]) -> Schedule:
    """Start each task when it is ready and fits, those with the longest chain behind them first.

    Args:
        tasks: Each after those that it waits for.
        amounts: What there is; a task that needs more gets all of it.
    """
    following: list[list[int]] = [[] for _ in tasks]
    for number, task in enumerate(tasks):
        for before in task.after:
            following[before].append(number)
    rest = [0.0] * len(tasks)  # seconds of the longest chain from the start of each task
    for number in reversed(range(len(tasks))):
        rest[number] = tasks[number].seconds + max((rest[n] for n in following[number]), default=0)

    waits = [len(task.after) for task in tasks]
    ready = [number for number, count in enumerate(waits) if not count]
    running: list[tuple[float, int]] = []
    now, free = 0.0, list(amounts)
    while ready or running:
        for number in sorted(ready, key=lambda n: -rest[n]):
            held = list(map(min, tasks[number].needs, amounts))
            if all(need <= left for need, left in zip(held, free, strict=True)):
                free = [left - need for left, need in zip(free, held, strict=True)]
                heapq.heappush(running, (now + tasks[number].seconds, number))
                ready.remove(number)
        now, done = heapq.heappop(running)
        held = list(map(min, tasks[done].needs, amounts))
        free = [left + need for left, need in zip(free, held, strict=True)]
        for number in following[done]:
            waits[number] -= 1
            if not waits[number]:
                ready.append(number)

    chain: list[int] = []
    step = [number for number, task in enumerate(tasks) if not task.after]
    while step:
        chain.append(max(step, key=rest.__getitem__))
        step = following[chain[-1]]
    return Schedule(now, max(rest, default=0.0), chain)
