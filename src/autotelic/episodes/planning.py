"""Plans in words: what a planner says to a text, and tasks that are put behind a plan. Parts of ways that plan once for all tasks; no way itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from autotelic.episodes.answering import replies, reply
from autotelic.tasks.english import filled, last_said, reworded
from autotelic.types import Prompt, Rollout, Task

if TYPE_CHECKING:
    from autotelic.rounds.context import Context

PLANNER = "planner"
"""The role that plans."""


def said(text: str) -> str | None:
    """A reply without the space around it; None where nothing is left."""
    return text.strip() or None


def problem_in(prompt: Prompt) -> str:
    """What a prompt says last: of a chat the last message of the user."""
    return prompt if isinstance(prompt, str) else last_said(prompt)


def shown(tasks: Sequence[Task]) -> str:
    """The problems of some tasks, one below the other."""
    return "\n\n".join(f"Problem: {problem_in(task.prompt)}" for task in tasks)


async def stage(ctx: "Context", name: str, like: Task, text: str, **values: str) -> str:
    """What the planner says to a text with its places filled, in a prompt of the form of a task's; where it was cut off, as far as it goes; where it says
    nothing empty, and counted."""
    prompt = reworded([] if isinstance(like.prompt, list) else "", filled(text, **values))
    (group,) = await replies(ctx, PLANNER, [Task(name, prompt)])
    found = said(group.rollouts[0].text)
    ctx.count(f"{PLANNER}/unparsed", found is None)
    return found or ""


async def planned(ctx: "Context", tasks: Sequence[Task], plan: str, text: str) -> list[Rollout]:
    """Greedy answers to tasks that are put behind a plan; as they are where there is none."""
    asked = [Task(task.id, reworded(task.prompt, filled(text, plan=plan, problem=problem_in(task.prompt)))) for task in tasks] if plan else tasks
    return await reply(ctx, "solver", asked, temperature=0.0)
