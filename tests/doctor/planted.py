"""A score file such as a good network leaves, and the mistakes that people make with one."""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

SIDES = ["x1", "y1", "x2", "y2"]


class Kind(NamedTuple):
    """How a data set looks."""

    films: int = 6
    start_sec: int = 902
    seconds: int = 60
    ids: tuple[int, ...] = tuple(range(1, 81))
    persons: int = 3
    jitter: float = 0.02
    step: float = 0.05
    """How far persons go in a second; 0: they stay."""
    missed: float = 0.05
    skill: float = 2.5
    """Standard deviations between the scores of what happens and of what does not."""
    floor: float = 0.0
    """Scores below are left out, where what happens scores more."""
    decimals: int = 6


def good(kind: Kind, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ground truth and detections."""
    truth, scores = _good(kind, seed)
    return truth.copy(), scores.copy()


@cache
def _good(kind: Kind, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(seed)
    ids = np.array(kind.ids)
    frequency = 1 / np.arange(1, len(ids) + 1)
    frequency = random.permutation(frequency / frequency.sum())
    truths, found = [], []
    for film in range(kind.films):
        video = f"film{film}_{'abcdefgh'[film % 8]}XyZ"
        persons = 1 + random.integers(0, 2 * kind.persons - 1)
        size = random.uniform((0.08, 0.25), (0.25, 0.7), (persons, 2))
        corner = random.uniform(0, 1 - size)
        does = [random.choice(ids, 2, replace=False, p=frequency) for _ in range(persons)]
        for second in range(kind.start_sec, kind.start_sec + kind.seconds):
            corner = np.clip(corner + random.normal(0, kind.step, size.shape), 0, 1 - size)
            for person in range(persons):
                if random.random() < 0.1:
                    does[person] = random.choice(ids, random.integers(1, 4), False, frequency)
                box = np.concatenate([corner[person], corner[person] + size[person]]).round(3)
                truths += [(video, second, *box, int(a)) for a in np.sort(does[person])]
                if random.random() < kind.missed:
                    continue
                near = box + random.normal(0, kind.jitter, 4) * np.tile(size[person], 2)
                found += _scored(video, second, near, does[person], kind, random)
            if random.random() < 0.3:
                corner_of_none = random.uniform(0, 0.6, 2)
                none = np.concatenate(
                    [corner_of_none, corner_of_none + random.uniform(0.1, 0.4, 2)]
                )
                found += _scored(video, second, none, [], kind, random)
    columns = ["video", "second", *SIDES, "action"]
    truth = pd.DataFrame(truths, columns=columns)
    scores = pd.DataFrame(found, columns=[*columns, "score"])
    scores[SIDES] = scores[SIDES].clip(0, 1).round(4)
    return truth, scores


def _scored(video, second, box, does, kind, random):
    ids = np.array(kind.ids)
    logit = random.normal(-4, 1, len(ids)) + kind.skill * np.isin(ids, does)
    score = (1 / (1 + np.exp(-logit))).round(kind.decimals)
    kept = (score >= kind.floor) | np.isin(ids, does)
    return [(video, second, *box, int(i), s) for i, s in zip(ids[kept], score[kept], strict=True)]


KINDS = {
    "ava": Kind(seconds=30),
    "playhouse": Kind(films=8, start_sec=1, seconds=30, ids=tuple(range(1, 17)), persons=2),
    "one film": Kind(films=1, start_sec=0, seconds=80, ids=tuple(range(1, 13)), persons=4),
    "rounded": Kind(films=4, seconds=40, ids=tuple(range(1, 61)), decimals=3),
    "few rows": Kind(films=5, seconds=50, ids=tuple(range(1, 61)), floor=0.02),
    "standing": Kind(films=4, seconds=40, ids=tuple(range(1, 31)), step=0.0),
    "weak": Kind(films=4, seconds=50, ids=tuple(range(1, 31)), skill=1.0, missed=0.2, jitter=0.08),
}


def ids_low(scores):
    return scores.assign(action=scores["action"] - 1)


def ids_high(scores):
    return scores.assign(action=scores["action"] + 1)


def pixels(scores):
    scaled = scores[SIDES] * [640, 360, 640, 360]
    return scores.assign(**scaled.round(1))


def pixels_by_film(scores):
    film = scores["video"].astype("category").cat.codes.to_numpy()
    wide = np.array([320, 640, 1280, 400])[film % 4]
    tall = np.array([240, 360, 720, 300])[film % 4]
    scaled = scores[SIDES].to_numpy() * np.column_stack([wide, tall, wide, tall])
    return scores.assign(**dict(zip(SIDES, scaled.round(1).T, strict=True)))


def late(scores):
    return scores.assign(second=scores["second"] + 1)


def half_a_second(scores):
    return scores.assign(second=scores["second"] + 0.5)


def from_the_start(scores):
    return scores.assign(second=scores["second"] - scores["second"].min())


def offset_by_film(scores):
    film = scores["video"].astype("category").cat.codes
    return scores.assign(second=scores["second"] + 3 * film + 4)


def milliseconds(scores):
    return scores.assign(second=scores["second"] * 1000)


def counted_at_30(scores):
    return scores.assign(second=scores["second"] * 25 / 30)


def frame_numbers(scores):
    return scores.assign(second=(scores["second"] - scores["second"].min()) * 30)


def threshold(scores):
    return scores[scores["score"] >= 0.3]


def half_the_frames(scores):
    return scores[scores["second"] % 2 == 0]


def a_film_missing(scores):
    return scores[scores["video"] != scores["video"].iloc[0]]


def a_class_missing(scores, truth):
    return scores[scores["action"] != truth["action"].value_counts().index[0]]


def a_constant_class(scores, truth):
    often = truth["action"].value_counts().index[0]
    return scores.assign(score=scores["score"].where(scores["action"] != often, 0.0))


def swapped_xy(scores):
    return scores.assign(x1=scores["y1"], y1=scores["x1"], x2=scores["y2"], y2=scores["x2"])


def xywh(scores):
    return scores.assign(x2=scores["x2"] - scores["x1"], y2=scores["y2"] - scores["y1"])


def xywh_in_pixels(scores):
    return pixels(xywh(scores))


def cxcywh(scores):
    wide, tall = scores["x2"] - scores["x1"], scores["y2"] - scores["y1"]
    return scores.assign(x1=scores["x1"] + wide / 2, y1=scores["y1"] + tall / 2, x2=wide, y2=tall)


def upside_down(scores):
    return scores.assign(y1=1 - scores["y2"], y2=1 - scores["y1"])


def mirrored(scores):
    return scores.assign(x1=1 - scores["x2"], x2=1 - scores["x1"])


def letterbox(scores):
    return scores.assign(y1=0.22 + 0.56 * scores["y1"], y2=0.22 + 0.56 * scores["y2"])


def shifted(scores):
    return scores.assign(x1=scores["x1"] + 0.08, x2=scores["x2"] + 0.08)


def corners(scores):
    return scores.assign(x1=scores["x2"], y1=scores["y2"], x2=scores["x1"], y2=scores["y1"])


def some_corners(scores):
    some = np.arange(len(scores)) // 200 % 2 == 0
    return scores.assign(
        x1=scores["x1"].where(some, scores["x2"]), x2=scores["x2"].where(some, scores["x1"])
    )


def endings(scores):
    return scores.assign(video=scores["video"] + ".mp4")


def prefixes(scores):
    return scores.assign(video="v_" + scores["video"])


def small_letters(scores):
    return scores.assign(video="clips/" + scores["video"].str.lower())


def twice(scores):
    return pd.concat([scores, scores.iloc[::2]])


def proposals(scores):
    random = np.random.default_rng(1)
    copies = [scores]
    for _ in range(3):
        boxes = scores.groupby(["video", "second", *SIDES], sort=False).ngroup().to_numpy()
        noise = random.normal(0, 0.008, (boxes.max() + 1, 4))[boxes]
        noisy = np.clip(scores[SIDES].to_numpy() + noise, 0, 1).round(4)
        moved = scores.assign(**dict(zip(SIDES, noisy.T, strict=True)))
        copies.append(moved.assign(score=scores["score"] * random.uniform(0.85, 0.99)))
    return pd.concat(copies)


def other_seconds(scores):
    more = scores.assign(second=scores["second"] + 5000)
    return pd.concat([scores, more])


FAULTS = {
    "off by one": (ids_low, ids_high),
    "in pixels": (pixels, pixels_by_film, xywh_in_pixels),
    "clock offset": (late, half_a_second, from_the_start, offset_by_film),
    "in milliseconds": (milliseconds,),
    "in frames": (frame_numbers,),
    "of another rate": (counted_at_30,),
    "threshold": (threshold,),
    "no detections on": (half_the_frames, a_film_missing),
    "classes are missing": (a_class_missing, a_constant_class),
    "x and y are swapped": (swapped_xy,),
    "x, y, width": (xywh,),
    "centre x": (cxcywh,),
    "y is flipped": (upside_down,),
    "mirrored": (mirrored,),
    "scaled": (letterbox,),
    "shifted": (shifted,),
    "corners are swapped": (corners, some_corners),
    "video names": (endings, prefixes, small_letters),
    "duplicate": (twice,),
    "no NMS": (proposals,),
    "does not list": (other_seconds,),
}
