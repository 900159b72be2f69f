"""Tables as CSV and lists that people write: annotations, segments, classes, films, seconds."""

from pathlib import Path

import pytest

from tests.broken.case import Case, damaged, written
from tests.broken.conftest import Refuses

AVA = (
    "evaluate ava --groundtruth {} --detections {} --labels {} --output out/map.csv"
    " --settings good/settings.yaml"
)
TRUTH = AVA.format("gt.csv", "good/detections.csv", "good/labels.pbtxt")
FOUND = AVA.format("good/actions.csv", "det.csv", "good/labels.pbtxt")
LABELS = AVA.format("good/actions.csv", "good/detections.csv", "labels.pbtxt")
TRAIN = (
    "train --run slowfast_tiny-none-s0 --frames good/kitchen.h5 --annotations gt.csv "
    "--labels good/labels.pbtxt --settings good/settings.yaml --work out/work --output-dir out"
)
EXCLUDED = TRUTH.replace("gt.csv", "good/actions.csv") + " --excluded x.csv"
DETECTOR = (
    "finetune-detector --frames good/kitchen.h5 --output out/d.safetensors "
    "--settings good/settings.yaml "
)
OBJECTS = DETECTOR + "--annotations good/actions.csv --objects objects.csv"
TRACKS = DETECTOR + "--annotations good/actions.csv --tracks tracks.csv"
SECONDS = (
    "detect good/kitchen.h5 --weights good/detector.safetensors --seconds seconds.txt "
    "--persons out/p.parquet --objects out/o.parquet --settings good/settings.yaml"
)
SEGMENTS = SECONDS.replace("--seconds seconds.txt", "--segments segments.csv")
FILMS = (
    "boxes import good/boxes.json --kind persons --images good/images.json --films films.txt "
    "--output-dir out"
)
FETCH = "fetch ava-films --lists ava_file_names_trainval_v2.1.txt --folder out"
TUBES = (
    "evaluate ucf24 --groundtruth gt.csv --detections good/scores.parquet --output out/map.csv"
    " --labels good/labels.pbtxt"
)
TABLE = """table --rows '[{"method": "a", "metrics": {"val": ["m.csv"]}}]' """
TABLE += "--labels good/labels.pbtxt --output out/table.csv"
CURVES = "figure curves --progress a=metrics.jsonl --output out/curves.png"
DRIFT = "figure memory --drift a=drift.csv --output out/memory.png"
REACH = "figure reach --costs costs.csv --output out/reach.png"
EPIC = "evaluate epic --labels pairs.csv --verbs verbs.csv --nouns nouns.csv --output out/epic.csv"

BOX = "0.1,0.1,0.5,0.9"
ROW = f"kitchen,1,{BOX},1,0\n"
MARKER = "kitchen,{}\n"


def epic(pairs: str, verbs: str | bytes = "0.5,0.5\n", nouns: str = "0.5,0.5\n"):
    def make() -> None:
        written("pairs.csv", pairs)()
        written("verbs.csv", verbs)()
        written("nouns.csv", nouns)()

    return make


def gt(content: str | bytes):
    return written("gt.csv", content)


