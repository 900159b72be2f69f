"""The settings of config.yaml as typed, frozen sections; whatever does not fit is one clear error.

Numbers stand in config.yaml alone: no field has a default here. A part of the program takes its
own section, never the whole. Nothing heavy is imported: the workflow reads this file in each job.
"""

import dataclasses
import difflib
import json
import math
import re
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

import yaml

from aia.errors import InputError

# A stage whose output would change with the code, not the settings, counts up here: its number
# is a parameter of the stage's rule, so that its outputs are made anew.
STAGE_VERSIONS = {"playhouse": 1, "frames": 1, "detector": 1, "train": 1, "score": 1}

# Settings that say how a machine works, not what comes out: a change makes nothing anew.
MACHINE_SETTINGS = {
    "train": (
        "validate_every",
        "checkpoint_every",
        "keep_checkpoints",
        "workers",
        "threads",
        "device",
    ),
    "score": ("workers",),
}


@dataclass(frozen=True, kw_only=True)
class PlayhouseConfig:
    """The embedded data set, drawn from a seed."""

    seed: int
    train_films: int
    val_films: int
    seconds: int
    fps: int
    size_hw: tuple[int, int]

    def __post_init__(self) -> None:
        _at_least(self, train_films=1, val_films=1, seconds=4, fps=2)


@dataclass(frozen=True, kw_only=True)
class SplitPaths:
    """One file for each split, or none."""

    train: str | None
    val: str | None


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where a data set in AVA's format lies."""

    films: str
    labels: str
    annotations: SplitPaths
    excluded: SplitPaths
    objects: SplitPaths
    tracks: str | None
    bad_films: Literal["stop", "skip"]

    def __post_init__(self) -> None:
        if "{video}" not in self.films:
            raise ValueError(f"films: '{self.films}' lacks {{video}}, where a film's id goes")
        if not (self.annotations.train and self.annotations.val):
            raise ValueError("annotations: both train and val need a file")


@dataclass(frozen=True, kw_only=True)
class FramesConfig:
    """The frame store: how many frames a second are kept, how large, how compressed."""

    fps: float
    short_side: int
    codec: Literal["jpeg", "h264"]
    quality: int

    def __post_init__(self) -> None:
        _at_least(self, fps=0.1, short_side=16, quality=1)
        _at_most(self, quality=100)


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """Faster R-CNN: which one, its fine-tuning, and which of its boxes are used (§4.1)."""

    model: Literal[
        "small",
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_mobilenet_v3_large_fpn",
    ]
    weights: str
    finetune: bool
    classes: tuple[str, ...]
    short_side: int
    steps: int
    batch: int
    learning_rate: float
    max_images: int
    person_threshold: float
    object_threshold: float
    max_objects: int

    def __post_init__(self) -> None:
        _at_least(self, short_side=16, steps=1, batch=1, max_images=1, max_objects=0)
        _share(self, "person_threshold", "object_threshold")
        if not self.classes:
            raise ValueError("classes: needs at least one name, the first is the person")
        if not self.finetune and self.weights == "scratch":
            raise ValueError("finetune: false needs weights, but weights is scratch")


@dataclass(frozen=True, kw_only=True)
class LateralConfig:
    """The connections from the fast to the slow pathway."""

    ratio: int
    kernel: int
    norm: bool
    bias: bool


@dataclass(frozen=True, kw_only=True)
class SlowFastConfig:
    """SlowFast at any width and depth; pairs are (slow, fast)."""

    family: Literal["slowfast"]
    span: int
    strides: tuple[int, int]
    stem_stride: int
    stem_pool: bool
    stem_kernels: tuple[int, int]
    stem_channels: tuple[int, int]
    blocks: tuple[int, ...]
    inner_channels: tuple[tuple[int, int], ...]
    outer_channels: tuple[tuple[int, int], ...]
    temporal_kernels: tuple[tuple[int, int], ...]
    spatial_strides: tuple[int, ...]
    dilations: tuple[int, ...]
    lateral: LateralConfig
    pool_padding: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        stages = len(self.blocks)
        for name in (
            "inner_channels",
            "outer_channels",
            "temporal_kernels",
            "spatial_strides",
            "dilations",
        ):
            if len(getattr(self, name)) != stages:
                raise ValueError(
                    f"{name}: has {len(getattr(self, name))} entries for the "
                    f"{stages} stages of blocks"
                )
        slow, fast = self.strides
        if slow % fast or self.span % slow:
            raise ValueError(
                f"strides: {slow} must be a multiple of {fast} and divide the span {self.span}"
            )


