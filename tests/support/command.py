"""The command in this process: arguments in; exit status, standard output and standard error out."""

import contextlib
import io
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from autotelic.cli.main import main


@dataclass(frozen=True, slots=True)
class Result:
    """What a call of the command left."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on standard error of a call that failed as it should: status 1, no traceback, nothing else."""
        assert self.status == 1, self
        lines = [line for line in self.err.splitlines() if not line.startswith("sampling with the torch engine")]
        assert len(lines) == 1 and lines[0].startswith("error: "), self.err
        return lines[0]


def call(*arguments: object, stdin: str = "") -> Result:
    """`autotelic ARGUMENTS` with `stdin`; an exception that the command does not turn into a message goes through."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["autotelic", *map(str, arguments)]),
        patch.object(sys, "stdin", io.StringIO(stdin)),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
    return Result(status, out.getvalue(), err.getvalue())


def refused(out: Path, *arguments: object) -> str:
    """The complaint of `autotelic run ARGUMENTS --out OUT`, which must leave no run directory behind."""
    complaint = call("run", *arguments, "--out", out).complaint
    assert not out.exists()
    return complaint
