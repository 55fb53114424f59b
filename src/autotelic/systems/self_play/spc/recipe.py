"""One policy hides errors in solutions, another finds them: Self-Play Critic."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from autotelic.streams import key
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.tasks.english import words
from autotelic.tasks.language import FINE, agrees
from autotelic.types import Prompt, Rollout, Sampling, Task, World

LONGEST = 400
"""Characters of a prompt that is its task's id."""


@dataclass(frozen=True, slots=True)
class Sneak:
    """A step of a right solution that is to be spoiled."""

    task: Task
    solution: str
    answer: str
    steps: tuple[str, ...]
    """Those of the solution that may be spoiled, in order."""
    place: int
    """Which of them, from 1."""

    @property
    def original(self) -> str:
        """The step as it is."""
        return self.steps[self.place - 1]

    def start(self, step: str) -> str:
        """The solution up to the place, which ends in `step`."""
        return "".join(self.steps[: self.place - 1]) + step


def put(kind: str, prompt: Prompt) -> Task:
    """A prompt as a task, whose id is the prompt where that is short."""
    text = str(prompt)
    return Task(f"{kind}-{text if len(text) <= LONGEST else hex(key(text))}", prompt)


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

    skills: ClassVar[tuple[str, ...]] = ("critique", "sneak", "continue")
    main: ClassVar[str] = "critic"

    rounds: int = Field(30, ge=0)
    tasks_per_round: int = Field(96, ge=1)
    checks: int = Field(4, ge=1)
    """Continuations from the original step and from the spoiled one, each."""
    drop: float = Field(0.25, ge=0.0, le=1.0)
    train_generator: bool = True
    decay: float = Field(0.95, ge=0.0, le=1.0)
    sampling: Sampling = Sampling(max_tokens=96)
    replies: Sampling = Sampling(max_tokens=64)
    """How critic and generator are sampled."""
    objective: PolicyGradient = PolicyGradient(kl=0.1)

    def policies(self) -> dict[str, str | None]:
        return {"critic": None, "generator": None}

    def roles(self, world: World) -> dict[str, Role]:
        critique, sneak, _ = (world.skill(name) for name in self.skills)
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "critic": Role("critic", "critic", self.replies, critique.read),
            "generator": Role("generator", "generator", self.replies, sneak.read),
        }

    def setup(self, ctx: Context) -> None:
        critique, sneak, _ = (ctx.world.skill(name).ask for name in self.skills)
        checks.answerable(ctx, "critic", [Task(task.id, critique(task.prompt, "")) for task in ctx.pool.tasks], "model")
        checks.asked(ctx.policies["generator"], sneak=words(sneak("", "", "")))

    async def round(self, ctx: Context) -> None:
        sneaks = await self.sneak(ctx, await self.right_solutions(ctx))
        valid = await self.valid(ctx, sneaks)
        ctx.log(**{"game/valid": len(valid) / max(len(sneaks), 1)})
        hidden = await self.criticize(ctx, [(sneak.task, spoiled) for sneak, _, spoiled in valid], "hidden")
        untouched = await self.criticize(ctx, [(sneak.task, sneak.solution) for sneak, _, _ in valid], "untouched")
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
        critique, sneak, _ = (ctx.world.skill(name) for name in self.skills)
        right = [r for group in groups for r in group if ctx.world.verify(r.task, r.answer)]
        found = [(r, tuple(steps)) for r in right if (steps := sneak.steps(r.text))]
        random = ctx.random("places")
        sneaks = [Sneak(r.task, r.text, str(r.answer), steps, random.randint(1, min(len(steps), 9))) for r, steps in found]
        return [
            s
            for s in sneaks
            if self.room(ctx, generator=sneak.ask(s.task.prompt, s.solution, s.place), critic=critique.ask(s.task.prompt, s.solution))
        ]

    def room(self, ctx: Context, **prompts: Prompt) -> bool:
        """Whether roles have room for prompts and replies; solutions for which one has none are left out and counted."""
        fits = all(ctx.fits(role, Task(role, prompt)) for role, prompt in prompts.items())
        ctx.count("game/no_room", not fits)
        return fits

    async def sneak(self, ctx: Context, sneaks: Sequence[Sneak]) -> list[tuple[Sneak, Rollout]]:
        """What the generator writes in the place of each step; no step, or the step that was there, is left for the check to refuse."""
        ask = ctx.world.skill("sneak").ask
        tasks = [Task(put("sneak", s.task.prompt).id + str(s.place), ask(s.task.prompt, s.solution, s.place)) for s in sneaks]
        rollouts = [group.rollouts[0] for group in await ctx.sample("generator", tasks, n=1)]
        ctx.count("generator/unparsed", sum(rollout.answer is None for rollout in rollouts))
        return list(zip(sneaks, rollouts, strict=True))

    async def valid(self, ctx: Context, sneaks: Sequence[tuple[Sneak, Rollout]]) -> list[tuple[Sneak, Rollout, str]]:
        """Those whose step is a new one that lowers the frozen solver's success, and the solver's solution that goes on from it."""
        critique, go_on = (ctx.world.skill(name).ask for name in ("critique", "continue"))
        starts = [(s, r, s.start(r.answer)) for s, r in sneaks if r.answer and r.answer != s.original]
        new = [(s, r, start) for s, r, start in starts if self.room(ctx, solver=go_on(s.task.prompt, max(start, s.start(s.original), key=len)))]
        spoiled = await ctx.sample("solver", [put("from", go_on(s.task.prompt, start)) for s, _, start in new], n=self.checks, note=False)
        before = await ctx.sample("solver", [put("from", go_on(s.task.prompt, s.start(s.original))) for s, _, _ in new], n=self.checks, note=False)
        kept = []
        for (sneak, rollout, start), worse, better in zip(new, spoiled, before, strict=True):
            rates = [fmean(answer == sneak.answer for answer in group.answers) for group in (better, worse)]
            shown = start + worse.rollouts[0].text
            if rates[0] - rates[1] >= self.drop and self.room(ctx, critic=critique(sneak.task.prompt, shown)):
                kept.append((sneak, rollout, shown))
        return kept

    async def criticize(self, ctx: Context, shown: Sequence[tuple[Task, str]], kind: str) -> list[Rollout]:
        """The critic's rollouts on solutions, with their kind among the keys."""
        ask = ctx.world.skill("critique").ask
        tasks = [Task(f"{kind}-{place}", ask(task.prompt, solution)) for place, (task, solution) in enumerate(shown)]
        found = [group.rollouts[0] for group in await ctx.sample("critic", tasks, n=1)]
        ctx.count("critic/unparsed", sum(rollout.answer is None for rollout in found))
        for rollout in found:
            rollout.keys["kind"] = kind
        return found

    def note(self, ctx: Context, valid: Sequence[tuple[Sneak, Rollout, str]]) -> None:
        """How often the critic is paid for what is the first wrong step indeed, which no one is told."""
        truth = ctx.world.skill("critique").truth or (lambda task, text: None)
        labels = [(str(sneak.place), truth(sneak.task, spoiled)) for sneak, _, spoiled in valid]
        labels += [(FINE, truth(sneak.task, sneak.solution)) for sneak, _, _ in valid]
        if known := [agrees(label, true) for label, true in labels if true is not None]:
            ctx.log(**{"game/labels_right": fmean(known)})

    def learn(self, ctx: Context, policy: str, rollouts: Sequence[Rollout]) -> None:
        """One update of a policy, its baselines kept by role and kind."""
        baseline = MovingAverage(self.decay)
        baseline.state = ctx.state.setdefault("baselines", {})
        baseline(rollouts, key=lambda rollout: (rollout.keys["role"], rollout.keys.get("kind")))
        ctx.learn(policy, rollouts, self.objective)

    async def ask(self, ctx: Context, tasks: Sequence[Task]) -> ProbeResult:
        return await probe_critic(ctx, "critic", "solver", tasks)
