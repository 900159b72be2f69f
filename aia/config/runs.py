"""Names of runs, which say what a run is, and the rows of tables that are made of them."""

import re
from typing import NamedTuple

from aia.config.checks import suggestion
from aia.errors import InputError

_WITHOUT_SEED = (
    r"[a-z0-9_]+-"
    r"(?:none|nl|(?:parallel|serial|dense|lfb)-[POM]+-(?:none|amu|frozen|objects))"
)
_VARIANT = r"-[a-z0-9_]+"

RUN_PATTERN = rf"{_WITHOUT_SEED}-s[0-9]{{1,9}}(?:{_VARIANT})?"
"""The names of runs: BACKBONE-STRUCTURE-BLOCKS-MEMORY-sSEED[-VARIANT], or BACKBONE-none-sSEED and
BACKBONE-nl-sSEED for the baselines."""

ENSEMBLE_PATTERN = r"[a-z0-9_]+"
"""The names of ensembles: never a run's, which have a - in them."""

MULTISCALE = "multiscale"
"""The word after a name that asks for the mean over views (Table 2's "*")."""


class RunName(NamedTuple):
    """A run, named by what it is."""

    backbone: str
    """One of `backbones`."""
    structure: str
    """none, nl (Table 1f), lfb (Table 1e), parallel, serial or dense."""
    blocks: str
    """Kinds of the interaction blocks in their order, such as POM; empty for none and nl."""
    memory: str
    """none, amu, frozen, or objects: what the detector saw (§6.1)."""
    seed: int
    """Seed of all that is drawn."""
    variant: str | None
    """One of `variants`, whose settings it has."""

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


class TableRow(NamedTuple):
    """What a row of a table scores."""

    name: str
    """A run without its seed, or one of fuse.ensembles, which has no - in it."""
    multiscale: bool
    """True if the scores are the mean over several views."""

    @property
    def is_ensemble(self) -> bool:
        """True if it is the mean of several runs, so that it has no seeds."""
        return "-" not in self.name

    @property
    def views(self) -> str:
        """The word for its views in the names of its scores and metrics."""
        return f"-{MULTISCALE}" if self.multiscale else ""


def parse_run(name: str) -> RunName:
    """Read a run's name.

    >>> parse_run("slowfast_r50_4x16-dense-POMPOM-amu-s0").blocks
    'POMPOM'
    >>> str(parse_run("slowfast_tiny-none-s2-pretrain"))
    'slowfast_tiny-none-s2-pretrain'
    >>> str(parse_run("slowfast_tiny-nl-s0")), str(parse_run("slowfast_tiny-lfb-MM-frozen-s1"))
    ('slowfast_tiny-nl-s0', 'slowfast_tiny-lfb-MM-frozen-s1')
    """
    if not re.fullmatch(RUN_PATTERN, name):
        raise InputError(
            f"'{name:.200}' is not a run: expected BACKBONE-STRUCTURE-BLOCKS-MEMORY-sSEED"
            "[-VARIANT], as in slowfast_r50_4x16-dense-POMPOM-amu-s0, or BACKBONE-none-sSEED for "
            "the baseline, BACKBONE-nl-sSEED for the Non-local one (structures parallel, serial, "
            "dense, lfb; memories none, amu, frozen, objects)"
        )
    backbone, structure, *rest = name.split("-")
    without = ["", "none"] if structure in ("none", "nl") else []
    blocks, memory, seed, *variant = [*without, *rest]
    if ("M" in blocks) != (memory != "none"):
        raise InputError(
            f"'{name}': an M-Block needs a memory (amu, frozen or objects), and a memory an M-Block"
        )
    if structure == "lfb" and set(blocks) != {"M"}:
        raise InputError(
            f"'{name}': LFB attends to the memory alone; its blocks are M's, such as lfb-MM"
        )
    return RunName(
        backbone, structure, blocks, memory, int(seed[1:]), variant[0] if variant else None
    )


def with_seed(row: str, seed: int) -> str:
    """Return a run's whole name from that without the seed, which stands before the variant.

    >>> with_seed("c2d-none", 1), with_seed("c2d-serial-PM-amu-released", 0)
    ('c2d-none-s1', 'c2d-serial-PM-amu-s0-released')
    """
    found = re.fullmatch(rf"({_WITHOUT_SEED})({_VARIANT})?", row)
    name, variant = found.groups(default="") if found else (row, "")
    return str(parse_run(f"{name}-s{seed}{variant}"))


def parse_row(row: str) -> TableRow:
    """Read a row: RUN, RUN multiscale, ENSEMBLE or ENSEMBLE multiscale.

    >>> parse_row("c2d-serial-POM-amu multiscale")
    TableRow(name='c2d-serial-POM-amu', multiscale=True)
    >>> parse_row("three").is_ensemble
    True

    Raises:
        InputError: Another word than multiscale, or a name of neither kind.
    """
    name, *words = row.split() or [""]
    if words not in ([], [MULTISCALE]):
        wrong = " ".join(words)
        raise InputError(
            f"'{row}': '{wrong}' says nothing of a run{suggestion(wrong, [MULTISCALE])}; expected "
            "RUN, RUN multiscale, or one of fuse.ensembles in the run's place"
        )
    if not re.fullmatch(ENSEMBLE_PATTERN, name):
        with_seed(name, 0)  # checks that it is a run's
    return TableRow(name, bool(words))


def check_ensemble(name: str) -> None:
    """Check the name of an ensemble."""
    if not re.fullmatch(ENSEMBLE_PATTERN, name):
        raise ValueError(f"ensembles: '{name}' is not a name of a-z, 0-9 and _")
