"""A run: the one description of what is trained, and its network once that is done.

    name, classes                  which run, and the classes in the order of the network's outputs
    backbone, network, memory,     its sections of config.yaml, the variant applied
    loss, train
    objects_seen                   whose objects it remembers, where it remembers objects (§6.1)
    perception                     how it sees a video: frame rate, sizes, thresholds, detector

A run comes from settings (`Run.from_settings`), stands as JSON in the metadata of its model, and is
read from there (`Run.load`). Its network is built from it alone (`Run.build`).
"""

import dataclasses
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open

from aia.clip import ClipSample
from aia.config import (
    MACHINE_SETTINGS,
    BackboneConfig,
    LossConfig,
    MemoryConfig,
    NetworkConfig,
    Perception,
    RunName,
    TrainConfig,
    build_section,
    parse_run,
    run_settings,
)
from aia.errors import InputError
from aia.files import file_digest
from aia.labels import ClassList
from aia.network import Network, build_network
from aia.tensors import put_weights, read_tensors, write_tensors
from aia.video.store import FrameStore

ENTRY = "run"
"""The entry of a model's metadata that holds its run."""


SEEN = ("fps", "short_side", "numbered")
"""Settings of frames that must be those of training; compression may differ."""


class ObjectsSeen(NamedTuple):
    """Objects that a run remembers."""

    channels: int
    detector: str
    """Hash of the weights of the detector that saw them."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """Description of a run: enough to build its network and to read its scores."""

    name: RunName
    classes: ClassList
    backbone: BackboneConfig
    network: NetworkConfig
    memory: MemoryConfig | None
    """None of a run without M-Blocks."""
    loss: LossConfig
    train: TrainConfig
    objects_seen: ObjectsSeen | None = None
    perception: Perception | None = None
    """None of models that were written before they described it."""
    numbers: Mapping[str, float] = dataclasses.field(default_factory=dict)
    """Metrics of its evaluation as fractions, by name, under the protocol of `perception`."""

    @classmethod
    def from_settings(
        cls, name: RunName, settings: Mapping[str, Any], *, classes: ClassList
    ) -> "Run":
        """Read the run from a whole config.yaml, or from the sections that make it what it is."""
        whole = "variants" in settings
        raw = run_settings(settings, name) if whole else settings
        sections = {**raw, "backbone": raw["backbones"][name.backbone]}
        if not name.remembers:
            sections["memory"] = None
        backbone = f"backbones.{name.backbone}"
        return cls(
            name=name,
            classes=classes,
            perception=Perception.from_settings(settings) if whole else None,
            **_read_sections(sections, "settings", backbone),
        )

    @classmethod
    def from_json(cls, described: Mapping[str, Any], *, source: Path | str) -> "Run":
        """Read the run that the metadata of a model describe.

        Raises:
            InputError: They describe it in a way that this version does not understand.
        """
        try:
            try:
                name = parse_run(described["run"])
            except InputError as error:
                raise InputError(f"{source}: {error}") from None
            sections = _read_sections(described, f"{source}", "backbone")
            seen = described.get("objects_seen") or {}
            sees = described.get("perception")
            return cls(
                name=name,
                classes=_read_classes(described["classes"]),
                objects_seen=ObjectsSeen(seen["channels"], seen["detector"]) if seen else None,
                perception=build_section(Perception, sees, f"{source}: perception")
                if sees
                else None,
                numbers={str(k): float(v) for k, v in described.get("numbers", {}).items()},
                **sections,
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(
                f"{source}: its metadata are incompatible with this version "
                f"({type(error).__name__}: {error}); expected run, classes, backbone, network, "
                "memory, loss and train, as aia train writes them"
            ) from None

    @classmethod
    def load(cls, path: Path | str) -> "Run":
        """Read the run of a published model.safetensors.

        Raises:
            InputError: The file is missing, damaged, or not a model of aia train.
        """
        try:
            with safe_open(path, framework="pt") as file:
                described = json.loads((file.metadata() or {})[ENTRY])
        except FileNotFoundError:
            raise InputError(f"{path}: there is no such model") from None
        except Exception as error:  # safetensors raises its own classes for each kind of damage
            raise InputError(f"{path}: not a model of aia train ({error})") from None
        return cls.from_json(described, source=path)

    def to_json(self) -> dict[str, Any]:
        """Describe the run as plain values, as they stand in a model's metadata."""
        sections = {name: getattr(self, name) for name in _SECTIONS}
        described: dict[str, Any] = {
            "run": str(self.name),
            "classes": dataclasses.asdict(self.classes),
            **{
                name: None if part is None else dataclasses.asdict(part)
                for name, part in sections.items()
            },
        }
        if self.objects_seen is not None:
            described["objects_seen"] = self.objects_seen._asdict()
        if self.perception is not None:
            described["perception"] = dataclasses.asdict(self.perception)
        if self.numbers:
            described["numbers"] = dict(self.numbers)
        return json.loads(json.dumps(described))

    def identity(self) -> dict[str, Any]:
        """Describe the run without the settings that may change when it is resumed."""
        described = self.to_json()
        for name in MACHINE_SETTINGS["train"]:
            del described["train"][name]
        described.pop("perception", None)  # the digests of the frames say more
        described.pop("numbers", None)
        return described

    def build(self) -> Network:
        """Build the network with fresh weights; a backbone whose rate is 0 is not trained."""
        network = build_network(
            backbone=self.backbone,
            frozen_norm=self.train.frozen_norm,
            structure=self.name.structure,
            blocks=self.name.blocks,
            network=self.network,
            memory=self.memory,
            classes=len(self.classes),
            bank=self.name.has_bank,
            d_memory=self.objects_seen.channels if self.objects_seen else None,
        )
        if self.train.backbone_factor == 0:
            network.backbone.requires_grad_(False)
        return network

    def check_queries(self, clips: Iterable[ClipSample]) -> None:
        """Refuse clips that are asked about otherwise than the network asks.

        Raises:
            InputError: There is such a clip.
        """
        wanted = "clip" if self.network.query == "segment" else "persons"
        for clip in clips:
            if clip.query != wanted:
                raise InputError(
                    f"{self.name}: network.query = {self.network.query}, but {clip.key.video} is "
                    f"labelled by {'segment' if clip.query == 'clip' else 'person'}; is it of "
                    "another data set's settings?"
                )

    def check_stores(self, stores: Iterable[FrameStore]) -> None:
        """Refuse frames that are not as the run saw them.

        Raises:
            InputError: The rate or the size of a store differs.
        """
        if self.perception is None:
            return
        wanted = {name: getattr(self.perception, name) for name in SEEN}
        for store in stores:
            for name, value in wanted.items():
                found = store.about.get(name, False if name == "numbered" else None)
                if found != value:
                    raise InputError(
                        f"{store.path}: its frames are of frames.{name} = {found}, but "
                        f"{self.name} was trained on {value}; make the store again with that"
                    )

    def write(self, path: Path | str, state: Mapping[str, torch.Tensor]) -> None:
        """Write a model: weights of this run's network, with the run in the file's metadata."""
        write_tensors(path, state, entry=ENTRY, about=self.to_json())


