"""aia: spatio-temporal action detection by Asynchronous Interaction Aggregation (ECCV 2020).

The map, in the order of the flow; an import never points up it:

    video/ detect/      perceive: films to frames, frames to boxes of persons and objects
    datasets/           who does what, where and when; clips in batches
    features/           the backbone F and RoIAlign: P_t and O_t
    interact/           the interaction blocks, and how IA nests them
    memory/             the pool Ω: READ, WRITE, Eq. 2
    network.py          N: all of Figure 2 in one forward
    train/              Algorithm 1, its loss, schedule, checkpoints; in several processes, ranks.py
    evaluate/ figures/  scores, tables, pictures
    budget/             what a target will take, before anything starts

The paper's symbols, as variables of `interact`, `memory`, `network` and `train`; words elsewhere:

    v_t⁽ⁱ⁾, (i, t)       ClipKey(video, t)                       clip.py
    P_t, O_t            P, O: Slots                             network.features
    hands (§6.1)        H: Slots, where a segment is asked about network.features
    M̂_t, L              M = recall(pool, keys, P, reach=L)      memory/pool.py
    Ω, P̂, δ             FeaturePool, its features, loss_tag     memory/pool.py, shared.py
    w, Eq. 2            trust(err, loss_tag)                    memory/pool.py
    E_t, Q_t, W_j       E, Q, W; Eq. 1 is dense_query(E, W)     interact/aggregation.py
    A_t                 SerialIA, DenseSerialIA, ParallelIA     interact/aggregation.py
    N, φ_N              Network and its parameters              network.py
"""
