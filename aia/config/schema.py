"""The JSON schema of config.yaml and its overlays, by which editors complete, explain and mark.

    python -m aia.config.schema > config/schema.json

It is made of the types and docstrings of the sections by pydantic, a development dependency.
Files of settings name it in their first line, `# yaml-language-server: $schema=...`.
"""

import dataclasses
import json
from typing import Any, get_args, get_type_hints

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from aia.config.sections import Settings


def schema() -> dict[str, Any]:
    """Return the JSON schema of a file of settings.

    Overlays hold parts of sections, so no setting is required; a misspelt one is refused. What
    values must fulfil beyond their types stands in the descriptions alone.
    """
    for kind in _sections(Settings):
        kind.__pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}
    made = TypeAdapter(Settings).json_schema(schema_generator=_WithoutTitles)
    described = made["$defs"]["TableConfig"]["properties"]
    made["$defs"]["SubmissionsConfig"]["properties"].update(described)  # inherited, without words
    for part in (made, *made["$defs"].values()):
        part.pop("required", None)
    made["properties"]["variants"]["additionalProperties"] = {"$ref": "#"}  # overlays, too
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | made


class _WithoutTitles(GenerateJsonSchema):
    """A generator that does not repeat the name of each setting as its title."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def _sections(kind: Any) -> set[Any]:
    """Return a section and all that are in it.

    >>> sorted(kind.__name__ for kind in _sections(Settings))[:3]
    ['AblationsConfig', 'CheckConfig', 'DataConfig']
    """
    inner = {part for hint in get_type_hints(kind).values() for part in _parts(hint)}
    return {kind}.union(*map(_sections, inner))


def _parts(hint: Any) -> set[Any]:
    if dataclasses.is_dataclass(hint):
        return {hint}
    return set().union(*map(_parts, get_args(hint)))


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2, ensure_ascii=False))
