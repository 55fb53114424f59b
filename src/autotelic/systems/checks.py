"""What recipes check before the first round, so that a setting that cannot work is refused at the start, by its name. No recipe is declared here."""

from collections.abc import Iterable

from autotelic.errors import DataError, SettingError
from autotelic.policies.policy import Policy
from autotelic.policies.speaker import Speaker
from autotelic.rounds.context import Context
from autotelic.types import Task


def written(policy: Policy, **texts: str) -> None:
    """Texts of settings, by name, that a policy must be able to read or write.

    Raises:
        SettingError: one is empty, or its vocabulary lacks a character of one.
    """
    for setting, text in texts.items():
        _tokens(policy, setting, text)


def shown(ctx: Context, role: str, **texts: str) -> None:
    """Texts of settings, by name, that a role is shown after its answer to a task of the pool.

    Raises:
        SettingError: one is empty, its vocabulary lacks a character of one, or its chat template has no place for a further message of the user.
    """
    written(ctx.policies[ctx.role(role).policy], **texts)
    for setting, text in texts.items():
        for task in ctx.pool.tasks[:1]:
            try:
                ctx.turn(role, task, text)
            except DataError as error:
                raise SettingError(f"{setting} = {text!r}: {error}") from error


def asked(policy: Speaker, **prompts: str) -> None:
    """Prompts of skills, by name, that a policy must be able to read.

    Raises:
        SettingError: its vocabulary lacks a character of one.
    """
    for skill, prompt in prompts.items():
        try:
            policy.tokenizer.encode(prompt)
        except DataError as error:
            raise SettingError(f"model: it cannot be asked for the skill {skill!r}: {error}") from error


def told_apart(policy: Policy, **texts: str) -> None:
    """Texts of settings, by name, that a policy tells apart by the first token of each.

    Raises:
        SettingError: one is empty or cannot be written, or two begin with the same token.
    """
    known: dict[int, str] = {}
    for setting, text in texts.items():
        first = _tokens(policy, setting, text)[0]
        if first in known:
            raise SettingError(f"{setting} = {text!r}: begins with the same token as {known[first]}")
        known[first] = setting


def one_token(policy: Policy, **texts: str) -> None:
    """Texts of settings, by name, that are one token each.

    Raises:
        SettingError: one is empty, cannot be written, or is more than one token.
    """
    for setting, text in texts.items():
        if len(tokens := _tokens(policy, setting, text)) > 1:
            raise SettingError(f"{setting} = {text!r}: must be one token of the model's vocabulary, and is {len(tokens)}")


def _tokens(policy: Policy, setting: str, text: str) -> list[int]:
    try:
        tokens = policy.tokenizer.encode(text)
    except DataError as error:
        raise SettingError(f"{setting} = {text!r}: {error}") from error
    if not tokens:
        raise SettingError(f"{setting} = {text!r}: must not be empty")
    return tokens


def answerable(ctx: Context, role: str, tasks: Iterable[Task], what: str, more: int = 0) -> None:
    """Tasks that can be put to a role, with room for `more` tokens in the prompt and for its reply; `what` names the setting that brings them together.

    Raises:
        SettingError: characters that its vocabulary lacks, or no room in its context.
    """
    speaker = ctx.role(role)
    policy = ctx.speaker(role)
    for task in tasks:
        try:
            used = len(ctx.prompt(role, task)) + more
        except DataError as error:
            raise SettingError(f"{what}: the role {role!r} cannot read it: {error}") from error
        if used + speaker.sampling.max_tokens > policy.context:
            needed = f"a prompt of {used} tokens and a reply of {speaker.sampling.max_tokens}"
            raise SettingError(f"{what}: the role {role!r} has no room for {needed} in a context of {policy.context} (task {task.id!r})")


def same_vocabulary(policy: Policy, other: Policy, what: str) -> None:
    """A policy that is to judge the tokens of another; `what` names the setting that brings them together.

    Raises:
        SettingError: their tokens do not mean the same.
    """
    if policy.tokenizer.inner.get_vocab() != other.tokenizer.inner.get_vocab():
        raise SettingError(f"{what}: its vocabulary is not that of the model, so that it cannot say how likely the model's tokens are")
