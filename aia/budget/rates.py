"""How fast things go: numbers with their unit and where each was measured (rates.yaml)."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from aia.config import read_yaml, suggestion
from aia.errors import InputError

SHIPPED = Path(__file__).with_name("rates.yaml")
OF_ONE_NETWORK = [
    f"{stage}.{device}"
    for stage in ("train", "score", "finetune", "detect")
    for device in ("cpu", "gpu")
]
"""Rates that may be known for a single network, as in train.cpu.slowfast_tiny."""


class Rate(NamedTuple):
    """A number that the budget assumes."""

    value: float
    unit: str
    source: str
    """Place of the measurement, or a note that there was none."""


class Rates:
    """The shipped rates, and a user's in their places; it remembers which were used.

    Args:
        path: The user's file: `name: value`, or `name: {value, source}`.

    Raises:
        InputError: The file has a name that is no rate, or a value that is no positive number.
    """

    def __init__(self, path: Path | str | None = None) -> None:
        self.known: dict[str, Rate] = {}
        self.used: dict[str, Rate] = {}
        for name, given in read_yaml(SHIPPED).items():
            self.known[name] = _rate(name, given, SHIPPED, given["unit"])
        if path is not None:
            self.known |= self._read(path)

    def __getitem__(self, name: str) -> float:
        """Return a rate's value."""
        self.used[name] = self.known[name]
        return self.known[name].value

    def __contains__(self, name: str) -> bool:
        """Return True if there is such a rate."""
        return name in self.known

    def _read(self, path: Path | str) -> dict[str, Rate]:
        found = {}
        for name, given in read_yaml(path).items():
            general = name if name in self else str(name).rpartition(".")[0]
            if name not in self and general not in OF_ONE_NETWORK:
                raise InputError(
                    f"{path}: {name} is not a rate{suggestion(str(name), self.known)} "
                    "(aia/budget/rates.yaml has all of them)"
                )
            unit = self.known[general].unit if general in self else "GFLOP/s"
            found[name] = _rate(name, given, path, unit)
        return found


def _rate(name: str, given: Any, path: Path | str, unit: str) -> Rate:
    """Check one entry of a file of rates."""
    about: Mapping[str, Any] = given if isinstance(given, dict) else {"value": given}
    value: Any = about.get("value")
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise InputError(
            f"{path}: {name} = {value!r}, expected a number above 0, or a mapping with value, "
            "unit and source"
        )
    return Rate(float(value), unit, str(about.get("source", f"given in {path}")))
