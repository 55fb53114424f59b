"""A search that the model's own backtrack token steers: Self-Backtracking."""

from collections import defaultdict
from collections.abc import Sequence
from math import isqrt
from random import Random
from statistics import fmean
from typing import Protocol, cast

from pydantic import Field

from autotelic.errors import SettingError
from autotelic.learning.examples import example, written
from autotelic.learning.learner import Optimizer, Updates
from autotelic.learning.objectives import NLL
from autotelic.recipes.base import Recipe, recipe
from autotelic.recipes.context import Context
from autotelic.tasks.worlds.countdown_steps import BACK
from autotelic.types import Example, Group, Metrics, Rollout, Sampling, Task


class Misleading(Protocol):
    """A world that can make wrong steps."""

    def wrong_step(self, prompt: str, rng: Random) -> tuple[str, str]:
        """A start of the solution, and a wrong step after it."""


@recipe(
    name="self-backtracking",
    system="Self-Backtracking",
    paper="arXiv:2502.04404",
    family="search/test-time",
    catalogue=(318,),
    proxy="search/accuracy",
    needs_answers=True,
    model="countdown-back",
    tasks="countdown-steps?largest=12",
)
class SelfBacktracking(Recipe):
    """Learn to take a wrong step back, search with that, and learn to do without from what the search found.

    Taught: mean negative log-likelihood of whole solutions (op), and of starts of solutions followed by a wrong step and the backtrack token (back),
    in which the wrong step is context and no target. Search, to depth b with n tries a state: sample n continuations; one that ends
    itself is a candidate; one that ends in the backtrack token loses it and its last step, and up to sqrt(n) such states, if new, are
    continued at the next depth. The candidate with the least perplexity is the answer. Expert iteration: solutions that the search found and the
    verifier accepts are targets, without detours.
    Degenerate case: no try ends itself, and the task has no answer (search/empty). With `back_share=0` it is supervised training on solutions, and
    the search is best-of-n by perplexity.
    Fails when the model takes back right steps (probe/back/false_alarms rises), and when it finds the wrong steps it is shown but not its own: on
    countdown a small model writes the target as the result of its last step, true or not, and is content.
    Differs: the public decoder samples with beams, and adds up the mean log-probabilities of equal candidates, so that a solution loses by being
    found twice; here tries are independent and equal ones count once. It iterates on the problems it is evaluated on; here on the pool.
    """

    rounds: int = Field(8, ge=0)
    taught: int = Field(0, ge=0)
    """Rounds of supervised training before expert iteration; none for a base that was taught to step back, as `countdown-back` was."""
    tasks_per_round: int = Field(256, ge=1)
    back_share: float = Field(0.5, ge=0.0)
    """Backtracking lessons for every solution."""
    group_size: int = Field(16, ge=1)
    """n: tries from each state."""
    depth: int = Field(1, ge=0)
    """b: how many steps back a search may go."""
    temperature: float = Field(0.7, gt=0.0)
    """Of the tries of a search."""
    back: str = BACK
    step_end: str = ";"
    sampling: Sampling = Sampling(max_tokens=40)
    optimizer: Optimizer = Optimizer(learning_rate=1e-4)
    updates: Updates = Updates(batch_size=64, epochs=1)
    objective: NLL = NLL()

    def setup(self, ctx: Context) -> None:
        if self.back_share and not hasattr(ctx.world, "wrong_step"):
            raise SettingError(f"world {ctx.world.name!r} makes no wrong steps (`wrong_step`), which self-backtracking learns from")

    async def round(self, ctx: Context) -> None:
        tasks = ctx.pool.draw(self.tasks_per_round)
        examples = self.lessons(ctx, tasks) if ctx.round <= self.taught else await self.found(ctx, tasks)
        ctx.learn("solver", examples, self.objective, self.updates)

    def lessons(self, ctx: Context, tasks: Sequence[Task]) -> list[Example]:
        """Solutions of all tasks, and backtracking on the first `back_share` of them."""
        encode, end = ctx.policies["solver"].tokenizer.encode, ctx.policies["solver"].tokenizer.end_id
        examples = [written(task.id, ctx.prompt("solver", task), [*encode(ctx.world.gold(task)), end]) for task in tasks]
        for task in tasks[: round(self.back_share * len(tasks))]:
            start, wrong = cast(Misleading, ctx.world).wrong_step(str(task.prompt), ctx.random("wrong", task.id))
            examples.append(back_example(task.id, ctx.prompt("solver", task), encode(start), encode(wrong), encode(self.back)))
        return examples

    async def found(self, ctx: Context, tasks: Sequence[Task]) -> list[Example]:
        """What a search over the tasks found, where it is right."""
        answers = await self.search(ctx, tasks, self.depth)
        best = [rollout for rollout in answers if rollout is not None]
        for rollout in best:
            rollout.rewards["correct"] = ctx.world.verify(rollout.task, rollout.answer)
        ctx.note([Group(rollout.task, [rollout]) for rollout in best])
        right = [rollout for rollout in best if rollout.rewards["correct"]]
        ctx.log(**{"search/accuracy": len(right) / len(tasks)})
        return [example(rollout) for rollout in right]

    async def search(self, ctx: Context, tasks: Sequence[Task], depth: int) -> list[Rollout | None]:
        """The best candidate for each task; None where the search found none."""
        states = [ctx.begin("solver", task) for task in tasks]
        seen = {tuple(state.tokens) for state in states}
        candidates: dict[str, list[Rollout]] = defaultdict(list)
        for _ in range(depth + 1):
            tries = [child for state in states for child in ctx.fork(state, self.group_size)]
            await ctx.extend("solver", tries, temperature=self.temperature, stop=(self.back,))
            states = []
            widths: dict[str, int] = defaultdict(int)
            for rollout in tries:
                if rollout.text.endswith(self.back):
                    step_back(ctx, rollout, self.back, self.step_end)
                    key = tuple(rollout.tokens)
                    if key not in seen and widths[rollout.task.id] < isqrt(self.group_size):
                        seen.add(key)
                        widths[rollout.task.id] += 1
                        states.append(rollout)
                elif rollout.answer is not None:
                    candidates[rollout.task.id].append(rollout)
            ctx.count("search/tries", len(tries))
        ctx.count("search/empty", sum(not candidates[task.id] for task in tasks))
        return [least_perplexity(ctx, candidates[task.id]) for task in tasks]

    async def measure(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        metrics: Metrics = {}
        for depth in sorted({0, self.depth}):
            answers = await self.search(ctx, tasks, depth)
            right = [ctx.world.verify(task, found.answer) if found else 0.0 for task, found in zip(tasks, answers, strict=True)]
            metrics[f"probe/search/depth_{depth}"] = fmean(right)
        return metrics | (self.alarms(ctx, tasks) if self.back_share else {})

    def alarms(self, ctx: Context, tasks: Sequence[Task]) -> Metrics:
        """How often the backtrack token is the most likely one after a wrong step, and after a right one in its place."""
        encode = ctx.policies["solver"].tokenizer.encode
        contexts = []
        for task in tasks:
            start, wrong = cast(Misleading, ctx.world).wrong_step(str(task.prompt), ctx.random("wrong", task.id))
            gold = ctx.world.gold(task)
            right = gold[: gold.index(self.step_end, len(start)) + len(self.step_end)]
            contexts += [[*ctx.prompt("solver", task), *encode(text)] for text in (start + wrong, right)]
        alarmed = (ctx.policies["solver"].next_logprobs(contexts).argmax(1) == encode(self.back)[0]).tolist()
        return {"probe/back/found": fmean(alarmed[::2]), "probe/back/false_alarms": fmean(alarmed[1::2])}


def back_example(name: str, prompt: Sequence[int], start: Sequence[int], wrong: Sequence[int], back: Sequence[int]) -> Example:
    """A start and the backtrack token as targets, with a wrong step between them that is none."""
    mask = [0.0] * len(prompt) + [1.0] * len(start) + [0.0] * len(wrong) + [1.0] * len(back)
    return Example(rollout=f"{name}{BACK}", tokens=[*prompt, *start, *wrong, *back], mask=mask)


def step_back(ctx: Context, rollout: Rollout, back: str, step_end: str) -> None:
    """Take back the backtrack token at the end of a rollout and the step before it; before the first step there is nothing to take but the token."""
    text = rollout.text.removesuffix(back).removesuffix(step_end)
    kept = text[: text.rfind(step_end) + len(step_end)] if step_end in text else ""
    tokens = [token for turn in rollout.utterance for token in turn.tokens]
    decode = ctx.policies["solver"].tokenizer.decode
    keep = max(count for count in range(len(tokens)) if len(decode(tokens[:count])) <= len(kept))
    rollout.cut(len(tokens) - keep)


def least_perplexity(ctx: Context, candidates: Sequence[Rollout]) -> Rollout | None:
    """The candidate whose tokens after the prompt are most likely on average, at temperature 1; of equals the first, None of none."""
    if not candidates:
        return None
    found = ctx.policies["solver"].scores([rollout.tokens for rollout in candidates], [len(rollout.turns[0].tokens) for rollout in candidates])
    means = [float(score.logprobs.mean()) for score in found]
    return candidates[means.index(max(means))]
