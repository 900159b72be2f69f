import pytest

from aia.cli import main
from aia.datasets.epic55 import (
    participants,
    read_actions,
    read_classes,
    read_video_info,
)
from aia.errors import InputError
from aia.labels import read_labels
from aia.tables import read_metrics, read_segments
from tests.datasets.preparing import prepare

ACTIONS = (
    "uid,participant_id,video_id,narration,start_timestamp,stop_timestamp,start_frame,stop_frame,"
    "verb,verb_class,noun,noun_class,all_nouns,all_noun_classes\n"
)
FIRST = "5,P01,P01_01,open door,00:00:00.14,00:00:03.37,8,202,open,1,door,2,['door'],[2]\n"
SECOND = '3,P26,P26_02,"take, cup",01:01:02.50,01:01:03.00,219750,219780,take,0,cup,0,[],[]\n'
GIVEN = {
    "actions": ACTIONS + FIRST + SECOND,
    "verbs": "verb_id,class_key,verbs\n0,take,\"['take', 'grab']\"\n1,open,['open']\n",
    "nouns": 'noun_id,class_key,nouns\n0,cup,[]\n1,"board:chopping",[]\n2,door,[]\n',
    "videos": "video,resolution,duration,fps\nP01_01,1920x1080,5.5,59.94\n"
    "P26_02,1280x720,3700.25,29.97\n",
}


@pytest.fixture
def write(tmp_path):
    """The four files, some of them changed."""

    def write(**changed):
        paths = {name: tmp_path / f"{name}.csv" for name in GIVEN}
        for name, path in paths.items():
            path.write_text(changed.get(name, GIVEN[name]))
        return paths

    return write


def prepared(paths, output, *, train="P01-P25", val="P26-P31"):
    """Write the one form, and count the segments of each split."""
    others = {name: path for name, path in paths.items() if name != "actions"}
    given = {"format": "epic55", "annotations": paths["actions"], "train": train, "val": val}
    prepare(output, **given, **others)
    return {split: len(read_segments(output / f"{split}.parquet")) for split in ("train", "val")}


def test_segments_go_to_the_split_of_their_participant(write, tmp_path):
    assert prepared(write(), tmp_path / "out") == {"train": 1, "val": 1}
    train, val = (read_segments(tmp_path / f"out/{split}.parquet") for split in ("train", "val"))
    assert train.iloc[0].to_dict() == {
        "segment": 5, "video": "P01_01", "start_sec": 0.14, "stop_sec": 3.37, "verb": 1, "noun": 2
    }  # fmt: skip
    assert val.iloc[0].tolist() == [3, "P26_02", 3662.5, 3663.0, 0, 0]


def test_classes_keep_their_published_ids_from_0(write, tmp_path):
    prepared(write(), tmp_path / "out")
    verbs, nouns = (read_labels(tmp_path / "out" / f"{name}s.pbtxt") for name in ("verb", "noun"))
    assert (verbs.ids, verbs.names) == ((0, 1), ("take", "open"))
    assert (nouns.ids, nouns.names) == ((0, 1, 2), ("cup", "board:chopping", "door"))


def test_videos_have_a_duration_a_rate_and_a_size(write):
    videos = read_video_info(write()["videos"])
    assert videos["P26_02"] == (3700.25, 29.97, (1280, 720))


def test_participants_of_neither_split_are_left_out(write, tmp_path):
    third = FIRST.replace("5,P01,P01_01", "6,P02,P02_01")
    paths = write(
        actions=ACTIONS + FIRST + third + SECOND,
        videos=GIVEN["videos"] + "P02_01,1920x1080,5.5,59.94\n",
    )
    assert prepared(paths, tmp_path / "out", train="P02") == {"train": 1, "val": 1}
    assert read_segments(tmp_path / "out/train.parquet")["segment"].tolist() == [6]


