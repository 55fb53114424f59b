"""Attempts that are told of the failed ones before them: SE-Agent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from autotelic.answers.votes import vote
from autotelic.episodes.answering import reply
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import ASKED, TRIED, Way, way
from autotelic.tasks.english import words
from autotelic.tasks.language import FINE
from autotelic.types import Rollout, Sampling, Task, World, listed

Operator = Literal["alternative", "crossover", "summary", "anew"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """What was written in an attempt, what it went on from included."""

    rollout: Rollout
    text: str


@way(name="se-agent", system="SE-Agent", paper="arXiv:2508.02085", family="search", catalogue=(356,), oracle=True)
class SEAgent(Way):
    """A task is attempted until the truth says that it is solved, and each attempt is told of those that failed.

    Formula: attempts a_1, a_2, ...; after a failure the next of `operators` makes an attempt of the pool of failures: *alternative* is shown the last one and no
    critique, and writes another; *crossover* goes on from the steps that the last two begin with alike; *summary* is shown the last one with the step that
    critics most often name as the first wrong one of all failures; *anew* is a plain attempt. The first that is right counts, else the last.
    Ends: a crossover of one attempt, and of attempts that have no step in common, starts at the beginning. A critique that cannot be read has no vote
    (critic/unparsed). A task of which nobody knows the truth keeps its first attempt (se-agent/unjudged).
    Fails: it asks the truth after every attempt, so it is compared with the truth's choice of plain samples. Where a model was never taught to write
    otherwise than it is shown, its ablation, plain attempts at as many calls, does better.
    Differs: published are trajectories of agents that mend software, each summarized first, with texts of at most 200 words as a system prompt, and three attempts.
    There the pool is read by its first entry, so that all issues of a folder are told of the first one's attempts.
    """

    skills: ClassVar[tuple[str, ...]] = ("critique", "refine", "continue", "sneak")

    operators: Annotated[tuple[Operator, ...], BeforeValidator(listed), Field(min_length=1)] = ("alternative", "crossover", "summary")
    """What makes the second attempt, the third, and so on."""
    temperature: float = Field(1.0, ge=0.0)
    """Of all attempts but the first, which is greedy."""
    critiques: Sampling = Sampling(max_tokens=64, temperature=0.0)
    """How critics are sampled."""

    @property
    def ablations(self) -> Mapping[str, Self]:
        anew: tuple[Operator, ...] = tuple("anew" for _ in self.operators)
        return {} if self.operators == anew else {"plain attempts": self.model_copy(update={"operators": anew})}

    def roles(self, world: World) -> dict[str, Role]:
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "critic": Role("critic", "solver", self.critiques, world.skill("critique").read),
            "refiner": Role("refiner", "solver", self.sampling, world.skill("refine").read),
            "finisher": Role("finisher", "solver", self.sampling, world.skill("continue").read),
        }

    def setup(self, ctx: Context) -> None:
        critique, refine = (ctx.world.skill(name).ask for name in ("critique", "refine"))
        checks.asked(ctx.policies["solver"], critique=words(critique("", "")), refine=words(refine("", "", None)))

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        pools = [[Attempt(rollout, rollout.text)] for rollout in await reply(ctx, "solver", tasks, temperature=0.0)]
        ctx.count("se-agent/unjudged", sum(not task.labeled for task in tasks))
        failed = list(range(len(tasks)))
        for turn, operator in enumerate(self.operators):
            failed = [place for place in failed if self.failed(ctx, tasks[place], pools[place][-1])]
            told = [Task(f"{tasks[place].id}/{turn}", tasks[place].prompt) for place in failed]
            for place, attempt in zip(failed, await self.attempts(ctx, operator, told, [pools[place] for place in failed]), strict=True):
                pools[place].append(attempt)
        for pool in pools:
            pool[-1].rollout.keys[TRIED] = [attempt.rollout.answer for attempt in pool]
        return [pool[-1].rollout for pool in pools]

    def failed(self, ctx: Context, task: Task, attempt: Attempt) -> bool:
        """Whether an attempt is known to be wrong."""
        if not task.labeled:
            return False
        ctx.count(ASKED)
        return ctx.world.verify(task, attempt.rollout.answer) < 1.0

    async def attempts(self, ctx: Context, operator: Operator, tasks: Sequence[Task], pools: Sequence[Sequence[Attempt]]) -> list[Attempt]:
        """A further attempt at each task, of its failures."""
        if operator == "anew":
            return [Attempt(rollout, rollout.text) for rollout in await reply(ctx, "solver", tasks, temperature=self.temperature)]
        if operator == "crossover":
            return await self.crossed(ctx, tasks, pools)
        ask = ctx.world.skill("refine").ask
        told = await self.named(ctx, tasks, pools) if operator == "summary" else [None] * len(tasks)
        asked = [Task(task.id, ask(task.prompt, pool[-1].text, critique)) for task, pool, critique in zip(tasks, pools, told, strict=True)]
        return [Attempt(rollout, rollout.text) for rollout in await reply(ctx, "refiner", asked, temperature=self.temperature)]

    async def crossed(self, ctx: Context, tasks: Sequence[Task], pools: Sequence[Sequence[Attempt]]) -> list[Attempt]:
        """Attempts that go on from what the last two begin with alike."""
        ask, steps = ctx.world.skill("continue").ask, ctx.world.skill("sneak").steps
        begun = ["".join(alike(steps(pool[-1].text), steps(pool[-2].text))) if len(pool) > 1 else "" for pool in pools]
        asked = [Task(task.id, ask(task.prompt, start)) for task, start in zip(tasks, begun, strict=True)]
        found = await reply(ctx, "finisher", asked, temperature=self.temperature)
        return [Attempt(rollout, start + rollout.text) for rollout, start in zip(found, begun, strict=True)]

    async def named(self, ctx: Context, tasks: Sequence[Task], pools: Sequence[Sequence[Attempt]]) -> list[str | None]:
        """The step that critics of all failures of a task most often name; None where none names any."""
        ask = ctx.world.skill("critique").ask
        asked = [
            Task(f"{task.id}/{place}", ask(task.prompt, attempt.text))
            for task, pool in zip(tasks, pools, strict=True)
            for place, attempt in enumerate(pool)
        ]
        said = iter(await reply(ctx, "critic", asked))
        return [vote([found if (found := next(said).answer) != FINE else None for _ in pool]).label for pool in pools]


def alike(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """The steps with which both begin."""
    return [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, second, strict=False))]