@dataclass(frozen=True, kw_only=True)
class I3DConfig:
    """Inception I3D."""

    family: Literal["i3d"]
    span: int
    strides: tuple[int]
    end_point: Literal["Mixed_4f", "Mixed_5c"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


BackboneConfig = SlowFastConfig | I3DConfig


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """RoI features, IA and the classifier."""

    roi_resolution: int
    roi_mean_before: bool
    feature_norm: bool
    width: int
    hidden: int
    dropout: float
    empty_slots: Literal["mask", "attend"]
    max_persons: int
    max_objects: int
    positions: Literal["smooth", "zero"]
    zero_output: bool

    def __post_init__(self) -> None:
        _at_least(self, roi_resolution=1, width=1, hidden=1, max_persons=1, max_objects=0)
        _share(self, "dropout")


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """How far the memory features M_t reach (§3.1, §3.3)."""

    reach: int
    """L: clips remembered on each side of the target, one per second in AVA (§4.1)."""
    persons_per_clip: int
    penalty: bool
    """Whether remembered features are weighted by Eq. 2."""
    dtype: Literal["float32", "float16"]

    def __post_init__(self) -> None:
        _at_least(self, reach=0, persons_per_clip=1)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What is minimised."""

    kind: Literal["bce", "focal"]
    focal_gamma: float
    group_weights: dict[str, float]

    def __post_init__(self) -> None:
        _at_least(self, focal_gamma=0)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The training recipe (§4.1)."""

    init: str
    frozen_norm: bool
    optimizer: Literal["sgd", "adamw"]
    batch: int
    steps: int
    learning_rate: float
    backbone_factor: float
    keep_maps: bool
    bias_factor: float
    momentum: float
    weight_decay: float
    warmup_steps: int
    warmup_start: float
    schedule: Literal["cosine", "steps"]
    drop_at: tuple[int, ...]
    clip_norm: float | None
    balance: bool
    jitter: bool
    flip: bool
    max_persons: int
    objects: Literal["groundtruth", "detected"]
    validate_every: int | None
    checkpoint_every: int
    keep_checkpoints: int
    workers: int
    threads: int
    device: str

    def __post_init__(self) -> None:
        _at_least(
            self,
            batch=1,
            steps=1,
            learning_rate=0,
            backbone_factor=0,
            warmup_steps=0,
            max_persons=1,
            checkpoint_every=1,
            keep_checkpoints=1,
            workers=0,
            threads=1,
        )
        _share(self, "warmup_start", "momentum")
        if self.keep_maps and (self.backbone_factor > 0 or self.flip):
            raise ValueError(
                "keep_maps: true needs backbone_factor: 0 and flip: false, or a clip's maps change"
            )
        if self.validate_every is not None:
            _at_least(self, validate_every=1)
        if self.schedule == "steps" and any(step >= self.steps for step in self.drop_at):
            raise ValueError(
                f"drop_at: {list(self.drop_at)} goes beyond the last step {self.steps}"
            )


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """Two-pass scoring."""

    batch: int
    objects: Literal["groundtruth", "detected"]
    extend: tuple[float, float]
    workers: int

    def __post_init__(self) -> None:
        _at_least(self, batch=1, workers=0)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """The rules of the score."""

    protocol: Literal["paper", "activitynet", "slowfast", "mmaction", "acar"]
    iou: float

    def __post_init__(self) -> None:
        _share(self, "iou")


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Rows of a table: run names without seed, and the seeds of each."""

    seeds: tuple[int, ...]
    runs: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.seeds or not self.runs:
            raise ValueError("needs at least one of seeds and runs")
        for run in self.runs:
            parse_run(f"{run}-s0")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of config.yaml."""

    dataset: str
    playhouse: PlayhouseConfig
    data: DataConfig
    frames: FramesConfig
    detector: DetectorConfig
    backbones: dict[str, BackboneConfig]
    network: NetworkConfig
    memory: MemoryConfig
    loss: LossConfig
    train: TrainConfig
    score: ScoreConfig
    evaluate: EvaluateConfig
    variants: dict[str, dict[str, Any]]
    results: TableConfig
    table1a: TableConfig

    def __post_init__(self) -> None:
        check_name(self.dataset, "dataset")
        for run in (*self.results.runs, *self.table1a.runs):
            name = parse_run(f"{run}-s0")
            if name.backbone not in self.backbones:
                raise ValueError(
                    f"{run}: backbone '{name.backbone}' is not one of backbones "
                    f"({', '.join(self.backbones)})"
                )


class RunName(NamedTuple):
    """A run is named by what it is."""

    backbone: str
    structure: str
    """none, parallel, serial or dense."""
    blocks: str
    memory: str
    """none, amu or frozen."""
    seed: int
    variant: str | None

    @property
    def without_seed(self) -> str:
        """The row of a table that this run's seed belongs to."""
        return re.sub(r"-s\d+", "", str(self), count=1)

    def __str__(self) -> str:
        middle = "" if self.structure == "none" else f"-{self.blocks}-{self.memory}"
        end = f"-{self.variant}" if self.variant else ""
        return f"{self.backbone}-{self.structure}{middle}-s{self.seed}{end}"


_RUN = re.compile(
    r"(?P<backbone>[a-z0-9_]+)-(?:none|(?P<structure>parallel|serial|dense)-(?P<blocks>[POM]+)"
    r"-(?P<memory>none|amu|frozen))-s(?P<seed>\d+)(?:-(?P<variant>[a-z0-9_]+))?"
)


def parse_run(name: str) -> RunName:
    """Read a run's name.

    >>> parse_run("slowfast_r50_4x16-dense-POMPOM-amu-s0").blocks
    'POMPOM'
    >>> str(parse_run("slowfast_tiny-none-s2-pretrain"))
    'slowfast_tiny-none-s2-pretrain'
    """
    found = _RUN.fullmatch(name)
    if not found:
        raise InputError(
            f"'{name}' is not a run: expected BACKBONE-STRUCTURE-BLOCKS-MEMORY-sSEED[-VARIANT], as "
            "in slowfast_r50_4x16-dense-POMPOM-amu-s0, or BACKBONE-none-sSEED for the baseline "
            "(structures parallel, serial, dense; memories none, amu, frozen)"
        )
    part = found.groupdict()
    run = RunName(
        part["backbone"],
        part["structure"] or "none",
        part["blocks"] or "",
        part["memory"] or "none",
        int(part["seed"]),
        part["variant"],
    )
    if ("M" in run.blocks) != (run.memory != "none"):
        raise InputError(
            f"'{name}': an M-Block needs a memory (amu or frozen), and a memory an M-Block"
        )
    return run


def run_settings(raw: Mapping[str, Any], run: RunName) -> dict[str, Any]:
    """The sections that make this run what it is, its variant applied, as plain values."""
    if run.variant is not None:
        if run.variant not in raw["variants"]:
            raise InputError(
                f"{run}: '{run.variant}' is not one of variants"
                f"{_suggestion(run.variant, raw['variants'])}"
            )
        raw = overlay(raw, raw["variants"][run.variant])
    sections = ["network", "loss", "train"]
    if run.memory != "none":  # a run without memory does not depend on its settings
        sections.append("memory")
    picked = {name: raw[name] for name in sections}
    if run.backbone not in raw["backbones"]:
        raise InputError(
            f"{run}: '{run.backbone}' is not one of backbones"
            f"{_suggestion(run.backbone, raw['backbones'])}"
        )
    return picked | {"backbones": {run.backbone: raw["backbones"][run.backbone]}}


def read_yaml(path: Path | str) -> dict[str, Any]:
    """A YAML file as a dictionary."""
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file of settings") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected sections of settings, found {type(content).__name__}")
    return content


