"""Labels that follow from the tracks of a street crossing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

from aia.datasets import pets09
from aia.errors import InputError
from aia.labels import read_labels
from aia.tables import read_actions, read_tracks


def pixel(metres: np.ndarray) -> np.ndarray:
    """Find the point of the picture that shows a point on the ground."""

    def off(point: np.ndarray) -> np.ndarray:
        return pets09.ground(point[None])[0] - metres

    return least_squares(off, x0=[384.0, 350.0]).x


def walker(person: int, start: tuple[float, float], speed: float, frames: int = 31) -> pd.DataFrame:
    """A person that goes along the first axis of the ground."""
    rows = []
    for frame in range(frames):
        x, y = pixel(np.array(start) + [speed * frame / 10, 0])
        box = np.array([x - 15, y - 80, x + 15, y]) / [768, 576, 768, 576]
        rows.append((frame, person, *box))
    return pd.DataFrame(rows, columns=["frame", "id", "x1", "y1", "x2", "y2"])


def actions(tracks: pd.DataFrame, second: int = 2) -> dict[int, set[int]]:
    rows = pets09.label(tracks)
    found = rows[rows["second"] == second].groupby("person")["action"].agg(set)
    return found.to_dict()


def test_who_moves_half_a_metre_a_second_walks():
    tracks = pd.concat([walker(1, (-8, -8), 0.52), walker(2, (-12, -5), 0.48)])
    assert actions(tracks) == {1: {pets09.WALK}, 2: {pets09.STAND}}


def test_who_stays_within_a_metre_and_a_half_all_second_is_together():
    beside = pd.concat([walker(1, (-8, -8), 1.0), walker(2, (-8, -6.6), 1.0)])
    assert actions(beside) == dict.fromkeys((1, 2), {pets09.WALK, pets09.TOGETHER})
    past = pd.concat([walker(1, (-8, -8), 0.0), walker(2, (-13, -7), 2.5)])  # near for a moment
    assert actions(past) == {1: {pets09.STAND}, 2: {pets09.WALK}}


def test_a_person_that_is_not_there_at_the_second_is_nobodys_company():
    gone = walker(2, (-8, -7.5), 0.0, frames=19)
    assert actions(pd.concat([walker(1, (-8, -8), 0.0), gone])) == {1: {pets09.STAND}}


def test_a_track_of_one_frame_stands():
    one = walker(1, (-8, -8), 3.0)
    assert actions(one[one["frame"] == 20]) == {1: {pets09.STAND}}


def test_tables_are_those_that_our_readers_take(tmp_path: Path):
    lines = "21,3,300,200,30,80,1,-1,-1,-1\n281,3,300.5,200,30,80,1,-1,-1,-1\n290,3,1,1,9,9,1\n"
    (tmp_path / "gt.txt").write_text(lines)
    pets09.write_tables(tmp_path / "gt.txt", tmp_path)
    labels = read_labels(tmp_path / "actions.pbtxt")
    assert labels.names == ("stand", "walk", "together with (a person)")
    for split, second in (("train", 2), ("val", 28)):
        (row,) = read_actions(tmp_path / f"{split}.csv", labels=labels).itertuples()
        assert (row.video, row.time_sec, row.action, row.person) == ("vtest", second, 1, 3)
    first = read_tracks(tmp_path / "tracks.csv").iloc[0]
    np.testing.assert_allclose(first[["x1", "y2"]].tolist(), [300 / 768, 280 / 576], atol=5e-5)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected tracks in frames 1 to 795"),
        ("1,2,3\n", "no tracks of MOTChallenge"),
        ("<html></html>\n", "no tracks of MOTChallenge"),
        ("900,1,1,1,1,1\n", "expected tracks in frames 1 to 795"),
    ],
)
def test_what_are_no_tracks_is_refused(tmp_path: Path, text: str, words: str):
    (tmp_path / "gt.txt").write_text(text)
    with pytest.raises(InputError, match=words):
        pets09.read_mot(tmp_path / "gt.txt")


def test_places_are_those_that_the_tracks_publisher_states():
    feet = np.array([[514, 233], [274, 307], [654, 323], [733, 394]]) - 1.0
    metres = [[-4.1554, -7.3591], [-11.306, -5.5995], [-9.0323, -12.587], [-11.743, -14.853]]
    np.testing.assert_allclose(pets09.ground(feet), metres, atol=5e-4)


def test_labels_are_those_of_the_published_positions(shared_data: Path, tmp_path: Path):
    """Those at hand were made from the positions that the publisher states, not from boxes."""
    recorded = shared_data / "pets09"
    tracks = read_tracks(recorded / "tracks.csv")
    size, lines = np.tile(pets09.SIZE_HW[::-1], 2), []
    for row in tracks.itertuples():
        left, top, right, bottom = np.array(row[3:]) * size
        box = (round(left), round(top), right - round(left), bottom - round(top))
        lines.append(",".join(map(str, (row.frame + 1, row.id, *box, 1, -1, -1, -1))))
    (tmp_path / "gt.txt").write_text("\n".join(lines))
    pets09.write_tables(tmp_path / "gt.txt", tmp_path)
    for name in ("tracks.csv", "train.csv", "val.csv", "actions.pbtxt"):
        assert (tmp_path / name).read_text() == (recorded / name).read_text(), name
    for split, number in pets09.PERSONS.items():
        rows = read_actions(tmp_path / f"{split}.csv")
        assert len(rows.drop_duplicates(["time_sec", "person"])) == number
        assert {*rows["time_sec"]} == {*pets09.SECONDS[split]}
