"""How a run ends when it is told to: SIGINT and SIGTERM become an exception at once, and the command one line and an exit status."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from autotelic.errors import harmless

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stop(KeyboardInterrupt):
    """A signal that ends the process. Its notes say what was kept."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, SIGINT and SIGTERM end the process with one line on standard error and the status shells give to it, 130 or 143.

    What the exception's notes say stands in the line. Only the first signal counts, so that nothing disturbs the clearing up.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _stop) for number in SIGNALS}
    try:
        yield
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Stop) else signal.SIGINT
        notes = getattr(stop, "__notes__", ["nothing was written"])
        print(f"stopped by {signal.Signals(number).name}; {harmless('; '.join(notes))}", file=sys.stderr, flush=True)
        raise SystemExit(128 + number) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> None:
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise Stop(number)


def _as_usual() -> None:
    """A forked process is ended by a signal as if nothing had been said about it."""
    if signal.getsignal(signal.SIGTERM) is _stop:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_as_usual)
