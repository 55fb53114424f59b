"""R-Zero: a questioner and a solver, two sets of weights, teach each other in turns, with no data."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from autotelic.answers.votes import Vote, VoteRule, vote
from autotelic.learning.advantages import center
from autotelic.learning.learner import Optimizer
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rewards.novelty import repetition_shares
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.proposer_solver.posing import SKILL, asked_for, held_out, labeled, log_proposals, posed, proposer, purity
from autotelic.tasks.english import words
from autotelic.types import Group, Sampling, Task, World


def uncertainty(share: float | None, repeated: float, scale: float = 1.0) -> float:
    """A questioner's reward: scale x min(s, 1 - s) - repeated, s the majority's share among the solver's answers; -1 - repeated for no question.

    `repeated` is the question's `repetition_shares`. The published code has scale 1; scale 2 gives the paper's uncertainty 1 - 2 |s - 1/2|, but not its
    reward (see `RZero`).
    """
    return (scale * min(share, 1 - share) if share is not None else -1.0) - repeated


@recipe(
    name="r-zero", system="R-Zero", paper="arXiv:2508.05004", family="proposer-solver", catalogue=(80,),
    proxy="rewards/correct/mean", model="chain-skills", tasks="chain?ops=1-8",
)  # fmt: skip
class RZero(Recipe):
    """A questioner learns to ask what divides the frozen solver's answers in halves; then the solver learns the majority's answers to such questions.

    Formula: a round is an iteration. Questioner, `asking_steps` updates: reward min(s, 1 - s) - c for a question, -1 - c for a text that is none, with
    s the majority's share of the solver's answers and c the question's share of the batch in its cluster of similar texts (`repetition_shares`). Then
    `questions` are asked and answered by vote; those whose majority has a share in `keep` are the solver's data. Solver, `steps` updates: .9 for the
    majority's answer + .1 for one that parses. Both: (reward - mean) / std of a group, and a KL to the weights with which the phase began.
    Ends: s = 1 and s = 0 are worth 0. Without a valid question in a batch all rewards are -1 - 1/N and nothing is learned
    (proposals/none_valid); a text that is no question is a cluster of its own. Where no question is in the band, because all are solved or none is,
    the solver's phase is left out (filter/empty).
    Fails: labels grow wrong with the questions' difficulty; watch label/purity over the iterations.
    Differs: this is the published code's reward. The paper's, second-hand, is max(0, 1 - 2 |s - 1/2| - c), 0 for what is no question; its solver is
    paid 1 for the majority's answer and 0 else, and its band is .25 to .75. Here questions come without the questioner's own answer, which is not used there
    either; optimizers live on from phase to phase, there they start anew; one vote, over all answers, serves reward and data, there the data's is over
    answers that parse; BLEU is over characters, there over words; problems of the probe's split are not learned from.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("proposals/repetition", "share", "size of a question's cluster of similar ones over the batch, mean"),
        Metric("filter/kept", "share", "questions that pass the filter"),
        Metric("filter/empty", "0 or 1", "whether none did"),
    )

    skills: ClassVar[tuple[str, ...]] = (SKILL,)
    run_defaults: ClassVar[Mapping[str, Any]] = {"probe_size": 160, "probe_samples": 4}

    rounds: int = Field(6, ge=0)
    asking_steps: int = Field(5, ge=0)
    """Updates of the questioner an iteration."""
    tasks_per_round: int = Field(12, ge=1)
    """Groups of questions an update."""
    group_size: int = Field(4, ge=2)
    """Questions of a group, and answers of a group in the solver's phase; 4 and 5 in the published scripts."""
    tries: int = Field(10, ge=2)
    """Answers by which a question is judged."""
    penalty: float = Field(1.0, ge=0.0)
    """Weight of the repetition penalty; 0 leaves it out."""
    scale: float = Field(1.0, ge=0.0)
    """Weight of the uncertainty: 1 in the published code, 2 in the paper, whose reward differs in other ways too."""
    questions: int = Field(256, ge=1)
    """Asked for the solver's data."""
    keep: tuple[float, float] = (0.3, 0.8)
    """The band of majority shares; (0, 1) keeps every question with a majority."""
    steps: int = Field(15, ge=0)
    """Updates of the solver an iteration."""
    batch: int = Field(16, ge=1)
    """Questions an update of the solver."""
    asks: str | None = None
    """What the questioner is shown; None: as the world's language asks for a problem."""
    asker: Literal["trained", "frozen"] = "trained"
    """Frozen: the questioner is left as it began, as a control."""
    asking: Sampling = Sampling(max_tokens=32)
    optimizer: Optimizer = Optimizer(learning_rate=3e-4)
    objective: PolicyGradient = PolicyGradient(kl=1e-2)

    @model_validator(mode="after")
    def _band(self) -> "RZero":
        if not 0 <= self.keep[0] <= self.keep[1] <= 1:
            raise ValueError(f"keep must be a band within 0 to 1, got {self.keep[0]} to {self.keep[1]}")
        return self

    def roles(self, world: World) -> dict[str, Role]:
        return super().roles(world) | {"questioner": proposer("questioner", "questioner", self.asking, world)}

    def policies(self) -> Mapping[str, str | None]:
        return {"questioner": None}

    @property
    def needed_skills(self) -> tuple[str, ...]:
        return self.skills if self.asks is None else ()

    def setup(self, ctx: Context) -> None:
        checks.answerable(ctx, "questioner", [Task("asks", asked_for(ctx.world, self.asks))], "asks")

    async def round(self, ctx: Context) -> None:
        if self.asker == "trained":
            before = ctx.policies["questioner"].clone("before")
            for step in range(self.asking_steps):
                groups = await self.asked(ctx, step)
                ctx.learn("questioner", center(groups, "std"), self.objective, reference=before)
        data = await self.collected(ctx)
        before = ctx.policies["solver"].clone("before")
        for step in range(self.steps if data else 0):
            tasks = ctx.random("batch", step).sample(data, min(self.batch, len(data)))
            groups = await ctx.sample("solver", tasks, n=self.group_size)
            for group in groups:
                label = group.task.hidden["label"]
                group.reward(correct=[0.9 * (r.answer == label) for r in group], format=[0.1 * (r.answer is not None) for r in group])
            ctx.learn("solver", center(groups, "std"), self.objective, reference=before)

    async def asked(self, ctx: Context, step: int) -> list[Group]:
        """A batch of questions with the questioner's rewards; the penalty looks at the whole batch, what is no question included."""
        asks = asked_for(ctx.world, self.asks)
        groups = await ctx.sample("questioner", [Task(f"ask-{step}-{i}", asks) for i in range(self.tasks_per_round)], n=self.group_size)
        rollouts = [rollout for group in groups for rollout in group]
        questions = posed(ctx, rollouts)
        votes = await self.answered(ctx, list(questions.values()))
        repeated = repetition_shares([words(questions[r.id].prompt) if r.id in questions else "" for r in rollouts])
        for rollout, share in zip(rollouts, repeated, strict=True):
            known = votes[questions[rollout.id].id].share if rollout.id in questions else None
            rollout.rewards["uncertainty"] = uncertainty(known, self.penalty * share, self.scale)
        ctx.log(**{"proposals/repetition": fmean(repeated)})
        return groups

    async def answered(self, ctx: Context, tasks: Sequence[Task]) -> dict[str, Vote]:
        """The vote of the solver's answers to each question, by id; shares are of all answers."""
        groups = await ctx.sample("solver", tasks, n=self.tries, note=False)
        return {group.task.id: vote(group.answers, VoteRule(denominator="all")) for group in groups}

    async def collected(self, ctx: Context) -> list[Task]:
        """The solver's data: questions in the band, labeled with the majority's answers."""
        [group] = await ctx.sample("questioner", [Task("ask", asked_for(ctx.world, self.asks))], n=self.questions, note=False)
        questions = {words(task.prompt): task for task in posed(ctx, group.rollouts).values() if not held_out(ctx.world, task)}
        votes = await self.answered(ctx, list(questions.values()))
        band = [task for task in questions.values() if self.keep[0] <= votes[task.id].share <= self.keep[1]]
        data = labeled(band, {name: found.label for name, found in votes.items()})
        log_proposals(ctx, list(questions.values()))
        purity(ctx, data)
        ctx.log(**{"filter/kept": len(data) / max(len(questions), 1)})
        ctx.count("filter/empty", not data)
        return data
