"""Files of annotation tools, in small: boxes, frames and attributes as their tools mean them."""

import json

import numpy as np
import pytest
from numpy.testing import assert_allclose

from aia.annotate.actions import action_fields, actions_of
from aia.annotate.importing import read_annotations
from aia.errors import InputError

SIZES = {"street": (200, 100)}


def cvat(tracks: str, *, meta: str = "", labels: str = "") -> str:
    meta = meta or (
        "<task><size>100</size><start_frame>0</start_frame><source>street.mp4</source>"
        f"<original_size><width>200</width><height>100</height></original_size>{labels}</task>"
    )
    return f"<annotations><version>1.1</version><meta>{meta}</meta>{tracks}</annotations>"


def box(frame: int, x: float, *, more: str = "", said: str = "", width: float = 20) -> str:
    return f'<box frame="{frame}" xtl="{x}" ytl="10" xbr="{x + width}" ybr="60" {more}>{said}</box>'


def attribute(name: str, value: str) -> str:
    return f'<attribute name="{name}">{value}</attribute>'


@pytest.fixture
def read(tmp_path):
    def from_text(text, name="labels.xml"):
        path = tmp_path / name
        path.write_text(text if isinstance(text, str) else json.dumps(text))
        return read_annotations(path, SIZES)

    return from_text


def test_boxes_move_on_lines_between_keyframes_and_stay_after_the_last(read):
    keys = box(10, 20, more='keyframe="1"') + box(20, 40, more='keyframe="1"')
    (track,) = read(cvat(f'<track id="3" label="person">{keys}</track>')).tracks
    assert track.state(9.0) is None
    assert_allclose(track.state(15.0)[0], [0.15, 0.1, 0.25, 0.6])
    assert_allclose(track.state(99.0)[0], [0.2, 0.1, 0.3, 0.6])
    assert track.state(100.0) is None  # the task ends


def test_boxes_between_keyframes_are_computed_anew_and_told_where_they_differ(read):
    between = box(15, 60, more='keyframe="0"')
    keys = box(10, 20, more='keyframe="1"') + between + box(20, 40, more='keyframe="1"')
    found = read(cvat(f'<track id="3" label="person">{keys}</track>'))
    assert_allclose(found.tracks[0].state(15.0)[0][0], 0.15)
    assert "up to 30.0 pixels off the line" in found.notes[0]


def test_a_person_outside_is_not_there_until_the_next_key(read):
    keys = box(0, 20) + box(10, 40, more='outside="1"') + box(30, 60, more='outside="0"')
    (track,) = read(cvat(f'<track id="0" label="person">{keys}</track>')).tracks
    assert [track.state(float(frame)) is not None for frame in (0, 9, 10, 29, 30, 50)] == [
        True, True, False, False, True, True,
    ]  # fmt: skip


def test_attributes_hold_from_their_key_on_and_fixed_ones_always(read):
    keys = box(0, 20, said=attribute("wave", "false")) + box(10, 20, said=attribute("wave", "true"))
    text = f'<track id="0" label="person">{attribute("coat", "red")}{keys}</track>'
    (track,) = read(cvat(text)).tracks
    assert track.state(9.0)[1] == {"coat": "red", "wave": "false"}
    assert track.state(10.0)[1]["wave"] == "true"


TASK = (
    "<task><id>{id}</id><size>{size}</size><start_frame>{start}</start_frame>"
    "<frame_filter>{step}</frame_filter><source>{source}</source>"
    "<original_size><width>200</width><height>100</height></original_size></task>"
)


def test_frames_are_those_of_the_video_also_with_start_and_step(read):
    meta = TASK.format(id=1, size=10, start=50, step="step=5", source="street.mp4")
    (track,) = read(cvat(f"<track label='person'>{box(55, 20)}</track>", meta=meta)).tracks
    assert track.at.tolist() == [55]
    assert track.until == 95


def test_numbers_within_the_task_are_seen_and_told(read):
    meta = TASK.format(id=1, size=10, start=50, step="step=5", source="street.mp4")
    found = read(cvat(f"<track label='person'>{box(1, 20)}{box(3, 20)}</track>", meta=meta))
    assert found.tracks[0].at.tolist() == [55, 65]
    assert "numbered within the task" in found.notes[0]


