# ruff: noqa: PTH101, PTH108, PTH114, PTH118, PTH208 - it imports as little as it can
"""The warden: a program that runs inside bubblewrap and starts one program after another, each as the only process of namespaces of its own.

It is handed to the system's Python as text and imports nothing of this package. Requests and replies are lines of JSON.

The warden (outside) clones a keeper, which is process 1 of new user, process and IPC namespaces; the keeper forks the program. To kill the keeper is to kill
all that it holds. The program can neither see nor signal the warden, and of the pipes that it inherits it can only write to its output and its report.
"""

import ctypes
import io
import json
import os
import platform
import resource
import select
import shutil
import signal
import struct
import sys
import time
import traceback
from typing import Any

_HOME = "/tmp"
_REPORT = 1 << 20
_LIBC = ctypes.PyDLL(None, use_errno=True)  # PyDLL keeps the interpreter's lock: a clone must not give it away
_NEW = 0x10000000 | 0x20000000 | 0x08000000  # user, process and IPC namespaces
_CLONE_THREAD = 0x00010000
_EPERM, _ENOSYS = 1, 38
# Per machine: its audit code, clone, clone3, capset, and what no program may call: to start programs or processes, to reach into others, to open
# sockets, to hold memory outside of the limits, to mount, to enter namespaces, to load code into the kernel.
_CALLS: dict[str, tuple[int, int, int, int, tuple[int, ...]]] = {
    "x86_64": (
        *(0xC000003E, 56, 435, 126),
        (
            *(
                57,
                58,
                59,
                322,
                101,
                310,
                311,
                312,
                41,
                53,
                29,
                30,
                31,
                68,
                69,
                64,
                240,
                319,
                447,
                165,
                166,
                155,
                161,
                272,
                308,
                428,
                429,
                430,
                431,
                432,
            ),
            *(
                433,
                442,
                248,
                249,
                250,
                321,
                298,
                323,
                425,
                426,
                427,
                246,
                320,
                175,
                176,
                313,
                169,
                167,
                168,
                163,
                103,
                153,
                173,
                172,
                135,
                304,
                303,
                438,
                434,
            ),
        ),
    ),
    "aarch64": (
        *(0xC00000B7, 220, 435, 91),
        (
            *(221, 281, 117, 270, 271, 272, 198, 199, 194, 195, 196, 186, 187, 190, 180, 279, 447, 40, 39, 41, 51, 97, 268, 428, 429, 430, 431, 432),
            *(433, 442, 217, 218, 219, 280, 241, 282, 425, 426, 427, 104, 294, 105, 106, 273, 142, 224, 225, 89, 116, 58, 92, 265, 264, 438, 434),
        ),
    ),
}


def _step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("HBBI", code, yes, no, value)


def _filter() -> bytes:
    """The seccomp program: forbidden calls fail with EPERM, a clone that makes no thread too; a call by another machine's numbers kills."""
    audit, clone, clone3, _, forbidden = _CALLS[platform.machine()]
    load, equal, above, bits, give = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, deny = 0x7FFF0000, 0x80000000, 0x00050000
    steps = [_step(load, 4), _step(equal, audit, 1), _step(give, kill), _step(load, 0)]
    steps += [_step(above, 0x40000000, 0, 1), _step(give, kill)]
    steps += [_step(equal, clone3, 0, 1), _step(give, deny | _ENOSYS)]
    for call in forbidden:
        steps += [_step(equal, call, 0, 1), _step(give, deny | _EPERM)]
    steps += [_step(equal, clone, 0, 3), _step(load, 16), _step(bits, _CLONE_THREAD, 1), _step(give, deny | _EPERM)]
    return b"".join([*steps, _step(give, allow)])


def _lock() -> None:
    """Give all capabilities up and put the filter on: for good."""
    audit_of = _CALLS[platform.machine()]
    header, none = struct.pack("II", 0x20080522, 0), bytes(24)
    program = _filter()
    buffer = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    done = [_LIBC.syscall(audit_of[3], header, none), _LIBC.prctl(38, 1, 0, 0, 0), _LIBC.prctl(22, 2, described, 0, 0)]
    if any(done):
        os._exit(97)


def _limit(limits: dict[str, Any]) -> None:
    mib = 1 << 20
    cpu, size = limits["cpu"], limits["file"] * mib
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, limits["memory"] * mib, limits["memory"] * mib),
        (resource.RLIMIT_FSIZE, size, size),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_NPROC, limits["threads"] + 2, limits["threads"] + 2),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    ):
        resource.setrlimit(what, (soft, hard))


def _value(check: str, names: dict[str, Any]) -> "str | None":
    try:
        return repr(eval(check, names))[:65536]  # noqa: S307 - that is what the sandbox is for
    except MemoryError:
        raise
    except BaseException:
        return None


