"""Settings from files and the command line: overlays laid over each other, built as typed sections.

Whatever does not fit is one error, which names the file and the setting and suggests the word.
"""

import contextlib
import dataclasses
import functools
import json
import math
import re
import reprlib
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import yaml

from aia.config.checks import suggestion
from aia.config.runs import RunName
from aia.config.sections import Settings
from aia.errors import InputError

_DEEPEST = 500
"""Levels of nesting that a file of settings may have."""
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""PyYAML's loader in C where there is one: ten times as fast."""


_POWER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+")
"""A number with a power of ten, of which YAML reads those without a point or a sign as text."""


def _loaded(text: str) -> Any:
    """Load YAML; a key that stands twice, and the like, would be lost in silence.

    Raises:
        _LostError: Something would be.
        yaml.YAMLError: It is no YAML.
    """
    loader = SAFE_LOADER(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _check_nodes(node)
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _check_nodes(top: yaml.Node) -> None:
    """Check keys and numbers as they stand in the file, before sections are merged (<<)."""
    waiting, seen = [top], set()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an anchor that is used again
            continue
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            if node.style in (None, ""):
                _check_number(node)
        elif isinstance(node, yaml.MappingNode):
            _check_keys(node)
            waiting += [value for _, value in node.value]
        else:
            waiting += node.value


def _check_keys(node: yaml.MappingNode) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, yaml.ScalarNode):
            continue
        if key.tag != "tag:yaml.org,2002:str":
            raise _at(key, f"the key {key.value:.40} is not read as text; put it into quotes")
        if key.value in lines:
            raise _at(
                key,
                f"{key.value} stands twice, first on line {lines[key.value]}; the first one would "
                "be lost, put both into one",
            )
        lines[key.value] = key.start_mark.line + 1


def _check_number(node: yaml.ScalarNode) -> None:
    """Raise for a number that YAML reads as text, in base 8 or 60, or without its underscores."""
    text, kind = str(node.value), node.tag.rpartition(":")[2]
    if kind == "str" and _POWER.fullmatch(text):
        digits, power = re.split("[eE]", text)
        digits = digits if "." in digits else f"{digits}.0"
        sign = "" if power[0] in "+-" else "+"
        raise _at(
            node, f"YAML reads {text} as text; write {digits}e{sign}{power}, or put it into quotes"
        )
    if kind not in ("int", "float"):
        return
    if ":" in text:
        raise _at(node, f"YAML reads {text} as a number of base 60; put it into quotes, or "
                        "write it as seconds")  # fmt: skip
    if re.fullmatch(r"[-+]?0[0-7_]+", text):
        raise _at(node, f"YAML reads {text} as a number of base 8; write it without the zero, or "
                        "put it into quotes")  # fmt: skip
    if "_" in text:
        raise _at(node, f"{text} is a number with underscores; write {text.replace('_', '')}")


