"""Trackers: where else the metrics of a run go while it trains; metrics.jsonl stays the source.

The setting `trackers` names them: tensorboard, or an entry point of the group aia.trackers, by
which an installed package brings one:

    [project.entry-points."aia.trackers"]
    mine = "my_package:MyTracker"
"""

import importlib.util
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

from aia.config import suggestion
from aia.errors import InputError
from aia.log import say

GROUP = "aia.trackers"


@runtime_checkable
class Tracker(Protocol):
    """Receiver of a run's metrics, in its first process.

    Args:
        run: Name of the run.
        folder: Work folder of the run.
        after: Last step of the checkpoint that the run resumes from, or 0: points of later steps
            are written again and take the place of older ones.
    """

    def __init__(self, run: str, folder: Path, after: int) -> None: ...

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Take the values of a step: loss, lr, trust and age, or val_map."""

    def close(self) -> None:
        """Write what is pending."""


class TensorBoard:
    """Event files in the folder `tensorboard` of a run's work folder; see `Tracker`."""

    def __init__(self, run: str, folder: Path, after: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=after + 1)
        say(f"{run}: TensorBoard's files are in {folder / 'tensorboard'}")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a point to each curve."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Write what is pending."""
        self._writer.close()


def open_trackers(
    names: Sequence[str], *, run: str, folder: Path, after: int
) -> dict[str, Tracker]:
    """Open the trackers of a run; tensorboard only where it is installed.

    Raises:
        InputError: No installed package has a tracker of such a name.
    """
    opened: dict[str, Tracker] = {}
    for name in names:
        if name == "tensorboard":
            if importlib.util.find_spec("tensorboard") is not None:
                opened[name] = TensorBoard(run, folder, after)
            continue
        known = {entry.name: entry for entry in entry_points(group=GROUP)}
        if name not in known:
            raise InputError(
                f"trackers: {name} is not known{suggestion(name, known)}; expected "
                f"{', '.join(['tensorboard', *known])}: is the package installed that has it as "
                f"an entry point of {GROUP}?"
            )
        opened[name] = known[name].load()(run, folder, after)
    return opened
