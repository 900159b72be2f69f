"""aia: spatio-temporal action detection by Asynchronous Interaction Aggregation (ECCV 2020).

The map, in the order of the flow; an import never points up it:

    video/ detect/      perceive: videos to frames, frames to boxes of persons and objects
    datasets/           who does what, where and when; clips in batches
    features/           the backbone F and RoIAlign: P_t and O_t
    interact/           the interaction blocks, and how IA nests them
    memory/             the kinds of memory, and the pool Ω: READ, WRITE, Eq. 2
    network.py          N: all of Figure 2 in one forward
    run.py              what a run is made of: build its network, load its model
    train/              Algorithm 1, its loss, schedule, checkpoints; in several processes, ranks.py
    evaluate/ figures/  scores, tables, pictures
    budget/             estimates what a target costs, before anything starts

The paper's symbols, as variables of `interact`, `memory`, `network` and `train`; words elsewhere:

    v_t⁽ⁱ⁾, (i, t)       ClipKey(video, t)                       clip.py
    P_t, O_t            P, O: Slots                             network.features
    hands (§6.1)        H: Slots, where a segment is asked about network.features
    M_t                 memory.read(batch, P, err, step).M      memory/kinds.py
    M̂_t, L              recall(pool, keys, P, reach=L)          memory/pool.py
    Ω, P̂, δ             FeaturePool, its features, loss_tag     memory/pool.py, shared.py
    w, Eq. 2            trust(err, loss_tag)                    memory/pool.py
    E_t, Q_t, W_j       E, Q, W; Eq. 1 is dense_query(E, W)     interact/aggregation.py
    A_t                 SerialIA, DenseSerialIA, ParallelIA     interact/aggregation.py
    N, φ_N              Network and its parameters              network.py

The public names below are imported when they are used: `import aia` alone does not load torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aia.api import Predictor, load
    from aia.evaluate.frame_map import evaluate_ava
    from aia.memory import FeaturePool
    from aia.network import Network
    from aia.predict.prediction import Prediction
    from aia.predict.stream import Moment
    from aia.run import Model, Run
    from aia.video.store import FrameStore

__version__ = "0.1.0"

__all__ = [
    "FeaturePool",
    "FrameStore",
    "Model",
    "Moment",
    "Network",
    "Prediction",
    "Predictor",
    "Run",
    "__version__",
    "evaluate_ava",
    "load",
]

_PLACES = {
    "FeaturePool": "aia.memory",
    "FrameStore": "aia.video.store",
    "Model": "aia.run",
    "Moment": "aia.predict.stream",
    "Network": "aia.network",
    "Prediction": "aia.predict.prediction",
    "Predictor": "aia.api",
    "Run": "aia.run",
    "evaluate_ava": "aia.evaluate.frame_map",
    "load": "aia.api",
}


def __getattr__(name: str) -> Any:
    """Import a public name on its first use (PEP 562)."""
    if name not in _PLACES:
        raise AttributeError(f"module 'aia' has no attribute '{name}'")
    globals()[name] = value = getattr(importlib.import_module(_PLACES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(globals() | dict.fromkeys(__all__))
