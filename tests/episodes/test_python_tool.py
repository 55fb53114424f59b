"""Rollouts that call Python: what is shown, what is trained on, and where they end. Programs run in the real sandbox."""

import asyncio
from collections.abc import Callable

import pytest
from replying import context
from scripted import Sums, made

from autotelic.episodes.python_tool import PythonTool, called, output, with_python
from autotelic.learning.examples import example
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import character_tokenizer
from autotelic.sandbox import Result, Sandbox, why_not
from autotelic.types import Rollout, Task, TurnKind

here = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")
TOOL = PythonTool(calls=2, opens="<", closes=">", shows="[{output}]", longest=5)
TASK = Task("t", "1+2=", answer="3")


def played(policy: Policy, replies: dict[str, list[str]]) -> tuple[Rollout, dict[str, float]]:
    """The one rollout of a task, and what was counted."""
    policy.tokenizer = character_tokenizer("0123456789+-*=<>[]()/print", 96)
    ctx = context(made("gold"), policy, Sums(), [TASK], replies)
    groups = asyncio.run(with_python(ctx, "solver", [TASK], 1, Sandbox(), TOOL))
    return groups[0].rollouts[0], {name: value for name, value in ctx.metrics.items() if name.startswith("tool/")}


def test_a_program_is_what_an_utterance_ends_with() -> None:
    fenced = PythonTool()
    assert called("Let me see.\n```python\nprint(1)\n```\n", fenced) == called("```python\nprint(1)\n```", fenced) == "print(1)\n"
    for text in ("4", "```python\nprint(1)\n", "```python\nprint(1)\n```\nIt is 1.", "```\nprint(1)\n```\n", ""):
        assert called(text, fenced) is None


def test_what_is_shown_of_a_program() -> None:
    assert output(Result("ok", "12\n"), TOOL) == "[12]"
    assert output(Result("error", "Traceback\nValueError: no\n"), TOOL) == "[r: no]", "the last five characters"
    assert output(Result("cpu", "1\n"), TOOL) == "[(cpu)]" and output(Result("ok"), TOOL) == "[]"


@here
def test_a_model_goes_on_from_what_its_program_printed_and_only_its_own_words_are_trained_on(policy: Callable[..., Policy]) -> None:
    rollout, counted = played(policy(), {"1+2=": ["<print(1+2)>"], "1+2=<print(1+2)>[3]": ["3"]})
    assert rollout.answer == "3" and counted == {"tool/calls": 1, "tool/failed": 0}
    assert [(turn.kind, turn.text) for turn in rollout.turns[2:3]] == [(TurnKind.OBSERVATION, "[3]")]
    rollout.advantage = 1.0
    learned = example(rollout)
    targets = [token for token, weight in zip(learned.tokens, learned.mask, strict=True) if weight]
    assert targets == [token for turn in rollout.actions for token in turn.tokens]


@here
def test_after_the_last_call_nothing_is_run(policy: Callable[..., Policy]) -> None:
    again = "1+2=<print(1)>[1]<print(2)>[2]"
    rollout, counted = played(policy(), {"1+2=": ["<print(1)>"], "1+2=<print(1)>[1]": ["<print(2)>"], again: ["<print(3)>"]})
    assert (rollout.text, rollout.answer, counted["tool/calls"]) == ("<print(3)>", None, 2)


@here
def test_a_failure_is_shown_and_what_cannot_be_written_ends_the_rollout(policy: Callable[..., Policy]) -> None:
    rollout, counted = played(policy(), {"1+2=": ["<1/0>"]})
    assert counted == {"tool/calls": 1, "tool/failed": 1, "tool/not_shown": 1}, "' zero' has letters that the vocabulary lacks"
    assert rollout.text == "<1/0>" and rollout.answer is None