class Model(NamedTuple):
    """A run and its network."""

    run: Run
    network: Network
    digest: str = ""
    """SHA-256 of its file; "" of a network that was not read from one."""

    @classmethod
    def load(cls, path: Path | str, *, device: torch.device) -> "Model":
        """Read a published model.safetensors, ready to score.

        Raises:
            InputError: The file is missing, not ours, or lacks weights.
        """
        run = Run.load(path)
        network = run.build()
        put_weights(network, read_tensors(path), path)
        return cls(run, network.to(device).eval(), file_digest(path))


_SECTIONS = {
    "backbone": BackboneConfig,
    "network": NetworkConfig,
    "memory": MemoryConfig,
    "loss": LossConfig,
    "train": TrainConfig,
}


def _read_sections(raw: Mapping[str, Any], source: str, backbone: str) -> dict[str, Any]:
    """Read the sections of a run; `backbone` is what messages call that of its backbone."""
    sections = {}
    for name, kind in _SECTIONS.items():
        where = f"{source}: {backbone if name == 'backbone' else name}"
        absent = name == "memory" and not raw["memory"]
        sections[name] = None if absent else build_section(kind, raw[name], where)
    return sections


def _read_classes(raw: Mapping[str, Any]) -> ClassList:
    ids, names, groups = (tuple(raw[part]) for part in ("ids", "names", "groups"))
    if not len(set(ids)) == len(names) == len(groups) or not all(type(i) is int for i in ids):
        raise ValueError(f"classes: {len(ids)} ids, {len(names)} names, {len(groups)} groups")
    return ClassList(ids, names, groups)
