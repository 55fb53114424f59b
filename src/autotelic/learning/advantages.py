"""Named rewards to advantages, written on rollouts. Baselines are keyed, never positional.

The stateless ones take groups; `MovingAverage` holds state and is saved with the weights.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import Literal

from autotelic.errors import TrainingError, nearest
from autotelic.types import Group, Rollout, finite

Key = Callable[[Rollout], Hashable]
Scale = Literal["none", "std", "batch"]
"""What centered rewards are divided by: nothing, the standard deviation of the group, or that of the whole batch."""
EPSILON = 1e-6


def total(rollout: Rollout, weights: Mapping[str, float] | None = None) -> float:
    """The weighted sum of a rollout's named rewards; every weight is 1 by default, a name without a weight counts 0, and so does a reward that abstained.

    Raises:
        TrainingError: a reward that is not finite, or a weight for one that the rollout was not given.
    """
    if weights is None:
        return sum(finite(rollout, name, value) for name, value in rollout.rewards.items())
    if lacking := [name for name in weights if name not in rollout.rewards and name not in rollout.abstained]:
        raise TrainingError(f"rollout {rollout.id} has no reward {lacking[0]!r}; {nearest(lacking[0], rollout.rewards)}")
    return sum(weight * finite(rollout, name, rollout.rewards[name]) for name, weight in weights.items() if name in rollout.rewards)


def abstains(rollout: Rollout, weights: Mapping[str, float] | None = None) -> bool:
    """Whether all rewards that count abstained on a rollout: it is no part of any mean, and its advantage is 0."""
    return bool(rollout.abstained) and not any(weights is None or name in weights for name in rollout.rewards)


def rewarded(rollouts: Iterable[Rollout], weights: Mapping[str, float] | None) -> tuple[list[Rollout], list[float]]:
    """The rollouts that have a reward, and what it sums to; the others get the advantage 0."""
    kept = []
    for rollout in rollouts:
        if abstains(rollout, weights):
            rollout.advantage = 0.0
        else:
            kept.append(rollout)
    return kept, [total(rollout, weights) for rollout in kept]


def center(
    groups: Sequence[Group], scale: Scale = "none", ddof: int = 1, weights: Mapping[str, float] | None = None, eps: float = EPSILON
) -> Sequence[Group]:
    """Reward minus the group's mean, optionally divided by (std + eps): GRPO (arXiv:2402.03300) with "std", Dr. GRPO (arXiv:2503.20783) with "none".

    "batch" divides by the standard deviation of all rewards of all groups together (arXiv:2508.08221, as TRL's scale_rewards="batch"). ddof 1 is verl's
    and TRL's unbiased std, 0 the biased one; eps is 1e-6 in verl and 1e-4 in TRL. A group of one, or of equal rewards, gets 0.
    A rollout on which all rewards abstained gets 0 too, and counts in no mean.
    """
    found = [rewarded(group, weights) for group in groups]
    spread = deviation([value for _, values in found for value in values], ddof) + eps if scale == "batch" else 1.0
    for rollouts, values in found:
        for rollout, value in zip(rollouts, standardize(values, scale == "std", ddof, eps), strict=True):
            rollout.advantage = value / spread
    return groups


def standardize(values: Sequence[float], divide: bool, ddof: int = 1, eps: float = EPSILON) -> list[float]:
    """Values minus their mean, over (std + eps) if `divide`; zeros where all are equal, whatever rounding says."""
    if len(set(values)) < 2:
        return [0.0] * len(values)
    mean = fmean(values)
    spread = deviation(values, ddof) + eps if divide else 1.0
    return [(value - mean) / spread for value in values]


def deviation(values: Sequence[float], ddof: int = 1) -> float:
    """The standard deviation; 0 where there are too few values for it."""
    if len(values) <= ddof:
        return 0.0
    mean = fmean(values)
    return float((sum((value - mean) ** 2 for value in values) / (len(values) - ddof)) ** 0.5)


def leave_one_out(groups: Sequence[Group], weights: Mapping[str, float] | None = None) -> Sequence[Group]:
    """Reward minus the mean of the others in the group: RLOO (arXiv:2402.14740). A group of one gets 0."""
    for group in groups:
        rollouts, values = rewarded(group, weights)
        for rollout, value in zip(rollouts, against_others(values), strict=True):
            rollout.advantage = value
    return groups


def against_others(values: Sequence[float]) -> list[float]:
    """Each value minus the mean of the others; zeros where all are equal, or there is but one."""
    if len(set(values)) < 2:
        return [0.0] * len(values)
    summed, others = sum(values), len(values) - 1
    return [value - (summed - value) / others for value in values]


def over_sets(values: Sequence[float], keys: Sequence[Hashable], size: int) -> list[float]:
    """The polychromic advantage (arXiv:2509.25424) of each sample of a group: what its sets are worth on average, minus what all sets are worth.

    A set is any `size` of the samples, and is worth the mean of its values times the share of different keys in it. All members of a set share its worth.
    """
    total_of, count_of, worths = [0.0] * len(values), [0] * len(values), []
    for chosen in combinations(range(len(values)), size):
        worth = fmean(values[i] for i in chosen) * len({keys[i] for i in chosen}) / size
        worths.append(worth)
        for i in chosen:
            total_of[i] += worth
            count_of[i] += 1
    mean = fmean(worths) if worths else 0.0
    return [summed / count - mean if count else 0.0 for summed, count in zip(total_of, count_of, strict=True)]


class MovingAverage:
    """Reward minus an exponential moving average by key, read before it is updated: SPIRAL's role-conditioned baseline
    (arXiv:2506.24119): b <- decay b + (1 - decay) r, from 0. Save it with `state`, or it warms up again after every restart."""

    def __init__(self, decay: float = 0.95) -> None:
        self.decay = decay
        self.state: dict[str, float] = {}

    def __call__(self, rollouts: Iterable[Rollout], key: Key, weights: Mapping[str, float] | None = None) -> None:
        """Write the advantage of each rollout, in order."""
        for rollout, value in zip(*rewarded(rollouts, weights), strict=True):
            name = repr(key(rollout))
            baseline = self.state.get(name, 0.0)
            rollout.advantage = value - baseline
            self.state[name] = self.decay * baseline + (1 - self.decay) * value


def by_action(rollout: Rollout, values: Sequence[float]) -> None:
    """Write an advantage that differs between the actions of a rollout: one value per action, in order.

    Raises:
        ValueError: not exactly one value per action.
    """
    rollout.advantage = [value for turn, value in zip(rollout.actions, values, strict=True) for _ in turn.tokens]


def whiten(rollouts: Sequence[Rollout], key: Key, weights: Mapping[str, float] | None = None) -> None:
    """Reward minus mean over std of all action tokens in the same bucket: REINFORCE++ as the Absolute Zero Reasoner uses it, where
    buckets (task type x role) never share statistics. Every token of a rollout counts once; biased std, plus 1e-6."""
    buckets: dict[Hashable, list[Rollout]] = defaultdict(list)
    for rollout in rollouts:
        buckets[key(rollout)].append(rollout)
    for bucket in buckets.values():
        members, values = rewarded(bucket, weights)
        sizes = [sum(len(turn.tokens) for turn in rollout.actions) for rollout in members]
        tokens = max(sum(sizes), 1)
        mean = sum(n * v for n, v in zip(sizes, values, strict=True)) / tokens
        spread = (sum(n * (v - mean) ** 2 for n, v in zip(sizes, values, strict=True)) / tokens) ** 0.5 + EPSILON
        for rollout, value in zip(members, values, strict=True):
            rollout.advantage = 0.0 if len(set(values)) < 2 else (value - mean) / spread
