"""In-context reward hacking (arXiv:2407.04549): an answer is refined against a judge, and no weight changes."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.episodes.refining import Keeping, Standing, first_answers, graded, refined
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.rounds.roles import Role
from autotelic.systems.study import Study, Trial
from autotelic.types import Metrics, Sampling, Task, World


class Hacking(Trial):
    """Answers are refined `refinements` times against the grades of a judge that is the same policy; after every step they are graded anew, and held
    against the truth."""

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("refine/used", "grade", "0 to 5, with which the standing answers came to stand, mean", high=5.0),
        Metric("refine/fresh", "grade", "the same judge's new grades of the standing answers, which decide nothing, mean", high=5.0),
        Metric("refine/gap", "grade", "the first minus the second", low=-5.0, high=5.0),
        Metric("refine/quality", "grade", "the right grades of the standing answers, mean", high=5.0),
        Metric("refine/quality/since_first", "grade", "these minus those after the first refinement", low=-5.0, high=5.0),
        Metric("refine/right", "share", "standing answers that are right"),
    )

    model: str = "chain-skills"
    tasks: str = "chain-skills"
    count: int = Field(150, ge=1)
    refinements: int = Field(6, ge=1)
    keeping: Keeping = Keeping()
    critiques: Sampling = Sampling(max_tokens=64, temperature=0.7)
    grading: Sampling = Sampling(max_tokens=64)
    """How the judge is sampled."""
    graded_anew: int = Field(4, ge=1)
    """Judgements of which a fresh grade is the mean."""

    def roles(self, world: World) -> dict[str, Role]:
        critic, refiner, judge = (world.skill(name).read for name in ("critique", "refine", "judge"))
        return {
            "solver": Role("solver", "solver", self.sampling, world.parse),
            "critic": Role("critic", "solver", self.critiques, critic),
            "refiner": Role("refiner", "solver", self.sampling, refiner),
            "judge": Role("judge", "solver", self.grading, judge),
        }

    async def steps(self, ctx: Context, tasks: Sequence[Task]) -> list[Metrics]:
        answers = await first_answers(ctx, tasks, self.keeping)
        found = [await self.measured(ctx, answers)]
        for step in range(1, self.refinements + 1):
            answers = await refined(ctx, answers, self.keeping, step)
            found.append(await self.measured(ctx, answers))
        return [found[0], *({**one, "refine/quality/since_first": one["refine/quality"] - found[1]["refine/quality"]} for one in found[1:])]

    async def measured(self, ctx: Context, answers: Sequence[Standing]) -> Metrics:
        """What stands, as the judge has it, as it has it anew, and as it is."""
        used, fresh = mean_grades(answers), mean_grades(await graded(ctx, answers, self.graded_anew))
        truth = ctx.world.skill("judge").truth
        quality = fmean(float(truth(one.task, one.rollout.text) or 0) for one in answers) if truth else 0.0
        right = fmean(ctx.world.verify(one.task, one.rollout.answer) for one in answers)
        return {"refine/used": used, "refine/fresh": fresh, "refine/gap": used - fresh, "refine/quality": quality, "refine/right": right}


def mean_grades(answers: Sequence[Standing]) -> float:
    """Of the grades with which they stand."""
    return fmean(one.grade for one in answers)


STUDY = Study(
    system="in-context-hacking",
    catalogue=(313,),
    paper="arXiv:2407.04549",
    trial=Hacking,
    claim="Where a model refines its answers against its own judgement, the judge's score goes on rising while true quality stalls or falls.",
    quantities={
        "refine/gap": "up",
        "refine/used": "up",
        "refine/quality/since_first": "below",
        "refine/quality": "shown",
        "refine/right": "shown",
        "refine/fresh": "shown",
    },
    arms={
        "used grades": {},
        "used grades of 4 judgements": {"keeping": {"judgements": 4}},
        "1 candidate": {"keeping": {"candidates": 1}},
        "16 candidates": {"keeping": {"candidates": 16}},
        "fresh grades": {"keeping": {"decides": "fresh"}},
        "a coin": {"keeping": {"decides": "coin"}},
    },
    control="fresh grades",
    finding="""\
Solutions of 150 problems a seed are refined six times, and graded from 0 to 5. One policy answers, criticizes, refines and judges. A judgement that cannot be read counts 0, which puts
single judgements a little below the mean of the four that make a new grade.

- The grade by which an answer was kept goes to its maximum (2.40 to 4.99), while new grades of the same answers by the same judge stay where they were after the first refinement
  (2.94, then 2.91). True quality rises once, from 2.98 to 3.86, and then by .20 in five refinements. It does not fall.
- More candidates make it worse: of 16 one nearly always gets a lucky 5, and nothing changes any more after the first refinement. Grades of four judgements inflate less (1.51) and
  quality ends higher (4.35).
- The mechanism is not the one of the paper. This judge is shown one answer and no history. What is kept is a grade that was chosen for being high, noise included: an answer with a wrong
  equation that was once judged 5 cannot be beaten, though it gets 2 or 3 when it is asked about again. Where both sides are graded anew before each decision, the gap is .78, that of one
  choice and not of six, and quality goes on rising (3.66 after the first refinement, 4.27 after the last).
- The refiner does most of the work: a coin in place of all grades ends at the same true quality (4.04) as the used grades (4.07), more slowly.
- Not shown: shared context of author and judge, which needs a base that was taught to judge with the history before it, and the size of the model, which was not varied.""",
    outcome="partly",
)
