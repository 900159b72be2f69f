"""Which of what an annotator said is an action."""

from collections.abc import Mapping, Sequence

from aia.annotate.tracks import SEVERAL, Annotated, Field, Track
from aia.config import suggestion
from aia.errors import InputError

LABEL = "label"
"""Name of the field that is the boxes' labels."""
NOTHING = {"", "none", "nothing", "no action", "__undefined__", "emptyframe", "background"}
"""Values that say that nothing is done; `__undefined__` is CVAT's, EmptyFrame is OTX's label."""


def action_fields(found: Annotated, asked: Sequence[str], path: object) -> list[str]:
    """Return the fields that are actions: those asked for, or those that can only be.

    Checkboxes and choices are actions where the boxes have one label, such as person; without
    them the labels are.

    Raises:
        InputError: A field is not there, or more than one reading makes sense: what there is.
    """
    there = _listed(found.fields)
    for name in asked:
        if name not in found.fields:
            raise InputError(
                f"{path}: --actions {name} is not in it{suggestion(name, found.fields)}; there are "
                f"{there}"
            )
    if asked:
        return list(asked)
    attributes = [name for name, one in found.fields.items() if one.kind in ("checkbox", "choice")]
    label = found.fields.get(LABEL, Field("label", ()))
    kinds = [kind for kind in label.values if kind.lower() not in NOTHING]
    if attributes and len(kinds) <= 1:
        return attributes
    if not attributes and (len(kinds) > 1 or (kinds and kinds[0].lower() != "person")):
        return [LABEL]
    if not attributes:
        raise InputError(
            f"{path}: has boxes of persons and no action ({there}); `aia labels export` makes a "
            "task of it, in which actions are set"
        )
    raise InputError(
        f"{path}: labels and attributes may both be actions; say which by --actions NAME,...: "
        f"{there}"
    )


def actions_of(
    track: Track, said: Mapping[str, str], names: Sequence[str], fields: Mapping[str, Field]
) -> list[str]:
    """Return the actions at a key, by their names."""
    found = []
    for name in names:
        value = said.get(name, track.kind if name == LABEL else "")
        if fields[name].kind == "checkbox" and value.lower() in ("true", "false", ""):
            found += [name] if value.lower() == "true" else []
            continue
        found += [one for one in value.split(SEVERAL) if one.strip().lower() not in NOTHING]
    return list(dict.fromkeys(one.strip() for one in found))


def _listed(fields: Mapping[str, Field]) -> str:
    parts = []
    for name, one in fields.items():
        values = f": {', '.join(one.values[:6])}" + (" ..." if len(one.values) > 6 else "")
        parts.append(f"{name} ({one.kind}{values if one.values else ''})")
    return "; ".join(parts)
