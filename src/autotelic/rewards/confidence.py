"""The policy's own confidence as a reward. All of these can be gamed by confident nonsense: watch the truth on the probe."""

from collections.abc import Sequence
from typing import Literal

from autotelic.policies.policy import Policy
from autotelic.types import Rollout

Kind = Literal["certainty", "entropy", "logprob"]


def confidence(policy: Policy, rollouts: Sequence[Rollout], kind: Kind) -> list[float]:
    """One number per rollout, a mean over the tokens of its last action, scored by `policy` as it is now.

    "certainty": mean of logsumexp(z) - mean(z), Intuitor's self-certainty (arXiv:2505.19590), large when confident. "entropy": mean negative
    entropy in nats (entropy-only control; arXiv:2505.15134). "logprob": mean log-probability of the sampled tokens.
    """
    temperatures = {rollout.actions[-1].temperature for rollout in rollouts}
    values: dict[str, float] = {}
    for temperature in sorted(temperatures):
        same = [rollout for rollout in rollouts if rollout.actions[-1].temperature == temperature]
        starts = [len(rollout.tokens) - len(rollout.turns[-1].tokens) for rollout in same]
        for rollout, scores in zip(same, policy.scores([rollout.tokens for rollout in same], starts, temperature), strict=True):
            column = {"certainty": scores.certainty, "entropy": -scores.entropy, "logprob": scores.logprobs}[kind]
            values[rollout.id] = float(column.mean())
    return [values[rollout.id] for rollout in rollouts]
