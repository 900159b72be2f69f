"""A restricted unpickler: numbers, texts, numpy arrays and tensors in plain containers.

Unpickling calls whatever a file names, and published checkpoints are the files of strangers. Here
only a few names are accepted, and each stands for a function of ours: what a file says of an array
is checked, and the array made from its bytes.

A small pickle can also describe a huge value (a container twice in one that stands twice in one,
and so on), and hashing, showing or copying it would not end. So keys are texts and numbers alone,
and the size of a value, written out in full, is bounded by that of its file; so is what is copied
while it is read.
"""

import io
import itertools
import math
import pickle
import struct
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from aia.errors import InputError

_LARGEST = 4 << 30  # bytes; no published checkpoint of a backbone comes near
_LONGEST_BITS = 64  # of a number that is a key
_REPEATS = 16  # how often a file may refer to each of its parts
_SHORTLY = 64  # parts that a file remembers while it describes an array; numpy has about 20
_PLAIN_KINDS = "biufcSU"  # booleans, numbers, fixed-length texts: never pointers to objects


class PickleBombError(Exception):
    """Payload would expand without bound."""


class _RefusedError(Exception):
    """Payload would call something that plain values do not need."""


def read_pickle(path: Path, *, encoding: str = "ASCII") -> Any:
    """Read a pickle file without executing anything of it.

    Args:
        path: The file.
        encoding: Of texts in files that Python 2 wrote (`latin1` where they hold arrays).

    Returns:
        Dictionaries, lists, tuples, sets, numbers, texts, bytes and numpy arrays, also for tensors.

    Raises:
        InputError: The file names anything else, or is no pickle.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise InputError(f"{path}: {size} bytes are more than a checkpoint is expected to have")
        value = _Unpickler(path.read_bytes(), encoding).load()
        _count(value, _REPEATS * size, {})
    except InputError:
        raise
    except PickleBombError as error:
        raise InputError(
            f"{path}: {error}; expected texts, numbers and arrays in plain containers, each told "
            "once. Is it a file of this kind, from a source that you trust?"
        ) from None
    except _RefusedError as error:
        raise InputError(
            f"{path}: this pickle would run {error}; only numbers, texts and arrays in plain "
            "containers are read. Is it a checkpoint of this kind, from a source that you trust?"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise InputError(f"{path}: its containers are nested too deep for a checkpoint") from None
    except Exception as error:  # a damaged pickle raises almost anything
        raise InputError(f"{path}: not a whole pickle ({type(error).__name__}: {error})") from None
    return value


class _Dtype:
    """Type of an array's numbers, as a file describes it."""

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        short = isinstance(code, str) and len(code) < 80
        self.value = np.dtype(code) if short else np.dtype(object)
        if self.value.kind not in _PLAIN_KINDS:
            shown = code[:80] if isinstance(code, str) else type(code).__name__
            raise _RefusedError(f"numpy.dtype of {shown!r}")


class _Array:
    """Array that a file is about to describe."""

    def __init__(self, kind: Any, shape: Any, code: Any) -> None:
        pass


def _no_call(*arguments: Any) -> NoReturn:
    raise _RefusedError("numpy.ndarray itself")


def _check_keys(values: Iterable[Any]) -> None:
    """Check values that are about to be keys of a dictionary or parts of a set."""
    for value in values:
        plain = isinstance(value, str | bytes | float | np.number | None)
        if not (plain or (isinstance(value, int) and value.bit_length() <= _LONGEST_BITS)):
            raise PickleBombError(
                f"a key of a dictionary, or a part of a set, is a {type(value).__name__}, which is "
                "no text and no number of ordinary size"
            )


class _WholeLines(io.BytesIO):
    """Bytes of a file, where Python's own unpickler would take half a line for a name."""

    def readline(self, size: int | None = -1) -> bytes:
        """Read a line to its end."""
        line = super().readline(size)
        if not line.endswith(b"\n"):
            raise EOFError("it is cut off")
        return line


_PythonUnpickler: Any = pickle._Unpickler


