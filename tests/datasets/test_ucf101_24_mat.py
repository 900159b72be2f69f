import pickle

import numpy as np
import pytest
import scipy.io

from aia.datasets.ucf101_24 import read_annotations
from aia.datasets.ucf101_24_mat import read_mat
from aia.errors import InputError
from tests.datasets.preparing import prepare

BOXES = np.arange(1, 21, dtype=float).reshape(5, 4)  # x, y, width, height of five frames
DIVING, BASKETBALL = "Diving/v_Diving_g02_c03", "Basketball/v_Basketball_g01_c01"


def structs(*entries: dict) -> np.ndarray:
    """Structures as MATLAB's 1 x N arrays, with the fields in the order of the first entry."""
    names = list(entries[0]) if entries else []
    array = np.empty((1, len(entries)), dtype=[(name, object) for name in names])
    for k, entry in enumerate(entries):
        array[0, k] = tuple(entry[name] for name in names)
    return array if entries else np.zeros((0, 0))


def tube(boxes=BOXES, **changes):
    return {"ef": 11, "sf": 7, "class": 6, "boxes": boxes} | changes


def video(*tubes, **changes):
    return {"num_imgs": 13, "name": DIVING, "tubes": structs(*tubes)} | changes


def written(path, *videos):
    scipy.io.savemat(path, {"annot": structs(*videos), "other": 3})
    return path


def as_pickle(path):
    """The same two videos as the pickle has them: counted from 0, ef the frame after the last."""
    one = {"label": 5, "sf": 6, "ef": 11, "boxes": BOXES.astype(np.uint8)}
    videos = {
        DIVING: {"numf": 13, "label": 5, "annotations": [one]},
        BASKETBALL: {"numf": 3, "label": 0, "annotations": []},
    }
    path.write_bytes(pickle.dumps(videos))
    return path


def same(a, b):
    assert a.frames == b.frames
    assert list(a.frames) == list(b.frames)
    assert a.labels == b.labels
    assert [t._replace(boxes_xyxy=None) for t in a.tubes] == [
        t._replace(boxes_xyxy=None) for t in b.tubes
    ]
    for ours, theirs in zip(a.tubes, b.tubes, strict=True):
        assert ours.boxes_xyxy.tolist() == theirs.boxes_xyxy.tolist()


def test_a_mat_file_without_videos_is_refused(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"annot": np.zeros((0, 0))})
    with pytest.raises(InputError, match=r"has no array of structures 'annot' \(it has annot"):
        read_annotations(tmp_path / "a.mat")


@pytest.mark.parametrize("ef", [11, 12], ids=["last frame", "frame after the last"])
def test_the_mat_file_gives_the_tubes_of_the_pickle(tmp_path, ef):
    mat = written(
        tmp_path / "a.mat", video(tube(ef=ef)), video(name=BASKETBALL, num_imgs=np.uint8(3))
    )
    same(read_annotations(mat), read_annotations(as_pickle(tmp_path / "a.pkl")))


def test_the_order_of_fields_does_not_matter_nor_do_others(tmp_path):
    turned = {name: tube()[name] for name in ("boxes", "class", "sf", "ef")} | {"extra": "x"}
    mixed = {"tubes": structs(turned), "more": 5, "name": DIVING, "num_imgs": 13}
    assert read_mat(written(tmp_path / "a.mat", mixed)).keys() == {DIVING}
    plain, mixed = written(tmp_path / "b.mat", video(tube())), tmp_path / "a.mat"
    same(read_annotations(plain), read_annotations(mixed))


def test_small_integers_do_not_overflow(tmp_path):
    boxes = np.array([[200, 20, 100, 60]], np.uint8)
    mat = written(tmp_path / "a.mat", video(tube(boxes, sf=4, ef=4)))
    [found] = read_annotations(mat).tubes
    assert found.boxes_xyxy.tolist() == [[200, 20, 300, 80]]


def test_a_mat_file_is_prepared_as_the_pickle_is(tmp_path):
    mat = written(tmp_path / "a.mat", video(tube()), video(name=BASKETBALL, num_imgs=3))
    (tmp_path / "val.txt").write_text(f"{DIVING}.avi\n")
    for source in (mat, as_pickle(tmp_path / "a.pkl")):
        given = {"format": "ucf101_24", "labels": None, "train": None, "annotations": source}
        prepare(tmp_path / source.suffix, val=tmp_path / "val.txt", **given)
    for name in ("train.parquet", "val.parquet", "classes.pbtxt", "tubes.csv"):
        ours, theirs = (tmp_path / kind / name for kind in (".mat", ".pkl"))
        assert ours.read_bytes() == theirs.read_bytes()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class": 0}, "tube 1: class is 0 and sf is 7; MATLAB counts from 1"),
        ({"sf": 0}, "counted from 0"),
        ({"ef": 13}, "5 boxes for the frames 7 to 13"),
        ({"ef": 14.5}, "ef is .*14.5.*, expected a whole number"),
        ({"ef": float("nan")}, "expected a whole number"),
        ({"class": "Diving"}, "class is .*expected a whole number"),
        ({"boxes": BOXES[:, :3]}, r"shape \(5, 3\)"),
    ],
)
def test_a_tube_that_makes_no_sense_is_refused_by_name(tmp_path, changes, message):
    mat = written(tmp_path / "a.mat", video(tube(**changes)))
    with pytest.raises(InputError, match=message) as error:
        read_annotations(mat)
    assert DIVING in str(error.value)


def test_a_video_must_have_its_fields_once(tmp_path):
    lacks = video(tube())
    del lacks["num_imgs"]
    with pytest.raises(InputError, match=r"annot\(1\): has no field num_imgs \(it has name, tub"):
        read_annotations(written(tmp_path / "a.mat", lacks))
    with pytest.raises(InputError, match=r"annot\(2\): is Diving/v_Diving_g02_c03, like"):
        read_annotations(written(tmp_path / "b.mat", video(tube()), video(tube())))
    with pytest.raises(InputError, match=r"annot\(1\): name is .*expected a text"):
        read_annotations(written(tmp_path / "c.mat", video(tube(), name=7)))
    with pytest.raises(InputError, match=r"annot\(1\), tubes: holds float64, expected structures"):
        read_annotations(written(tmp_path / "d.mat", video(tubes=BOXES)))


def test_a_mat_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "a.mat"
    with pytest.raises(InputError, match="cannot be read"):
        read_annotations(path)
    path.write_bytes(b"no mat file at all" * 20)
    with pytest.raises(InputError, match=r"not a whole \.mat file"):
        read_annotations(path)
    scipy.io.savemat(path, {"boxes": BOXES})
    with pytest.raises(InputError, match=r"no array of structures 'annot' \(it has boxes"):
        read_annotations(path)
    whole = written(path, video(tube())).read_bytes()
    path.write_bytes(whole[:400])
    with pytest.raises(InputError, match=r"a\.mat"):
        read_annotations(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(400))
    with pytest.raises(InputError, match="HDF5; save it again with -v7"):
        read_annotations(path)
