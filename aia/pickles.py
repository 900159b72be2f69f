"""Pickles without their danger: numbers, texts and numpy arrays in plain containers.

Unpickling calls whatever the file names, and published checkpoints are the files of strangers. Here
a name that is not on a short list ends the reading before anything is called, and even
numpy's own constructors are not handed to the file: what it says of an array is checked and
the array then made from its bytes.
"""

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from aia.errors import InputError

_LARGEST = 4 << 30  # bytes; no published checkpoint of a backbone comes near
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
        loaded = _Unpickler(io.BytesIO(path.read_bytes()), encoding=encoding).load()
        return _resolve(loaded, {})
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
            raise _RefusedError(f"numpy.dtype of {self._code!r}")
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
    return _array(bytes(raw), dtype, shape, order)


def _encode(text: Any, encoding: Any) -> bytes:
    if encoding != "latin1":  # how bytes are written before protocol 3
        raise _RefusedError(f"_codecs.encode to {encoding}")
    return text.encode("latin1")


def _no_call(*arguments: Any) -> NoReturn:
    raise _RefusedError("numpy.ndarray itself")


_GLOBALS = {
    "numpy.ndarray": _Global(_no_call),  # only named, as the kind that _reconstruct makes
    "numpy.dtype": _Global(_Dtype),
    "_codecs.encode": _Global(_encode),
    "collections.OrderedDict": _Global(dict),
}
for _module in ("builtins", "__builtin__"):
    _GLOBALS |= {f"{_module}.set": _Global(set), f"{_module}.frozenset": _Global(frozenset)}
    _GLOBALS[f"{_module}.bytes"] = _Global(lambda: b"")  # no bytes, before protocol 3
for _core in ("numpy.core", "numpy._core"):  # its name before and since numpy 2
    _GLOBALS |= {
        f"{_core}.multiarray._reconstruct": _Global(_reconstruct),
        f"{_core}.multiarray.scalar": _Global(_scalar),
        f"{_core}.numeric._frombuffer": _Global(_frombuffer),
    }


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """What stands for a name in the file."""
        found = _GLOBALS.get(f"{module}.{name}")
        if found is None:
            raise _RefusedError(f"{module}.{name}")
        return found


def _resolve(value: Any, done: dict[int, Any]) -> Any:
    """`value` with arrays in place of their descriptions; `done` keeps shared parts shared."""
    if id(value) in done:
        return done[id(value)]
    match value:
        case _Array():
            return value.value
        case _Dtype():
            return value.value
        case _Global():
            raise _RefusedError("a function kept as a value")
        case dict():
            named: dict[Any, Any] = {}
            done[id(value)] = named  # before its parts, which may hold it again
            named.update({_resolve(k, done): _resolve(item, done) for k, item in value.items()})
            return named
        case list():
            items: list[Any] = []
            done[id(value)] = items
            items.extend(_resolve(item, done) for item in value)
            return items
        case tuple() | set() | frozenset():
            done[id(value)] = type(value)(_resolve(item, done) for item in value)
            return done[id(value)]
    return value
