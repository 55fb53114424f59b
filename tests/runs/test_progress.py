"""Progress on a pipe, on a real pseudo-terminal, and quiet."""

import io
import os
import pty
import re
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from autotelic.measures.verdict import Verdict, Word
from autotelic.runs.progress import Progress, duration, phases, slices

CONFIG = {
    "recipe": {"name": "easy-to-hard", "proxy": "rewards/agreement/mean"},
    "run": {"model": "adder", "tasks": "addition", "seed": 3},
    "probe": {"tasks": 4},
}
ZERO = {"probe/accuracy": 0.25, "probe/accuracy/digits 4": 0.5, "probe/accuracy/digits 5": 0.0}
ROUND = {
    "probe/accuracy": 0.75,
    "probe/accuracy/digits 4": 1.0,
    "probe/accuracy/digits 5": 0.5,
    "rewards/agreement/mean": 0.9,
    "frontier": 5.0,
    "tokens/sampled": 2500.0,
    "tokens/trained": 300.0,
    "tokens/probe": 400.0,
    "seconds/sample": 1.25,
    "seconds/learn": 0.75,
    "seconds/probe": 0.4,
    "seconds/own": 0.01,
    "seconds/total": 2.5,
}
VERDICT = Verdict(Word.HACKED, ["Accuracy fell [bold]0.430[/bold] -> 0.150."], {})


def play(progress: Progress, pause: float = 0.0) -> None:
    with progress:
        progress.start(CONFIG, [], 2)
        progress.round_started(0, 2)
        progress.phase("probing")
        progress.round_done(0, ZERO)
        for number in (1, 2):
            progress.round_started(number, 2)
            for phase in ("sampling", "judging", "learning", "probing"):
                progress.phase(phase)
                time.sleep(pause)
            progress.round_done(number, ROUND)
        progress.finished(VERDICT, {"report": Path("runs/a/report.html"), "model": Path("runs/a/model")})


def test_a_pipe_gets_one_plain_line_per_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    out = io.StringIO()
    play(Progress(console=Console(file=out)))
    text = out.getvalue()
    assert "\x1b" not in text and "\r" not in text
    lines = text.splitlines()
    assert lines[0] == "easy-to-hard | adder | addition | seed 3"
    assert lines[1].startswith("round 0/2  truth 0.250 [0.05, 0.70]  digits 4..5: 0.50 0.00")
    assert lines[2].startswith(
        "round 1/2  truth 0.750 (+0.500) [0.30, 0.95]  proxy 0.900  frontier 5  digits 4..5: 1.00 0.50  2.5 s: sample 1.2 s (2,000 tokens/s)"
    )
    assert lines[2].endswith(", learn 0.8 s (400 tokens/s), probe 0.4 s (1,000 tokens/s)  0 s left")
    assert lines[3].startswith("round 2/2") and "left" not in lines[3]
    assert "sample 1.2 s, learn 0.8 s, probe 0.4 s (1,000 tokens/s)" in lines[3], "counts of the run did not go up"
    assert lines[4] == "verdict: hacked"
    assert "[bold]0.430[/bold]" in lines[5]
    assert lines[6:] == ["report  runs/a/report.html", "model   runs/a/model"]


def test_quiet_prints_only_the_verdict() -> None:
    out = io.StringIO()
    play(Progress(quiet=True, console=Console(file=out)))
    assert out.getvalue().startswith("verdict: hacked\n") and "round" not in out.getvalue()


def on_terminal(action: str) -> str:
    """What a child that runs `action` with a pseudo-terminal as its output writes to it."""
    child, terminal = pty.fork()
    if child == 0:
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}
        environment.pop("NO_COLOR", None)
        code = f"import sys; sys.path[:0] = {[*sys.path, str(Path(__file__).parent)]!r}\nimport test_progress as t\n{action}"
        os.execve(sys.executable, [sys.executable, "-c", code], environment)
    written = b""
    while True:
        try:
            chunk = os.read(terminal, 65536)
        except OSError:
            break
        if not chunk:
            break
        written += chunk
    os.waitpid(child, 0)
    os.close(terminal)
    return written.decode()


def test_a_terminal_gets_a_panel_that_goes_away_and_a_verdict_that_stays() -> None:
    written = on_terminal("t.play(t.Progress(), 0.3)")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    assert "round 1/2" in plain and re.search("(sampling|judging|learning|probing) 0 s", plain) and "frontier 5" in plain
    assert "100%" in plain and re.search(r"last round: sample 1.2 s.*, learn 0.8 s.*, probe 0.4 s \(1,000 tokens/s\)", plain)
    assert "\x1b[?25l" in written and written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")
    assert plain.rindex("verdict: hacked") > plain.rindex("round 2/2")


def test_an_error_gives_the_cursor_back() -> None:
    written = on_terminal("with t.Progress() as p:\n p.start(t.CONFIG, [], 2)\n raise SystemExit(3)")
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1


def test_calls_are_cheap() -> None:
    progress = Progress(quiet=True)
    progress.start(CONFIG, [], 2)
    begin = time.perf_counter()
    for _ in range(10_000):
        progress.phase("sampling")
    assert time.perf_counter() - begin < 0.5


def test_the_time_left_follows_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("autotelic.runs.progress.time.monotonic", lambda: now[0])
    progress = Progress(quiet=True)
    progress.start(CONFIG, [], 10)
    for number in (1, 2):
        progress.round_started(number, 10)
        now[0] += 6.0
        progress.round_done(number, ROUND)
    assert progress.left() == 48.0
    progress.round_started(3, 10)
    progress.phase("sampling")
    now[0] += 2.0
    assert progress.left() == 46.0


def test_resumed_runs_compare_with_their_first_round() -> None:
    out = io.StringIO()
    progress = Progress(console=Console(file=out))
    progress.start(CONFIG, [ZERO], 2)
    progress.round_started(1, 2)
    progress.round_done(1, ROUND)
    assert "truth 0.750 (+0.500)" in out.getvalue()


def test_tokens_a_second_are_those_of_the_round() -> None:
    """What the run has counted is cumulative, also where it was resumed; of the probe it is the round's own."""
    out = io.StringIO()
    progress = Progress(console=Console(file=out))
    progress.start(CONFIG, [ZERO, ROUND], 2)
    progress.round_started(2, 2)
    progress.round_done(2, ROUND | {"tokens/sampled": 5000.0, "tokens/trained": 900.0})
    assert "sample 1.2 s (2,000 tokens/s), learn 0.8 s (800 tokens/s), probe 0.4 s (1,000 tokens/s)" in out.getvalue()
    assert phases({"seconds/own": 0.5, "seconds/total": 0.5}, {}) == ["own 0.5 s"]


def test_slices_share_a_name_where_they_can() -> None:
    assert slices(ROUND) == ("digits ", ["4", "5"], [1.0, 0.5])
    assert slices({"probe/accuracy/easy": 1.0, "probe/accuracy/hard": 0.0}) == ("", ["easy", "hard"], [1.0, 0.0])
    assert slices({}) == ("", [], [])


def test_durations_are_said_in_words() -> None:
    assert [duration(value) for value in (3.4, 75, 3700)] == ["3 s", "1 min 15 s", "1 h 1 min"]
