"""What a run tells while it trains: metrics.jsonl for figures, lines for whoever watches."""

import json
import math
from pathlib import Path

from aia.config import RunName
from aia.errors import InputError
from aia.files import sync, write_text
from aia.log import Pace, say
from aia.train.loop import Step


class Metrics:
    """metrics.jsonl: one JSON object a line; lines after the checkpoint are written again."""

    def __init__(self, path: Path, *, run: RunName, step: int) -> None:
        self.run = run
        kept = []
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line)["step"] <= step:
                        kept.append(line + "\n")
                except (ValueError, KeyError, TypeError):  # the line that a kill cut short
                    continue
        write_text(path, "".join(kept))
        self.file = open(path, "a", encoding="utf-8")  # noqa: SIM115 (open as long as the run)
        self.path = path

    def write(self, step: Step, pace: Pace) -> None:
        """Add a step; this reads its numbers off the device."""
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
        self.file.write(json.dumps(entry) + "\n")

    def validated(self, step: int, val_map: float) -> None:
        """Add a point of the mAP curve."""
        self.file.write(json.dumps({"step": step, "val_map": val_map}) + "\n")
        say(f"{self.run}  step {step:6d}  frame mAP {100 * val_map:.2f} on annotated persons")

    def line(self, step: Step, steps: int, pace: Pace) -> str:
        """The step as a person reads it."""
        trust = step.trust.item()
        memory = "" if math.isnan(trust) else f"  trust {trust:.2f}"
        return (
            f"{self.run}  step {step.number:6d}/{steps}  loss {step.loss.item():8.4f}  "
            f"lr {step.rate:.1e}{memory}  {pace.rate(step.number) * step.clips:6.1f} clips/s  "
            f"eta {pace.eta(step.number)}"
        )

    def flush(self) -> None:
        """Bring all lines to the disk."""
        self.file.flush()
        sync(self.path)

    def close(self) -> None:
        """Nothing is added any more."""
        self.file.close()
