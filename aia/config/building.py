"""Plain YAML as the types of sections; whatever does not fit is one error that names it."""

import contextlib
import dataclasses
import difflib
import math
import re
import reprlib
import types
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from aia.errors import InputError


def build(kind: Any, value: Any, *, source: str, path: str) -> Any:
    """`value` (plain YAML) as `kind`; errors name the setting by its path."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build_section(kind, value, source=source, path=path)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _build_union(kind, value, source=source, path=path)
    if origin is Literal:
        if value not in get_args(kind):
            choices = [str(choice) for choice in get_args(kind)]
            raise _wrong(source, path, value, f"one of {', '.join(choices)}", choices)
        return value
    if origin is tuple:
        return _build_tuple(kind, value, source=source, path=path)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _wrong(source, path, value, "a mapping of names to values")
        inner = get_args(kind)[1]
        return {
            str(key): build(inner, item, source=source, path=f"{path}.{key}")
            for key, item in value.items()
        }
    return _build_scalar(kind, value, source=source, path=path)


def _build_section(kind: Any, value: Any, *, source: str, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(source, path, value, "a section of settings")
    hints = get_type_hints(kind)
    prefix = f"{path}." if path else ""
    for key in value:
        if key not in hints:
            raise InputError(
                f"{source}: {prefix}{key} is not a setting{suggestion(str(key), hints, prefix)} "
                f"({path or 'the top level'} has {', '.join(hints)})"
            )
    missing = [name for name in hints if name not in value]
    if missing:
        raise InputError(f"{source}: {prefix}{missing[0]} is missing; config.yaml shows its value")
    fields = {
        name: build(hint, value[name], source=source, path=prefix + name)
        for name, hint in hints.items()
    }
    try:
        return kind(**fields)
    except ValueError as error:
        raise InputError(f"{source}: {prefix}{error}") from None


def _build_union(kind: Any, value: Any, *, source: str, path: str) -> Any:
    choices = get_args(kind)
    if value is None and type(None) in choices:
        return None
    choices = tuple(choice for choice in choices if choice is not type(None))
    if len(choices) > 1 and dataclasses.is_dataclass(choices[0]):  # told apart by a word of theirs
        word = "family" if "family" in get_type_hints(choices[0]) else "format"
        known = {get_args(get_type_hints(choice)[word])[0]: choice for choice in choices}
        given = value.get(word) if isinstance(value, Mapping) else None
        if not isinstance(given, str) or given not in known:
            raise _wrong(source, f"{path}.{word}", given, f"one of {', '.join(known)}")
        return build(known[given], value, source=source, path=path)
    mappings = [choice for choice in choices if get_origin(choice) is dict]
    if mappings and isinstance(value, Mapping):  # a list, or a mapping
        return build(mappings[0], value, source=source, path=path)
    return build(choices[0], value, source=source, path=path)


def _build_tuple(kind: Any, value: Any, *, source: str, path: str) -> Any:
    kinds = get_args(kind)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _wrong(source, path, value, "a list")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise _wrong(source, path, value, f"a list of {len(kinds)}")
    return tuple(
        build(inner, item, source=source, path=f"{path}[{index}]")
        for index, (inner, item) in enumerate(zip(kinds, value, strict=True))
    )


def _build_scalar(kind: Any, value: Any, *, source: str, path: str) -> Any:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        with contextlib.suppress(OverflowError):  # a whole number beyond all of float's
            if math.isfinite(value):
                return float(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    hint = ""
    if kind is float and isinstance(value, str) and re.fullmatch(r"[\d.]+e-?\d+", value):
        hint = " (YAML reads 1e-3 as a text: write 1.0e-3)"
    raise InputError(f"{source}: {path} = {shown(value)} is not {names[kind]}{hint}")


def _wrong(
    source: str, path: str, value: Any, expected: str, choices: Sequence[str] = ()
) -> InputError:
    return InputError(
        f"{source}: {path} = {shown(value)}, expected {expected}"
        + (suggestion(value, choices) if isinstance(value, str) else "")
    )


def shown(value: Any) -> str:
    """A value as a message shows it: short, whatever it holds and however often."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxlist, brief.maxdict = 3, 4, 4
    brief.maxstring = brief.maxother = brief.maxlong = 80
    try:
        return brief.repr(value)
    except ValueError:  # more digits than Python writes
        return "a number of thousands of digits"


def suggestion(word: str, known: Any, prefix: str = "") -> str:
    """The known name that is nearest to a misspelt one, as the end of a message; or nothing."""
    near = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f", did you mean {prefix}{near[0]}?" if near else ""
