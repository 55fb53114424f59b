"""Texts of a user as documents: a file or a folder of them, long ones in passages, as tasks. No converter: what is not plain text is refused."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from autotelic.errors import DataError
from autotelic.types import Task

SUFFIXES = (".txt", ".md", ".jsonl")
COLUMNS = ("document", "text")


def read_corpus(path: str | Path) -> dict[str, str]:
    """The documents of a file or of all files of a folder and its subfolders, by name, in order of their names; blank ones are left out.

    A .txt or .md file is one document. A .jsonl file has one in every line, in the column 'document' or 'text'.

    Raises:
        DataError: nothing there, a file that is not UTF-8 text, a line without a document, or no document at all.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    files = sorted(f for f in path.rglob("*") if f.is_file() and f.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    root = path if path.is_dir() else path.parent
    found = {name: text for file in files for name, text in _documents(file, file.relative_to(root).as_posix()).items() if text.strip()}
    if not found:
        raise DataError(f"{path}: the corpus is empty; it needs text in files that end in {', '.join(SUFFIXES)}")
    return found


def _documents(file: Path, name: str) -> dict[str, str]:
    if file.suffix.lower() not in SUFFIXES:
        raise DataError(f"{file}: unknown kind of file {file.suffix!r}; known: {', '.join(SUFFIXES)}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file}: cannot be read as UTF-8 text ({error})") from error
    if file.suffix.lower() != ".jsonl":
        return {name: text}
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return {f"{name}:{number}": _column(f"{file} line {number}", line) for number, line in lines}


def _column(where: str, line: str) -> str:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise DataError(f"{where}: not JSON ({error})") from error
    found = next((row[name] for name in COLUMNS if name in row), None) if isinstance(row, dict) else None
    if not isinstance(found, str):
        raise DataError(f"{where}: needs a text in the column {' or '.join(map(repr, COLUMNS))}")
    return found


def passages(text: str, size: int) -> list[str]:
    """A text in pieces of at most `size` characters, cut at white space where a piece has any."""
    text = text.strip()
    found, start = [], 0
    while start < len(text):
        end = start + size
        if end < len(text):
            cut = max(text.rfind(" ", start + 1, end + 1), text.rfind("\n", start + 1, end + 1))
            end = cut if cut > 0 else end
        found.append(text[start:end].strip())
        start = end
    return [piece for piece in found if piece]


def document_tasks(texts: Mapping[str, str], size: int) -> list[Task]:
    """A task without a prompt for every passage of some documents, by name; hidden: document; tags: source, passage."""
    pieces = [(name, place, text) for name, whole in texts.items() for place, text in enumerate(passages(whole, size))]
    return [Task(f"{name}/{place}", "", hidden={"document": text}, tags={"source": name, "passage": place}) for name, place, text in pieces]


def shortened(task: Task, fits: Callable[[Task], bool]) -> Task | None:
    """The task of a document, the last quarter of its text cut off until it fits; None if that does not help."""
    while not fits(task):
        text = task.hidden["document"]
        if not (text := text[: len(text) * 3 // 4]):
            return None
        task = task.changed(hidden={"document": text})
    return task
