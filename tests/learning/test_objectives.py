"""Objectives on tensors small enough to work out by hand."""

import math
from typing import Any

import pytest
import torch
from hand import MASK, OLD, TOTALS, batch, scores
from torch import Tensor

from autotelic.learning.objectives import (
    DPO,
    NLL,
    SPPO,
    Mixture,
    Objective,
    PolicyGradient,
    Term,
    TokenScore,
    Totals,
)
from autotelic.learning.objectives.kl import kl_terms
from autotelic.types import Example

LOG2 = math.log(2)


def sigmoid_loss(x: float) -> float:
    return math.log(1 + math.exp(-x))


NOW = OLD + MASK * torch.tensor([[1.0, 1.5, 0.5], [1.0, 0.5, 1.0]]).log()
ADVANTAGE = torch.tensor([[0.0, 1.0, 1.0], [0.0, -2.0, 0.0]])


@pytest.mark.parametrize(
    ("aggregation", "weights", "expected"),
    [
        ("token", (1.0, 1.0), -(1.28 + 0.5 - 1.6) / 3),
        ("sequence", (1.0, 1.0), -((1.28 + 0.5) / 2 - 1.6) / 2),
        ("constant", (1.0, 1.0), -(1.28 + 0.5 - 1.6) / 20),
        ("token", (1.0, 0.5), -(1.28 + 0.5 - 0.8) / 3),
        ("sequence", (3.0, 0.0), -3 * (1.28 + 0.5) / 2 / 2),
    ],
)
def test_policy_gradient_clips_on_both_sides(aggregation: Any, weights: tuple[float, float], expected: float) -> None:
    objective = PolicyGradient(clip_low=0.2, clip_high=0.28, aggregation=aggregation, constant=10)
    loss, metrics = objective.loss(scores(NOW), batch(OLD, ADVANTAGE, weight=torch.tensor(weights)), TOTALS)
    assert float(loss) == pytest.approx(expected, abs=1e-6)
    assert metrics["clip_ratio/region_mean"] == pytest.approx(2 / 3)


def test_clipped_tokens_have_no_gradient_and_pessimism_keeps_the_others() -> None:
    now = NOW.clone().requires_grad_(True)
    PolicyGradient(clip_low=0.2, clip_high=0.28).loss(scores(now), batch(OLD, ADVANTAGE), TOTALS)[0].backward()  # type: ignore[no-untyped-call]
    assert now.grad is not None
    torch.testing.assert_close(now.grad, torch.tensor([[0.0, 0.0, -0.5 / 3], [0.0, 0.0, 0.0]]))
    # The other side of each bound is not clipped: a ratio of 1.5 at a negative advantage, .5 at a positive one.
    now = NOW.clone().requires_grad_(True)
    PolicyGradient(clip_low=0.2, clip_high=0.28).loss(scores(now), batch(OLD, -ADVANTAGE), TOTALS)[0].backward()  # type: ignore[no-untyped-call]
    assert now.grad is not None
    torch.testing.assert_close(now.grad, torch.tensor([[0.0, 1.5 / 3, 0.0], [0.0, -1.0 / 3, 0.0]]))


def test_rows_that_were_not_sampled_have_ratio_one() -> None:
    now = NOW.clone().requires_grad_(True)
    loss, metrics = PolicyGradient().loss(scores(now), batch(OLD, ADVANTAGE, sampled=torch.zeros(2)), TOTALS)
    loss.backward()  # type: ignore[no-untyped-call]
    assert now.grad is not None
    assert float(loss.detach()) == 0.0
    torch.testing.assert_close(now.grad, -ADVANTAGE / 3)
    assert metrics["clip_ratio/region_mean"] == 0.0


@pytest.mark.parametrize(("estimator", "expected"), [("k1", LOG2), ("k2", LOG2**2 / 2), ("k3", 0.5 - 1 + LOG2)])
def test_kl_estimators(estimator: Any, expected: float) -> None:
    assert float(kl_terms(torch.tensor(-1.0), torch.tensor(-1.0 - LOG2), estimator)) == pytest.approx(expected)
    now = torch.full((2, 3), -1.0)
    objective = PolicyGradient(kl=0.1, kl_estimator=estimator, kl_corrected=True)  # the ratio is 1 here
    loss, metrics = objective.loss(scores(now), batch(now, reference=now - LOG2), TOTALS)
    assert float(loss) == pytest.approx(0.1 * expected)
    assert metrics["kl"] == pytest.approx(expected)
    assert objective.needs_reference
    assert not objective.skips_rows_without_advantage


