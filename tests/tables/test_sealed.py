import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aia.errors import InputError
from aia.tables.parquet import load_parquet
from aia.tables.sealed import check_seal, write_parquet


@pytest.fixture
def table() -> pa.Table:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"video": ["kitchen"] * 50, "x1": rng.random(50), "label": "person"})
    return pa.Table.from_pandas(frame, preserve_index=False)


def test_a_sealed_file_is_an_ordinary_one(table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", table)
    check_seal(tmp_path / "a.parquet")
    assert pq.read_table(tmp_path / "a.parquet").equals(table)
    write_parquet(tmp_path / "b.parquet", table)
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_the_seal_is_the_files_crc_32_with_zeros_in_its_own_place(table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", table)
    whole = (tmp_path / "a.parquet").read_bytes()
    seal = pq.read_metadata(tmp_path / "a.parquet").metadata[b"aia.crc32"]
    assert whole.count(seal) == 1
    assert int(seal, 16) == zlib.crc32(whole.replace(seal, b"00000000"))


def test_whichever_byte_is_another_the_table_is_refused_or_the_same(table, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, table)
    whole = path.read_bytes()
    refusals = []
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x04]) + whole[place + 1 :])
        try:
            assert load_parquet(path, (), "a table").equals(table)
        except InputError as error:
            refusals.append(str(error))
    assert all(refusal.startswith(f"{path}: ") for refusal in refusals)
    assert len(refusals) >= len(whole) - len("..aia.crc32..")  # the seal's own name


def test_a_file_of_another_program_has_no_seal(table, tmp_path: Path) -> None:
    pq.write_table(table, tmp_path / "a.parquet")
    check_seal(tmp_path / "a.parquet")
    assert load_parquet(tmp_path / "a.parquet", ("video",), "a table").equals(table)


def test_a_table_of_nothing_is_sealed_too(table, tmp_path: Path) -> None:
    write_parquet(tmp_path / "none.parquet", table.slice(0, 0))
    check_seal(tmp_path / "none.parquet")
    assert len(load_parquet(tmp_path / "none.parquet", (), "a table")) == 0


def test_a_block_of_the_sum_may_end_at_the_seal(table, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("aia.tables.sealed._BLOCK_BYTES", 7)
    write_parquet(tmp_path / "a.parquet", table)
    monkeypatch.undo()
    check_seal(tmp_path / "a.parquet")
