"""The rollouts of a run as columns, so that a million of them are filtered in less than a second: DuckDB over Parquet files in this user's cache.

A round's file of rollouts is read once, after it was committed. What was read becomes a part: one Parquet file for all rounds between two, named by what
their files were, so that several viewers share parts and a round that has changed is read again. Nothing is written into the run directory.
"""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import duckdb
from pydantic import Field

from autotelic.caching import cache_folder
from autotelic.errors import DataError
from autotelic.runs.reading import RunReader
from autotelic.types import Settings
from autotelic.viewing.runs import settled, stamp

COLUMNS = {
    "@round": "INTEGER", "id": "VARCHAR", "task": "VARCHAR", "role": "VARCHAR", "parent": "VARCHAR", "prompt": "VARCHAR", "text": "VARCHAR", "answer": "VARCHAR",
    "gold": "VARCHAR", "rewards": "MAP(VARCHAR, DOUBLE)", "advantage": "JSON", "trained": "BOOLEAN", "weight": "DOUBLE", "tokens": "BIGINT",
    "turns": "JSON", "keys": "JSON", "pieces": "JSON", "stop": "VARCHAR", "version": "BIGINT", "right": "BOOLEAN",
}  # fmt: skip
"""What is read of a rollout; a row may lack any of these."""
PAGE = 50
SHORT = 240
"""Characters of a text that a list shows."""
MOST_NODES = 400
"""Rollouts of one tree or play that are shown."""
MOST_PARTS = 16
"""More small parts than these are made into one."""
SMALL = 64 << 20
BATCH = 256 << 20
"""Bytes of rollouts files that are read at a time, into one part."""
LONGEST = 64 << 20
"""Longer lines are left out."""
MEMORY = "2GB"
LINES = """SELECT "@round" AS round, row_number() OVER () AS place, * EXCLUDE ("@round", "right"),
    list_sum(map_values(rewards)) AS reward,
    CASE json_type(advantage) WHEN 'ARRAY' THEN list_avg(CAST(advantage AS DOUBLE[])) ELSE TRY_CAST(advantage AS DOUBLE) END AS credit,
    CASE WHEN "right" IS NOT NULL THEN "right" WHEN keys IS NULL AND gold IS NOT NULL THEN coalesce(answer = gold, false) END AS "right",
    lower(concat_ws(chr(10), prompt, text, answer)) AS search
    FROM read_json(?, format = 'newline_delimited', columns = ?, maximum_object_size = ?, ignore_errors = true, hive_partitioning = false)"""
"""The rows of a file of rollouts that was copied. A line that cannot be read is a row without an id."""
LIST = f"""round, place, id, task, role, parent, left(prompt, {SHORT}) AS prompt, left(text, {SHORT}) AS text, answer, gold, reward, credit, "right", trained,
    tokens, stop, version"""
