"""What passes between the rooms as tables: CSV that people write, Parquet that programs write.

Boxes are fractions of the frame, `x1 y1 x2 y2`; times are seconds of the video. Everything that
comes from outside is checked once, here, a column at a time; what is wrong is one `InputError`
that names the file and the line or row.

    schema.py    a table's columns and what is wrong with a value; csv.py, parquet.py: any table
    sealed.py    the checksum in a Parquet file
    data.py      the form in which all data sets are kept; annotations.py, segments.py, lists.py,
                 coco_boxes.py, predicted_boxes.py, yowo.py: the forms in which people have them
    boxes.py, object_features.py, scores.py, attention.py, metrics.py: what our programs make
"""

from aia.tables.annotations import (
    ACTION_COLUMNS,
    read_key_times,
    read_tracks,
)
from aia.tables.boxes import BOX_COLUMNS, read_boxes, read_foreign_boxes, write_boxes
from aia.tables.coco_boxes import read_coco_boxes, read_images
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
from aia.tables.lists import (
    read_films,
    read_seconds,
    read_seconds_by_video,
    read_videos,
    seconds_for,
    write_seconds,
)
from aia.tables.metrics import read_metrics, write_metrics
from aia.tables.object_features import (
    ObjectFeatures,
    ObjectsSeen,
    read_object_features,
    read_objects_seen,
    write_object_features,
)
from aia.tables.parquet import load_parquet
from aia.tables.predicted_boxes import read_predicted_boxes
from aia.tables.schema import check_video_id
from aia.tables.scores import ScoreTable, is_score_table, read_scores, write_scores
from aia.tables.segments import SEGMENT_COLUMNS, write_segments
from aia.tables.yowo import read_yowo

__all__ = [
    "ACTION_COLUMNS",
    "BOX_COLUMNS",
    "SEGMENT_COLUMNS",
    "DetectionBlock",
    "ObjectFeatures",
    "ObjectsSeen",
    "ScoreTable",
    "Tube",
    "VideoRow",
    "boxes_of",
    "check_video_id",
    "is_score_table",
    "is_segment_table",
    "load_parquet",
    "read_actions",
    "read_annotations",
    "read_boxes",
    "read_coco_boxes",
    "read_detections",
    "read_excluded",
    "read_excluded_table",
    "read_films",
    "read_foreign_boxes",
    "read_frame_boxes",
    "read_images",
    "read_key_times",
    "read_metrics",
    "read_object_features",
    "read_object_table",
    "read_objects",
    "read_objects_seen",
    "read_predicted_boxes",
    "read_scores",
    "read_seconds",
    "read_seconds_by_video",
    "read_segment_table",
    "read_segments",
    "read_tracks",
    "read_video_table",
    "read_videos",
    "read_yowo",
    "seconds_for",
    "tubes_of",
    "write_annotations",
    "write_boxes",
    "write_excluded_table",
    "write_frame_boxes",
    "write_metrics",
    "write_object_features",
    "write_object_table",
    "write_scores",
    "write_seconds",
    "write_segment_table",
    "write_segments",
    "write_video_table",
]
