"""Parts of ways of answering: replies of roles to prompts of any length, and what is left of a rollout at an earlier place. No way itself."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autotelic.rounds.disturbed import fitting
from autotelic.types import Group, Rollout, Task

if TYPE_CHECKING:
    from autotelic.rounds.context import Context


async def replies(ctx: "Context", role: str, tasks: Sequence[Task], n: int = 1, **settings: Any) -> list[Group]:
    """`n` replies of a role to each task, in one batch.

    Unlike `ctx.sample` it takes prompts that leave less room than the role may fill: a reply then gets what there is. Where there is none it is empty and
    cut off, which `rollouts/no_room` counts.
    """
    groups = [Group(task, [ctx.begin(role, task) for _ in range(n)]) for task in tasks]
    await ctx.extend(role, [rollout for group in groups for rollout in group], **settings)
    return groups


async def reply(ctx: "Context", role: str, tasks: Sequence[Task], **settings: Any) -> list[Rollout]:
    """One reply of a role to each task; those that do not parse are counted under the role's name, such as critic/unparsed."""
    found = [group.rollouts[0] for group in await replies(ctx, role, tasks, **settings)]
    ctx.count(f"{role}/unparsed", sum(rollout.answer is None for rollout in found))
    return found


def cut_to(ctx: "Context", rollout: Rollout, length: int) -> None:
    """Take back all tokens of a rollout's last utterance but the most of them that say no more than its first `length` characters."""
    tokens = [token for turn in rollout.utterance for token in turn.tokens]
    rollout.cut(len(tokens) - fitting(ctx.policies[ctx.role(rollout.role).policy].tokenizer, tokens, length))
