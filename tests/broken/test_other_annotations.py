"""Annotations in the forms of other data sets, and boxes that others detected."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from aia.detect.hand_objects import _message_class
from tests.broken.case import Case, Hostile, cut, damaged, pickled, replaced, written
from tests.broken.conftest import Refuses
from tests.broken.good import TUBE, UCF

PREPARE = "prepare data --settings good/{}/settings.yaml --output-dir out"
UCF24, MAT, JHMDB = map(PREPARE.format, ("ucf24", "ucf24_mat", "jhmdb"))
EPIC = PREPARE.format("epic")
EPIC_OBJECTS = (
    "prepare epic-objects objects.csv --nouns good/nouns.csv --videos good/videos.csv "
    "--output out/objects.csv"
)
HANDS = "boxes import P01_01.pkl --kind persons --films good/epic.txt --output-dir out"
JSON = (
    "boxes import boxes.json --kind persons --films good/films.txt --images images.json "
    "--output-dir out"
)
FILM = "Diving/v_Diving_g02_c03"


def ucf(film: str = FILM, name: Any = None, tube: dict | None = None, **changes: Any) -> Callable:
    """The annotations with one film changed, or one tube of it; `name` is its new name."""
    said = UCF[film] | changes
    if tube is not None:
        said = said | {"annotations": [TUBE | tube]}
    films = {(name if name is not None and f == film else f): s for f, s in UCF.items()}
    films[film if name is None else name] = said
    return pickled("pyannot.pkl", films)


def boxes(*rows: object) -> dict:
    return {"boxes": np.array(rows, float), "ef": 1 + len(rows)}


def structs(**fields: Any) -> np.ndarray:
    array = np.empty((1, 1), dtype=[(name, object) for name in fields])
    array[0, 0] = tuple(fields.values())
    return array


def mat(name: Any = FILM, num_imgs: Any = 5.0, **tube: Any) -> Callable[[], None]:
    """A .mat file of one film with one tube."""
    said = {"class": 6, "sf": 2, "ef": 3, "boxes": np.full((2, 4), 10.0)} | tube

    def make() -> None:
        film = structs(name=name, num_imgs=num_imgs, tubes=structs(**said))
        scipy.io.savemat("finalAnnots.mat", {"annot": film})

    return make


def halved(make: Callable[[], None], name: str) -> None:
    make()
    Path(name).write_bytes(cut(Path(name).read_bytes()))


def jhmdb(**changes: Any) -> Callable[[], None]:
    tube = np.array([[1, 10, 10, 50, 50], [2, 10, 10, 50, 50]], np.float32)
    said = {
        "labels": ["wave"],
        "gttubes": {film: {0: [tube]} for film in ("a/b", "a/c")},
        "nframes": {"a/b": 2, "a/c": 2},
        "train_videos": [["a/b"]],
        "test_videos": [["a/c"]],
        "resolution": {"a/b": (240, 320), "a/c": (240, 320)},
    }
    return pickled("JHMDB-GT.pkl", said | changes)


def epic(**changes: Callable[[bytes], bytes]) -> Callable[[], None]:
    """The tables of EPIC-Kitchens, some damaged."""

    def make() -> None:
        for name in ("epic", "nouns", "videos"):
            damaged(f"{name}.csv", changes.get(name, bytes))()

    return make


def hands(*frames: bytes) -> Callable[[], None]:
    return pickled("P01_01.pkl", list(frames), protocol=3)


def frame(number: int = 1, video: str = "P01_01", side: float = 0.1, score: float = 0.9) -> bytes:
    made = _message_class()(video_id=video, frame_number=number)
    one = made.hands.add(score=score)
    one.bbox.left, one.bbox.top, one.bbox.right, one.bbox.bottom = side, 0.1, 0.5, 0.9
    return made.SerializeToString()


def published(
    found: str | bytes | Callable[[bytes], bytes] = bytes,
    images: str | bytes | Callable[[bytes], bytes] = bytes,
) -> Callable[[], None]:
    """AlphAction's boxes and what their images are, whole, damaged or other texts."""

    def make() -> None:
        for name, content in (("boxes.json", found), ("images.json", images)):
            (damaged if callable(content) else written)(name, content)()  # type: ignore[operator]

    return make


