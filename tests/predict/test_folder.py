"""Files that `aia predict` leaves, what it takes up again, and what it refuses."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest

from aia.cli import main
from aia.errors import InputError
from aia.evaluate.frame_map import evaluate_ava
from aia.labels import write_labels
from aia.predict import folder
from aia.predict.folder import PredictOptions, predict_folder
from aia.predict.sources import expand
from aia.predict.spans import read_spans
from aia.tables import read_scores
from tests.predict.conftest import CLASSES, write_video

QUICK = PredictOptions(film=False, page=False)


def predicted(who, videos, output, options=QUICK):
    return predict_folder(who, expand([str(video) for video in videos]), output, options)


def test_each_video_gets_its_files_and_all_an_index(who, tmp_path):
    names = ["Küche (1).mp4", "street.mp4"]
    videos = [write_video(tmp_path / name, seconds=6, size_hw=(48, 64)) for name in names]
    out = tmp_path / "out"
    assert predicted(who(), videos, out, PredictOptions()) == []
    for name in ("Kueche_1", "street"):
        for ending in ("parquet", "csv", "mp4", "html", "attention.parquet"):
            assert (out / f"{name}.{ending}").stat().st_size
    index = (out / "index.html").read_text()
    assert "Kueche_1" in index
    assert "street.html" in index
    spans = read_spans(out / "actions.csv")
    assert set(spans["video"]) <= {"Kueche_1", "street"}
    assert len(spans)
    assert not list(out.glob(".*"))


def test_csv_and_parquet_evaluate_alike(who, tmp_path):
    video = write_video(tmp_path / "street.mp4", seconds=20)
    predicted(who(), [video], tmp_path)
    table = read_scores(tmp_path / "street.parquet")
    rng = np.random.default_rng(0)
    with open(tmp_path / "truth.csv", "w") as file:  # some of its own boxes, moved a little
        for row in table.boxes.itertuples():
            if rng.random() < 0.6:
                side = (f"{float(value):.3f}" for value in (row.x1, row.y1, row.x2, row.y2))
                action = rng.choice(CLASSES.ids)
                file.write(f"street,{row.time_sec:g},{','.join(side)},{action},{row.Index}\n")
    write_labels(tmp_path / "classes.pbtxt", CLASSES)
    means = [
        evaluate_ava(
            tmp_path / "truth.csv",
            tmp_path / f"street.{ending}",
            labels=tmp_path / "classes.pbtxt",
        ).mean
        for ending in ("csv", "parquet")
    ]
    assert means[0] == pytest.approx(means[1], abs=1e-9)
    assert 0.05 < means[0] < 1


def test_a_second_call_computes_nothing_again_and_makes_what_is_missing(who, tmp_path, monkeypatch):
    video = write_video(tmp_path / "street.mp4", seconds=5, size_hw=(48, 64))
    out = tmp_path / "out"
    predicted(who(), [video], out, PredictOptions())
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    (out / "street.csv").unlink()
    (out / "street.html").unlink()

    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(folder, "predict_video", never)
    monkeypatch.setattr(folder, "draw_film", never)
    predicted(who(), [video], out, PredictOptions())
    after = {path.name: path.read_bytes() for path in out.iterdir()}
    assert after == before


@pytest.mark.parametrize("changed", ["video", "model", "rate"])
def test_files_of_something_else_are_not_written_over(who, tmp_path, changed):
    video = write_video(tmp_path / "street.mp4", seconds=5)
    predicted(who(), [video], tmp_path)
    before = (tmp_path / "street.parquet").read_bytes()
    model, options = who(), QUICK
    if changed == "video":
        write_video(video, seconds=4)
    elif changed == "model":
        model = who("slowfast_tiny-none-s0")
    else:
        options = PredictOptions(film=False, page=False, per_sec=2.0)
    with pytest.raises(InputError, match=r"street\.parquet: is there already, of another video, m"):
        predicted(model, [video], tmp_path, options)
    assert (tmp_path / "street.parquet").read_bytes() == before
    over = PredictOptions(film=False, page=False, per_sec=options.per_sec, overwrite=True)
    assert predicted(model, [video], tmp_path, over) == []
    assert (tmp_path / "street.parquet").read_bytes() != before


def test_a_video_is_never_written_over_by_its_own_film(who, tmp_path):
    video = write_video(tmp_path / "street.mp4", seconds=5)
    before = video.read_bytes()
    with pytest.raises(InputError, match=r"street\.mp4: would be written over; give another"):
        predicted(who(), [video], tmp_path, PredictOptions())
    assert video.read_bytes() == before


def test_a_broken_video_among_many_is_named_and_left_out(who, tmp_path, capsys):
    good = [write_video(tmp_path / f"{name}.mp4", seconds=4) for name in ("a", "c")]
    (tmp_path / "b.mp4").write_bytes(b"not a video at all" * 99)
    failed = predicted(who(), [good[0], tmp_path / "b.mp4", good[1]], tmp_path / "out")
    assert len(failed) == 1
    assert failed[0].startswith("b: ")
    assert "b: left out" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "out").glob("*.parquet")) == [
        "a.parquet",
        "c.parquet",
    ]
    assert "not a video" in (tmp_path / "out" / "index.html").read_text()


def test_a_video_in_which_nobody_is_found_has_all_files(who, tmp_path, capsys):
    video = write_video(tmp_path / "street.mp4", seconds=4, size_hw=(48, 64))
    out = tmp_path / "out"
    assert predicted(who(person_threshold=1.0), [video], out, PredictOptions()) == []
    assert "nobody was found, is --detector right" in capsys.readouterr().err
    assert len(read_scores(out / "street.parquet").boxes) == 0
    assert (out / "street.csv").read_text().count("\n") == 1
    assert (out / "street.mp4").stat().st_size
    assert (out / "street.html").stat().st_size


def test_a_full_disk_leaves_no_half_file(who, tmp_path, monkeypatch):
    video = write_video(tmp_path / "street.mp4", seconds=4)
    out = tmp_path / "out"

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("aia.tables.detections.pa_csv.write_csv", full)
    with pytest.raises(OSError, match="No space left"):
        predicted(who(), [video], out)
    assert [path.name for path in out.iterdir()] == ["street.parquet"]


BAD = {
    "nothing.mp4": "nothing.mp4: there is no such video or folder",
    "empty/": "empty/: there is no video in this folder",
    "none*.mp4": "no video is of this pattern",
    "sound.wav": "expected a video, but the file has audio and no video stream|not a video",
}


@pytest.mark.parametrize("given", BAD)
def test_bad_input_is_told_in_one_line(who, tmp_path, monkeypatch, capsys, given):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "sound.wav").write_bytes(b"RIFF\0\0\0\0WAVEfmt ")
    model = who()
    model.model.run.write("model.safetensors", model.model.network.state_dict())
    status = main(["predict", given, "--model", "model.safetensors", "--detector", "d.safetensors"])
    said = capsys.readouterr().err
    assert status == 2
    if given != "sound.wav":  # its detector is looked for first
        assert pytest.importorskip("re").search(BAD[given], said)
    assert not Path("predictions").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nowhere"], "nowhere: is no file, no folder and no model by name"),
        (["--model", "runs"], "runs: there is no model.safetensors in this folder.*; there are a"),
        (
            ["--model", "model.safetensors", "--detector", "x.pt"],
            "--detector x.pt: there is no such",
        ),
        (
            ["--model", "m", "--action-threshold", "1.5"],
            "--action-threshold: 1.5, expected a score",
        ),
        (["--model", "m", "--stop-below", "0.9"], "--stop-below: 0.9 is above --action-threshold"),
        (["--model", "m", "--per-second", "0"], "--per-second: 0, expected more than 0"),
        (["--model", "evil.pth"], "evil.pth"),
        (["--model", "segments.safetensors"], "is asked about segments"),
        (["--model", "nameless.safetensors"], "its classes have no names"),
    ],
)
def test_a_model_that_cannot_predict_is_told(who, tmp_path, monkeypatch, capsys, options, words):
    import dataclasses
    import pickle
    import re

    from aia.labels import ClassList

    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "street.mp4", seconds=2)
    model = who().model
    (tmp_path / "runs" / "a").mkdir(parents=True)
    state = model.network.state_dict()
    for name in ("runs/a/model.safetensors", "model.safetensors"):
        model.run.write(name, state)
    segments = dataclasses.replace(model.run.network, query="segment")
    asked = dataclasses.replace(model.run, network=segments)
    asked.write("segments.safetensors", asked.build().state_dict())
    dataclasses.replace(model.run, classes=ClassList.numbered(3)).write(
        "nameless.safetensors", state
    )

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "executed",))

    Path("evil.pth").write_bytes(pickle.dumps({"model": Evil()}))
    assert main(["predict", "street.mp4", *options]) == 2
    assert re.search(words, capsys.readouterr().err)
    assert not (tmp_path / "executed").exists()
    assert not Path("predictions").exists()
    shutil.rmtree(tmp_path / "runs")
