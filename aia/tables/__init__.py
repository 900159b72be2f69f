"""What passes between the rooms as tables: CSV that people write, Parquet that programs write.

Boxes are fractions of the frame, `x1 y1 x2 y2`; times are seconds of the film. Everything that
comes from outside is checked once, here, a column at a time; what is wrong is one `InputError`
that names the file and the line.
"""

from aia.tables.coco_boxes import read_coco_boxes, read_images
from aia.tables.csv_files import (
    ACTION_COLUMNS,
    OBJECT_COLUMNS,
    TRACK_COLUMNS,
    check_video_id,
    read_key_times,
    read_metrics,
    read_tracks,
    write_metrics,
)
from aia.tables.data import (
    VideoRow,
    is_segment_table,
    read_annotations,
    read_excluded_table,
    read_object_table,
    read_segment_table,
    read_video_table,
    write_annotations,
    write_excluded_table,
    write_object_table,
    write_segment_table,
    write_video_table,
)
from aia.tables.detections import DetectionBlock, read_detections
from aia.tables.forms import read_actions, read_excluded, read_objects, read_segments
from aia.tables.frame_boxes import (
    Tube,
    boxes_of,
    read_frame_boxes,
    tubes_of,
    write_frame_boxes,
)
from aia.tables.lists import read_films, read_seconds
from aia.tables.object_features import (
    ObjectFeatures,
    ObjectsSeen,
    read_object_features,
    read_objects_seen,
    write_object_features,
)
from aia.tables.parquet_files import (
    BOX_COLUMNS,
    ScoreTable,
    is_score_table,
    read_boxes,
    read_foreign_boxes,
    read_scores,
    write_boxes,
    write_scores,
)
from aia.tables.parquet_reader import load_parquet
from aia.tables.predicted_boxes import read_predicted_boxes
from aia.tables.segments import SEGMENT_COLUMNS, write_segments

__all__ = [
    "VideoRow",
    "is_segment_table",
    "read_annotations",
    "read_excluded_table",
    "read_object_table",
    "read_segment_table",
    "read_video_table",
    "write_annotations",
    "write_excluded_table",
    "write_object_table",
    "write_segment_table",
    "write_video_table",
    "ACTION_COLUMNS",
    "BOX_COLUMNS",
    "OBJECT_COLUMNS",
    "SEGMENT_COLUMNS",
    "TRACK_COLUMNS",
    "DetectionBlock",
    "ObjectFeatures",
    "ObjectsSeen",
    "ScoreTable",
    "Tube",
    "boxes_of",
    "is_score_table",
    "load_parquet",
    "check_video_id",
    "read_actions",
    "read_boxes",
    "read_coco_boxes",
    "read_detections",
    "read_excluded",
    "read_films",
    "read_foreign_boxes",
    "read_frame_boxes",
    "read_images",
    "read_key_times",
    "read_metrics",
    "read_object_features",
    "read_objects_seen",
    "read_objects",
    "read_predicted_boxes",
    "read_scores",
    "read_seconds",
    "read_segments",
    "read_tracks",
    "tubes_of",
    "write_boxes",
    "write_frame_boxes",
    "write_metrics",
    "write_object_features",
    "write_scores",
    "write_segments",
]
