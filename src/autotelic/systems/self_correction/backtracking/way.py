"""Find the first wrong step, draw it anew, go on from there: the backtracking of BIG-Bench Mistake."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field

from autotelic.engines.registry import Capability
from autotelic.episodes.answering import cut_to, reply
from autotelic.errors import SettingError
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import ASKED, TRIED, Way, way
from autotelic.tasks.english import words
from autotelic.tasks.language import FINE
from autotelic.types import Rollout, Sampling, StopReason, Task, World


@way(
    name="backtracking",
    system="BIG-Bench Mistake / backtracking",
    paper="arXiv:2311.08516",
    family="self-correction",
    catalogue=(192,),
)
class Backtracking(Way):
    """The first wrong step of a solution is named, drawn anew, and the solution goes on from there.

    Formula: a solution greedily; the first wrong step is named by the model's own critic (`locate=critic`) or by the world (`locate=truth`, an oracle); from
    `alternatives` draws of that step, without those equal to it, the one with the largest summed log-probability is kept; the rest is written greedily.
    Ends: a solution that is called right stays, and so does one whose critique cannot be read (critic/unparsed), names a step that it has not
    (backtracking/no_step), or whose step is always drawn as it was (backtracking/none_differ).
    Fails: by a locator that is wrong too often; `told` makes an oracle as unreliable as one likes. At a random step of the same solutions (`place=random`, the
    ablation at as many calls) it is a retry that knows nothing.
    Differs: the steps are those that the world's critics number. The paper's locators are an oracle, a small trained classifier and prompted models.
    """

    skills: ClassVar[tuple[str, ...]] = ("critique", "sneak")
    engine_needs: ClassVar[frozenset[Capability]] = frozenset({"stops"})

    locate: Literal["critic", "truth"] = "critic"
    """Who names the first wrong step."""
    told: float = Field(1.0, ge=0.0, le=1.0)
    """With locate=truth: chance that the step named is the right one; else it is a random one."""
    place: Literal["named", "random"] = "named"
    """Where a solution that is called wrong is gone on from: the step named, or a random one."""
    alternatives: int = Field(8, ge=1)
    """Draws of the step."""
    temperature: float = Field(1.0, gt=0.0)
    """Of these draws."""
    step_end: str = ";"
    """What ends a step."""
    critiques: Sampling = Sampling(max_tokens=64, temperature=0.0)
    """How the critic is sampled."""

    @property
    def reads_truth(self) -> bool:
        return self.locate == "truth"

    @property
    def ablations(self) -> Mapping[str, Self]:
        return {} if self.place == "random" else {"at a random step": self.model_copy(update={"place": "random"})}

    def roles(self, world: World) -> dict[str, Role]:
        critic = Role("critic", "solver", self.critiques, world.skill("critique").read)
        return {"solver": Role("solver", "solver", self.sampling, world.parse), "critic": critic}

    def setup(self, ctx: Context) -> None:
        skill = ctx.world.skill("critique")
        checks.written(ctx.policies["solver"], step_end=self.step_end)
        checks.asked(ctx.policies["solver"], **{skill.name: words(skill.ask("", ""))})
        if self.locate == "truth" and not any(str(skill.truth and skill.truth(task, "")).isdecimal() for task in ctx.pool.tasks[:1]):
            raise SettingError(
                f"locate = 'truth': nobody knows which step of a solution is wrong on the tasks of {ctx.world.name!r}; say locate=critic"
            )

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        traces = await reply(ctx, "solver", tasks, temperature=0.0)
        named = await self.located(ctx, tasks, traces)
        first = [trace.answer for trace in traces]
        final = [mended or trace for mended, trace in zip(await self.mended(ctx, traces, named), traces, strict=True)]
        for rollout, answer in zip(final, first, strict=True):
            rollout.keys[TRIED] = [answer, rollout.answer]
        return final

    async def located(self, ctx: Context, tasks: Sequence[Task], traces: Sequence[Rollout]) -> list[int | None]:
        """The number of the step to go on from, from 1; None for a solution that stays."""
        skill = ctx.world.skill("critique")
        if self.locate == "truth":
            assert skill.truth is not None
            ctx.count(ASKED, len(tasks))
            found = [skill.truth(task, trace.text) for task, trace in zip(tasks, traces, strict=True)]
        else:
            asked = [Task(task.id, skill.ask(task.prompt, trace.text)) for task, trace in zip(tasks, traces, strict=True)]
            found = [critique.answer for critique in await reply(ctx, "critic", asked)]
        return [None if named in (None, FINE) else self.chosen(ctx, trace, int(str(named))) for named, trace in zip(found, traces, strict=True)]

    def chosen(self, ctx: Context, trace: Rollout, named: int) -> int:
        """The step named, or a random one where the settings say so."""
        random = ctx.random("place", trace.task.id)
        missed = self.locate == "truth" and random.random() >= self.told
        return random.randint(1, len(steps_of(ctx, trace)) + 1) if missed or self.place == "random" else named

    async def mended(self, ctx: Context, traces: Sequence[Rollout], named: Sequence[int | None]) -> list[Rollout | None]:
        """The solutions that go on from another step, None for those that stay."""
        drawn = [self.alternatives_of(ctx, trace, number) if number else [] for trace, number in zip(traces, named, strict=True)]
        await ctx.extend("solver", [rollout for some in drawn for rollout in some], temperature=self.temperature, stop=(self.step_end,))
        best = [self.likeliest(ctx, trace, some) for trace, some in zip(traces, drawn, strict=True)]
        unended = [rollout for rollout in best if rollout and rollout.turns[-1].stop is StopReason.STOP]
        await ctx.extend("solver", unended, temperature=0.0)
        return best

    def alternatives_of(self, ctx: Context, trace: Rollout, number: int) -> list[Rollout]:
        """Copies of a solution up to before a step."""
        start = start_of(trace.text, steps_of(ctx, trace), number)
        if start is None:
            ctx.count("backtracking/no_step")
            return []
        found = ctx.fork(trace, self.alternatives)
        for rollout in found:
            cut_to(ctx, rollout, start)
        return found

    def likeliest(self, ctx: Context, trace: Rollout, drawn: Sequence[Rollout]) -> Rollout | None:
        """Of the drawn steps that differ from the solution's own the most likely one; None where none differs."""
        other = [rollout for rollout in drawn if rollout.turns[-1].text.strip() != self.own_step(trace, rollout)]
        if drawn and not other:
            ctx.count("backtracking/none_differ")
        return max(other, key=lambda rollout: sum(rollout.turns[-1].logprobs or []), default=None)

    def own_step(self, trace: Rollout, rollout: Rollout) -> str:
        """The step of a solution in whose place a rollout has another."""
        rest = trace.text[len(rollout.text) - len(rollout.turns[-1].text) :]
        return rest[: rest.index(self.step_end) + len(self.step_end)].strip() if self.step_end in rest else rest.strip()


def steps_of(ctx: Context, trace: Rollout) -> list[str]:
    """The steps of a solution, as critics number them; the answer after the last is one more."""
    return ctx.world.skill("sneak").steps(trace.text)


def start_of(text: str, steps: Sequence[str], number: int) -> int | None:
    """Where step `number` of a text begins, from 1, or what comes after the last; None where the text has no such step."""
    if not 1 <= number <= len(steps) + 1:
        return None
    end = 0
    for step in steps[: number - 1]:
        end = text.index(step.strip(), end) + len(step.strip())
    return text.index(steps[number - 1].strip(), end) if number <= len(steps) else end
