"""The loss: by hand, against the authors' numbers, at its edges."""

import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from aia.errors import InputError
from aia.train.loss import action_loss, sigmoid_focal, softmax_focal

POSES = ["PERSON_MOVEMENT"] * 2 + ["OBJECT_MANIPULATION"] * 3
AVA = ["PERSON_MOVEMENT"] * 14 + ["OBJECT_MANIPULATION"] * 49 + ["PERSON_INTERACTION"] * 17
KINDS = pytest.mark.parametrize("kind", ["bce", "focal"])


@KINDS
def test_no_person_costs_nothing_and_still_has_a_gradient(kind):
    logits = torch.randn(0, 5, requires_grad=True)
    loss = action_loss(logits, torch.zeros(0, 5, dtype=torch.uint8), kind=kind, groups=POSES)
    loss.backward()
    assert loss == 0
    assert logits.grad.shape == (0, 5)


@KINDS
def test_a_padded_batch_costs_what_its_persons_cost(kind):
    logits = torch.randn(3, 2, 5, requires_grad=True)
    labels = torch.randint(0, 2, (3, 2, 5), dtype=torch.uint8)
    filled = torch.tensor([[True, False], [False, False], [True, True]])
    padded = action_loss(logits, labels, kind=kind, groups=POSES, filled=filled)
    flat = action_loss(logits[filled], labels[filled], kind=kind, groups=POSES)
    assert_allclose(padded.detach(), flat.detach(), rtol=1e-6)
    padded.backward()
    assert logits.grad[~filled].count_nonzero() == 0
    assert action_loss(logits, labels, kind=kind, groups=POSES, filled=filled & False) == 0


def test_the_loss_of_ignorance_is_log_two_a_class():
    for labels in (torch.zeros(7, 5), torch.ones(7, 5)):
        assert action_loss(torch.zeros(7, 5), labels).item() == pytest.approx(5 * math.log(2))


def test_cross_entropy_by_hand():
    """-log 3/4 for what is said with σ(log 3) = 3/4, -log 1/4 for the opposite."""
    logits = torch.tensor([[math.log(3), -math.log(3), math.log(3)]])
    labels = torch.tensor([[1, 0, 0]], dtype=torch.uint8)
    expected = -2 * math.log(3 / 4) - math.log(1 / 4)
    assert action_loss(logits, labels).item() == pytest.approx(expected)


def test_focal_loss_by_hand():
    """Pose: softmax (3/4, 1/4) and the second is true. Others: σ = 3/4, true; 1/2; 1/2."""
    logits = torch.tensor([[math.log(3), 0.0, math.log(3), 0.0, 0.0]])
    labels = torch.tensor([[0, 1, 1, 0, 0]], dtype=torch.uint8)
    pose = -((3 / 4) ** 2) * math.log(1 / 4)
    others = -((1 / 4) ** 2) * math.log(3 / 4) + 2 * (1 / 2) ** 2 * math.log(2)
    loss = action_loss(logits, labels, kind="focal", groups=POSES)
    assert loss.item() == pytest.approx(pose + others)
    weighted = action_loss(
        logits, labels, kind="focal", groups=POSES, group_weights={"PERSON_MOVEMENT": 1.2}
    )
    assert weighted.item() == pytest.approx(1.2 * pose + others)


def test_without_poses_every_class_is_on_its_own():
    logits, labels = torch.randn(3, 5), torch.randint(0, 2, (3, 5), dtype=torch.uint8)
    assert_allclose(
        action_loss(logits, labels, kind="focal", gamma=0.0), action_loss(logits, labels), rtol=1e-6
    )


def test_a_person_without_pose_is_not_taught_any():
    logits = torch.randn(2, 5, requires_grad=True)
    labels = torch.tensor([[0, 0, 1, 0, 0], [0, 1, 0, 0, 0]], dtype=torch.uint8)
    action_loss(logits, labels, kind="focal", groups=POSES).backward()
    assert logits.grad[0, :2].count_nonzero() == 0
    assert logits.grad[1, :2].count_nonzero() == 2
    logits.grad = None
    action_loss(logits, labels, kind="focal", groups=POSES, missing_pose="first").backward()
    assert logits.grad[0, 0] < 0 < logits.grad[0, 1]  # taught the first pose, as the authors' is


def test_an_unknown_group_is_named():
    with pytest.raises(InputError, match="'PERSON_MOVMENT' is no group of these classes"):
        action_loss(
            torch.zeros(1, 5),
            torch.zeros(1, 5),
            kind="focal",
            groups=POSES,
            group_weights={"PERSON_MOVMENT": 1.2},
        )


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_certainty_right_or_wrong_gives_finite_gradients(gamma):
    logits = torch.tensor([[300.0, -300.0, 0.0], [-300.0, 300.0, 0.0]], requires_grad=True)
    first = torch.tensor([[1.0, 0.0, 0.0]] * 2)
    (sigmoid_focal(logits, first, gamma=gamma).sum()).backward()
    softmax_focal(logits, torch.tensor([0, 0]), gamma=gamma).sum().backward()
    assert logits.grad.isfinite().all()


# the authors' numbers


@pytest.fixture(scope="module")
def recorded(golden):
    return np.load(golden / "loss" / "loss.npz")


def test_the_focal_loss_is_the_authors(recorded):
    logits = torch.tensor(recorded["logits"], requires_grad=True)
    labels = torch.from_numpy(recorded["labels"])
    loss = action_loss(
        logits,
        labels,
        kind="focal",
        groups=AVA,
        group_weights={"PERSON_MOVEMENT": 1.2},
        missing_pose="first",
    )
    loss.backward()
    assert loss.item() == pytest.approx(float(recorded["total"]), rel=1e-5)
    expected = recorded["grad_logits"]
    assert_allclose(logits.grad, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("name", "group", "scale"),
    [
        ("loss_pose_action", "PERSON_MOVEMENT", 1),
        ("loss_object_interaction", "OBJECT_MANIPULATION", 49),  # theirs is a mean over classes
        ("loss_person_interaction", "PERSON_INTERACTION", 17),
    ],
)
def test_each_groups_share_is_the_authors(recorded, name, group, scale):
    loss = action_loss(
        torch.from_numpy(recorded["logits"]),
        torch.from_numpy(recorded["labels"]),
        kind="focal",
        groups=AVA,
        group_weights={other: float(other == group) for other in set(AVA)},
        missing_pose="first",
    )
    assert loss.item() / scale == pytest.approx(float(recorded[name]), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_each_term_and_its_slope_are_the_authors(recorded, gamma):
    logits = torch.tensor(recorded["logits"], requires_grad=True)
    labels = torch.from_numpy(recorded["labels"])
    terms = {
        "sigmoid": sigmoid_focal(logits[:, 14:], labels[:, 14:].float(), gamma=gamma),
        "softmax": softmax_focal(logits[:, :14], labels[:, :14].argmax(dim=1), gamma=gamma),
    }
    sum(term.sum() for term in terms.values()).backward()
    for kind, term in terms.items():
        expected = recorded[f"{kind}.g{gamma}.a-1.0"]
        assert_allclose(term.detach(), expected, rtol=1e-5, atol=1e-7)
    slopes = np.hstack([recorded[f"{kind}_grad.g{gamma}.a-1.0"] for kind in ("softmax", "sigmoid")])
    known = np.isfinite(slopes)  # theirs is NaN for a pose that is certain, without gamma
    assert known.mean() > 0.98
    assert_allclose(logits.grad[known], slopes[known], rtol=1e-5, atol=1e-6)
    assert logits.grad.isfinite().all()
