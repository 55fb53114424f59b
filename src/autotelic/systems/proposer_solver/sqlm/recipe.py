"""SQLM: one policy asks itself questions and answers them, with no data but a prompt."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import Field

from autotelic.answers.votes import VoteRule, vote
from autotelic.learning.advantages import Scale, center
from autotelic.learning.learner import Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.proposer_solver.posing import SKILL, asked_for, labeled, log_proposals, posed, proposer, purity, trainable
from autotelic.types import Group, Sampling, Task, World

Pay = Literal["some", "half", "minimax", "random"]
Judge = Literal["majority", "verifier"]


def worth(right: int, size: int, pay: Pay = "some", judge: Judge = "majority") -> float:
    """A proposer's reward for a question to which `right` of `size` answers are right.

    "some": 1 if not all are, and more than one is by the majority (which one answer always is), or any by the verifier; else 0. "half":
    1 - |2 p - 1| with p = right / size; 0 where no answer is right. "minimax": - p, what the solver loses.
    """
    if pay == "some":
        return float((judge == "majority") < right < size)
    if pay == "minimax":
        return -right / size
    return 1 - abs(2 * right / size - 1) if right else 0.0


@recipe(
    name="sqlm", system="SQLM", paper="arXiv:2508.03682", family="proposer-solver", catalogue=(167,),
    proxy="rewards/solved/mean", model="chain-skills", tasks="chain?ops=1-8",
)  # fmt: skip
class SelfQuestioning(Recipe):
    """A proposer is paid for questions on which the solver's answers disagree; the solver, the same policy, for agreeing with its majority.

    Formula: proposer 1 if 1 < k < n, else 0, with k of n answers equal to the majority's (`worth`). Solver 1 if its answer is the majority's, else 0;
    a text that does not parse is a candidate of the vote, and where it wins nobody is paid. With judge="verifier", as the published code has it for
    programs with unit tests, the world says what is right and the proposer is paid if 0 < k < n: that setting reads answers. Advantages: (reward -
    mean) / std, over the questions of the round and over the answers to a question. The solver is updated first; every `proposer_every` rounds the
    proposer follows, by then one update stale.
    Ends: all answers alike, or none like another, and the question is worth 0. Without a valid question in a round nothing is learned
    (proposals/none_valid); where all questions are worth the same, the proposer has no signal.
    Fails: by agreeing on wrong answers (watch label/purity), and by questions that are hard for being malformed or long.
    Differs: the published configuration updates the proposer every 5 rounds and asks for 4 answers; there every prompt has 4 proposals, which are one
    group, here all proposals of a round are; there a proposal that does not parse is masked out of the loss but stays in its group's mean and std, here
    it is left out of both, unless `invalid` says what it is worth. The KL in the proposer's reward of the published code is left out. One update on the
    whole batch a role; problems of the probe's split are not learned from.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (Metric("proposals/unanimous", "share", "questions to which all answers are the same"),)

    skills: ClassVar[tuple[str, ...]] = (SKILL,)
    run_defaults: ClassVar[Mapping[str, Any]] = {"probe_size": 160, "probe_samples": 4}

    rounds: int = Field(60, ge=0)
    tasks_per_round: int = Field(32, ge=1)
    """Questions."""
    group_size: int = Field(8, ge=2)
    """Answers to a question; 4 in the published configuration."""
    asks: str | None = None
    """What the proposer is shown; None: as the world's language asks for a problem."""
    judge: Judge = "majority"
    pay: Pay = "some"
    """What a proposer is paid for; "random" pays by the toss of a coin, as a control."""
    invalid: float | None = Field(None, ge=-10.0, le=1.0)
    """What a proposer is paid for a text that is no question; None: such texts are trained on in neither role."""
    proposer: Literal["trained", "frozen"] = "trained"
    """Frozen: the policy as the run began poses the questions, as a control."""
    proposer_every: int = Field(1, ge=1)
    """Rounds between updates of the proposer; 5 in the published configuration."""
    vote: VoteRule = VoteRule(unparsed="candidate", denominator="all")
    scale: Scale = "std"
    asking: Sampling = Sampling(max_tokens=32)
    optimizer: Optimizer = Optimizer(learning_rate=3e-4)
    objective: PolicyGradient = PolicyGradient(staleness=1)

    def roles(self, world: World) -> dict[str, Role]:
        asker = "solver" if self.proposer == "trained" else "frozen"
        return super().roles(world) | {"proposer": proposer("proposer", asker, self.asking, world)}

    def policies(self) -> Mapping[str, str | None]:
        return {} if self.proposer == "trained" else {"frozen": None}

    @property
    def reads_answers(self) -> bool:
        """The verifier's judgment of the solver's answers is the gold one."""
        return self.judge == "verifier"

    @property
    def needed_skills(self) -> tuple[str, ...]:
        return self.skills if self.asks is None else ()

    def setup(self, ctx: Context) -> None:
        checks.answerable(ctx, "proposer", [Task("asks", asked_for(ctx.world, self.asks))], "asks")

    async def round(self, ctx: Context) -> None:
        [asked] = await ctx.sample("proposer", [Task("ask", asked_for(ctx.world, self.asks))], n=self.tasks_per_round)
        questions = posed(ctx, asked.rollouts)
        answered = await ctx.sample("solver", list(questions.values()), n=self.group_size)
        votes = {group.task.id: vote(group.answers, self.vote) for group in answered}
        for group in answered:
            group.reward(solved=self.judged(ctx, group, votes[group.task.id].label))
        right = {group.task.id: sum(rollout.rewards["solved"] for rollout in group) for group in answered}
        askers = Group(asked.task, [rollout for rollout in asked if rollout.id in questions or self.invalid is not None])
        for rollout in askers:
            question = questions.get(rollout.id)
            rollout.rewards["worth"] = self.paid(ctx, rollout.id, round(right[question.id])) if question else self.invalid or 0.0
        ctx.learn("solver", center(trainable(ctx, answered), self.scale), self.objective)
        if self.proposer == "trained" and ctx.round % self.proposer_every == 0:
            ctx.learn("solver", center([askers], self.scale), self.objective)
        log_proposals(ctx, list(questions.values()))
        purity(ctx, labeled(list(questions.values()), {name: found.label for name, found in votes.items()}))
        if votes:
            ctx.log(**{"proposals/unanimous": fmean(found.share == 1.0 for found in votes.values())})

    def judged(self, ctx: Context, group: Group, label: str | None) -> list[float]:
        """The solver's rewards."""
        if self.judge == "verifier":
            return [ctx.world.verify(group.task, answer) for answer in group.answers]
        return [float(label is not None and answer == label) for answer in group.answers]

    def paid(self, ctx: Context, name: str, right: int) -> float:
        """`worth`, or the toss of a coin."""
        if self.pay == "random":
            return float(ctx.random("pay", name).random() < 0.5)
        return worth(right, self.group_size, self.pay, self.judge)
