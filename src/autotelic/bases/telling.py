"""What a person sees of a base that is being made, on standard error: a bar on a terminal, some lines elsewhere, nothing when quiet."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autotelic.bases.records import records
from autotelic.bases.specs import BaseSpec

Note = Callable[[int, float], None]
"""Hears of the number of steps that are done, and of the loss."""
PAUSE = 10.0
"""Seconds between two lines."""


def say(text: str) -> None:
    """A line."""
    print(text, file=sys.stderr, flush=True)


def took(seconds: float) -> str:
    """A duration of some seconds or minutes."""
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


@contextmanager
def watched(spec: BaseSpec, target: Path, quiet: bool) -> Iterator[Note]:
    """What hears of the steps of a base that is made into the folder `target`."""
    if quiet:
        yield lambda step, loss: None
        return
    about = f" in about {took(records()[spec.name].seconds)}" if spec.name in records() else ""
    say(f"{spec.name}: this base is made now{about}, once, and kept in {target}")
    with bar(spec) if sys.stderr.isatty() else lines(spec) as note:
        yield note


@contextmanager
def bar(spec: BaseSpec) -> Iterator[Note]:
    """A bar that is gone in the end."""
    from rich.console import Console
    from rich.progress import Progress, TextColumn

    columns = (*Progress.get_default_columns(), TextColumn("{task.fields[loss]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(spec.name, total=spec.steps, loss="")
        yield lambda step, loss: progress.update(task, completed=step, loss=f"loss {loss:.3f}")


@contextmanager
def lines(spec: BaseSpec) -> Iterator[Note]:
    """A line every PAUSE seconds, and one for the last step."""
    said = time.monotonic()

    def note(step: int, loss: float) -> None:
        nonlocal said
        if step >= spec.steps or time.monotonic() - said >= PAUSE:
            said = time.monotonic()
            say(f"{spec.name}: step {step}/{spec.steps}, loss {loss:.3f}")

    yield note