def test_tasks_of_a_project_have_their_own_frames(read):
    tasks = [
        TASK.format(id=7, size=100, start=0, step="", source="a.mp4"),
        TASK.format(id=9, size=50, start=0, step="", source="street.mp4"),
    ]
    meta = f"<project><tasks>{''.join(tasks)}</tasks></project>"
    track = "<track task_id='{}' label='person'>{}</track>"
    text = cvat(track.format(7, box(5, 20)) + track.format(9, box(103, 20)), meta=meta)
    first, second = read(text).tracks
    assert (first.video, first.at.tolist()) == ("a.mp4", [5])
    assert (second.video, second.at.tolist()) == ("street.mp4", [3])


def test_fractions_are_seen_and_told(read):
    text = '<track label="run"><box frame="0" xtl="0.1" ytl="0.1" xbr="0.3" ybr="0.6"/></track>'
    found = read(cvat(text))
    assert_allclose(found.tracks[0].xyxy, [[0.1, 0.1, 0.3, 0.6]])
    assert "fractions" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<annotations><image id='0' name='a.png'/></annotations>", "variant for images"),
        ("<!DOCTYPE a [<!ENTITY x 'y'>]><annotations/>", "DOCTYPE"),
        ("<annotations><track", "is no XML .*cut off"),
        ("<other/>", "its root is <other>"),
        (cvat(""), "has no track with boxes"),
        (cvat(f"<track id='4' label='p'>{box(300, 20)}</track>"), "box in frame 300.*ends with"),
        (cvat(f"<track id='4' label='p'>{box(3, 20, width=-5)}</track>"), "track 4.*turned over"),
        (cvat(f"<track id='4' label='p'>{box(3, 20)}{box(3, 30)}</track>"), "two boxes at"),
        (cvat("<track label='p'><box frame='1' xtl='a' ytl='1'/></track>"), "xtl='a'"),
        (cvat("", meta="<task><size>many</size></task>"), "<size> is 'many', expected a number"),
        (cvat(f"<track label='p'>{box(3, 20)}</track>", meta="<task/>"), "does not say the size"),
    ],
)  # fmt: skip
def test_broken_files_of_cvat_are_refused_with_the_cause(read, text, words):
    with pytest.raises(InputError, match=words):
        read(text)


# Label Studio

KEY = {"x": 10, "y": 20, "width": 20, "height": 40, "enabled": True, "frame": 1, "time": 0.04}


def studio(sequence, **more):
    value = {"framesCount": 100, "duration": 4.0, "sequence": sequence, "labels": ["wave"]} | more
    region = {"id": "r1", "type": "videorectangle", "value": value}
    return [{"id": 5, "data": {"video": "/data/local-files/?d=films/street.mp4"},
             "annotations": [{"result": [region]}]}]  # fmt: skip


def test_label_studio_is_in_percent_by_time_and_ends_where_it_is_disabled(read):
    later = KEY | {"x": 30, "time": 1.04, "frame": 26, "enabled": False}
    (track,) = read(studio([KEY, later]), "a.json").tracks
    assert (track.video, track.kind, track.clock) == ("street.mp4", "wave", "second")
    assert_allclose(track.state(0.54)[0], [0.2, 0.2, 0.4, 0.6])
    assert track.state(1.04) is not None
    assert track.state(1.1) is None


def test_the_last_enabled_key_holds_to_the_end(read):
    (track,) = read(studio([KEY]), "a.json").tracks
    assert track.state(3.9) is not None
    assert track.state(4.1) is None


def test_choices_of_a_region_are_attributes(read):
    document = studio([KEY])
    document[0]["annotations"][0]["result"].append(
        {"id": "r1", "type": "choices", "from_name": "what", "value": {"choices": ["sit", "eat"]}}
    )
    found = read(document, "a.json")
    names = action_fields(found, ["what"], "a.json")
    (track,) = found.tracks
    assert actions_of(track, track.said[0], names, found.fields) == ["sit", "eat"]


# VIA