class _Unpickler(_PythonUnpickler):
    """Python's own, in Python: the one in C lets nobody see a key before it is hashed."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(_PythonUnpickler.dispatch)

    def __init__(self, content: bytes, encoding: str) -> None:
        super().__init__(_WholeLines(content), encoding=encoding)
        self._left = _REPEATS * len(content)
        self._allowed: dict[str, Callable[..., Any]] = {
            "numpy.ndarray": _no_call,  # only named, as the kind that _reconstruct makes
            "numpy.dtype": _Dtype,
            "_codecs.encode": self._encode,
            "collections.OrderedDict": self._dictionary,
            "torch.storage._load_from_bytes": self._storage,
            "torch._utils._rebuild_tensor_v2": self._tensor,
        }
        for module in ("builtins", "__builtin__"):
            self._allowed |= {
                f"{module}.set": lambda parts=(): set(self._parts(parts)),
                f"{module}.frozenset": lambda parts=(): frozenset(self._parts(parts)),
                f"{module}.bytes": lambda: b"",  # no bytes, before protocol 3
            }
        for core in ("numpy.core", "numpy._core"):  # its name before and since numpy 2
            self._allowed |= {
                f"{core}.multiarray._reconstruct": _Array,
                f"{core}.multiarray.scalar": lambda dtype, raw: self.array(raw, dtype, 1, "C")[0],
                f"{core}.numeric._frombuffer": self.array,
            }

    def find_class(self, module: str, name: str) -> Any:
        """Find the function of ours that a name in the file stands for."""
        if f"{module}.{name}" not in self._allowed:
            raise _RefusedError(f"{module}.{name}")
        return self._allowed[f"{module}.{name}"]

    def array(self, raw: Any, dtype: _Dtype, shape: Any, order: Any) -> np.ndarray:
        """Make an array from its bytes, of which there must be as many as its shape takes."""
        if isinstance(raw, str):  # bytes in a file of Python 2
            raw = raw.encode("latin1")
        self._spend(memoryview(raw).nbytes)
        return np.frombuffer(raw, dtype.value).reshape(shape, order=order).copy(order="K")

    def built(self, made: Any, state: Any) -> Any:
        """Complete an array or a data type, which pickles first make and then describe."""
        if isinstance(made, _Array):
            _, shape, dtype, fortran, raw = state
            return self.array(raw, dtype, shape, "F" if fortran else "C")
        if not isinstance(made, _Dtype):
            raise _RefusedError("a change of a function")
        _, order, shape, names, fields, *_ = state
        if (shape, names, fields) != (None, None, None) or order not in "<>=|":
            raise _RefusedError("numpy.dtype of records")
        if order in "<>":
            made.value = made.value.newbyteorder(order)
        return made

    def _storage(self, raw: bytes) -> np.ndarray:
        """Read the numbers of a tensor, which are a checkpoint inside the pickle."""
        import torch

        self._spend(len(raw))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "TypedStorage is deprecated")
            storage = torch.load(io.BytesIO(raw), map_location="cpu", weights_only=True)
            if not isinstance(storage, torch.storage.TypedStorage):
                raise _RefusedError("torch.load of something else than a tensor's numbers")
            flat = torch.empty(0, dtype=storage.dtype).set_(storage.untyped())
        return (flat.float() if flat.dtype == torch.bfloat16 else flat).numpy()

    def _tensor(self, flat: Any, offset: int, size: Any, stride: Any, *_: Any) -> np.ndarray:
        """Make the array of a tensor from its numbers, of which there must be as many as it has."""
        if not isinstance(flat, np.ndarray) or flat.ndim != 1:
            raise _RefusedError("torch._utils._rebuild_tensor_v2 of something else than numbers")
        count = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if min([offset, *size, *stride]) < 0 or count > len(flat) or (count and last >= len(flat)):
            raise ValueError(f"a tensor of {size} in {len(flat)} numbers")
        self._spend(count * flat.itemsize)
        steps = [step * flat.itemsize for step in stride]
        return np.lib.stride_tricks.as_strided(flat[offset:], size, steps).copy()

    def _spend(self, size: int) -> None:
        """Account for what is copied: a file may name the same bytes again and again."""
        self._left -= size
        if self._left < 0:
            raise PickleBombError("its arrays or texts are made of the same bytes too often")

    def _encode(self, text: Any, encoding: Any) -> bytes:
        if encoding != "latin1":  # how bytes are written before protocol 3
            raise _RefusedError("_codecs.encode to another encoding than latin1")
        self._spend(len(text))
        return text.encode("latin1")

    def _parts(self, parts: Any) -> Any:
        self._spend(len(parts))
        _check_keys(parts)
        return parts

    def _dictionary(self, pairs: Any = ()) -> dict[Any, Any]:
        self._spend(len(pairs))
        _check_keys(key for key, _ in pairs)
        return dict(pairs)


def _with_checked_keys(
    code: bytes, keys: slice, target: Callable[[Any], Any] | None = None
) -> Callable[[Any], None]:
    """Make a loader that looks at the keys on the stack, and at what takes them, beforehand."""
    load = _PythonUnpickler.dispatch[code[0]]

    def checked(unpickler: Any) -> None:
        _check_keys(unpickler.stack[keys])
        if target is not None and not isinstance(target(unpickler), dict):
            raise TypeError("keys of something else than a dictionary")
        load(unpickler)

    return checked


def _load_build(unpickler: Any) -> None:
    state, memo = unpickler.stack.pop(), unpickler.memo
    made = unpickler.stack[-1]
    unpickler.stack[-1] = built = unpickler.built(made, state)
    # what was made is remembered since shortly before; what a file refers to is what was built
    for key in itertools.islice(reversed(memo), _SHORTLY):
        if memo[key] is made:
            memo[key] = built


def _load_bytearray(unpickler: Any) -> None:
    """Read bytes, of which there are no more than the file has."""
    (length,) = struct.unpack("<Q", unpickler.read(8))
    unpickler.append(bytearray(unpickler.read(length)))


for _code, *_how in (
    (pickle.SETITEM, slice(-2, -1), lambda unpickler: unpickler.stack[-3]),
    (pickle.SETITEMS, slice(None, None, 2), lambda unpickler: unpickler.metastack[-1][-1]),
    (pickle.DICT, slice(None, None, 2)),
    (pickle.ADDITEMS, slice(None)),
    (pickle.FROZENSET, slice(None)),
):
    _Unpickler.dispatch[_code[0]] = _with_checked_keys(_code, *_how)
_Unpickler.dispatch[pickle.BUILD[0]] = _load_build
_Unpickler.dispatch[pickle.BYTEARRAY8[0]] = _load_bytearray


def _count(value: Any, most: int, counts: dict[int, int]) -> int:
    """Count the values in a value, those that stand twice counted twice; at most `most`."""
    if isinstance(value, str | bytes | bytearray | int | float | complex | np.generic | None):
        return 1
    if id(value) in counts:
        return counts[id(value)]
    counts[id(value)] = most + 1  # where it holds itself, too many
    if isinstance(value, np.ndarray):
        count = 1
    elif isinstance(value, dict):
        count = 1 + sum(1 + _count(part, most, counts) for part in value.values())
    elif isinstance(value, list | tuple | set | frozenset):
        count = 1 + sum(_count(part, most, counts) for part in value)
    else:
        raise _RefusedError("a function kept as a value")
    if count > most:
        raise PickleBombError("a container of it stands in itself, or in too many others")
    counts[id(value)] = count
    return count
