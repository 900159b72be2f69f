"""RoI features of slots."""

import pytest
import torch

from aia.features.roi import places_of_maps, roi_features

STRIDE = 8


def pool(maps, xyxy, filled, *, mean_before=True, resolution=7):
    return roi_features(
        maps, xyxy, filled, stride=STRIDE, resolution=resolution, mean_before=mean_before
    )


@pytest.mark.parametrize("mean_before", [True, False])
def test_no_slots_give_no_features(mean_before):
    maps = [torch.randn(2, 3, 1, 11, 13, requires_grad=True)]
    slots = pool(maps, torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.bool))
    assert slots.features.shape == (2, 0, 3)
    slots.features.sum().backward()
    assert maps[0].grad.abs().sum() == 0


def test_empty_slots_are_zero_whatever_stands_in_them():
    xyxy = torch.tensor([[[8.0, 8.0, 40.0, 40.0], [0.0, 0.0, 0.0, 0.0], [float("nan")] * 4]])
    filled = torch.tensor([[True, False, False]])
    slots = pool([torch.rand(1, 5, 2, 11, 13) + 1], xyxy, filled)
    assert (slots.features[0, 0] >= 1).all()
    assert (slots.features[0, 1:] == 0).all()
    assert slots.filled is filled


def test_a_map_that_rises_to_the_right_by_hand():
    """From cell 2 to cell 16 in 7 bins of 2 cells, 2 samples each: the last bin's mean is 15."""
    rising = torch.arange(19.0).expand(1, 1, 1, 11, 19)
    xyxy = torch.tensor([[[16.0, 8.0, 128.0, 64.0]]])
    slots = pool([rising], xyxy, torch.ones(1, 1, dtype=torch.bool))
    assert slots.features.item() == pytest.approx(15.0)


def test_a_box_smaller_than_a_cell_reads_one_cell():
    """Grown to one cell from its corner at (3, 2): the bins' samples lie at 3 + (2 i + 1) / 14."""
    rising = torch.arange(19.0).expand(1, 1, 1, 11, 19)
    xyxy = torch.tensor([[[24.0, 16.0, 25.0, 17.0]]])
    slots = pool([rising], xyxy, torch.ones(1, 1, dtype=torch.bool))
    assert slots.features.item() == pytest.approx(3 + 13 / 14)


def test_each_clip_is_read_from_its_own_map():
    maps = [torch.tensor([2.0, 3.0, 5.0]).view(3, 1, 1, 1, 1).expand(3, 1, 1, 11, 13)]
    xyxy = torch.tensor([8.0, 8.0, 40.0, 40.0]).expand(3, 2, 4)
    filled = torch.tensor([[True, True], [True, False], [True, True]])
    slots = pool(maps, xyxy, filled)
    expected = torch.tensor([[2.0, 2.0], [3.0, 0.0], [5.0, 5.0]])
    torch.testing.assert_close(slots.features[..., 0], expected)


def test_pathways_are_averaged_over_time_and_joined():
    slow, fast = torch.zeros(1, 3, 2, 11, 13), torch.zeros(1, 2, 4, 11, 13)
    slow[:, :, 1], fast[:, :, 3] = 6.0, 20.0
    slots = pool(
        [slow, fast], torch.tensor([[[8.0, 8.0, 40.0, 40.0]]]), torch.ones(1, 1, dtype=torch.bool)
    )
    expected = torch.tensor([[[3.0, 3.0, 3.0, 5.0, 5.0]]])
    torch.testing.assert_close(slots.features, expected)


def test_the_mean_over_time_may_stand_before_or_after_roi_align():
    maps = [torch.randn(2, 3, 2, 11, 13), torch.randn(2, 5, 4, 11, 13)]
    xyxy = torch.tensor([[3.0, 9.0, 50.0, 77.0], [30.0, 2.0, 99.0, 31.0]]).expand(2, 2, 4)
    filled = torch.ones(2, 2, dtype=torch.bool)
    before, after = (pool(maps, xyxy, filled, mean_before=choice) for choice in (True, False))
    torch.testing.assert_close(before.features, after.features)


def test_half_precision_maps_are_pooled_in_single_precision():
    map_ = torch.randn(1, 3, 2, 11, 13)
    xyxy, filled = torch.tensor([[[8.0, 8.0, 40.0, 40.0]]]), torch.ones(1, 1, dtype=torch.bool)
    half = pool([map_.bfloat16()], xyxy, filled).features
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, pool([map_], xyxy, filled).features, atol=0.02, rtol=0.02)


def test_a_shift_moves_the_map_against_the_boxes():
    rising = torch.arange(19.0).expand(1, 1, 1, 11, 19)
    xyxy, filled = torch.tensor([[[16.0, 8.0, 128.0, 64.0]]]), torch.ones(1, 1, dtype=torch.bool)
    slots = roi_features(
        [rising], xyxy, filled, stride=STRIDE, resolution=7, mean_before=True, shift_px=4.0
    )
    assert slots.features.item() == pytest.approx(15.0 - 0.5)


def test_places_are_the_cells_of_all_pathways_averaged_over_time_row_by_row():
    slow, fast = torch.randn(2, 3, 2, 5, 7), torch.randn(2, 2, 4, 5, 7)
    slots = places_of_maps([slow, fast], torch.tensor([[40.0, 56.0]] * 2), stride=STRIDE)
    assert slots.features.shape == (2, 35, 5)
    assert slots.filled.all()
    place = slots.features[1, 2 * 7 + 3]
    torch.testing.assert_close(place[:3], slow[1, :, :, 2, 3].mean(dim=1))
    torch.testing.assert_close(place[3:], fast[1, :, :, 2, 3].mean(dim=1))


def test_places_in_the_padding_of_a_clip_are_empty():
    maps = [torch.rand(2, 3, 1, 5, 7) + 1]
    sizes_hw = torch.tensor([[40.0, 56.0], [17.0, 32.0]])  # 17 pixels begin a third row
    slots = places_of_maps(maps, sizes_hw, stride=STRIDE)
    inside = torch.zeros(5, 7, dtype=torch.bool)
    inside[:3, :4] = True
    assert slots.filled[0].all()
    assert torch.equal(slots.filled[1], inside.flatten())
    assert torch.equal(slots.features.any(dim=2), slots.filled)
