"""From a tool to training data, and from predictions to a tool and back."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from aia.annotate.cvat import read_cvat
from aia.annotate.cvat_writing import sparse_keys, write_cvat
from aia.annotate.importing import Clip, Labels, Row, split
from aia.annotate.tracks import make_track
from aia.cli import main
from aia.errors import InputError
from aia.labels import read_labels
from aia.tables import read_actions
from tests.video.videos import moving, write_video

ACTIONS = ("sit", "wave")
FRAMES = 60
CLIP = Clip("street", Path("street.mp4"), (320, 240), np.arange(FRAMES) / 10)


def walker(first: int, last: int, gone: set[int], rough: float, seed: int):
    """A person that comes, goes and comes again, with a box in every frame."""
    rng = np.random.default_rng(seed)
    corner = np.cumsum(rng.normal(0, rough, (FRAMES, 2)), axis=0)
    corner = (corner - corner.min()) / max(np.ptp(corner), 1.0) * 0.5
    said = dict.fromkeys(ACTIONS, "false")
    keys = []
    for frame in range(first, last + 1):
        if rng.random() < 0.15:
            said = {name: str(bool(rng.random() < 0.5)).lower() for name in ACTIONS}
        box = np.concatenate([corner[frame], corner[frame] + 0.3]).tolist()
        keys.append((float(frame), box, frame in gone, said))
    keys.append((float(last + 1), keys[-1][1], True, said))
    return make_track("drawn", keys, video="street", number=0, kind="person", clock="frame")


walkers = st.tuples(
    st.integers(0, 20),
    st.integers(25, FRAMES - 2),
    st.sets(st.integers(21, 24), max_size=3),
    st.floats(0, 0.02),
    st.integers(0, 2**32 - 1),
)


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(walkers, min_size=1, max_size=3), tolerance=st.sampled_from([0.5, 2.0, 8.0]))
def test_what_is_written_for_cvat_comes_back_within_the_tolerance(
    tmp_path_factory, drawn, tolerance
):
    drawn = [walker(*about) for about in drawn]
    path = tmp_path_factory.mktemp("task") / "street.xml"
    count = write_cvat(path, CLIP, drawn, ACTIONS, tolerance_px=tolerance)
    assert count <= sum(len(track.at) for track in drawn)
    found = read_cvat(path)
    assert len(found.tracks) == len(drawn)
    for written, read in zip(drawn, found.tracks, strict=True):
        for frame in range(FRAMES):
            one, other = written.state(float(frame)), read.state(float(frame))
            assert (one is None) == (other is None), frame
            if one is not None:
                apart = np.abs(one[0] - other[0]) * [320, 240, 320, 240]
                assert apart.max() <= tolerance + 0.02
                assert dict(one[1]) == dict(other[1])


def test_a_person_that_walks_straight_on_has_three_keys():
    keys = [(float(k), [0.01 * k, 0.2, 0.01 * k + 0.1, 0.6], False, {}) for k in range(30)]
    track = make_track("a", [*keys, (30.0, keys[-1][1], True, {})], video="street", number=0,
                       kind="person", clock="frame")  # fmt: skip
    assert [key.frame for key in sparse_keys(track, CLIP, tolerance_px=1.0)] == [0, 29, 30]


def labels(**videos):
    rows = [Row(video, float(t), (0, 0, 1, 1), name, 0) for video, names in videos.items()
            for t, name in enumerate(names)]  # fmt: skip
    seconds = {video: [float(t) for t in range(len(names))] for video, names in videos.items()}
    return Labels(rows, seconds)


def test_no_video_is_in_both_parts_and_classes_are_in_both_where_they_can_be():
    parts = split(
        labels(a=["sit"] * 9, b=["sit", "wave"], c=["wave"], d=["sit", "wave"], e=["sit"])
    )
    train, val = ({video for video, _ in part} for part in (parts.train, parts.val))
    assert not train & val
    assert val in ({"b"}, {"d"})


def test_one_video_is_split_by_time_where_the_classes_are():
    parts = split(labels(a=["sit"] * 20 + ["wave"] * 10 + ["sit"] * 30))
    seconds = {second for _, second in parts.val}
    assert seconds & set(range(20, 30))
    assert seconds - set(range(20, 30))
    train = {second for _, second in parts.train}
    assert min(abs(one - other) for one in train for other in seconds) >= 3
    with pytest.raises(InputError, match="cannot be split by time"):
        split(labels(a=["sit", "wave", "sit"]))


@pytest.fixture
def street(tmp_path, monkeypatch):
    """Two videos of 12 s, and what CVAT exported of them."""
    monkeypatch.chdir(tmp_path)
    Path("films").mkdir()
    for name in ("Straße 1.mp4", "b.mp4"):
        times = [k / 10 for k in range(120)]
        write_video(Path("films") / name, moving(range(120)), times_sec=times, rate=10)
    task = (
        "<annotations><meta><task><size>120</size><source>{}</source><labels>{}</labels>"
        "<original_size><width>64</width><height>48</height></original_size></task></meta>"
        '<track id="0" label="person">{}</track></annotations>'
    )
    label = (
        "<label><name>person</name><attributes><attribute><name>does</name><mutable>True</mutable>"
        "<input_type>select</input_type><values>__undefined__\nsit\nwave</values></attribute>"
        "</attributes></label>"
    )
    boxes = "".join(
        f'<box frame="{frame}" keyframe="1" outside="{int(frame == 100)}" xtl="{frame / 10}" '
        f'ytl="4" xbr="{frame / 10 + 20}" ybr="40"><attribute name="does">{does}</attribute></box>'
        for frame, does in ((0, "sit"), (50, "wave"), (80, "__undefined__"), (100, "sit"))
    )
    for name in ("Straße 1.mp4", "b.mp4"):
        Path(name).with_suffix(".xml").write_text(task.format(name, label, boxes))
    return tmp_path


def test_one_command_makes_data_and_settings_of_exports(street, capsys):
    given = ["Straße 1.xml", "b.xml", "--videos", "films", "--output", "data/street"]
    assert main(["labels", "import", *given]) == 0
    classes = read_labels("data/street/classes.pbtxt")
    assert classes.names == ("sit", "wave")
    parts = {
        part: read_actions(f"data/street/{part}.csv", labels=classes) for part in ("train", "val")
    }
    both = pd.concat(parts.values())
    assert set(both["video"]) == {"Strasse_1", "b"}
    assert parts["train"]["video"].nunique() == parts["val"]["video"].nunique() == 1
    one = both[(both["video"] == "b") & (both["time_sec"] == 2)].iloc[0]
    assert_allclose(
        one[["x1", "y1", "x2", "y2"]].astype(float), [2 / 64, 4 / 48, 22 / 64, 40 / 48], atol=1e-5
    )
    assert one["action"] == 1
    nobody = both[(both["video"] == "b") & (both["action"] < 0)]["time_sec"]
    assert set(nobody) >= {10, 11}  # outside from frame 100 on
    said = capsys.readouterr().err
    assert "left out: 4 boxes of persons of whom no action is said" in said
    assert "snakemake results/street_val.csv" in said
    assert main(["labels", "import", *given]) == 2
    assert "config/street.yaml: is there already" in capsys.readouterr().err


def test_the_settings_that_are_written_hold(street, capsys):
    given = ["Straße 1.xml", "b.xml", "--videos", "films", "--output", "data/street"]
    assert main(["labels", "import", *given, "--detector", "own"]) == 0
    assert main(["settings", "street"]) == 0
    assert main(["prepare", "data", "--settings", "results/street/settings.yaml"]) == 0
    assert "2 videos, 2 classes" in capsys.readouterr().err


def test_settings_for_a_folder_of_videos_say_what_is_missing(street, capsys):
    assert main(["new", "street", "--videos", "films"]) == 0
    said = capsys.readouterr().err
    assert "Straße 1.mp4: 64x48, 10 frames a second, 12.0 s" in said
    assert "missing: data/street/train.csv" in said
    assert main(["settings", "street"]) == 0
    assert main(["new", "str-eet", "--videos", "films"]) == 2


def test_predictions_become_a_task_and_training_data_again(street, capsys):
    rows = "".join(f"b,{t},0.{t},0.1,0.{t + 2},0.9,{1 + t % 2},7\n" for t in range(1, 8))
    Path("own.csv").write_text(rows)
    Path("own.pbtxt").write_text(
        'label { name: "sit" label_id: 1 }\nlabel { name: "wave" label_id: 2 }\n'
    )
    given = ["own.csv", "--labels", "own.pbtxt", "--videos", "films/b.mp4"]
    assert main(["labels", "export", *given, "--output", "task"]) == 0
    (label,) = json.loads(Path("task/labels.json").read_text())
    assert [one["name"] for one in label["attributes"]] == ["sit", "wave"]
    assert all(one["mutable"] for one in label["attributes"])
    given = ["task/b.xml", "--videos", "films/b.mp4", "--output", "data/again"]
    assert main(["labels", "import", *given]) == 0
    classes = read_labels("data/again/classes.pbtxt")
    again = pd.concat(
        [read_actions(f"data/again/{p}.csv", labels=classes) for p in ("train", "val")]
    )
    again = again[again["action"] >= 0].set_index("time_sec").sort_index()
    own = read_actions("own.csv").set_index("time_sec")
    kept = own.loc[own.index.isin(again.index)]
    assert len(kept) == len(again) >= 3
    assert_allclose(again[["x1", "x2"]], kept[["x1", "x2"]], atol=2.1 / 64)
    assert again["action"].tolist() == kept["action"].tolist()


def test_the_only_video_is_meant_by_any_name_and_that_is_told(street, capsys):
    Path("b.xml").write_text(Path("b.xml").read_text().replace("b.mp4", "c.mp4"))
    given = ["b.xml", "--videos", "films/b.mp4", "--output", "data/street"]
    assert main(["labels", "import", *given]) == 0
    assert "c.mp4 is taken to be b.mp4, the only video" in capsys.readouterr().err


def test_labels_of_another_video_are_refused(street, capsys):
    given = ["b.xml", "--videos", "films/Straße 1.mp4", "films/b.mp4", "--output", "data/street"]
    Path("b.xml").write_text(Path("b.xml").read_text().replace("b.mp4", "c.mp4"))
    assert main(["labels", "import", *given]) == 2
    assert "labels of 'c.mp4', which is not among --videos" in capsys.readouterr().err


def test_a_table_with_names_becomes_a_task(street, capsys):
    Path("own.csv").write_text(
        "video,second,x1,y1,x2,y2,action,person\n"
        "b,2,0.1,0.1,0.4,0.9,sit,ann\nb,5,0.1,0.1,0.4,0.9,wave,ann\n"
    )
    given = ["own.csv", "--videos", "films/b.mp4", "--output", "task"]
    assert main(["labels", "export", *given]) == 0
    found = read_cvat(Path("task/b.xml"))
    seen = [
        {name for name, value in state[1].items() if value == "true"}
        for frame in (20, 24, 25, 50, 54, 55)
        for state in [
            next(filter(None, (track.state(float(frame)) for track in found.tracks)), (0, {}))
        ]
    ]
    assert seen == [{"sit"}, {"sit"}, set(), {"wave"}, {"wave"}, set()]
