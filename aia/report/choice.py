"""Key frames to show, chosen by the annotations alone: none is picked by its scores."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd


class Second(NamedTuple):
    """Name of a key frame."""

    video: str
    t: float
    """Time in seconds, to the millisecond."""


def second_of(video: str, time_sec: float) -> Second:
    """Name the key frame at a time.

    >>> second_of("a", 2.3199999) == second_of("a", 2.32), second_of("a", 2.0)
    (True, Second(video='a', t=2.0))
    """
    return Second(video, round(float(time_sec), 3))


def places_by_second(rows: pd.DataFrame) -> dict[Second, list[int]]:
    """Find the places of rows by their key frame, in the order of the rows."""
    places: dict[Second, list[int]] = {}
    for place, (video, t) in enumerate(
        zip(rows["video"], rows["time_sec"].to_numpy(float), strict=True)
    ):
        places.setdefault(second_of(video, t), []).append(place)
    return places


def by_second(rows: pd.DataFrame) -> dict[Second, pd.DataFrame]:
    """Group rows by their key frame."""
    return {second: rows.iloc[found] for second, found in places_by_second(rows).items()}


def choose_seconds(candidates: Mapping[Second, pd.DataFrame], *, most: int) -> list[Second]:
    """Choose key frames that together show every action, rare ones first, from many videos."""
    with_action: dict[int, list[Second]] = {}
    for second, rows in candidates.items():
        for action in rows["action"].unique():
            with_action.setdefault(int(action), []).append(second)
    chosen: list[Second] = []
    queue = sorted(with_action, key=lambda action: (len(with_action[action]), action))
    while len(chosen) < min(most, len(candidates)):
        for action in queue:
            left = [second for second in with_action[action] if second not in chosen]
            if left and len(chosen) < most:
                seen = [second.video for second in chosen]
                # the middle one of the video that was shown least: it has a before and an after
                least = min(seen.count(second.video) for second in left)
                fresh = [second for second in left if seen.count(second.video) == least]
                chosen.append(fresh[len(fresh) // 2])
    return sorted(chosen)


def spread(seconds: list[Second], *, most: int) -> list[Second]:
    """Choose evenly from a sorted list.

    >>> spread([Second("a", t) for t in range(5)], most=2)
    [Second(video='a', t=1), Second(video='a', t=3)]
    """
    count = min(most, len(seconds))
    places = ((np.arange(count) + 0.5) * len(seconds) / count).astype(int)
    return [seconds[place] for place in places]
