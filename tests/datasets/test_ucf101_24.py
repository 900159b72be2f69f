import pickle

import numpy as np
import pytest

from aia.datasets.ucf101_24 import read_annotations, read_split, to_fractions
from aia.errors import InputError


def write(path, **changes):
    """One film with one tube of three frames, as the corrected annotations have it."""
    tube = {"label": 1, "sf": 4, "ef": 7, "boxes": np.tile(np.uint8([200, 20, 100, 60]), (3, 1))}
    film = {"numf": np.uint8(250), "label": 1, "annotations": [tube]}
    film.update({key: value for key, value in changes.items() if key in film})
    tube.update({key: value for key, value in changes.items() if key in tube})
    path.write_bytes(pickle.dumps({"BasketballDunk/v_BasketballDunk_g01_c01": film}))
    return path


def test_sums_of_small_integers_do_not_overflow(tmp_path):
    [tube] = read_annotations(write(tmp_path / "a.pkl")).tubes
    assert tube.boxes_xyxy.tolist() == [[200, 20, 300, 80]] * 3  # 200 + 100 is 44 in uint8
    assert (tube.label, tube.first_frame) == (1, 4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ef": 8}, "3 boxes for frames 4 to 7"),
        ({"numf": 6}, "ends before frame 7, but the film has 6 frames; is ef the last"),
        ({"boxes": np.zeros((3, 4), np.uint8)}, "no width or no height"),
        ({"boxes": np.zeros((3, 3), np.uint8)}, r"the shape \(3, 3\)"),
        ({"numf": None}, "film 'BasketballDunk/v_BasketballDunk_g01_c01'.*TypeError"),
        ({"label": -1}, "label -1"),
    ],
)
def test_a_film_that_makes_no_sense_is_refused_by_name(tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        read_annotations(write(tmp_path / "a.pkl", **changes))


def test_a_pickle_that_would_run_something_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(InputError, match=r"would run os\.system"):
        read_annotations(tmp_path / "a.pkl")


def test_a_film_whose_name_leads_elsewhere_is_refused(tmp_path):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"a/..": {"numf": 3, "annotations": []}}))
    with pytest.raises(InputError, match="video id"):
        read_annotations(tmp_path / "a.pkl")


def test_a_split_may_have_extensions_and_labels(tmp_path):
    (tmp_path / "list.txt").write_text("Diving/v_a.avi 6\nDiving/v_b\n\n")
    assert read_split(tmp_path / "list.txt") == ["Diving/v_a", "Diving/v_b"]


def test_a_split_of_other_films_is_refused(tmp_path):
    annotations = read_annotations(write(tmp_path / "a.pkl"))
    with pytest.raises(InputError, match="Diving/v_a and 0 more of its 1 films are not annotated"):
        annotations.only(["Diving/v_a"], "list.txt")


def test_the_counts_of_the_corrected_annotations(shared_data):
    folder = shared_data / "ucf101-24"
    all_films = read_annotations(folder / "pyannot.pkl")
    assert len(all_films.frames) == 3194
    assert len(all_films.tubes) == 4458
    assert sum(len(tube.boxes_xyxy) for tube in all_films.tubes) == 573_862
    fractions = to_fractions(np.concatenate([tube.boxes_xyxy for tube in all_films.tubes]))
    assert fractions.min() > 0
    assert fractions.max() <= 1


def test_the_counts_of_the_first_split(shared_data):
    folder = shared_data / "ucf101-24"
    annotations = read_annotations(folder / "pyannot.pkl")
    test = annotations.only(read_split(folder / "testlist01.txt"), "testlist01.txt")
    frames = {
        (tube.video, tube.first_frame + i)
        for tube in test.tubes
        for i in range(len(tube.boxes_xyxy))
    }
    boxes = sum(len(tube.boxes_xyxy) for tube in test.tubes)
    assert (len(test.frames), len(frames), boxes, len(test.tubes)) == (910, 138_527, 170_580, 1315)
