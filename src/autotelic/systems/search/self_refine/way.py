"""Answer, criticize, write anew, until the critique finds nothing: Self-Refine."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field

from autotelic.episodes.answering import reply
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import TRIED, Way, way
from autotelic.tasks.english import words
from autotelic.tasks.language import FINE
from autotelic.types import Rollout, Sampling, Task, World


@way(name="self-refine", system="Self-Refine", paper="arXiv:2303.17651", family="search", catalogue=(68,))
class SelfRefine(Way):
    """The model criticizes its own answer and writes a better one, until its critique finds nothing wrong.

    Formula: y0 greedily; critique c_t of y_t; stop where c_t finds nothing wrong; else y_{t+1} given y_t and c_t; at most `refinements` times. The last
    answer counts, right or wrong.
    Ends: an answer whose critique cannot be read, or whose refinement has no answer, stays; critic/unparsed and refiner/unparsed count them.
    Fails: by a critic that knows no more than the solver. Then critiques of other answers (`says=others`, the ablation at as many calls) do as well as the
    own, and a second sample does as well as a refinement.
    Differs: the published evaluation on GSM8K gives credit for every later attempt once one was right, which is an oracle; here the last answer counts, and
    what that would be stands beside it as any answer so far. Its prompts begin by stating that there is an error, and it drops items that do not parse.
    """

    skills: ClassVar[tuple[str, ...]] = ("critique", "refine")

    refinements: int = Field(4, ge=1)
    """Most refinements."""
    critiques: Sampling = Sampling(max_tokens=64, temperature=0.7)
    """How critics are sampled."""
    refining: float = Field(0.0, ge=0.0)
    """Temperature of refinements."""
    says: Literal["own", "others"] = "own"
    """What the refiner is told: the critique of the answer, or, where that finds a fault, one of another answer."""

    @property
    def ablations(self) -> Mapping[str, Self]:
        return {} if self.says == "others" else {"critiques of other answers": self.model_copy(update={"says": "others"})}

    def roles(self, world: World) -> dict[str, Role]:
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "critic": Role("critic", "solver", self.critiques, world.skill("critique").read),
            "refiner": Role("refiner", "solver", self.sampling, world.skill("refine").read),
        }

    def setup(self, ctx: Context) -> None:
        critique, refine = (ctx.world.skill(name).ask for name in self.skills)
        checks.asked(ctx.policies["solver"], critique=words(critique("", "")), refine=words(refine("", "", FINE)))

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        now = await reply(ctx, "solver", tasks, temperature=0.0)
        tried = [[rollout.answer] for rollout in now]
        places = list(range(len(tasks)))
        for turn in range(self.refinements):
            faults = await self.faults(ctx, tasks, {place: now[place] for place in places}, turn)
            mended = await self.refined(ctx, tasks, now, faults, turn)
            places = [place for place, rollout in mended.items() if rollout.answer is not None]
            for place in places:
                now[place] = mended[place]
                tried[place].append(mended[place].answer)
        for rollout, answers in zip(now, tried, strict=True):
            rollout.keys[TRIED] = answers
        return now

    async def faults(self, ctx: Context, tasks: Sequence[Task], answers: Mapping[int, Rollout], turn: int) -> dict[int, str]:
        """The critiques that find a fault, by the places of the tasks."""
        ask = ctx.world.skill("critique").ask
        asked = [Task(f"{tasks[place].id}/{turn}", ask(tasks[place].prompt, rollout.text)) for place, rollout in answers.items()]
        found = zip(answers, await reply(ctx, "critic", asked), strict=True)
        faults = {place: rollout.answer for place, rollout in found if rollout.answer not in (None, FINE)}
        told = list(faults.values())
        if self.says == "others":
            told = told[1:] + told[:1]
        return {place: str(critique) for place, critique in zip(faults, told, strict=True)}

    async def refined(
        self, ctx: Context, tasks: Sequence[Task], answers: Sequence[Rollout], faults: Mapping[int, str], turn: int
    ) -> dict[int, Rollout]:
        """A better answer wherever there is a fault."""
        ask = ctx.world.skill("refine").ask
        asked = [Task(f"{tasks[p].id}/{turn}", ask(tasks[p].prompt, answers[p].text, fault)) for p, fault in faults.items()]
        return dict(zip(faults, await reply(ctx, "refiner", asked, temperature=self.refining), strict=True))
