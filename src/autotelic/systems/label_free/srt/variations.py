"""What other papers make of the vote of a group of answers: TTRL, EVOL-RL, RESTRAIN."""

from collections import Counter
from collections.abc import Sequence
from math import exp
from typing import ClassVar, Self

from pydantic import Field, model_validator

from autotelic.answers.votes import VoteRule, vote
from autotelic.learning.advantages import Scale, center, standardize
from autotelic.learning.examples import example
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rewards.novelty import likenesses, ranked_novelty
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.base import variation
from autotelic.systems.label_free.srt.recipe import SelfRewardedTraining
from autotelic.types import Group, Task, World


@variation(name="ttrl", system="TTRL", paper="arXiv:2504.16084")
class LargeElectorate(SelfRewardedTraining):
    """SRT with a large electorate: 64 answers vote, and the first 32 of them are trained on.

    Formula: reward(i) = 1 if answer(i) is the majority answer of all 64, else 0; advantage: (reward - mean) / std over the 32 that are trained on.
    Ends: all agree or none parses, and the group carries no signal. The authors' code fails where none parses.
    Fails: as SRT does, by agreeing on a wrong answer; label/purity falls.
    Differs: the paper trains on the questions that it is evaluated on; here the probe's are others. The authors' script has 8 questions a batch, makes one
    update for each of them, and keeps a KL term to the start as an option, which is off here as it is in their newer scripts.
    """

    tasks_per_round: int = Field(8, ge=1)
    group_size: int = Field(64, ge=2)
    trained: int | None = Field(32, ge=2)
    vote: VoteRule = VoteRule(denominator="all")
    scale: Scale = "std"
    objective: PolicyGradient = PolicyGradient()


def banded(answers: Sequence[str | None], texts: Sequence[str], label: str | None) -> list[float]:
    """EVOL-RL's rewards: .5 to 1 for the majority's answers and -1 to -.5 for others, by the novelty of the text among those of its side; -1 for what has
    no answer, and for all where fewer than two have one."""
    readable = [place for place, answer in enumerate(answers) if answer is not None]
    found = [-1.0] * len(answers)
    if len(readable) < 2:
        return found
    sides = [answers[place] == label for place in readable]
    novelty = ranked_novelty(likenesses([texts[place] for place in readable]), sides)
    for place, side, new in zip(readable, sides, novelty, strict=True):
        found[place] = (0.5 if side else -1.0) + 0.5 * new
    return found


@variation(name="evol-rl", system="EVOL-RL", paper="arXiv:2509.15194", catalogue=(361,))
class MajorityAndNovelty(SelfRewardedTraining):
    """The majority says which answers are right, and among right and among wrong ones the most novel text is worth most.

    Formula: 64 answers vote, the first 32 are rewarded and trained on: .5 + .5 n for the majority's answer, -1 + .5 n for another, -1 for none, with
    n = 1 - (mean likeness to the texts of its own side + greatest likeness to any) / 2, stretched to 0 to 1 within the side. Advantage: (reward - mean) /
    std; an entropy bonus of .003 and a KL of .001 to the start.
    Ends: a group that agrees still has a signal, the novelty, unless all its texts are alike. Fewer than two answers that parse, and all are worth -1.
    Fails: where texts hardly differ, stretching makes noise of full size; long texts are novel cheaply. A wrong majority is still followed; label/purity
    falls.
    Differs: likeness is the cosine of counts of character bigrams, where the authors ask an embedding model about what follows the thoughts.
    """

    tasks_per_round: int = Field(8, ge=1)
    group_size: int = Field(64, ge=2)
    trained: int | None = Field(32, ge=2)
    vote: VoteRule = VoteRule(denominator="all")
    scale: Scale = "std"
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28, entropy=0.003, kl=0.001)

    async def round(self, ctx: Context) -> None:
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=self.group_size)
        trained = [Group(group.task, group.rollouts[: self.trained]) for group in groups]
        for group, some in zip(groups, trained, strict=True):
            label = vote(group.answers, self.vote).label
            ctx.label(group.task, label)
            group.reward(agreement=[label is not None and answer == label for answer in group.answers])
            some.reward(banded=banded(some.answers, [rollout.text for rollout in some], label))
        ctx.learn("solver", center(trained, self.scale, weights={"banded": 1.0}), self.objective)


def closeness(share: float, center: float, width: float) -> float:
    """exp(-(share - center)^2 / (2 width^2)): what RESTRAIN makes of a share of votes."""
    return exp(-((share - center) ** 2) / (2 * width**2))


