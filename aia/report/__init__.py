"""Numbers as people read them: tables beside the paper's numbers, pages, figures, submissions.

Figures take tables and frame stores and write one picture each; none needs the network.

    result_table.py   metrics of runs as the paper's tables, beside its numbers (paper.py)
    result_page.py    the same as an HTML page
    report_page.py    the report of a data set, filled into report.html
    mistakes.py       annotated persons against scored boxes: what is right, wrong and missed
    submissions.py    files for AVA's evaluation server
    curves.py         training, memory and costs as curves (Fig. 5)
    per_class.py      AP of each class (Fig. 6)
    keyframes.py      the detector's boxes on frames
    attention.py      attention of persons (Fig. 4)
    choice.py         which key frames and clips are shown
    style.py, drawing.py   one look, boxes and words on frames
"""