def test_lists_of_participants():
    assert len(participants("P01-P25")) == 25
    assert participants("P26, P28-P29") == {"P26", "P28", "P29"}
    for wrong in ("", "1-25", "P25-P01", "P1", "P01-"):
        with pytest.raises(InputError, match="expected such as P01-P25"):
            participants(wrong)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": "P01-P26"}, "P26 is among those to train on"),
        ({"val": "P30"}, "has no segment of the val participants P30; it has P01 to P26"),
    ],
)
def test_splits_that_share_or_lack_are_refused(write, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        prepared(write(), tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("5,P01,", "3,P01,", "line 3: uid 3 is listed before"),
        ("5,P01,", "x,P01,", "line 2: uid is 'x', expected a whole number"),
        ("5,P01,P01_01", "5,P02,P01_01", "line 2: video 'P01_01' of participant 'P02'"),
        ("P01_01", "../01", r"line 2: video id is '\.\./01'"),
        ("P01_01", "P01_03", "line 2: video P01_03 is not in the table of videos"),
        ("00:00:03.37", "3.37", "line 2: stop_timestamp is '3.37', expected hours"),
        ("00:00:03.37,8,202", "00:00:00.14,8,8", "line 2: segment 5 ends at 00:00:00.14, not"),
        ("00:00:03.37,8,202", "00:00:05.60,8,336", "segment 5 ends at 5.6 s, but P01_01 lasts 5.5"),
        (
            ",202,",
            ",101,",
            "line 2: stop_frame 101 is not stop_timestamp 00:00:03.37; expected 202",
        ),
        (",8,202", ",eight,202", "line 2: start_frame is 'eight'"),
        ("open,1,door", "open,2,door", "line 2: verb_class 2 is not a class; the list has 2, 0 to"),
        ("door,2,", "door,-2,", "line 2: noun_class is '-2', expected a whole number"),
        (",['door'],[2]", "", "line 2: 12 columns, expected 14"),
        ("noun_class", "class", "line 1: has no column noun_class; expected uid, "),
    ],
)
def test_a_line_of_actions_that_makes_no_sense_is_named(write, old, new, message):
    paths = write(actions=ACTIONS.replace(old, new) + FIRST.replace(old, new, 1) + SECOND)
    labels = {"verb": read_classes(paths["verbs"]), "noun": read_classes(paths["nouns"])}
    with pytest.raises(InputError, match=message):
        read_actions(paths["actions"], videos=read_video_info(paths["videos"]), labels=labels)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "videos",
            "video,resolution,duration,fps\nP01_01,big,5.5,60\n",
            "line 2: resolution is 'b",
        ),
        ("videos", "video,resolution,duration,fps\nP01_01,8x8,0,60\n", "line 2: duration is '0'"),
        ("videos", "video,resolution,duration,fps\nP01_01,8x8,5,nan\n", "line 2: fps is 'nan'"),
        ("videos", "video,resolution,duration\n", "line 1: has no column fps"),
        ("videos", GIVEN["videos"] + "P01_01,8x8,5,60\n", "line 4: P01_01 is listed before"),
        ("verbs", "verb_id,class_key\n0,take\n0,put\n", "line 3: id 0 is already that of 'take'"),
        ("verbs", "verb_id,class_key\n0,\n", "line 2: class_key of 0 is empty"),
        ("verbs", "verb_id,class_key\n", "has no line after its header"),
        ("nouns", "id,class_key\n0,cup\n", "has no column verb_id or noun_id"),
        ("actions", "", "line 1: has no column participant_id"),
    ],
)
def test_tables_that_make_no_sense_are_refused(write, tmp_path, name, text, message):
    with pytest.raises(InputError, match=message):
        prepared(write(**{name: text}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_no_text_or_not_there_is_refused(write, tmp_path):
    paths = write()
    paths["verbs"].write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"verbs\.csv: cannot be read"):
        prepared(paths, tmp_path / "out")
    with pytest.raises(InputError, match=r"none\.csv: cannot be read"):
        prepared(paths | {"verbs": tmp_path / "none.csv"}, tmp_path / "out")


def test_what_is_written_can_be_evaluated(write, tmp_path, capsys):
    out = tmp_path / "out"
    prepared(write(), out)
    (tmp_path / "v.csv").write_text("2,1\n")
    (tmp_path / "n.csv").write_text("0,1,2\n")
    scores = ["--verbs", str(tmp_path / "v.csv"), "--nouns", str(tmp_path / "n.csv")]
    labels = ["--labels", str(out / "val.parquet")]
    table = ["--output", str(tmp_path / "top.csv")]
    assert main(["evaluate", "epic", *labels, *scores, *table]) == 0
    values = read_metrics(tmp_path / "top.csv").set_index("metric")["value"]
    assert (values["verb top-1"], values["noun top-1"]) == (1, 0)
    train = ["--train", str(out / "train.parquet")]
    assert main(["evaluate", "epic-majority", *labels, *train, *table]) == 0
    values = read_metrics(tmp_path / "top.csv").set_index("metric")["value"]
    assert (values["verb top-1"], values["verb top-5"]) == (0, 1)


def test_the_counts_of_the_published_files_are_the_papers(shared_data, tmp_path):
    folder = shared_data / "epic55"
    names = {"actions": "train_action_labels", "verbs": "verb_classes", "nouns": "noun_classes"}
    names |= {"videos": "video_info"}
    paths = {name: folder / f"EPIC_{file}.csv" for name, file in names.items()}
    counts = prepared(paths, tmp_path)
    assert counts == {"train": 23_191, "val": 5_281}
    verbs, nouns = read_labels(tmp_path / "verbs.pbtxt"), read_labels(tmp_path / "nouns.pbtxt")
    assert (verbs.ids, nouns.ids) == (tuple(range(125)), tuple(range(352)))
    val = read_segments(tmp_path / "val.parquet", task="verb", labels=verbs)
    train = read_segments(tmp_path / "train.parquet", task="noun", labels=nouns)
    assert (len(val), len(train)) == (5_281, 23_191)
    assert not set(val["video"]) & set(train["video"])
    assert (val["stop_sec"] - val["start_sec"]).min() == pytest.approx(0.5)
