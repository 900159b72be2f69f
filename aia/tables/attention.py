"""Whom, what and which second a person attended to (Fig. 4): a table from scoring to figures.

One row for each weight of a softmax: the block, the person who attends (the target), and the slot
that is attended to, with both boxes, so that a figure needs nothing else but the frames. Weights
are as the softmax gave them; slots without anything in them are left out, so that the weights of a
target in one block sum to 1 where empty slots are masked, and to less where they take part.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from aia.tables.parquet_reader import load_parquet, typed
from aia.tables.sealed import write_parquet

_SCHEMA = pa.schema(
    {
        "video": pa.string(),
        "time_sec": pa.float64(),  # of the key frame
        "target": pa.int32(),  # which of the clip's persons attends
        "target_x1": pa.float32(),
        "target_y1": pa.float32(),
        "target_x2": pa.float32(),
        "target_y2": pa.float32(),
        "block": pa.string(),  # its kind and the how manyth of its kind: P1, O1, M1, P2 ...
        "slot_sec": pa.float64(),  # the second that is attended to; time_sec for P and O
        "slot": pa.int32(),  # which person or object of that second
        "x1": pa.float32(),
        "y1": pa.float32(),
        "x2": pa.float32(),
        "y2": pa.float32(),
        "weight": pa.float32(),
    }
)
ATTENTION_COLUMNS = tuple(_SCHEMA.names)


def write_attention(path: Path | str, attention: pd.DataFrame) -> None:
    """Write rows with the columns `ATTENTION_COLUMNS`; none for a network without interactions."""
    if attention.empty:
        table = _SCHEMA.empty_table()
    else:
        table = pa.Table.from_pandas(
            attention[list(ATTENTION_COLUMNS)], schema=_SCHEMA, preserve_index=False, safe=False
        )
    write_parquet(path, table.replace_schema_metadata(None))


def read_attention(path: Path | str) -> pd.DataFrame:
    """Read what `write_attention` wrote, with what is left of each softmax made to sum to 1.

    The caption of Fig. 4 says so: attention to padding is removed and the rest is normalised.
    """
    table = load_parquet(path, ATTENTION_COLUMNS, "weights of attention")
    kinds = dict(zip(_SCHEMA.names, _SCHEMA.types, strict=True))
    frame = typed(path, table.select(list(ATTENTION_COLUMNS)), kinds).to_pandas()
    sums = frame.groupby(["video", "time_sec", "target", "block"])["weight"].transform("sum")
    share = np.divide(frame["weight"], sums, out=np.zeros(len(frame)), where=sums.to_numpy() > 0)
    return frame.assign(weight=share.astype(np.float32))
