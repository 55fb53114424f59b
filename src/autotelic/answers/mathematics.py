r"""Answers as mathematics: their canonical form, and whether two of them are equal, by math-verify in a process of its own.

Numbers are read by `numbers` and compared exactly; what is left to math-verify is what is no number. Its process is started on first use, ended where
an answer takes it longer than a few seconds, and started again. So a comparison ends on every thread, whatever a model has written.
"""

import atexit
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec

from autotelic.answers.markup import bare, spaced
from autotelic.answers.numbers import LONGEST, bare_number, canonical_number
from autotelic.errors import AutotelicError

SECONDS = 3
"""Processor time that one comparison may take."""
_PATIENCE = 30
"""Seconds of the clock after which the process is ended in any case, and that it may take to start."""

_CHOICE = re.compile(r"\(?([A-Za-z])(?:\)?[.:]?|\)?\.)")
_SAME = ((re.compile(r"\{\}"), ""), (re.compile(r"\\[dt]frac(?![A-Za-z])"), r"\\frac"), (re.compile(r"\s+"), " "))
_IDLE_SPACE = re.compile(r"(?<![A-Za-z0-9]) | (?![A-Za-z0-9])|(?<=[0-9]) (?=[A-Za-z])")
_PROSE = re.compile(r"(?<![A-Za-z\\])(?:[A-Za-z]{3,}|cm|mm|km|kg|ft|in|mi|lb|ml|mL)(?![A-Za-z])")
_MISREAD = re.compile(r"[0-9](?:\s|~|\\[,;:> ]|\\q?quad)+[0-9]|[0-9]_[0-9]|\.[0-9]*\s*\\(?:overline|bar|dot)")
r"""What math-verify reads as something else: digits side by side ('1 2' as 3), '1_000' as 1, '0.\overline{3}' as 0."""


def choice(text: str) -> str | None:
    """The letter of a text that is one letter, as choices are written: 'C', '(C)', 'C.', 'C)'; else None."""
    found = _CHOICE.fullmatch(text)
    return found[1] if found else None


def canonical_math(text: str) -> str:
    r"""A number in its canonical form, the letter of a choice, and other LaTeX without what surrounds it and without the spaces that mean nothing.

    Equal expressions may still differ: see `same_math`. Units and what a number is said of are left out where they are words, as in
    '36\text{ cm}^2' or 'The area is 36'; 'x = 36' and '36 m' are left to math-verify.
    """
    number = bare_number(text) or (canonical_number(text) if len(text) <= 2 * LONGEST and _PROSE.search(text) else None)
    if number is not None:
        return number
    text = spaced(bare(text))
    for form, same in _SAME:
        text = form.sub(same, text)
    text = _IDLE_SPACE.sub("", text.strip().removesuffix("."))
    return choice(text) or text


def same_math(gold: str, answer: str) -> bool:
    """Whether two LaTeX or plain answers are mathematically equal; False where either cannot be read, or takes longer than `SECONDS` to.

    Two numbers are compared exactly, all else by math-verify. Asked again, the same answers are not compared again.

    Raises:
        ImportError: math-verify is needed and not installed.
        AutotelicError: its process cannot be started.
    """
    numbers = bare_number(gold), bare_number(answer)
    if None not in numbers:
        return numbers[0] == numbers[1]
    readable = all(0 < len(text) <= LONGEST and not _MISREAD.search(text) for text in (gold, answer))
    return readable and _compared(gold, answer)


def available() -> bool:
    """Whether math-verify is installed."""
    return find_spec("math_verify") is not None


@lru_cache(maxsize=10_000)
def _compared(gold: str, answer: str) -> bool:
    return _WORKER.ask(gold, answer)


class _Worker:
    """The process that compares (`answers.worker`), one for this process; asked by one thread at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process: subprocess.Popen[str] | None = None

    def ask(self, gold: str, answer: str) -> bool:
        """Its verdict; False where it ended over it. Raises AutotelicError where it does not start."""
        with self.lock:
            if self.process is None or self.process.poll() is not None:
                self.start()
            return self.exchange(json.dumps([gold, answer])) == "equal"

    def start(self) -> None:
        self.stop()
        if not available():
            raise ImportError("math-verify is not installed")
        path = os.pathsep.join(place for place in sys.path if place)
        environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "0", "PYTHONWARNINGS": "ignore", "PYTHONIOENCODING": "utf-8"}
        command = [sys.executable, "-P", "-m", "autotelic.answers.worker", str(SECONDS)]
        pipe, nowhere = subprocess.PIPE, subprocess.DEVNULL
        self.process = subprocess.Popen(command, env=environment, encoding="utf-8", stdin=pipe, stdout=pipe, stderr=nowhere)
        said = self.exchange(None)
        if said != "ready":
            self.stop()
            raise AutotelicError(f"the process that runs math-verify did not start: {said or 'it ended, or said nothing'}")

    def exchange(self, line: str | None) -> str:
        """What the process says next, after `line` where there is one; '' where it ends instead. Nothing of an interrupted exchange is left."""
        process = self.process
        assert process is not None and process.stdin is not None and process.stdout is not None
        timer = threading.Timer(_PATIENCE, process.kill)
        timer.daemon = True
        timer.start()
        said = ""
        try:
            if line is not None:
                process.stdin.write(line + "\n")
                process.stdin.flush()
            said = process.stdout.readline().strip()
        except OSError:
            pass
        finally:
            timer.cancel()
            if not said:
                self.stop()
        return said

    def stop(self) -> None:
        """End the process."""
        if self.process is not None:
            process, self.process = self.process, None
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()


_WORKER = _Worker()
atexit.register(lambda: _WORKER.stop())


def _after_fork() -> None:
    """A child starts a process of its own: the pipes of its parent's are not its to use."""
    global _WORKER
    _WORKER = _Worker()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
