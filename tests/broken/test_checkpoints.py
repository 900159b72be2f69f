"""Checkpoints of strangers and our own, Ω on disk, and the state of a run that goes on."""

import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from aia.files import file_digest
from tests.broken.case import (
    CANARY,
    Case,
    Hostile,
    copied_folder,
    cut,
    damaged,
    flipped,
    pickled,
    written,
)
from tests.broken.conftest import Refuses
from tests.broken.good import RUN

INSPECT = "weights inspect {} --settings good/settings.yaml"
CONVERT = "weights convert {} out/x.safetensors --settings good/settings.yaml"
BACK = "weights convert model.safetensors out/x.pth"
SCORE = (
    "score --model model.safetensors --annotations good/actions.csv --frames good/kitchen.h5 "
    "--labels good/labels.pbtxt --output out/scores.parquet --settings good/settings.yaml"
)
DETECT = (
    "detect good/kitchen.h5 --weights {} --annotations good/actions.csv "
    "--persons out/p.parquet --objects out/o.parquet --settings good/settings.yaml"
)
INIT = (
    "train --run slowfast_tiny-none-s0 --frames good/kitchen.h5 --annotations good/actions.csv "
    "--labels good/labels.pbtxt --settings good/settings.yaml --threads 1 --work out/work "
    "--output-dir out --init {}"
)
DRIFT = (
    "drift --model good/run/model.safetensors --work work --frames good/kitchen.h5 "
    "--annotations good/actions.csv --labels good/labels.pbtxt --output out/drift.csv"
)


def saved(name: str, content: Any) -> Callable[[], None]:
    """A file of torch.save."""
    return lambda: torch.save(content, name)


def old_torch() -> None:
    """A checkpoint of the form before zip, which is a row of pickles."""
    torch.save({"model": Hostile()}, "x.pth", _use_new_zipfile_serialization=False)


def zip_of_code() -> None:
    """A zip as torch writes it, whose pickle runs a program."""
    with zipfile.ZipFile("x.pth", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Hostile(), protocol=2))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")


def model(
    about: Callable[[dict], object] = lambda run: None,
    tensors: Callable[[dict], object] = lambda state: None,
    *,
    source: str = "run/model.safetensors",
    name: str = "model.safetensors",
) -> Callable[[], None]:
    """A copy of our model with something changed in what it says of itself, or in its tensors."""

    def make() -> None:
        path = Path("good") / source
        state = load_file(path)
        with safe_open(path, framework="pt") as file:
            metadata = dict(file.metadata())
        [key] = metadata
        said = json.loads(metadata[key])
        del said["content_sha256"]  # as a program that knows of none would write it
        about(said)
        tensors(state)
        save_file(state, name, metadata={key: json.dumps(said)})

    return make


def detector(**changes: Any) -> Callable[[], None]:
    return model(
        lambda said: said.update(changes), source="detector.safetensors", name="d.safetensors"
    )


def shrunk(state: dict) -> None:
    first = next(name for name, value in state.items() if value.ndim)
    state[first] = state[first][:1].clone()


def first_not_a_number(state: dict) -> None:
    next(value for value in state.values() if value.is_floating_point()).fill_(np.nan)


def memory(change: Callable[[Path], object]) -> Callable[[], None]:
    """A copy of the run's work folder with something changed in its Ω."""
    return copied_folder("work", lambda work: change(work / "step-0000001" / "memory.zarr"))


def edited(*, damage: bool = False, **changes: Any) -> Callable[[], None]:
    """... with other attributes; unless it is damage, nothing in the file speaks against them."""

    def change(folder: Path) -> None:
        path = folder / "zarr.json"
        said = json.loads(path.read_text())
        if not damage:
            del said["attributes"]["sha256"]["attributes"]
        said["attributes"] |= changes
        path.write_text(json.dumps(said))

    return memory(change)


def array_of(**changes: Any) -> Callable[[], None]:
    def change(folder: Path) -> None:
        path = folder / "features" / "zarr.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return memory(change)


def chunk(folder: Path) -> Path:
    return next(path for path in (folder / "features" / "c").rglob("*") if path.is_file())


