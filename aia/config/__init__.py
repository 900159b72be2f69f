"""The settings of config.yaml as typed, frozen sections; whatever does not fit is one clear error.

Nothing heavy is imported: the workflow reads this package in each job.

    sections.py     what there is to set, and what its values must fulfil
    building.py     plain YAML as these types; errors name the setting and suggest the word
    reading.py      from files and the command line, overlays laid over each other
    runs.py         names of runs
"""

from aia.config.reading import (
    build_section,
    load_settings,
    overlay,
    read_sections,
    read_yaml,
    run_settings,
    section,
)
from aia.config.runs import RunName, parse_run, with_seed
from aia.config.sections import (
    MACHINE_SETTINGS,
    STAGE_VERSIONS,
    AblationsConfig,
    BackboneConfig,
    CheckConfig,
    DataConfig,
    DetectorConfig,
    EvaluateConfig,
    FetchConfig,
    FramesConfig,
    FuseConfig,
    I3DConfig,
    LateralConfig,
    LossConfig,
    MemoryConfig,
    NetworkConfig,
    PlayhouseConfig,
    ResNet3DConfig,
    ScoreConfig,
    Settings,
    SlowFastConfig,
    SplitPaths,
    TableConfig,
    TorchvisionConfig,
    TrainConfig,
)

__all__ = [
    "AblationsConfig",
    "BackboneConfig",
    "CheckConfig",
    "DataConfig",
    "DetectorConfig",
    "EvaluateConfig",
    "FetchConfig",
    "FramesConfig",
    "FuseConfig",
    "I3DConfig",
    "LateralConfig",
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
    "SplitPaths",
    "TableConfig",
    "TorchvisionConfig",
    "TrainConfig",
    "build_section",
    "load_settings",
    "overlay",
    "parse_run",
    "read_sections",
    "read_yaml",
    "run_settings",
    "section",
    "with_seed",
]
