"""Agents that solve, criticize and score one another: CoMAS."""

from collections.abc import Sequence
from random import Random
from statistics import fmean
from typing import ClassVar, Literal, get_args

from pydantic import Field, model_validator

from autotelic.episodes.accuracy import team
from autotelic.learning.advantages import whiten
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.bias import Judged, self_preference
from autotelic.measures.metrics import Metric
from autotelic.rewards.judges import judgements
from autotelic.rounds.context import Context
from autotelic.rounds.notes import Truth
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.tasks.english import words
from autotelic.tasks.language import FINE, SOUND
from autotelic.types import Metrics, Prompt, Rollout, Sampling, Task, World

Part = Literal["solve", "evaluate", "score"]
PARTS: tuple[Part, ...] = get_args(Part)

Talk = tuple[Rollout, Rollout, Rollout]
"""A solution, its critique and its score."""


def shares(score: str | None) -> tuple[float, float, float]:
    """Rewards of solver, evaluator and scorer: s, 1 - s and 0 with s = (score - 1) / 2; an unreadable score costs the scorer 1 and moves no one else."""
    if score is None:
        return 0.0, 0.0, -1.0
    s = (int(score) - 1) / 2
    return s, 1 - s, 0.0


@recipe(
    name="comas",
    system="CoMAS",
    paper="arXiv:2510.08529",
    family="multi-agent",
    catalogue=(130,),
    proxy="rewards/interaction/mean",
    model="chain-skills",
    tasks="chain-skills",
)
class CoEvolvingAgents(Recipe):
    """For every task one agent solves, another criticizes, a third scores; the score is shared between solver and critic, and each agent learns its own part.

    Formula: s = (score - 1) / 2 of a score of 1 to 3; solver s, evaluator 1 - s, scorer 0; an unreadable score: scorer -1, the others 0. Who evaluates
    and who scores is shuffled every round, each agent equally often, whoever solved: by chance an agent may judge itself. Each agent learns from
    all it said, advantages whitened over the tokens of each part (REINFORCE++). No answer is read.
    Ends: equal scores throughout carry no signal. With one agent everything is judged by itself.
    Fails: scorers grow lenient, rewards/interaction/mean rises and the probe does not; or critics learn to find fault, as half of every score is theirs.
    probe/vote/accuracy is that of the agents' majority.
    Differs: one exchange instead of two, without earlier discussion in the prompt; each task is solved by one agent, in the paper by all of them.
    """

    skills: ClassVar[tuple[str, ...]] = ("critique", "score")
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("evaluator/accuracy", "share", "critiques that tell a right solution from a wrong one"),
        Metric("scorer/accuracy", "share", "scores that tell a right solution from a wrong one"),
        Metric("probe/agents/accuracy", "share", "greedy accuracy on the probe, mean over the agents"),
    )

    agents: int = Field(3, ge=1, le=8)
    bases: tuple[str, ...] = ()
    """Models of the second agent and on; those without one are copies of the first."""
    tasks_per_round: int = Field(96, ge=1)
    learns: tuple[Part, ...] = Field(PARTS, min_length=1)
    """The parts that are trained."""
    sampling: Sampling = Sampling(max_tokens=96)
    replies: Sampling = Sampling(max_tokens=64)
    """How evaluators and scorers are sampled."""
    objective: PolicyGradient = PolicyGradient()

    @model_validator(mode="after")
    def _peopled(self) -> "CoEvolvingAgents":
        if len(self.bases) >= self.agents:
            raise ValueError(f"bases names {len(self.bases)} models, for the {self.agents - 1} agents beside the first")
        return self

    @property
    def names(self) -> list[str]:
        """The agents' policies."""
        return ["solver", *(f"agent-{i}" for i in range(2, self.agents + 1))]

    def policies(self) -> dict[str, str | None]:
        return dict(zip(self.names[1:], [*self.bases, *[None] * self.agents], strict=False))

    def roles(self, world: World) -> dict[str, Role]:
        critique, score = (world.skill(name) for name in self.skills)
        found = {"solver": Role("solver", "solver", self.sampling, world.parse)}
        for name in self.names:
            found[f"solve:{name}"] = Role(f"solve:{name}", name, self.sampling, world.parse)
            found[f"evaluate:{name}"] = Role(f"evaluate:{name}", name, self.replies, critique.read)
            found[f"score:{name}"] = Role(f"score:{name}", name, self.replies, score.read)
        return found

    def setup(self, ctx: Context) -> None:
        critique, score = (ctx.world.skill(name).ask for name in self.skills)
        for place, name in enumerate(self.names):
            what = f"bases, {self.bases[place - 1]}" if 0 < place <= len(self.bases) else "model"
            checks.answerable(ctx, f"solve:{name}", ctx.pool.tasks, what)
            checks.written(ctx.policies[name], **{what: words(critique("", "")) + words(score("", "", None))})
            talk = [Task(task.id, score(task.prompt, "", None)) for task in ctx.pool.tasks]
            checks.answerable(ctx, f"score:{name}", talk, "sampling.max_tokens", more=self.sampling.max_tokens)

    async def round(self, ctx: Context) -> None:
        solutions = await self.solutions(ctx, ctx.pool.draw(self.tasks_per_round))
        critique, score = (ctx.world.skill(name).ask for name in self.skills)
        critiques = await self.replied(ctx, "evaluate", solutions, [critique(r.task.prompt, r.text) for r in solutions])
        asked = [score(r.task.prompt, r.text, c.answer) for r, c in zip(solutions, critiques, strict=True)]
        talks = list(zip(solutions, critiques, await self.replied(ctx, "score", solutions, asked), strict=True))
        for talk in talks:
            for rollout, reward in zip(talk, shares(talk[2].answer), strict=True):
                rollout.rewards["interaction"] = reward
        self.note(ctx, talks)
        for name in self.names:
            own = [rollout for talk in talks for rollout in talk if rollout.keys["role"].endswith(f":{name}")]
            whiten(own, key=lambda rollout: rollout.keys["role"])
            ctx.learn(name, [rollout for rollout in own if rollout.keys["role"].split(":")[0] in self.learns], self.objective)

    async def solutions(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        """One solution of each task, the agents taking turns."""
        found: dict[str, Rollout] = {}
        for place, name in enumerate(self.names):
            found |= {group.task.id: group.rollouts[0] for group in await ctx.sample(f"solve:{name}", tasks[place :: self.agents], n=1)}
        return [found[task.id] for task in tasks]

    async def replied(self, ctx: Context, part: Part, about: Sequence[Rollout], prompts: Sequence[Prompt]) -> list[Rollout]:
        """One reply to each prompt, which is about a solution, by agents in random turns."""
        asked = dict(zip((rollout.id for rollout in about), prompts, strict=True))
        turns = shuffled(self.names, len(about), ctx.random("turns", part))
        found: dict[str, Rollout] = {}
        for name in self.names:
            own = [rollout for rollout, speaker in zip(about, turns, strict=True) if speaker == name]
            groups = await judgements(ctx, f"{part}:{name}", own, lambda rollout: asked[rollout.id])
            found |= {group.task.tags["parents"][0]: group.rollouts[0] for group in groups}
        return [found[rollout.id] for rollout in about]

    def note(self, ctx: Context, talks: Sequence[Talk]) -> None:
        """How well the talk is paid, and, worked out when the round is over, how near it is to the truth."""
        if talks:
            ctx.log(**{"rewards/interaction/mean": fmean(solution.rewards["interaction"] for solution, _, _ in talks)})
            ctx.audit(lambda truth: near_truth(truth, talks))

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        known = [task for task in tasks if task.answer is not None]
        if not known:
            return {}
        found = await team(ctx, [f"solve:{name}" for name in self.names], known)
        return {"probe/agents/accuracy": fmean(found.alone), "probe/vote/accuracy": found.together}


def shuffled(names: Sequence[str], count: int, random: Random) -> list[str]:
    """`count` of the names in random order, each as often as any other, give or take one."""
    order = [names[place % len(names)] for place in range(count)]
    random.shuffle(order)
    return order


def speaker(rollout: Rollout) -> str:
    """The agent that a rollout is of."""
    return str(rollout.keys["role"].partition(":")[2])


def near_truth(truth: Truth, talks: Sequence[Talk]) -> Metrics:
    """The share of right solutions, and how often evaluators and scorers tell right from wrong; of tasks whose answer is known."""
    known = [(right, talk) for talk in talks if (right := truth.verify(talk[0].task, talk[0].answer)) is not None]
    if not known:
        return {}
    own = self_preference(
        Judged(solution.task.id, float(score.answer == SOUND), right, own=speaker(solution) == speaker(score))
        for right, (solution, _, score) in known
    )
    return {
        **({} if own is None else {"judge/self_preference": own}),
        "label/purity": fmean(right for right, _ in known),
        "evaluator/accuracy": fmean((critique.answer == FINE) == bool(right) for right, (_, critique, _) in known),
        "scorer/accuracy": fmean((score.answer == SOUND) == bool(right) for right, (_, _, score) in known),
    }