def test_kl_estimators_agree_on_average() -> None:
    policy, reference = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.4, 0.4, 0.2])
    exact = float((policy * (policy / reference).log()).sum())
    for estimator in ("k1", "k3"):
        assert float((policy * kl_terms(policy.log(), reference.log(), estimator)).sum()) == pytest.approx(exact, abs=1e-6)


def test_entropy_is_a_bonus() -> None:
    entropy = torch.tensor([[9.0, 1.0, 2.0], [9.0, 3.0, 9.0]])
    loss, metrics = PolicyGradient(entropy=0.01).loss(scores(OLD, entropy), batch(OLD), TOTALS)
    assert float(loss) == pytest.approx(-0.01 * 2)
    assert metrics["entropy"] == pytest.approx(2)


def test_what_the_policy_gradient_refuses() -> None:
    def item(**changes: Any) -> Example:
        return Example(
            **{"rollout": "r", "tokens": [1, 2], "mask": [0, 1], "advantage": [0, 1.0], "old_logprobs": [0, -1.0], "version": 3, **changes}
        )

    strict, loose = PolicyGradient(), PolicyGradient(staleness=2, allow_off_policy=True)
    assert strict.refuse(item(), 3) is None
    assert strict.refuse(item(), 4) == "it is off-policy: 1 updates old, and staleness allows 0"
    assert loose.refuse(item(), 5) is None
    assert "3 updates old" in (loose.refuse(item(), 6) or "")
    for changes in ({"old_logprobs": None}, {"version": None}):
        assert "was not sampled as it stands" in (strict.refuse(item(**changes), 3) or "")
        assert loose.refuse(item(**changes), 3) is None
    assert loose.refuse(item(advantage=None), 3) == "it has no advantage"


def test_likelihood() -> None:
    weighted = batch(OLD, weight=torch.tensor([1.0, 0.5]))
    loss, _ = NLL().loss(scores(OLD), weighted, TOTALS)
    assert float(loss) == pytest.approx((1 + 2 + 1.5) / 3)
    loss, _ = NLL(aggregation="sequence").loss(scores(OLD), weighted, TOTALS)
    assert float(loss) == pytest.approx((1 + 2 + 1.5) / 2)


def pair_loss(objective: Objective, h_chosen: float, h_rejected: float, weight: float = 1.0, **extra: Tensor) -> tuple[float, dict[str, float]]:
    """The rejected side is row 0, with two target tokens; the chosen one is row 1, with one. The reference gives -1 to every token."""
    reference = -MASK
    now = reference + torch.tensor([[5.0, h_rejected / 2, h_rejected / 2], [5.0, h_chosen, 7.0]])
    sides: dict[str, Any] = {
        "chosen": torch.tensor([1]),
        "rejected": torch.tensor([0]),
        "reference": reference,
        "weight": torch.full((2,), weight),
        "extra": extra,
    }
    loss, metrics = objective.loss(scores(now), batch(reference, **sides), TOTALS)
    return float(loss), metrics


def test_dpo() -> None:
    loss, metrics = pair_loss(DPO(beta=0.1), 1.0, -1.0)
    assert loss == pytest.approx(sigmoid_loss(0.2))
    assert loss == pytest.approx(0.598139, abs=1e-6)
    assert metrics == pytest.approx({"rewards/chosen": 0.1, "rewards/rejected": -0.1, "rewards/accuracies": 1.0, "rewards/margins": 0.2})
    assert pair_loss(DPO(), 0.0, 0.0)[0] == pytest.approx(LOG2)
    assert pair_loss(DPO(beta=2.0), -1.0, 1.0, weight=0.25)[0] == pytest.approx(0.25 * sigmoid_loss(-4.0))


def test_ipo() -> None:
    assert pair_loss(DPO(kind="ipo", beta=0.1), 1.0, -1.0)[0] == pytest.approx((2 - 5) ** 2)
    assert pair_loss(DPO(kind="ipo", beta=0.25), 1.0, -1.0)[0] == pytest.approx(0.0, abs=1e-12)


def test_spin() -> None:
    assert pair_loss(DPO(beta=0.1), 0.25, -0.25)[0] == pytest.approx(0.66846, abs=1e-5)
    assert pair_loss(DPO(beta=0.1, kind="hinge"), 0.25, -0.25)[0] == pytest.approx(0.95)
    assert pair_loss(DPO(beta=1.0, kind="hinge"), 2.0, 0.5)[0] == 0.0


