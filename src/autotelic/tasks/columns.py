"""From the columns of a record to a task: prompts, chat messages, answers and completions under the names that TRL and verl give them."""

import math
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from autotelic import streams
from autotelic.errors import DataError, SettingError, nearest
from autotelic.tasks.formats import kind, rows
from autotelic.types import Message, Prompt, Task

ANSWER_COLUMNS = ("answer", "solution", "ground_truth")
NESTED_ANSWERS = ("reward_model", "reward_spec")
"""Columns of verl and SkyRL whose key 'ground_truth' is the answer."""
_NEED = "each record needs 'prompt' (text, or a list of {'role', 'content'} messages) or 'messages'; 'answer' is optional"


def read_tasks(spec: str | Path, *, prompt_column: str = "prompt", answer_column: str | None = None, limit: int | None = None) -> list[Task]:
    """The tasks of a file, a folder written by `datasets.save_to_disk`, a folder of data files, or a data set on the Hugging Face Hub.

    A data set is named 'name', 'name:split' or 'name/config:split'; a folder may also carry ':split'. Columns are those of TRL
    ('prompt', 'messages', 'prompt' + 'completion', and 'answer', 'solution' or 'ground_truth') and of verl (`reward_model`). The
    completion is kept as hidden['completion'], every further column under its name. Ids are the column 'id', else a hash of the prompt.

    Args:
        prompt_column: the column that holds the prompt.
        answer_column: the column that holds the gold answer; None takes the first of ANSWER_COLUMNS that a record has.
        limit: read only this many tasks from the start.

    Raises:
        DataError: the file cannot be read (also for want of an optional package) or a record does not fit; the message names the file,
            the line and the column.
        SettingError: `limit` is below 1.
    """
    if limit is not None and limit < 1:
        raise SettingError(f"the limit on tasks must be 1 or more, got {limit}")
    found: dict[str, tuple[str, Task]] = {}
    for where, row in islice(rows(str(spec)), limit):
        task = _task(where, row, prompt_column, answer_column, str(spec))
        if task.id in found:
            same = f"the id {task.id!r}" if "id" in row else "the prompt (there is no column 'id' to tell them apart)"
            raise DataError(f"{where}: repeats {same} of {found[task.id][0]}")
        found[task.id] = where, task
    if not found:
        raise DataError(f"{spec}: holds no tasks; {_NEED}")
    return [task for _, task in found.values()]


def _task(where: str, row: dict[str, Any], prompt_column: str, answer_column: str | None, source: str) -> Task:
    """The task of a record."""
    used = {"id", prompt_column}
    if prompt_column in row:
        prompt, completion = _prompt(f"{where}, column {prompt_column!r}", row[prompt_column]), _completion(where, row.get("completion"))
    elif prompt_column == "prompt" and "messages" in row:
        used |= {"messages"}
        prompt, completion = _split_messages(f"{where}, column 'messages'", row["messages"])
    else:
        raise DataError(f"{where}: {_no_prompt(row, prompt_column)}")
    answer_column = _answer_column(where, row, answer_column)
    answer = _answer(f"{where}, column {answer_column!r}", row[answer_column]) if answer_column else _nested_answer(where, row)
    hidden = {name: value for name, value in row.items() if name not in used | {answer_column, "completion"}}
    if completion is not None:
        hidden["completion"] = completion
    task_id = _id(where, row["id"]) if "id" in row else f"{streams.key(prompt):016x}"
    return Task(task_id, prompt, answer, hidden, {"source": Path(source).name, "record": where})


def named(task: Task) -> str:
    """A task as messages name it: by its id, and where it stands in its file if it is from one."""
    return f"task {task.id} ({task.tags['record']})" if "record" in task.tags else f"task {task.id}"


def _no_prompt(row: dict[str, Any], column: str) -> str:
    if column == "prompt" and "text" in row:
        return f"has a column 'text' but none that says where the prompt ends; {_NEED}"
    return f"no column {column!r}: {nearest(column, row)} (columns: {', '.join(map(repr, row)) or 'none'}); {_NEED}"


def _check_text(where: str, value: Any) -> str:
    """A text that is not blank and can be encoded."""
    if not isinstance(value, str):
        raise DataError(f"{where}: expected text, got {kind(value)}")
    if not value.strip():
        raise DataError(f"{where}: is empty")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: holds half of a surrogate pair at character {error.start}, which no encoding can write") from error
    return value


def _prompt(where: str, value: Any) -> Prompt:
    if isinstance(value, list):
        messages = _messages(where, value)
        if messages[-1]["role"] == "assistant":
            raise DataError(f"{where}: the prompt ends with a message of the assistant; put whole conversations into the column 'messages'")
        return messages
    if value is None or isinstance(value, str):
        return _check_text(where, value or "")
    raise DataError(f"{where}: expected text or a list of messages, got {kind(value)}")


def _messages(where: str, value: Any) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise DataError(f"{where}: expected a list of messages, got {'an empty list' if value == [] else kind(value)}")
    messages: list[Message] = []
    for number, message in enumerate(value, 1):
        at = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{at}: expected an object with 'role' and 'content', got {kind(message)}")
        for name in ("role", "content"):
            if name not in message:
                raise DataError(f"{at}: no {name!r}: {nearest(name, map(str, message))}")
        messages.append(Message(role=_check_text(f"{at}, 'role'", message["role"]), content=_check_text(f"{at}, 'content'", message["content"])))
    return messages


def _split_messages(where: str, value: Any) -> tuple[Prompt, str | None]:
    """What stands before the final message of the assistant, and that message; all of it when another speaks last."""
    messages = _messages(where, value)
    if messages[-1]["role"] != "assistant":
        return messages, None
    if len(messages) == 1:
        raise DataError(f"{where}: nothing stands before the message of the assistant; a prompt is needed")
    return messages[:-1], messages[-1]["content"]


def _completion(where: str, value: Any) -> str | None:
    """A completion: text, or a list with one message of the assistant."""
    if value is None or value == "":
        return None
    if isinstance(value, list):
        messages = _messages(f"{where}, column 'completion'", value)
        if len(messages) != 1:
            raise DataError(f"{where}, column 'completion': expected one message, got {len(messages)}")
        return messages[0]["content"]
    return _check_text(f"{where}, column 'completion'", value)


def _answer_column(where: str, row: dict[str, Any], wanted: str | None) -> str | None:
    if wanted is not None and wanted not in row:
        raise DataError(f"{where}: no answer column {wanted!r}: {nearest(wanted, row)}")
    return wanted or next((name for name in ANSWER_COLUMNS if row.get(name) is not None), None)


def _nested_answer(where: str, row: dict[str, Any]) -> str | None:
    for name in NESTED_ANSWERS:
        if isinstance(inner := row.get(name), dict) and inner.get("ground_truth") is not None:
            return _answer(f"{where}, column '{name}.ground_truth'", inner["ground_truth"])
    return None


def _answer(where: str, value: Any) -> str | None:
    """The answer as text; None where it is null, blank or (as in Parquet) not a number."""
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case int() | Decimal():
            return str(value)
        case float():
            if math.isinf(value):
                raise DataError(f"{where}: an infinite answer")
            return None if math.isnan(value) else str(int(value)) if value.is_integer() else repr(value)
        case str():
            return _check_text(where, value) if value.strip() else None
    raise DataError(f"{where}: expected text or a number, got {kind(value)}")


def _id(where: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or (found := _answer(where, value)) is None:
        raise DataError(f"{where}, column 'id': expected text or a number that is not empty, got {kind(value)}")
    return found
