"""What holds back a token whose probability has moved: numbers worked out by hand for one positive and one negative advantage."""

import math
from typing import Any

import pytest
import torch
from hand import MASK, TOTALS, batch, scores
from torch import Tensor

from autotelic.learning.objectives import PolicyGradient
from autotelic.learning.objectives.surrogates import cispo, clip, log_ratios, sapo

OLD = -MASK
UP = OLD + MASK * torch.tensor([[1.0, 4.0, 1.0], [1.0, 2.0, 1.0]]).log()  # ratios 4 and 1 in row 0, 2 in row 1


def gradient(objective: PolicyGradient, now: Tensor, advantage: Tensor, **changes: Any) -> tuple[float, Tensor]:
    """The loss and its gradient by the log-probabilities."""
    now = now.clone().requires_grad_(True)
    loss, _ = objective.loss(scores(now), batch(OLD, advantage * MASK, **changes), TOTALS)
    loss.backward()  # type: ignore[no-untyped-call]
    assert now.grad is not None
    return float(loss.detach()), now.grad


def test_ratios_of_tokens_sequences_and_products() -> None:
    assert log_ratios(UP, OLD, MASK, "token").exp()[MASK > 0].tolist() == pytest.approx([4.0, 1.0, 2.0])
    assert log_ratios(UP, OLD, MASK, "sequence").exp()[MASK > 0].tolist() == pytest.approx([2.0, 2.0, 2.0])  # sqrt(4 x 1), 2
    assert log_ratios(UP, OLD, MASK, "sum").exp()[MASK > 0].tolist() == pytest.approx([4.0, 4.0, 2.0])


def test_gspo_is_the_geometric_mean_with_one_clip_a_sequence() -> None:
    free = PolicyGradient(level="sequence", aggregation="sequence", clip_low=9.0, clip_high=9.0)
    loss, grad = gradient(free, UP, torch.tensor([[1.0], [-1.0]]))
    assert loss == pytest.approx(-(2.0 - 2.0) / 2)
    # d loss / d log p(token) = -s A / (|y| G): s = 2, |y| = 2 and 1, G = 2 sequences.
    torch.testing.assert_close(grad, torch.tensor([[0.0, -0.5, -0.5], [0.0, 1.0, 0.0]]))
    clipped = PolicyGradient(level="sequence", aggregation="sequence", clip_high=0.5)
    loss, grad = gradient(clipped, UP, torch.tensor([[1.0], [-1.0]]))
    assert loss == pytest.approx(-(1.5 - 2.0) / 2)
    torch.testing.assert_close(grad, torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))


def test_gspo_gives_each_token_the_gradient_of_its_own_advantage() -> None:
    advantage = torch.tensor([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]])
    _, grad = gradient(PolicyGradient(level="sequence", aggregation="sequence", clip_high=9.0), UP, advantage)
    torch.testing.assert_close(grad, torch.tensor([[0.0, -2.0 * 1 / 4, -2.0 * 3 / 4], [0.0, 0.0, 0.0]]))


def test_the_ratio_of_whole_sequences_reaches_all_their_tokens() -> None:
    loss, grad = gradient(PolicyGradient(level="sum", aggregation="sequence", clip_low=9.0, clip_high=9.0), UP, torch.tensor([[1.0], [-1.0]]))
    assert loss == pytest.approx(-(4.0 - 2.0) / 2)
    torch.testing.assert_close(grad, torch.tensor([[0.0, -2.0, -2.0], [0.0, 1.0, 0.0]]))


def test_the_second_bound_holds_large_ratios_of_bad_tokens() -> None:
    ratio, bad = torch.tensor([0.5, 1.1, 2.0, 9.0]), -torch.ones(4)
    gain, held = clip(ratio, bad, 0.2, 0.2, delta=4.0)
    assert gain.tolist() == pytest.approx([-0.8, -1.1, -2.0, -4.0])
    assert held.tolist() == [True, False, False, True]
    gain, held = clip(ratio, -bad, 0.2, 0.2, delta=4.0)
    assert gain.tolist() == pytest.approx([0.5, 1.1, 1.2, 1.2])
    assert held.tolist() == [False, False, True, True]
    assert clip(ratio, bad, 0.2, 0.2)[0].tolist() == pytest.approx([-0.8, -1.1, -2.0, -9.0])


