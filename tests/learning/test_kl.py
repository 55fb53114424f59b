"""What the estimators of KL pull towards when they are terms of a loss: exact expectations over six outcomes."""

from typing import Any

import pytest
import torch
from hand import MASK, OLD, TOTALS, batch, scores
from torch import Tensor

from autotelic.learning.objectives import PolicyGradient
from autotelic.learning.objectives.kl import Estimator, kl_terms


def outcomes() -> tuple[Tensor, Tensor]:
    """Logits of a policy and log-probabilities of a reference over six outcomes."""
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(6, dtype=torch.double, generator=draw).requires_grad_(True)
    return logits, torch.randn(6, dtype=torch.double, generator=draw).log_softmax(0)


def pull(estimator: Estimator, corrected: bool) -> Tensor:
    """The expected gradient by the logits of the estimator as a term of a loss, right after sampling."""
    logits, reference = outcomes()
    logp = logits.log_softmax(0)
    terms = kl_terms(logp, reference, estimator)
    ratio = (logp - logp.detach()).exp() if corrected else 1.0
    return torch.autograd.grad((logp.detach().exp() * terms * ratio).sum(), logits)[0]


def exact(forward: bool) -> Tensor:
    """The gradient of KL(policy || reference), or the other way round."""
    logits, reference = outcomes()
    logp = logits.log_softmax(0)
    divergence = (reference.exp() * (reference - logp)).sum() if forward else (logp.exp() * (logp - reference)).sum()
    return torch.autograd.grad(divergence, logits)[0]


def test_the_gradients_of_the_estimators() -> None:
    assert float(pull("k1", False).abs().max()) < 1e-12, "k1 pulls nowhere"
    torch.testing.assert_close(pull("k2", False), exact(forward=False))
    torch.testing.assert_close(pull("k3", False), exact(forward=True))
    for estimator in ("k1", "k3"):
        torch.testing.assert_close(pull(estimator, True), exact(forward=False))


def test_k1_is_refused_as_a_term_of_a_loss() -> None:
    with pytest.raises(ValueError, match="kl_estimator = 'k1' has an expected gradient of 0 as a term of a loss"):
        PolicyGradient(kl=0.1, kl_estimator="k1")
    assert PolicyGradient(kl=0.1, kl_estimator="k1", kl_corrected=True).needs_reference


@pytest.mark.parametrize(("estimator", "value"), [("k1", 0.5), ("k2", 0.125), ("k3", 0.5 - 1 + 0.606531)])
def test_the_corrected_estimate_is_weighed_by_the_ratio(estimator: Any, value: float) -> None:
    now = OLD + MASK * torch.tensor(2.0).log()
    objective = PolicyGradient(kl=0.1, kl_estimator=estimator, kl_corrected=True)
    loss, metrics = objective.loss(scores(now), batch(OLD, reference=now - 0.5 * MASK), TOTALS)
    assert float(loss) == pytest.approx(0.1 * 2 * value, abs=1e-6)
    assert metrics["kl"] == pytest.approx(value, abs=1e-6)
