"""A search that the model's own backtrack token steers: Self-Backtracking."""

from collections.abc import Sequence
from statistics import fmean
from typing import ClassVar

from pydantic import Field

from autotelic.engines.registry import Capability
from autotelic.episodes.accuracy import accuracy
from autotelic.errors import SettingError
from autotelic.learning.examples import example
from autotelic.learning.learner import Optimizer, Updates
from autotelic.learning.objectives import NLL
from autotelic.measures.metrics import Metric
from autotelic.rounds.context import Context
from autotelic.systems import checks
from autotelic.systems.base import Recipe, recipe
from autotelic.systems.search.self_backtracking.way import StepsBack
from autotelic.types import Example, Group, Metrics, Rollout, Sampling, Task
from autotelic.worlds.countdown_steps import BACK, Misleading


@recipe(
    name="self-backtracking",
    system="Self-Backtracking",
    paper="arXiv:2502.04404",
    family="search",
    catalogue=(318,),
    proxy="search/accuracy",
    needs_answers=True,
    model="countdown-back",
    tasks="countdown-steps?largest=12",
)
class SelfBacktracking(Recipe):
    """Learn to take a wrong step back, search with that, and learn to do without from what the search found.

    Formula: taught are, by mean negative log-likelihood, whole solutions, and starts of solutions followed by a wrong step and the backtrack token, in
    which the wrong step is context and no target. Search with n tries a state: sample n continuations; one that ends itself is a candidate; one
    that ends in the backtrack token loses it and its last step, and up to sqrt(n) such states of a task, if new, are gone on from, `depth` times.
    The candidate with the least perplexity is the answer. Expert iteration: solutions that the search found and the verifier accepts are targets,
    without detours.
    Ends: where no try ends itself the task has no answer (search/empty). depth=0, which is the published b = 1, is best-of-n by perplexity: what was
    taken back is not gone on from. With back_share=0 the teaching is supervised training on solutions.
    Fails: the model takes back right steps (probe/back/false_alarms rises), or finds the wrong steps it is shown but not its own: on countdown a
    small model writes the target as the result of its last step, true or not, and stops.
    Differs: the public decoder samples with beams, and adds up the mean log-probabilities of equal candidates, so that a solution loses by being
    found twice; here tries are independent and equal ones count once. It iterates on the problems it is evaluated on; here on the pool. By default
    nothing is taught, because the base `countdown-back` was: `back_share` then matters to the probe alone.
    """

    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("search/accuracy", "share", "tasks of the round that the search solved"),
        Metric("search/empty", "tasks", "for which the search found no candidate"),
        Metric("probe/search/depth_{k}", "share", "accuracy on the probe of the search that takes back up to k steps"),
        Metric("probe/back/found", "share", "wrong steps after which the backtrack token is the most likely one"),
        Metric("probe/back/false_alarms", "share", "right steps after which it is"),
    )

    engine_needs: ClassVar[frozenset[Capability]] = frozenset({"stops", "weights"})

    rounds: int = Field(8, ge=0)
    taught: int = Field(0, ge=0)
    """Rounds of supervised training before expert iteration; none for a base that was taught to step back, as `countdown-back` was."""
    tasks_per_round: int = Field(256, ge=1)
    back_share: float = Field(0.5, ge=0.0, le=1.0)
    """Backtracking lessons for every solution, in rounds that are `taught`; at 0 the probe does not look at steps back either."""
    group_size: int = Field(16, ge=1)
    """n: tries from each state."""
    depth: int = Field(1, ge=0)
    """How many times a search goes on after a step back; the published code's number of passes b is one more."""
    temperature: float = Field(0.7, gt=0.0)
    """Of the tries of a search."""
    back: str = BACK
    step_end: str = ";"
    sampling: Sampling = Sampling(max_tokens=40)
    optimizer: Optimizer = Optimizer(learning_rate=1e-4)
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: NLL = NLL()

    @property
    def trains_on_gold(self) -> bool:
        return self.taught > 0

    def setup(self, ctx: Context) -> None:
        if self.back_share and not isinstance(ctx.world, Misleading):
            raise SettingError(f"world {ctx.world.name!r} makes no wrong steps (`wrong_step`), which self-backtracking learns from")
        checks.one_token(ctx.policies["solver"], back=self.back)
        checks.written(ctx.policies["solver"], step_end=self.step_end)
        if not any(self.step_end in ctx.world.gold(task) for task in ctx.pool.tasks[:1]):
            raise SettingError(f"step_end = {self.step_end!r}: the solutions of the world {ctx.world.name!r} do not have it")

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        examples = self.lessons(ctx, tasks) if ctx.round <= self.taught else await self.found(ctx, tasks)
        ctx.learn("solver", examples, self.objective, self.updates)

    def lessons(self, ctx: Context, tasks: Sequence[Task]) -> list[Example]:
        """Solutions of all tasks, and backtracking on the first `back_share` of them."""
        tokenizer = ctx.policies["solver"].tokenizer
        examples = [ctx.taught("solver", task, ctx.world.gold(task)) for task in tasks]
        for task in tasks[: round(self.back_share * len(tasks))]:
            start, wrong = self.wrong_step(ctx, task)
            examples.append(back_example(task, ctx.prompt("solver", task), *map(tokenizer.encode, (start, wrong, self.back))))
        return examples

    def wrong_step(self, ctx: Context, task: Task) -> tuple[str, str]:
        """A start of a task's solution, and a wrong step after it."""
        assert isinstance(ctx.world, Misleading)
        return ctx.world.wrong_step(str(task.prompt), ctx.random("wrong", task.id))

    async def found(self, ctx: Context, tasks: Sequence[Task]) -> list[Example]:
        """What a search over the tasks found, where it is right."""
        best = [rollout for rollout in await self.search(ctx, tasks, self.depth) if rollout is not None]
        for rollout in best:
            rollout.rewards["correct"] = ctx.world.verify(rollout.task, rollout.answer)
        ctx.note([Group(rollout.task, [rollout]) for rollout in best])
        right = [rollout for rollout in best if rollout.rewards["correct"]]
        ctx.log(**{"search/accuracy": len(right) / len(tasks)})
        return [example(rollout) for rollout in right]

    async def search(self, ctx: Context, tasks: Sequence[Task], depth: int) -> list[Rollout | None]:
        """The best candidate for each task; None where the search found none."""
        way = StepsBack(tries=self.group_size, depth=depth, temperature=self.temperature, back=self.back, step_end=self.step_end)
        return await way.search(ctx, tasks)

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        """What a search finds without and with steps back; and, on held-out solutions, how often the backtrack token is the most likely one after
        a wrong step, and after a right one in its place."""
        metrics: Metrics = {}
        for depth in sorted({0, self.depth}):
            found = await self.search(ctx, tasks, depth)
            metrics[f"probe/search/depth_{depth}"] = accuracy(ctx.world, tasks, [best.answer if best else None for best in found])
        return metrics | self.alarms(ctx, tasks) if self.back_share else metrics

    def alarms(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        """How often the backtrack token is the most likely one after a wrong step, and after a right one in its place."""
        encode, contexts = ctx.policies["solver"].tokenizer.encode, []
        for task in tasks:
            (start, wrong), gold = self.wrong_step(ctx, task), ctx.world.gold(task)
            right = gold[: gold.index(self.step_end, len(start)) + len(self.step_end)]
            contexts += [[*ctx.prompt("solver", task), *encode(text)] for text in (start + wrong, right)]
        alarmed = (ctx.policies["solver"].next_logprobs(contexts).argmax(1) == encode(self.back)[0]).tolist()
        return {"probe/back/found": fmean(alarmed[::2]), "probe/back/false_alarms": fmean(alarmed[1::2])}


def back_example(task: Task, prompt: Sequence[int], start: Sequence[int], wrong: Sequence[int], back: Sequence[int]) -> Example:
    """A start and the backtrack token as targets, with a wrong step between them that is none."""
    mask = [0.0] * len(prompt) + [1.0] * len(start) + [0.0] * len(wrong) + [1.0] * len(back)
    return Example(rollout=f"{task.id}{BACK}", tokens=[*prompt, *start, *wrong, *back], mask=mask, task=task)
