"""The policy's own confidence as a reward. All of these can be gamed by confident nonsense: watch the truth on the probe."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from autotelic.policies.policy import Policy
from autotelic.types import Rollout, TurnKind

Kind = Literal["certainty", "entropy", "logprob"]


def upto_last_action(rollout: Rollout) -> list[int]:
    """The tokens of a rollout without what came after its last action."""
    last = max(place for place, turn in enumerate(rollout.turns) if turn.kind is TurnKind.ACTION)
    return [token for turn in rollout.turns[: last + 1] for token in turn.tokens]


def logprobs_after_prompt(policy: Policy, rollouts: Sequence[Rollout]) -> list[Tensor]:
    """(T,) of each rollout: the log-probabilities, at temperature 1, of all tokens after its prompt, scored by `policy` as it is now."""
    found = policy.scores([rollout.tokens for rollout in rollouts], [len(rollout.turns[0].tokens) for rollout in rollouts])
    return [scores.logprobs for scores in found]


def confidence(policy: Policy, rollouts: Sequence[Rollout], kind: Kind) -> list[float]:
    """One number per rollout, a mean over the tokens of its last action, scored by `policy` as it is now; 0 where it has none.

    "certainty": mean of logsumexp(z) - mean(z), Intuitor's self-certainty (arXiv:2505.19590), large when confident. "entropy": mean negative
    entropy in nats (entropy-only control; arXiv:2505.15134). "logprob": mean log-probability of the sampled tokens.
    """
    acted = [rollout for rollout in rollouts if rollout.actions]
    values = dict.fromkeys((rollout.id for rollout in rollouts), 0.0)
    for temperature in sorted({rollout.actions[-1].temperature for rollout in acted}):
        same = [rollout for rollout in acted if rollout.actions[-1].temperature == temperature]
        paths = [upto_last_action(rollout) for rollout in same]
        starts = [len(path) - len(rollout.actions[-1].tokens) for path, rollout in zip(paths, same, strict=True)]
        for rollout, scores in zip(same, policy.scores(paths, starts, temperature), strict=True):
            column = {"certainty": scores.certainty, "entropy": -scores.entropy, "logprob": scores.logprobs}[kind]
            values[rollout.id] = float(column.mean())
    return [values[rollout.id] for rollout in rollouts]
