"""A way of answering of one's own: samples of a task are drawn one by one until two of them agree."""

from pydantic import Field

from autotelic import Way, way
from autotelic.systems.base import TRIED


def repeated(answers):
    """The answer that stands twice among answers, or None."""
    return next((answer for answer in answers if answer is not None and answers.count(answer) > 1), None)


@way(name="until-two-agree", system="Until two agree", paper="", family="own", model="chain-medium", tasks="chain")
class UntilTwoAgree(Way):
    """The first answer that two samples give.

    Formula: samples one by one, at most `most`, until an answer comes a second time.
    Ends: where no answer comes twice, the last sample counts, if it has an answer.
    Fails: where a wrong answer is more frequent than the right one.
    Differs: no paper has it; it is an example of how a way is written.
    """

    most: int = Field(8, ge=2)
    """Most samples of a task."""

    async def answer(self, ctx, tasks):
        said = {task.id: [] for task in tasks}
        for _ in range(self.most):
            unsettled = [task for task in tasks if repeated([rollout.answer for rollout in said[task.id]]) is None]
            for group in await ctx.sample("solver", unsettled, n=1):
                said[group.task.id] += group.rollouts
        for rollouts in said.values():
            rollouts[-1].keys[TRIED] = [rollout.answer for rollout in rollouts]
        return [said[task.id][-1] for task in tasks]
