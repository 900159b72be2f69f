import copy

import pytest
import torch

from aia.detect.faster_rcnn import Boxes, Detector, exchange_classes
from aia.detect.model import build_detector

CLASSES = ("person", "tv", "phone")


def frames(*sizes_hw: tuple[int, int]) -> list[torch.Tensor]:
    return [torch.randint(0, 256, (h, w, 3), dtype=torch.uint8) for h, w in sizes_hw]


@pytest.fixture
def small() -> Detector:
    """Untrained; so its scores are near one in four, and it finds something everywhere."""
    return build_detector("small", classes=CLASSES, short_side=61).eval()


def test_no_frames_have_no_boxes(small: Detector) -> None:
    assert small([]) == []


def test_boxes_are_fractions_best_first_with_scores_of_at_least_a_twentieth(
    small: Detector,
) -> None:
    results = small(frames((61, 83), (67, 71)))
    assert len(results) == 2
    for found in results:
        assert 0 < len(found.score) <= 100
        assert (found.xyxy >= 0).all()
        assert (found.xyxy <= 1).all()
        assert (found.score[:-1] >= found.score[1:]).all()
        assert found.score[-1] >= 0.05
        assert set(found.label.tolist()) <= {0, 1, 2}


def test_losses_are_those_that_torchvision_computes(small: Detector) -> None:
    small.train()
    images = frames((61, 83), (67, 71))
    xyxy = torch.tensor([[0.1, 0.2, 0.5, 0.9], [0.6, 0.1, 0.9, 0.4]])
    truth = [
        Boxes(xyxy, torch.tensor([0, 2]), torch.ones(2)),
        Boxes(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0)),
    ]
    targets = [
        {
            "boxes": xyxy * torch.tensor([83, 61, 83, 61]),
            "labels": torch.tensor([1, 3]),  # torchvision counts the background as 0
        },
        {"boxes": torch.zeros(0, 4), "labels": torch.zeros(0, dtype=torch.int64)},
    ]
    network = copy.deepcopy(small.network)
    torch.manual_seed(7)
    ours = small.losses(images, truth)
    torch.manual_seed(7)
    theirs = network([image.permute(2, 0, 1) / 255 for image in images], targets)
    assert ours.keys() == theirs.keys()
    assert len(ours) == 4
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name])


def test_exchanging_classes_reorders_them(small: Detector) -> None:
    images = frames((61, 83))
    before = small(images)[0]
    exchange_classes(small, ("person", "phone", "tv"))
    after = small(images)[0]
    assert torch.equal(before.xyxy, after.xyxy)
    assert torch.equal(torch.tensor([0, 2, 1])[before.label], after.label)
