"""Class lists: which actions there are, by which ids, in which groups.

AVA ships its classes as a text-format protocol buffer, in two spellings that both occur in the
wild: `label { name label_id label_type }` (the 80 classes) and `item { name id }` (the 60 that are
evaluated). A network's outputs follow the order of the list; files speak of ids.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from aia.errors import InputError
from aia.files import write_text


@dataclass(frozen=True)
class ClassList:
    """Classes in the order of a network's outputs."""

    ids: tuple[int, ...]
    """What files call the classes; need not be consecutive."""
    names: tuple[str, ...]
    groups: tuple[str, ...]
    """The file's `label_type`, such as PERSON_MOVEMENT; "" where it has none."""

    @classmethod
    def numbered(cls, count: int) -> "ClassList":
        """Make so many classes without names, where their number is all that matters."""
        return cls(tuple(range(1, count + 1)), ("",) * count, ("",) * count)

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def index(self) -> dict[int, int]:
        """Position of each id."""
        return {class_id: position for position, class_id in enumerate(self.ids)}


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


_TOKENS = re.compile(
    r"""(?P<space>[\s,;]+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<mark>[{}:])
      | (?P<word>[^\s{}:"'\#,;]+)""",
    re.VERBOSE,
)


def read_labels(path: Path | str) -> ClassList:
    """Read the classes of a `.pbtxt`, in either spelling, on one line or many."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; a list of classes is expected") from None
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: cannot be read as text ({problem})") from None

    classes: dict[int, tuple[str, str]] = {}
    for fields, line in _blocks(path, text):
        class_id = _class_id(path, fields, line)
        name = fields.get("name", "")
        if not name:
            raise InputError(f'{path}, line {line}: class {class_id} has no name: "..."')
        if class_id in classes:
            raise InputError(
                f"{path}, line {line}: id {class_id} of {name!r} is already the id of "
                f"{classes[class_id][0]!r}; each class needs its own"
            )
        classes[class_id] = (name, fields.get("label_type", ""))
    if not classes:
        raise InputError(
            f'{path}: no class in it; expected lines such as label {{ name: "sit" label_id: 11 }}'
        )
    names, groups = zip(*classes.values(), strict=True)
    return ClassList(ids=tuple(classes), names=names, groups=groups)


def write_labels(path: Path | str, labels: ClassList) -> None:
    """Write the classes in AVA's spelling, one a line."""
    lines = []
    for class_id, name, group in zip(labels.ids, labels.names, labels.groups, strict=True):
        plain = re.fullmatch(r"\w+", group, re.ASCII)
        kind = f" label_type: {group if plain else _quoted(group)}" if group else ""
        lines.append(f"label {{ name: {_quoted(name)} label_id: {class_id}{kind} }}\n")
    write_text(path, "".join(lines))


_ESCAPED = {"n": "\n", "r": "\r", "t": "\t"}  # as the format has them; others are themselves


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    for letter, meant in _ESCAPED.items():
        escaped = escaped.replace(meant, f"\\{letter}")
    return f'"{escaped}"'


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: _ESCAPED.get(found[1], found[1]), text[1:-1])


def _class_id(path: Path | str, fields: dict[str, str], line: int) -> int:
    text = fields.get("label_id", fields.get("id"))
    if text is None:
        raise InputError(f"{path}, line {line}: class {fields.get('name', '')!r} has no id")
    if not re.fullmatch(r"\d{1,9}", text):
        raise InputError(f"{path}, line {line}: id is {text!r}, expected a whole number from 0 on")
    return int(text)


def _blocks(path: Path | str, text: str) -> Iterator[tuple[dict[str, str], int]]:
    """Each `item { key: value ... }` or `label { ... }` as a dict, with its first line."""
    tokens = _tokens(path, text)
    for token in tokens:
        if token.text not in ("item", "label") or token.kind != "word":
            raise InputError(
                f"{path}, line {token.line}: {token.text[:40]!r} is not the start of a class; "
                'expected label { name: "..." label_id: ... } or item { name: "..." id: ... }'
            )
        opening = next(tokens, None)
        if opening is not None and opening.text == ":":  # the format allows `item: {`
            opening = next(tokens, None)
        if opening is None or opening.text != "{":
            raise InputError(f"{path}, line {token.line}: expected {{ after {token.text}")
        fields: dict[str, str] = {}
        for key in tokens:
            if key.text == "}" and key.kind == "mark":
                break
            colon, value = next(tokens, None), next(tokens, None)
            if colon is None or colon.text != ":" or value is None or value.kind == "mark":
                raise InputError(
                    f"{path}, line {key.line}: expected `key: value`, got {key.text!r}"
                )
            fields[key.text] = value.text
        else:
            raise InputError(f"{path}, line {token.line}: the class's {{ is never closed by }}")
        yield fields, token.line


def _tokens(path: Path | str, text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKENS.match(text, position)
        if match is None:
            raise InputError(f"{path}, line {line}: a quoted name does not end on its line")
        kind, found = str(match.lastgroup), match.group()
        if kind == "string":
            yield _Token(kind, _unquoted(found), line)
        elif kind != "space":
            yield _Token(kind, found, line)
        position, line = match.end(), line + found.count("\n")
