"""The settings of config.yaml as typed, frozen sections; whatever does not fit is one clear error.

Nothing heavy is imported: the workflow reads this package in each job.

    data.py         what there is to set about films, frames and boxes
    backbones.py    ... about the backbone F, of each family
    training.py     ... about a run and its scores
    sections.py     ... about results, and all of it together
    checks.py       what values must fulfil
    building.py     plain YAML as these types; errors name the setting and suggest the word
    reading.py      from files and the command line, overlays laid over each other
    runs.py         names of runs
    rows.py         rows of tables: runs and ensembles, perhaps multi-scale
"""

from aia.config.backbones import (
    BackboneConfig,
    I3DConfig,
    LateralConfig,
    ResNet3DConfig,
    SlowFastConfig,
    TorchvisionConfig,
)
from aia.config.data import (
    CheckConfig,
    DataConfig,
    DetectorConfig,
    EpicSourceConfig,
    FetchConfig,
    FramesConfig,
    JhmdbSourceConfig,
    PlayhouseConfig,
    SourceConfig,
    SplitPaths,
)
from aia.config.reading import (
    build_section,
    load_settings,
    overlay,
    read_sections,
    read_yaml,
    run_settings,
    section,
)
from aia.config.rows import TableRow, parse_row
from aia.config.runs import RunName, parse_run, with_seed
from aia.config.sections import (
    MACHINE_SETTINGS,
    STAGE_VERSIONS,
    AblationsConfig,
    EvaluateConfig,
    FuseConfig,
    Settings,
    SubmissionsConfig,
    TableConfig,
)
from aia.config.training import (
    LossConfig,
    MemoryConfig,
    NetworkConfig,
    ScoreConfig,
    TrainConfig,
)

__all__ = [
    "AblationsConfig",
    "BackboneConfig",
    "CheckConfig",
    "DataConfig",
    "DetectorConfig",
    "EpicSourceConfig",
    "EvaluateConfig",
    "FetchConfig",
    "FramesConfig",
    "FuseConfig",
    "I3DConfig",
    "LateralConfig",
    "JhmdbSourceConfig",
    "LossConfig",
    "MACHINE_SETTINGS",
    "MemoryConfig",
    "NetworkConfig",
    "PlayhouseConfig",
    "ResNet3DConfig",
    "RunName",
    "STAGE_VERSIONS",
    "ScoreConfig",
    "Settings",
    "SlowFastConfig",
    "SourceConfig",
    "SplitPaths",
    "SubmissionsConfig",
    "TableConfig",
    "TableRow",
    "TorchvisionConfig",
    "TrainConfig",
    "build_section",
    "load_settings",
    "overlay",
    "parse_row",
    "parse_run",
    "read_sections",
    "read_yaml",
    "run_settings",
    "section",
    "with_seed",
]
