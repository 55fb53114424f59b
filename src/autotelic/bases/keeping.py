"""Bases at hand: one that is nowhere yet is made into the user's cache, whole or not at all. How one is made is in `making`."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from autotelic.bases.places import CACHE, HERE, cached, fits, place
from autotelic.bases.records import differs
from autotelic.bases.specs import BASES, BaseSpec
from autotelic.bases.telling import say, watched
from autotelic.errors import AutotelicError
from autotelic.jsonfiles import flush

try:
    import fcntl
except ImportError:  # a system without these locks
    fcntl = None  # type: ignore[assignment]


def at_hand(name: str, quiet: bool = False) -> Path | None:
    """The folder of a base, which is made now if it is nowhere yet; None where there is no base of that name.

    What is done, and whether the weights are others than those that results were measured with, is said on standard error unless `quiet`.

    Raises:
        AutotelicError: it cannot be made or kept.
    """
    found = place(name)
    if found is None and name not in BASES:
        return None
    folder, where = found or (kept(BASES[name], quiet), CACHE)
    if where != HERE and differs(name, folder) and not quiet:
        say(f"{name}: its weights are not those that the published results were measured with, and numbers will differ; autotelic-bases has those")
    return folder


def kept(spec: BaseSpec, quiet: bool = False) -> Path:
    """Make a base into the cache, unless another process does so first."""
    target = cached(spec)
    with explained(target, spec):
        target.parent.mkdir(parents=True, exist_ok=True)
        with (
            alone(target.with_name(f"{target.name}.lock"), None if quiet else f"{spec.name}: another process makes it; waiting"),
            TemporaryDirectory(dir=target.parent, prefix=f".{spec.name}-") as scratch,  # same file system, so that the move below is atomic
        ):
            if not fits(target, spec):
                with watched(spec, target, quiet) as note:
                    put(made(spec, Path(scratch) / spec.name, note), target, spec)
    return target


def made(spec: BaseSpec, folder: Path, note: Callable[[int, float], None]) -> Path:
    """A base in a new folder, every file of it on the disk."""
    from autotelic.bases.making import make

    make(spec, folder, note)
    for path in folder.iterdir():
        flush(path)
    return folder


def put(folder: Path, target: Path, spec: BaseSpec) -> None:
    """Move a whole base to its place. What was there and is no such base goes; where one came there meanwhile, that one stays."""
    if not fits(target, spec):
        shutil.rmtree(target, ignore_errors=True)
    try:
        folder.rename(target)
    except OSError:
        if not fits(target, spec):
            raise


@contextmanager
def alone(path: Path, words: str | None = None) -> Iterator[None]:
    """One process at a time is inside; where another is, these words are said. A file system without locks lets all of them in.

    path: a file that is locked. It stays: to remove it would let in two, one by the old file and one by a new one.
    """
    with path.open("a") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if words:
                    say(words)
                fcntl.flock(file, fcntl.LOCK_EX)
            except OSError:
                pass
        yield


@contextmanager
def explained(target: Path, spec: BaseSpec) -> Iterator[None]:
    """Failures of the file system, and being interrupted, in words: of a base that could not be kept nothing is left."""
    try:
        yield
    except KeyboardInterrupt as stop:
        stop.add_note(f"the base {spec.name} was not finished, and nothing of it is kept")
        raise
    except Exception as error:
        if not isinstance(error, OSError) and "SafetensorError" not in type(error).__name__:
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise AutotelicError(
            f"{target.parent}: the base {spec.name}, which is made on first use, cannot be written there: {reason}; AUTOTELIC_CACHE=FOLDER "
            "takes another folder"
        ) from error
