"""Why a frame mAP is low: which mistake a file of detections holds, and what mending it brings.

    read without refusing (reading.py) ─▶ look for one symptom after another ─▶ mend in memory,
    evaluate again ─▶ findings, the greatest gain first

A good file has false positives, missed persons and weak classes too, so a symptom counts only if
mending it brings clearly more than chance, or if the file itself proves it (pixels for fractions).
What is wrong with films, times and boxes shows without knowing classes, in the overlap with the
persons of the ground truth; it is mended first, since classes and scores show only afterwards:

    names.py      films of other names
    numbers.py    rows that are no numbers, pixels, boxes beyond the frame
    clock.py      times of another clock
    geometry.py   corners swapped, other box formats, mirrored, scaled, shifted
    classes.py    ids of another list, scores that fall where they should rise
    rows.py       duplicates, several boxes a person, key frames that nobody annotated, order
    absent.py     what no mending brings back: films, key frames, classes, detections
"""

from aia.doctor.diagnose import Diagnosis, diagnose
from aia.doctor.finding import Finding, report, write_findings

__all__ = ["Diagnosis", "Finding", "diagnose", "report", "write_findings"]
