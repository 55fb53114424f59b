"""Runs of every recipe killed at random moments and resumed, and whether they end with the bits of a run that was left alone.

A run is a process that gets SIGKILL at a moment drawn between that in which its directory is there and the time that a whole run takes; half of those that are
killed are resumed and killed once more. Then each is resumed to its end, and every file of every round is compared with that of the whole run: weights, optimizers, rollouts, the pool, state
and metrics, but for what depends on the clock. Settings are those of the tests, so that a run takes about a second on an idle core. Recipes come in a drawn order, so
that a benchmark that ends early by `--minutes` has a fair share of them. Written to benchmarks/results/torture.json.

    python -m benchmarks.torture
    python -m benchmarks.torture --kills 10 --recipes srt spiral
    python -m benchmarks.torture --minutes 10
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from itertools import cycle
from math import inf
from pathlib import Path
from typing import Any

from autotelic.errors import AutotelicError
from autotelic.runs import loop
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.streams import generator
from benchmarks.common import machine, versions, write

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from committed import contents
from small import on_their_own, small

ROUNDS = 4
NAMED = "config.json"
"""A file of round 0 that names the folder of the run."""


def child(work: Callable[[], object], folder: Path, kill_after: float | None = None) -> bool:
    """Do some work in a process of its own, and kill that some seconds after the run's folder is there; whether it was killed before its end."""
    if not (pid := os.fork()):
        code = 1
        with suppress(BaseException), Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            work()
            code = 0
        os._exit(code)
    if kill_after is not None:
        begins(folder)
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise RuntimeError("a run failed")
    return os.WIFSIGNALED(status)


def begins(folder: Path) -> None:
    """Wait until the config of a run is there."""
    until = time.monotonic() + 120
    while not (folder / "config.json").exists() and time.monotonic() < until:
        time.sleep(0.01)


def go_on(raw: dict[str, Any], folder: Path) -> None:
    """What a user would do: resume where there is a run, begin again where there is none yet."""
    if (folder / "rounds" / f"{0:05d}").exists():
        loop.resume(folder, progress=Progress(quiet=True))
        return
    shutil.rmtree(folder, ignore_errors=True)
    loop.start({**raw, "out": str(folder)}, Progress(quiet=True))


def differing(whole: Path, killed: Path) -> list[str]:
    """The files of rounds that are not the same in both, and those that only one has."""
    found = []
    for number in range(ROUNDS + 1):
        one, other = contents(whole, number), contents(killed, number)
        found += [f"{number}/{name}" for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name) and name != NAMED]
    return found


class Tortured:
    """A recipe, its whole run, and how long that took."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        self.raw = small(name, rounds=ROUNDS, gate={"mode": "off"})
        self.whole = folder / "whole"
        child(lambda: go_on(self.raw, self.whole), self.whole)
        self.seconds = time.time() - (self.whole / "config.json").stat().st_mtime
        self.trials = 0

    def trial(self, draw: random.Random) -> dict[str, Any]:
        """Kill it once or twice, resume it, compare."""
        self.trials += 1
        killed = self.folder / f"killed-{self.trials}"
        fell: list[int] = []
        for _ in range(2 if draw.random() < 0.5 else 1):
            if child(lambda: go_on(self.raw, killed), killed, draw.uniform(0, self.seconds)):
                fell.append(last_round(killed))
        child(lambda: go_on(self.raw, killed), killed)
        found = differing(self.whole, killed)
        shutil.rmtree(killed)
        return {"recipe": self.name, "after_round": fell, "differing": found}


def last_round(folder: Path) -> int:
    """The last round that a run had written when it was killed; -1 before the first weights were."""
    with suppress(AutotelicError):
        last = RunReader.of(folder).last
        return -1 if last is None else last
    return -1


def trials(names: list[str], kills: int, minutes: float, folder: Path) -> Iterator[dict[str, Any]]:
    """One recipe after the other, in rounds, until there are enough kills or the time is over."""
    draw, until = generator("torture"), time.monotonic() + 60 * minutes
    made: dict[str, Tortured] = {}
    done = 0
    for name in cycle(draw.sample(names, len(names))):
        if done >= kills or time.monotonic() > until:
            return
        if name not in made:
            made[name] = Tortured(name, folder / name)
        found = made[name].trial(draw)
        done += len(found["after_round"])
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=inf, help="begin no trial after so many; by default there is no limit")
    parser.add_argument("--recipes", nargs="+", choices=on_their_own(), default=on_their_own())
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for one in trials(options.recipes, options.kills, options.minutes, Path(folder)):
            found.append(one)
            print(f"{one['recipe']}: killed after round {one['after_round']}, {len(one['differing'])} files differ", flush=True)
    fell = [place for one in found for place in one["after_round"]]
    report = {
        "machine": machine(), "versions": versions(), "recipes": len({one["recipe"] for one in found}), "of": len(on_their_own()), "rounds": ROUNDS, "runs": len(found), "kills": len(fell),
        "by_round": {str(place): fell.count(place) for place in sorted(set(fell))}, "runs_that_differ": sum(bool(one["differing"]) for one in found),
        "trials": found,
    }  # fmt: skip
    print(
        f"{report['kills']} kills of {report['runs']} runs of {report['recipes']} of {report['of']} recipes: {report['runs_that_differ']} runs differ"
    )
    write("torture", report, options.out)


if __name__ == "__main__":
    main()
