"""How fast things go: numbers with their unit and where each was measured (rates.yaml)."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from aia.config import read_yaml, suggestion
from aia.errors import InputError
from aia.files import write_text

PACKAGED = Path(__file__).with_name("rates.yaml")
OF_ONE_NETWORK = ("train.cpu", "train.gpu", "score.cpu", "score.gpu", "finetune.cpu",
                  "finetune.gpu", "detect.cpu", "detect.gpu")  # fmt: skip
"""Rates that may be known for a single network, as in train.cpu.slowfast_tiny."""


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One assumed number."""

    value: float
    unit: str
    source: str
    """Where it was measured, or that it was not."""


class Rates:
    """All rates by their names; it remembers which were asked for.

    Args:
        known: By name.
    """

    def __init__(self, known: Mapping[str, Rate]) -> None:
        self.known, self.used = dict(known), dict[str, Rate]()

    def __getitem__(self, name: str) -> float:
        """A rate by its name."""
        self.used[name] = self.known[name]
        return self.known[name].value

    def first(self, *names: str) -> float:
        """The first of these rates that is known."""
        return self[next(name for name in names if name in self.known)]

    def has(self, name: str) -> bool:
        """Whether there is such a rate."""
        return name in self.known

    def with_other(self, other: Mapping[str, Rate]) -> "Rates":
        """These rates with others in their places."""
        return Rates(self.known | dict(other))


def packaged_rates() -> Rates:
    """The rates that come with the program."""
    raw = read_yaml(PACKAGED)
    return Rates({name: _rate(name, given, PACKAGED, None) for name, given in raw.items()})


def read_rates(path: Path | str, base: Rates) -> dict[str, Rate]:
    """Rates of a user's file: `name: value`, or `name: {value, source}`.

    Raises:
        InputError: a name that `base` does not have, or a value that is no positive number.
    """
    found = {}
    for name, given in read_yaml(path).items():
        general = name if base.has(name) else str(name).rpartition(".")[0]
        if not base.has(name) and general not in OF_ONE_NETWORK:
            raise InputError(
                f"{path}: {name} is not a rate{suggestion(str(name), base.known)} "
                "(aia/budget/rates.yaml has all of them)"
            )
        unit = base.known[general].unit if base.has(general) else "GFLOP/s"
        found[name] = _rate(name, given, path, unit)
    return found


def write_rates(path: Path | str, rates: Mapping[str, Rate]) -> None:
    """Write rates as `read_rates` and people read them."""
    plain = {
        name: {"value": float(f"{rate.value:.4g}"), "unit": rate.unit, "source": rate.source}
        for name, rate in sorted(rates.items())
    }
    write_text(path, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100))


def _rate(name: str, given: Any, path: Path | str, unit: str | None) -> Rate:
    about = given if isinstance(given, dict) else {"value": given}
    value: Any = about.get("value")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value) or value <= 0:
        raise InputError(
            f"{path}: {name} = {value!r}, expected a number above 0, or a mapping with value, "
            "unit and source"
        )
    return Rate(
        value=float(value),
        unit=str(unit or about.get("unit", "")),
        source=str(about.get("source", f"given in {path}")),
    )
