import pytest

from aia.cli import main
from aia.datasets.epic55_objects import prepare_objects
from aia.detect.source import key_frame_labels
from aia.errors import InputError
from aia.tables import read_actions, read_objects

HEADER = "noun_class,noun,participant_id,video_id,frame,bounding_boxes\n"
LINES = (
    '2,bag,P01,P01_01,0061,"[(54, 480, 108, 960), (0, 0, 1080, 192)]"\n'
    "1,cup,P01,P01_01,091,[]\n"
    '1,cup,P02,P02_01,121,"[(0, 0, 72, 128)]"\n'
    '1,cup,P26,P26_01,31,"[(0, 0, 72, 128)]"\n'
)
VIDEOS = (
    "video,resolution,duration,fps\nP01_01,1920x1080,99.5,59.9400599400599\n"
    "P02_01,1280x720,99.5,29.97\nP26_01,1280x720,99.5,29.97\n"
)


@pytest.fixture
def prepared(tmp_path):
    (tmp_path / "nouns.csv").write_text("noun_id,class_key\n1,cup\n2,bag:paper\n")
    (tmp_path / "videos.csv").write_text(VIDEOS)

    def prepared(lines=LINES, header=HEADER, **options):
        (tmp_path / "objects.csv").write_text(header + lines)
        return prepare_objects(
            tmp_path / "objects.csv",
            nouns=tmp_path / "nouns.csv",
            videos=tmp_path / "videos.csv",
            output=tmp_path / "out" / "objects.csv",
            **options,
        )

    return prepared


def test_boxes_of_the_participants_become_fractions_at_seconds(prepared, tmp_path):
    counts = prepared()
    assert counts == (3, 3, 0, 0)
    found = read_objects(tmp_path / "out" / "objects.csv")
    assert found["label"].tolist() == ["bag:paper", "bag:paper", "cup"]
    assert found[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == [
        [0.25, 0.05, 0.75, 0.15], [0, 0, 0.1, 1], [0, 0, 0.1, 0.1],
    ]  # fmt: skip
    # frame 61 of a video at 59.94, frame 121 of one whose pictures were taken 60 times a second
    assert found["time_sec"].tolist() == [1.001, 1.001, 2.0]


def test_frames_without_a_box_are_key_frames_too(prepared, tmp_path):
    prepared(frames=tmp_path / "frames.csv")
    assert (tmp_path / "frames.csv").read_text() == "P01_01,1.001\nP01_01,1.5015\nP02_01,2.0\n"
    assert (read_actions(tmp_path / "frames.csv")["action"] == -1).all()


def test_a_detector_of_objects_alone_learns_from_both_files(prepared, tmp_path):
    prepared(frames=tmp_path / "frames.csv")
    labels = key_frame_labels(
        read_actions(tmp_path / "frames.csv"),
        read_objects(tmp_path / "out" / "objects.csv"),
        person="cup",  # the first of detector.classes
    )
    assert labels[["video", "time_sec"]].drop_duplicates().shape[0] == 3
    assert sorted(labels.loc[labels["x1"].notna(), "label"]) == ["bag:paper", "bag:paper", "cup"]


def test_boxes_are_cut_at_the_frame_and_left_out_without_an_area(prepared, tmp_path):
    box = '"[(-54, 1824, 108, 960), (0, 0, 0, 5), (9, 9, 9, 9)]"'
    assert prepared(f"1,cup,P01,P01_01,1,{box}\n") == (2, 1, 1, 1)
    found = read_objects(tmp_path / "out" / "objects.csv")
    assert found.loc[0, ["x1", "y1", "x2", "y2"]].tolist() == [0.95, 0, 1, 0.05]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('1,cup,P01,P01_01,1,"[(1, 2, 3)]"', "line 2: bounding_boxes is '"),
        ('1,cup,P01,P01_01,1,"[(1, 2, 3, 4.5)]"', "expected whole numbers of pixels"),
        ('1,cup,P01,P01_01,1,"[(1, 2, 3, True)]"', "expected whole numbers of pixels"),
        ('1,cup,P01,P01_01,1,"[(1, 2, 3, true)]"', "expected whole numbers of pixels"),
        ('1,cup,P01,P01_01,1,"[(1, 2, -3, 4)]"', "expected whole numbers of pixels"),
        ("1,cup,P01,P01_01,1,__import__('os').system('true')", "line 2: bounding_boxes is .__imp"),
        ("1,cup,P01,P01_01,1," + "[" * 19_000, "line 2: bounding_boxes is"),
        ('1,cup,P01,P01_01,1,"[' + "(1, 2, 3, 4), " * 2000 + '(1, 2, 3, 4)]"', "line 2: bounding"),
        ("1,cup,P01,P01_01,0,[]", "line 2: frame 0 is not in the video"),
        ("1,cup,P01,P01_01,9000,[]", "line 2: frame 9000 is not in .* end at 99.5 s"),
        ("3,cup,P01,P01_01,1,[]", "line 2: noun_class 3 is not in"),
        ("1,cup,P01,P01_02,1,[]", "line 2: video P01_02 is not in"),
        ("1,cup,P02,P01_01,1,[]", "line 2: video 'P01_01' of participant 'P02'"),
        ("1,cup,P26,P26_01,1,[]", "has no frame of the participants P01-P25"),
        ('1,cup,P01,P01_01,1,"[(2000, 1, 3, 4)]"', "1 of 1 boxes have no area within"),
    ],
)
def test_a_line_that_makes_no_sense_is_named_and_nothing_written(prepared, tmp_path, line, message):
    with pytest.raises(InputError, match=message):
        prepared(line + "\n")
    assert not (tmp_path / "out" / "objects.csv").exists()


def test_the_command(prepared, tmp_path, capsys):
    prepared()
    command = ["prepare", "epic-objects", str(tmp_path / "objects.csv")]
    for name in ("nouns", "videos"):
        command += [f"--{name}", str(tmp_path / f"{name}.csv")]
    out = tmp_path / "again.csv"
    assert main([*command, "--participants", "P26", "--output", str(out)]) == 0
    assert "again.csv: 1 boxes on 1 frames" in capsys.readouterr().err
    assert read_objects(out)["video"].tolist() == ["P26_01"]
