"""What came back from an endpoint: an answer, or a typed way in which there was none; and the file that keeps what came, so that nothing is asked twice."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any

from autotelic.errors import DataError
from autotelic.types import StopReason

KEPT = "replies.jsonl"
"""The file in a run directory."""


@dataclass(frozen=True, slots=True)
class Reply:
    """How one request ended."""

    text: str
    stop: StopReason
    read: int = 0
    """Tokens of the prompt, as the server counts them."""
    sampled: int = 0


def key_of(asked: dict[str, Any], stream: int) -> str:
    """The name of a request: of everything that it says, and of the sample that it is for. Neither the address of the server nor a key is part of it."""
    return sha256(json.dumps([asked, stream], sort_keys=True).encode()).hexdigest()


class Replies:
    """Replies by request, in memory and, once `keep` has named a file, on disk. Safe to use from several threads."""

    def __init__(self) -> None:
        self._known: dict[str, Reply] = {}
        self._path: Path | None = None
        self._lock = Lock()

    def keep(self, path: Path) -> None:
        """Read what an earlier part of the run kept there, and add what comes from now on. A last line that was cut off is taken away."""
        self._path = path
        if not path.exists():
            return
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, encoding="utf-8")
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                raw = json.loads(line)
                key = raw.pop("key")
                self._known[key] = Reply(raw["text"], StopReason(raw["stop"]), raw["read"], raw["sampled"])
            except (ValueError, TypeError, KeyError, AttributeError):
                raise DataError(f"{path}, line {number}: not a reply as this file holds them; without the line it is asked for again") from None

    def get(self, key: str) -> Reply | None:
        """What is known of a request."""
        return self._known.get(key)

    def add(self, key: str, reply: Reply) -> None:
        """Remember a reply; it is on disk when this returns."""
        with self._lock:
            self._known[key] = reply
            if self._path is not None:
                with self._path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"key": key, **asdict(reply)}) + "\n")