def over_labels(answers: Sequence[str | None], center: float, width: float, total: int, divide: bool = True) -> list[float]:
    """RESTRAIN's advantages: each different answer is a label once, its rewards of 1 and 0 are standardized, and the advantages of all labels are summed with
    weights by the closeness of their shares of `total` votes. Zeros where no answer parses."""
    counts = Counter(answer for answer in answers if answer is not None)
    weights = {answer: closeness(count / total, center, width) for answer, count in counts.items()}
    whole, found = sum(weights.values()), [0.0] * len(answers)
    for label, weight in weights.items():
        for place, value in enumerate(standardize([float(answer == label) for answer in answers], divide)):
            found[place] += weight / whole * value
    return found


@variation(name="restrain", system="RESTRAIN", paper="arXiv:2510.02172", catalogue=(184,))
class SelfRestraint(SelfRewardedTraining):
    """Every answer of a group is a label by its share of the votes; where no share is large, the whole group is pushed down.

    Formula: A(i) = u sum over different answers a of w(a) A(i, a), with A(i, a) the advantage (reward - mean) / std if a were the label, w(a) proportional
    to g(share of a) and g(f) = exp(-(f - center)^2 / (2 width^2)). Where the largest share is below `vote.min_share`, A(i) = -u penalty. u = g(share of the
    majority among as many answers of the model as the run began), found once for each task (`prompt_weight`).
    Ends: a group that agrees has no signal. A group in which nothing parses is pushed down.
    Fails: with many groups below the threshold the policy flees from all it says, into what cannot be read as well; answers/unparsed and entropy rise.
    Differs: center, width, threshold, penalty and the size of groups are not in what could be read of the paper; they are chosen here. Nor was its code at
    hand, so that the KL term, whose weight is unknown, is off.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("restrain/penalized", "share", "tasks of the round without a large share, whose answers are pushed down"),
    )

    vote: VoteRule = VoteRule(denominator="all", min_share=0.3)
    scale: Scale = "std"
    center: float = Field(1.0, ge=0.0, le=1.0)
    """The share that weighs most."""
    width: float = Field(0.5, gt=0.0)
    """How fast the weight falls with the distance from it."""
    penalty: float = Field(1.0, ge=0.0)
    prompt_weight: bool = True
    """Whether a task weighs by how sure of it the model was as the run began; it costs a group of samples for each task."""

    @model_validator(mode="after")
    def _every_answer_is_a_label(self) -> Self:
        if self.vote.ties != "first" or self.vote.unparsed != "drop" or self.scale == "batch":
            raise ValueError(
                "every answer that parses is a label: leave vote.ties at 'first' and vote.unparsed at 'drop', and scale at 'std' or 'none'"
            )
        return self

    def policies(self) -> dict[str, str | None]:
        return {"start": None} if self.prompt_weight else {}

    def roles(self, world: World) -> dict[str, Role]:
        start = {"start": Role("start", "start", self.sampling, world.parse)} if self.prompt_weight else {}
        return super().roles(world) | start

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        sure = await self.weights(ctx, tasks)
        groups = await ctx.sample("solver", tasks, n=self.group_size)
        low = [self.restrain(ctx, group) for group in groups]
        ctx.log(**{"restrain/penalized": sum(low) / len(low)})
        trained = [rollout for group in groups for rollout in group.rollouts[: self.trained]]
        ctx.learn("solver", [example(rollout, sure.get(rollout.task.id, 1.0)) for rollout in trained], self.objective)

    def restrain(self, ctx: Context, group: Group) -> bool:
        """Write the advantages of a group; whether it is below the threshold."""
        found = vote(group.answers, self.vote)
        ctx.label(group.task, found.label)
        group.reward(agreement=[found.elects(answer) for answer in group.answers])
        counted = len(group) if self.vote.denominator == "all" else sum(answer is not None for answer in group.answers)
        values = over_labels(group.answers, self.center, self.width, max(counted, 1), self.scale == "std")
        for rollout, value in zip(group, values, strict=True):
            rollout.advantage = -self.penalty if found.label is None else value
        return found.label is None

    async def weights(self, ctx: Context, tasks: Sequence[Task]) -> dict[str, float]:
        """What each task weighs, by its id; found once and kept."""
        known: dict[str, float] = ctx.state.setdefault("weights", {})
        new = [task for task in tasks if task.id not in known] if self.prompt_weight else []
        for group in await ctx.sample("start", new, n=self.group_size, note=False) if new else []:
            known[group.task.id] = closeness(vote(group.answers, self.vote).share, self.center, self.width)
        return known