VIA = {
    "project": {}, "config": {},
    "attribute": {"1": {"aname": "does", "options": {"0": "sit", "1": "wave"}}},
    "file": {"9": {"fname": "street.mp4"}},
    "view": {"4": {"fid_list": ["9"]}},
    "metadata": {
        "a": {"vid": "4", "z": [2.0], "xy": [2, 20, 10, 40, 50], "av": {"1": "0,1"}},
        "b": {"vid": "4", "z": [1.0, 3.0], "xy": [], "av": {"1": "1"}},
        "c": {"vid": "4", "z": [2.5], "xy": [2, 20, 10, 40, 50], "av": {}},
    },
}  # fmt: skip


def test_via_has_ids_of_options_and_segments_hold_for_boxes_within(read):
    found = read(VIA, "a.json")
    first, second = found.tracks
    assert_allclose(first.state(2.0)[0], [0.1, 0.1, 0.3, 0.6])
    assert first.state(2.2) is None  # a moment
    names = action_fields(found, [], "a.json")
    assert [actions_of(one, one.said[0], names, found.fields) for one in (first, second)] == [
        ["sit", "wave"],
        ["wave"],
    ]
    assert "1 segments" in found.notes[0]


def test_broken_projects_of_via_are_refused(read):
    lost = json.loads(json.dumps(VIA))
    lost["metadata"]["a"]["av"] = {"1": "7"}
    with pytest.raises(InputError, match="metadata a: does has option 7, expected one of 0, 1"):
        read(lost, "a.json")
    lost["metadata"] = {"b": VIA["metadata"]["b"]}
    with pytest.raises(InputError, match="no box at a time .1 segments of time have none"):
        read(lost, "a.json")
    del lost["view"]
    with pytest.raises(InputError, match="JSON of no known tool"):
        read(lost, "a.json")


# MOT and COCO


def test_mot_counts_frames_from_one_and_tracks_have_gaps(read):
    lines = "1,7,20,10,20,50,1,1,1\n2,7,22,10,20,50,1\n5,7,30,10,20,50,1\n9,8,0,0,20,50,0\n"
    (track,) = read(lines, "gt.txt").tracks
    assert (track.video, track.number) == ("street", 7)
    assert [frame for frame in range(7) if track.state(float(frame))] == [0, 1, 4]
    assert_allclose(track.state(1.0)[0], [0.11, 0.1, 0.21, 0.6])
    found = read(lines, "gt.txt")
    with pytest.raises(InputError, match="boxes of persons and no action.*aia labels export"):
        action_fields(found, [], "gt.txt")


COCO = {
    "images": [{"id": 1, "file_name": "street/000012.jpg", "width": 200, "height": 100}],
    "categories": [{"id": 3, "name": "run"}, {"id": 4, "name": "sit"}],
    "annotations": [{"id": 1, "image_id": 1, "category_id": 3, "bbox": [20, 10, 20, 50]}],
}


def test_coco_has_boxes_of_a_category_in_a_frame(read):
    found = read(COCO, "a.json")
    (track,) = found.tracks
    assert (track.video, track.at.tolist()) == ("street", [12])
    assert_allclose(track.xyxy, [[0.1, 0.1, 0.2, 0.6]])
    names = action_fields(found, [], "a.json")
    assert actions_of(track, track.said[0], names, found.fields) == ["run"]
    with pytest.raises(InputError, match="follows no video and frame"):
        read(COCO | {"images": [COCO["images"][0] | {"file_name": "one.jpg"}]}, "a.json")


# Which are actions


LABELS = "<labels>{}</labels>"
SPEC = (
    "<label><name>{}</name><attributes><attribute><name>{}</name><mutable>True</mutable>"
    "<input_type>{}</input_type><values>{}</values></attribute></attributes></label>"
)


def test_attributes_are_actions_where_there_is_one_label(read):
    spec = LABELS.format(SPEC.format("person", "does", "select", "__undefined__\nsit\nwave"))
    keys = box(0, 20, said=attribute("does", "sit")) + box(
        10, 20, said=attribute("does", "__undefined__")
    )
    found = read(cvat(f"<track label='person'>{keys}</track>", labels=spec))
    assert action_fields(found, [], "a.xml") == ["does"]
    (track,) = found.tracks
    assert [actions_of(track, said, ["does"], found.fields) for said in track.said] == [["sit"], []]


