"""Settings from files and from the command line, laid over each other, and checked."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from aia.config.building import build, shown, suggestion
from aia.config.runs import RunName
from aia.config.sections import Settings
from aia.errors import InputError

_DEEPEST = 500
SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # in C where PyYAML has it: 10x as fast


def read_yaml(path: Path | str) -> dict[str, Any]:
    """A YAML file as a dictionary."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        _check_depth(text)
        content = yaml.load(text, Loader=SAFE_LOADER)
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file of settings") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read as settings ({error.strerror})") from None
    except Exception as error:  # values as dates and numbers that are none raise what they like
        what = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not readable as YAML: {what[:400]}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected sections of settings, found {type(content).__name__}")
    return content


def _check_depth(text: str) -> None:
    """Stop at a text that is nested so deep that the loader in C would end the whole program.

    Depth takes brackets, or columns of a line; the text is parsed for it only where it has many.
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
    """`base` with the values of `top` laid over it, section by section.

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
    """Check all sections, the variants laid over them too."""
    settings = build(Settings, raw, source=source, path="")
    for name, change in settings.variants.items():
        build(Settings, overlay(raw, change), source=f"{source} with variant {name}", path="")
    return settings


def build_section(kind: Any, value: Any, where: str) -> Any:
    """`value` (plain YAML) as one section; errors begin with `where`."""
    return build(kind, value, source=where, path="")


def section(kind: Any, text_or_path: str, name: str) -> Any:
    """One section, from a JSON object of sections or from a YAML file."""
    raw = read_sections(text_or_path)
    if name not in raw:
        raise InputError(f"settings: section {name} is missing (found {', '.join(raw)})")
    return build(kind, raw[name], source="settings", path=name)


def read_sections(text_or_path: str) -> dict[str, Any]:
    """What `--settings` was given: a JSON object, or the path of a YAML file."""
    if not text_or_path.lstrip().startswith("{"):
        return read_yaml(text_or_path)
    try:
        return json.loads(text_or_path)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--settings: not a JSON object: {error}") from None


def run_settings(raw: Mapping[str, Any], run: RunName) -> dict[str, Any]:
    """The sections that make this run what it is, its variant applied, as plain values."""
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
