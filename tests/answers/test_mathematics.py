"""Equality of answers by math-verify in its own process."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from written import MATH

from autotelic.answers import mathematics
from autotelic.answers.mathematics import canonical_math, same_math
from autotelic.errors import AutotelicError

pytest.importorskip("math_verify")
ENDLESS = r"\prod_{n=1}^{10^9} n"


@pytest.fixture(scope="module", autouse=True)
def worker():
    """A process of these tests' own, with half a second a comparison."""
    made = mathematics._Worker()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mathematics, "SECONDS", 0.5)
        patch.setattr(mathematics, "_WORKER", made)
        yield made
    made.stop()


@pytest.fixture(autouse=True)
def nothing_known():
    """Nothing was compared before."""
    mathematics._compared.cache_clear()


def in_thread(call):
    found = []
    thread = threading.Thread(target=lambda: found.append(call()))
    thread.start()
    thread.join()
    return found[0]


@pytest.mark.parametrize("gold,answer,equal", MATH)
def test_same_math(gold, answer, equal):
    assert same_math(gold, answer) is equal


def test_same_math_off_the_main_thread():
    some = MATH[::4]
    assert in_thread(lambda: [same_math(gold, answer) for gold, answer, _ in some]) == [equal for *_, equal in some]


def test_an_endless_evaluation_is_ended_on_every_thread_and_the_next_goes_on():
    assert same_math(ENDLESS, "x+1") is False
    assert same_math("1+x", "x+1") is True
    assert in_thread(lambda: same_math("x+2", ENDLESS)) is False
    assert in_thread(lambda: same_math("2+x", "x+2")) is True


def test_threads_share_the_process():
    found = {}
    threads = [threading.Thread(target=lambda n=n: found.update({n: same_math(f"x+{n}", f"{n % 2}+x")})) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: True, 1: True, 2: False, 3: False}


def test_a_process_that_was_killed_is_started_again(worker):
    assert same_math("1+x", "x+1") is True
    os.kill(worker.process.pid, signal.SIGKILL)
    worker.process.wait()
    assert same_math("2+x", "x+2") is True


def test_an_interrupted_comparison_leaves_nothing_behind(worker, monkeypatch):
    assert same_math("1+x", "x+1") is True

    class Interrupted:
        def readline(self):
            raise KeyboardInterrupt

        def close(self):
            pass

    monkeypatch.setattr(worker.process, "stdout", Interrupted())
    with pytest.raises(KeyboardInterrupt):
        same_math("1+x", "x+2")
    assert worker.process is None
    assert same_math("2+x", "x+2") is True, "and not the verdict on what was asked before"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_fork_has_a_process_of_its_own():
    script = (
        "import os; from autotelic.answers import mathematics as m; assert m.same_math('1+x', 'x+1'); pid = m._WORKER.process.pid; child = os.fork()\n"
        "if not child: found = m.same_math('2+x', 'x+2') and m._WORKER.process.pid != pid; m._WORKER.stop(); os._exit(not found)\n"
        "assert os.waitpid(child, 0)[1] == 0 and m.same_math('3+x', 'x+3') and m._WORKER.process.pid == pid"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_the_process_ends_with_its_input():
    made = mathematics._Worker()
    made.start()
    process = made.process
    process.stdin.close()
    assert process.wait(timeout=120) == 0
    made.stop()


def test_a_process_that_does_not_start(monkeypatch):
    monkeypatch.setattr(mathematics, "_WORKER", mathematics._Worker())
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(AutotelicError, match="the process that runs math-verify did not start"):
        same_math("x", "y")


def test_without_the_library(monkeypatch):
    monkeypatch.setattr(mathematics, "_WORKER", mathematics._Worker())
    monkeypatch.setitem(sys.modules, "math_verify", None)
    assert same_math("1/2", "0.5"), "numbers need no library"
    with pytest.raises(ImportError, match="math-verify is not installed"):
        same_math("x", "y")


@pytest.mark.parametrize(
    "text,canonical",
    [
        (r"\frac{2}{4}", "1/2"),
        (r" \pi r ^ 2 ", r"\pi r^2"),
        (r"\pi  r", r"\pi r"),
        (r"36\ \mathrm{m}^{2}", r"36\mathrm{m}^{2}"),
        (r"x\,y~z\quad 2", "x y z 2"),
        (r"a & b \\ c", r"a&b\\c"),
        ("( 1 , 2 )", "(1,2)"),
        ("1  2", "1 2"),
        (r"\left( \dfrac{x}{2} \right)", r"(\frac{x}{2})"),
        (r"$\text{(C)}$", "C"),
        ("2 x", "2x"),
        ("x = 5", "x=5"),
        (r"36\text{ cm}^2", "36"),
        ("x.", "x"),
    ],
)
def test_canonical_math(text, canonical):
    assert canonical_math(text) == canonical
