"""Preferences that a record states, under the names that TRL gives them: 'chosen' and 'rejected', or a 'completion' with a 'label'.

Not preferences that a run makes of its own answers. The formats are in TRL's "Dataset formats and types": explicit or implicit prompts, plain or
conversational, paired or unpaired.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from autotelic.errors import DataError
from autotelic.tasks.formats import kind
from autotelic.tasks.messages import check_text, messages_in, prompt_in
from autotelic.types import Message, Prompt, Task

CHOSEN, REJECTED, COMPLETION, LABEL = "chosen", "rejected", "completion", "label"
_LABELS = {True: True, False: False, "true": True, "false": False, "1": True, "0": False}


class Compared(NamedTuple):
    """A prompt and two completions of it."""

    prompt: Prompt
    chosen: str
    rejected: str


def compares(row: Mapping[str, Any]) -> bool:
    """Whether a record has both sides of a preference."""
    return row.get(CHOSEN) is not None and row.get(REJECTED) is not None


def compared(where: str, row: Mapping[str, Any], prompt: Prompt | None) -> Compared:
    """The sides of a record that has both; without a prompt of its own it is what both sides begin with.

    Raises:
        DataError: a side is no text and no list of messages, both are the same, or they have no beginning in common and there is no prompt.
    """
    sides = row[CHOSEN], row[REJECTED]
    if sides[0] == sides[1]:
        raise DataError(f"{where}: the columns 'chosen' and 'rejected' say the same")
    if all(isinstance(side, list) for side in sides):
        chosen, rejected = (messages_in(f"{where}, column {name!r}", row[name]) for name in (CHOSEN, REJECTED))
        return conversations(where, chosen, rejected, prompt)
    if any(isinstance(side, list) for side in sides):
        raise DataError(f"{where}: 'chosen' is {kind(sides[0])} and 'rejected' is {kind(sides[1])}; both must be text, or lists of messages")
    chosen_text, rejected_text = (check_text(f"{where}, column {name!r}", row[name]) for name in (CHOSEN, REJECTED))
    return texts(where, chosen_text, rejected_text) if prompt is None else Compared(prompt, chosen_text, rejected_text)


def texts(where: str, chosen: str, rejected: str) -> Compared:
    """Two texts as what both begin with, in whole words, and the two ends, each with the white space before it."""
    differing = (place for place, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b)
    same = chosen[: next(differing, min(len(chosen), len(rejected)))]
    cut = len(same.rstrip()) if same != same.rstrip() else max(same.rfind(mark) for mark in " \t\n")
    if cut < 1 or not same[:cut].strip():
        raise DataError(f"{where}: 'chosen' and 'rejected' begin with no word in common, so that there is no prompt; a column 'prompt' would say it")
    return Compared(same[:cut], chosen[cut:], rejected[cut:])


def conversations(where: str, chosen: list[Message], rejected: list[Message], prompt: Prompt | None) -> Compared:
    """Two conversations as the messages that both begin with, and the last message of each, which is the assistant's."""
    same = 0
    while same < min(len(chosen), len(rejected)) and chosen[same] == rejected[same]:
        same += 1
    ends = []
    for name, messages in ((CHOSEN, chosen), (REJECTED, rejected)):
        at = f"{where}, column {name!r}"
        if len(messages) != same + 1 or messages[-1]["role"] != "assistant":
            raise DataError(f"{at}: 'chosen' and 'rejected' must differ in their last message alone, which is the assistant's")
        ends.append(check_text(f"{at}, message {same + 1}, 'content'", messages[-1]["content"]))
    begun = prompt_in(f"{where}, column {CHOSEN!r}", chosen[:same]) if same else None
    if begun is None and prompt is None:
        raise DataError(
            f"{where}: 'chosen' and 'rejected' begin with no message in common, so that there is no prompt; a column 'prompt' would say it"
        )
    if begun is not None and prompt is not None and not says(begun, prompt):
        raise DataError(f"{where}: 'chosen' and 'rejected' begin with messages that are not the column 'prompt'")
    return Compared(begun or prompt or "", *ends)


def says(begun: Prompt, prompt: Prompt) -> bool:
    """Whether messages are a prompt: the same ones, or a single message of the user with its text."""
    asked = [message["content"] for message in begun if isinstance(message, dict) and message["role"] != "system"]
    return begun == prompt or asked == [prompt]


def stated(row: Mapping[str, Any]) -> list[Any]:
    """What makes records with one prompt different tasks: the sides of a preference, or a completion with its label."""
    names = (CHOSEN, REJECTED) if compares(row) else (COMPLETION, LABEL)
    return [row[name] for name in names] if all(row.get(name) is not None for name in names) else []


def pair_of(task: Task) -> tuple[str, str] | None:
    """The chosen and the rejected completion of a task; None where it has none."""
    if CHOSEN in task.hidden and REJECTED in task.hidden:
        return task.hidden[CHOSEN], task.hidden[REJECTED]
    return None


def labeled_of(task: Task) -> tuple[str, bool] | None:
    """A task's completion, and whether it is a good one; None where it has none, or no label.

    Raises:
        DataError: its label is neither true nor false.
    """
    completion, label = task.hidden.get(COMPLETION), task.hidden.get(LABEL)
    if completion is None or label is None:
        return None
    word = label.strip().lower() if isinstance(label, str) else label
    if not isinstance(word, bool | str | int | float) or word not in _LABELS:
        raise DataError(f"{task.tags.get('record', task.id)}, column 'label': expected true or false, got {label!r}")
    return completion, _LABELS[word]
