"""What a person attended to, and when (Fig. 4): a table from scoring to figures.

One row for each weight of a softmax: the block, the person who attends (the target), and the slot
that is attended to, with both boxes, so that a figure needs nothing else but the frames. Weights
are as the softmax gave them; slots without anything in them are left out, so that the weights of a
target in one block sum to 1 where empty slots are masked, and to less where they take part.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from aia.tables import parquet
from aia.tables.schema import FLOAT, NAME, SIDES, Cells, Table

_NAME, _SLOT, _SIDE = Cells(NAME), Cells(pa.int32()), Cells(pa.float32())
_ATTENTION = Table(
    "weights of attention",
    {
        "video": _NAME,
        "time_sec": FLOAT,  # of the key frame
        "target": _SLOT,  # which of the clip's persons attends
        **dict.fromkeys(("target_x1", "target_y1", "target_x2", "target_y2"), _SIDE),
        "block": _NAME,  # block kind and 1-based index: P1, O1, M1, P2 ...
        "slot_sec": FLOAT,  # second that is attended to; time_sec for P and O
        "slot": _SLOT,  # which person or object of that second
        **dict.fromkeys((*SIDES, "weight"), _SIDE),
    },
)
ATTENTION_COLUMNS = tuple(_ATTENTION.columns)


def write_attention(path: Path | str, attention: pd.DataFrame) -> None:
    """Write rows with the columns `ATTENTION_COLUMNS`; none for a network without interactions."""
    rows = attention.reindex(columns=list(ATTENTION_COLUMNS)) if attention.empty else attention
    parquet.write_table(path, rows, _ATTENTION)


def read_attention(path: Path | str) -> pd.DataFrame:
    """Read what `write_attention` wrote, and normalise what is left of each softmax to sum to 1.

    The caption of Fig. 4 says so: attention to padding is removed and the rest is normalised.
    """
    data, _ = parquet.read_table(path, _ATTENTION)
    frame = data.select(ATTENTION_COLUMNS).to_pandas()
    sums = frame.groupby(["video", "time_sec", "target", "block"])["weight"].transform("sum")
    share = np.divide(frame["weight"], sums, out=np.zeros(len(frame)), where=sums.to_numpy() > 0)
    return frame.assign(weight=share.astype(np.float32))
