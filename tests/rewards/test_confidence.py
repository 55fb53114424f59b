"""The policy's confidence as a reward, and graded scores."""

import math
from collections.abc import Callable

import pytest
import torch

from autotelic.policies.policy import Policy
from autotelic.rewards.confidence import confidence
from autotelic.rewards.graded import prefix_share
from autotelic.types import Rollout, Task, Turn, TurnKind

TASK = Task("t", "1+1=")


def rollout(name: str, temperature: float, turns: list[tuple[TurnKind, list[int]]]) -> Rollout:
    return Rollout(name, TASK, [Turn(kind, tokens, temperature=temperature) for kind, tokens in turns])


P, A, O = TurnKind.PROMPT, TurnKind.ACTION, TurnKind.OBSERVATION  # noqa: E741


def test_confidence_is_a_mean_over_the_last_action_at_its_temperature(policy: Callable[..., Policy]) -> None:
    solver = policy()
    rollouts = [
        rollout("a", 0.5, [(P, [5, 6]), (A, [7, 8, 9])]),
        rollout("b", 1.0, [(P, [5, 6]), (A, [7]), (O, [10, 11]), (A, [12, 13])]),
        rollout("c", 0.5, [(P, [5]), (A, [9, 9, 9, 9]), (O, [20, 21])]),
    ]
    spans = {"a": (2, 5), "b": (5, 7), "c": (1, 5)}
    expected: dict[str, list[float]] = {"certainty": [], "entropy": [], "logprob": []}
    for member in rollouts:
        start, end = spans[member.id]
        tokens = torch.tensor(member.tokens)
        with torch.no_grad():
            logits = solver.model.head(solver.model.hidden(tokens[None]))[0, start - 1 : end - 1] / member.turns[0].temperature
        logp = logits.log_softmax(-1)
        expected["certainty"].append(float((logits.logsumexp(-1) - logits.mean(-1)).mean()))
        expected["entropy"].append(float((logp.exp() * logp).sum(-1).mean()))
        expected["logprob"].append(float(logp.gather(1, tokens[start:end, None]).mean()))
    for kind, values in expected.items():
        assert confidence(solver, rollouts, kind) == pytest.approx(values, abs=1e-4)  # type: ignore[arg-type]
        assert confidence(solver, rollouts[::-1], kind) == pytest.approx(values[::-1], abs=1e-4)  # type: ignore[arg-type]


def test_certainty_is_log_v_for_the_uniform_distribution_and_grows_with_confidence(policy: Callable[..., Policy]) -> None:
    solver = policy()
    item = rollout("a", 1.0, [(P, [5]), (A, [6, 7])])
    found = []
    for scale in (0.0, 0.5, 1.0, 2.0):
        with torch.no_grad():
            solver.model.get_parameter("model.norm.weight").fill_(scale)
        found.append(confidence(solver, [item], "certainty")[0])
    assert found[0] == pytest.approx(math.log(solver.model.vocab_size), abs=1e-5)
    assert found == sorted(found)
    assert found[0] < found[-1]


@pytest.mark.parametrize(
    ("text", "gold", "share"),
    [
        ("abcd", "abcd", 1.0),
        ("abxd", "abcd", 0.5),
        ("", "abcd", 0.0),
        ("abc", "abcd", 0.75),
        ("abcde", "abcd", 0.75),
        ("xbcd", "abcd", 0.0),
        ("", "", 1.0),
        ("a", "", 0.0),
    ],
)
def test_prefix_share(text: str, gold: str, share: float) -> None:
    assert prefix_share(text, gold) == share
