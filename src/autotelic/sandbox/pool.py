"""A pool of wardens behind bubblewrap: each is started once and runs one program at a time."""

import atexit
import functools
import json
import os
import queue
import select
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

from autotelic.errors import SettingError
from autotelic.sandbox.limits import Ended, Limits, Program, Result

_PYTHON = "/usr/bin/python3"
_SPARE = 200001
"""The user that a sandbox belongs to where the run is root's: the kernel counts no processes of root."""
_GRACE = 5.0
"""Seconds beyond the wall limit after which a warden counts as lost."""
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/ld.so.cache")
_STARTER = ThreadPoolExecutor(1, "sandbox")
"""Wardens die with the thread that started them, so they are started by one that lives as long as the program."""
_TRY = Program("print(6 * 7)")


@functools.cache
def why_not() -> str:
    """Why no program can be run apart on this machine; empty where it can."""
    if shutil.which("bwrap") is None:
        return "code of models is run with bubblewrap, and there is no `bwrap` here: install it, such as with `apt-get install bubblewrap`"
    if not Path(_PYTHON).exists():
        return f"code of models is run by the system's Python, and there is no {_PYTHON}"
    try:
        warden = _started(Limits())
    except OSError as error:
        return f"bubblewrap does not start: {error}"
    ended = warden.ask(_TRY)
    said = warden.close()
    if ended is not None and ended.output.strip() == "42":
        return ""
    return f"bubblewrap or user namespaces do not work here, and code of models is never run without them: {said.strip()[-300:] or ended}"


def _command(limits: Limits) -> list[str]:
    places = [part for place in _SYSTEM if Path(place).exists() for part in _place(place)]
    source = Path(__file__).with_name("warden.py").read_text(encoding="utf-8")
    devices = [part for name in ("null", "zero", "urandom", "random") for part in ("--dev-bind", f"/dev/{name}", f"/dev/{name}")]
    return [
        *("bwrap", "--unshare-all", "--die-with-parent", "--new-session", "--hostname", "sandbox", "--cap-drop", "ALL"),
        *("--clearenv", "--setenv", "PATH", "/usr/bin:/bin", "--setenv", "HOME", "/tmp", "--setenv", "LANG", "C.UTF-8"),
        *("--setenv", "PYTHONHASHSEED", "0", *places, *devices, "--size", str(2 * limits.file << 20), "--tmpfs", "/tmp"),
        *("--remount-ro", "/", "--chdir", "/tmp", _PYTHON, "-s", "-S", "-B", "-c", source),
    ]


def _place(place: str) -> tuple[str, ...]:
    """A folder of the system, read only; a link of the system as a link."""
    return ("--symlink", str(Path(place).readlink()), place) if Path(place).is_symlink() else ("--ro-bind", place, place)


class _Warden:
    """One warden and the pipes to it. Where it is not `clean`, something of a program stayed, and it must not be used again."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        apart: dict[str, Any] = {"user": _SPARE, "group": _SPARE, "extra_groups": []} if os.geteuid() == 0 else {}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(_command(limits), stdin=pipe, stdout=pipe, stderr=pipe, cwd="/", bufsize=0, env={"PATH": os.defpath}, **apart)
        self.left, self.clean = b"", True

    def ask(self, program: Program) -> Result | None:
        """What came of the program; None where the warden is of no use any more."""
        request = {"code": program.code, "checks": program.checks, "stdin": program.stdin, "limits": self.limits.model_dump()}
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            line = self._line(self.limits.wall + _GRACE)
        except OSError:
            return None
        if line is None:
            return None
        reply = json.loads(line)
        self.clean = bool(reply["clean"])
        return _result(reply, len(program.checks))

    def _line(self, seconds: float) -> bytes | None:
        assert self.process.stdout is not None
        file, parts = self.process.stdout.fileno(), [self.left]
        while b"\n" not in parts[-1]:
            ready = select.select([file], [], [], seconds)[0]
            more = os.read(file, 1 << 16) if ready else b""
            if not more:
                return None
            parts.append(more)
        line, _, self.left = b"".join(parts).partition(b"\n")
        return line

    def close(self) -> str:
        """End it, and give what it said on its way."""
        self.process.kill()
        _, said = self.process.communicate()
        return str(said, "utf-8", "replace")


def _started(limits: Limits) -> _Warden:
    return _STARTER.submit(_Warden, limits).result()


def _result(reply: dict[str, Any], checks: int) -> Result:
    """A reply as a result. The report in it was written by the program: it is read as such."""
    nothing: tuple[str | None, ...] = (None,) * checks
    if reply["ended"] != "reported":
        assert reply["ended"] in get_args(Ended), reply["ended"]
        return Result(reply["ended"], reply["output"], values=nothing, seconds=reply["seconds"])
    error, values = _report(reply["report"], checks)
    ended: Ended = "memory" if error == "MemoryError" else "error" if error else "ok"
    return Result(ended, reply["output"], error, values or nothing, reply["seconds"])


def _report(text: str, checks: int) -> tuple[str, tuple[str | None, ...]]:
    try:
        report = json.loads(text)
        error, values = str(report["error"]), tuple(value if isinstance(value, str) else None for value in report["values"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return "no report that can be read", ()
    return error, values if len(values) == checks else ()


class Sandbox:
    """Runs programs apart, as many at once as it has workers.

    Raises:
        SettingError: where bubblewrap or user namespaces are missing. Nothing is ever run without them.
    """

    def __init__(self, limits: Limits | None = None, workers: int = 1) -> None:
        if reason := why_not():
            raise SettingError(reason)
        self.limits = limits or Limits()
        self.workers = workers
        self._idle: queue.LifoQueue[_Warden | None] = queue.LifoQueue()
        for _ in range(workers):
            self._idle.put(None)
        atexit.register(self.close)

    def run(self, program: Program) -> Result:
        """Run one program. Safe to call from many threads."""
        warden = self._idle.get()
        try:
            warden = warden or _started(self.limits)
            result = warden.ask(program)
            if result is None or not warden.clean:
                warden.close()
                warden = None
        finally:
            self._idle.put(warden)
        return result or Result("lost", values=(None,) * len(program.checks))

    def run_all(self, programs: list[Program]) -> list[Result]:
        """Run many, in the order given."""
        if self.workers == 1:
            return [self.run(program) for program in programs]
        with ThreadPoolExecutor(self.workers) as threads:
            return list(threads.map(self.run, programs))

    def close(self) -> None:
        """End the wardens; the next program starts another. Not while programs run."""
        for warden in [self._idle.get() for _ in range(self.workers)]:
            if warden is not None:
                warden.close()
            self._idle.put(None)
