"""One policy hides errors in solutions, another finds them: Self-Play Critic."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.episodes.accuracy import probe_critic
from autotelic.learning.advantages import MovingAverage
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.measures.probe import ProbeResult
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.types import Rollout, Sampling, Task, World
from autotelic.worlds.chain_skills import FINE, Sneak, criticizing, equation, first_wrong, index, sneaking


@recipe(
    name="spc",
    system="SPC (Self-Play Critic)",
    paper="arXiv:2504.19162",
    family="self-play",
    catalogue=(126,),
    proxy="rewards/game/mean",
    needs_answers=True,
    model="chain-skills",
    tasks="chain-skills",
)
class SelfPlayCritic(Recipe):
    """A generator rewrites a step of a right solution into a wrong one, a critic looks for it. Who wins gets 1, who loses -1.

    Formula: a rewriting counts only if, going on from it, a frozen solver reaches the answer less often than from the original step, by at least `drop`
    of `checks` tries each; else the generator has lost and the critic is not asked. The critic sees the solution that goes on from the spoiled step and
    wins by naming the step; it also sees the untouched solution and wins by finding nothing. Policy gradient, reward minus a moving average by role and
    kind of solution, KL to the start.
    Ends: where no rewriting passes the check there is nothing to judge, and generators all lose alike, which their baseline soon makes no signal.
    Fails: hidden errors become unlike those that solvers make; the critic's reward rises and its accuracy on natural errors, which is what the probe
    asks, does not. A solution counts as right by its answer, and modulo 10 a wrong step can be made good by another: about one label of the critic in
    nine names something else than the first wrong step, which the probe asks for; game/labels_right is the share of the others.
    Differs: on-policy updates instead of rounds of offline ones with likelihood on older data, which are all that is published. The critic must name the
    first wrong step of a finished solution; the authors' judges one given step, the last, from the problem and the partial solution. The generator is
    told which step to rewrite and does not choose a kind of error first.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("game/valid", "share", "rewritten steps that pass the check"),
        Metric("game/no_room", "solutions", "left out because a role had no room for them in its context"),
        Metric(
            "game/labels_right", "share", "labels that the critic is paid for, `nothing` and the spoiled step, that are the first wrong step indeed"
        ),
    )

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

    def setup(self, ctx: Context) -> None:
        checks.plain(ctx.pool.tasks, "spc")
        checks.answerable(ctx, "critic", [Task(task.id, criticizing(str(task.prompt), "")) for task in ctx.pool.tasks], "model")
        checks.written(ctx.policies["generator"], model=sneaking("", "", ""))

    async def round(self, ctx: Context) -> None:
        sneaks = await self.sneak(ctx, await self.right_solutions(ctx))
        valid = await self.valid(ctx, sneaks)
        ctx.log(**{"game/valid": len(valid) / max(len(sneaks), 1)})
        hidden = await self.criticize(ctx, [(sneak.problem, spoiled) for sneak, _, spoiled in valid], "hidden")
        untouched = await self.criticize(ctx, [(sneak.problem, sneak.solution) for sneak, _, _ in valid], "untouched")
        for _, rollout in sneaks:
            rollout.rewards["game"] = -1.0
        for (sneak, rollout, _), critique in zip(valid, hidden, strict=True):
            won = 1.0 if critique.answer == str(sneak.place) else -1.0
            critique.rewards["game"], rollout.rewards["game"] = won, -won
        for critique in untouched:
            critique.rewards["game"] = 1.0 if critique.answer == FINE else -1.0
        self.note(ctx, valid)
        self.learn(ctx, "critic", hidden + untouched)
        if self.train_generator:
            self.learn(ctx, "generator", [rollout for _, rollout in sneaks])

    async def right_solutions(self, ctx: Context) -> list[Sneak]:
        """Right solutions of the frozen solver, each with a step to spoil."""
        groups = await ctx.sample("solver", ctx.pool.draw(self.tasks_per_round), n=2)
        found = [r for group in groups for r in group if ctx.world.verify(r.task, r.answer) and ";" in r.text]
        random = ctx.random("places")
        sneaks = [Sneak(str(r.task.prompt), r.text, str(r.answer), random.randint(1, min(r.text.count(";"), 9))) for r in found]
        return [s for s in sneaks if self.room(ctx, generator=sneaking(s.problem, s.solution, s.place), critic=criticizing(s.problem, s.solution))]

    def room(self, ctx: Context, **prompts: str) -> bool:
        """Whether roles have room for prompts and replies; solutions for which one has none are left out and counted."""
        fits = all(ctx.fits(role, Task(role, prompt)) for role, prompt in prompts.items())
        ctx.count("game/no_room", not fits)
        return fits

    async def sneak(self, ctx: Context, sneaks: Sequence[Sneak]) -> list[tuple[Sneak, Rollout]]:
        """What the generator writes in the place of each step; no step, or the step that was there, is left for the check to refuse."""
        tasks = [Task(f"sneak-{s.problem}{s.place}", sneaking(s.problem, s.solution, s.place)) for s in sneaks]
        rollouts = [group.rollouts[0] for group in await ctx.sample("generator", tasks, n=1)]
        ctx.count("generator/unparsed", sum(rollout.answer is None for rollout in rollouts))
        return list(zip(sneaks, rollouts, strict=True))

    async def valid(self, ctx: Context, sneaks: Sequence[tuple[Sneak, Rollout]]) -> list[tuple[Sneak, Rollout, str]]:
        """Those whose step is a new one that lowers the frozen solver's success, and the solver's solution that goes on from it."""
        new = [(sneak, rollout) for sneak, rollout in sneaks if rollout.answer and rollout.answer != sneak.original]
        new = [
            (sneak, rollout) for sneak, rollout in new if self.room(ctx, solver=max(map(sneak.start, (str(rollout.answer), sneak.original)), key=len))
        ]
        spoiled = await ctx.sample("solver", [sneak.prompt(str(rollout.answer)) for sneak, rollout in new], n=self.checks, note=False)
        before = await ctx.sample("solver", [sneak.prompt(sneak.original) for sneak, _ in new], n=self.checks, note=False)
        kept = []
        for (sneak, rollout), worse, better in zip(new, spoiled, before, strict=True):
            rates = [fmean(answer == sneak.answer for answer in group.answers) for group in (better, worse)]
            shown = str(worse.task.prompt).removeprefix(sneak.problem) + worse.rollouts[0].text
            if rates[0] - rates[1] >= self.drop and self.room(ctx, critic=criticizing(sneak.problem, shown)):
                kept.append((sneak, rollout, shown))
        return kept

    async def criticize(self, ctx: Context, shown: Sequence[tuple[str, str]], kind: str) -> list[Rollout]:
        """The critic's rollouts on solutions, with their kind among the keys."""
        tasks = [Task(f"{kind}-{place}", criticizing(problem, solution)) for place, (problem, solution) in enumerate(shown)]
        found = [group.rollouts[0] for group in await ctx.sample("critic", tasks, n=1)]
        ctx.count("critic/unparsed", sum(rollout.answer is None for rollout in found))
        for rollout in found:
            rollout.keys["kind"] = kind
        return found

    def note(self, ctx: Context, valid: Sequence[tuple[Sneak, Rollout, str]]) -> None:
        """How often the critic is paid for what is the first wrong step indeed, which no one is told."""
        hidden = [first_wrong(sneak.problem, spoiled) == sneak.place for sneak, _, spoiled in valid]
        untouched = [first_wrong(sneak.problem, sneak.solution) == int(FINE) for sneak, _, _ in valid]
        if valid:
            ctx.log(**{"game/labels_right": fmean(hidden + untouched)})

    def learn(self, ctx: Context, policy: str, rollouts: Sequence[Rollout]) -> None:
        """One update of a policy, its baselines kept by role and kind."""
        baseline = MovingAverage(self.decay)
        baseline.state = ctx.state.setdefault("baselines", {})
        baseline(rollouts, key=lambda rollout: (rollout.keys["role"], rollout.keys.get("kind")))
        ctx.learn(policy, rollouts, self.objective)

    async def ask(self, ctx: Context, tasks: Sequence[Task]) -> ProbeResult:
        return await probe_critic(ctx, "critic", "solver", tasks)
