"""The settings of config.yaml as typed, frozen sections; whatever does not fit is one clear error.

Nothing heavy is imported: the workflow reads this package in each job.

    data.py         sections about a data set: where it is, where it comes from
    perception.py   ... about its frames and boxes
    backbones.py    ... about the backbone F, one class a family
    training.py     ... about a run and its scores
    sections.py     ... about results, and all of it together
    checks.py       checks of values, and names
    runs.py         the grammar of run names and of table rows
    reading.py      files and the command line as these types, overlays laid over each other
    schema.py       the JSON schema of config.yaml, for editors (config/schema.json)
"""

from aia.config.backbones import (
    BackboneConfig,
    I3DConfig,
    LateralConfig,
    ResNet3DConfig,
    SlowFastConfig,
    TorchvisionConfig,
)
from aia.config.checks import (
    LONGEST_NAME,
    VIDEO_ENDINGS,
    VIDEO_ID,
    is_video_name,
    suggestion,
    video_id,
)
from aia.config.data import (
    DataConfig,
    EpicSourceConfig,
    FetchConfig,
    JhmdbSourceConfig,
    PlayhouseConfig,
    SourceConfig,
    SplitPaths,
)
from aia.config.perception import CheckConfig, DetectorConfig, FramesConfig, Perception
from aia.config.reading import (
    build_section,
    dump_yaml,
    load_settings,
    overlay,
    packaged_settings,
    read_sections,
    read_yaml,
    run_settings,
    section,
    settings_folder,
)
from aia.config.runs import (
    ENSEMBLE_PATTERN,
    RUN_PATTERN,
    RunName,
    TableRow,
    parse_row,
    parse_run,
    with_seed,
)
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
    "ENSEMBLE_PATTERN",
    "EpicSourceConfig",
    "EvaluateConfig",
    "FetchConfig",
    "FramesConfig",
    "FuseConfig",
    "I3DConfig",
    "JhmdbSourceConfig",
    "LONGEST_NAME",
    "LateralConfig",
    "LossConfig",
    "MACHINE_SETTINGS",
    "MemoryConfig",
    "NetworkConfig",
    "Perception",
    "PlayhouseConfig",
    "ResNet3DConfig",
    "RUN_PATTERN",
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
    "VIDEO_ENDINGS",
    "VIDEO_ID",
    "build_section",
    "is_video_name",
    "load_settings",
    "overlay",
    "packaged_settings",
    "parse_row",
    "parse_run",
    "read_sections",
    "dump_yaml",
    "read_yaml",
    "run_settings",
    "section",
    "settings_folder",
    "suggestion",
    "video_id",
    "with_seed",
]
