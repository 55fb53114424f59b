"""Several models that vote together and learn from the vote: RLCCF."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.answers.votes import heaviest, vote
from autotelic.episodes.accuracy import team
from autotelic.learning.advantages import center
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Metrics, Task, World

Answers = Sequence[str | None]


def consistency(answers: Answers) -> float:
    """Self-consistency of one model on one task: the share of all its answers that its own majority has; 0 where none parses."""
    return max(vote(answers).votes, default=0) / len(answers) if answers else 0.0


def collective(ballots: Sequence[Answers], weighted: bool = True) -> tuple[str | None, float]:
    """The label of several models and its share of all votes: every parsed answer counts with its model's self-consistency, or with 1.

    `ballots` holds one model's answers to the task each. Ties go to the answer seen first; (None, 0.0) where none parses.
    """
    weights = [consistency(answers) if weighted else 1.0 for answers in ballots]
    return heaviest((answer, weight) for answers, weight in zip(ballots, weights, strict=True) for answer in answers)


@recipe(
    name="rlccf",
    system="RLCCF",
    paper="arXiv:2508.12338",
    family="multi-agent",
    catalogue=(307,),
    proxy="rewards/agreement/mean",
)
class CollectiveFeedback(Recipe):
    """Different models answer the same task, and each is rewarded for agreeing with the vote of all, in which the consistent count for more.

    Formula: label = argmax over answers a of sum over models m of SC(m) n(m, a), with n the times m answered a and SC(m) the share of m's answers that
    its own majority has; reward(i) = 1 if answer(i) is the label, else 0; GRPO for each model on its own group: (reward - mean) / std.
    Ends: models that agree already carry no signal; one model, or copies of one, is majority vote on itself; where no answer parses there is no label
    and nobody is paid. Of equal votes the answer seen first counts.
    Fails: where most models share an error, as a vote does.
    Differs: unverified, because the paper's text was not at hand, are the form of SC (here the majority's share) and whether a KL to the first weights
    is kept (here objective.kl, 0). The paper's four models are of 1.5 billion parameters and more.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("vote/share", "share", "weight of the leading answer in the vote of all models, mean over tasks"),
        Metric("probe/models/accuracy", "share", "greedy accuracy on the probe, mean over the models"),
        Metric("probe/models/least", "share", "that of the worst model"),
    )

    bases: tuple[str, ...] = ("chain-second-teacher", "chain-third-teacher")
    """The models beside the first, which is that of the run."""
    together: bool = True
    """Off: every model has its own vote, and the models share nothing but the tasks."""
    weighted: bool = True
    """Off: every answer counts alike."""
    tasks_per_round: int = Field(24, ge=1)
    group_size: int = Field(8, ge=2)
    """Answers of each model to each task."""
    objective: PolicyGradient = PolicyGradient()

    @property
    def names(self) -> list[str]:
        """The models; the probe asks the first."""
        return ["solver", *(f"model-{i}" for i in range(2, len(self.bases) + 2))]

    def policies(self) -> Mapping[str, str | None]:
        return dict(zip(self.names[1:], self.bases, strict=True))

    def roles(self, world: World) -> dict[str, Role]:
        return {name: Role(name, name, self.sampling, world.parse) for name in self.names}

    def setup(self, ctx: Context) -> None:
        for name, base in zip(self.names[1:], self.bases, strict=True):
            checks.answerable(ctx, name, ctx.pool.tasks, f"bases, {base}")

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        found = {name: await ctx.sample(name, tasks, n=self.group_size) for name in self.names}
        shares = []
        for place, task in enumerate(tasks):
            groups = [found[name][place] for name in self.names]
            for voters in [groups] if self.together else [[group] for group in groups]:
                label, share = collective([group.answers for group in voters], self.weighted)
                for group in voters:
                    group.reward(agreement=[label is not None and answer == label for answer in group.answers])
                shares.append(share)
                ctx.label(task, label)
        ctx.log(**{"vote/share": fmean(shares)})
        for name in self.names:
            ctx.learn(name, center(found[name], "std"), self.objective)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        known = [task for task in tasks if task.answer is not None]
        if not known:
            return {}
        found = await team(ctx, self.names, known)
        return {"probe/models/accuracy": fmean(found.alone), "probe/models/least": min(found.alone), "probe/vote/accuracy": found.together}
