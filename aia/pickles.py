"""Pickles without their danger: numbers, texts and numpy arrays in plain containers.

Unpickling calls whatever the file names, and published checkpoints are the files of strangers. Here
a name that is not on a short list ends the reading before anything is called, and even
numpy's own constructors are not handed to the file: what it says of an array is checked and
the array then made from its bytes.

A pickle can also say much with few bytes, a container twice in one that stands twice in one, and so
on: who hashes, shows or copies such a value never ends. So keys are texts and numbers alone, and
what is written out in full may not be far longer than the file.
"""

import io
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np

from aia.errors import InputError

_LARGEST = 4 << 30  # bytes; no published checkpoint of a backbone comes near
_LONGEST_BITS = 64  # of a number that is a key
_REPEATS = 16  # how often a file may tell each of its parts
_PLAIN_KINDS = "biufcSU"  # booleans, numbers, fixed-length texts: never pointers to objects


def read_pickle(path: Path, *, encoding: str = "ASCII") -> Any:
    """The content of a pickle file.

    Args:
        path: The file.
        encoding: Of texts in files that Python 2 wrote (`latin1` where they hold arrays).

    Returns:
        Dictionaries, lists, tuples, sets, numbers, texts, bytes and numpy arrays.

    Raises:
        InputError: The file names anything else, or is no pickle.
    """
    try:
        size = path.stat().st_size
        if size > _LARGEST:
            raise InputError(f"{path}: {size} bytes are more than a checkpoint is expected to have")
        loaded = _Unpickler(_Bytes(path.read_bytes()), encoding=encoding).load()
        return _Resolver(_REPEATS * size).value(loaded)
    except _NeverEndsError as error:
        raise InputError(
            f"{path}: {error}; expected texts, numbers and arrays in plain containers, each told "
            "once. Is it a file of this kind, from a source that you trust?"
        ) from None
    except _RefusedError as error:
        raise InputError(
            f"{path}: this pickle would run {error}; only numbers, texts and numpy arrays in plain "
            "containers are read. Is it a checkpoint of this kind, from a source that you trust?"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except RecursionError:
        raise InputError(f"{path}: its containers are nested too deep for a checkpoint") from None
    except Exception as error:  # a damaged pickle raises almost anything
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a whole pickle ({type(error).__name__}: {error})") from None


class _RefusedError(Exception):
    """Something that a file of plain arrays has no need of."""


class _NeverEndsError(Exception):
    """Few bytes that say so much that whoever works with it would not come to an end."""


class _Global:
    """A function that a file may call, and may not change."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> NoReturn:
        raise _RefusedError("a change of a function")


class _Dtype:
    """What a file says of an array's numbers."""

    __slots__ = ("_code", "value")

    def __init__(self, code: Any, align: Any = False, copy: Any = False) -> None:
        self._code = code
        self.value = self._checked("=")

    def __setstate__(self, state: Any) -> None:
        _, order, shape, names, fields, *_ = state
        if (shape, names, fields) != (None, None, None) or order not in "<>=|":
            raise _RefusedError("numpy.dtype of records")
        self.value = self._checked(order)

    def _checked(self, order: str) -> np.dtype:
        dtype = np.dtype(self._code) if isinstance(self._code, str) else np.dtype(object)
        if dtype.kind not in _PLAIN_KINDS:
            code = self._code if isinstance(self._code, str) else type(self._code).__name__
            raise _RefusedError(f"numpy.dtype of {code[:80]!r}")
        return dtype if order in "=|" else dtype.newbyteorder(order)  # type: ignore[arg-type]


class _Array:
    """An array that a file is about to describe."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = np.zeros(0, np.uint8)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, raw = state
        self.value = _array(raw, dtype, shape, "F" if fortran else "C")


def _array(raw: Any, dtype: _Dtype, shape: Any, order: Any) -> np.ndarray:
    if isinstance(raw, str):  # bytes in a file of Python 2
        raw = raw.encode("latin1")
    return np.frombuffer(raw, dtype.value).reshape(shape, order=order).copy(order="K")


def _reconstruct(kind: Any, shape: Any, code: Any) -> _Array:
    return _Array()


def _scalar(dtype: _Dtype, raw: Any) -> np.generic:
    return _array(raw, dtype, (1,), "C")[0]


def _frombuffer(raw: Any, dtype: _Dtype, shape: Any, order: Any) -> np.ndarray:
    return _array(raw, dtype, shape, order)


def _encode(text: Any, encoding: Any) -> bytes:
    if encoding != "latin1":  # how bytes are written before protocol 3
        raise _RefusedError("_codecs.encode to another encoding than latin1")
    return text.encode("latin1")


def _no_call(*arguments: Any) -> NoReturn:
    raise _RefusedError("numpy.ndarray itself")


def _dictionary(pairs: Any = ()) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key, value in pairs:
        found[_key(key)] = value
    return found


def _set(parts: Any = ()) -> set[Any]:
    return {_key(part) for part in parts}


def _frozen_set(parts: Any = ()) -> frozenset[Any]:
    return frozenset(_key(part) for part in parts)


def _key(value: Any) -> Any:
    """`value`, which is about to be a key of a dictionary or a part of a set."""
    plain = isinstance(value, str | bytes | float | np.number | None)
    if not (plain or (isinstance(value, int) and value.bit_length() <= _LONGEST_BITS)):
        raise _NeverEndsError(
            f"a key of a dictionary, or a part of a set, is a {type(value).__name__}, which is "
            "no text and no number of ordinary size"
        )
    return value


_GLOBALS = {
    "numpy.ndarray": _Global(_no_call),  # only named, as the kind that _reconstruct makes
    "numpy.dtype": _Global(_Dtype),
    "_codecs.encode": _Global(_encode),
    "collections.OrderedDict": _Global(_dictionary),
}
for _module in ("builtins", "__builtin__"):
    _GLOBALS |= {f"{_module}.set": _Global(_set), f"{_module}.frozenset": _Global(_frozen_set)}
    _GLOBALS[f"{_module}.bytes"] = _Global(lambda: b"")  # no bytes, before protocol 3
for _core in ("numpy.core", "numpy._core"):  # its name before and since numpy 2
    _GLOBALS |= {
        f"{_core}.multiarray._reconstruct": _Global(_reconstruct),
        f"{_core}.multiarray.scalar": _Global(_scalar),
        f"{_core}.numeric._frombuffer": _Global(_frombuffer),
    }


class _Bytes(io.BytesIO):
    def readline(self, size: int | None = -1) -> bytes:
        """A line to its end, where Python's own also takes a part of one for a name."""
        line = super().readline(size)
        if not line.endswith(b"\n"):
            raise EOFError("it is cut off")
        return line


_InPython: Any = pickle._Unpickler


class _Unpickler(_InPython):
    """Python's own, in Python: the one in C lets nobody see a key before it is hashed."""

    dispatch: ClassVar[dict[int, Callable[..., None]]] = dict(_InPython.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the file."""
        found = _GLOBALS.get(f"{module}.{name}")
        if found is None:
            raise _RefusedError(f"{module}.{name}")
        return found

    def load_setitem(self) -> None:
        """One key and its value."""
        _key(self.stack[-2])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Keys and values by turns."""
        for key in self.stack[::2]:
            _key(key)
        super().load_setitems()

    def load_dict(self) -> None:
        """The same, as a dictionary of their own."""
        for key in self.stack[::2]:
            _key(key)
        super().load_dict()

    def load_additems(self) -> None:
        """Parts of a set."""
        for part in self.stack:
            _key(part)
        super().load_additems()

    def load_frozenset(self) -> None:
        """The same, as a set of their own."""
        for part in self.stack:
            _key(part)
        super().load_frozenset()

    def load_bytearray8(self) -> None:
        """Bytes, of which there are no more than the file has."""
        (length,) = struct.unpack("<Q", self.read(8))
        self.append(bytearray(self.read(length)))

    for _code, _load in (
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
        (pickle.DICT, load_dict),
        (pickle.ADDITEMS, load_additems),
        (pickle.FROZENSET, load_frozenset),
        (pickle.BYTEARRAY8, load_bytearray8),
    ):
        dispatch[_code[0]] = _load


class _Resolver:
    """Puts arrays in place of their descriptions and counts what there is.

    Args:
        most: Values that there may be, those that stand twice counted twice.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._done: dict[int, tuple[Any, int]] = {}  # shared parts stay shared

    def value(self, raw: Any) -> Any:
        """`raw` with arrays."""
        return self._counted(raw)[0]

    def _counted(self, raw: Any) -> tuple[Any, int]:
        if isinstance(raw, str | bytes | int | float | None):
            return raw, 1
        if id(raw) in self._done:
            return self._done[id(raw)]
        self._done[id(raw)] = raw, self._most  # where it holds itself, too many
        made, count = self._made(raw)
        if count > self._most:
            raise _NeverEndsError("a container of it stands in itself, or in too many others")
        self._done[id(raw)] = made, count
        return made, count

    def _made(self, raw: Any) -> tuple[Any, int]:
        match raw:
            case _Array() | _Dtype():
                return raw.value, 1
            case _Global():
                raise _RefusedError("a function kept as a value")
            case dict():
                pairs = {key: self._counted(part) for key, part in raw.items()}
                named = {key: part for key, (part, _) in pairs.items()}
                return named, 1 + sum(1 + count for _, count in pairs.values())
            case list() | tuple() | set() | frozenset():
                parts = [self._counted(part) for part in raw]
                return type(raw)(part for part, _ in parts), 1 + sum(count for _, count in parts)
        return raw, 1
