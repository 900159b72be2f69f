"""AlphAction's data set on detected boxes: the same samples, boxes, objects and frames."""

import json

import numpy as np
import pytest

from aia.clip import ClipKey
from aia.datasets.ava import annotated_clips, detected_clips, listed_clips, with_objects
from aia.datasets.loader import ClipFrames, Draw
from aia.detect.imported import import_boxes
from aia.labels import ClassList
from aia.video.store import FrameStore

SIZES = {"bbb_movie": (480, 360), "aaa-movie": (640, 272)}
SECONDS = [float(t) for t in range(902, 1799)]
LABELS = ClassList(tuple(range(1, 81)), tuple(map(str, range(80))), ("",) * 80)


class FilmOfSeconds(FrameStore):
    """25 frames a second, each pixel the second it belongs to (mod 250)."""

    def __init__(self):
        pass

    def __len__(self):
        return 25 * 1810

    def nearest(self, time_sec):
        return round(25 * time_sec)

    def read(self, indices):
        seconds = np.asarray(indices) // 25 % 250
        return np.broadcast_to(seconds[:, None, None, None], (len(seconds), 2, 2, 3)).astype("u1")


@pytest.fixture(params=["film list and sizes", "annotations as JSON"])
def imported(request, golden, tmp_path):
    """Folders of the persons and the objects, by either way to know films and sizes."""
    folder = golden / "dataset"
    if request.param == "film list and sizes":
        images, sizes = folder / "movie_list.txt", tmp_path / "sizes.csv"
        sizes.write_text("".join(f"{film},{w},{h}\n" for film, (w, h) in SIZES.items()))
    else:
        first = json.loads((folder / "expected.json").read_text())["csv2coco"]["first_images"][0]
        described = [
            first | dict(id=index * 10000 + t, movie=film, timestamp=t, width=w, height=h)
            for index, (film, (w, h)) in enumerate(SIZES.items(), start=1)
            for t in range(902, 1799)
        ]
        images, sizes = tmp_path / "val.json", None
        images.write_text(json.dumps({"images": described}))
    for kind in ("persons", "objects"):
        import_boxes(
            [folder / f"det_{kind[:-1]}.json"],
            kind=kind,
            videos=sorted(SIZES),
            output_dir=tmp_path / kind,
            images=images,
            frame_sizes=sizes,
        )
    return tmp_path


def files(folder):
    return sorted(folder.glob("*.parquet"))


def expected_of(golden, part):
    samples = json.loads((golden / "dataset" / "expected.json").read_text())["dataset"][part]
    assert samples
    return {ClipKey(theirs["movie"], theirs["timestamp"]): theirs for theirs in samples}


def pixels_of(boxes, size_wh):
    """Their boxes: pixels of the key frame, the last one included."""
    return boxes * np.tile(size_wh, 2) - [0, 0, 1, 1]


def assert_same_objects(ours, theirs):
    """Theirs rise by score and reach beyond the frame, ours fall and end there."""
    width, height = theirs["size"]
    boxes = np.array(theirs["objects"] or [], float).reshape(-1, 4)[::-1]
    boxes = np.minimum(boxes, [width - 1, height - 1, width - 1, height - 1])
    np.testing.assert_allclose(pixels_of(ours, theirs["size"]), boxes, atol=1e-4)


def test_scoring_has_the_authors_samples_with_their_boxes(golden, imported):
    """All seconds of all films are asked for, as theirs are; one sure box makes a sample."""
    clips = listed_clips(dict.fromkeys(SIZES, SECONDS), labels=LABELS)
    assert len(clips) == 1794
    clips = detected_clips(clips, files(imported / "persons"), threshold=0.8)
    clips = with_objects(clips, detected=files(imported / "objects"), threshold=0.0, most=5)
    expected = expected_of(golden, "val")
    assert {clip.key for clip in clips} == expected.keys()
    for clip in clips:
        theirs = expected[clip.key]
        pixels = pixels_of(clip.persons_xyxy, theirs["size"])
        np.testing.assert_allclose(pixels, theirs["boxes"], atol=1e-4)
        assert_same_objects(clip.objects_xyxy, theirs)
        assert theirs["labels"] is None
        assert not clip.labels.any()


def test_samples_are_in_the_authors_order_within_a_film(golden, imported):
    """Films are in the order of their list there, of their names here."""
    clips = listed_clips(dict.fromkeys(SIZES, SECONDS), labels=LABELS)
    clips = detected_clips(clips, files(imported / "persons"), threshold=0.8)
    ours = [clip.key for clip in sorted(clips, key=lambda clip: list(SIZES).index(clip.key.video))]
    assert ours == list(expected_of(golden, "val"))


def test_annotated_key_frames_alone_leave_out_what_nobody_annotated(golden, imported):
    clips = annotated_clips(golden / "dataset" / "ann.csv", labels=LABELS)
    clips = detected_clips(clips, files(imported / "persons"), threshold=0.8)
    keys = {clip.key for clip in clips}
    assert expected_of(golden, "val").keys() - keys == {ClipKey("bbb_movie", 904)}


def test_training_has_the_authors_objects(golden, imported):
    clips = annotated_clips(golden / "dataset" / "ann.csv", labels=LABELS)
    clips = with_objects(clips, detected=files(imported / "objects"), threshold=0.0, most=5)
    expected = expected_of(golden, "train")
    assert {clip.key for clip in clips} == expected.keys()
    for clip in clips:
        assert_same_objects(clip.objects_xyxy, expected[clip.key])
        labels = [np.flatnonzero(row).tolist() for row in clip.labels]
        assert labels == expected[clip.key]["labels"]


def test_the_papers_threshold_of_objects_leaves_the_sure_ones(golden, imported):
    clips = annotated_clips(golden / "dataset" / "ann.csv", labels=LABELS)
    clips = with_objects(clips, detected=files(imported / "objects"), threshold=0.5, most=5)
    counts = {clip.key: len(clip.objects_xyxy) for clip in clips}
    assert counts[ClipKey("bbb_movie", 902)] == counts[ClipKey("aaa-movie", 905)] == 1
    assert sum(counts.values()) == 2


@pytest.mark.parametrize("part", ["train", "val"])
def test_frames_are_of_the_authors_seconds(golden, part):
    """They load 100 frames and keep the 64 in the middle, from the 18th on."""
    expected = expected_of(golden, part)
    clips = listed_clips(dict.fromkeys(SIZES, SECONDS), labels=LABELS)
    clips = [clip for clip in clips if clip.key in expected]
    stores = {film: FilmOfSeconds() for film in SIZES}
    frames = ClipFrames(clips=clips, stores=stores, span=64, strides=(1,))
    for place, clip in enumerate(clips):
        theirs = expected[clip.key]
        assert theirs["n_frames"] == 100
        seconds = dict(zip((0, 24, 25, 49, 50, 74, 75, 99), theirs["frame_seconds"], strict=True))
        ours = frames[Draw(place, None)].frames[:, 0, 0, 0]
        assert len(ours) == 64
        for theirs_at, second in seconds.items():
            if 0 <= theirs_at - 18 < 64:
                assert ours[theirs_at - 18] == second
