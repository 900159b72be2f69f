"""Names of runs: the grammar, and how they are read."""

import re
from typing import NamedTuple

from aia.errors import InputError


class RunName(NamedTuple):
    """Name of a run, which says what it is."""

    backbone: str
    structure: str
    """none, nl (Table 1f), lfb (Table 1e), parallel, serial or dense."""
    blocks: str
    memory: str
    """none, amu, frozen, or objects: what the detector saw (§6.1)."""
    seed: int
    variant: str | None

    @property
    def remembers(self) -> bool:
        """True if it has a memory of any kind."""
        return self.memory != "none"

    @property
    def is_asynchronous(self) -> bool:
        """True if its memory is what the network itself saw while it learned (AMU)."""
        return self.memory == "amu"

    @property
    def has_bank(self) -> bool:
        """True if a second, frozen backbone makes what it remembers (Table 1e)."""
        return self.memory == "frozen"

    @property
    def without_seed(self) -> str:
        """Row of a table that this run's seed belongs to."""
        return re.sub(r"-s\d+", "", str(self), count=1)

    def __str__(self) -> str:
        middle = "" if self.structure in ("none", "nl") else f"-{self.blocks}-{self.memory}"
        end = f"-{self.variant}" if self.variant else ""
        return f"{self.backbone}-{self.structure}{middle}-s{self.seed}{end}"


def with_seed(row: str, seed: int) -> str:
    """Put the seed into a run's name, before the variant.

    >>> with_seed("c2d-none", 1), with_seed("c2d-serial-PM-amu-released", 0)
    ('c2d-none-s1', 'c2d-serial-PM-amu-s0-released')
    """
    found = _ROW.fullmatch(row)
    if not found:
        return str(parse_run(f"{row}-s{seed}"))  # which says what a run is
    name, variant = found.groups()
    return str(parse_run(f"{name}-s{seed}{variant or ''}"))


_ROW = re.compile(
    r"([a-z0-9_]+-(?:none|nl|(?:parallel|serial|dense|lfb)-[POM]+-(?:none|amu|frozen|objects)))(-[a-z0-9_]+)?"
)
_RUN = re.compile(
    r"(?P<backbone>[a-z0-9_]+)-(?:(?P<alone>none|nl)|(?P<structure>parallel|serial|dense|lfb)-"
    r"(?P<blocks>[POM]+)-(?P<memory>none|amu|frozen|objects))-"
    r"s(?P<seed>[0-9]{1,9})(?:-(?P<variant>[a-z0-9_]+))?"
)


def parse_run(name: str) -> RunName:
    """Read a run's name.

    >>> parse_run("slowfast_r50_4x16-dense-POMPOM-amu-s0").blocks
    'POMPOM'
    >>> str(parse_run("slowfast_tiny-none-s2-pretrain"))
    'slowfast_tiny-none-s2-pretrain'
    >>> str(parse_run("slowfast_tiny-nl-s0")), str(parse_run("slowfast_tiny-lfb-MM-frozen-s1"))
    ('slowfast_tiny-nl-s0', 'slowfast_tiny-lfb-MM-frozen-s1')
    """
    found = _RUN.fullmatch(name)
    if not found:
        raise InputError(
            f"'{name:.200}' is not a run: expected BACKBONE-STRUCTURE-BLOCKS-MEMORY-sSEED"
            "[-VARIANT], as in slowfast_r50_4x16-dense-POMPOM-amu-s0, or BACKBONE-none-sSEED for "
            "the baseline, BACKBONE-nl-sSEED for the Non-local one (structures parallel, serial, "
            "dense, lfb; memories none, amu, frozen, objects)"
        )
    part = found.groupdict()
    run = RunName(
        part["backbone"],
        part["structure"] or part["alone"],
        part["blocks"] or "",
        part["memory"] or "none",
        int(part["seed"]),
        part["variant"],
    )
    if ("M" in run.blocks) != run.remembers:
        raise InputError(
            f"'{name}': an M-Block needs a memory (amu, frozen or objects), and a memory an M-Block"
        )
    if run.structure == "lfb" and set(run.blocks) != {"M"}:
        raise InputError(
            f"'{name}': LFB attends to the memory alone; its blocks are M's, such as lfb-MM"
        )
    return run
