"""Choose the reader of tubes by the form of `data.source`."""

from aia.config import JhmdbSourceConfig, SourceConfig
from aia.datasets import jhmdb, ucf101_24
from aia.datasets.tubes import SplitTubes

TubeSource = SourceConfig | JhmdbSourceConfig


def read_tubes(source: TubeSource) -> SplitTubes:
    """Read the annotations of `data.source`.

    Raises:
        InputError: The annotations are invalid.
    """
    match source:
        case SourceConfig():
            known = ucf101_24.read_annotations(source.annotations, labels=source.labels)
            videos = ucf101_24.split_videos(known, val=source.val, train=source.train)
            return SplitTubes(known, videos)
        case JhmdbSourceConfig():
            return jhmdb.read_annotations(source.annotations, split=source.split)
