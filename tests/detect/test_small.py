import torch

from aia.detect.small import ANCHOR_SIZES, SmallBackbone, small_faster_rcnn


def test_the_pyramid_has_a_map_for_every_size_of_anchors() -> None:
    maps = SmallBackbone()(torch.zeros(2, 3, 96, 160))
    assert {level: tuple(map_.shape) for level, map_ in maps.items()} == {
        "0": (2, 64, 12, 20),  # a stride of 8
        "1": (2, 64, 6, 10),
        "2": (2, 64, 3, 5),
        "pool": (2, 64, 2, 3),
    }
    assert len(ANCHOR_SIZES) == len(maps)


def test_it_stays_small() -> None:
    parameters = sum(p.numel() for p in small_faster_rcnn(classes=2).parameters())
    assert 500_000 < parameters < 2_000_000
