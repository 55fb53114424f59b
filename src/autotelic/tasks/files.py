"""Task files of users: JSONL, JSON, CSV, TSV, Parquet and Hugging Face data sets, read into tasks; and the world made of them.

Not a converter and no repair shop: a file either reads as it stands or fails with its name, line and column in the message.
"""

import codecs
import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from autotelic import streams
from autotelic.errors import DataError, SettingError, nearest
from autotelic.rewards import verifiers
from autotelic.tasks.worlds.base import known_split
from autotelic.types import Message, Prompt, Task

Row = tuple[str, dict[str, Any]]
"""Where a record stands, for messages, and its columns."""

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar")
ANSWER_COLUMNS = ("answer", "solution", "ground_truth")
NESTED_ANSWERS = ("reward_model", "reward_spec")
"""Columns of verl and SkyRL whose key 'ground_truth' is the answer."""
_NEED = "each record needs 'prompt' (text, or a list of {'role', 'content'} messages) or 'messages'; 'answer' is optional"
_HUB = re.compile(r"[\w.-]+(?:/[\w.-]+){0,2}(?::[\w.\-\[\]%]+)?")


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
    for where, row in islice(_rows(str(spec)), limit):
        task = _task(where, row, prompt_column, answer_column, str(spec))
        if task.id in found:
            same = f"the id {task.id!r}" if "id" in row else "the prompt (there is no column 'id' to tell them apart)"
            raise DataError(f"{where}: repeats {same} of {found[task.id][0]}")
        found[task.id] = where, task
    if not found:
        raise DataError(f"{spec}: holds no tasks; {_NEED}")
    return [task for _, task in found.values()]


def _rows(spec: str) -> Iterator[Row]:
    """Records of a file, a folder or a named data set."""
    path = Path(spec).expanduser()
    if path.is_dir() or (not path.exists() and ":" in path.name and path.with_name(path.name.rpartition(":")[0]).is_dir()):
        return _dataset_rows(spec)
    compressed = path.suffix.lower() in COMPRESSED
    if not path.exists():
        if compressed or path.suffix.lower() in SUFFIXES or spec.startswith(("/", ".", "~")) or not _HUB.fullmatch(spec):
            raise DataError(_missing(path))
        return _dataset_rows(spec)
    if compressed:
        raise DataError(f"{path}: compressed files are not read; decompress it first")
    match path.suffix.lower():
        case ".jsonl" | ".ndjson":
            return _json_lines(path, _text(path))
        case ".json":
            return _json(path, _text(path))
        case ".csv":
            return _csv(path, _text(path), ",")
        case ".tsv":
            return _csv(path, _text(path), "\t")
        case ".parquet":
            return _parquet(path)
    raise DataError(f"{path}: unknown kind of file {path.suffix!r}; known: {', '.join(SUFFIXES)}")


def _missing(path: Path) -> str:
    if not path.parent.is_dir():
        return f"{path}: no such file; the folder {path.parent} does not exist"
    names = [other.name for other in path.parent.iterdir() if other.suffix.lower() in SUFFIXES]
    return f"{path}: no such file; {nearest(path.name, names)}"


