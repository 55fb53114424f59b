"""What a file system refuses, in words a user can act on. Not what is written: that is `runs.store`."""

import errno
import shutil
from contextlib import suppress
from pathlib import Path

from autotelic.errors import AutotelicError

GONE = "{}: the run directory is gone: it was deleted, moved or replaced while the run was on"


class explained:
    """A context in which failures of the file system become errors a user can act on; `run` is the run directory that is written, if one is."""

    def __init__(self, path: Path, run: Path | None = None) -> None:
        self.path, self.run = path, run

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError) and "SafetensorError" not in type(error).__name__:
            return
        if self.path.name.endswith(".tmp"):
            shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            for part in self.path.glob("*.part"):
                part.unlink()
        if self.run is not None and not self.run.exists():
            raise AutotelicError(GONE.format(self.run)) from error
        full = getattr(error, "errno", None) == errno.ENOSPC or "os error 28" in str(error)
        reason = "no space left on the disk" if full else str(error)
        rest = "; all rounds committed before are intact, and `autotelic resume` goes on from them" if self.run is not None else ""
        raise AutotelicError(f"{self.path}: cannot be written: {reason}{rest}") from error
