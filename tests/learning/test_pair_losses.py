"""Pair losses by hand: h_w = 1, h_l = -2, beta = .5 unless a test says otherwise, so beta (h_w - h_l) = 1.5."""

import math
from itertools import permutations
from typing import Any

import pytest
import torch
from hand import MASK, TOTALS, batch, scores
from hypothesis import given
from hypothesis import strategies as st

from autotelic.learning.examples import pair, written
from autotelic.learning.objectives import DPO, Seen
from autotelic.learning.objectives.pair_losses import divergence_score, rank_shifts
from autotelic.types import Example


def s(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def loss(objective: DPO, chosen: float = 1.0, rejected: float = -2.0, **changes: Any) -> float:
    """The loss of one pair: row 0 is the rejected side, with two target tokens, row 1 the chosen one, with one. The reference gives -1 to every token."""
    reference = -MASK
    now = reference + torch.tensor([[5.0, rejected / 2, rejected / 2], [5.0, chosen, 7.0]])
    sides = {"chosen": torch.tensor([1]), "rejected": torch.tensor([0]), "reference": reference}
    return float(objective.loss(scores(now), batch(reference, **sides, **changes), TOTALS)[0])


GOLDEN = {
    "sigmoid": -math.log(s(1.5)),
    "hinge": 0.0,
    "ipo": (3 - 1) ** 2,
    "exo_pair": s(1.5) * (math.log(s(1.5)) - math.log(0.999)) + s(-1.5) * (math.log(s(-1.5)) - math.log(0.001)),
    "nca_pair": -math.log(s(0.5)) - math.log(s(-0.5)) / 2 - math.log(s(1.0)) / 2,
    "bco_pair": -math.log(s(0.5)) - math.log(s(1.0)),
    "apo_zero": 1 - s(0.5) + s(-1.0),
    "apo_down": s(0.5) + 1 - s(1.5),
    "discopop": -math.log(s(1.5)) * s(-30) + math.exp(-1.5) * s(30),
    "aot": -math.log(s(1.5)),
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_each_kind(kind: Any) -> None:
    assert loss(DPO(kind=kind, beta=0.5)) == pytest.approx(GOLDEN[kind], rel=1e-5, abs=1e-6)


def test_numbers() -> None:
    assert GOLDEN["sigmoid"] == pytest.approx(0.201413, abs=1e-6)
    assert GOLDEN["exo_pair"] == pytest.approx(0.785917, abs=1e-6)
    assert GOLDEN["nca_pair"] == pytest.approx(1.117747, abs=1e-6)
    assert GOLDEN["apo_zero"] == pytest.approx(0.646482, abs=1e-6)
    assert loss(DPO(kind="hinge", beta=0.1)) == pytest.approx(0.7)
    assert loss(DPO(kind="discopop", beta=0.5), -1.0, 2.0) == pytest.approx(-math.log(s(-1.5)), rel=1e-5), "logistic where the pair is wrong"


def test_means_over_tokens() -> None:
    # The rejected side has two tokens, so that its mean is -1: IPO as in TRL, and length-normalized DPO.
    assert loss(DPO(kind="ipo", beta=0.5, normalize="token")) == pytest.approx((2 - 1) ** 2)
    assert loss(DPO(beta=0.5, normalize="token")) == pytest.approx(-math.log(s(1.0)), rel=1e-5)


def test_conservative_and_robust_labels() -> None:
    right, wrong = -math.log(s(1.5)), -math.log(s(-1.5))
    assert loss(DPO(beta=0.5, label_smoothing=0.1)) == pytest.approx(0.9 * right + 0.1 * wrong, rel=1e-5)
    assert loss(DPO(beta=0.5, label_smoothing=0.1, robust=True)) == pytest.approx((0.9 * right - 0.1 * wrong) / 0.8, rel=1e-5)
    # Unbiased: labels that are wrong one time in ten, under the robust loss, give the loss of right labels.
    noisy = 0.9 * loss(DPO(beta=0.5, label_smoothing=0.1, robust=True)) + 0.1 * loss(DPO(beta=0.5, label_smoothing=0.1, robust=True), -2.0, 1.0)
    assert noisy == pytest.approx(right, rel=1e-5)


def test_a_pair_of_two_minds_is_one_loss() -> None:
    right, wrong = -math.log(s(1.5)), -math.log(s(-1.5))

    def at(confidence: float, **settings: Any) -> float:
        return loss(DPO(beta=0.5, **settings), extra={"confidence": torch.full((2,), confidence)})

    assert at(0.7) == pytest.approx(0.7 * right + 0.3 * wrong, rel=1e-5)
    assert at(1.0) == pytest.approx(right, rel=1e-5) and at(0.0) == pytest.approx(wrong, rel=1e-5)
    assert at(math.nan) == pytest.approx(right, rel=1e-5), "a pair that says nothing beside one that does"
    assert at(0.7, label_smoothing=0.1) == pytest.approx(0.66 * right + 0.34 * wrong, rel=1e-5)


def test_what_confidences_are() -> None:
    chosen, rejected = pair(written("a", [1], [2]), written("b", [1], [3]), weight=0.5, confidence=0.7)
    assert (chosen.extra, rejected.extra, chosen.weight) == ({"confidence": 0.7}, {"confidence": 0.7}, 0.5)
    assert pair(written("a", [1], [2]), written("b", [1], [3]))[0].extra == {}
    assert DPO().refuse(chosen, 0) is None
    wrong = Example("r", [1, 2], [0, 1], pair="a>b", side="chosen", extra={"confidence": 1.5})
    assert DPO().refuse(wrong, 0) == "its extra['confidence'] is 1.5, not between 0 and 1"


def test_simpo_needs_no_reference() -> None:
    simpo = DPO(reference=False, normalize="token", beta=2.0, margin=1.0)
    assert not simpo.needs_reference
    # Mean log-probabilities: chosen -1 + 1 = 0; rejected -1 - 1 = -2. beta (0 + 2) - gamma = 3.
    assert loss(simpo) == pytest.approx(-math.log(s(3.0)), rel=1e-5)


def test_orpo_is_a_likelihood_and_a_ratio_of_odds() -> None:
    orpo = DPO(kind="odds", reference=False, normalize="token", nll=1.0, beta=0.1)
    # Mean log-probabilities -1 + .5 = -.5 and -1 - .5 = -1.5: odds p / (1 - p) of .606531 and .223130.
    ratio = math.log(0.606531 / 0.393469) - math.log(0.223130 / 0.776870)
    assert loss(orpo, 0.5, -1.0) == pytest.approx(0.5 - 0.1 * math.log(s(ratio)), rel=1e-5)
    with pytest.raises(ValueError, match="set reference = false and normalize = 'token'"):
        DPO(kind="odds")


def test_other_divergences_from_the_reference() -> None:
    forward = (1 - math.exp(-1.0)) - (1 - math.exp(2.0))
    jensen = math.log(s(1.0)) - math.log(s(-2.0))
    assert loss(DPO(beta=0.5, divergence="forward_kl")) == pytest.approx(-math.log(s(0.5 * forward)), rel=1e-5)
    assert loss(DPO(beta=0.5, divergence="js")) == pytest.approx(-math.log(s(0.5 * jensen)), rel=1e-5)
    assert divergence_score(torch.tensor(0.0), "js").item() == pytest.approx(0.0)
    with pytest.raises(ValueError, match="divergence = 'js' needs a reference, and no kind that depends on the whole step"):
        DPO(divergence="js", reference=False)


def test_settings_that_would_do_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="robust = true does nothing without label_smoothing"):
        DPO(robust=True)
    with pytest.raises(ValueError, match="exo_pair' has a smoothing of its own"):
        DPO(kind="exo_pair", label_smoothing=0.1)


def test_ties_count_half() -> None:
    sides = {"chosen": torch.tensor([1]), "rejected": torch.tensor([0]), "reference": -MASK}
    metrics = DPO().loss(scores(-MASK), batch(-MASK, **sides), TOTALS)[1]
    assert metrics["rewards/accuracies"] == 0.5


def sides(*h: tuple[float, float]) -> tuple[list[Example], list[Seen]]:
    """Pairs with these log-ratios h_w and h_l, under a reference that gives -1 to all."""
    items = [side for i in range(len(h)) for side in pair(written(f"c{i}", [1], [2]), written(f"r{i}", [1], [3, 4]))]
    return items, [Seen(value - 1, -1.0, 1 if place == 0 else 2) for both in h for place, value in enumerate(both)]


def test_bco_takes_the_mean_of_the_step_off_every_side() -> None:
    bco = DPO(kind="bco_pair", beta=0.5)
    assert bco.looks_ahead
    assert bco.shifts(*sides((3.0, 1.0), (4.0, -2.0))) == pytest.approx([-1.5] * 4)
    assert bco.model_copy(update={"normalize": "token"}).shifts(*sides((3.0, 1.0), (4.0, -2.0))) == pytest.approx([-(3 + 0.5 + 4 - 1) / 4] * 4)
    shifted = loss(bco, shift=torch.tensor([-0.5, -0.5]))
    assert shifted == pytest.approx(-math.log(s(0.25)) - math.log(s(1.25)), rel=1e-5)


def test_aot_matches_margins_by_rank() -> None:
    # Margins under the policy 5, 1, 3, under the reference 0, 2, 1: by rank 1 meets 0, 3 meets 1, 5 meets 2.
    shifts = rank_shifts([5.0, 1.0, 3.0], [0.0, 2.0, 1.0])
    assert [policy - reference + shift for policy, reference, shift in zip([5, 1, 3], [0, 2, 1], shifts, strict=True)] == pytest.approx([3, 1, 2])
    items, _ = sides((0, 0), (0, 0), (0, 0))
    seen = [Seen(logprob, reference, 1) for logprob, reference in ((5, 0), (0, 0), (1, 2), (0, 0), (3, 1), (0, 0))]
    assert DPO(kind="aot").shifts(items[::-1], seen[::-1]) == pytest.approx([0, shifts[2], 0, shifts[1], 0, shifts[0]])


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=6))
def test_rank_shifts_only_permute_the_reference(margins: list[tuple[float, float]]) -> None:
    policy, reference = [a for a, _ in margins], [b for _, b in margins]
    matched = [b - shift for b, shift in zip(reference, rank_shifts(policy, reference), strict=True)]
    assert sorted(matched) == pytest.approx(sorted(reference), abs=1e-9)
    assert sum(a * b for a, b in zip(policy, matched, strict=True)) >= max(
        sum(a * b for a, b in zip(policy, order, strict=True)) for order in permutations(reference)
    ) - 1e-6 * (1 + sum(a * a for a in policy) + sum(b * b for b in reference))