def _text(path: Path) -> str:
    """Text of a file in UTF-8, or in UTF-16 or UTF-32 with a byte-order mark."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    marks = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    encoding = next((encoding for mark, encoding in marks.items() if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        # With a byte-order mark the decoder counts from behind it.
        start = len(data) - len(error.object) + error.start
        raise DataError(
            f"{path} line {_line(data, start)}: byte 0x{data[start]:02x} at offset {start} is not {encoding.removesuffix('-sig').upper()}; "
            f"convert the file, for example: iconv -f latin1 -t utf-8 {path.name} > utf8-{path.name}"
        ) from error
    if (nul := data.find(b"\0") if encoding == "utf-8-sig" else -1) >= 0:
        raise DataError(f"{path} line {_line(data, nul)}: NUL byte at offset {nul}; is it UTF-16 without a byte-order mark? Convert it to UTF-8")
    return text


def _line(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _parse_json(text: str, path: Path, first_line: int) -> Any:
    def constant(name: str) -> None:
        raise ValueError(f"{name} is not JSON")

    try:
        return json.loads(text, parse_constant=constant)
    except json.JSONDecodeError as error:
        raise DataError(f"{path} line {first_line + error.lineno - 1} column {error.colno}: bad JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} line {first_line}: bad JSON: {error}") from error


def _object(where: str, value: Any) -> Row:
    if not isinstance(value, dict):
        raise DataError(f'{where}: expected a JSON object such as {{"prompt": "..."}}, got {_kind(value)}')
    return where, value


def _json_lines(path: Path, text: str) -> Iterator[Row]:
    # Only a line feed ends a record: JSON strings may hold the other separators that splitlines would break at.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _object(f"{path} line {number}", _parse_json(line, path, number))


def _json(path: Path, text: str) -> Iterator[Row]:
    if not text.lstrip().startswith("["):
        return _json_lines(path, text)
    return (_object(f"{path} item {number}", value) for number, value in enumerate(_parse_json(text, path, 1), 1))


def _csv(path: Path, text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] = []
    line = 1
    try:
        for fields in reader:
            if fields and not header:
                header = _header(path, fields)
            elif fields:
                if len(fields) != len(header):
                    raise DataError(
                        f"{path} line {line}: {len(fields)} fields, but the header has {len(header)}; quote fields that hold {delimiter!r}"
                    )
                yield f"{path} line {line}", {name: field or None for name, field in zip(header, fields, strict=True)}
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path} line {line}: bad CSV: {error}") from error


def _header(path: Path, fields: list[str]) -> list[str]:
    names = [field.strip() for field in fields]
    for name in names:
        if not name or names.count(name) > 1:
            raise DataError(f"{path} line 1: the header has {'an empty column name' if not name else f'the column {name!r} twice'}")
    return names


def _parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError(f'{path}: reading Parquet needs pyarrow: pip install "autotelic[data]"') from error
    try:
        number = 0
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=1024):
            for row in batch.to_pylist():
                number += 1
                yield f"{path} row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet ({str(error).splitlines()[0]})") from error


def _dataset_rows(spec: str) -> Iterator[Row]:
    try:
        import datasets
    except ImportError as error:
        raise DataError(f'{spec}: reading data sets needs the datasets library: pip install "autotelic[data]"') from error
    folder = Path(spec).expanduser().is_dir()
    name, split = (spec, "") if folder or ":" not in spec else spec.rsplit(":", 1)
    loaded = _load(datasets, name, split)
    if isinstance(loaded, Mapping):
        split = split or ("train" if "train" in loaded or len(loaded) != 1 else next(iter(loaded)))
        if split not in loaded:
            raise DataError(f"{name}: no split {split!r}: {nearest(split, loaded)}; write {name}:SPLIT")
        loaded = loaded[split]
    label = f"{name}:{split}" if split else name
    return ((f"{label} row {number}", dict(row)) for number, row in enumerate(loaded, 1))


def _load(datasets: Any, name: str, split: str) -> Any:
    """A Dataset or a dict of them: from a folder or the Hub; of 'a/b' first the data set a/b, then configuration b of a."""
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            saved = any((path / mark).exists() for mark in ("state.json", "dataset_dict.json"))
            return datasets.load_from_disk(str(path)) if saved else datasets.load_dataset(str(path))
        parts = name.split("/")
        if len(parts) == 3:
            return datasets.load_dataset("/".join(parts[:2]), parts[2])
        try:
            return datasets.load_dataset(name)
        except datasets.exceptions.DatasetNotFoundError:
            if len(parts) != 2:
                raise
            return datasets.load_dataset(*parts)
    except (OSError, ValueError, RuntimeError, ImportError, datasets.exceptions.DatasetsError) as error:
        hint = "" if path.is_dir() else f"; nor is there such a file: {_missing(path).partition('; ')[2]}"
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{name}: no data set of that name could be loaded ({reason}){hint}") from error


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


def _kind(value: Any) -> str:
    """The JSON name of a value's type."""
    names: dict[type, str] = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)


def _check_text(where: str, value: Any) -> str:
    """A text that is not blank and can be encoded."""
    if not isinstance(value, str):
        raise DataError(f"{where}: expected text, got {_kind(value)}")
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
    raise DataError(f"{where}: expected text or a list of messages, got {_kind(value)}")


def _messages(where: str, value: Any) -> list[Message]:
    if not isinstance(value, list) or not value:
        raise DataError(f"{where}: expected a list of messages, got {'an empty list' if value == [] else _kind(value)}")
    messages: list[Message] = []
    for number, message in enumerate(value, 1):
        at = f"{where}, message {number}"
        if not isinstance(message, dict):
            raise DataError(f"{at}: expected an object with 'role' and 'content', got {_kind(message)}")
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
    raise DataError(f"{where}: expected text or a number, got {_kind(value)}")


