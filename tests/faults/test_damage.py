"""Bits flip and files are cut: it is found by checksum, named, and made again."""

import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import zarr
from safetensors.torch import load_file

from aia import cli
from aia.files import atomic_path, file_digest
from aia.tables import write_boxes
from aia.verify import scan
from aia.video.store import FrameStore
from tests.train.running import finish


def flip(path: Path, share: float = 0.6) -> None:
    content = bytearray(path.read_bytes())
    content[int(share * len(content))] ^= 0x10
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.fixture(scope="module")
def trained(films, settings, tmp_path_factory) -> Path:
    """A folder as results are: frames, boxes, a run with its checkpoints."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(films / "frames", folder / "frames")
    finish(films, settings, folder / "run")
    boxes = pd.DataFrame({"video": ["kitchen"] * 97, "time_sec": range(97), "label": "person"})
    for side, value in {"x1": 0.1, "y1": 0.2, "x2": 0.7, "y2": 0.9, "score": 0.5}.items():
        boxes[side] = value
    write_boxes(folder / "persons.parquet", boxes, provenance={})
    return folder


def largest(pattern: str) -> Callable[[Path], Path]:
    def find(folder: Path) -> Path:
        files = [path for path in folder.glob(pattern) if path.is_file()]
        return max(files, key=lambda path: (path.stat().st_size, path))

    return find


ARTEFACTS = {
    "frames": largest("frames/*.h5"),
    "boxes": largest("persons.parquet"),
    "model": largest("run/model.safetensors"),
    "state": largest("run/work/step-0000014/state.pt"),
    "memory": largest("run/work/step-0000014/memory.zarr/features/c/**/*"),
}


@pytest.mark.parametrize("damage", [flip, cut, empty], ids=["flipped", "cut", "empty"])
@pytest.mark.parametrize("what", sorted(ARTEFACTS))
def test_damage_is_named_and_what_is_damaged_taken_away(
    trained, tmp_path, capsys, what, damage
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(trained, folder)
    assert cli.main(["verify", str(folder)]) == 0
    whole = capsys.readouterr().err.splitlines()[-1]
    assert whole.endswith("files checked, 0 damaged")
    victim = ARTEFACTS[what](folder)
    damage(victim)
    assert cli.main(["verify", str(folder)]) == 2
    said = capsys.readouterr().err
    kept = next(p for p in (victim, *victim.parents) if str(p) in said)
    assert said.count("damaged: ") == 1
    assert cli.main(["verify", str(folder), "--remove"]) == 0
    capsys.readouterr()
    assert not victim.exists()
    assert kept != folder
    assert cli.main(["verify", str(folder)]) == 0
    count = int(whole.split()[0])
    assert capsys.readouterr().err.splitlines()[-1] == f"{count - 1} files checked, 0 damaged"


def content_of_frames(path: Path) -> object:
    store = FrameStore(path)
    return store.about, store.times_sec.tolist(), store.read(range(len(store))).tobytes()


def content_of_weights(path: Path) -> object:
    return {name: tensor.tolist() for name, tensor in load_file(path).items()}


def content_of_memory(path: Path) -> object:
    group = zarr.open_group(path.parent, mode="r")
    arrays = {name: np.asarray(array).tobytes() for name, array in sorted(group.arrays())}
    return dict(group.attrs), arrays


@pytest.mark.parametrize(
    ("pattern", "content"),
    [
        ("frames/*.h5", content_of_frames),
        ("persons.parquet", lambda path: pq.read_table(path).to_pylist()),
        ("run/model.safetensors", content_of_weights),
        ("run/work/step-0000014/memory.zarr/zarr.json", content_of_memory),
    ],
)
def test_any_bit_that_flips_is_named_or_nothing_is_other_for_it(
    trained, tmp_path, pattern, content
) -> None:
    """Headers and indices are hit most: formats keep there what they do not check themselves.

    Most of those that are hit are not zero: HDF5 has many zeros between its parts, which say
    nothing.
    """
    folder = tmp_path / "results"
    path = folder / largest(pattern)(trained).relative_to(trained)
    if path.suffix == ".json":  # one of several files that are one thing
        shutil.copytree(trained / "run" / "work" / "step-0000014", path.parents[1])
    else:
        path.parent.mkdir(parents=True)
        shutil.copy(largest(pattern)(trained), path)
    whole, expected = path.read_bytes(), content(path)
    rng = random.Random(pattern)
    near = min(len(whole), 3000)
    ends = [*range(near), *range(-near, 0)]
    used = [place for place in ends if whole[place]]
    places = rng.choices(used, k=30) + rng.choices(ends, k=10)
    named = 0
    for place in places:
        damaged = bytearray(whole)
        damaged[place] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        said = [checked.damage for checked in scan(folder) if checked.damage]
        named += bool(said)
        assert said or content(path) == expected, place
    assert named >= 20


@pytest.mark.parametrize("what", ["state", "memory"])
def test_a_run_goes_on_from_the_generation_before_a_damaged_one(
    films, settings, trained, tmp_path, what
) -> None:
    shutil.copytree(trained / "run" / "work", tmp_path / "run" / "work")
    flip(ARTEFACTS[what](tmp_path))
    said = finish(films, settings, tmp_path / "run")
    assert "going back to the generation before" in said
    assert "resuming after step 12" in said
    for name in ("model.safetensors", "metrics.jsonl", "config.yaml"):
        assert (tmp_path / "run" / name).read_bytes() == (trained / "run" / name).read_bytes()


def test_a_folder_that_is_not_there_is_an_input_error(tmp_path, capsys) -> None:
    assert cli.main(["verify", str(tmp_path / "resluts")]) == 2
    assert "resluts: there is no such folder" in capsys.readouterr().err


def test_a_file_whose_name_begins_with_a_dot_is_checked(trained, tmp_path, capsys) -> None:
    shutil.copy(trained / "persons.parquet", tmp_path / ".hidden.parquet")
    flip(tmp_path / ".hidden.parquet")
    assert cli.main(["verify", str(tmp_path)]) == 2
    assert f"damaged: {tmp_path}/.hidden.parquet: " in capsys.readouterr().err


@pytest.mark.parametrize("damage", [flip, cut, empty], ids=["flipped", "cut", "empty"])
def test_a_download_is_compared_with_its_record(tmp_path, capsys, damage) -> None:
    video = tmp_path / "a.bin"
    video.write_bytes(bytes(range(101)))
    record = {"address": "http://host/a.bin", "size": 101, "sha256": file_digest(video)}
    (tmp_path / "a.bin.fetched.json").write_text(json.dumps(record))
    assert cli.main(["verify", str(tmp_path)]) == 0
    assert "1 files checked, 0 damaged" in capsys.readouterr().err
    damage(video)
    assert cli.main(["verify", str(tmp_path), "--remove"]) == 0
    assert f"damaged: {video}: a.bin " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin.fetched.json"]


def test_an_unfinished_file_is_not_checked(tmp_path, capsys) -> None:
    with atomic_path(tmp_path / "persons.parquet") as temporary:
        temporary.write_bytes(b"half")
        assert cli.main(["verify", str(tmp_path)]) == 0
    assert "0 files checked, 0 damaged" in capsys.readouterr().err


SNAKEFILE = """
rule import_boxes:
    output: directory("results/imported/persons")
    shell: "mkdir {output} && for n in a b; do cp whole.parquet {output}/$n.parquet; done"

