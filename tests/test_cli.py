"""The commands as a user types them: what they write, say and return."""

import argparse
import json
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from aia.cli import _parser, main
from aia.cli.clips import key_frames
from aia.errors import InputError
from aia.labels import read_labels
from tests.conftest import REPOSITORY

CONFIG = str(REPOSITORY / "config.yaml")


def video(path, seconds=4, fps=8):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(seconds * fps):
            picture = np.full((48, 64, 3), number % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "labels.pbtxt"
    path.write_text('item { name: "stand" id: 1 }\nitem { name: "walk" id: 2 }\n')
    return path


@pytest.fixture
def store(tmp_path):
    out = tmp_path / "kitchen.h5"
    settings = ("--settings", CONFIG)
    assert main(["frames", str(video(tmp_path / "k.mp4")), "--output", str(out), *settings]) == 0
    return out


def train(tmp_path, store, labels, rows, run="slowfast_tiny-none-s0-pretrain", settings=CONFIG):
    annotations = tmp_path / "train.csv"
    annotations.write_text(rows)
    return main(
        [
            *("train", "--run", run, "--frames", str(store), "--annotations", str(annotations)),
            *("--labels", str(labels), "--work", str(tmp_path / "work")),
            *("--output-dir", str(tmp_path / "run"), "--settings", settings),
        ]
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("kitchen,0009,0.1,0.1,0.5,0.9,1,0\n", "has second 9, but the video ends at 4.00 s"),
        ("bath,0001,0.1,0.1,0.5,0.9,1,0\n", "has video 'bath', but no frame store of it"),
        ("../kitchen,0001,0.1,0.1,0.5,0.9,1,0\n", "../kitchen"),
        ("kitchen,0001,0.1,0.1,0.5\n", "line 1: 5 columns"),
        ("kitchen,0001,0.5,0.1,0.1,0.9,1,0\n", "line 1: x1 = 0.5 is not below x2 = 0.1"),
        ("kitchen,0001,1.2,0.1,1.5,0.9,1,0\n", "line 1: x1 = 1.2 is outside 0..1"),
        ("kitchen,0001,0.1,0.1,0.5,0.9,77,0\n", "line 1: action 77 is not a class"),
        ("", "train.csv"),
        ("kitchen,0001\n", "hold no person at all"),
    ],
)
def test_annotations_that_do_not_fit_end_with_2_before_any_work(
    tmp_path, store, labels, capsys, rows, message
):
    assert train(tmp_path, store, labels, rows) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not (tmp_path / "work").exists()


def test_a_wrong_run_is_named(tmp_path, store, labels, capsys):
    assert train(tmp_path, store, labels, "", run="slowfast_tiny-cereal-s0") == 2
    assert "is not a run" in capsys.readouterr().err


def test_a_missing_video_ends_with_2_and_leaves_nothing(tmp_path, capsys):
    out = tmp_path / "a.h5"
    assert (
        main(["frames", str(tmp_path / "a.mp4"), "--output", str(out), "--settings", CONFIG]) == 2
    )
    assert "there is no such video" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_video_shorter_than_a_clip_is_refused_when_it_is_decoded_and_when_it_is_used(
    tmp_path, labels, capsys
):
    out = tmp_path / "kitchen.h5"
    command = ["frames", str(video(tmp_path / "k.mp4", seconds=1, fps=5)), "--output", str(out)]
    assert main([*command, "--settings", CONFIG, "--min-frames", "9"]) == 2
    assert "8 frames at 8 a second, but a clip needs 9" in capsys.readouterr().err
    assert not out.exists()
    settings = Path(CONFIG).read_text().replace("  fps: 8  ", "  fps: 4  ")
    slow = str(tmp_path / "slow.yaml")
    Path(slow).write_text(settings)
    assert main([*command, "--settings", slow]) == 0
    row = "kitchen,0000,0.1,0.1,0.5,0.9,1,0\n"
    assert train(tmp_path, out, labels, row) == 2
    assert "frames.fps = 4.0, but slowfast_tiny-none-s0-pretrain was" in capsys.readouterr().err
    assert train(tmp_path, out, labels, row, settings=slow) == 2
    assert "has 4 frames, but a clip of this backbone spans 8" in capsys.readouterr().err


