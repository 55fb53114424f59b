"""One process works on a run directory; what others do meanwhile; how a process is told to stop."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from command import call
from complaints import ENVIRONMENT
from small import small

from autotelic.errors import AutotelicError
from autotelic.runs import loop
from autotelic.runs.lock import LOCK, Lock
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.systems.label_free.srt.recipe import SelfRewardedTraining

SETTINGS = ("pool_size=48", "probe_size=6", "probe_samples=2", "tasks_per_round=4", "group_size=4", "--quiet")


@contextmanager
def running(folder: Path, rounds: int = 2000) -> Iterator[subprocess.Popen[str]]:
    """A run in a process of its own that has committed its first round."""
    command = [sys.executable, "-m", "autotelic", "run", "srt", f"rounds={rounds}", *SETTINGS, "--out", str(folder)]
    with subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 300
            while not (folder / "rounds" / "00001").exists():
                assert process.poll() is None and time.monotonic() < deadline, process.communicate()
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def test_a_run_that_runs_is_left_alone_and_one_that_was_killed_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with running(run) as process:
        for arguments in (("resume", run), ("run", "srt", *SETTINGS, "--out", run)):
            complaint = call(*arguments).complaint
            if arguments[0] == "resume":
                assert f"{run}: process {process.pid} on " in complaint and f"--out {run}" in complaint and "works on it" in complaint
        assert call("report", run).status == 0
        before = RunReader(run).last
        assert before is not None
        deadline = time.monotonic() + 300
        while (RunReader(run).last or 0) <= before:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
        process.wait()
        assert (run / LOCK).exists()
    last = RunReader(run).last
    assert last is not None and call("resume", run, "--rounds", last + 1, "--quiet").status == 0
    assert not (run / LOCK).exists() and RunReader(run).last == last + 1


def test_two_runs_that_begin_at_the_same_moment(tmp_path: Path) -> None:
    """Whoever is second finds the directory taken, or not empty any more."""
    command = [sys.executable, "-m", "autotelic", "run", "srt", "rounds=1", *SETTINGS, "--out", str(tmp_path / "run")]
    started = [subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = sorted((process.communicate(timeout=300)[1], process.returncode) for process in started)
    assert [status for _, status in ended] == [0, 1] and ended[0][0] == ""
    assert ended[1][0].count("\n") == 1 and ("works on it" in ended[1][0] or "is not empty" in ended[1][0])
    assert RunReader(tmp_path / "run").faults() == []


def test_a_lock_is_held_once_and_a_stale_file_does_not_count(tmp_path: Path) -> None:
    (tmp_path / LOCK).write_text('{"process": 1, "host": "gone", "started": "long ago", "command": "autotelic run"}')
    lock = Lock.take(tmp_path)
    assert lock.holds
    with pytest.raises(AutotelicError, match=rf"process {os.getpid()} on "):
        Lock.take(tmp_path)
    (tmp_path / LOCK).unlink()
    assert not lock.holds
    other = Lock.take(tmp_path)
    lock.close()
    assert other.holds
    other.close()
    assert list(tmp_path.iterdir()) == []


def test_a_forked_process_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = Lock.take(tmp_path)
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    lock.close()
    Lock.take(tmp_path).close()
    os.write(write, b".")
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    run = tmp_path / "run"
    loop.start({**small("srt", rounds=0), "out": str(run)}, Progress(quiet=True))
    run.chmod(0o555)
    assert "cannot be written" in call("resume", run).complaint
    run.chmod(0o755)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_run_with_one_line_that_says_how_to_go_on(number: int, status: int, tmp_path: Path) -> None:
    run = tmp_path / "a run"
    with running(run) as process:
        process.send_signal(number)
        _, words = process.communicate(timeout=300)
    last = RunReader(run).last
    assert process.returncode == status and words.count("\n") == 1, words
    assert words.startswith(f"stopped by {signal.Signals(number).name}; {run}: rounds 0 to {last} are kept; to go on: autotelic resume '{run}'")
    assert not list(run.rglob("*.tmp")) or RunReader(run).faults() == []
    assert not (run / LOCK).exists()
    assert call("resume", run, "--rounds", last, "--quiet").status == 0


def test_a_signal_before_a_run_begins(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys\n"
        "from autotelic.runs import opening\n"
        "opening.load_policy = lambda *parts: os.kill(os.getpid(), signal.SIGTERM)\n"
        "from autotelic.cli.main import main\n"
        f"sys.argv = ['autotelic', 'run', 'srt', '--out', {str(tmp_path / 'run')!r}]\n"
        "main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (143, "stopped by SIGTERM; nothing was written\n")


def test_a_run_directory_that_is_deleted_or_replaced_while_the_run_is_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = tmp_path / "run", []
    away = {"deleted": lambda: shutil.rmtree(run), "replaced": lambda: (run.rename(tmp_path / "moved"), run.mkdir())}
    for remove in away.values():

        def finished(recipe: object, ctx: object, remove: object = remove) -> bool:
            calls.append(remove())  # type: ignore[operator]
            return False

        monkeypatch.setattr(SelfRewardedTraining, "finished", finished)
        with pytest.raises(AutotelicError, match="run: the run directory is gone: it was deleted, moved or replaced while the run was on"):
            loop.start({**small("srt", rounds=2), "out": str(run)}, Progress(quiet=True))
        assert not run.exists() or list(run.iterdir()) == []
    assert len(calls) == 2


def test_a_run_without_a_place_makes_one_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [loop.fresh_folder("runs/a") for _ in range(3)] == [Path("runs/a"), Path("runs/a-2"), Path("runs/a-3")]
