"""Agents that solve, criticize and score one another: CoMAS."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.episodes.accuracy import team
from autotelic.learning.advantages import whiten
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rewards.judges import judgements
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Metrics, Rollout, Sampling, Task, World
from autotelic.worlds.chain_skills import FINE, SOUND, criticizing, index, scoring, verdict


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

    s = (score - 1) / 2 of a score of 1 to 3; solver s, evaluator 1 - s, scorer 0; an unreadable score: scorer -1, others 0. Each agent learns from all it
    said, advantages whitened by role (REINFORCE++). No answer is read. Degenerate case: equal scores throughout carry no signal.
    Fails when scorers grow lenient: rewards/interaction/mean rises and the probe does not; probe/vote/accuracy is that of the agents' majority.
    Differs from the paper: one exchange instead of two, without earlier discussion in the prompt.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("evaluator/accuracy", "share", "critiques that tell a right solution from a wrong one"),
        Metric("scorer/accuracy", "share", "scores that tell a right solution from a wrong one"),
        Metric("probe/agents/accuracy", "share", "greedy accuracy on the probe, mean over the agents"),
    )

    agents: int = Field(3, ge=1, le=8)
    bases: tuple[str, ...] = ()
    """Models of the second agent and on; those without one are copies of the first."""
    tasks_per_round: int = Field(96, ge=1)
    learns: tuple[str, ...] = ("solve", "evaluate", "score")
    """The parts that are trained."""
    sampling: Sampling = Sampling(max_tokens=96)
    objective: PolicyGradient = PolicyGradient()

    @property
    def names(self) -> list[str]:
        """The agents' policies."""
        return ["solver", *(f"agent-{i}" for i in range(2, self.agents + 1))]

    def policies(self) -> dict[str, str | None]:
        return dict(zip(self.names[1:], [*self.bases, *[None] * self.agents], strict=False))

    def roles(self, world: World) -> dict[str, Role]:
        once = Sampling(max_tokens=64)
        found = {"solver": Role("solver", "solver", self.sampling, world.parse)}
        for name in self.names:
            found[f"solve:{name}"] = Role(f"solve:{name}", name, self.sampling, world.parse)
            found[f"evaluate:{name}"] = Role(f"evaluate:{name}", name, once, index)
            found[f"score:{name}"] = Role(f"score:{name}", name, once, verdict)
        return found

    async def round(self, ctx: Context) -> None:
        tasks, said = ctx.pool.draw(self.tasks_per_round), dict[str, list[Rollout]]()
        for place, solver in enumerate(self.names):
            evaluator, scorer = (self.names[(place + shift) % self.agents] for shift in (1, 2))
            solutions = [group.rollouts[0] for group in await ctx.sample(f"solve:{solver}", tasks[place :: self.agents], n=1)]
            critiques = await self.reply(ctx, f"evaluate:{evaluator}", solutions, [criticizing(str(r.task.prompt), r.text) for r in solutions])
            asked = [scoring(str(r.task.prompt), r.text, c.answer or "?") for r, c in zip(solutions, critiques, strict=True)]
            scores = await self.reply(ctx, f"score:{scorer}", solutions, asked)
            for parts in zip(solutions, critiques, scores, strict=True):
                for rollout, reward in zip(parts, shares(parts[2].answer), strict=True):
                    rollout.rewards["interaction"] = reward
            for name, rollouts in ((solver, solutions), (evaluator, critiques), (scorer, scores)):
                said.setdefault(name, []).extend(rollouts)
            self.note(ctx, solutions, critiques, scores)
        for name, rollouts in said.items():
            whiten(rollouts, key=lambda rollout: rollout.keys["role"])
            ctx.learn(name, [rollout for rollout in rollouts if rollout.keys["role"].split(":")[0] in self.learns], self.objective)

    async def reply(self, ctx: Context, role: str, about: Sequence[Rollout], prompts: Sequence[str]) -> list[Rollout]:
        """One reply of a role to each prompt, which is about a solution."""
        asked = dict(zip((rollout.id for rollout in about), prompts, strict=True))
        return [group.rollouts[0] for group in await judgements(ctx, role, about, lambda rollout: asked[rollout.id])]

    def note(self, ctx: Context, solutions: Sequence[Rollout], critiques: Sequence[Rollout], scores: Sequence[Rollout]) -> None:
        """How near the talk is to the truth, which no one is told."""
        right = [ctx.world.verify(rollout.task, rollout.answer) for rollout in solutions]
        if right:
            ctx.count("label/purity", fmean(right) / self.agents)
            ctx.count("rewards/interaction/mean", fmean(rollout.rewards["interaction"] for rollout in solutions) / self.agents)
            ctx.count("evaluator/accuracy", fmean((c.answer == FINE) == bool(r) for c, r in zip(critiques, right, strict=True)) / self.agents)
            ctx.count("scorer/accuracy", fmean((s.answer == SOUND) == bool(r) for s, r in zip(scores, right, strict=True)) / self.agents)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        found = await team(ctx, [f"solve:{name}" for name in self.names], tasks)
        return {"probe/agents/accuracy": fmean(found.alone), "probe/vote/accuracy": found.together}
