"""Deterministic recipes for the golden outputs (numpy only, no torch needed).

Everything comes from numpy's *legacy* generator, np.random.RandomState(seed), whose
stream numpy guarantees never to change. seed = zlib.crc32(name.encode("utf-8")).
Values are drawn in float64 in C order and cast to float32 at the end.
"""

import zlib

import numpy as np


def rng(name):
    return np.random.RandomState(zlib.crc32(name.encode("utf-8")) & 0xFFFFFFFF)


def weight(key, shape):
    """Value of the state_dict entry `key` (the reference's own key name)."""
    r, shape = rng(key), tuple(shape)

    def n():
        return r.standard_normal(shape)

    def u():
        return r.random_sample(shape)

    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    if key.endswith("running_mean"):
        v = 0.1 * n()
    elif key.endswith("running_var"):
        v = 0.5 + u()  # in [0.5, 1.5)
    elif key.endswith("temporal_position_k") or key.endswith("temporal_position_v"):
        v = 0.3 * n()
    elif "dense_params." in key:
        v = n()
    elif key.endswith(".bias"):
        v = 0.1 * n()
    elif len(shape) == 1:  # a BatchNorm scale
        v = (0.5 + u()) * (0.15 if ".btnk.conv3." in key else 1.0)
    else:  # conv / linear weight
        fan_in = int(np.prod(shape[1:]))
        gain = 2.0 if key.startswith("backbone.") else 1.0
        if key.endswith(".query.weight") or key.endswith(".key.weight"):
            gain = 0.015  # keeps the attention away from saturation
        elif "_block_" in key and key.endswith(".out.weight"):
            gain = 64.0  # makes each block's part visible
        elif key.endswith("cls_score.weight"):
            gain = 0.01
        v = n() * np.sqrt(gain / fan_in)
    return v.astype(np.float32)


def raw_clip(name, frames, h, w, block=8):
    """uint8 [frames, h, w, 3] RGB: random colours on block x block cells, new every frame."""
    r = rng("clip:" + name)
    small = r.randint(0, 256, size=(frames, -(-h // block), -(-w // block), 3))
    big = small.repeat(block, axis=1).repeat(block, axis=2)
    return big[:, :h, :w].astype(np.uint8)


def feature(name, shape):
    """|N(0,1)|, float32: stands for max-pooled, post-ReLU RoI features."""
    return np.abs(rng("feat:" + name).standard_normal(tuple(shape))).astype(np.float32)


def normal(name, shape):
    return rng("normal:" + name).standard_normal(tuple(shape)).astype(np.float32)


# ---- the detector case -------------------------------------------------------------
CLIPS = [  # name, H, W, movie, timestamp
    ("c0", 128, 176, "movA", 905),
    ("c1", 112, 160, "movA", 907),
    ("c2", 128, 144, "movB", 1200),
]
PERSONS = [  # xyxy pixels of the (unpadded) clip; the reference's inclusive convention
    [[10.0, 12.0, 60.0, 120.0], [70.5, 20.25, 121.0, 126.0], [100.0, 5.0, 175.0, 90.0]],
    [[0.0, 0.0, 80.0, 111.0], [64.0, 30.0, 150.0, 100.0]],
    [[30.0, 16.0, 90.0, 127.0]],
]
OBJECTS = [
    [[40.0, 60.0, 80.0, 100.0], [120.0, 80.0, 160.0, 120.0]],
    [[5.0, 50.0, 60.0, 105.0]],
    [],
]


def memory_timestamps():
    """(movie, timestamp) -> number of stored persons. Holes on purpose (t % 3 == 0)."""
    d = {}
    for t in range(870, 945):
        if t % 3 != 0:
            d[("movA", t)] = 1 + t % 5
    for t in (1150, 1171, 1199, 1201, 1230, 1231):  # 1150 and 1231 lie outside the window
        d[("movB", t)] = 2
    return d


def memory_feature(movie, t, n, dim=2304):
    return np.float32(8.0) * feature(f"mem:{movie}:{t}", (n, dim, 1, 1, 1))
