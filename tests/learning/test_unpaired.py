"""KTO by hand: good and bad examples apart, and the mismatched texts that its reference point comes from."""

import math

import pytest
import torch
from hand import MASK, TOTALS, batch, scores

from autotelic.learning.examples import sided, written
from autotelic.learning.objectives import KTO, Mixture, PolicyGradient, Seen
from autotelic.types import Example


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_kto() -> None:
    # Row 0 is bad, h = -2; row 1 is good, h = 1; z = .5.
    reference = -MASK
    now = reference + torch.tensor([[5.0, -1.0, -1.0], [5.0, 1.0, 7.0]])
    columns = {"chosen": torch.tensor([1]), "rejected": torch.tensor([0]), "reference": reference, "shift": torch.full((2,), -0.5)}
    objective = KTO(beta=0.4, desirable=1.0, undesirable=1.5)
    loss, metrics = objective.loss(scores(now), batch(reference, **columns), TOTALS)
    good, bad = 1 - s(0.4 * 0.5), 1 - s(0.4 * 2.5)
    assert float(loss) == pytest.approx((good + 1.5 * bad) / 2, rel=1e-5)
    assert float(loss) == pytest.approx(0.426790, abs=1e-5)
    assert metrics == pytest.approx({"rewards/chosen": 0.4, "rewards/rejected": -0.8, "kl": 0.5})
    halved, _ = objective.loss(scores(now), batch(reference, **columns, weight=torch.tensor([0.0, 0.5])), TOTALS)
    assert float(halved) == pytest.approx(0.5 * good / 2, rel=1e-5)


def test_the_reference_point_is_the_mean_of_mismatched_texts_and_never_negative() -> None:
    items = sided([written("a", [1], [2, 2])], [written("b", [3, 3], [4]), written("c", [1], [5])])
    asked = KTO().asked(items)
    # The prompt of each with the completion of the next that has another prompt: a with b's, b with c's, c with b's.
    assert [item.tokens for item in asked] == [[1, 4], [3, 3, 5], [1, 4]]
    assert [item.mask for item in asked] == [[0, 1], [0, 0, 1], [0, 1]]
    seen = [Seen(-1.0, -2.0, 1), Seen(-1.0, -1.5, 1), Seen(0.0, 0.0, 1)]
    assert KTO().shifts(items, seen) == pytest.approx([-0.5] * 3)
    assert KTO().shifts(items, [Seen(-3.0, -1.0, 1)] * 3) == [0.0] * 3
    alone = sided([written("a", [1], [2])], [])
    assert KTO().asked(alone) == [] and KTO().shifts(alone, []) == [0.0]


def test_mismatched_texts_are_no_longer_than_the_longest_example() -> None:
    items = sided([written("a", [1] * 5, [2])], [written("b", [3], [4] * 5)])
    assert [len(item.tokens) for item in KTO().asked(items)] == [6, 2]


def test_examples_without_a_side_are_refused() -> None:
    assert KTO().refuse(Example("r", [1, 2], [0, 1]), 0) == "it is neither good nor bad: its side is neither 'chosen' nor 'rejected'"


def test_terms_of_a_mixture_look_ahead_over_their_own_rows() -> None:
    items = sided([written("a", [1], [2]), written("c", [7], [8])], [written("b", [3], [4])])
    for item, part in zip(items, ("x", "pg", "x"), strict=True):
        item.part = part
    mixture = Mixture(terms={"pg": PolicyGradient(), "x": KTO()})
    assert mixture.looks_ahead and mixture.needs_reference
    assert [item.tokens for item in mixture.asked(items)] == [[1, 4], [3, 2]]
    assert mixture.shifts(items, [Seen(-1.0, -2.0, 1), Seen(-1.0, -1.5, 1)]) == pytest.approx([-0.75, 0.0, -0.75])