HALVES = re.compile(rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
"""Escaped backslashes and pairs of surrogates, which stay, and halves of pairs, which DuckDB refuses."""
HALF = re.compile(rb"\\u[dD][89a-fA-F]")
VERSION = 1
"""Of the columns of a part; parts of another are read again."""
Row = dict[str, Any]
Stamps = dict[int, tuple[int, ...]]
ORDERS = {
    "newest": "round DESC, place",
    "oldest": "round, place",
    "highest reward": "reward DESC NULLS LAST, round DESC, place",
    "lowest reward": "reward ASC NULLS LAST, round DESC, place",
    "highest advantage": "credit DESC NULLS LAST, round DESC, place",
    "lowest advantage": "credit ASC NULLS LAST, round DESC, place",
    "longest": "tokens DESC NULLS LAST, round DESC, place",
}


class Wanted(Settings):
    """Which rollouts are asked for, and in which order."""

    first: int | None = None
    """The first round."""
    last: int | None = None
    role: str | None = None
    task: str | None = None
    reward: str | None = None
    """The name of a reward that it must have; `least` and `most` are of it, or of the sum of all where it is left out."""
    least: float | None = Field(None, ge=-1e9)
    most: float | None = Field(None, ge=-1e9)
    right: Literal["right", "wrong", "unknown"] | None = None
    trained: bool | None = None
    text: str | None = Field(None, max_length=1000)
    """What its prompt, its text or its answer must hold, in capitals or not."""
    order: Literal["newest", "oldest", "highest reward", "lowest reward", "highest advantage", "lowest advantage", "longest"] = "newest"
    page: int = Field(0, ge=0)

    def where(self) -> tuple[str, list[Any]]:
        """The condition, and its values."""
        value = "rewards[?]" if self.reward else "reward"
        name = [self.reward] if self.reward else []
        tests: list[tuple[bool, str, list[Any]]] = [
            (self.first is not None, "round >= ?", [self.first]),
            (self.last is not None, "round <= ?", [self.last]),
            (self.role is not None, "role = ?", [self.role]),
            (self.task is not None, "task = ?", [self.task]),
            (self.reward is not None, "rewards[?] IS NOT NULL", name),
            (self.least is not None, f"{value} >= ?", [*name, self.least]),
            (self.most is not None, f"{value} <= ?", [*name, self.most]),
            (self.right == "right", '"right"', []),
            (self.right == "wrong", 'NOT "right"', []),
            (self.right == "unknown", '"right" IS NULL', []),
            (self.trained is not None, "trained = ?", [self.trained]),
            (bool(self.text), "contains(search, lower(?))", [self.text]),
        ]
        chosen = [(test, values) for given, test, values in tests if given]
        return " AND ".join(test for test, _ in chosen) or "true", [value for _, values in chosen for value in values]


class Rollouts:
    """The rollouts of one run."""

    def __init__(self, folder: Path, cache: Path | None = None) -> None:
        name = hashlib.blake2b(os.fsencode(folder.resolve()), digest_size=12).hexdigest()
        self.cache = (cache or cache_folder() / "viewing") / name
        self._lock = RLock()
        self._connection = duckdb.connect(config={"memory_limit": MEMORY, "threads": min(os.cpu_count() or 1, 4)})
        self._parts: list[str] = []
        self._facets: Row | None = None
        self._seen: tuple[int, ...] = ()

    def refresh(self, reader: RunReader) -> None:
        """Read the rounds that are in no part yet.

        Raises:
            DataError: the cache cannot be written.
            FileNotFoundError: another viewer has removed a part at this moment.
        """
        with self._lock:
            seen = settled(reader.rounds)
            if seen and seen == self._seen:
                return
            stamps = {number: stamp(path) for number in reader.numbers if readable(path := reader.rollouts_file(number))}
            try:
                self.cache.mkdir(parents=True, exist_ok=True)
                parts = [str(part) for part in self._parts_of(reader, stamps)]
            except FileNotFoundError:
                raise
            except OSError as error:
                raise DataError(f"{self.cache}: cannot be written: {error.strerror}; AUTOTELIC_CACHE names another folder") from error
            if parts != self._parts:
                self._parts, self._facets = parts, None
            self._seen = seen

    def forget(self) -> None:
        """Look at all parts again the next time."""
        with self._lock:
            self._seen = ()

    def _parts_of(self, reader: RunReader, stamps: Stamps) -> list[Path]:
        parts = self._valid(stamps)
        parts += [self._read(reader, stamps, numbers) for numbers in gaps(stamps, parts)]
        parts.sort()
        small = [part for part in parts if part.stat().st_size < SMALL]
        tail = parts[-len(small) :]
        if len(small) > MOST_PARTS and small == tail:
            return [*parts[: -len(tail)], self._merged(tail, stamps)]
        return parts

    def _valid(self, stamps: Stamps) -> list[Path]:
        """The parts that are of rounds as they are, the widest first where two are of one round. The others are removed."""
        kept: list[Path] = []
        for part in sorted(self.cache.glob("*-*-*.parquet"), key=lambda part: part.stat().st_size, reverse=True):
            low, high = span(part)
            if part.name == name_of(stamps, low, high) and all(high < span(one)[0] or low > span(one)[1] for one in kept):
                kept.append(part)
            else:
                part.unlink(missing_ok=True)
        return kept

    def _read(self, reader: RunReader, stamps: Stamps, numbers: Sequence[int]) -> Path:
        with tempfile.TemporaryDirectory(dir=self.cache) as scratch:
            copy = Path(scratch) / "rollouts.jsonl"
            longest = copied(reader, numbers, copy)
            return self._write(LINES, [str(copy), COLUMNS, max(16 << 20, longest + 1)], self.cache / name_of(stamps, numbers[0], numbers[-1]))

    def _merged(self, parts: list[Path], stamps: Stamps) -> Path:
        """Some parts that follow one another, as one."""
        final = self.cache / name_of(stamps, span(parts[0])[0], span(parts[-1])[1])
        self._write("FROM read_parquet(?)", [[str(part) for part in parts]], final)
        for part in parts:
            part.unlink(missing_ok=True)
        return final

    def _write(self, query: str, values: list[Any], final: Path) -> Path:
        """A part with the rows of a query, whole or not at all."""
        draft = final.with_suffix(f".{os.getpid()}.draft")
        quoted = str(draft).replace("'", "''")
        self._cursor().execute(f"COPY ({query}) TO '{quoted}' (FORMAT parquet, COMPRESSION snappy, ROW_GROUP_SIZE 30000)", values)
        draft.replace(final)
        return final

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        return self._connection.cursor()

    def _rows(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """What a query finds in `rows`, as objects by column."""
        with self._lock:
            parts = self._parts
        if not parts:
            return []
        cursor = self._cursor().execute(query.replace("FROM rows", "FROM read_parquet(?)"), [parts, *values])
        names = [one[0] for one in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def page(self, wanted: Wanted) -> Row:
        """A page of the rollouts that are wanted, and how many there are of them, their mean reward and the share of right ones.

        The list is found by the columns that it is sorted by; texts are read of its rows alone.
        """
        where, values = wanted.where()
        where = f"id IS NOT NULL AND {where}"
        whole = self._rows(
            f'SELECT count(*) AS count, avg(reward) AS reward, avg(CAST("right" AS INTEGER)) AS "right" FROM rows WHERE {where}', values
        )
        order = f"ORDER BY {ORDERS[wanted.order]} LIMIT {PAGE} OFFSET {wanted.page * PAGE}"
        keys = [(row["round"], row["place"]) for row in self._rows(f"SELECT round, place FROM rows WHERE {where} {order}", values)]
        return {**(whole[0] if whole else {"count": 0}), "page": wanted.page, "size": PAGE, "rows": self._these(LIST, keys)}

    def _these(self, columns: str, keys: Sequence[tuple[int, int]]) -> list[Row]:
        """The rows at some places, in this order."""
        if not keys:
            return []
        rounds, places = [key[0] for key in keys], [key[1] for key in keys]
        found = self._rows(
            f"SELECT {columns} FROM rows WHERE round BETWEEN ? AND ? AND list_contains(?, round) AND list_contains(?, place)",
            [min(rounds), max(rounds), sorted(set(rounds)), places],
        )
        known = {(row["round"], row["place"]): row for row in found}
        return [known[key] for key in keys if key in known]

    def facets(self) -> Row:
        """What can be chosen: rounds, roles, names of rewards; and how many rollouts there are."""
        with self._lock:
            if self._facets is not None:
                return self._facets
        whole = self._rows(
            "SELECT count(*) AS lines, count(id) AS count, min(round) AS first, max(round) AS last, bool_or(gold IS NOT NULL) AS gold FROM rows"
        )
        roles = self._rows("SELECT role, count(*) AS count FROM rows WHERE role IS NOT NULL GROUP BY role ORDER BY role LIMIT 100")
        rewards = self._rows("SELECT DISTINCT unnest(map_keys(rewards)) AS name FROM rows ORDER BY name LIMIT 200")
        found = {**(whole[0] if whole else {"lines": 0, "count": 0}), "roles": roles, "rewards": [row["name"] for row in rewards]}
        with self._lock:
            self._facets = found
        return found

    def one(self, number: int, name: str) -> Row:
        """A rollout with all that is kept of it, and the rollouts around it: the tree or the play that it is part of.

        Raises:
            DataError: there is none of this id in the round.
        """
        found = self._rows("SELECT * EXCLUDE (search) FROM rows WHERE round = ? AND id = ? LIMIT 1", [number, name])
        if not found:
            raise DataError(f"no rollout {name!r} in {'any round' if number < 0 else f'round {number}'}; not every rollout is kept")
        row = found[0]
        row = {**row, **{key: json.loads(row[key]) if row[key] else None for key in ("advantage", "turns", "keys", "pieces")}}
        return {**row, "tree": self._tree(row), "group": self._group(row), "play": self._play(row)}

    def _tree(self, row: Row) -> list[Row]:
        """The rollouts of the same tree, those that it was forked from first; none where nothing forks."""
        linked = self._rows("SELECT id, parent FROM rows WHERE round = ? AND parent IS NOT NULL AND id IS NOT NULL", [row["round"]])
        parents = {one["id"]: one["parent"] for one in linked}
        root, seen = row["id"], {row["id"]}
        while (above := parents.get(root)) and above not in seen:
            seen.add(root := above)
        children: dict[str, list[str]] = {}
        for one, parent in parents.items():
            children.setdefault(parent, []).append(one)
        names = [root]
        for one in names:
            names += [child for child in children.get(one, ()) if child not in names][: MOST_NODES - len(names)]
        return self._named(row["round"], names) if len(names) > 1 else []

    def _group(self, row: Row) -> list[Row]:
        """The rollouts on the same task in the same round, under the same role."""
        return self._rows(
            f"SELECT {LIST} FROM rows WHERE round = ? AND task = ? AND role IS NOT DISTINCT FROM ? AND id IS NOT NULL ORDER BY place LIMIT {MOST_NODES}",
            [row["round"], row["task"], row["role"]],
        )

    def _play(self, row: Row) -> list[Row]:
        """The players of the same play, each with its turns, by seat; none where it is no play."""
        if not (isinstance(row["keys"], dict) and "game" in row["keys"]):
            return []
        play = str(row["task"]).rpartition("/")[0]
        found = self._rows(
            f"SELECT {LIST}, turns, keys, advantage, pieces FROM rows WHERE round = ? AND starts_with(task, ?) ORDER BY task",
            [row["round"], f"{play}/"],
        )
        return [{**one, **{key: json.loads(one[key]) if one[key] else None for key in ("turns", "keys", "advantage", "pieces")}} for one in found]

    def _named(self, number: int, names: Sequence[str]) -> list[Row]:
        """Some rollouts of a round by id, in this order."""
        found = self._rows(f"SELECT {LIST} FROM rows WHERE round = ? AND list_contains(?, id)", [number, list(names)])
        known = {row["id"]: row for row in found}
        return [known[name] for name in names if name in known]

    def find(self, name: str) -> int:
        """The newest round that has a rollout of this id, as lineage names it; -1 where none has."""
        found = self._rows("SELECT max(round) AS round FROM rows WHERE id = ?", [name])
        return found[0]["round"] if found and found[0]["round"] is not None else -1


def readable(path: Path) -> bool:
    """Whether a file is a plain one of the run itself: no link, which may lead anywhere, no pipe, which may never end."""
    return path.is_file() and not path.is_symlink() and not path.parent.is_symlink()


def copied(reader: RunReader, numbers: Sequence[int], copy: Path) -> int:
    """Copy the rollouts of some rounds into one file that DuckDB reads, each with its round, and return the length of the longest line.

    What DuckDB would not read is mended or left out: halves of surrogate pairs, bytes that are no UTF-8, lines too long to hold. One file is read many
    times as fast as thousands of small ones.
    """
    longest = 0
    with copy.open("wb") as file:
        for number in numbers:
            start = b'{"@round": %d, ' % number
            for line in lines(reader.rollouts_file(number)):
                found = start + line[1:] if line.startswith(b"{") else line
                longest = max(longest, len(found))
                file.write(found + b"\n")
    return longest


def lines(path: Path) -> Iterator[bytes]:
    """The lines of a file as DuckDB reads them; in place of one that is too long there is a word."""
    with path.open("rb") as file:
        while line := file.readline(LONGEST):
            whole = line
            while whole[-1:] != b"\n" and len(whole) == LONGEST:
                whole = file.readline(LONGEST)
            yield mended(line.strip()) if whole is line else b"too long"


def mended(line: bytes) -> bytes:
    """A line with the replacement character for halves of surrogate pairs and for what is no UTF-8; the same object where it has none."""
    if HALF.search(line):
        line = HALVES.sub(lambda found: found[0] if found[0][1:2] == b"\\" or len(found[0]) == 12 else rb"\ufffd", line)
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode("utf-8", errors="replace").encode()
    return line


def span(part: Path) -> tuple[int, int]:
    """The first and the last round of a part."""
    low, high, _ = part.stem.split("-")
    return int(low), int(high)


def name_of(stamps: Stamps, low: int, high: int) -> str:
    """The name of the part of all rounds from one to another, by what their files are."""
    those = [[number, *stamps[number]] for number in sorted(stamps) if low <= number <= high]
    return f"{low:06d}-{high:06d}-{hashlib.blake2b(json.dumps([VERSION, those]).encode(), digest_size=12).hexdigest()}.parquet"


def gaps(stamps: Stamps, parts: Sequence[Path]) -> list[list[int]]:
    """The rounds that are in no part, as runs of rounds between parts, none of more than a batch unless it is one round."""
    spans = [span(part) for part in parts]
    found: list[list[int]] = []
    room = 0
    for number in sorted(stamps):
        size = stamps[number][2]
        if any(low <= number <= high for low, high in spans):
            room = 0
        elif room >= size and found:
            found[-1].append(number)
            room -= size
        else:
            found.append([number])
            room = BATCH - size
    return found