def test_sppo() -> None:
    win = torch.tensor([0.1, 0.9])  # row 0 is the rejected side
    assert pair_loss(SPPO(), 0.0, 0.0, win=win)[0] == pytest.approx(160_000, rel=1e-5)
    assert pair_loss(SPPO(), 50.0, -50.0, win=win)[0] == pytest.approx(122_500, rel=1e-5)
    assert pair_loss(SPPO(beta=0.4), 1.0, -1.0, win=win)[0] == pytest.approx(0.0, abs=1e-10)
    side = Example("r", [1, 2], [0, 1], pair="a>b", side="chosen")
    assert SPPO().refuse(side, 0) == "it has no extra['win']"
    side.extra["win"] = 0.9
    assert SPPO().refuse(side, 0) is None


def test_scpo() -> None:
    # log p of the chosen side is its reference -1 plus h = 1, over one token: its likelihood term is 0 here and 1.5 below.
    assert pair_loss(DPO(beta=0.5, nll=1.0), 1.0, -1.0, weight=0.5)[0] == pytest.approx(0.5 * sigmoid_loss(1.0))
    assert pair_loss(DPO(beta=0.5, nll=2.0), -0.5, -0.5)[0] == pytest.approx(LOG2 + 2.0 * 1.5)


def test_the_likelihood_term_of_scpo_is_a_mean_over_tokens() -> None:
    now = -MASK * torch.tensor([[0.0, 1.0, 3.0], [0.0, 1.0, 0.0]])
    sides = {"chosen": torch.tensor([0]), "rejected": torch.tensor([1])}
    loss, _ = DPO(beta=1.0, nll=1.0).loss(scores(now), batch(now, reference=now, **sides), TOTALS)
    assert float(loss) == pytest.approx(LOG2 + (1 + 3) / 2)


@pytest.mark.parametrize("objective", [DPO(), DPO(kind="ipo"), SPPO(), DPO(nll=1.0)])
def test_pair_losses_need_a_reference_and_refuse_lone_examples(objective: Objective) -> None:
    assert objective.needs_reference
    assert objective.refuse(Example("r", [1, 2], [0, 1]), 0) == "it is no side of a pair"


def test_token_score_is_the_squared_error_of_the_scaled_log_probability() -> None:
    mask = torch.tensor([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    now = scores(torch.tensor([[0.0, -9.0, -13.0], [0.0, -23.0, -9.0]]))
    both = batch(OLD, mask=mask, weight=torch.tensor([1.0, 0.5]), extra={"target": torch.tensor([1.0, 1.0])})
    # .1 (-13 + 23) = 1 hits its target; .1 (-23 + 23) = 0 misses it by 1, at half weight.
    loss, _ = TokenScore(beta=0.1, offset=-23.0).loss(now, both, TOTALS)
    assert float(loss) == pytest.approx(0.5 / 2)
    assert TokenScore().refuse(Example("r", [1], [1.0]), 0) == "it has no extra['target']"


def test_a_mixture_adds_its_terms_over_their_own_rows() -> None:
    both = batch(OLD, ADVANTAGE, parts=("a", "b"))
    parts = {"a": Totals(tokens=2, sequences=1, pairs=1, scored=2), "b": Totals(tokens=1, sequences=1, pairs=1, scored=1)}
    mixture = Mixture(terms={"a": PolicyGradient(), "b": Term(objective=NLL(), coefficient=0.1)})
    loss, metrics = mixture.loss(scores(NOW), both, Totals(3, 2, 1, 3, parts))
    one = torch.tensor([0])
    alone, _ = PolicyGradient().loss(scores(NOW).select(one), both.select(one), parts["a"])
    assert float(loss) == pytest.approx(float(alone) + 0.1 * float(-NOW[1, 1]), abs=1e-6)
    assert {"a/entropy", "b/entropy"} <= metrics.keys()
    item = Example("r", [1], [1.0], advantage=[0.0], old_logprobs=[0.0], version=0, part="a")
    assert mixture.adds_nothing(item) and not mixture.adds_nothing(Example("r", [1], [1.0], part="b"))
    assert mixture.refuse(Example("r", [1], [1.0], part="c"), 0) == "its part 'c' is none of ['a', 'b']"


def test_a_tokens_own_kl_multiple() -> None:
    twice = torch.tensor([[1.0, 10.0, 0.0], [1.0, 1.0, 1.0]])
    objective = PolicyGradient(kl=0.5, kl_estimator="k2")
    plain = batch(OLD, reference=OLD, kl=None)
    loss, _ = objective.loss(scores(NOW), batch(OLD, reference=OLD, kl=twice), TOTALS)
    base, _ = PolicyGradient(kl=0.0).loss(scores(NOW), plain, TOTALS)
    d = (NOW - OLD) * MASK
    assert float(loss - base) == pytest.approx(0.5 * float((d.square() / 2 * twice).sum()) / 3, abs=1e-6)
