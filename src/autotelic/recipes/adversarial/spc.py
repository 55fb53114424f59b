"""One policy hides errors in solutions, another finds them: Self-Play Critic."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.episodes.roles import Role
from autotelic.guards.probe import Outcome, ProbeResult
from autotelic.learning.advantages import MovingAverage
from autotelic.learning.objectives import PolicyGradient
from autotelic.recipes.base import Recipe, recipe
from autotelic.recipes.context import Context
from autotelic.tasks.worlds.chain_skills import criticizing, equation, first_wrong, index, sneaking
from autotelic.types import Rollout, Sampling, Task, World

FINE = "0"
"""The critique that finds nothing wrong."""


@dataclass(slots=True)
class Sneak:
    """A step of a right solution that the generator was to spoil."""

    problem: str
    solution: str
    answer: str
    place: int
    """Which equation, from 1."""
    rollout: Rollout | None = None
    """What the generator wrote."""
    shown: str = ""
    """The solution that goes on from the spoiled step."""

    def prompt(self, step: str) -> Task:
        """The problem with the solution up to the place, which ends in `step`."""
        start = "".join(f"{text};" for text in self.solution.split(";")[: self.place - 1])
        return Task(f"from-{self.problem}{start}{step}", f"{self.problem}{start}{step}")

    @property
    def original(self) -> str:
        """The step as it was."""
        return self.solution.split(";")[self.place - 1] + ";"


@recipe(
    name="spc",
    system="SPC (Self-Play Critic)",
    paper="arXiv:2504.19162",
    family="self-play-games",
    catalogue=(126,),
    proxy="rewards/game/mean",
    needs_answers=True,
    model="chain-skills",
    tasks="chain-skills",
)
class SelfPlayCritic(Recipe):
    """A generator rewrites a step of a right solution into a wrong one, a critic looks for it. Who wins gets 1, who loses -1.

    A rewriting counts only if an independent check holds: going on from it, a frozen solver reaches the answer less often than from the original step, by
    at least `drop`; else the generator has lost and the critic is not asked. The critic sees the solution that goes on from the spoiled step and wins by
    naming the step; it also sees the untouched solution, and wins by finding nothing. Policy gradient, a moving baseline by role, KL to the start.
    Degenerate case: no rewriting passes the check, and there is nothing to judge. Fails when hidden errors become unlike those that solvers make: the
    critic's reward rises and its accuracy on natural errors, which is what the probe asks, does not.
    Differs from the paper: on-policy updates instead of rounds of offline ones, and the generator is told which step to rewrite.
    """

    probed: ClassVar[str] = "critic"

    rounds: int = Field(30, ge=0)
    tasks_per_round: int = Field(96, ge=1)
    checks: int = Field(4, ge=1)
    """Continuations from the original step and from the spoiled one, each."""
    drop: float = Field(0.25, ge=0.0, le=1.0)
    train_generator: bool = True
    decay: float = Field(0.95, ge=0.0, le=1.0)
    sampling: Sampling = Sampling(max_tokens=96)
    objective: PolicyGradient = PolicyGradient(kl=0.1)

    def policies(self) -> dict[str, str | None]:
        return {"critic": None, "generator": None}

    def roles(self, world: World) -> dict[str, Role]:
        once = Sampling(max_tokens=64)
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "critic": Role("critic", "critic", once, index),
            "generator": Role("generator", "generator", once, equation),
        }

    async def round(self, ctx: Context) -> None:
        sneaks = await self.sneak(ctx, await self.right_solutions(ctx))
        valid = await self.valid(ctx, sneaks)
        ctx.log(**{"game/valid": len(valid) / max(len(sneaks), 1)})
        hidden = await self.criticize(ctx, [(s.problem, s.shown) for s in valid], "hidden")
        untouched = await self.criticize(ctx, [(s.problem, s.solution) for s in valid], "untouched")
        for sneak in sneaks:
            if sneak.rollout:
                sneak.rollout.rewards["game"] = -1.0
        for sneak, critique in zip(valid, hidden, strict=True):
            caught = critique.answer == str(sneak.place)
            critique.rewards["game"] = 1.0 if caught else -1.0
            if sneak.rollout:
                sneak.rollout.rewards["game"] = -critique.rewards["game"]
        for critique in untouched:
            critique.rewards["game"] = 1.0 if critique.answer == FINE else -1.0
        self.learn(ctx, "critic", hidden + untouched)
        if self.train_generator:
            self.learn(ctx, "generator", [sneak.rollout for sneak in sneaks if sneak.rollout])

    async def right_solutions(self, ctx: Context) -> list[Sneak]:
        """Right solutions of the frozen solver, each with a step to spoil."""
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=2)
        found = [(g.task, r) for g in groups for r in g.rollouts if ctx.world.verify(g.task, r.answer) and ";" in r.text]
        random = ctx.random("places")
        return [Sneak(str(t.prompt), r.text, str(r.answer), random.randint(1, min(r.text.count(";"), 9))) for t, r in found]

    async def sneak(self, ctx: Context, sneaks: Sequence[Sneak]) -> list[Sneak]:
        """Have the generator write its steps; what is no step, or the step that was there, is counted and left for the check to refuse."""
        tasks = [Task(f"sneak-{s.problem}{s.place}", sneaking(s.problem, s.solution, s.place)) for s in sneaks]
        for sneak, group in zip(sneaks, await ctx.sample("generator", tasks, n=1), strict=True):
            sneak.rollout = group.rollouts[0]
        ctx.count("generator/unparsed", sum(s.rollout is not None and s.rollout.answer is None for s in sneaks))
        return list(sneaks)

    async def valid(self, ctx: Context, sneaks: Sequence[Sneak]) -> list[Sneak]:
        """Those whose step is a new one that lowers the frozen solver's success."""
        written = [(s, s.rollout.answer) for s in sneaks if s.rollout and s.rollout.answer]
        new = [(s, step) for s, step in written if step != s.original]
        tried = [s for s, _ in new]
        spoiled = await ctx.sample("solver", [s.prompt(step) for s, step in new], n=self.checks, note=False)
        before = await ctx.sample("solver", [s.prompt(s.original) for s in tried], n=self.checks, note=False)
        kept = []
        for sneak, worse, better in zip(tried, spoiled, before, strict=True):
            rates = [fmean(answer == sneak.answer for answer in group.answers) for group in (better, worse)]
            if rates[0] - rates[1] >= self.drop:
                sneak.shown = str(worse.task.prompt).removeprefix(sneak.problem) + worse.rollouts[0].text
                kept.append(sneak)
        return kept

    async def criticize(self, ctx: Context, shown: Sequence[tuple[str, str]], kind: str) -> list[Rollout]:
        """The critic's rollouts on solutions, with their kind among the keys."""
        tasks = [Task(f"{kind}-{place}", criticizing(problem, solution)) for place, (problem, solution) in enumerate(shown)]
        found = [group.rollouts[0] for group in await ctx.sample("critic", tasks, n=1)]
        ctx.count("critic/unparsed", sum(rollout.answer is None for rollout in found))
        for rollout in found:
            rollout.keys["kind"] = kind
        return found

    def learn(self, ctx: Context, policy: str, rollouts: Sequence[Rollout]) -> None:
        """One update of a policy, its baselines kept by role and kind."""
        baseline = MovingAverage(self.decay)
        baseline.state = ctx.state.setdefault("baselines", {})
        baseline(rollouts, key=lambda rollout: (rollout.keys["role"], rollout.keys.get("kind")))
        ctx.learn(policy, rollouts, self.objective)

    async def ask(self, ctx: Context, tasks: Sequence[Task]) -> ProbeResult:
        """Whether the critic names the first wrong step of the frozen solver's own greedy solutions."""
        groups = await ctx.sample("solver", tasks, n=1, temperature=0.0)
        solutions = [group.rollouts[0].text for group in groups]
        asked = [Task(f"probe-{task.id}", criticizing(str(task.prompt), text)) for task, text in zip(tasks, solutions, strict=True)]
        outcomes = []
        for task, text, group in zip(tasks, solutions, await ctx.sample("critic", asked, n=1, temperature=0.0), strict=True):
            gold, answer = str(first_wrong(str(task.prompt), text)), group.answers[0]
            kind = "right solutions" if gold == FINE else "natural errors"
            outcomes.append(Outcome(task.id, kind, answer, float(answer == gold), tokens=1.0, gold=gold))
        return ProbeResult(ctx.policies["critic"].version, ctx.round, outcomes)