def test_cispo_caps_the_weight_and_keeps_every_gradient() -> None:
    loss, grad = gradient(PolicyGradient(surrogate="cispo", clip_high=2.0), UP, torch.tensor([[1.0], [-1.0]]))
    logs = UP[MASK > 0].tolist()
    assert loss == pytest.approx(-(3.0 * logs[0] + 1.0 * logs[1] - 2.0 * logs[2]) / 3)
    torch.testing.assert_close(grad, torch.tensor([[0.0, -3.0 / 3, -1.0 / 3], [0.0, 2.0 / 3, 0.0]]))
    _, held = cispo(torch.tensor([4.0, 4.0]), torch.zeros(2), torch.tensor([1.0, -1.0]), 2.0)
    assert held.tolist() == [True, False]


def test_sapo_fades_the_gradient_by_the_sign_of_the_advantage() -> None:
    ratio = torch.tensor([1.0, 1.0, 2.0, 2.0], requires_grad=True)
    gain, _ = sapo(ratio, torch.tensor([1.0, -1.0, 1.0, -1.0]), 1.0, 1.05)
    upper = 1 / (1 + math.exp(-1.05))
    assert gain.tolist() == pytest.approx([2.0, -2 / 1.05, 4 / (1 + math.exp(-1)), -4 / 1.05 * upper])
    assert gain[2].item() == pytest.approx(2.924234)
    gain.sum().backward()  # type: ignore[no-untyped-call]
    assert ratio.grad is not None
    # 4 s (1 - s) A: the policy gradient at r = 1, and less of it further off, least where the advantage is negative.
    assert ratio.grad.tolist() == pytest.approx([1.0, -1.0, 4 * 0.731059 * 0.268941, -4 * upper * (1 - upper)], abs=1e-6)


def test_sapo_at_ratio_one_is_the_policy_gradient() -> None:
    advantage = torch.tensor([[1.0], [-2.0]])
    _, plain = gradient(PolicyGradient(), OLD, advantage)
    _, soft = gradient(PolicyGradient(surrogate="sapo"), OLD, advantage)
    torch.testing.assert_close(soft, plain)


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("surrogate", ["clip", "cispo", "sapo"])
def test_all_agree_before_anything_has_moved(surrogate: Any, level: Any) -> None:
    advantage = torch.tensor([[1.0], [-2.0]])
    _, plain = gradient(PolicyGradient(aggregation="sequence"), OLD, advantage)
    _, other = gradient(PolicyGradient(aggregation="sequence", surrogate=surrogate, level=level), OLD, advantage)
    torch.testing.assert_close(other, plain)


def test_the_entropy_bonus_over_all_tokens_beside_a_loss_by_sequences() -> None:
    entropy = torch.tensor([[9.0, 1.0, 2.0], [9.0, 6.0, 9.0]])

    def loss(**settings: Any) -> float:
        objective = PolicyGradient(entropy=0.1, aggregation="sequence", **settings)
        return float(objective.loss(scores(OLD, entropy), batch(OLD), TOTALS)[0])

    assert loss() == pytest.approx(-0.1 * (1.5 + 6) / 2)
    assert loss(entropy_aggregation="sequence") == loss()
    assert loss(entropy_aggregation="token") == pytest.approx(-0.1 * (1 + 2 + 6) / 3)


def test_bounds_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"delta = 1\.2 belongs to the surrogate 'clip', and must be above 1 \+ clip_high = 1\.2"):
        PolicyGradient(delta=1.2)
    with pytest.raises(ValueError, match="delta = 4 belongs to the surrogate 'clip'"):
        PolicyGradient(delta=4.0, surrogate="sapo")
    assert PolicyGradient(delta=4.0).delta == 4.0
