"""What recipes check before the first round."""

from collections.abc import Callable

import pytest
from contexts import context

from autotelic.errors import SettingError
from autotelic.policies.policy import Policy
from autotelic.systems import checks
from autotelic.types import Task

Make = Callable[..., Policy]


def test_texts_that_a_policy_can_write(policy: Make) -> None:
    checks.written(policy(), one="a", two="b;c")
    for text, message in (("", "two = '': must not be empty"), ("a@", "two = 'a@': the model's vocabulary lacks '@'")):
        with pytest.raises(SettingError, match=message):
            checks.written(policy(), one="a", two=text)


def test_texts_that_are_told_apart_or_one_token(policy: Make) -> None:
    checks.told_apart(policy(), high="ab", low="b")
    with pytest.raises(SettingError, match="low = 'ac': begins with the same token as high"):
        checks.told_apart(policy(), high="ab", low="ac")
    checks.one_token(policy(), back="<")
    with pytest.raises(SettingError, match="back = '<<': must be one token of the model's vocabulary, and is 2"):
        checks.one_token(policy(), back="<<")


def test_tasks_that_a_role_can_answer(policy: Make) -> None:
    ctx = context(policy(context=32))
    checks.answerable(ctx, "solver", [Task("short", "1" * 21)], "model")  # 21 characters, the begin token and 10 for the reply
    with pytest.raises(
        SettingError, match=r"model: the role 'solver' has no room for a prompt of 23 tokens and a reply of 10 in a context of 32 \(task 'long'\)"
    ):
        checks.answerable(ctx, "solver", [Task("short", "1"), Task("long", "1" * 22)], "model")
    with pytest.raises(SettingError, match=r"model: the role 'solver' cannot read it: .*the model's vocabulary lacks '@'"):
        checks.answerable(ctx, "solver", [Task("foreign", "@")], "model")


def test_texts_that_are_shown_after_an_answer(policy: Make) -> None:
    ctx = context(policy())
    checks.shown(ctx, "solver", retry="a")
    for text, message in (("", "retry = '': must not be empty"), ("a@", "retry = 'a@': the model's vocabulary lacks '@'")):
        with pytest.raises(SettingError, match=message):
            checks.shown(ctx, "solver", retry=text)
