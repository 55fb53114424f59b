"""What a program in the sandbox is, what it may use, and how it ended."""

from dataclasses import dataclass, field
from typing import Literal

from pydantic import Field

from autotelic.types import Settings

Ended = Literal["ok", "error", "exit", "cpu", "wall", "memory", "output", "signal", "lost"]
"""How a program ended: 'ok'; 'error': it raised; 'exit': it left without a report; 'cpu', 'wall', 'memory', 'output': over that limit; 'signal': killed by
one; 'lost': its sandbox did not answer and was thrown away."""


class Limits(Settings):
    """What one program may use."""

    cpu: int = Field(2, ge=1)
    """Seconds of processor time."""
    wall: float = Field(4.0, gt=0)
    """Seconds by the clock."""
    memory: int = Field(256, ge=64)
    """MiB of address space, the interpreter's own included."""
    file: int = Field(4, ge=1)
    """MiB of one file; all files together have twice of it."""
    output: int = Field(65536, ge=0)
    """Bytes of standard output and standard error together."""
    threads: int = Field(16, ge=1)
    """A program is one process; this many threads at most, where the kernel counts them."""


@dataclass(frozen=True, slots=True)
class Program:
    """Source text, and what is asked of it afterwards."""

    code: str
    checks: tuple[str, ...] = ()
    """Expressions that are worked out in the program's names after it ran."""
    stdin: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a program. All of it but `ended` and `seconds` was written by the program and may be made up."""

    ended: Ended
    output: str = ""
    error: str = ""
    """The last line of what it raised."""
    values: tuple[str | None, ...] = field(default=())
    """One `repr` a check; None where the check raised or was not reached."""
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether it ran to its end without an error."""
        return self.ended == "ok"
