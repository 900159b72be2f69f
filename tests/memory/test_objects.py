import numpy as np
import pandas as pd
import pytest
import torch

from aia.clip import ClipKey, Slots
from aia.errors import InputError
from aia.memory import object_bank, recall_objects
from aia.tables import ObjectFeatures, read_object_features, write_object_features
from tests.memory.sharing import in_two_processes
from tests.train.conftest import batch_of

D = 3


def seen(video, *objects, seconds=(0, 4), detector="abc"):
    """Objects as (second, score, number); their features are the number, three times."""
    rows = [
        (video, float(second), 0.1, 0.2, 0.6, 0.7, score, "cup") for second, score, _ in objects
    ]
    columns = ["video", "time_sec", "x1", "y1", "x2", "y2", "score", "label"]
    return ObjectFeatures(
        video=video,
        seconds=seconds,
        boxes=pd.DataFrame(rows, columns=columns),
        features=np.array([[number] * D for *_, number in objects], np.float32).reshape(-1, D),
        d=D,
        detector=detector,
    )


@pytest.fixture
def write(tmp_path):
    def writer(one):
        path = tmp_path / f"{one.video}.{one.detector}.parquet"
        write_object_features(path, one, provenance={"detector": "small"})
        return path

    return writer


def test_what_was_seen_comes_back_from_its_file(write):
    one = seen("P01_01", (1, 0.9, 5.0), (3, 0.7, 7.0))
    found = read_object_features(write(one))
    assert (found.video, found.seconds, found.d, found.detector) == ("P01_01", (0, 4), D, "abc")
    assert found.features.tolist() == [[5.0] * D, [7.0] * D]
    assert found.boxes["time_sec"].tolist() == [1.0, 3.0]


def test_a_video_without_objects_is_remembered_as_empty(write):
    bank = object_bank([write(seen("P01_01"))], per_clip=2, reach=1)
    M = recall_objects(bank.pool, [ClipKey("P01_01", 0)], [2.0], reach=1)
    assert M.filled.shape == (1, 3 * 2)
    assert not M.filled.any()


def test_read_gives_the_seconds_around_the_middle_its_own_among_them(write):
    path = write(seen("P01_01", (1, 0.9, 5.0), (2, 0.9, 6.0), (4, 0.9, 8.0)))
    bank = object_bank([path], per_clip=1, reach=1)
    # The clip's own number is 7; what counts is that its middle is nearest to second 2.
    M = recall_objects(bank.pool, [ClipKey("P01_01", 7)], [2.3], reach=2)
    assert M.features[0, :, 0].tolist() == [0, 5, 6, 0, 8]
    assert M.filled[0].tolist() == [False, True, True, False, True]
    assert not M.features.requires_grad


def test_the_best_objects_of_a_second_are_kept_whatever_their_order(write):
    path = write(seen("P01_01", (1, 0.5, 1.0), (1, 0.9, 2.0), (1, 0.7, 3.0)))
    bank = object_bank([path], per_clip=2, reach=1)
    M = recall_objects(bank.pool, [ClipKey("P01_01", 0)], [1.0], reach=0)
    assert M.features[0, :, 0].tolist() == [2, 3]


def test_videos_of_different_detectors_make_no_bank(write):
    paths = [write(seen("P01_01", (1, 0.5, 1.0))), write(seen("P01_02", detector="xyz"))]
    with pytest.raises(InputError, match=r"P01_02.*is of another detector than .*P01_01"):
        object_bank(paths, per_clip=1, reach=1)


def test_a_table_of_boxes_alone_is_refused(write, tmp_path):
    from aia.tables import write_boxes

    path = tmp_path / "boxes.parquet"
    write_boxes(path, seen("P01_01", (1, 0.5, 1.0)).boxes, provenance={})
    with pytest.raises(InputError, match="has no column 'features'"):
        object_bank([path], per_clip=1, reach=1)


def test_a_bank_may_be_float16(write):
    bank = object_bank([write(seen("a", (1, 0.9, 5.0)))], per_clip=1, reach=1, dtype=torch.float16)
    assert bank.pool.features.dtype == torch.float16
    M = recall_objects(bank.pool, [ClipKey("a", 0)], [1.0], reach=0)
    assert M.features.dtype == torch.float32


def test_the_bank_of_objects_is_there_once_for_a_node(write):
    paths = [
        str(write(seen("P01_01", (1, 0.9, 5.0), (1, 0.8, 6.0), (1, 0.99, 7.0)))),
        str(write(seen("P01_02", (3, 0.7, 8.0)))),
    ]
    alone = object_bank(paths, per_clip=2, reach=1).pool
    for found, changed in in_two_processes("objects_of", *paths, port=29742):
        assert found == [alone.features.tolist(), alone.count.tolist()]
        assert changed == [9.0], "what one changes the other sees: it is the same memory"
    assert alone.features[2].tolist() == [[7.0] * 3, [5.0] * 3]


def test_a_bank_on_the_host_is_read_to_where_the_network_is(write):
    bank = object_bank([write(seen("a", (1, 0.9, 5.0)))], per_clip=1, reach=1, dtype=torch.float16)
    for reuse in (False, True):
        M = recall_objects(
            bank.pool, [ClipKey("a", 0)], [1.0], reach=1, reuse=reuse, device=torch.device("meta")
        )
        assert M.features.device.type == M.filled.device.type == "meta"
        assert M.features.shape == (1, 3, D)
        assert M.features.dtype == torch.float32


def test_a_bank_of_objects_reads_the_seconds_around_each_clip_and_is_never_written(write):
    bank = object_bank([write(seen("a", (1, 0.9, 5.0), (2, 0.9, 6.0)))], per_clip=1, reach=1)
    batch = batch_of(7, video="a")._replace(times_sec=[2.3])
    P = Slots(torch.ones(1, 1, D), torch.ones(1, 1, dtype=torch.bool))
    before = bank.pool.features.clone()
    bank.write(batch, P, err=1.0, step=3)
    bank.fill(batch, P)
    assert torch.equal(bank.pool.features, before)
    M, trust, age = bank.read(batch, P, err=1.0, step=3)
    assert M.features[0, :, 0].tolist() == [5, 6, 0]
    assert (trust, age, bank.state) == (None, None, None)
