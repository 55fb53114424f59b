"""What rewards from outside are asked: prompts, completions and columns, as lists of one entry per rollout, under the names that TRL gives them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotelic.tasks.columns import ANSWER_COLUMNS
from autotelic.types import Message, Prompt, Rollout, Task

GIVEN = ("prompts", "completions", "completion_ids")


@dataclass(frozen=True, slots=True)
class Asked:
    """Rollouts as rewards from outside see them. All lists run beside `ids`."""

    ids: list[str]
    """Of the rollouts."""
    prompts: list[Prompt]
    """As they were put to the model: text, or chat messages."""
    texts: list[str]
    tokens: list[list[int]]
    columns: Mapping[str, list[Any]]

    @property
    def arguments(self) -> dict[str, list[Any]]:
        """By name. A completion of chat messages is a list of one message of the assistant."""
        return {**self.columns, "prompts": self.prompts, "completions": self.completions, "completion_ids": self.tokens}

    @property
    def completions(self) -> list[str | list[Message]]:
        """Texts, or where the prompt is chat messages the assistant's."""
        return [
            text if isinstance(prompt, str) else [Message(role="assistant", content=text)]
            for prompt, text in zip(self.prompts, self.texts, strict=True)
        ]

    def one(self, place: int) -> "Asked":
        """What is asked of a single rollout."""
        columns = {name: [values[place]] for name, values in self.columns.items()}
        return Asked([self.ids[place]], [self.prompts[place]], [self.texts[place]], [self.tokens[place]], columns)


def asked(rollouts: Sequence[Rollout], render: Callable[[Task], Prompt]) -> Asked:
    """Rollouts as they are shown to rewards; `render` puts a task as the model was asked it."""
    tokens = [[token for turn in rollout.actions for token in turn.tokens] for rollout in rollouts]
    tasks = [rollout.task for rollout in rollouts]
    return Asked(
        [rollout.id for rollout in rollouts], [render(task) for task in tasks], [rollout.text for rollout in rollouts], tokens, columns(tasks)
    )


def columns(tasks: Sequence[Task]) -> dict[str, list[Any]]:
    """Every column that one of the tasks has, None where a task lacks it. The gold answer stands under each of its usual names."""
    rows = [{**dict.fromkeys(ANSWER_COLUMNS, task.answer), **task.hidden} for task in tasks]
    names = dict.fromkeys(name for row in rows for name in row if name not in GIVEN)
    return {name: [row.get(name) for row in rows] for name in names}