OBJECTS = "noun_class,noun,participant_id,video_id,frame,bounding_boxes\n"
BOMB = b"\x80\x02})" + b"2\x86" * 40 + b"K\x01s."
DEEP = b"(" * 5000 + b"."
CASES = [
    Case("pickle that runs a program", pickled("pyannot.pkl", {"a": Hostile()}), UCF24,
         r"pyannot\.pkl: this pickle would run posix\.system; only numbers.*trust"),
    Case("pickle that is cut off", damaged("pyannot.pkl", cut), UCF24,
         r"pyannot\.pkl: not a whole pickle"),
    Case("pickle of no bytes", written("pyannot.pkl", b""), UCF24,
         r"pyannot\.pkl: not a whole pickle \(EOFError"),
    Case("pickle that is not there", lambda: None, UCF24,
         r"pyannot\.pkl: cannot be read: No such file"),
    Case("pickle of nothing but opening brackets", written("pyannot.pkl", DEEP), UCF24,
         r"pyannot\.pkl: not a whole pickle"),
    Case("pickle of few bytes that take for ever", written("pyannot.pkl", BOMB), UCF24,
         r"pyannot\.pkl: a key of a dictionary, or a part of a set, is a tuple.*trust"),
    Case("films as a list", pickled("pyannot.pkl", [1, 2]), UCF24,
         r"pyannot\.pkl: holds a list, expected a dictionary of films"),
    Case("films by number", ucf(name=7), UCF24, r"pyannot\.pkl, film 7: .*expected its name"),
    Case("a film without annotations", ucf(annotations=None), UCF24,
         r"pyannot\.pkl, film 'Diving/v_Diving_g02_c03': is not described by numf and annot"),
    Case("a film of another form", pickled("pyannot.pkl", {FILM: 7}), UCF24,
         r"pyannot\.pkl, film 'Diving/v_Diving_g02_c03': is not described by numf"),
    Case("a film of infinitely many frames", ucf(numf=float("inf")), UCF24,
         r"pyannot\.pkl, film 'Diving.*': is not described by numf"),
    Case("a film of more frames than memory", ucf(numf=10**15), UCF24,
         r"pyannot\.pkl, film 'Diving.*': has 1000000000000000 frames, expected 1 to"),
    Case("a film of the folder above", ucf(name="Diving/.."), UCF24,
         r"pyannot\.pkl, film 'Diving/\.\.': video id is '\.\.'"),
    Case("a tube of words", ucf(tube={"boxes": [["a", "b", "c", "d"]] * 2}), UCF24,
         r"pyannot\.pkl, film 'Diving.*': is not described by"),
    Case("a tube without its last box", ucf(tube={"ef": 4}), UCF24,
         r"pyannot\.pkl, film 'Diving.*': .*2 boxes for frames 1 to 3"),
    Case("a tube that ends after its film", ucf(numf=2), UCF24,
         r"pyannot\.pkl, film 'Diving.*': a tube ends before frame 3, but the film has 2"),
    Case("a tube whose box is infinite", ucf(tube=boxes([1, 1, np.inf, 5])), UCF24,
         r"pyannot\.pkl, film 'Diving.*': a box is not of numbers"),
    Case("a tube whose box has no width", ucf(tube=boxes([1, 1, 0, 5])), UCF24,
         r"pyannot\.pkl, film 'Diving.*': a box has no width or no height"),
    Case("a tube of a class below 0", ucf(tube={"label": -1}), UCF24,
         r"pyannot\.pkl, film 'Diving.*': label -1, expected 0 or more"),
    Case("a list of films that are not annotated", written("val.txt", "Diving/other\n"),
         PREPARE.format("ucf24_list"),
         r"val\.txt: Diving/other and 0 more of its 1 films are not annotated"),
    Case(".mat that is cut off", lambda: halved(mat(), "finalAnnots.mat"), MAT,
         r"finalAnnots\.mat: .*was its download cut off"),
    Case(".mat that is text", written("finalAnnots.mat", "annot = 5\n" * 99), MAT,
         r"finalAnnots\.mat: not a whole \.mat file"),
    Case(".mat of something else", lambda: scipy.io.savemat("finalAnnots.mat", {"x": 5}), MAT,
         r"finalAnnots\.mat: has no array of structures 'annot' \(it has x"),
    Case(".mat with frames that are infinitely many", mat(num_imgs=np.inf), MAT,
         r"finalAnnots\.mat: annot\(1\): num_imgs is .*inf.*, expected a whole number"),
    Case(".mat with more frames than memory", mat(num_imgs=1e15), MAT,
         r"finalAnnots\.mat, film 'Diving.*': has 1000000000000000 frames, expected 1 to"),
    Case(".mat counted from 0", mat(sf=0), MAT,
         r"finalAnnots\.mat: annot\(1\), .*MATLAB counts from 1"),
    Case(".mat whose boxes are words", mat(boxes="abcd"), MAT, r"finalAnnots\.mat"),
    Case("J-HMDB that runs a program", pickled("JHMDB-GT.pkl", {"labels": Hostile()}), JHMDB,
         r"JHMDB-GT\.pkl: this pickle would run posix\.system"),
    Case("J-HMDB without a part", jhmdb(nframes=None), JHMDB, r"JHMDB-GT\.pkl: has no nframes"),
    Case("J-HMDB whose films are lists", jhmdb(train_videos=[[["a/b"]]]), JHMDB,
         r"JHMDB-GT\.pkl: .*train_videos.*expected lists of names"),
    Case("J-HMDB with labels that are words", jhmdb(gttubes={"a/b": {"x": []}, "a/c": {}}), JHMDB,
         r"JHMDB-GT\.pkl, film 'a/b': is not described by"),
    Case("J-HMDB of more frames than memory", jhmdb(nframes={"a/b": 10**15, "a/c": 2}), JHMDB,
         r"JHMDB-GT\.pkl, film 'a/b': has 1000000000000000 frames, expected 1 to"),
    Case("J-HMDB in other pixels", jhmdb(resolution={"a/b": (2, 3), "a/c": (2, 3)}), JHMDB,
         r"JHMDB-GT\.pkl, film 'a/b': a box reaches .* pixels out of a frame of 3 x 2"),
    Case("EPIC's segments without a column", epic(epic=replaced(b"verb_class", b"verb")), EPIC,
         r"epic\.csv, line 1: has no column verb_class; expected uid"),
    Case("EPIC's segments of which one is cut", epic(epic=lambda raw: raw[:-9]), EPIC,
         r"epic\.csv, line 3: \d columns, expected 9"),
    Case("EPIC's segments that are not UTF-8", epic(epic=replaced(b"P26_02", b"P26_\xff2")), EPIC,
         r"epic\.csv: cannot be read \('utf-8'"),
    Case("EPIC's segments of a path", epic(epic=replaced(b"P01_01", b"../P01")), EPIC,
         r"epic\.csv, line 2: video id is '\.\./P01'"),
    Case("EPIC's segments with another clock", epic(epic=replaced(b",30,210", b",15,105")), EPIC,
         r"epic\.csv, line 2: start_frame 15 is not start_timestamp 00:00:00\.50; expected 30"),
    Case("EPIC's nouns whose id is a word", epic(nouns=replaced(b"1,door", b"one,door")), EPIC,
         r"nouns\.csv, line 3: noun_id is 'one', expected a whole number from 0 on"),
    Case("EPIC's nouns whose name has two lines",
         epic(nouns=replaced(b"1,door", b'1,"do\nor"')), EPIC,
         r"nouns\.csv, line 3: class_key of 1 is 'do\\nor', expected a name on one line"),
    Case("EPIC's films of no size", epic(videos=replaced(b"1920x1080", b"0x1080")), EPIC,
         r"videos\.csv, line 2: resolution is '0x1080', expected pixels"),
    Case("EPIC's objects whose boxes are a program",
         written("objects.csv", OBJECTS + "1,cup,P01,P01_01,61,\"__import__('os').system('x')\"\n"),
         EPIC_OBJECTS, r"objects\.csv, line 2: bounding_boxes is .__import__.*whole numbers"),
    Case("hands that run a program", pickled("P01_01.pkl", [Hostile()], protocol=3), HANDS,
         r"P01_01\.pkl: this pickle would run posix\.system"),
    Case("hands that are cut off", lambda: written("P01_01.pkl", cut(pickle.dumps([frame()])))(),
         HANDS, r"P01_01\.pkl: not a whole pickle"),
    Case("hands as words", pickled("P01_01.pkl", ["left", "right"], protocol=3), HANDS,
         r"P01_01\.pkl: is a pickle of a list of other things"),
    Case("hands of a frame that is cut off", hands(frame(), frame(2)[:-3]), HANDS,
         r"P01_01\.pkl, frame 1 of the list \(from 0\): is damaged"),
    Case("hands of a path", hands(frame(video="../../P01_01")), HANDS,
         r"P01_01\.pkl, frame 0 of the list \(from 0\): video id is '\.\./\.\./P01_01'"),
    Case("hands whose boxes are not numbers", hands(frame(side=float("nan"))), HANDS,
         r"P01_01\.pkl, row 0: box \[nan, .* is outside 0\.\.1"),
    Case("hands with a score above 1", hands(frame(score=7.0)), HANDS,
         r"P01_01\.pkl, row 0: box .* has a score outside 0\.\.1"),
    Case("hands of one frame twice", hands(frame(), frame()), HANDS,
         r"P01_01\.pkl, frame 1 of the list \(from 0\): frame number 1 is there twice"),
    Case("published boxes that are cut off", published(cut), JSON,
         r"boxes\.json: is not JSON or is cut off"),
    Case("published boxes that are a mapping", published('{"a": 5}'), JSON,
         r"boxes\.json: is not a list of boxes"),
    Case("published boxes nested without end", published("[" * 100_000), JSON,
         r"boxes\.json: is not JSON or is cut off"),
    Case("published boxes that are words", published('["image_id"]'), JSON,
         r"boxes\.json, box 0 \(from 0\): is image_id, expected image_id"),
    Case("published boxes of no image", published(replaced(b'"image_id": 3', b'"image_id": -3')),
         JSON, r"boxes\.json, box 0 \(from 0\): is .*, expected image_id \(a whole number\)"),
    Case("published boxes of other images", published(replaced(b'"image_id": 3', b'"image_id": 4')),
         JSON, r"boxes\.json: images\.json has none of its image ids; is it of another split"),
    Case("published boxes with a side too few", published(replaced(b"[8, 8, 16, 16]", b"[8, 8]")),
         JSON, r"boxes\.json, box 0 \(from 0\): .* expected bbox: \[x, y, width, height\]"),
    Case("published boxes that are infinite", published(replaced(b"[8, 8,", b"[1e999, 8,")), JSON,
         r"boxes\.json, box 0 \(from 0\): bbox has a side that is not a number"),
    Case("published boxes that are beyond all numbers", published(replaced(b"16]", b"1e308]")),
         JSON, r"boxes\.json, box 0 \(from 0\): bbox is larger than any picture; expected pixels"),
    Case("published boxes of a film above",
         published('[{"video": "../a", "second": 1, "bbox": [1, 1, 2, 2], "score": 1}]'), JSON,
         r"boxes\.json: video id is '\.\./a'"),
    Case("images of the annotations of another program", published(images='{"pictures": []}'), JSON,
         r'images\.json: has no "images"'),
    Case("images whose id is infinite", published(images=replaced(b'"id": 3', b'"id": Infinity')),
         JSON, r"images\.json, images\[0\]: is .*, expected id, movie, timestamp"),
    Case("images at no second",
         published(images=replaced(b'"timestamp": 1', b'"timestamp": NaN')), JSON,
         r"images\.json, images\[0\]: timestamp is nan, expected seconds"),
    Case("images of infinite width", published(images=replaced(b'"width": 64', b'"width": 1e999')),
         JSON, r"images\.json, images\[0\]: width and height are .*, expected pixels"),
    Case("images of a path", published(images=replaced(b"kitchen", b"../kitchen")), JSON,
         r"images\.json, images\[0\]: video id is '\.\./kitchen'"),
    Case("boxes that are a program", written("boxes.json", b"\x7fELF\0\0\0\0"), JSON,
         r"boxes\.json: is neither JSON, nor CSV, nor Parquet, nor a pickle"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_by_name_and_nothing_is_written(case: Case, refuses: Refuses) -> None:
    refuses(case)


def test_the_hostile_pickle_would_run_if_anything_ran_it(folder: Path) -> None:
    pickled("bad.pkl", Hostile())()
    pickle.loads(Path("bad.pkl").read_bytes())
    assert (folder / "canary").exists()