rule use:
    input: "results/imported/persons"
    output: "used"
    shell: "cp {input}/a.parquet {output}"
"""


def test_a_folder_that_one_job_makes_is_taken_away_and_made_anew(trained, tmp_path, capsys) -> None:
    """The workflow asks for the folder alone: a file that is missing in it is missed by none."""

    def snakemake(target: str) -> str:
        words = ["-m", "snakemake", target, "--cores", "1", "--nolock"]
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return done.stdout + done.stderr

    shutil.copy(trained / "persons.parquet", tmp_path / "whole.parquet")
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    snakemake("used")
    made, results = tmp_path / "results" / "imported" / "persons", tmp_path / "results"
    flip(made / "a.parquet")
    cut(made / "b.parquet")
    assert cli.main(["verify", str(results), "--remove"]) == 0
    said = capsys.readouterr().err
    assert f"damaged: {made}/a.parquet: " in said
    assert f"removed: {made}, all of it, as one job makes it; it is recreated" in said
    assert not made.exists()
    assert (results / "imported").exists()
    assert "rule import_boxes" in snakemake("results/imported/persons")
    assert cli.main(["verify", str(results)]) == 0
    assert "2 files checked, 0 damaged" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["flipped", "exchanged", "missing"])
def test_a_list_of_a_part_goes_with_a_file_that_is_not_the_one_it_lists(
    trained, tmp_path, capsys, damage
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(trained, folder)
    victim, other = sorted((folder / "frames").glob("*.h5"))[:2]
    listed = folder / "parts" / "train.000.frames"
    listed.parent.mkdir()
    listed.write_text(
        "".join(f"{file_digest(path)}  results/a/frames/{path.name}\n" for path in (victim, other))
    )
    assert cli.main(["verify", str(folder)]) == 0
    if damage == "flipped":
        flip(victim)
    elif damage == "exchanged":
        shutil.copy(other, victim)
    else:
        victim.unlink()
    assert cli.main(["verify", str(folder)]) == 2
    assert victim.name in capsys.readouterr().err
    assert cli.main(["verify", str(folder), "--remove"]) == 0
    assert not listed.exists()
    assert other.exists()
    assert cli.main(["verify", str(folder)]) == 0