def test_a_bad_video_is_skipped_where_the_settings_say_so(tmp_path, capsys):
    (tmp_path / "a.mp4").write_text("hello")
    frames = {
        "film_start_sec": 0, "start_sec": 0, "end_sec": None,
        "fps": 8, "numbered": False, "short_side": 48, "codec": "jpeg", "quality": 90,
    }  # fmt: skip
    settings = json.dumps({"frames": frames, "data": {"bad_films": "skip"}})
    out = tmp_path / "a.h5"
    assert (
        main(["frames", str(tmp_path / "a.mp4"), "--output", str(out), "--settings", settings]) == 0
    )
    assert "skipped" in capsys.readouterr().err
    assert out.exists()


def test_lines_go_to_the_log_file_too(tmp_path, capsys):
    log = tmp_path / "log.txt"
    arguments = ["--output", str(tmp_path / "a.h5"), "--settings", CONFIG, "--log", str(log)]
    main(["frames", str(tmp_path / "a.mp4"), *arguments])
    assert log.read_text() == capsys.readouterr().err


def test_evaluate_ava_writes_metric_class_and_value(tmp_path, labels):
    (tmp_path / "gt.csv").write_text("f,0001,0.1,0.1,0.5,0.9,1,0\nf,0001,0.6,0.1,0.9,0.9,2,1\n")
    (tmp_path / "det.csv").write_text("f,1,0.1,0.1,0.5,0.9,1,0.9\nf,1,0.1,0.1,0.5,0.9,2,0.8\n")
    status = main(
        [
            *("evaluate", "ava", "--groundtruth", str(tmp_path / "gt.csv")),
            *("--detections", str(tmp_path / "det.csv"), "--labels", str(labels)),
            *("--output", str(tmp_path / "out.csv")),
        ]
    )
    assert status == 0
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found.columns) == ["metric", "class_id", "class_name", "value"]
    mean = found[found["class_id"].isna()]
    assert mean["value"].tolist() == [0.5]
    assert found.dropna()["value"].tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--films"], "--films: needs --seconds"),
        (["--annotations", "--seconds"], "--seconds: needs --persons"),
        (["--films", "--seconds", "--persons", "--attention"], "leave --seconds out"),
    ],
)
def test_videos_without_labels_need_seconds_and_persons(tmp_path, labels, options, message):
    """Checked before the model is loaded, which takes seconds."""
    given = {
        "annotations": tmp_path / "a.csv",
        "films": tmp_path / "films.txt",
        "seconds": tmp_path / "seconds.txt",
        "persons": [tmp_path / "p.parquet"],
        "attention": tmp_path / "attention.parquet",
    }
    wanted = {name: value if f"--{name}" in options else None for name, value in given.items()}
    with pytest.raises(InputError, match=message):
        key_frames(
            argparse.Namespace(**wanted, excluded=None, clips_per_sec=1), read_labels(labels)
        )


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    for command in (
        "frames",
        "finetune-detector",
        "detect",
        "train",
        "score",
        "evaluate",
        "weights",
    ):
        assert command in said


def test_an_unknown_option_ends_with_2(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["frames", "--colour"])
    assert ended.value.code == 2


def parsers(parser: argparse.ArgumentParser):
    """Yield a parser and those of all its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from parsers(inner)


@pytest.mark.parametrize("parser", list(parsers(_parser())), ids=lambda parser: parser.prog)
def test_every_command_and_every_option_says_what_it_is(parser):
    options = [
        action for action in parser._actions if not isinstance(action, argparse._SubParsersAction)
    ]
    silent = [action.option_strings or action.dest for action in options if not action.help]
    assert silent == []
    help_text = parser.format_help()  # a stray % in a text would raise
    assert all(option in help_text for action in options for option in action.option_strings)
    assert parser.description or any(
        isinstance(action, argparse._SubParsersAction) for action in parser._actions
    )
