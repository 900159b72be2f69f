"""The CSV that AVA's evaluation server takes, from a table of scores.

    video,second,x1,y1,x2,y2,action,score        boxes as fractions, five digits, no header

One line for each box and class. It is the form of AlphAction's result.csv, too.
"""

from pathlib import Path

from aia.errors import InputError
from aia.files import atomic_path
from aia.labels import ClassList
from aia.tables.scores import ScoreTable


def write_submission(
    path: Path | str, table: ScoreTable, *, labels: ClassList | None = None, threshold: float = 0.0
) -> int:
    """Write a table of scores as AVA's CSV, box by box, and return the number of its lines.

    Args:
        path: the file.
        table: boxes and scores.
        labels: the classes that are submitted (60 of AVA's 80 are evaluated); None: all.
        threshold: a lower score is left out.

    Raises:
        InputError: the table has no box, or no scores of one of the classes.
    """
    if not len(table.boxes):
        raise InputError("no box to submit; did the detector find none above its threshold?")
    place = {class_id: column for column, class_id in enumerate(table.class_ids)}
    wanted = table.class_ids if labels is None else labels.ids
    unknown = [class_id for class_id in wanted if class_id not in place]
    if unknown:
        raise InputError(
            f"class {unknown[0]} is to be submitted, but the scores are of {len(place)} classes "
            f"with ids {min(place)} to {max(place)}; is the list of another data set?"
        )
    columns = [(place[class_id], class_id) for class_id in sorted(wanted)]
    lines = 0
    keys = table.boxes[["video", "time_sec", "x1", "y1", "x2", "y2"]]
    with atomic_path(path) as temporary, open(temporary, "w", encoding="utf-8") as file:
        for key, scores in zip(
            keys.itertuples(index=False, name=None), table.scores.tolist(), strict=True
        ):
            start = _start_of(*key)
            kept = [
                f"{start},{class_id},{scores[column]:.5f}\n"
                for column, class_id in columns
                if scores[column] >= threshold
            ]
            file.writelines(kept)
            lines += len(kept)
    return lines


def _start_of(video: str, time_sec: float, x1: float, y1: float, x2: float, y2: float) -> str:
    second = f"{int(time_sec):04d}" if time_sec == int(time_sec) else repr(time_sec)
    return f"{video},{second},{x1:.5f},{y1:.5f},{x2:.5f},{y2:.5f}"
