"""Loss of a batch of persons, each with one label a class; the paper is silent on its form.

    bce      binary cross-entropy of each class, as usual if a person does several things
    focal    the authors' code: softmax over the poses (a person has one at a time), sigmoid for
             each other class, easy examples weighted down
    softmax  cross-entropy, if exactly one class is true (a segment's verb, its noun; §6)

All are summed over the classes and averaged over the persons. This number is err, and the loss tag,
of Algorithm 1.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from aia.errors import InputError

POSE_GROUP = "PERSON_MOVEMENT"


def action_loss(
    logits: Float[Tensor, "*persons classes"],
    labels: Shaped[Tensor, "*persons classes"],
    *,
    kind: Literal["bce", "focal", "softmax"] = "bce",
    gamma: float = 2.0,
    groups: Sequence[str] = (),
    group_weights: Mapping[str, float] | None = None,
    missing_pose: Literal["skip", "first"] = "skip",
    filled: Bool[Tensor, "*persons"] | None = None,
    persons: Int[Tensor, ""] | None = None,
) -> Float[Tensor, ""]:
    """Compute the loss: sum over classes, mean over persons; 0 without persons.

    Args:
        logits: Logits of every person and class.
        labels: 1 if a person does the action.
        kind: "bce", "focal" or "softmax".
        gamma: Exponent of the focal loss, which weighs easy examples down; 0: not at all.
        groups: Group of each class, as in AVA's list (PERSON_MOVEMENT are the poses).
        group_weights: Weight of the sum over a group's classes; 1 for groups that are not named.
            The authors' 1.2, 49 and 17, which weigh means over 49 and 17 classes, are 1.2 for
            the poses and 1 for the others here.
        missing_pose: Pose of a person without pose label in the focal loss: "skip": none; "first":
            the first one, as in the authors' code.
        filled: Mask of slots with a person; None: all.
        persons: Number of persons to divide by; None: those here. Several processes divide by the
            number of all their persons, so that their losses add up to that of the whole batch.
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    labels = labels.to(logits.dtype)
    known = tuple(groups) or ("",) * logits.shape[-1]
    weights = tuple(sorted((group_weights or {}).items()))
    weight, poses, others = _constants(known, weights, logits.dtype, logits.device)
    if kind == "bce":
        each = F.binary_cross_entropy_with_logits(logits, labels, reduction="none")
        of_person = (each * weight).sum(dim=-1)
    elif kind == "softmax":
        of_person = -(logits.log_softmax(dim=-1) * labels * weight).sum(dim=-1)
    else:
        z, there = (every.index_select(-1, others) for every in (logits, labels))
        of_person = (sigmoid_focal(z, there, gamma=gamma) * weight[others]).sum(dim=-1)
        if len(poses):
            one_hot = labels.index_select(-1, poses)
            of_pose = softmax_focal(
                logits.index_select(-1, poses), one_hot.argmax(dim=-1), gamma=gamma
            )
            if missing_pose == "skip":
                of_pose = of_pose * one_hot.any(dim=-1)
            of_person = of_person + of_pose * weight[poses[0]]
    if filled is not None:
        of_person = of_person.where(filled, 0.0)
    if persons is None:
        persons = torch.as_tensor(of_person.numel()) if filled is None else filled.sum()
    return of_person.sum() / persons.clamp(min=1)


def sigmoid_focal(
    logits: Float[Tensor, "*n"], labels: Float[Tensor, "*n"], *, gamma: float
) -> Float[Tensor, "*n"]:
    """Compute -(1 - p)^γ log p, with p the sigmoid's probability of the truth (Lin et al. 2017).

    In logarithms throughout: 1 - p = σ(-z), so neither value nor gradient can be NaN.
    """
    z = torch.where(labels > 0, logits, -logits)
    log_p = torch.where(labels > 0, _floored(F.logsigmoid(z)), F.logsigmoid(z))
    return -(gamma * F.logsigmoid(-z)).exp() * log_p


def softmax_focal(
    logits: Float[Tensor, "*n classes"], label: Int[Tensor, "*n"], *, gamma: float
) -> Float[Tensor, "*n"]:
    """Compute the same for exactly one true class, with p its softmax probability."""
    true = F.one_hot(label, logits.shape[-1]).bool()
    lowest = torch.finfo(logits.dtype).min
    total = logits.logsumexp(dim=-1)
    log_p = logits.where(true, 0.0).sum(dim=-1) - total
    log_rest = logits.masked_fill(true, lowest).logsumexp(dim=-1) - total
    return -(gamma * log_rest).exp() * _floored(log_p)


def _floored(log_p: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """Raise log p to at least the smallest float's, without changing the gradient.

    The authors' code has this floor for true classes, not for false ones.
    """
    floor = math.log(torch.finfo(torch.float32).tiny)
    return log_p + (log_p.clamp(min=floor) - log_p).detach()


class _Constants(NamedTuple):
    """Weights and places of the classes, on the device."""

    weight: Float[Tensor, " classes"]
    poses: Int[Tensor, " poses"]
    others: Int[Tensor, " others"]


@functools.cache
def _constants(
    groups: tuple[str, ...],
    group_weights: tuple[tuple[str, float], ...],
    dtype: torch.dtype,
    device: torch.device,
) -> _Constants:
    """Copy the constants to the device once: a copy in every step would make it wait."""
    poses = [i for i, group in enumerate(groups) if group == POSE_GROUP]
    others = [i for i, group in enumerate(groups) if group != POSE_GROUP]
    with torch.inference_mode(False):  # else they could not be used in training
        return _Constants(
            torch.tensor(_class_weights(groups, dict(group_weights)), dtype=dtype, device=device),
            torch.tensor(poses, dtype=torch.int64, device=device),
            torch.tensor(others, dtype=torch.int64, device=device),
        )


def _class_weights(groups: Sequence[str], group_weights: Mapping[str, float]) -> list[float]:
    unknown = sorted(set(group_weights) - set(groups))
    if unknown:
        known = ", ".join(sorted(set(groups) - {""})) or "no group at all"
        raise InputError(
            f"loss.group_weights: '{unknown[0]}' is no group of these classes (they have {known})"
        )
    return [group_weights.get(group, 1.0) for group in groups]
