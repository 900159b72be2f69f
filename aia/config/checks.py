"""What values must fulfil: each check says which setting it is, its value and the bound."""

from collections.abc import Iterator
from typing import Any


def at_least(section: Any, **least: int | float) -> None:
    """Each named number is at least its bound."""
    for name, bound in least.items():
        if getattr(section, name) < bound:
            raise ValueError(f"{name} = {getattr(section, name)} is less than {bound}")


def at_most(section: Any, **most: int | float) -> None:
    """Each named number is at most its bound."""
    for name, bound in most.items():
        if getattr(section, name) > bound:
            raise ValueError(f"{name} = {getattr(section, name)} is more than {bound}")


def share(section: Any, *names: str) -> None:
    """Each named number is within 0..1."""
    for name in names:
        if not 0 <= getattr(section, name) <= 1:
            raise ValueError(f"{name} = {getattr(section, name)} is outside 0..1")


def odd(section: Any, *names: str) -> None:
    """Kernels over time: an even one would change the number of frames."""
    for name in names:
        for kernel in _flat(getattr(section, name)):
            if kernel < 1 or kernel % 2 == 0:
                raise ValueError(f"{name}: {kernel} is not an odd number of frames (1, 3, 5, ...)")


def each_at_least(section: Any, bound: int, *names: str) -> None:
    """Each number of each named list, however nested, is at least `bound`."""
    for name in names:
        for number in _flat(getattr(section, name)):
            if number < bound:
                raise ValueError(f"{name}: {number} is less than {bound}")


def once_each(name: str, values: tuple[Any, ...]) -> None:
    """There are values, and none twice."""
    if not values:
        raise ValueError(f"{name}: needs at least one")
    if len(set(values)) < len(values):
        raise ValueError(f"{name}: {list(values)} names one of them twice")


def _flat(value: Any) -> Iterator[int]:
    """The numbers of a setting that may be a list of lists.

    >>> list(_flat(((1, 3), (5,)))), list(_flat(7))
    ([1, 3, 5], [7])
    """
    if isinstance(value, tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value
