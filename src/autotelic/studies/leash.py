"""Processes that end with the one that started them, however that one ends: `python -m autotelic.studies.leash MODULE ...` runs a module that way.

Its standard input is a pipe of which the starter alone holds the other end. Nothing is ever written into it; when it is closed, by the starter or by its
death, the process is told to end as by SIGTERM, so that a run keeps the rounds that are done.
"""

import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

MODULE = "autotelic.studies.leash"


@contextmanager
def leash() -> Iterator[int]:
    """The standard input of processes that are to end when this context does, or this process."""
    end, held = os.pipe()
    try:
        yield end
    finally:
        os.close(held)
        os.close(end)


def end_with_starter() -> None:
    """Wait until the other end is closed, then end this process."""
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_starter, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
