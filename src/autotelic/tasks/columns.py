"""From the columns of a record to a task: prompts, chat messages, answers and completions under the names that TRL and verl give them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, cast

from autotelic import streams
from autotelic.errors import DataError, SettingError, nearest
from autotelic.tasks.formats import kind, rows
from autotelic.tasks.prompting import PROMPT, Template, as_text
from autotelic.types import Message, Prompt, Task

ANSWER_COLUMNS = ("answer", "solution", "ground_truth")
NESTED_ANSWERS = ("reward_model", "reward_spec")
"""Columns of verl and SkyRL whose key 'ground_truth' is the answer."""
GOLD_COLUMNS = ("completion", "entry", *ANSWER_COLUMNS, *NESTED_ANSWERS)
"""Hidden fields that hold a gold answer or a gold completion, of files and of the data sets of reasoning-gym: no prompt may show them."""
PART = "part"
"""The tag that names the part of the tasks that a task belongs to, from the slice column."""
_NEED = "each record needs 'prompt' (text, or a list of {'role', 'content'} messages) or 'messages'; 'answer' is optional"


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a record are what."""

    prompt: str = PROMPT
    answer: str | None = None
    """None: the first of ANSWER_COLUMNS that a record has."""
    slice: str | None = None
    """The column by whose values results are told apart."""
    template: Template | None = None
    """What prompts are put into; its columns must be there."""

    def of(self, row: Mapping[str, Any]) -> "Columns":
        """These columns; a template says where the prompt is in a record that has no prompt under its usual names."""
        usual = self.prompt != PROMPT or PROMPT in row or "messages" in row
        first = None if usual or self.template is None else next((name for name in self.template.columns if name in row), None)
        return self if first is None else Columns(first, self.answer, self.slice, self.template)


@dataclass(slots=True)
class Reading:
    """What was read."""

    tasks: list[Task]
    columns: Columns
    """As they were found."""
    repeated: int = 0
    """Records that say nothing new, and were left out."""
    note: str = ""
    """What a person is told about them; empty where there are none."""


def read_tasks(spec: str | Path, *, prompt_column: str = PROMPT, answer_column: str | None = None, limit: int | None = None) -> list[Task]:
    """The tasks of a file, a folder written by `datasets.save_to_disk`, a folder of data files, or a data set on the Hugging Face Hub.

    A data set is named 'name', 'name:split' or 'name/config:split'; a folder may also carry ':split'. Columns are those of TRL
    ('prompt', 'messages', 'prompt' + 'completion', and 'answer', 'solution' or 'ground_truth') and of verl (`reward_model`). The
    completion is kept as hidden['completion'], every further column under its name. Ids are the column 'id', else a hash of the prompt.
    A record that says the same as one before it is left out.

    Args:
        prompt_column: the column that holds the prompt.
        answer_column: the column that holds the gold answer; None takes the first of ANSWER_COLUMNS that a record has.
        limit: read only this many records from the start.

    Raises:
        DataError: the file cannot be read (also for want of an optional package) or a record does not fit; the message names the file,
            the line and the column.
        SettingError: `limit` is below 1.
    """
    return read(spec, Columns(prompt_column, answer_column), limit).tasks


def read(spec: str | Path, columns: Columns = Columns(), limit: int | None = None) -> Reading:
    """As `read_tasks`, with what was found on the way.

    Raises:
        DataError, SettingError: as `read_tasks`; also where the template or the slice column names a column that is not there, or one record
            contradicts another.
    """
    if limit is not None and limit < 1:
        raise SettingError(f"the limit on tasks must be 1 or more, got {limit}")
    found: dict[str, Task] = {}
    reading = Reading([], columns)
    for where, row in islice(rows(str(spec)), limit):
        own = columns.of(row)
        task = _task(where, row, own, str(spec))
        if task.id not in found:
            found[task.id] = task
            reading.columns = own
            continue
        _check_repeats(task, found[task.id], "id" in row)
        reading.repeated += 1
        reading.note = reading.note or f"first {where}, which repeats {found[task.id].tags['record']}"
    if not found:
        raise DataError(f"{spec}: holds no tasks; {_NEED}")
    if columns.slice is not None and not any(PART in task.tags for task in found.values()):
        hint = nearest(columns.slice, next(iter(found.values())).hidden)
        raise DataError(f"{spec}: no record has a value in the slice column {columns.slice!r}; {hint}")
    if reading.repeated:
        reading.note = f"{spec}: {reading.repeated} of {reading.repeated + len(found)} records repeat others and are read once ({reading.note})"
    reading.tasks = list(found.values())
    return reading


