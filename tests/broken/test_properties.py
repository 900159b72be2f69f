"""What any input does: it is read, or one InputError says what is wrong with it; nothing else."""

import contextlib
import json
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aia.clip import ClipKey, Slots
from aia.config import load_settings, read_sections
from aia.errors import InputError
from aia.labels import ClassList, read_labels, write_labels
from aia.memory import FeaturePool, read_generation, write_generation
from aia.tables import (
    read_actions,
    read_coco_boxes,
    read_detections,
    read_films,
    read_frame_boxes,
    read_images,
    read_objects,
    read_predicted_boxes,
    read_seconds,
    read_segments,
    write_segments,
)
from tests.broken.good import settings as good_settings

repeatable = settings(
    derandomize=True,  # the same inputs each time
    deadline=None,
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def refusal(read: Callable[..., object], *arguments: object) -> str:
    """The message with which something is refused; "" if it is taken. Any other error is one."""
    try:
        read(*arguments)
    except InputError as error:
        return str(error)
    return ""


cells = st.one_of(
    st.sampled_from(
        ["kitchen", "1", "0.1", "0.5", "0.9", "-1", "1e999", "nan", "", " ", '"', "\0", "..",
         "9" * 25, "1_0", "٣", "é", "video", "second", "x1", "\r", "segment", "verb"]
    ),
    st.text(max_size=4),
)  # fmt: skip
rows = st.lists(st.lists(cells, min_size=1, max_size=9).map(",".join), max_size=6)
files = st.one_of(
    st.binary(max_size=60),
    rows.map("\n".join).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.lists(
        st.sampled_from(
            ["kitchen,1", "kitchen,1,0.1,0.1,0.5,0.9,1,0", 'a,"1\n2",0.1', "\ufeff", ""]
        ),
        max_size=4,
    ).map(lambda lines: "\r\n".join(lines).encode()),
)


@pytest.mark.parametrize(
    "read",
    [read_actions, read_objects, read_predicted_boxes, read_segments, read_frame_boxes,
     lambda path: list(read_detections(path)), read_films, read_seconds, read_labels,
     lambda path: read_images(path, None), lambda path: read_images(None, path)],
    ids=["actions", "objects", "predicted", "segments", "frames", "detections", "films",
         "seconds", "labels", "images", "sizes"],
)  # fmt: skip
@repeatable
@given(content=files)
def test_any_bytes_are_read_or_refused_by_name(read: Any, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "given"
    path.write_bytes(content)
    if said := refusal(read, path):
        assert said.startswith(str(path))


sides = st.tuples(*[st.integers(0, 499).map(lambda k: k / 1000)] * 2)
films = st.text(string.ascii_letters + string.digits + "_-", min_size=1, max_size=6)
actions = st.tuples(films, st.integers(0, 9999), sides, sides, st.integers(0, 99))


@repeatable
@given(st.lists(actions, min_size=1, max_size=7))
def test_annotations_are_read_as_they_were_written(tmp_path: Path, written: list[Any]) -> None:
    path = tmp_path / "a.csv"
    table = [
        (film, time / 8, x, y, x + w + 0.001, y + h + 0.001, action, k)
        for k, (film, time, (x, y), (w, h), action) in enumerate(written)
    ]
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in table))
    first = {row[:6]: row[7] for row in reversed(table)}  # one box, one person
    expected = [(*row[:7], first[row[:6]]) for row in table]
    assert list(read_actions(path).itertuples(index=False, name=None)) == expected


@repeatable
@given(st.lists(st.tuples(films, st.integers(0, 99), st.integers(1, 99), st.integers(0, 9))))
def test_segments_are_read_as_they_were_written(tmp_path: Path, given_: list[Any]) -> None:
    names = ["segment", "video", "start_sec", "stop_sec", "verb"]
    lines = [(k, v, a / 7, (a + d) / 7, c) for k, (v, a, d, c) in enumerate(given_)]
    write_segments(tmp_path / "s.csv", pd.DataFrame(lines, columns=names))
    if lines:
        found = read_segments(tmp_path / "s.csv").itertuples(index=False, name=None)
        assert list(found) == lines


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=9)


@repeatable
@given(st.dictionaries(st.integers(0, 999), st.tuples(texts, texts | st.just("")), min_size=1))
@example({1: ("two\nlines", "A B")})
@example({1: ('"\\', "a}b")})
def test_classes_are_read_as_they_were_written(tmp_path: Path, classes: dict[int, Any]) -> None:
    names, groups = zip(*classes.values(), strict=True)
    labels = ClassList(tuple(classes), names, groups)
    write_labels(tmp_path / "l.pbtxt", labels)
    assert read_labels(tmp_path / "l.pbtxt") == labels


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
    | st.sampled_from(["image_id", "kitchen", 10**400]),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["image_id", "video", "second", "bbox", "score", "category_id", "images",
                         "id", "movie", "timestamp", "width", "height"]), inner, max_size=5),
    max_leaves=9,
)  # fmt: skip


