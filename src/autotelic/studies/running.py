"""Runs the arms of a study: every run is an `autotelic run` in a process of its own with one thread, as many at a time as there are cores.

Of a study that is made of trials every trial is such a process (`studies.trial`), and its steps are the rounds of a row.
"""

import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from autotelic.bases.keeping import at_hand
from autotelic.errors import AutotelicError, SettingError, nearest
from autotelic.runs.disk import explained
from autotelic.runs.reading import RunReader
from autotelic.runs.settings import literal, resolve
from autotelic.studies.results import FAILED, MEASURED, Row, ends, number, read, write
from autotelic.studies.trial import MODULE as TRIAL
from autotelic.systems.study import Study

say_at_once = partial(print, flush=True)
OPTIONS = ("model", "tasks", "probe", "rounds", "seed")
"""Settings that have an option of the command."""


def replicate(
    replica: Study,
    arms: Sequence[str],
    *,
    seeds: int,
    workers: int,
    out: Path,
    threads: int | None = 1,
    say: Callable[[str], None] = say_at_once,
) -> list[Row]:
    """Run the arms (none: all) with seeds 0 to `seeds` - 1, `workers` at a time, each with `threads` threads (None: one for every core).

    Their rows are kept in `out`, which is written anew after every run; rows of other arms in it stay.

    Raises:
        SettingError: an arm that the replica does not have.
        DataError: `out` is there and is no file of results of this replica.
    """
    for arm in arms:
        if arm not in replica.arms:
            raise SettingError(f"replica {replica.system!r} has no arm {arm!r}; {nearest(arm, replica.arms)}")
    wanted = list(arms or replica.arms)
    rows = [row for row in read(out, replica) if row.arm not in wanted] if out.exists() else []
    if replica.trial is None:
        have_bases(replica.arms[arm] for arm in wanted)
    jobs = [(arm, seed) for seed in range(seeds) for arm in wanted]
    with ThreadPoolExecutor(workers) as pool:
        started = [pool.submit(run, replica, arm, seed, threads) for arm, seed in jobs]
        try:
            for done, ended in enumerate(as_completed(started), 1):
                rows.append(ended.result())
                with explained(out):
                    write(out, replica, rows, machine())
                say(f"{done}/{len(jobs)} {progress(replica, rows[-1])}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return sorted(rows, key=lambda row: (row.seed, list(replica.arms).index(row.arm)))


def have_bases(arms: Iterable[Mapping[str, Any]]) -> None:
    """Make the bases of some arms that are nowhere yet, with progress, before the runs, which are silent. What cannot be done the runs say themselves."""
    for settings in arms:
        with suppress(AutotelicError):
            run, recipe = resolve(settings)
            for source in (run.model or recipe.about.model, *recipe.policies().values()):
                at_hand(source or "")


def run(replica: Study, arm: str, seed: int, threads: int | None = 1) -> Row:
    """One run, or one trial, in a process and a folder of its own, which are gone afterwards."""
    words, began = words_of(replica, arm, seed), perf_counter()
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "run"
        extra = [] if replica.trial else ["--quiet", "--out", str(folder), *([f"workers={threads}"] if threads else [])]
        environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
        done = subprocess.run([sys.executable, "-m", *words, *extra], capture_output=True, text=True, env=environment, check=False)
        row = Row(arm=arm, seed=seed, verdict=FAILED, seconds=round(perf_counter() - began, 1), command=shlex.join(words))
        if replica.trial and not done.returncode:
            return measured(row, json.loads(done.stdout), tuple(replica.quantities))
        if not (folder / "verdict.json").is_file():
            return replace(row, error=last_line(done.stderr) or f"exit status {done.returncode}")
        row = finished(row, RunReader.of(folder), tuple(replica.quantities))
        return replace(row, error=last_line(done.stderr)) if done.returncode else row


def finished(row: Row, run: RunReader, quantities: Sequence[str]) -> Row:
    """A row with what the run directory holds."""
    history, proxy, verdict = run.history(), run.recipe["proxy"], run.verdict
    probed = [{name: value for name, value in metrics.items() if name.startswith("probe/")} for metrics in history.values()]
    probed = [metrics for metrics in probed if metrics]
    optimized = [metrics[proxy] for metrics in history.values() if proxy in metrics]
    return replace(
        row,
        verdict=str(verdict.word) if verdict else FAILED,
        rounds=run.last or 0,
        first=probed[0] if probed else {},
        last=probed[-1] if probed else {},
        proxy=[optimized[0], optimized[-1]] if optimized else None,
        history={name: [(i, metrics[name]) for i, metrics in history.items() if name in metrics] for name in quantities},
    )


def measured(row: Row, steps: Sequence[Mapping[str, float]], quantities: Sequence[str]) -> Row:
    """A row with the numbers of a trial."""
    history = {name: [(step, numbers[name]) for step, numbers in enumerate(steps) if name in numbers] for name in quantities}
    return replace(row, verdict=MEASURED, rounds=len(steps) - 1, history=history)


def words_of(replica: Study, arm: str, seed: int) -> list[str]:
    """The words behind `python -m` that make a run or a trial again."""
    settings = replica.arms[arm]
    if replica.trial is None:
        return command(settings, seed)
    return [TRIAL, replica.system, "--seed", str(seed), *(word for key, value in settings.items() for word in overrides(key, value))]


def command(settings: Mapping[str, Any], seed: int) -> list[str]:
    """The words of the command that makes a run: `autotelic run RECIPE ...`."""
    words = ["autotelic", "run", str(settings["recipe"]), "--seed", str(seed)]
    for key, value in settings.items():
        if key in OPTIONS:
            words += [f"--{key}", str(value)]
        elif key != "recipe":
            words += overrides(key, value)
    return words


def overrides(key: str, value: Any) -> list[str]:
    """Dotted overrides for a setting or a group of settings."""
    if isinstance(value, Mapping):
        return [word for inner, one in value.items() for word in overrides(f"{key}.{inner}", one)]
    return [f"{key}={value if isinstance(value, str) and literal(value) == value else json.dumps(value)}"]


def progress(replica: Study, row: Row) -> str:
    """A finished run in one line."""
    moved = [(quantity, ends(row, quantity)) for quantity in replica.quantities]
    shown = [f"{quantity} {number(values[0])} to {number(values[1])}" for quantity, values in moved if values]
    return f"{row.arm} seed {row.seed}: {', '.join([row.verdict, *shown, *([row.error] if row.error else [])])}; {row.seconds:.0f} s"


def last_line(text: str) -> str | None:
    """The last line that is not empty."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), None)


def machine() -> dict[str, Any]:
    """Where results were made."""
    return {"python": platform.python_version(), "torch": version("torch"), "cores": os.cpu_count(), "processor": platform.machine()}
