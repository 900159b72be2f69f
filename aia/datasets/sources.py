"""Which reader reads which form of tubes: what `data.source` says, as `SplitTubes`."""

from aia.config import JhmdbSourceConfig, SourceConfig
from aia.datasets import jhmdb, ucf101_24
from aia.datasets.tubes import SplitTubes

TubeSource = SourceConfig | JhmdbSourceConfig

COMMANDS = {"ucf101_24": "ucf24", "jhmdb": "jhmdb"}
"""Forms of `data.source`, and the kind of `aia prepare` that reads each."""


def read_tubes(source: TubeSource) -> SplitTubes:
    """Read the annotations that the settings of a data set speak of.

    Raises:
        InputError: What the form's reader finds.
    """
    match source:
        case SourceConfig():
            known = ucf101_24.read_annotations(source.annotations, labels=source.labels)
            films = ucf101_24.split_films(known, val=source.val, train=source.train)
            return SplitTubes(known, films)
        case JhmdbSourceConfig():
            return jhmdb.read_annotations(source.annotations, split=source.split)