def _check_repeats(task: Task, first: Task, named_by_id: bool) -> None:
    """Raises DataError where a task under the same id, or with the same prompt where there are no ids, is another task."""
    differing = next((name for name, value in _content(task).items() if repr(value) != repr(_content(first).get(name))), None)
    differing = differing or next((name for name in _content(first) if name not in _content(task)), None)
    if differing is None:
        return
    what = f"the id {task.id!r}" if named_by_id else "the prompt"
    values = f" ({task.answer!r}, not {first.answer!r})" if differing == "answer" else ""
    cure = "" if named_by_id else "; a column 'id' with different values would keep both"
    another = f"repeats {what} of {first.tags['record']} with another {differing}{values}"
    raise DataError(f"{task.tags['record']}: {another}{cure}")


def _content(task: Task) -> dict[str, Any]:
    """All that a record says, by name."""
    return {"prompt": task.prompt, "answer": task.answer, **task.hidden}


def _task(where: str, row: dict[str, Any], columns: Columns, source: str) -> Task:
    """The task of a record."""
    if columns.template is not None:
        _check_template(where, row, columns.template, {columns.answer, *GOLD_COLUMNS}, columns.prompt in row or "messages" in row)
    used = {"id", columns.prompt}
    if columns.prompt in row:
        prompt, completion = _prompt(f"{where}, column {columns.prompt!r}", row[columns.prompt]), _completion(where, row.get("completion"))
    elif columns.prompt == PROMPT and "messages" in row:
        used |= {"messages"}
        prompt, completion = _split_messages(f"{where}, column 'messages'", row["messages"])
    else:
        raise DataError(f"{where}: {_no_prompt(row, columns.prompt)}")
    answer_column = _answer_column(where, row, columns.answer)
    answer = _answer(f"{where}, column {answer_column!r}", row[answer_column]) if answer_column else _nested_answer(where, row)
    hidden = {name: value for name, value in row.items() if name not in used | {answer_column, "completion"}}
    further = [name for name in (columns.template.columns if columns.template else ()) if name in hidden]
    shown = [as_text(f"{where}, column {name!r}", hidden[name]) for name in further]
    if completion is not None:
        hidden["completion"] = completion
    task_id = _id(where, row["id"]) if "id" in row else f"{streams.key(prompt, *shown):016x}"
    return Task(task_id, prompt, answer, hidden, {"source": Path(source).name, "record": where, **_part(where, row, columns.slice)})


def _check_template(where: str, row: Mapping[str, Any], template: Template, gold: set[str | None], prompted: bool) -> None:
    """Raises SettingError where the template shows what no prompt may, or names a column that the record lacks."""
    if told := [name for name in template.columns if name in gold]:
        raise SettingError(f"template = {template.text!r}: the column {told[0]!r} holds the answer")
    template.check((row.keys() - gold - {"id", "messages"}) | ({PROMPT} if prompted else set()), where)


def _part(where: str, row: Mapping[str, Any], column: str | None) -> dict[str, str]:
    """The tag of a record's slice; none where it has no value there."""
    if column is None or row.get(column) is None:
        return {}
    value = row[column]
    if not isinstance(value, str | int | float):
        raise DataError(f"{where}, column {column!r}: a slice is text or a number, got {kind(value)}")
    return {PART: f"{column} {value}"}


def task_name(task: Task) -> str:
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
        messages.append(_message(at, message))
    return messages


def _message(at: str, message: Mapping[str, Any]) -> Message:
    """A message; what it holds beside role and content, such as `tool_calls`, reaches the chat template as it is."""
    given = {str(name): value for name, value in message.items() if value is not None}
    calls = given.get("role") == "assistant" and given.get("tool_calls")
    for name in ("role", "content"):
        if name not in message and not (calls and name == "content"):
            raise DataError(f"{at}: no {name!r}: {nearest(name, map(str, message))}")
    content = _parts(f"{at}, 'content'", message.get("content"))
    checked = "" if calls and not content else _check_text(f"{at}, 'content'", content)
    rest = {name: value for name, value in given.items() if name not in ("role", "content")}
    return cast(Message, {"role": _check_text(f"{at}, 'role'", message["role"]), "content": checked, **rest})


def _parts(where: str, content: Any) -> Any:
    """The text of a content that is a list of parts, as of models that also see; other contents as they are."""
    if not isinstance(content, list):
        return content
    for part in content:
        if not isinstance(part, Mapping) or part.get("type") != "text":
            raise DataError(f"{where}: only parts of the type 'text' are read, got {part.get('type') if isinstance(part, Mapping) else kind(part)!r}")
    return "".join(_check_text(where, part.get("text")) for part in content)


def _split_messages(where: str, value: Any) -> tuple[Prompt, str | None]:
    """What stands before the final message of the assistant, and that message; all of it when another speaks last."""
    messages = _messages(where, value)
    if messages[-1]["role"] != "assistant":
        return messages, None
    if len(messages) == 1:
        raise DataError(f"{where}: nothing stands before the message of the assistant; a prompt is needed")
    return messages[:-1], messages[-1]["content"] or None


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
