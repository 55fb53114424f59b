"""Examples that the model writes for itself stand before each problem: self-contemplation prompting."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field

from autotelic.episodes.answering import replies, reply
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems import checks
from autotelic.systems.base import Way, way
from autotelic.tasks.english import words
from autotelic.types import Rollout, Sampling, Task, World


@way(
    name="self-contemplation",
    system="SEC (self-contemplation prompting)",
    paper="arXiv:2309.14681",
    family="search",
    catalogue=(259,),
    model="rules",
    tasks="rules",
)
class SelfContemplation(Way):
    """The model writes solved problems like the one that it is asked, and answers behind them.

    Formula: for each problem up to k examples, each a problem and its solution by the model; those that cannot be read are written anew, up to `tries`
    times, at temperatures that rise by `warmer` each time; then the problem is answered greedily behind those that there are.
    Ends: a problem for which no example can be read is answered as it is (self-contemplation/alone). demonstrator/unparsed counts examples that could not be
    read; they are charged.
    Fails: where the model knows no more of examples than of the problem: nothing checks whether they are true. Behind examples that were written for
    another problem (`written_for=others`, the ablation at as many calls) it then does as well.
    Differs: one wording in the place of six in turn, and one call for each example where published is one for all; published are 24 tries, whose cost is not told.
    """

    skills: ClassVar[tuple[str, ...]] = ("demonstrate", "imitate")

    examples: int = Field(4, ge=1)
    """Examples before a problem."""
    tries: int = Field(3, ge=1)
    """Most times that missing examples are written."""
    writing: Sampling = Sampling(max_tokens=128, temperature=0.7)
    """How they are sampled at first."""
    warmer: float = Field(0.1, ge=0.0)
    """By how much the temperature rises with each further try."""
    written_for: Literal["own", "others"] = "own"
    """Whose examples stand before a problem: those for itself, or those for another one."""

    @property
    def ablations(self) -> Mapping[str, Self]:
        return {} if self.written_for == "others" else {"examples for other problems": self.model_copy(update={"written_for": "others"})}

    def roles(self, world: World) -> dict[str, Role]:
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "demonstrator": Role("demonstrator", "solver", self.writing, world.skill("demonstrate").read),
            "imitator": Role("imitator", "solver", self.sampling, world.skill("imitate").read),
        }

    def setup(self, ctx: Context) -> None:
        demonstrate, imitate = (ctx.world.skill(name).ask for name in self.skills)
        checks.asked(ctx.policies["solver"], demonstrate=words(demonstrate("")), imitate=words(imitate("", [])))

    async def answer(self, ctx: Context, tasks: Sequence[Task]) -> list[Rollout]:
        examples = await self.contemplated(ctx, tasks)
        if self.written_for == "others":
            examples = examples[1:] + examples[:1]
        imitate = ctx.world.skill("imitate").ask
        shown = [place for place, some in enumerate(examples) if some]
        ctx.count("self-contemplation/alone", len(tasks) - len(shown))
        behind = await reply(ctx, "imitator", [Task(tasks[p].id, imitate(tasks[p].prompt, examples[p])) for p in shown], temperature=0.0)
        alone = await reply(ctx, "solver", [task for task, some in zip(tasks, examples, strict=True) if not some], temperature=0.0)
        found = {True: iter(behind), False: iter(alone)}
        return [next(found[bool(some)]) for some in examples]

    async def contemplated(self, ctx: Context, tasks: Sequence[Task]) -> list[list[str]]:
        """The examples for each task."""
        ask = ctx.world.skill("demonstrate").ask
        examples: list[list[str]] = [[] for _ in tasks]
        for attempt in range(self.tries):
            heat = self.writing.temperature + attempt * self.warmer
            for missing in {self.examples - len(some) for some in examples} - {0}:
                places = [place for place, some in enumerate(examples) if len(some) == self.examples - missing]
                asked = [Task(f"{tasks[place].id}/{attempt}", ask(tasks[place].prompt)) for place in places]
                for place, group in zip(places, await replies(ctx, "demonstrator", asked, n=missing, temperature=heat), strict=True):
                    examples[place] += [answer for answer in group.answers if answer is not None]
                    ctx.count("demonstrator/unparsed", group.answers.count(None))
        return examples
