"""Self-training in which questions weigh by how much their answers differ: EAST."""

from collections import Counter
from collections.abc import Sequence
from math import log2
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.learning.examples import example
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.systems.base import variation
from autotelic.systems.self_training.raft.recipe import RewardRankedFineTuning
from autotelic.types import Example, Group


def disagreement(answers: Sequence[str | None]) -> float:
    """Entropy of the answers of a group, in bits; those that cannot be read are one more answer."""
    counts = Counter(answers)
    return -sum(count / len(answers) * log2(count / len(answers)) for count in counts.values())


@variation(name="east", system="EAST", paper="arXiv:2503.23913", catalogue=(284,), proxy="rewards/correct/mean")
class EntropyWeighted(RewardRankedFineTuning):
    """One right completion of every task that is sometimes solved is a target, and weighs more the more the answers to the task differ.

    Formula: loss = mean of f -log p(y | x), y a right completion drawn at random, of tasks with right and wrong answers; f = H^power / c, H the entropy of
    the task's answers in bits, c the mean of H^power over the tasks that are kept, so that weights are 1 on average.
    Ends: tasks all right or all wrong are left out; where none is left, nothing is learned.
    Fails: entropy is high where nothing is known, so that a large `power` favors luck; label/kept falls as the model improves.
    Differs: data are made anew each round, in the paper once; it also has the loss of DPO and that of KTO with these weights. In the authors' trainer c is
    given by hand, and a weight falls on its neighbor in the batch too.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("east/disagreement", "bits", "entropy of the answers to a task that is kept, mean", low=0.0),)

    power: float = Field(1.0, ge=0.0)
    """0 weighs all tasks alike."""

    def targets(self, ctx: Context, groups: Sequence[Group]) -> list[Example]:
        for group in groups:
            group.reward(correct=[ctx.world.verify(group.task, answer) for answer in group.answers])
        kept = [group for group in groups if 0 < sum(rollout.rewards["correct"] for rollout in group) < len(group)]
        found = [disagreement(group.answers) for group in kept]
        ctx.log(**{"label/kept": len(kept) / len(groups)}, **({"east/disagreement": fmean(found)} if found else {}))
        mean = fmean(entropy**self.power for entropy in found) if found else 1.0
        right = [[rollout for rollout in group if rollout.rewards["correct"]] for group in kept]
        drawn = [ctx.random("east", group.task.id).choice(some) for group, some in zip(kept, right, strict=True)]
        return [example(rollout, entropy**self.power / mean) for rollout, entropy in zip(drawn, found, strict=True)]
