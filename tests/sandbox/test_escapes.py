"""Programs that try to get out of the sandbox, or to use more than they may. Each prints ESCAPED where it got what it wanted."""

import os
import time
from pathlib import Path

import pytest

from autotelic.sandbox import Limits, Program, Sandbox, why_not

pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")

LIMITS = Limits(cpu=1, wall=2.5, memory=128, file=1, output=2000)
READS = "try:\n    open({!r}).read(); print('ESCAPED')\nexcept OSError as error:\n    raise SystemExit(str(error))"
WRITES = "open({!r}, 'w').write('x'); print('ESCAPED')"
CALL = "import ctypes; libc = ctypes.CDLL(None, use_errno=True)\nassert libc.{} != -1, ctypes.get_errno()\nprint('ESCAPED')"

ESCAPES = {
    "passwords": (READS.format("/etc/shadow"), "error"),
    "home": ("import os; os.listdir('/root'); print('ESCAPED')", "error"),
    "write to the system": (WRITES.format("/usr/bin/x"), "error"),
    "write to the root": (WRITES.format("/x"), "error"),
    "write to devices": (WRITES.format("/dev/x"), "error"),
    "symlink out": ("import os; os.symlink('/etc/shadow', 'a'); open('a').read(); print('ESCAPED')", "error"),
    "symlink to write": ("import os; os.symlink('/usr', 'u'); open('u/x', 'w'); print('ESCAPED')", "error"),
    "proc of the parent": ("open('/proc/1/environ').read(); print('ESCAPED')", "error"),
    "proc memory": ("open('/proc/self/mem', 'r+b'); print('ESCAPED')", "error"),
    "network": ("import socket; socket.create_connection(('1.1.1.1', 53), 1); print('ESCAPED')", "error"),
    "loopback": ("import socket; socket.socket().bind(('127.0.0.1', 0)); print('ESCAPED')", "error"),
    "local sockets": ("import socket; socket.socket(socket.AF_UNIX); print('ESCAPED')", "error"),
    "fork bomb": ("import os\nwhile True:\n    os.fork(); print('ESCAPED')", "error"),
    "shell": ("import subprocess; subprocess.run(['/bin/true'], check=True); print('ESCAPED')", "error"),
    "exec": ("import os; os.execv('/bin/echo', ['echo', 'ESCAPED'])", "error"),
    "daemon": ("import multiprocessing as m; p = m.Process(target=print); p.start(); print('ESCAPED')", "error"),
    "kill the parent": ("import os, signal; os.kill(1, signal.SIGKILL); os.kill(os.getppid(), signal.SIGTERM)\nwhile True: pass", "cpu"),
    "kill the group": ("import os; os.kill(0, 9); print('ESCAPED')", "signal"),
    "kill everyone": ("import os; os.kill(-1, 9); print('ESCAPED')", "error"),
    "trace": (CALL.format("ptrace(16, 1, 0, 0)"), "error"),
    "namespaces": (CALL.format("unshare(0x10000000)"), "error"),
    "mount": (CALL.format("mount(b'none', b'/tmp', b'tmpfs', 0, None)"), "error"),
    "chroot": ("import os; os.chroot('/tmp'); print('ESCAPED')", "error"),
    "become root": ("import os; os.setuid(0); print('ESCAPED')", "error"),
    "raise limits": ("import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1)); print('ESCAPED')", "error"),
    "memory": ("x = bytearray(10 ** 9); print('ESCAPED')", "memory"),
    "memory bit by bit": ("x = []\nwhile True: x.append(bytearray(10 ** 6))", "memory"),
    "memory file": ("import os; os.memfd_create('x'); print('ESCAPED')", "error"),
    "big file": ("open('x', 'wb').write(b'x' * (1 << 21)); print('ESCAPED')", "error"),
    "many files": ("for i in range(9): open(str(i), 'wb').write(b'x' * 900000)\nprint('ESCAPED')", "error"),
    "many open files": ("a = [open('/dev/null') for _ in range(100)]; print('ESCAPED')", "error"),
    "output flood": ("while True: print('flood' * 100)", "output"),
    "error flood": ("import os\nwhile True: os.write(2, b'flood' * 100)", "output"),
    "report flood": ("import os\nwhile True: os.write(3, b'flood' * 1000)", "output"),
    "loop": ("while True: pass", "cpu"),
    "loop that takes no signals": ("import signal; signal.signal(signal.SIGXCPU, signal.SIG_IGN)\nwhile True: pass", "cpu"),
    "sleep": ("import time; time.sleep(60)", "wall"),
    "wait for input": ("import os, signal; signal.pause()", "wall"),
    "threads that stay": ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()", "ok"),
    "leave early": ("import os; os._exit(0)", "exit"),
    "crash": ("import ctypes; ctypes.string_at(0)", "signal"),
    "deep recursion": ("f = lambda: f()\nf()", "error"),
    "closed pipes": ("import os; os.closerange(0, 99)", "exit"),
    "made-up report": ("import os; os.write(3, b'[' * 5000); os._exit(0)", "error"),
}


@pytest.fixture(scope="module")
def sandbox():
    made = Sandbox(LIMITS)
    yield made
    made.close()


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_is_stopped_and_named(sandbox, name):
    code, ended = ESCAPES[name]
    started = time.monotonic()
    result = sandbox.run(Program(code))
    assert "ESCAPED" not in result.output
    assert result.ended in ((ended, "cpu", "wall") if ended in ("cpu", "wall") else (ended,)), result
    assert len(result.output) <= LIMITS.output and time.monotonic() - started < LIMITS.wall + 5
    assert sandbox.run(Program("print(6 * 7)")).output == "42\n"  # the pool goes on


def test_nothing_stays_for_the_next_program(sandbox):
    sandbox.run(
        Program("import os, builtins; os.makedirs('/tmp/a/b'); open('/tmp/a/b/c', 'w').write('x'); os.chmod('/tmp/a', 0); builtins.len = None")
    )
    result = sandbox.run(Program("import os; print(os.listdir('/tmp'), len('abc'))"))
    assert result.ended == "ok" and result.output == "[] 3\n"


def test_what_cannot_be_taken_away_ends_its_warden(sandbox):
    deep = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')"
    assert sandbox.run(Program(deep)).ended in ("ok", "error")
    assert sandbox.run(Program("import os; print(os.listdir('/tmp'))")).output == "[]\n"


def test_no_secret_of_the_run_is_inside(sandbox, monkeypatch):
    monkeypatch.setenv("API_KEY", "secret-1234")
    result = Sandbox(LIMITS).run(Program("import os; print(dict(os.environ), os.listdir('/'))"))
    assert result.ok and "secret-1234" not in result.output and "home" not in result.output


def test_no_process_is_left(sandbox):
    made = Sandbox(LIMITS)
    made.run(Program("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()"))
    warden = made._idle.queue[0].process.pid
    made.close()
    assert not Path(f"/proc/{warden}").exists() and os.getpid()


def test_a_lost_warden_is_replaced(sandbox):
    sandbox.run(Program(""))
    sandbox._idle.queue[0].process.kill()
    assert sandbox.run(Program("print(1)")).ended == "lost"
    assert sandbox.run(Program("print(1)")).output == "1\n"
