"""Export a run as a folder that stands alone: weights, detector, and a card of what it is."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from aia.errors import InputError
from aia.files import atomic_path, file_digest, write_text
from aia.predict.model import DETECTOR, MODEL, perception_of
from aia.run import Run
from aia.tables import read_metrics
from aia.tensors import read_tensors

_USE = """```python
import aia

model = aia.load("this folder")
model.predict("video.mp4").to_pandas()
```
"""


def export_run(folder: Path, output: Path, *, licence: str | None = None) -> None:
    """Write model, detector and card of a run.

    Args:
        folder: The run's, such as results/playhouse/runs/RUN.
        output: Folder to write; files of an earlier export of this run in it are replaced.
        licence: Licence of the weights, as the hub calls it; None: the card says none.

    Raises:
        InputError: It is no finished run, or the output holds another model.
    """
    folder = folder.absolute()
    source = folder / MODEL
    if not source.is_file():
        raise InputError(f"{folder}: has no {MODEL}; expected the folder of a finished run")
    run = Run.load(source)
    if (output / MODEL).exists() and Run.load(output / MODEL).name != run.name:
        raise InputError(f"{output}: holds another model already; give another folder")
    output.mkdir(parents=True, exist_ok=True)
    numbers = _numbers(folder, run)
    run = replace(run, perception=perception_of(run, folder, source), numbers=numbers)
    run.write(output / MODEL, read_tensors(source))
    detector = next(
        (path for path in (folder / DETECTOR, folder.parents[1] / DETECTOR) if path.is_file()), None
    )
    if detector is not None:
        _copy(detector, output / DETECTOR)
    write_text(output / "README.md", card(run, has_detector=bool(detector), licence=licence))


def card(run: Run, *, has_detector: bool, licence: str | None = None) -> str:
    """Write a model's card: what the hub reads, then what people do.

    Args:
        run: The run.
        has_detector: True if a detector's file lies beside the model.
        licence: Licence of the weights.
    """
    sees, numbers = run.perception, run.numbers
    dataset = sees.dataset if sees else "unknown"
    protocol = sees.protocol if sees else "unknown"
    front: dict[str, Any] = {"library_name": "aia", "tags": ["action-detection", "video"]}
    if licence:
        front["license"] = licence
    if numbers:
        results = [
            {"type": "mAP", "name": f"{name} ({protocol})", "value": round(100 * value, 2)}
            for name, value in numbers.items()
        ]
        task = {"type": "video-classification", "name": "Spatio-temporal action detection"}
        data = {"type": dataset, "name": dataset}
        entry = {"task": task, "dataset": data, "metrics": results}
        front["model-index"] = [{"name": str(run.name), "results": [entry]}]
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True)
    return f"---\n{head}---\n\n{_body(run, dataset, protocol, has_detector)}"


def _body(run: Run, dataset: str, protocol: str, has_detector: bool) -> str:
    sees, name, numbers = run.perception, run.name, run.numbers
    what = {"none": "no interaction blocks", "nl": "a Non-local block"}.get(
        name.structure, f"{name.structure} interaction, blocks {name.blocks}, memory {name.memory}"
    )
    classes = ", ".join(run.classes.names)
    lines = [
        f"# {name}",
        "",
        "Finds what each person in a video does, second by second (Asynchronous Interaction "
        "Aggregation, ECCV 2020).",
        "",
        f"- **Network**: backbone {name.backbone}, {what}; {run.train.steps} steps of "
        f"{run.train.batch} clips, {run.train.optimizer}, rate {run.train.learning_rate:g}, "
        f"initial weights {run.train.init}, seed {name.seed}.",
        f"- **Data**: {dataset}.",
        f"- **Classes** ({len(run.classes)}): {classes}.",
    ]
    if sees is not None:
        lines += [
            f"- **Frames**: {sees.fps:g} a second, short side {sees.short_side}; persons from "
            f"{sees.person_threshold:g} on, objects from {sees.object_threshold:g}.",
            f"- **Detector**: {sees.detector}, short side {sees.detector_short_side}"
            + (", beside this file." if has_detector else "; not included."),
        ]
    lines += ["", "## Numbers", ""]
    if numbers:
        lines += [f"Protocol `{protocol}`, percent.", "", "| | mAP |", "|---|---|"]
        lines += [f"| {metric} | {100 * value:.2f} |" for metric, value in numbers.items()]
    else:
        lines.append("None: it was not evaluated.")
    lines += [
        "",
        "## Limits",
        "",
        _limits(dataset),
        "",
        "## Use",
        "",
        "```python",
        "import aia",
        "",
    ]
    lines += [
        'model = aia.load("this folder")',
        'model.predict("video.mp4").to_pandas()',
        "```",
        "",
    ]
    return "\n".join(lines)


def _limits(dataset: str) -> str:
    if dataset.startswith(("playhouse", "small")):
        return "Trained on drawn videos: it says nothing sensible of real ones."
    return (
        "It names the classes above and no others, as often as its training data had them; "
        "numbers on other data were not measured. Persons that its detector misses have no actions."
    )


def _numbers(folder: Path, run: Run) -> dict[str, float]:
    """Collect the metrics of a run that the workflow evaluated, or those in its model."""
    metrics = folder.parents[1] / "metrics"
    found = {}
    for boxes, what in (("val", "detected"), ("val-gt", "annotated")):
        path = metrics / f"{folder.name}.{boxes}.csv"
        if path.is_file():
            table = read_metrics(path)
            mean = table[table["class_id"].isna() & table["metric"].str.startswith("mAP")]
            for metric, value in zip(mean["metric"], mean["value"], strict=True):
                found[f"{metric}, {what} persons"] = float(value)
    return found or dict(run.numbers)


def _copy(source: Path, target: Path) -> None:
    if target.exists() and file_digest(source) == file_digest(target):
        return
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)
