"""Parts of ways: replies to prompts of any length, and places in a text."""

import asyncio
from collections.abc import Callable

import pytest
from contexts import context

from autotelic.episodes.answering import cut_to, replies, reply
from autotelic.policies.policy import Policy
from autotelic.types import StopReason, Task

Make = Callable[..., Policy]


def test_replies_get_what_room_there_is(policy: Make) -> None:
    """A context of 96: a reply of at most 10 tokens behind 4, of 2 behind 94, and none behind 96."""
    ctx = context(policy())
    tasks = [Task(str(length), "7" * length) for length in (4, 94, 96)]
    groups = asyncio.run(replies(ctx, "solver", tasks, 2))
    lengths = [[len(rollout.actions[0].tokens) for rollout in group] for group in groups]
    assert all(length <= limit for row, limit in zip(lengths, (10, 2, 0), strict=True) for length in row)
    assert ctx.metrics["rollouts/no_room"] == 2
    assert all(rollout.answer is None and rollout.actions[0].stop is StopReason.LENGTH for rollout in groups[2])
    assert len({rollout.id for group in groups for rollout in group}) == 6


def test_replies_do_not_depend_on_what_else_is_asked(policy: Make) -> None:
    tasks = [Task(str(length), "7" * length) for length in (4, 5, 6)]
    whole = [group.rollouts[0].tokens for group in asyncio.run(replies(context(policy()), "solver", tasks))]
    alone = [asyncio.run(replies(context(policy()), "solver", [task]))[0].rollouts[0].tokens for task in tasks]
    assert whole == alone


def test_replies_that_do_not_parse_are_counted(policy: Make) -> None:
    ctx = context(policy())
    found = asyncio.run(reply(ctx, "solver", [Task("a", "7" * 96), Task("b", "7" * 96)]))
    assert [one.answer for one in found] == [None, None] and ctx.metrics["solver/unparsed"] == 2


@pytest.mark.parametrize("length", [0, 1, 3, 5])
def test_a_text_is_cut_to_its_first_characters(policy: Make, length: int) -> None:
    ctx = context(policy())
    rollout = ctx.begin("solver", Task("a", "1="))
    asyncio.run(ctx.extend("solver", [rollout], max_tokens=6))
    said = rollout.text
    cut_to(ctx, rollout, min(length, len(said)))
    kept = [token for turn in rollout.utterance for token in turn.tokens]
    assert ctx.policies["solver"].tokenizer.decode(kept) == said[:length]
