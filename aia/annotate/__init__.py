"""Labels of annotation tools: read into tracks, made training data of, and written back.

    tracks.py          one form for all: boxes of a person over time, and what is said of it
    cvat.py            CVAT for video 1.1 (XML), read and written
    label_studio.py    Label Studio's videorectangle (JSON)
    via.py             VGG Image Annotator 3 (JSON)
    plain_boxes.py     MOT's gt.txt, COCO's JSON: boxes without actions, or one a category
    spreadsheet.py     tables of one's own, with class names
    actions.py         which of what is said is an action
    importing.py       tracks to train.csv, val.csv, classes.pbtxt and an overlay of the settings

Every reader returns an `Annotated`. Frames count from 0 as the tool decodes them; boxes become
fractions of the picture.
"""
