"""The frame store's file, where the file system is not a plain disk."""

import fcntl
from pathlib import Path

import h5py
import numpy as np

from aia.video import layout


def test_a_store_is_written_where_locks_cannot_be_had(tmp_path: Path) -> None:
    """A lock that somebody else holds stands for a file system that has none."""
    skipped, store = tmp_path / "skipped.h5", tmp_path / "store.h5"
    with open(skipped, "wb") as one, open(store, "wb") as other:
        fcntl.flock(one, fcntl.LOCK_EX)
        fcntl.flock(other, fcntl.LOCK_EX)
        layout.write_skipped(skipped, "not a film")
        index = {"offsets": np.arange(3)}
        with open(tmp_path / "spool", "w+b") as spool:
            spool.write(b"frames")
            layout.write_store(store, index, {"fps": 10.0}, spool)
        assert layout.skipped_reason(skipped) == "not a film"
        with h5py.File(store, locking=False) as file:
            assert file["offsets"][()].tolist() == [0, 1, 2]
