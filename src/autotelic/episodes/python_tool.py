"""Answers with a Python tool: the model writes code, is shown what the code printed, and goes on. The code runs in the sandbox and nowhere else.

What is shown is an observation, which is never trained on. All rollouts go on in step, so that the actions of a turn are one batch for the engine and
their programs one for the sandbox.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field

from autotelic.errors import DataError
from autotelic.sandbox import Program, Result, Sandbox
from autotelic.types import Group, Rollout, Settings, Task

if TYPE_CHECKING:
    from autotelic.rounds.context import Context


class PythonTool(Settings):
    """How a model calls Python, and what it is shown."""

    calls: int = Field(3, ge=1)
    """Programs of one rollout, at most; what is written behind the last output stands as it is."""
    opens: str = "```python\n"
    closes: str = "```\n"
    """What stands around a program; an action ends where it is closed."""
    shows: str = "```output\n{output}\n```\n"
    """What is shown, with the output in place of {output}."""
    longest: int = Field(400, ge=1)
    """Characters of an output that are shown: its last ones, where an error says what it was."""


async def with_python(ctx: "Context", role: str, tasks: Sequence[Task], n: int, sandbox: Sandbox, tool: PythonTool) -> list[Group]:
    """`n` rollouts for every task, each of which may call Python.

    An action that ends with a program is followed by its output and by another action. `tool/calls` counts programs, `tool/failed` those that did
    not run to their end, `tool/not_shown` outputs for which the context has no room or the vocabulary no characters: there the rollout ends.
    """
    groups = [Group(task, [ctx.begin(role, task) for _ in range(n)]) for task in tasks]
    going = [rollout for group in groups for rollout in group]
    for _ in range(tool.calls):
        await ctx.extend(role, going, stop=(tool.closes,))
        calls = [(rollout, code) for rollout in going if (code := called(rollout.text, tool)) is not None]
        results = sandbox.run_all([Program(code) for _, code in calls])
        ctx.count("tool/calls", len(calls))
        ctx.count("tool/failed", sum(not result.ok for result in results))
        going = [rollout for (rollout, _), result in zip(calls, results, strict=True) if show(ctx, rollout, output(result, tool))]
    await ctx.extend(role, going, stop=(tool.closes,))
    ctx.note(groups)
    return groups


def called(text: str, tool: PythonTool) -> str | None:
    """The program that an utterance ends with; None where it ends with something else."""
    opened, closing = text.rfind(tool.opens), tool.closes.rstrip()
    code = text[opened + len(tool.opens) :].rstrip() if opened >= 0 else ""
    return code.removesuffix(closing) if code.endswith(closing) and code.count(closing) == 1 else None


def output(result: Result, tool: PythonTool) -> str:
    """What a model is shown of a program: the end of what it printed, and how it ended where that was not by itself."""
    ended = "" if result.ended in ("ok", "error") else f"({result.ended})"
    said = "\n".join(filter(None, (result.output.rstrip("\n"), ended)))
    return tool.shows.replace("{output}", said[-tool.longest :])


def show(ctx: "Context", rollout: Rollout, text: str) -> bool:
    """Show a rollout a text, if its context has room for it and its vocabulary the characters; whether it was shown."""
    try:
        tokens = ctx.turn(rollout.role, rollout.task, text, rollout.turns[-1].tokens)
    except DataError:
        tokens = None
    if tokens is None or len(rollout.tokens) + len(tokens) >= ctx.policies[ctx.role(rollout.role).policy].context:
        ctx.count("tool/not_shown")
        return False
    ctx.observe(rollout, tokens)
    return True