def test_labels_are_actions_where_there_are_no_attributes(read):
    text = f"<track label='run'>{box(0, 20)}</track><track label='EmptyFrame'>{box(0, 9)}</track>"
    found = read(cvat(text))
    assert action_fields(found, [], "a.xml") == ["label"]
    done = [actions_of(one, one.said[0], ["label"], found.fields) for one in found.tracks]
    assert done == [["run"], []]


def test_what_may_be_read_in_two_ways_is_asked(read):
    spec = LABELS.format(SPEC.format("man", "wave", "checkbox", "false"))
    tracks = "".join(f"<track label='{kind}'>{box(0, 20)}</track>" for kind in ("man", "woman"))
    found = read(cvat(tracks, labels=spec))
    with pytest.raises(InputError, match=r"--actions.*label .label: man, woman.*wave .checkbox"):
        action_fields(found, [], "a.xml")
    assert action_fields(found, ["wave"], "a.xml") == ["wave"]
    with pytest.raises(InputError, match="--actions wafe is not in it, did you mean wave"):
        action_fields(found, ["wafe"], "a.xml")


def test_files_of_no_tool_are_refused(read, tmp_path):
    with pytest.raises(InputError, match="neither XML nor JSON"):
        read("what is this", "a.json")
    with pytest.raises(InputError, match="there is no such file"):
        read_annotations(tmp_path / "none.xml", SIZES)
    np.savez(tmp_path / "a.zip", x=1)
    (tmp_path / "a.zip.npz").rename(tmp_path / "a.zip")
    with pytest.raises(InputError, match="expected one annotations.xml in it"):
        read_annotations(tmp_path / "a.zip", SIZES)


# Tables of one's own


def rows_of(found):
    return [
        (one.video, one.number, one.at[0], *one.xyxy[0].round(3).tolist(), one.said[0]["action"])
        for one in found.tracks
    ]


def test_a_table_with_a_header_names_and_pixels_is_read_in_any_order(read):
    text = (
        "Person;action;video;second;left;top;right;bottom\n"
        "anna;walk;street.mp4;2,5;20;10;40;60\nanna;wave;street.mp4;2,5;20;10;40;60\n\n"
        "ben;sit;street.mp4;3;100;10;140;60\n"
    )
    found = read(text, "own.csv")
    assert rows_of(found) == [
        ("street.mp4", 0, 2.5, 0.1, 0.1, 0.2, 0.6, "walk\x1fwave"),
        ("street.mp4", 1, 3.0, 0.5, 0.1, 0.7, 0.6, "sit"),
    ]
    assert "pixels" in found.notes[0]
    names = action_fields(found, [], "own.csv")
    (first, _) = found.tracks
    assert actions_of(first, first.said[0], names, found.fields) == ["walk", "wave"]


def test_a_table_without_a_header_is_in_avas_order(read):
    found = read("street,2,0.1,0.1,0.2,0.6,walk,7\nstreet,3,0.1,0.1,0.2,0.6,walk,7\n", "own.csv")
    assert [row[:3] for row in rows_of(found)] == [("street", 0, 2.0), ("street", 0, 3.0)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: has 0 columns; expected a header"),
        ("video,second,x1,y1,x2,y2\n", "no column action; there are video, second"),
        ("video,second,x1,y1,x2,y2,action\na,2,0.1,b,0.2,0.6,walk\n", "line 2: y1 is 'b'"),
        ("video,second,x1,y1,x2,y2,action\na,2,0.1\n", "line 2: has 3 columns, and none for y1"),
        ("video,second,x1,y1,x2,y2,action\na,-2,0,0,1,1,walk\n", "second is -2, expected 0 or"),
        ("video,second,x1,y1,x2,y2,action\nb,2,3,4,50,60,walk\n", "video b is not among --videos"),
        ("video,second,x1,y1,x2,y2,action\n", "has no line with a box"),
    ],
)
def test_broken_tables_are_refused_with_their_line(read, text, words):
    with pytest.raises(InputError, match=words):
        read(text, "own.csv")
