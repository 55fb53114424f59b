"""Absolute Zero: one policy poses problems about programs and solves them, with an interpreter and no other data."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, ClassVar, Literal

from pydantic import Field

from autotelic.learning.advantages import whiten
from autotelic.learning.learner import Optimizer, Updates
from autotelic.learning.objectives import PolicyGradient
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.proposer_solver.posing import held_out
from autotelic.types import Rollout, Sampling, Task, World
from autotelic.worlds import programs
from autotelic.worlds.base import Span, expect
from autotelic.worlds.programs import KINDS, Kind, Programs

Ends = Literal["shipped", "paper", "inverse"]
Proposal = tuple[Rollout, Task | None]
"""What a proposer wrote and the problem it poses; None where it does not parse or the interpreter refuses it."""


def learnability(rate: float | None, ends: Ends = "shipped") -> float:
    """A proposer's reward: 1 - p where the solver succeeds at rate p; -1 where there is no problem (`rate` None), because the text does not parse
    or the interpreter refuses it.

    At the ends, p = 0 and p = 1: -.5 in the published code; 0 in the paper; 1 and -.5 in the code's mode "inverse", which pays for the impossible.
    """
    if rate is None:
        return -1.0
    if (rate == 1.0 and ends != "paper") or (rate == 0.0 and ends == "shipped"):
        return -0.5
    return 0.0 if rate == 0.0 and ends == "paper" else 1.0 - rate


def solved(answer: str | None, correct: float) -> float:
    """A solver's reward: 1 right, -.5 wrong, -1 without an answer."""
    return -1.0 if answer is None else 1.0 if correct else -0.5


