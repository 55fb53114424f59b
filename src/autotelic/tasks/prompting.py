"""How a task is put to a model: a template over its columns, a system message, text as a chat message. Not the model's chat template."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from autotelic.errors import DataError, SettingError, nearest
from autotelic.types import Message, Prompt, Task

PROMPT = "prompt"
"""The placeholder that always stands for the task's own prompt."""
_PLACE = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")


@dataclass(frozen=True, slots=True)
class Template:
    r"""A text with names of columns in braces, such as `{question} Answer:`.

    `{{` and `}}` stand for braces; empty braces, as in `\boxed{}`, are text.
    """

    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names, each once, in order."""
        return tuple(dict.fromkeys(name for name in _PLACE.findall(self.text) if name))

    def check(self, known: Collection[str], where: str) -> None:
        """Raises SettingError where it names no column, or one that is not `known`; `where` says whose columns these are."""
        listed = f"columns of {where}: {', '.join(map(repr, sorted(known))) or 'none'}"
        if not self.columns:
            raise SettingError(f"template = {self.text!r} names no column in braces, such as {{{min(known, default=PROMPT)}}}; {listed}")
        for name in self.columns:
            if name not in known:
                hint = f"{nearest(name, known)}; " if get_close_matches(name, known, n=1, cutoff=0.5) else ""
                raise SettingError(f"template = {self.text!r}: no column {name!r}; {hint}{listed}; write {{{{ and }}}} for braces")

    def fill(self, values: Mapping[str, str]) -> str:
        """The text with a value for every column it names."""
        braces = {"{{": "{", "}}": "}"}
        return _PLACE.sub(lambda found: braces.get(found[0]) or values[found[1]], self.text)


def as_text(where: str, value: Any) -> str:
    """The value of a column as a template shows it. Raises DataError for what is neither text nor a number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise DataError(f"{where}: the template needs text or a number, got {type(value).__name__}")
    return str(value)


@dataclass(frozen=True, slots=True)
class Frame:
    """What is put around the prompts of tasks before a model reads them. Tasks stay as they are, so that their ids and splits do."""

    template: Template | None = None
    system: str | None = None
    """Text of a system message in front of every prompt; text prompts then become messages of the user."""
    chat: bool = False
    """Whether text prompts become messages of the user also without a system message."""
    column: str = PROMPT
    """The name by which the template may call the task's own prompt, beside `prompt`."""

    def __call__(self, task: Task) -> Prompt:
        """The prompt of a task in its frame.

        Raises:
            DataError: the task lacks a column of the template, or has a system message of its own beside `system`.
        """
        return self.around(task.prompt if self.template is None else self.filled(task, self.template))

    def filled(self, task: Task, template: Template) -> Prompt:
        """The task's prompt, or the last message of the user in it, put into the template."""
        values = {name: as_text(f"column {name!r}", task.hidden[name]) for name in template.columns if name in task.hidden}
        if isinstance(task.prompt, str):
            return self.fill(template, values, task.prompt)
        last = max((place for place, message in enumerate(task.prompt) if message["role"] == "user"), default=None)
        if last is None:
            raise DataError("the template has no place, because the prompt has no message of the user")
        messages = list(task.prompt)
        messages[last] = {**messages[last], "content": self.fill(template, values, messages[last]["content"])}
        return messages

    def fill(self, template: Template, values: Mapping[str, str], own: str) -> str:
        """The template with the task's own text under its names."""
        known = {PROMPT: own, **values, self.column: own}
        if lacking := [name for name in template.columns if name not in known]:
            raise DataError(f"the task has no column {lacking[0]!r} for the template")
        return template.fill(known)

    def around(self, prompt: Prompt) -> Prompt:
        """A prompt as chat messages, where the frame asks for that."""
        if isinstance(prompt, str):
            if self.system is None and not self.chat:
                return prompt
            prompt = [Message(role="user", content=prompt)]
        if self.system is None:
            return prompt
        if prompt[0]["role"] == "system":
            raise DataError("the prompt has a system message of its own, so that there is no place for the setting `system`")
        return [Message(role="system", content=self.system), *prompt]
