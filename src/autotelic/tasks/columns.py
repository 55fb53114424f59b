"""From the columns of a record to a task: prompts, chat messages, answers and completions under the names that TRL and verl give them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

from autotelic import streams
from autotelic.errors import DataError, SettingError, nearest
from autotelic.tasks.formats import kind, rows
from autotelic.tasks.messages import check_text, completion_in, prompt_in, split_messages
from autotelic.tasks.preferences import CHOSEN, COMPLETION, REJECTED, compared, compares, stated
from autotelic.tasks.prompting import PROMPT, Template, as_text
from autotelic.types import Prompt, Task

ANSWER_COLUMNS = ("answer", "solution", "ground_truth")
NESTED_ANSWERS = ("reward_model", "reward_spec")
"""Columns of verl and SkyRL whose key 'ground_truth' is the answer."""
GOLD_COLUMNS = (COMPLETION, "entry", CHOSEN, REJECTED, *ANSWER_COLUMNS, *NESTED_ANSWERS)
"""Hidden fields that hold a gold answer, a gold completion or a preference, of files and of the data sets of reasoning-gym: no prompt may show them."""
PART = "part"
"""The tag that names the part of the tasks that a task belongs to, from the slice column."""
SOURCE = "source"
"""The tag that names where a task came from."""
_NEED = "each record needs 'prompt' (text, or a list of {'role', 'content'} messages), 'messages', or 'chosen' and 'rejected'; 'answer' is optional"


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
    completion is kept as hidden['completion'], the sides of a preference as hidden['chosen'] and hidden['rejected'], every further column under its
    name. Ids are the column 'id', else a hash of the prompt, and of a preference's sides or a labeled completion. A record that says the same as one
    before it is left out.

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
    raise contradiction(task, first, what, differing, "" if named_by_id else "; a column 'id' with different values would keep both")


def contradiction(task: Task, first: Task, what: str, differing: str, cure: str = "") -> DataError:
    """The error of a record that repeats one before it and says something else."""
    values = f" ({task.answer!r}, not {first.answer!r})" if differing == "answer" else ""
    return DataError(f"{task.tags['record']}: repeats {what} of {first.tags['record']} with another {differing}{values}{cure}")


def identity(task: Task, template: Template | None) -> int:
    """What a task of a file asks: its prompt, what the template shows beside it, and the preference that it states. Equal in every process."""
    shown = [str(task.hidden[name]) for name in (template.columns if template else ()) if name in task.hidden]
    return streams.key(task.prompt, *shown, *stated(task.hidden))


def _content(task: Task) -> dict[str, Any]:
    """All that a record says, by name."""
    return {"prompt": task.prompt, "answer": task.answer, **task.hidden}


def _task(where: str, row: dict[str, Any], columns: Columns, source: str) -> Task:
    """The task of a record."""
    conversation = columns.prompt == PROMPT and PROMPT not in row and "messages" in row
    if columns.template is not None:
        prompted = columns.prompt in row or conversation or compares(row)
        _check_template(where, row, columns.template, {columns.answer, *GOLD_COLUMNS}, prompted)
    prompt, given = _asked(where, row, columns.prompt, conversation)
    answer_column = _answer_column(where, row, columns.answer)
    answer = _answer(f"{where}, column {answer_column!r}", row[answer_column]) if answer_column else _nested_answer(where, row)
    used = {"id", columns.prompt, answer_column, COMPLETION, *(["messages"] if conversation else [])}
    hidden = {name: value for name, value in row.items() if name not in used} | given
    for name in columns.template.columns if columns.template else ():
        if name in hidden:
            as_text(f"{where}, column {name!r}", hidden[name])
    task = Task("", prompt, answer, hidden, {SOURCE: Path(source).name, "record": where, **_part(where, row, columns.slice)})
    return task.changed(id=_id(where, row["id"]) if "id" in row else f"{identity(task, columns.template):016x}")


def _asked(where: str, row: dict[str, Any], column: str, conversation: bool) -> tuple[Prompt, dict[str, str]]:
    """A record's prompt and the completions that it gives, by name."""
    prompt: Prompt | None = None
    completion: str | None = None
    if column in row:
        prompt, completion = prompt_in(f"{where}, column {column!r}", row[column]), completion_in(where, row.get(COMPLETION))
    elif conversation:
        prompt, completion = split_messages(f"{where}, column 'messages'", row["messages"])
    elif column != PROMPT or not compares(row):
        raise DataError(f"{where}: {_no_prompt(row, column)}")
    given = {} if completion is None else {COMPLETION: completion}
    if compares(row):
        prompt, given[CHOSEN], given[REJECTED] = compared(where, row, prompt)
    assert prompt is not None
    return prompt, given


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
            return check_text(where, value) if value.strip() else None
    raise DataError(f"{where}: expected text or a number, got {kind(value)}")


def _id(where: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or (found := _answer(where, value)) is None:
        raise DataError(f"{where}, column 'id': expected text or a number that is not empty, got {kind(value)}")
    return found
