"""At which temperature rows are scored: their own for policy gradients, 1 for texts, unless an objective says otherwise. Softmaxes written out."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch

from autotelic.learning.examples import example, pair
from autotelic.learning.learner import Learner, Optimizer
from autotelic.learning.objectives import DPO, KTO, NLL, SPPO, Mixture, Objective, PolicyGradient, Term, TokenScore, Unlikelihood
from autotelic.policies.policy import Policy
from autotelic.types import Example, Rollout, Task, Turn, TurnKind

Make = Callable[..., Policy]


def item(tokens: list[int], temperature: float, **columns: Any) -> Example:
    """One target, behind a prompt of all other tokens."""
    zeros = [0.0] * (len(tokens) - 1)
    return Example("r", tokens, [*zeros, 1.0], temperature=temperature, version=0, advantage=[*zeros, 1.0], old_logprobs=[*zeros, -2.0], **columns)


def logprob(policy: Policy, tokens: list[int], temperature: float) -> float:
    """log(exp(z_y / T) / sum exp(z / T)) of the last token."""
    with torch.no_grad():
        logits = policy.model.head(policy.model.hidden(torch.tensor([tokens[:-1]])))[0, -1].tolist()
    powers = [math.exp(z / temperature) for z in logits]
    return math.log(powers[tokens[-1]] / sum(powers))


def learned(policy: Policy, objective: Objective, items: list[Example], reference: Policy | None = None) -> float:
    return Learner(policy, Optimizer(), 0).learn(items, objective, reference=reference)["loss"]


@pytest.mark.parametrize(("temperature", "scored"), [(1.0, 1.0), (0.5, 0.5), (None, 0.7)])
def test_likelihood(temperature: float | None, scored: float, policy: Make) -> None:
    solver, tokens = policy(), [5, 9, 12]
    assert learned(policy(), NLL(temperature=temperature), [item(tokens, 0.7)]) == pytest.approx(-logprob(solver, tokens, scored), rel=1e-4)
    assert learned(policy(), Unlikelihood(temperature=temperature), [item(tokens, 0.7)]) == pytest.approx(
        -math.log(1 - math.exp(logprob(solver, tokens, scored))), rel=1e-4
    )


@pytest.mark.parametrize(("temperature", "scored"), [(1.0, 1.0), (None, 0.7)])
def test_pairs_and_their_reference(temperature: float | None, scored: float, policy: Make) -> None:
    solver, reference = policy(), policy(seed=1)
    better, worse = [5, 9, 12], [5, 9, 17]
    h = [logprob(solver, tokens, scored) - logprob(reference, tokens, scored) for tokens in (better, worse)]
    found = learned(policy(), DPO(beta=0.3, temperature=temperature), pair(item(better, 0.7), item(worse, 0.7)), reference)
    assert found == pytest.approx(math.log(1 + math.exp(-0.3 * (h[0] - h[1]))), rel=1e-4)


def test_policy_gradients_and_their_reference_at_the_temperature_of_sampling(policy: Make) -> None:
    solver, reference, tokens = policy(), policy(seed=1), [5, 9, 12]
    now, ref = logprob(solver, tokens, 0.7), logprob(reference, tokens, 0.7)
    objective = PolicyGradient(clip_low=1.0, clip_high=1e9, kl=0.1, kl_estimator="k2")
    found = learned(policy(), objective, [item(tokens, 0.7)], reference)
    assert found == pytest.approx(-math.exp(now + 2.0) + 0.1 * (now - ref) ** 2 / 2, rel=1e-4)


def test_each_term_of_a_mixture_at_its_own(policy: Make) -> None:
    solver, tokens = policy(), [5, 9, 12]
    terms = {"pg": Term(objective=PolicyGradient(clip_low=1.0, clip_high=1e9)), "nll": Term(objective=NLL(), coefficient=0.1)}
    found = learned(policy(), Mixture(terms=terms), [item(tokens, 0.7, part=part) for part in terms])
    assert found == pytest.approx(-math.exp(logprob(solver, tokens, 0.7) + 2.0) - 0.1 * logprob(solver, tokens, 1.0), rel=1e-4)


def test_which_objectives_have_a_temperature() -> None:
    row = item([1, 2], 0.7)
    for objective in (NLL(), Unlikelihood(), DPO(), SPPO(), KTO(), TokenScore()):
        assert objective.scored_at(row) == 1.0
        assert type(objective)(temperature=None).scored_at(row) == 0.7
    assert PolicyGradient().scored_at(row) == 0.7


def test_one_example_has_one_temperature() -> None:
    def turn(kind: TurnKind, temperature: float = 1.0) -> Turn:
        return Turn(kind, [3], [-1.0], temperature=temperature)

    two = Rollout("r", Task("t", ""), [turn(TurnKind.PROMPT), turn(TurnKind.ACTION, 0.7), turn(TurnKind.OBSERVATION), turn(TurnKind.ACTION, 1.0)])
    assert example(two, actions=[0]).temperature == 0.7
    assert example(two, actions=[1]).temperature == 1.0
    with pytest.raises(ValueError, match=r"rollout r: its actions were sampled at temperatures \[0\.7, 1\.0\]; make an example for each"):
        example(two)
