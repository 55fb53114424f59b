"""Files of JSON and of JSON lines, written whole or not at all. Not the run directory: that is `runs.store`."""

import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from autotelic.errors import DataError


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        DataError: no such file, or not one JSON object.
    """
    check_regular(path)
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # A number of thousands of digits is a ValueError, brackets of thousands of levels the other.
        raise DataError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(raw, dict):
        raise DataError(f"{path}: expected an object")
    return raw


def check_regular(path: Path) -> None:
    """Raises DataError where a path leads to a pipe, a device or a socket: reading one may never end. What is not there is no fault here."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise DataError(f"{path}: not a regular file")


def write_json(path: Path, value: Any) -> None:
    """One JSON document, whole or not at all."""
    partial = path.with_name(path.name + ".part")
    partial.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    partial.replace(path)


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """One JSON document a line, whole or not at all."""
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    partial.replace(path)


def read_lines(path: Path) -> Iterator[Any]:
    """The documents of a file of JSON lines; nothing where there is no file."""
    if path.exists():
        with path.open(encoding="utf-8") as file:
            yield from (json.loads(line) for line in file if line.strip())


def flush(path: Path) -> None:
    """Make a file or folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
