"""What a policy thinks of a text, read off reserved tokens that it would write next, and the examples that teach it to say so.

One token whose log-probability is the score (LaSeR), or two against each other (the value model of ReST-MCTS*). Nothing is sampled.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from autotelic.errors import SettingError
from autotelic.learning.examples import written
from autotelic.policies.policy import Policy
from autotelic.types import Example, Group, Rollout


def reserved(policy: Policy, token: str) -> int:
    """The id of a token that no text has.

    Raises:
        SettingError: the vocabulary has no such token.
    """
    vocabulary = policy.tokenizer.inner.get_vocab()
    if token not in vocabulary:
        raise SettingError(f"token = {token!r}: the model's vocabulary has no such token")
    return int(vocabulary[token])


def last_token_scores(policy: Policy, groups: Sequence[Group], z: int, beta: float, constant: float) -> dict[str, float]:
    """beta (log p(z | x, y) - constant) at temperature 1 by rollout, of the rollouts that were not cut off."""
    ended = [rollout for group in groups for rollout in group if not rollout.truncated]
    found = policy.scores([[*rollout.tokens, z] for rollout in ended], [len(rollout.tokens) for rollout in ended])
    return {rollout.id: beta * (float(score.logprobs[0]) - constant) for rollout, score in zip(ended, found, strict=True)}


def score_examples(rollouts: Sequence[Rollout], z: int) -> list[Example]:
    """z after each rollout as the one target, to score the reward "correct" (objective `TokenScore`); right and wrong rollouts weigh the same in sum."""
    counts = Counter(rollout.rewards["correct"] for rollout in rollouts)
    examples = []
    for rollout in rollouts:
        right = rollout.rewards["correct"]
        item = written(rollout.id, rollout.tokens, [z], weight=len(rollouts) / (2 * counts[right]), task=rollout.task)
        item.part, item.extra = "score", {"target": right}
        examples.append(item)
    return examples


class ValueModel:
    """A policy that says what a partial solution is worth by which of two reserved tokens it would write next: p(high) / (p(high) + p(low))."""

    def __init__(self, policy: Policy, high: str, low: str) -> None:
        self.policy = policy
        self.high, self.low = policy.tokenizer.encode(high)[0], policy.tokenizer.encode(low)[0]

    def __call__(self, rollouts: Sequence[Rollout]) -> list[float]:
        found = self.policy.next_logprobs([rollout.tokens for rollout in rollouts])
        return (found[:, self.high] - found[:, self.low]).sigmoid().tolist() if len(found) else []

    def lessons(self, values: Mapping[str, float], rollouts: Sequence[Rollout]) -> list[Example]:
        """What teaches it the value of each rollout, by id: each of the two tokens, weighted by its share. None for one that fills the context."""
        return [
            written(f"{rollout.id}/{token}", rollout.tokens, [token], weight, rollout.task)
            for rollout in rollouts
            if len(rollout.tokens) < self.policy.model.context
            for token, weight in ((self.high, values[rollout.id]), (self.low, 1 - values[rollout.id]))
            if weight > 0
        ]
