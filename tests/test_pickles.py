"""Only plain values come out of a pickle, and nothing of it is run."""

import collections
import io
import os
import pickle
import re
import resource
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from aia.errors import InputError
from aia.pickles import read_pickle

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def written(folder: Path, value: object, protocol: int = 4) -> Path:
    path = folder / "value.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    return path


class Runs:
    """Unpickling this calls a function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        {"a": [1, 2.5, None, True, "text", b"bytes", (3, {4, 5})]},
        collections.OrderedDict(first=1, second={"third": 3}),
    ],
    ids=["empty dictionary", "empty list", "plain values", "ordered dictionary"],
)
def test_plain_values_come_back(tmp_path, value, protocol):
    assert read_pickle(written(tmp_path, value, protocol)) == value


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 3), np.float32),
        np.arange(30, dtype=">i4").reshape(2, 3, 5),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(["walk", "sit"]),
        np.array([True, False]),
        np.float32(2.5),
    ],
    ids=["empty", "big-endian", "column-major", "texts", "booleans", "scalar"],
)
def test_arrays_come_back(tmp_path, array, protocol):
    (found,) = read_pickle(written(tmp_path, [array], protocol))
    assert type(found) is type(array)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


def test_an_array_may_be_written_to(tmp_path):
    assert read_pickle(written(tmp_path, np.zeros(3))).flags.writeable


def test_an_array_that_stands_twice_is_one(tmp_path):
    array = np.zeros(3)
    first, second = read_pickle(written(tmp_path, [array, array]))
    assert first is second


def test_files_of_python_2_need_their_encoding(tmp_path):
    path = tmp_path / "old.pkl"
    path.write_bytes(  # {'w': numpy.array([1, 255], '<u2')}, as Python 2 wrote it
        b"\x80\x02}q\x01U\x01wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        b"U\x01b\x87R(K\x01K\x02\x85cnumpy\ndtype\nU\x02u2K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff"
        b"\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x04\x01\x00\xff\x00tbs."
    )
    assert read_pickle(path, encoding="latin1")["w"].tolist() == [1, 255]
    with pytest.raises(InputError, match="not a whole pickle"):
        read_pickle(path)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_command_in_a_pickle_is_refused_and_does_not_run(tmp_path, protocol):
    trace = tmp_path / "trace"
    path = written(tmp_path, {"weights": Runs(os.system, f"touch {trace}")}, protocol)
    with pytest.raises(InputError, match=r"would run posix\.system"):
        read_pickle(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())  # the file is what it claims to be
    assert trace.exists()


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Runs(eval, "1"), r"builtins\.eval"),
        (Runs(getattr, "", "join"), r"builtins\.getattr"),
        (Runs(subprocess.check_output, ["true"]), r"subprocess\.check_output"),
        (Runs(np.load, "file.npy"), "numpy.*load"),
        (Fraction(1, 2), r"fractions\.Fraction"),
        (len, r"builtins\.len"),
        (np.array([None]), r"numpy\.dtype of 'O8'"),
        (np.zeros(2, [("x", "f4")]), r"numpy\.dtype of 'V4'"),
        (Runs(np.ndarray, (1 << 40,)), r"numpy\.ndarray itself"),
    ],
    ids=["eval", "getattr", "process", "numpy.load", "class", "name", "objects", "records", "size"],
)
def test_anything_else_is_refused_by_name(tmp_path, value, name):
    with pytest.raises(InputError, match=f"would run {name}"):
        read_pickle(written(tmp_path, value))


def test_a_function_kept_as_a_value_is_refused(tmp_path):
    with pytest.raises(InputError, match="a function kept as a value"):
        read_pickle(written(tmp_path, [np.ndarray]))


def test_a_function_of_the_list_cannot_be_changed(tmp_path):
    path = tmp_path / "change.pkl"
    path.write_bytes(b"\x80\x02cnumpy\ndtype\n}X\x05\x00\x00\x00valueK\x01sb.")  # BUILD on it
    with pytest.raises(InputError, match="a change of a function"):
        read_pickle(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04]"], ids=["empty", "zip", "cut"])
def test_what_is_no_pickle_is_an_input_error(tmp_path, content):
    path = tmp_path / "broken.pkl"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a whole pickle"):
        read_pickle(path)


def test_endless_nesting_is_an_input_error(tmp_path):
    path = tmp_path / "deep.pkl"
    path.write_bytes(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    with pytest.raises(InputError, match="nested too deep"):
        read_pickle(path)


NEST = b")" + b"2\x86" * 40
"""A tuple twice in a tuple, which stands twice in another, and so on: 2⁴⁰ parts in 81 bytes."""
LISTS = b"]" + b"q\x00]h\x00ah\x00a" * 40
U1 = b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85Rq\x01"
MEGABYTE = (1 << 20).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"}" + NEST + b"K\x01s", "a key of a dictionary, or a part of a set, is a tuple"),
        (b"}(" + NEST + b"K\x01u", "is a tuple"),
        (b"(" + NEST + b"K\x01d", "is a tuple"),
        (b"\x8f(" + NEST + b"\x90", "is a tuple"),
        (b"(" + NEST + b"\x91", "is a tuple"),
        (b"c__builtin__\nset\n](" + NEST + b"e\x85R", "is a tuple"),
        (b"c__builtin__\nfrozenset\n](" + NEST + b"e\x85R", "is a tuple"),
        (b"ccollections\nOrderedDict\n](" + NEST + b"K\x01\x86e\x85R", "is a tuple"),
        (b"}\x8a\x0a" + b"\x01" * 10 + b"K\x01s", "is a int, which is no text and no number"),
        (NEST, "a container of it stands in itself, or in too many others"),
        (LISTS, "a container of it stands in itself, or in too many others"),
        (b"]q\x00h\x00a", "a container of it stands in itself"),
        (b"cnumpy\ndtype\n" + NEST + b"\x85R", "would run numpy.dtype of 'tuple'"),
        (b"c_codecs\nencode\nX\x01\x00\x00\x00a" + NEST + b"\x86R", "would run _codecs.encode"),
        (b"cnumpy.core.numeric\n_frombuffer\n(\x8a\x06" + b"\x01" * 6
         + b"cnumpy\ndtype\nX\x02\x00\x00\x00u1\x85R)X\x01\x00\x00\x00CtR", "not a whole pickle"),
        (b"cnumpy.core.numeric\n_frombuffer\nq\x02B" + MEGABYTE + bytes(1 << 20) + b"q\x00" + U1
         + b"(" + b"h\x02(h\x00h\x01J\x00\x00\x10\x00X\x01\x00\x00\x00CtR" * 20_000 + b"l",
         "made of the same bytes too often"),
        (b"X" + MEGABYTE + b"a" * (1 << 20) + b"q\x00c_codecs\nencode\nq\x01("
         + b"h\x01h\x00X\x06\x00\x00\x00latin1\x86R" * 20_000 + b"l",
         "made of the same bytes too often"),
        (b"](" + b"K\x01" * (1 << 16) + b"eq\x00c__builtin__\nset\nq\x01("
         + b"h\x01h\x00\x85R" * 20_000 + b"l", "made of the same bytes too often"),
        (LISTS + b"q\x05cnumpy.core.numeric\n_frombuffer\n(C\x01a" + U1
         + b"K\x01X\x01\x00\x00\x00CtRK\x00h\x05s", "not a whole pickle"),
        (b"\x96" + b"\x00\x00\x00\x00\x00\x01\x00\x00", "not a whole pickle"),
        (b"Nr\xff\xff\xff\x7f0", "not a whole pickle"),
    ],
    ids=["key", "keys", "dictionary", "parts", "frozen set", "called set", "called frozen set",
         "ordered dictionary", "number", "tuples", "lists", "itself", "dtype", "encoding", "size",
         "same bytes", "same text", "same parts", "array's numbers", "bytes", "memo"],
)  # fmt: skip
def test_a_few_bytes_that_would_take_all_time_or_memory_are_refused(tmp_path, content, message):
    path = tmp_path / "bomb.pkl"
    path.write_bytes(b"\x80\x05" + content + b".")
    read = "import sys, pathlib, aia.pickles as p; p.read_pickle(pathlib.Path(sys.argv[1]))"
    limits = (4 << 30, 4 << 30)
    done = subprocess.run(
        [sys.executable, "-c", read, path],
        timeout=60,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, limits),
    )
    assert re.search(rf"InputError: .*bomb\.pkl: .*{message}", done.stderr), done.stderr[-500:]


def test_parts_that_stand_a_few_times_are_no_bomb(tmp_path):
    size = (240, 320)
    value = {f"film {number}": size for number in range(500)}
    assert read_pickle(written(tmp_path, value)) == value


def test_a_missing_file_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_pickle(tmp_path / "none.pkl")


def test_the_ucf_annotations_are_what_numpy_makes_of_them(shared_data):
    path = shared_data / "ucf101-24" / "pyannot.pkl"
    found, expected = read_pickle(path), pickle.loads(path.read_bytes())
    assert found.keys() == expected.keys()
    for video, entry in expected.items():
        for tube, wanted in zip(found[video]["annotations"], entry["annotations"], strict=True):
            np.testing.assert_array_equal(tube["boxes"], wanted["boxes"])
            assert (tube["sf"], tube["ef"]) == (wanted["sf"], wanted["ef"])


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")  # torch's own, as it is pickled
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16", "int64", "bool"])
def test_tensors_come_back_as_arrays(tmp_path, dtype, protocol):
    whole = torch.arange(24).reshape(2, 3, 4).to(getattr(torch, dtype))
    for tensor in (whole, whole[1, 1:, ::2].T, whole[:0], whole[0, 0, 3]):
        found = read_pickle(written(tmp_path, [tensor], protocol))[0]
        np.testing.assert_array_equal(found, tensor.float() if dtype == "bfloat16" else tensor)


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_a_tensor_is_refused_that_runs_something_or_has_more_than_its_numbers(tmp_path):
    class Evil:
        def __reduce__(self):
            return torch.storage._load_from_bytes, (evil,)

    evil = io.BytesIO()
    torch.save(Runs(os.system, f"touch {tmp_path / 'executed'}"), evil)
    evil = evil.getvalue()
    with pytest.raises(InputError, match=r"not a whole pickle .*[Ww]eights.only|would run"):
        read_pickle(written(tmp_path, Evil()))
    assert not (tmp_path / "executed").exists()
    flat = torch.arange(6.0)
    for offset, size, stride in ((0, (7,), (1,)), (1, (2, 3), (3, 1)), (-1, (1,), (1,)),
                                 (0, (6, 6), (0, 0)), (5, (2,), (-1,))):  # fmt: skip
        call = Runs(
            torch._utils._rebuild_tensor_v2, flat.storage(), offset, size, stride, False, {}
        )
        with pytest.raises(InputError, match="a tensor of .* in 6 numbers"):
            read_pickle(written(tmp_path, call))