CASES = [
    Case("annotations of no bytes", gt(b""), TRUTH, r"gt\.csv: is empty; expected lines of video"),
    Case("annotations that are a folder", lambda: Path("gt.csv").mkdir(), TRUTH,
         r"gt\.csv: is not a file; annotations expected"),
    Case("annotations in pixels", gt(ROW + "kitchen,2,12,20,33,50,1,0\n"), TRUTH,
         r"gt\.csv, line 2: x1 = 12 is outside 0\.\.1; .*look like pixels"),
    Case("annotations of an unknown class", gt(ROW + f"kitchen,2,{BOX},77,0\n"), TRAIN,
         r"gt\.csv, line 2: action 77 is not a class; the list has 2, with ids 1 to 2"),
    Case("annotations of a class beyond all numbers", gt(f"kitchen,1,{BOX},{'9' * 30},0\n"), TRUTH,
         r"gt\.csv, line 1: action is '999.*, expected a whole number"),
    Case("annotations that lack a column", gt(ROW + "kitchen,2,0.1,0.1,0.5,1,0\n"), TRUTH,
         r"gt\.csv, line 2: 7 columns, expected 8: video,second,x1"),
    Case("annotations separated by semicolons", gt(ROW.replace(",", ";")), TRUTH,
         r"gt\.csv, line 1: 1 column, expected 8.*something else than commas"),
    Case("annotations that end in a quotation mark", gt(ROW + f'kitchen,"1,{BOX},1,0\n'), TRUTH,
         r"gt\.csv, line 2: .*is a quotation mark never closed"),
    Case("annotations with a header", gt("video,second,x1,y1,x2,y2,action,person\n" + ROW), TRUTH,
         r"gt\.csv, line 1: .* looks like a header; this file has none"),
    Case("annotations with a header in the middle",
         gt(ROW + "video,second,x1,y1,x2,y2,action,person\n" + ROW), TRUTH,
         r"gt\.csv, line 2: 'video,second,.* looks like a header; this file has none"),
    Case("annotations whose film is not UTF-8", gt(ROW.encode() + b"k\xfcche" + ROW[7:].encode()),
         TRUTH, r"gt\.csv, line 2: is not UTF-8.*save it as UTF-8"),
    Case("annotations as UTF-16", gt(ROW.encode("utf-16")), TRUTH,
         r"gt\.csv, line 1: is not UTF-8.*save it as UTF-8"),
    Case("annotations with a zero byte in a film", gt(ROW + f"kit\0chen,1,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 2: has a NUL byte; save it as UTF-8, or is it no text\?"),
    Case("annotations with a zero byte in a number", gt(f"kitchen,1\0,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: has a NUL byte; save it as UTF-8, or is it no text\?"),
    Case("annotations that are a film", damaged("gt.csv", bytes, source="kitchen.mp4"), TRUTH,
         r"gt\.csv, line \d+: is not UTF-8 .* or is it no text"),
    Case("annotations of a path", gt(ROW + f"../../etc/passwd,1,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 2: video id is '\.\./\.\./etc/passwd', expected letters.*is it a path"),
    Case("annotations of an absolute path", gt(f"/etc/passwd,1,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: video id is '/etc/passwd', expected letters"),
    Case("annotations of the folder above", gt(f"..,1,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: video id is '\.\.', expected letters"),
    Case("annotations of a hidden film", gt(f".kitchen,1,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: video id is '\.kitchen', expected one that does not begin with"),
    Case("annotations of a film whose name no file can have", gt(f"{'k' * 250},1,{BOX},1,0\n"),
         TRUTH, r"gt\.csv, line 1: video id k+… has 250 characters, expected at most 180"),
    Case("annotations of a film without a name", gt(f",1,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: video id is empty, expected letters"),
    Case("annotations at no second", gt(f"kitchen,soon,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: second is 'soon', expected a number"),
    Case("annotations before the film", gt(f"kitchen,-3,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: second is -3, expected seconds of the video"),
    Case("annotations in milliseconds", gt(f"kitchen,902000000,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: second is 902000000, expected seconds of the video, 0 to 4000000"),
    Case("annotations at a second that is not a number", gt(f"kitchen,nan,{BOX},1,0\n"), TRUTH,
         r"gt\.csv, line 1: second is nan, expected seconds of the video"),
    Case("annotations with an empty key frame at no second", gt(ROW + MARKER.format("inf")), TRUTH,
         r"gt\.csv, line 2: second is inf, expected seconds of the video"),
    Case("annotations with an empty key frame of a path", gt(ROW + "../x,3\n"), TRUTH,
         r"gt\.csv, line 2: video id is '\.\./x', expected letters"),
    Case("detections whose score is a logit", written("det.csv", f"kitchen,1,{BOX},1,-3.5\n"),
         FOUND, r"det\.csv, line 1: score is -3\.5, expected a number from 0 on; is it a logit"),
    Case("detections of which one is cut", written("det.csv", f"kitchen,1,{BOX},1,0.5\nkitchen,1"),
         FOUND, r"det\.csv, line 2: 2 columns, expected 8"),
    Case("excluded seconds that are none", written("x.csv", "kitchen,1.5\n"), EXCLUDED,
         r"x\.csv, line 1: second is 1\.5, expected a whole number"),
    Case("objects without a name", written("objects.csv", f"kitchen,1,{BOX},\n"), OBJECTS,
         r"objects\.csv, line 1: label is empty, expected the name of a class"),
    Case("tracks with another header", written("tracks.csv", "id,frame,x1,y1,x2,y2\n"), TRACKS,
         r"tracks\.csv, line 1: the header is 'id,frame,x1,y1,x2,y2', expected frame,id"),
    Case("tracks with a header twice",
         written("tracks.csv", "frame,id,x1,y1,x2,y2\nframe,id,x1,y1,x2,y2\n"), TRACKS,
         r"tracks\.csv, line 2: 'frame,id,x1,y1,x2,y2' is a header again; are these several"),
    Case("segments that end before they begin",
         written("segments.csv", "segment,video,start_sec,stop_sec,verb\n4,kitchen,2.5,0.5,1\n"),
         SEGMENTS, r"segments\.csv, line 2: stop_sec is 0\.5, not after start_sec, 2\.5"),
    Case("segments with a column twice",
         written("segments.csv", "segment,video,start_sec,stop_sec,verb,verb\n"), SEGMENTS,
         r"segments\.csv, line 1: the header is .*, expected .* each once"),
    Case("segments of a path",
         written("segments.csv", "segment,video,start_sec,stop_sec,verb\n4,/etc/x,0.5,2.5,1\n"),
         SEGMENTS, r"segments\.csv, line 2: video id is '/etc/x'"),
    Case("seconds that are none", written("seconds.txt", "0902\nsoon\n"), SECONDS,
         r"seconds\.txt, line 2: 'soon' is not a second of a video"),
    Case("classes that are not there", lambda: None, LABELS,
         r"labels\.pbtxt: there is no such file; a list of classes is expected"),
    Case("classes that are cut off", damaged("labels.pbtxt", lambda raw: raw[:-5]), LABELS,
         r"labels\.pbtxt, line 2: "),
    Case("classes that are a CSV", written("labels.pbtxt", "1,stand\n2,walk\n"), LABELS,
         r"labels\.pbtxt, line 1: '1' is not the start of a class; expected label \{"),
    Case("classes that share an id",
         written("labels.pbtxt", 'item { name: "a" id: 1 }\nitem { name: "b" id: 1 }'), LABELS,
         r"labels\.pbtxt, line 2: id 1 of 'b' is already the id of 'a'"),
    Case("classes that are not text", written("labels.pbtxt", b"\xff\xfe\0"), LABELS,
         r"labels\.pbtxt: cannot be read as text"),
    Case("films of a path", written("films.txt", "kitchen\n../../etc/passwd\n"), FILMS,
         r"films\.txt, line 2: video id is '\.\./\.\./etc/passwd'"),
    Case("films to be fetched to another folder",
         written("ava_file_names_trainval_v2.1.txt", "a.mkv\n../../b.mkv\n"), FETCH,
         r"ava_file_names_trainval_v2\.1\.txt, line 2: '\.\./\.\./b\.mkv' is not a video's name"),
    Case("a film to be fetched by a path in its address", lambda: None,
         "fetch files https://localhost/a/..%2f..%2fpasswd/.. --folder out",
         r"https://localhost/a/\.\.%2f.*: ends in '\.\.', which is not a file's name"),
    Case("tubes without a column", written("gt.csv", "video,frame,label,x1,y1,x2,tube\n"), TUBES,
         r"gt\.csv, line 1: .* has no column y2; expected a header"),
    Case("metrics that are no numbers",
         written("m.csv", "metric,class_id,class_name,value\nAP,1,stand,good\n"), TABLE,
         r"m\.csv, line 2: value is 'good', expected a number"),
    Case("progress that is no JSON", written("metrics.jsonl", '{"step": 1}\n{"step"\n'), CURVES,
         r"metrics\.jsonl: expected one JSON object a line"),
    Case("progress whose steps are words", written("metrics.jsonl", '{"step": "a", "loss": []}\n'),
         CURVES, r"metrics\.jsonl: column step holds 'a', expected numbers"),
    Case("drift whose distances are words",
         written("drift.csv", "step,cosine_distance,age\na,b,c\n"), DRIFT,
         r"drift\.csv: column cosine_distance holds 'b', expected numbers"),
    Case("drift that is not text", written("drift.csv", b"\xff\xfe\0\0"), DRIFT,
         r"drift\.csv: is not a CSV of drift"),
    Case("costs without a column", written("costs.csv", "reach,seconds\n1,2\n"), REACH,
         r"costs\.csv: has no column 'device'"),
    Case("costs whose seconds are words",
         written("costs.csv", "training,reach,seconds,memory_gb,device\nasync,1,long,2,cpu\n"),
         REACH, r"costs\.csv: column seconds holds 'long', expected numbers"),
    Case("classes of segments that are words", epic("verb,noun\nopen,door\n"), EPIC,
         r"pairs\.csv, line 2: verb and noun are open, door; expected class numbers"),
    Case("scores of segments with a header", epic("verb,noun\n0,1\n", "v0,v1\n0.5,0.5\n"), EPIC,
         r"verbs\.csv: cannot be read as scores"),
    Case("scores of segments that are not text", epic("verb,noun\n0,1\n", b"\xff\xfe"), EPIC,
         r"verbs\.csv: cannot be read as scores"),
    Case("scores of segments that lack some", epic("verb,noun\n0,1\n1,1\n"), EPIC,
         r"verbs\.csv: has 1 lines, but pairs\.csv has 2 segments"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_by_name_and_nothing_is_written(case: Case, refuses: Refuses) -> None:
    refuses(case)