@repeatable
@given(plain, plain)
def test_any_json_is_boxes_or_refused(tmp_path: Path, found: Any, images: Any) -> None:
    entry = {"image_id": 3, "category_id": 1, "bbox": [1, 1, 2, 2], "score": 0.5}
    image = {"id": 3, "movie": "kitchen", "timestamp": 1, "width": 64, "height": 48}
    if isinstance(found, dict):
        found = [entry | found]
    if isinstance(images, dict):
        images = {"images": [image | images]}
    boxes, known = tmp_path / "b.json", tmp_path / "i.json"
    boxes.write_text(json.dumps(found))
    known.write_text(json.dumps(images))
    with contextlib.suppress(InputError):
        read_coco_boxes(boxes, read_images(known, None), videos=["kitchen"], label=None)


RAW = good_settings()
places = st.sampled_from(
    [(section, name) for section, part in RAW.items() if isinstance(part, dict) for name in part]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.floats() | st.text(max_size=5)
    | st.sampled_from([10**400, "jpeg", "1e-3", "a0", -1, 0, []]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(repeatable, max_examples=30)
@given(places, values)
def test_any_value_of_any_setting_is_taken_or_refused_by_name(place: Any, value: Any) -> None:
    section, name = place
    if said := refusal(load_settings, RAW | {section: RAW[section] | {name: value}}):
        assert said.startswith("config.yaml")
        assert len(said) < 2000


@settings(repeatable, max_examples=30)
@given(st.sampled_from(sorted(RAW)), values)
def test_any_value_of_a_section_is_taken_or_refused_by_name(section: str, value: Any) -> None:
    with contextlib.suppress(InputError):
        load_settings(RAW | {section: value})


@repeatable
@given(st.binary(max_size=60) | values.map(lambda v: yaml.safe_dump({"frames": v}).encode()))
def test_any_bytes_are_settings_or_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(content)
    if said := refusal(read_sections, str(path)):
        assert said.startswith(str(path))


def pool_of() -> FeaturePool:
    return FeaturePool(seconds={"attic": (0, 6), "street": (5, 5)}, persons_per_clip=3, d=5)


def arrays(pool: FeaturePool) -> list[torch.Tensor]:
    return [pool.features, pool.count, pool.loss_tag, pool.step]


writes = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 4), st.floats(0.125, 9, width=32)), max_size=9
)


@settings(repeatable, max_examples=15)
@given(writes)
def test_any_memory_is_read_as_it_was_written(tmp_path_factory: Any, written: Any) -> None:
    """What is in it after any writes is held against a dictionary in tests/memory/test_pool.py."""
    pool, back = pool_of(), pool_of()
    for step, (second, persons, loss) in enumerate(written):
        P = Slots(torch.randn(1, persons, 5), torch.ones(1, persons, dtype=torch.bool))
        pool.write([ClipKey("attic", second)], P, loss_tag=loss, step=step)
    path = tmp_path_factory.mktemp("memory") / "memory.zarr"
    write_generation(pool, path)
    read_generation(path, back)
    assert all(torch.equal(a, b) for a, b in zip(arrays(pool), arrays(back), strict=True))


@pytest.fixture(scope="module")
def generation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, FeaturePool]:
    pool, path = pool_of(), tmp_path_factory.mktemp("memory") / "memory.zarr"
    P = Slots(torch.from_numpy(np.arange(10.0).reshape(1, 2, 5)).float(), torch.ones(1, 2).bool())
    pool.write([ClipKey("attic", 2)], P, loss_tag=0.5, step=7)
    write_generation(pool, path)
    return path, pool


@settings(repeatable, max_examples=150)
@given(which=st.floats(0, 0.999), place=st.floats(0, 0.999), other=st.integers(1, 255))
def test_any_byte_that_is_another_one_is_found_or_has_no_meaning(
    generation: tuple[Path, FeaturePool], which: float, place: float, other: int
) -> None:
    path, pool = generation
    files = sorted(file for file in path.rglob("*") if file.is_file())
    file = files[int(which * len(files))]
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[int(place * len(whole))] ^= other
    file.write_bytes(changed)
    back = pool_of()
    said = refusal(read_generation, path, back)
    file.write_bytes(whole)
    assert not said or said.startswith(str(path))
    expected = pool_of() if said else pool
    assert all(torch.equal(a, b) for a, b in zip(arrays(expected), arrays(back), strict=True))
