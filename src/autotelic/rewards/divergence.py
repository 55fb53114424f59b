"""The KL penalty as a reward, beside a task's own, instead of as a term of the loss."""

from collections.abc import Sequence

import torch

from autotelic.learning.examples import example, prompt_length
from autotelic.learning.objectives.kl import Estimator, kl_terms
from autotelic.policies.policy import Policy
from autotelic.types import Rollout


def divergences(reference: Policy, rollouts: Sequence[Rollout], estimator: Estimator = "k1") -> list[float]:
    """An estimate of KL(policy || reference) of each rollout in nats: the sum over its sampled tokens, at the temperature of sampling.

    As a reward, `group.reward(kl=[-beta * value for value in divergences(ctx.start("solver"), group.rollouts)])` is the penalty of RLHF (arXiv:2203.02155):
    the policy gradient of it is that of the divergence, with k1 too.

    Raises:
        ValueError: a rollout without behavior log-probabilities.
    """
    items = [example(rollout) for rollout in rollouts]
    found: dict[int, float] = {}
    for temperature in sorted({item.temperature for item in items}):
        same = [place for place, item in enumerate(items) if item.temperature == temperature]
        starts = [prompt_length(items[place]) for place in same]
        for place, start, scores in zip(same, starts, reference.scores([items[place].tokens for place in same], starts, temperature), strict=True):
            old = items[place].old_logprobs
            if old is None:
                raise ValueError(f"rollout {items[place].rollout}: it has no log-probabilities of the policy that wrote it")
            terms = kl_terms(torch.tensor(old[start:]), scores.logprobs, estimator)
            found[place] = float((terms * torch.tensor(items[place].mask[start:])).sum())
    return [found[place] for place in range(len(items))]