HUGE = 10**14
CASES = [
    Case("checkpoint that is not there", lambda: None, INSPECT.format("x.pth"),
         r"x\.pth: there is no such file; expected a checkpoint"),
    Case("checkpoint of no bytes", written("x.pth", b""), INSPECT.format("x.pth"),
         r"x\.pth: cannot be read as a checkpoint"),
    Case("checkpoint that is a page", written("x.pth", "<html>404</html>"), INSPECT.format("x.pth"),
         r"x\.pth: "),
    Case("checkpoint that runs a program", saved("x.pth", {"model": Hostile()}),
         CONVERT.format("x.pth"), r"x\.pth: holds more than tensors and plain values, .*program"),
    Case("checkpoint of old form that runs a program", old_torch, CONVERT.format("x.pth"),
         r"x\.pth: holds more than tensors and plain values, .*program"),
    Case("checkpoint as a zip that runs a program", zip_of_code, CONVERT.format("x.pth"),
         r"x\.pth: holds more than tensors and plain values, .*program"),
    Case("pickle of arrays that runs a program", pickled("x.pkl", {"blobs": Hostile()}),
         CONVERT.format("x.pkl"), r"x\.pkl: this pickle would run posix\.system"),
    Case("checkpoint that is cut off",
         lambda: (saved("y.pth", {"model": {"a": torch.ones(999)}})(),
                  Path("x.pth").write_bytes(cut(Path("y.pth").read_bytes()))),
         INSPECT.format("x.pth"), r"x\.pth: cannot be read as a checkpoint .*is it whole"),
    Case("checkpoint without tensors", saved("x.pth", {"model": {"epoch": 3}}),
         INSPECT.format("x.pth"), r"x\.pth: holds no named tensors; expected a state dict"),
    Case("checkpoint of an unknown layout", saved("x.pth", {"a.weight": torch.ones(3)}),
         CONVERT.format("x.pth"), r"x\.pth: its layout is unknown"),
    Case("safetensors of no bytes", written("x.safetensors", b""), INSPECT.format("x.safetensors"),
         r"x\.safetensors: not a safetensors file"),
    Case("safetensors whose header is larger than the file",
         written("x.safetensors", (1 << 40).to_bytes(8, "little") + b"{}"),
         INSPECT.format("x.safetensors"), r"x\.safetensors: not a safetensors file"),
    Case("model that is not there", lambda: None, SCORE,
         r"model\.safetensors: there is no such model"),
    Case("model that is cut off", damaged("model.safetensors", cut, source="run/model.safetensors"),
         SCORE, r"model\.safetensors: not a model of aia train"),
    Case("model whose header has a flipped bit",
         damaged("model.safetensors", flipped(0.0), source="run/model.safetensors"), SCORE,
         r"model\.safetensors: not a model of aia train"),
    Case("model that is a detector",
         damaged("model.safetensors", bytes, source="detector.safetensors"), SCORE,
         r"model\.safetensors: not a model of aia train \('run'\)"),
    Case("model of a run that is none", model(lambda said: said.update(run="../../x")), SCORE,
         r"model\.safetensors: '\.\./\.\./x' is not a run"),
    Case("model that does not say its classes", model(lambda said: said.pop("classes")), SCORE,
         r"model\.safetensors: .*classes.*aia train"),
    Case("model whose classes are not as many", model(lambda said: said["classes"]["ids"].pop()),
         SCORE, r"model\.safetensors: .*classes"),
    Case("model with a setting more", model(lambda said: said["network"].update(depth=7)), SCORE,
         r"model\.safetensors: network: depth is not a setting"),
    Case("model of a network that is not described", model(lambda said: said.update(network=None)),
         SCORE, r"model\.safetensors: network: .*a section of settings"),
    Case("model whose weights have a flipped bit",
         damaged("model.safetensors", flipped(0.8), source="run/model.safetensors"), SCORE,
         r"model\.safetensors: its content is not what was written"),
    Case("model that lacks a tensor", model(tensors=dict.popitem), SCORE,
         r"model\.safetensors: does not fit its network: 1 .*missing"),
    Case("model with a tensor of another shape", model(tensors=shrunk), SCORE,
         r"model\.safetensors: does not fit its network: .*another shape"),
    Case("model that lacks a tensor, for the way back", model(tensors=dict.popitem), BACK,
         r"model\.safetensors: does not fit its network"),
    Case("model with weights that are no numbers", model(tensors=first_not_a_number), SCORE,
         r"model\.safetensors: .* holds what is not a number"),
    Case("weights to begin with that are not there", lambda: None, INIT.format("x.safetensors"),
         r"x\.safetensors: there is no such file; expected"),
    Case("weights to begin with that are cut off",
         damaged("x.safetensors", cut, source="run/model.safetensors"),
         INIT.format("x.safetensors"), r"x\.safetensors: not a safetensors file"),
    Case("weights to begin with of another network",
         damaged("x.safetensors", bytes, source="detector.safetensors"),
         INIT.format("x.safetensors"), r"x\.safetensors: does not fit the backbone"),
    Case("detector that is cut off",
         damaged("d.safetensors", cut, source="detector.safetensors"),
         DETECT.format("d.safetensors"), r"d\.safetensors: not a safetensors file .*is it whole"),
    Case("detector that is a model",
         damaged("d.safetensors", bytes, source="run/model.safetensors"),
         DETECT.format("d.safetensors"), r"d\.safetensors: has no description of its detector"),
    Case("detector of another version", detector(format=7), DETECT.format("d.safetensors"),
         r"d\.safetensors: is of another version of aia"),
    Case("detector of no network", detector(model="colossal"), DETECT.format("d.safetensors"),
         r"d\.safetensors: .*colossal"),
    Case("detector that says more than it should", detector(run="x"),
         DETECT.format("d.safetensors"), r"d\.safetensors: .*metadata are incompatible"),
    Case("detector with classes that are a number", detector(classes=7),
         DETECT.format("d.safetensors"), r"d\.safetensors: .*classes"),
    Case("detector that sees nothing", detector(short_side=-5), DETECT.format("d.safetensors"),
         r"d\.safetensors: .*short_side"),
    Case("detector with one more class", detector(classes=["person", "cup", "tv"]),
         DETECT.format("d.safetensors"), r"d\.safetensors: does not fit small with 3 classes"),
    Case("memory of a run that has none", lambda: Path("work").mkdir(), DRIFT,
         r"work: holds no memory; expected the work folder of a run"),
    Case("memory without a chunk", memory(lambda folder: chunk(folder).unlink()), DRIFT,
         r"work/step-0000001/memory\.zarr/features: 1 of 1 chunks are missing"),
    Case("memory with a flipped bit",
         memory(lambda folder: chunk(folder).write_bytes(flipped(0.5)(chunk(folder).read_bytes()))),
         DRIFT, r"work/step-0000001/memory\.zarr/features: not what was written.*disk damage"),
    Case("memory with a chunk cut off",
         memory(lambda folder: chunk(folder).write_bytes(chunk(folder).read_bytes()[:9])), DRIFT,
         r"work/step-0000001/memory\.zarr/features: not readable"),
    Case("memory without its description", memory(lambda folder: (folder / "zarr.json").unlink()),
         DRIFT, r"work/step-0000001/memory\.zarr: not readable as a memory pool"),
    Case("memory of another run", edited(seconds={"attic": [0, 7]}), DRIFT,
         r"work/step-0000001/memory\.zarr: a memory pool of another run: its seconds of"),
    Case("memory of another width", edited(d=7), DRIFT,
         r"work/step-0000001/memory\.zarr: a memory pool of another run: its d is 7, this run's"),
    Case("memory whose width was damaged", edited(damage=True, d=7), DRIFT,
         r"work/step-0000001/memory\.zarr: its attributes are not what was written"),
    Case("memory whose digests are no digests", edited(sha256=[1]), DRIFT,
         r"work/step-0000001/memory\.zarr.*: not what was written"),
    Case("memory of petabytes", array_of(shape=[HUGE, 1024]), DRIFT,
         r"work/step-0000001/memory\.zarr/features: "),
    Case("memory with code as its codec", array_of(codecs=[{"name": "os.system"}]), DRIFT,
         r"work/step-0000001/memory\.zarr/features: not readable .*os\.system"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_by_name_and_nothing_is_written(case: Case, refuses: Refuses) -> None:
    refuses(case)


def hostile_state(generation: Path) -> None:
    """A state that would run a program, with the digest that it must have."""
    torch.save({"step": 1, "network": Hostile()}, generation / "state.pt")
    digests = json.loads((generation / "digests.json").read_text())
    digests["state.pt"] = file_digest(generation / "state.pt")
    (generation / "digests.json").write_text(json.dumps(digests))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda g: (g / "state.pt").write_bytes(flipped(0.5)((g / "state.pt").read_bytes())),
         r"state\.pt: its content is not what was written; is the disk damaged\?; going back"),
        (lambda g: (g / "state.pt").write_bytes(b""), r"state\.pt: its content is not what was"),
        (lambda g: (g / "digests.json").write_text("[]"), r"not a whole checkpoint .*; going back"),
        (lambda g: (g / "digests.json").write_text("{"), r"not a whole checkpoint .*; going back"),
        (lambda g: chunk(g / "memory.zarr").unlink(), r"chunks are missing; going back"),
        (lambda g: shutil.rmtree(g / "memory.zarr"), r"memory\.zarr: its content is not what was"),
        (hostile_state, r"state\.pt: .*could run a program.*; going back"),
    ],
    ids=["flipped bit", "no bytes", "no digests", "cut digests", "missing chunk", "no memory",
         "code"],
)  # fmt: skip
def test_a_damaged_state_is_named_and_training_goes_on_from_the_one_before(
    change: Callable[[Path], object],
    message: str,
    folder: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Not an error: a night's training is not lost to a power cut. Here none is before it."""
    import re

    from aia.cli import main

    copied_folder("work", lambda work: change(work / "step-0000001"))()
    command = INIT.split(" --init")[0].replace("slowfast_tiny-none-s0", RUN)
    status = main(command.replace("out/work", "work").split())
    said = capfd.readouterr().err
    assert status == 0, said
    assert len(re.findall(message, said)) == 1, said
    assert "resuming after" not in said
    assert not (folder / CANARY).exists()