def dump_yaml(content: Mapping[str, Any]) -> str:
    """Write settings as YAML that `read_yaml` reads, in their order."""
    return yaml.dump(dict(content), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    """Quotes texts that look like numbers, as `read_yaml` wants them."""


def _quoted(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "'" if _POWER.fullmatch(text) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _quoted)


def _at(node: yaml.Node, problem: str) -> "_LostError":
    return _LostError(f"line {node.start_mark.line + 1}: {problem}")


class _LostError(Exception):
    """YAML would lose or change what stands in a file."""


def _hint(error: Exception, text: str) -> str:
    """Name the likely cause of text that is no YAML."""
    if "undefined alias" in str(error):
        return "; the anchor (&name) must stand before it"
    mark = getattr(error, "problem_mark", None)
    line = text.split("\n")[mark.line] if mark and mark.line <= text.count("\n") else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return "; there is a tab, and YAML is indented with blanks"
    return ""


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Read a YAML file as a dictionary."""
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        _check_depth(text)
        content = _loaded(text)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file of settings") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read as settings ({error.strerror})") from None
    except _LostError as error:
        raise InputError(f"{path}, {error}") from None
    except Exception as error:  # malformed dates and numbers raise various errors
        what = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: not readable as YAML: {what[:400]}{_hint(error, text)}"
        ) from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected sections of settings, found {type(content).__name__}")
    return content


def _check_depth(text: str) -> None:
    """Raise ValueError for a text nested so deep that the loader in C would crash the program.

    Nesting takes brackets or indentation, so a text with little of both is not parsed for it.
    """
    brackets = text.count("[") + text.count("{")
    if brackets <= _DEEPEST and max(map(len, text.splitlines()), default=0) <= _DEEPEST:
        return
    depth = 0
    for event in yaml.parse(text, Loader=SAFE_LOADER):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise ValueError(f"it is nested more than {_DEEPEST} deep")


def overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `top` laid over it, section by section.

    >>> overlay({"memory": {"reach": 30, "penalty": True}}, {"memory": {"reach": 5}})
    {'memory': {'reach': 5, 'penalty': True}}
    """
    merged = dict(base)
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = overlay(merged[key], value)
        else:
            merged[key] = value
    return merged


def load_settings(raw: Mapping[str, Any], *, source: str = "config.yaml") -> Settings:
    """Build and check all settings, also with each variant laid over them."""
    settings = build(Settings, raw, source=source, path="")
    for name, change in settings.variants.items():
        build(Settings, overlay(raw, change), source=f"{source} with variant {name}", path="")
    return settings


def build_section(kind: Any, value: Any, where: str) -> Any:
    """Build one section from `value` (plain YAML); errors begin with `where`."""
    return build(kind, value, source=where, path="")


def section(kind: Any, text_or_path: str, name: str) -> Any:
    """Build one section from a JSON object of sections or from a YAML file."""
    raw = read_sections(text_or_path)
    if name not in raw:
        raise InputError(f"settings: section {name} is missing (found {', '.join(raw)})")
    return build(kind, raw[name], source="settings", path=name)


def read_sections(text_or_path: str) -> dict[str, Any]:
    """Read the argument of `--settings`: a JSON object, or the path of a YAML file."""
    if not text_or_path.lstrip().startswith("{"):
        return read_yaml(text_or_path)
    try:
        return json.loads(text_or_path)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--settings: not a JSON object: {error}") from None


def settings_folder() -> Path:
    """Return the folder of config.yaml and config/: the repository, or that inside a wheel."""
    repository, packaged = Path(__file__).parents[2], Path(__file__).parent / "packaged"
    return repository if (repository / "Snakefile").is_file() else packaged


def packaged_settings(name: str) -> dict[str, Any]:
    """Read config.yaml as it was published, with an overlay such as config/ava_v22.yaml."""
    base = read_yaml(settings_folder() / "config.yaml")
    if name == "config.yaml":
        return base
    return overlay(base, read_yaml(settings_folder() / name))


def run_settings(raw: Mapping[str, Any], run: RunName) -> dict[str, Any]:
    """Return the sections that a run depends on, its variant applied, as plain values."""
    sections = ["backbones", "network", "loss", "train"]
    if run.remembers:  # a run without memory does not depend on its settings
        sections.append("memory")
    for name in [*sections, *(["variants"] if run.variant is not None else [])]:
        if name not in raw:
            raise InputError(f"settings: section {name} is missing (found {', '.join(raw)})")
    if run.variant is not None:
        _check_mapping("variants", raw["variants"])
        if run.variant not in raw["variants"]:
            raise InputError(
                f"{run}: '{run.variant}' is not one of variants"
                f"{suggestion(run.variant, raw['variants'])}"
            )
        _check_mapping(f"variants.{run.variant}", raw["variants"][run.variant])
        raw = overlay(raw, raw["variants"][run.variant])
    picked = {name: raw[name] for name in sections if name != "backbones"}
    _check_mapping("backbones", raw["backbones"])
    if run.backbone not in raw["backbones"]:
        raise InputError(
            f"{run}: '{run.backbone}' is not one of backbones"
            f"{suggestion(run.backbone, raw['backbones'])}"
        )
    return picked | {"backbones": {run.backbone: raw["backbones"][run.backbone]}}


def _check_mapping(name: str, value: Any) -> None:
    if not isinstance(value, Mapping):
        raise InputError(
            f"settings: {name} = {shown(value)}, expected a mapping of names to values"
        )


def build(kind: Any, value: Any, *, source: str, path: str) -> Any:
    """Build `kind` from `value` (plain YAML); errors name the setting by its path."""
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


REMOVED = ("check.fingerprints",)
"""Settings of earlier versions, which may still stand in a file as null: off."""


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    """Return the types of a section's fields; finding them out takes most of the time."""
    return get_type_hints(kind)


def _build_section(kind: Any, value: Any, *, source: str, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(source, path, value, "a section of settings")
    hints = _hints(kind)
    prefix = f"{path}." if path else ""
    for key in value:
        if key not in hints:
            if f"{prefix}{key}" in REMOVED and value[key] is None:
                continue
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
    of_sections = len(choices) > 1 and dataclasses.is_dataclass(choices[0])
    if of_sections:  # one of their settings says which
        word = "family" if "family" in _hints(choices[0]) else "format"
        known = {get_args(_hints(choice)[word])[0]: choice for choice in choices}
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
    """Return a value as a message shows it: short, whatever it holds and however often."""
    brief = reprlib.Repr()
    brief.maxlevel, brief.maxlist, brief.maxdict = 3, 4, 4
    brief.maxstring = brief.maxother = brief.maxlong = 80
    try:
        return brief.repr(value)
    except ValueError:  # more digits than Python writes
        return "a number of thousands of digits"