def _ran(request: dict[str, Any]) -> dict[str, Any]:
    """Run the code, then its checks."""
    names: dict[str, Any] = {"__name__": "__main__"}
    sys.stdin = io.StringIO(request["stdin"])
    try:
        try:
            exec(compile(request["code"], "<code>", "exec"), names)  # noqa: S102 - that is what the sandbox is for
        except SystemExit as left:
            if left.code not in (None, 0):
                raise
        return {"error": "", "values": [_value(check, names) for check in request["checks"]]}
    except MemoryError:
        return {"error": "MemoryError", "values": []}
    except BaseException as raised:
        kind = traceback.format_exception_only(type(raised), raised)[-1].strip()[:1000]
        traceback.print_exception(type(raised), raised, raised.__traceback__ and raised.__traceback__.tb_next)
        return {"error": kind, "values": []}


def _program(request: dict[str, Any], output: int, report: int) -> None:
    """The process of the program itself; it does not come back."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.dup2(report, 3)
    os.closerange(4, 256)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="replace", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="replace", closefd=False)
    os.chdir(_HOME)
    _limit(request["limits"])
    _lock()
    text = json.dumps(_ran(request)).encode()
    sys.stdout.flush()
    sys.stderr.flush()
    while text:
        text = text[os.write(3, text) :]
    os._exit(0)


def _keeper(request: dict[str, Any], output: int, report: int, status: int) -> None:
    """Process 1 of the namespaces: it says how the program ended, in words that the program cannot reach."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    child = os.fork()
    if child == 0:
        os.close(status)
        try:
            _program(request, output, report)
        except MemoryError:
            os._exit(98)
        finally:
            os._exit(1)
    for inherited in (0, 1, output, report):
        os.close(inherited)
    _, code, usage = os.wait4(child, 0)
    os.write(status, json.dumps([code, usage.ru_utime + usage.ru_stime]).encode())
    os._exit(0)


def _watch(files: "tuple[int, int, int]", limits: dict[str, Any]) -> "tuple[str, list[bytes]]":
    """Read what the program writes until the keeper has spoken, or a limit is passed."""
    texts, most = [b"", b"", b""], (limits["output"], _REPORT, 4096)
    until, spoken = time.monotonic() + limits["wall"], False
    waiting = list(files)
    while waiting:
        left = 0.0 if spoken else until - time.monotonic()
        ready = select.select(waiting, [], [], max(0.0, left))[0]
        if not ready:
            return ("" if spoken else "wall"), texts
        for file in ready:
            index = files.index(file)
            more = os.read(file, 65536)
            texts[index] += more
            if not more:
                waiting.remove(file)
                spoken = spoken or index == 2
            if len(texts[index]) > most[index]:
                return "output", texts
    return "", texts


def _ended(over: str, status: bytes, report: str, limits: dict[str, Any]) -> str:
    if over:
        return over
    code, cpu = json.loads(status or b"[9, 0]")
    number = os.WTERMSIG(code) if os.WIFSIGNALED(code) else 0
    if number == signal.SIGXCPU or (number == signal.SIGKILL and cpu >= limits["cpu"]):
        return "cpu"
    if number:
        return "signal"
    if os.WEXITSTATUS(code) in (97, 98) and not report:
        return "memory" if os.WEXITSTATUS(code) == 98 else "lost"
    return "reported" if report else "exit"


def _one(request: dict[str, Any]) -> dict[str, Any]:
    """Run one program and give what it left."""
    started = time.monotonic()
    pipes = [os.pipe() for _ in range(3)]
    keeper = _LIBC.syscall(_CALLS[platform.machine()][1], _NEW | signal.SIGCHLD, 0, 0, 0, 0)
    if keeper == 0:
        try:
            for reader, _ in pipes:
                os.close(reader)
            _keeper(request, *(writer for _, writer in pipes))
        finally:
            os._exit(99)
    for _, writer in pipes:
        os.close(writer)
    if keeper < 0:
        raise SystemExit("the kernel gave no namespaces")
    over, texts = _watch((pipes[0][0], pipes[1][0], pipes[2][0]), request["limits"])
    os.kill(keeper, signal.SIGKILL)
    os.waitpid(keeper, 0)  # comes back only when every process of the namespace is gone
    for reader, _ in pipes:
        os.close(reader)
    output = texts[0][: request["limits"]["output"]].decode("utf-8", "replace")
    report = texts[1].decode("utf-8", "replace")
    ended = _ended(over, texts[2], report, request["limits"])
    return {"ended": ended, "output": output, "report": report, "seconds": time.monotonic() - started}


def _clean() -> bool:
    """Take away what the program wrote. Where that fails this warden is of no use any more."""
    try:
        for folder, inner, _ in os.walk(_HOME):
            for name in inner:
                if not os.path.islink(os.path.join(folder, name)):
                    os.chmod(os.path.join(folder, name), 0o700)
        for entry in os.scandir(_HOME):
            shutil.rmtree(entry.path) if entry.is_dir(follow_symlinks=False) else os.unlink(entry.path)
        return not os.listdir(_HOME)
    except (OSError, RecursionError):
        return False


def main() -> None:
    """Serve until the input ends."""
    sys.path[:] = [place for place in sys.path if place]
    for line in sys.stdin:
        reply = _one(json.loads(line))
        sys.stdout.write(json.dumps({**reply, "clean": _clean()}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