def overlay(base: Mapping[str, Any], top: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `top` laid over it, section by section.

    >>> overlay({"memory": {"reach": 30, "penalty": True}}, {"memory": {"reach": 5}})
    {'memory': {'reach': 5, 'penalty': True}}
    """
    merged = dict(base)
    for key, value in top.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            merged[key] = overlay(merged[key], value)
        else:
            merged[key] = value
    return merged


def load_settings(raw: Mapping[str, Any], *, source: str = "config.yaml") -> Settings:
    """Check all sections, the variants laid over them too."""
    settings = _build(Settings, raw, source=source, path="")
    for name, change in settings.variants.items():
        _build(Settings, overlay(raw, change), source=f"{source} with variant {name}", path="")
    return settings


def build_section(kind: Any, value: Any, where: str) -> Any:
    """`value` (plain YAML) as one section; errors begin with `where`."""
    return _build(kind, value, source=where, path="")


def section(kind: Any, text_or_path: str, name: str) -> Any:
    """One section, from a JSON object of sections or from a YAML file."""
    raw = read_sections(text_or_path)
    if name not in raw:
        raise InputError(f"settings: section {name} is missing (found {', '.join(raw)})")
    return _build(kind, raw[name], source="settings", path=name)


def read_sections(text_or_path: str) -> dict[str, Any]:
    """What `--settings` was given: a JSON object, or the path of a YAML file."""
    if not text_or_path.lstrip().startswith("{"):
        return read_yaml(text_or_path)
    try:
        return json.loads(text_or_path)
    except json.JSONDecodeError as error:
        raise InputError(f"--settings: not a JSON object: {error}") from None


def check_name(name: str, where: str) -> None:
    """Names become folders: letters, digits, _ and - only."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
        raise ValueError(f"{where}: '{name}' is not a name of letters, digits, _ and -")


def _build(kind: Any, value: Any, *, source: str, path: str) -> Any:
    """`value` (plain YAML) as `kind`; errors name the setting by its path."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind):
        return _build_section(kind, value, source=source, path=path)
    if kind is Any:
        return value
    if origin in (Union, types.UnionType):
        return _build_union(kind, value, source=source, path=path)
    if origin is Literal:
        if value not in get_args(kind):
            choices = [str(choice) for choice in get_args(kind)]
            raise _wrong(source, path, value, f"one of {', '.join(choices)}", choices)
        return value
    if origin is tuple:
        return _build_tuple(kind, value, source=source, path=path)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _wrong(source, path, value, "a mapping of names to values")
        inner = get_args(kind)[1]
        return {
            str(key): _build(inner, item, source=source, path=f"{path}.{key}")
            for key, item in value.items()
        }
    return _build_scalar(kind, value, source=source, path=path)


def _build_section(kind: Any, value: Any, *, source: str, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(source, path, value, "a section of settings")
    hints = get_type_hints(kind)
    prefix = f"{path}." if path else ""
    for key in value:
        if key not in hints:
            raise InputError(
                f"{source}: {prefix}{key} is not a setting{_suggestion(str(key), hints, prefix)} "
                f"({path or 'the top level'} has {', '.join(hints)})"
            )
    missing = [name for name in hints if name not in value]
    if missing:
        raise InputError(f"{source}: {prefix}{missing[0]} is missing; config.yaml shows its value")
    fields = {
        name: _build(hint, value[name], source=source, path=prefix + name)
        for name, hint in hints.items()
    }
    try:
        return kind(**fields)
    except ValueError as error:
        raise InputError(f"{source}: {prefix}{error}") from None


def _build_union(kind: Any, value: Any, *, source: str, path: str) -> Any:
    choices = get_args(kind)
    if value is None and type(None) in choices:
        return None
    choices = tuple(choice for choice in choices if choice is not type(None))
    if len(choices) > 1 and dataclasses.is_dataclass(choices[0]):  # told apart by their family
        families = {get_args(get_type_hints(choice)["family"])[0]: choice for choice in choices}
        family = value.get("family") if isinstance(value, Mapping) else None
        if family not in families:
            raise _wrong(source, f"{path}.family", family, f"one of {', '.join(families)}")
        return _build(families[family], value, source=source, path=path)
    return _build(choices[0], value, source=source, path=path)


def _build_tuple(kind: Any, value: Any, *, source: str, path: str) -> Any:
    kinds = get_args(kind)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _wrong(source, path, value, "a list")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise _wrong(source, path, value, f"a list of {len(kinds)}")
    return tuple(
        _build(inner, item, source=source, path=f"{path}[{index}]")
        for index, (inner, item) in enumerate(zip(kinds, value, strict=True))
    )


def _build_scalar(kind: Any, value: Any, *, source: str, path: str) -> Any:
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if math.isfinite(value):
            return float(value)
    elif isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    hint = ""
    if kind is float and isinstance(value, str) and re.fullmatch(r"[\d.]+e-?\d+", value):
        hint = " (YAML reads 1e-3 as a text: write 1.0e-3)"
    raise InputError(f"{source}: {path} = {value!r} is not {names[kind]}{hint}")


def _wrong(
    source: str, path: str, value: Any, expected: str, choices: Sequence[str] = ()
) -> InputError:
    return InputError(
        f"{source}: {path} = {value!r}, expected {expected}{_suggestion(str(value), choices)}"
    )


def _suggestion(word: str, known: Any, prefix: str = "") -> str:
    near = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f", did you mean {prefix}{near[0]}?" if near else ""


def _at_least(section: Any, **least: int | float) -> None:
    for name, bound in least.items():
        if getattr(section, name) < bound:
            raise ValueError(f"{name} = {getattr(section, name)} is less than {bound}")


def _at_most(section: Any, **most: int | float) -> None:
    for name, bound in most.items():
        if getattr(section, name) > bound:
            raise ValueError(f"{name} = {getattr(section, name)} is more than {bound}")


def _share(section: Any, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(section, name) <= 1:
            raise ValueError(f"{name} = {getattr(section, name)} is outside 0..1")
