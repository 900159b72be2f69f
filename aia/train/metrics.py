"""Progress of a run: metrics.jsonl for figures, lines for the log."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from aia.config import RunName
from aia.errors import InputError
from aia.files import sync, write_text
from aia.log import Pace, say
from aia.train.loop import Step
from aia.train.trackers import Tracker


class Metrics:
    """File metrics.jsonl: one JSON object a line.

    Args:
        path: The file.
        run: Name of the run.
        before: Lines of the steps before, which the checkpoint holds.
        trackers: Where the new lines go, too, by name; one that fails is left out from then on.
    """

    def __init__(
        self,
        path: Path,
        *,
        run: RunName,
        before: str,
        trackers: Mapping[str, Tracker] | None = None,
    ) -> None:
        self.run, self.path, self._trackers = run, path, dict(trackers or {})
        self._lines = [before]
        write_text(path, before)
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (open as long as the run)

    @property
    def text(self) -> str:
        """Return all lines so far, also if the file was changed."""
        return "".join(self._lines)

    def write(self, step: Step, pace: Pace) -> None:
        """Add a step; this copies its numbers from the device."""
        loss = step.loss.item()
        if not math.isfinite(loss):
            raise InputError(
                f"step {step.number}: the loss is {loss}; the learning rate {step.rate:.1e} is "
                "likely too high (train.learning_rate), or train.warmup_steps too few"
            )
        trust, age = step.trust.item(), step.age.item()
        entry = {
            "step": step.number,
            "loss": loss,
            "lr": step.rate,
            "trust": None if math.isnan(trust) else trust,
            "age": None if math.isnan(age) else age,
        }
        self._add(entry)

    def validated(self, step: int, val_map: float) -> None:
        """Add a point of the mAP curve."""
        self._add({"step": step, "val_map": val_map})
        say(f"{self.run}  step {step:6d}  frame mAP {100 * val_map:.2f} on annotated persons")

    def line(self, step: Step, steps: int, pace: Pace) -> str:
        """Format a step for the log."""
        trust = step.trust.item()
        memory = "" if math.isnan(trust) else f"  trust {trust:.2f}"
        return (
            f"{self.run}  step {step.number:6d}/{steps}  loss {step.loss.item():8.4f}  "
            f"lr {step.rate:.1e}{memory}  {pace.rate(step.number) * step.clips:6.1f} clips/s  "
            f"eta {pace.eta(step.number)}"
        )

    def _add(self, entry: Mapping[str, Any]) -> None:
        line = json.dumps(entry) + "\n"
        self._lines.append(line)
        self.file.write(line)
        values = {name: value for name, value in entry.items() if value is not None}
        step = values.pop("step")
        self._track(lambda tracker: tracker.write(step, values))

    def _track(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                act(tracker)
            except Exception as error:  # whatever a tracker raises, training goes on
                del self._trackers[name]
                say(f"{self.run}: {name} gets no more metrics ({error}); {self.path} has all")

    def flush(self) -> None:
        """Write all lines to the disk."""
        self.file.flush()
        sync(self.path)

    def close(self) -> None:
        """Close the file and the trackers."""
        self.file.close()
        self._track(lambda tracker: tracker.close())
