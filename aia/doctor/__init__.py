"""Why a frame mAP is low: which mistake a file of detections holds, and what fixing it brings.

    read without refusing (reading.py) ─▶ look for one symptom after another ─▶ fix in memory,
    evaluate again ─▶ findings, the greatest gain first

A symptom is a plain function `(scores, truth) -> Finding | None`. A good file has false positives,
missed persons and weak classes too, so a symptom counts only if fixing it brings clearly more than
chance, or if the file itself proves it (pixels for fractions). Wrong videos, times and boxes show
in the overlap with the persons of the ground truth, whatever the classes; they are fixed first:

    videos.py     videos of other names, of another split
    boxes.py      pixels, other box forms, scaled or shifted boxes
    clock.py      times of another clock
    classes.py    class ids of another list, exchanged ids, missing classes
    rows.py       duplicates, a high threshold, empty key frames, key frames that nobody annotated
"""

from aia.doctor.diagnose import Diagnosis, diagnose
from aia.doctor.finding import Finding, read_findings, report, write_findings

__all__ = ["Diagnosis", "Finding", "diagnose", "read_findings", "report", "write_findings"]