@recipe(
    name="absolute-zero", system="Absolute Zero Reasoner", paper="arXiv:2505.03335", family="proposer-solver",
    proxy="rewards/solved/mean", environment=True, model="programs", tasks="programs",
)  # fmt: skip
class AbsoluteZero(Recipe):
    """One policy poses deduction, abduction and induction problems about programs and solves them; an interpreter judges both.

    Formula: of each kind a round, `tasks_per_round` problems posed after `references` from the buffers; p of each estimated from `tries` solutions at
    a temperature of their own; `solutions` more to learn from. Rewards `learnability` and `solved`; advantages whitened over the tokens of each of
    the six buckets (kind x role), reward minus mean over std; one update on all. The pool is the buffers. It begins with one program, and before the
    first round the untrained policy fills it, `bootstrap` times `tasks_per_round` problems of each kind, each time after references from what is there.
    Ends: p = 0 and p = 1 as `ends` says. A bucket rewarded alike throughout carries no signal. Where nothing valid is posed, solvers are trained on the
    buffers.
    Fails: by posing what is hard for being long or solved by luck; watch proposals/rate and proposals/ops beside the probe. With `tries` greedy, p
    would be 0 or 1 and every reward -.5, as in the published code by mistake; their temperature must therefore be above 0.
    Differs: programs of a toy language. Problems of the probe's split are posed but neither kept nor solved for training. Solvers learn this round's
    problems, and older ones of a kind that has too few; the published code makes up their batches from the buffers before the round's problems
    exist. Full buffers drop the oldest, there the newest. The published bootstrap goes on until 256 problems of a kind are valid, and deduction and
    abduction share them.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("proposals/unparsed", "proposals", "that cannot be read"),
        Metric("proposals/refused", "proposals", "that the interpreter cannot run"),
        Metric("proposals/valid/{kind}", "share", "proposals of a kind that pose a problem"),
        Metric("proposals/distinct/{kind}", "share", "different ones among these"),
        Metric("proposals/rate/{kind}", "share", "solutions of these that are right"),
        Metric("proposals/ops/{kind}", "operations", "of their programs, mean"),
    )

    run_defaults: ClassVar[Mapping[str, Any]] = {"probe_size": 540, "probe_samples": 4}

    rounds: int = Field(40, ge=0)
    tasks_per_round: int = Field(48, ge=1)
    """Problems of each kind; 64 in the paper."""
    tries: int = Field(8, ge=1)
    """Solutions from which p is estimated."""
    tries_temperature: float = Field(1.0, gt=0.0)
    solutions: int = Field(4, ge=1)
    """Solutions of a problem to learn from; 1 in the paper."""
    references: int = Field(2, ge=1)
    """Snippets that a proposer is shown; 6 in the paper."""
    ends: Ends = "shipped"
    proposer: Literal["trained", "frozen"] = "trained"
    """Frozen: a copy of the policy as the run began poses the problems, as a control."""
    bootstrap: int = Field(4, ge=0)
    """Times that `tasks_per_round` problems of each kind are posed before training begins."""
    buffer: int = Field(1024, ge=1)
    """Problems of a kind to keep."""
    batch_size: int | None = Field(None, ge=1)
    """Sequences per optimizer step; None: all six buckets in one."""
    probe_ops: Span = (1, 6)
    sampling: Sampling = Sampling(max_tokens=48)
    optimizer: Optimizer = Optimizer(learning_rate=4e-4)
    objective: PolicyGradient = PolicyGradient(clip_low=0.2, clip_high=0.28)

    def roles(self, world: World) -> dict[str, Role]:
        expect(world, Programs, "absolute-zero poses problems about programs")
        poser = "solver" if self.proposer == "trained" else "frozen"
        return super().roles(world) | {"proposer": Role("proposer", poser, self.sampling, lambda text: text.strip() or None)}

    def policies(self) -> Mapping[str, str | None]:
        return {} if self.proposer == "trained" else {"frozen": None}

    def setup(self, ctx: Context) -> None:
        assert isinstance(ctx.world, Programs)
        kinds = [(kind, programs.longest(kind, self.references, ctx.world.knobs.pairs)) for kind in KINDS]
        checks.answerable(ctx, "proposer", [Task(kind, asked) for kind, (asked, _) in kinds], "references")
        checks.answerable(ctx, "solver", [Task(kind, posed) for kind, (_, posed) in kinds], "tasks")

    def pool(self, world: World, size: int, seed: int) -> list[Task]:
        """One problem of each kind; the rest is made up."""
        assert isinstance(world, Programs)
        return world.seeds()

    def probe(self, world: World, size: int, seed: int) -> list[Task]:
        return world.tasks(size, seed=seed, split="probe", ops=self.probe_ops)

    async def round(self, ctx: Context) -> None:
        for _ in range(self.bootstrap if ctx.round == 1 else 0):
            self.keep(ctx, await self.propose(ctx, note=False), {})
        proposals = await self.propose(ctx)
        posed = [task for _, task in proposals if task]
        tries = await ctx.sample("solver", posed, n=self.tries, note=False, temperature=self.tries_temperature)
        rates = {group.task.id: fmean(ctx.world.verify(group.task, answer) for answer in group.answers) for group in tries}
        for rollout, task in proposals:
            rollout.rewards["learnability"] = learnability(rates[task.id] if task else None, self.ends)
        solutions = [rollout for group in await ctx.sample("solver", self.lessons(ctx, posed), n=self.solutions) for rollout in group]
        for rollout in solutions:
            rollout.rewards["solved"] = solved(rollout.answer, ctx.world.verify(rollout.task, rollout.answer))
        rollouts = solutions + [rollout for rollout, _ in proposals if self.proposer == "trained"]
        whiten(rollouts, key=lambda rollout: (rollout.keys["role"], rollout.task.tags["kind"]))
        ctx.learn("solver", rollouts, self.objective, Updates(batch_size=self.batch_size))
        self.keep(ctx, proposals, rates)
        self.log_proposals(ctx, posed, rates)

    async def propose(self, ctx: Context, note: bool = True) -> list[Proposal]:
        """`tasks_per_round` proposals of each kind, after references from the buffers."""
        asked = [self.asked(ctx, kind, place) for kind in KINDS for place in range(self.tasks_per_round)]
        groups = await ctx.sample("proposer", asked, n=1, note=note)
        return [(group.rollouts[0], self.posed(ctx, group.rollouts[0])) for group in groups]

    def asked(self, ctx: Context, kind: Kind, place: int) -> Task:
        """A prompt to pose a problem: after problems of its kind, or about a program of the other kinds for induction."""
        buffers = ctx.pool.arms("kind")
        known = buffers[kind] if kind != "induction" else [*buffers["deduction"], *buffers["abduction"]]
        chosen = ctx.random("references", kind, place, len(ctx.pool.births)).sample(known, min(self.references, len(known)))
        snippets = [programs.snippet_of(ctx.pool[name]) for name in chosen]
        return Task(f"{kind}-{place}", programs.asking(kind, snippets), tags={"kind": kind, "program": snippets[0].program, "references": chosen})

    def posed(self, ctx: Context, rollout: Rollout) -> Task | None:
        """The problem that a proposer posed, if it parses and the interpreter can run it."""
        assert isinstance(ctx.world, Programs)
        asked = rollout.task.tags
        snippet = programs.read(asked["kind"], asked["program"], rollout.answer or "")
        if snippet is None:
            rollout.answer = None
            ctx.count("proposals/unparsed")
            return None
        made = programs.pose(asked["kind"], snippet, ctx.world.knobs.pairs)
        if made is None:
            ctx.count("proposals/refused")
            return None
        prompt, hidden = made
        return ctx.proposal(rollout, prompt, hidden=hidden, **programs.tags(asked["kind"], snippet.program), references=asked["references"])

    def lessons(self, ctx: Context, posed: Sequence[Task]) -> list[Task]:
        """What solvers learn from: the posed problems that no probe may hold, and older ones of a kind that has too few."""
        chosen = [task for task in posed if not held_out(ctx.world, task)]
        ctx.count("proposals/held_out", len(posed) - len(chosen))
        for kind in KINDS:
            older, lacking = ctx.pool.arms("kind")[kind], max(self.tasks_per_round - sum(task.tags["kind"] == kind for task in chosen), 0)
            chosen += [ctx.pool[name] for name in ctx.random("older", kind).sample(older, min(lacking, len(older)))]
        return chosen

    def keep(self, ctx: Context, proposals: Sequence[Proposal], rates: Mapping[str, float]) -> None:
        """Valid problems into the buffers, always solved ones too, and the oldest out of full ones."""
        new = [task for _, task in proposals if task and not held_out(ctx.world, task)]
        ctx.pool.add(new, why="posed")
        ctx.pool.observe("rate", {task.id: rates[task.id] for task in new if task.id in rates})
        for buffer in list(ctx.pool.arms("kind").values()):
            ctx.pool.trim(buffer, self.buffer, why="buffer full")

    def log_proposals(self, ctx: Context, posed: Sequence[Task], rates: Mapping[str, float]) -> None:
        """What was posed, by kind."""
        for kind in KINDS:
            own = [task for task in posed if task.tags["kind"] == kind]
            found = {"valid": len(own) / self.tasks_per_round}
            if own:
                found |= {"rate": fmean(rates[task.id] for task in own), "ops": fmean(task.tags["ops"] for task in own)}
                found |= {"distinct": len({task.prompt for task in own}) / len(own)}
            ctx.log(**{f"proposals/{name}/{kind}": value for name, value in found.items()})
