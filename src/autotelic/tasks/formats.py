"""Files of records: JSONL, JSON, CSV, TSV, Parquet and data sets of Hugging Face, as rows of columns. What the columns mean is in `columns`.

Not a converter and no repair shop: a file either reads as it stands or fails with its name, line and column in the message.
"""

import codecs
import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from autotelic.errors import DataError, nearest

Record = tuple[str, dict[str, Any]]
"""Where a record stands, for messages, and its columns."""

SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
COMPRESSED = (".gz", ".bz2", ".xz", ".zst", ".zip", ".tar")
_HUB = re.compile(r"[\w.-]+(?:/[\w.-]+){0,2}(?::[\w.\-\[\]%]+)?")


def rows(spec: str) -> Iterator[Record]:
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


def _object(where: str, value: Any) -> Record:
    if not isinstance(value, dict):
        raise DataError(f'{where}: expected a JSON object such as {{"prompt": "..."}}, got {kind(value)}')
    return where, value


def _json_lines(path: Path, text: str) -> Iterator[Record]:
    # Only a line feed ends a record: JSON strings may hold the other separators that splitlines would break at.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield _object(f"{path} line {number}", _parse_json(line, path, number))


def _json(path: Path, text: str) -> Iterator[Record]:
    if not text.lstrip().startswith("["):
        return _json_lines(path, text)
    return (_object(f"{path} item {number}", value) for number, value in enumerate(_parse_json(text, path, 1), 1))


def _csv(path: Path, text: str, delimiter: str) -> Iterator[Record]:
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


def _parquet(path: Path) -> Iterator[Record]:
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


def _dataset_rows(spec: str) -> Iterator[Record]:
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
        near = _missing(path).partition("; ")[2].removesuffix("known: none")
        hint = "" if path.is_dir() else f"; nor is there such a file{': ' * bool(near)}{near}"
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{name}: no data set of that name could be loaded ({reason}){hint}") from error


def kind(value: Any) -> str:
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
