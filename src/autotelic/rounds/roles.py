"""A role: the name of its policy, how a task is put to it, how it samples, and how its text is read."""

from collections.abc import Callable
from dataclasses import dataclass

from autotelic.types import Disturb, Prompt, Sampling, Task


def own_prompt(task: Task) -> Prompt:
    """The task's prompt as it is."""
    return task.prompt


@dataclass(frozen=True, slots=True)
class Role:
    """Several roles may name the same policy."""

    name: str
    policy: str
    sampling: Sampling
    parse: Callable[[str], str | None]
    """The answer in a completion; None when it does not parse."""
    render: Callable[[Task], Prompt] = own_prompt
    only_read: bool = False
    """Of what it says only the text and the answer are used: it is neither trained, nor scored, nor forced. An endpoint may speak it."""
    disturb: Disturb | None = None
    """How the world writes into what it says; see `rounds.disturbed`."""
