"""Search that the model's own backtrack token steers: Self-Backtracking (arXiv:2502.04404). Tries, steps back, tries again; nothing here trains.

All tasks search in step, so that the tries of a depth are one batch for the engine.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING

from autotelic.episodes.answering import cut_to
from autotelic.rewards.confidence import logprobs_after_prompt
from autotelic.types import Rollout, Task

if TYPE_CHECKING:
    from autotelic.rounds.context import Context


async def backtrack(
    ctx: "Context", role: str, tasks: Sequence[Task], n: int, depth: int, temperature: float, back: str, step_end: str
) -> dict[str, list[Rollout]]:
    """The candidates for each task, by id: tries that the policy ended itself.

    `n` tries go on from each state, at first the task. A try that ends in the text `back` loses it and its last step, which `step_end` ends; up to
    sqrt(n) such states of a task, if new, are gone on from, up to `depth` times. Tries are counted in search/tries.
    """
    states = [ctx.begin(role, task) for task in tasks]
    seen = {tuple(state.tokens) for state in states}
    candidates: dict[str, list[Rollout]] = defaultdict(list)
    for _ in range(depth + 1):
        tries = [child for state in states for child in ctx.fork(state, n)]
        await ctx.extend(role, tries, temperature=temperature, stop=(back,))
        ctx.count("search/tries", len(tries))
        states, widths = [], Counter[str]()
        for rollout in tries:
            if rollout.text.endswith(back):
                step_back(ctx, rollout, back, step_end)
                if tuple(rollout.tokens) not in seen and widths[rollout.task.id] < isqrt(n):
                    seen.add(tuple(rollout.tokens))
                    widths[rollout.task.id] += 1
                    states.append(rollout)
            elif rollout.answer is not None:
                candidates[rollout.task.id].append(rollout)
    return candidates


def step_back(ctx: "Context", rollout: Rollout, back: str, step_end: str) -> None:
    """Take back the backtrack token at the end of a rollout and the step before it; before the first step there is nothing to take but the token."""
    text = rollout.text.removesuffix(back).removesuffix(step_end)
    kept = text[: text.rfind(step_end) + len(step_end)] if step_end in text else ""
    cut_to(ctx, rollout, len(kept))


def least_perplexity(ctx: "Context", candidates: Sequence[Rollout]) -> Rollout | None:
    """The candidate whose tokens after the prompt are most likely on average, at temperature 1; of equals the first, None of none."""
    if not candidates:
        return None
    policy = ctx.policies[ctx.role(candidates[0].keys["role"]).policy]
    means = [float(logprobs.mean()) for logprobs in logprobs_after_prompt(policy, candidates)]
    return candidates[means.index(max(means))]