def _id(where: str, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or (found := _answer(where, value)) is None:
        raise DataError(f"{where}, column 'id': expected text or a number that is not empty, got {_kind(value)}")
    return found


Verifier = Literal["exact", "number", "math"]
PLACES = ("boxed", "hashes", "answer", "tag", "line")
MATH_PLACES = ("boxed", "hashes", "answer", "tag", "dollars", "line")


class FileWorld:
    r"""A world over a fixed list of tasks, with a checker by name.

    Args:
        tasks: what `read_tasks` gave; tasks without an answer can be trained on but not verified.
        verifier: 'exact' (the same text), 'number' (the same number) or 'math' (mathematically equal, by math-verify).
        places: where a completion's answer stands, tried in this order; keys of rewards.verifiers.PLACES. None means PLACES of this
            module, for 'math' MATH_PLACES.
        held_out: share of the prompts that is held out as the split 'probe'. At least one is, as long as one remains to train on.
        validation: share held out as the split 'validation'.

    Raises:
        SettingError: an unknown verifier or place, shares outside 0 to 1, or math-verify is not installed.
        DataError: no tasks, repeated ids, or an answer that the verifier cannot read.
    """

    def __init__(
        self,
        tasks: list[Task],
        *,
        verifier: str = "exact",
        places: tuple[str, ...] | None = None,
        held_out: float = 0.1,
        validation: float = 0.0,
        name: str = "file",
    ) -> None:
        self.name, self.verifier = name, verifier
        self.places = places or (MATH_PLACES if verifier == "math" else PLACES)
        self._check_settings(held_out, validation)
        if not tasks:
            raise DataError(f"{name}: holds no tasks")
        if len({task.id for task in tasks}) < len(tasks):
            raise DataError(f"{name}: task ids repeat")
        for task in tasks:
            if task.answer is not None and self.parse(task.answer) is None:
                raise DataError(f"{name}: task {task.id!r}: the verifier {verifier!r} finds no answer in {task.answer[:80]!r}")
        self.splits = _assign(tasks, held_out, validation)

    def _check_settings(self, held_out: float, validation: float) -> None:
        if self.verifier not in get_args(Verifier):
            raise SettingError(f"no verifier {self.verifier!r}: {nearest(self.verifier, get_args(Verifier))}")
        for place in self.places:
            if place not in verifiers.PLACES:
                raise SettingError(f"no place {place!r} for an answer: {nearest(place, verifiers.PLACES)}")
        if not (0 <= held_out <= 1 and 0 <= validation <= 1 and held_out + validation < 1):
            raise SettingError(f"held_out and validation must be shares that leave something to train on, got {held_out} and {validation}")
        if self.verifier == "math":
            try:
                import math_verify  # noqa: F401
            except ImportError as error:
                raise SettingError('the verifier "math" needs math-verify: pip install "autotelic[math]"') from error

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """`count` tasks of a split in an order drawn from the seed, or all where it has fewer; fewer are a prefix of more.

        Raises:
            SettingError: an unknown split, a knob (there are none), or a negative count.
        """
        known_split(split)
        if knobs:
            raise SettingError(f"{self.name}: a task file has no knob {next(iter(knobs))!r}")
        if count < 0:
            raise SettingError(f"{self.name}: the number of tasks must be 0 or more, got {count}")
        held = self.splits[split]
        return streams.generator("file", seed, split).sample(held, min(count, len(held)))

    def parse(self, text: str) -> str | None:
        """The canonical answer in a completion."""
        found = verifiers.extract(text, self.places)
        match self.verifier:
            case "number":
                marked = verifiers.extract(text, [place for place in self.places if place not in ("line", "whole")])
                return verifiers.last_number(text if marked is None else marked)
            case "math" if found is not None:
                return verifiers.canonical_math(found)
        return found

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 when `answer`, as `parse` gives it, equals the task's; raises DataError when the task has none."""
        if task.answer is None:
            raise DataError(f"{self.name}: task {task.id!r} has no answer to verify against")
        gold = self.parse(task.answer)
        if answer is None or gold is None:
            return 0.0
        return float(gold == answer or (self.verifier == "math" and verifiers.same_math(gold, answer)))

    def gold(self, task: Task) -> str:
        """The task's completion where the file has one that verifies, else its answer, marked if it must be; raises DataError without either."""
        if task.answer is None:
            raise DataError(f"{self.name}: task {task.id!r} has no answer")
        marked = (task.hidden.get("completion"), task.answer, f"<answer>{task.answer}</answer>", f"\\boxed{{{task.answer}}}")
        for text in marked:
            if isinstance(text, str) and self.verify(task, self.parse(text)) == 1.0:
                return text
        raise DataError(f"{self.name}: task {task.id!r}: no form of the answer {task.answer[:80]!r} can be read back")


def _assign(tasks: list[Task], held_out: float, validation: float) -> dict[str, list[Task]]:
    """Tasks by split: prompts in order of their hash, those that can be checked first, so that the same file always splits the same way."""
    prompts: dict[int, list[Task]] = {}
    for task in tasks:
        prompts.setdefault(streams.key("split", task.prompt), []).append(task)
    order = sorted(prompts, key=lambda key: (all(task.answer is None for task in prompts[key]), key))
    sizes = [round(len(order) * share) or int(share > 0) for share in (held_out, validation)]
    while sum(sizes) >= len(order) > 0 and any(sizes):
        sizes[sizes.index(max(sizes))] -= 1
    first, second = sizes[0], sum(sizes)
    parts = {"probe": order[:first], "validation": order[first:second], "train": order[second:]}
    return {split: [task for key in keys for task in prompts[key]] for split, keys in parts.items()}
