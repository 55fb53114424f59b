"""The lock of a run directory: one process works on it at a time. It goes with the process, so that a killed run leaves none behind."""

import json
import os
import shlex
import socket
import sys
import weakref
from contextlib import suppress
from pathlib import Path
from time import strftime
from typing import Any

from autotelic.errors import AutotelicError

try:
    import fcntl
except ImportError:  # a system without these locks
    fcntl = None  # type: ignore[assignment]

LOCK = "run.lock"
LONGEST = 300
"""Of the holder's command, so many characters are shown."""


class Lock:
    """A lock that is held. Its file says who holds it, for people: what locks is the system's own lock on the file."""

    def __init__(self, path: Path, handle: int) -> None:
        self.path, self._handle = path, handle
        _held.add(self)

    @classmethod
    def take(cls, folder: Path) -> "Lock":
        """Hold the lock of a folder.

        Raises:
            AutotelicError: another process holds it, or the folder cannot be written.
        """
        path = folder / LOCK
        while True:
            handle = _opened(path)
            try:
                _lock(handle, folder)
            except AutotelicError:
                os.close(handle)
                raise
            lock = cls(path, handle)
            if lock.holds:
                lock._sign()
                return lock
            lock.close()  # its holder removed it between the two steps

    @property
    def holds(self) -> bool:
        """Whether the file that is locked is still the one in the folder."""
        try:
            return os.path.samestat(os.fstat(self._handle), self.path.stat())
        except OSError:
            return False

    def close(self) -> None:
        """Let others work on the folder."""
        if self._handle < 0:
            return
        if self.holds:
            with suppress(OSError):
                self.path.unlink()
        self.forget()

    def forget(self) -> None:
        """Close the file alone: for a process forked from the holder."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _sign(self) -> None:
        words = {"process": os.getpid(), "host": socket.gethostname(), "started": strftime("%Y-%m-%d %H:%M:%S"), "command": _command()}
        with suppress(OSError):
            os.ftruncate(self._handle, 0)
            os.pwrite(self._handle, json.dumps(words).encode(), 0)


_held: "weakref.WeakSet[Lock]" = weakref.WeakSet()


def _forget() -> None:
    for lock in list(_held):
        lock.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def _command() -> str:
    """The command of this process, by the name of the program."""
    program = Path(sys.argv[0])
    return shlex.join([program.parent.name if program.name == "__main__.py" else program.name, *sys.argv[1:]])


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
    except FileNotFoundError:
        raise AutotelicError(f"{path.parent}: the run directory is gone") from None
    except OSError as error:
        raise AutotelicError(f"{path.parent}: cannot be written: {error.strerror}; a run needs a directory that it can write") from error


def _lock(handle: int, folder: Path) -> None:
    """Lock an open file; where the file system has no locks, say so and go on without.

    Raises:
        AutotelicError: another process holds it.
    """
    try:
        if fcntl is None:
            raise OSError(0, "this system has none")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AutotelicError(f"{folder}: {_holder(handle)} works on it; wait until it is done, or end it first") from None
    except OSError as error:
        print(f"{folder}: the file system has no locks ({error.strerror}): see that no other process works on this run", file=sys.stderr)


def signed(folder: Path) -> dict[str, Any] | None:
    """Who signed the lock of a folder, without touching it; None where nobody did, or where the process was on this machine and is gone."""
    try:
        words = dict(json.loads((folder / LOCK).read_bytes()[: 1 << 16]))
        if words["host"] == socket.gethostname():
            os.kill(int(words["process"]), 0)
    except PermissionError:
        return words  # it is there, and another user's
    except (OSError, OverflowError, ValueError, KeyError, TypeError):
        return None
    return words


def _holder(handle: int) -> str:
    """Who holds the lock, as its file says."""
    try:
        words: dict[str, Any] = json.loads(os.pread(handle, 1 << 16, 0))
        command = str(words["command"])
        short = command if len(command) <= LONGEST else command[:LONGEST] + "..."
        return f"process {words['process']} on {words['host']} ({short}, since {words['started']})"
    except (ValueError, KeyError, TypeError, OSError):
        return "another process"
