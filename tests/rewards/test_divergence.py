"""The KL penalty in the reward: log-probabilities written out, and a gradient that is that of the divergence."""

import math
from collections.abc import Callable

import pytest
import torch

from autotelic.policies.policy import Policy
from autotelic.rewards.divergence import divergences
from autotelic.types import Rollout, Task, Turn, TurnKind

Make = Callable[..., Policy]


def rollout(name: str, temperature: float, logprobs: list[float] | None) -> Rollout:
    turns = [Turn(TurnKind.PROMPT, [5, 6]), Turn(TurnKind.ACTION, [9, 12], logprobs, temperature=temperature)]
    return Rollout(name, Task("t", ""), turns)


def test_sums_over_sampled_tokens_at_their_temperature(policy: Make) -> None:
    reference = policy()
    found = divergences(reference, [rollout("a", 0.5, [-1.0, -2.0]), rollout("b", 1.0, [-1.5, -0.5])])
    with torch.no_grad():
        logits = reference.model.head(reference.model.hidden(torch.tensor([[5, 6, 9]])))[0, 1:]
    for value, (temperature, own) in zip(found, ((0.5, -3.0), (1.0, -2.0)), strict=True):
        logp = (logits / temperature).log_softmax(-1)
        assert value == pytest.approx(own - float(logp[0, 9] + logp[1, 12]), rel=1e-4)
    assert divergences(reference, [rollout("a", 1.0, [-1.0, -2.0])], "k3")[0] >= 0
    with pytest.raises(ValueError, match="rollout c: it has no log-probabilities"):
        divergences(reference, [rollout("c", 1.0, None)])


def test_the_policy_gradient_of_k1_in_the_reward_is_that_of_the_divergence() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(6, dtype=torch.double, generator=draw).requires_grad_(True)
    reference = torch.randn(6, dtype=torch.double, generator=draw).log_softmax(0)
    logp = logits.log_softmax(0)
    reward = -(logp - reference).detach()
    surrogate = torch.autograd.grad(-(logp.detach().exp() * reward * logp).sum(), logits, retain_graph=True)[0]
    torch.testing.assert_close(surrogate, torch.autograd.grad((logp.exp() * (logp - reference)).sum(), logits)[0])
    assert math.isfinite(float(surrogate.sum()))
