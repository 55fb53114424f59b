"""Runs the arms of a study or of a comparison: every run is an `autotelic run` in a process of its own with one thread, as many at a time as there are cores.

Of a study that is made of trials every trial is such a process (`studies.trial`), and its steps are the rounds of a row. What is done already is not
done again, and a run that was interrupted is resumed from its last round.
"""

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

from autotelic.bases.keeping import at_hand
from autotelic.errors import AutotelicError, SettingError, nearest
from autotelic.measures.budget import USED
from autotelic.measures.selection import parts
from autotelic.measures.verdict import Verdict
from autotelic.runs.disk import explained
from autotelic.runs.lock import Lock
from autotelic.runs.reading import RunReader
from autotelic.runs.sealing import digest_of
from autotelic.runs.settings import resolve
from autotelic.studies.jobs import Job, job_of
from autotelic.studies.leash import MODULE as LEASH
from autotelic.studies.leash import leash
from autotelic.studies.results import FAILED, MEASURED, Row, ends, number, read, write
from autotelic.systems.study import Comparison
from autotelic.types import Metrics

say_at_once = partial(print, flush=True)
HANDED = "verdict/accuracy"
"""Greedy accuracy as the verdict has it: of the first weights and of those that a run hands over, which need not be the last."""


def run_arms(
    study: Comparison,
    arms: Sequence[str],
    *,
    seeds: int,
    workers: int,
    out: Path,
    threads: int | None = 1,
    say: Callable[[str], None] = say_at_once,
) -> list[Row]:
    """Run the arms (none: all) with seeds 0 to `seeds` - 1, `workers` at a time, each with `threads` threads (None: one for every core).

    Their rows are kept in `out`, which is written anew after every run. Sound rows that are in it already, of the same settings, are not made again, and
    those of other arms and seeds stay. A KeyboardInterrupt carries a note on what is kept.

    Raises:
        SettingError: an arm that the study does not have.
        DataError: `out` is there and is no file of results of this study.
        AutotelicError: it cannot be written, or another process works on it.
    """
    for arm in arms:
        if arm not in study.arms:
            raise SettingError(f"study {study.system!r} has no arm {arm!r}; {nearest(arm, study.arms)}")
    wanted = list(arms or study.arms)
    with workplace(out) as scratch:
        rows = {(row.arm, row.seed): row for row in (read(out, study) if out.exists() else [])}
        jobs = [job_of(study, arm, seed, scratch) for seed in range(seeds) for arm in wanted]
        left = [job for job in jobs if not is_done(job, rows.get((job.arm, job.seed)), say)]
        if study.trial is None:
            have_bases(study.arms[arm] for arm in {job.arm: None for job in left})
        if len(left) < len(jobs):
            say(f"{out}: {len(jobs) - len(left)} of {len(jobs)} runs are done already")
        done = len(jobs) - len(left)
        try:
            with closing(rows_of(left, study, workers, threads)) as ended:
                for job, row in ended:
                    rows[row.arm, row.seed] = row
                    with explained(out):
                        write(out, study, rows.values(), machine())
                    shutil.rmtree(job.folder, ignore_errors=True)
                    done += 1
                    say(f"{done}/{len(jobs)} {progress(study, row)}")
        except KeyboardInterrupt as stop:
            stop.add_note(f"{out}: {done} of {len(jobs)} runs are kept; the same command goes on")
            raise
    return sorted(rows.values(), key=lambda row: (row.seed, list(study.arms).index(row.arm)))


@contextmanager
def workplace(out: Path) -> Iterator[Path]:
    """The folder beside a file of results where its runs stand while they are under way, for this process alone; it stays as long as there is one in it."""
    folder = out.with_suffix(".runs")
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    lock = Lock.take(folder)
    try:
        yield folder
    finally:
        lock.close()
        with suppress(OSError):
            folder.rmdir()


def is_done(job: Job, row: Row | None, say: Callable[[str], None]) -> bool:
    """Whether a row is there and need not be made again; says why where it must."""
    if row is None:
        return False
    if not (done := job.done_by(row)) and row.verdict != FAILED:
        say(f"{job.arm} seed {job.seed}: the row in the file was made with other settings; it is made again")
    return done


def rows_of(jobs: Sequence[Job], study: Comparison, workers: int, threads: int | None) -> Generator[tuple[Job, Row]]:
    """Jobs with their rows, as they end. Where what takes them stops, so do the runs that are under way, and keep their rounds."""
    with ThreadPoolExecutor(workers) as pool, leash() as end:
        started = {pool.submit(run, job, study, threads, end): job for job in jobs}
        try:
            for ended in as_completed(started):
                yield started[ended], ended.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def have_bases(arms: Iterable[Mapping[str, Any]]) -> None:
    """Make the bases of some arms that are nowhere yet, with progress, before the runs, which are silent. What cannot be done the runs say themselves."""
    for settings in arms:
        with suppress(AutotelicError):
            run, recipe = resolve(settings)
            for source in (run.model or recipe.about.model, *recipe.policies().values()):
                at_hand(source or "")


def run(job: Job, study: Comparison, threads: int | None, end: int) -> Row:
    """One run, or one trial, in a process of its own with the standard input `end`; a run that was interrupted goes on."""
    began, before = perf_counter(), seconds_in(job.folder)
    words = [sys.executable, "-m", LEASH, *(job.words if job.trial else run_words(job, threads))]
    environment = os.environ | ({"OMP_NUM_THREADS": str(threads)} if threads else {})
    done = subprocess.run(words, stdin=end, capture_output=True, text=True, env=environment, check=False)
    took = round(before + perf_counter() - began, 1)
    row = Row(arm=job.arm, seed=job.seed, verdict=FAILED, seconds=took, command=shlex.join(job.words), settings=job.settings)
    if job.trial and not done.returncode:
        return measured(row, json.loads(done.stdout), tuple(study.quantities))
    if not (job.folder / "verdict.json").is_file():
        return replace(row, error=last_line(done.stderr) or f"exit status {done.returncode}")
    row = finished(row, RunReader.of(job.folder), study)
    return replace(row, error=last_line(done.stderr)) if done.returncode else row


def run_words(job: Job, threads: int | None) -> list[str]:
    """The words that begin a run in its folder, or go on with it."""
    if (job.folder / "config.json").is_file():
        return ["autotelic", "resume", str(job.folder), "--quiet"]
    shutil.rmtree(job.folder, ignore_errors=True)
    return [*job.words, "--quiet", "--out", str(job.folder), *([f"workers={threads}"] if threads else [])]


def seconds_in(folder: Path) -> float:
    """What the rounds took that a run directory holds."""
    with suppress(AutotelicError):
        return sum(metrics.get("seconds/total", 0.0) for metrics in RunReader.of(folder).history().values())
    return 0.0


def finished(row: Row, run: RunReader, study: Comparison) -> Row:
    """A row with what the run directory holds."""
    history, proxy, verdict = run.history(), run.recipe["proxy"], run.verdict
    probed = [{name: value for name, value in metrics.items() if name.startswith("probe/")} for metrics in history.values()]
    probed = [metrics for metrics in probed if metrics]
    tasks, outcomes = by_task(run, study.deciding) if study.by_task else (None, {})
    optimized = [metrics[proxy] for metrics in history.values() if proxy in metrics]
    return replace(
        row,
        verdict=str(verdict.word) if verdict else FAILED,
        rounds=run.last or 0,
        first=probed[0] if probed else {},
        last=probed[-1] if probed else {},
        proxy=[optimized[0], optimized[-1]] if optimized else None,
        history=histories(history, verdict, study),
        tasks=tasks,
        outcomes=outcomes,
    )


def histories(history: Mapping[int, Metrics], verdict: Verdict | None, study: Comparison) -> dict[str, list[tuple[int, float]]]:
    """What a row keeps of each quantity; of the budget what was used at the probes, beside which it is looked at."""
    found = {name: [(i, metrics[name]) for i, metrics in history.items() if name in metrics] for name in study.quantities}
    if HANDED in study.quantities and verdict and "accuracy_last" in verdict.numbers:
        found[HANDED] = [(0, verdict.numbers["accuracy_first"]), (max(history), verdict.numbers["accuracy_last"])]
    if USED in found:
        found[USED] = [(i, metrics.get(USED, 0.0)) for i, metrics in history.items() if "probe/accuracy" in metrics]
    return found


def by_task(run: RunReader, deciding: float | None = None) -> tuple[str | None, dict[str, list[float]]]:
    """The digest of the held-out tasks of a run, and by task what came out: greedily of the first and of the last weights ("first", "last"), of their
    samples ("first/pass@1", ...) and of the vote of these ("first/vote", ...). Outcomes that are not independent, such as plays of one deal, are one: their mean.
    `deciding`: a share of the tasks that is left out."""
    found: dict[str, list[float]] = {}
    names: set[str] = set()
    for side in ("first", "last"):
        if (probe := run.probe(side)) is None:
            continue
        probe = probe if deciding is None else parts(probe, deciding)[1]
        for kind, values in (("", probe.correct), ("/pass@1", probe.pass_at_1), ("/vote", probe.majority)):
            units = together(values, probe.together)
            found |= {side + kind: list(units.values())} if units else {}
            names |= units.keys()
    return (digest_of(sorted(names)), found) if found else (None, {})


def together(values: Mapping[str, float], shared: Mapping[str, str]) -> dict[str, float]:
    """The mean of the outcomes that have something in common, in the order of what that is."""
    units: dict[str, list[float]] = {}
    for task in sorted(values):
        units.setdefault(shared.get(task, task), []).append(values[task])
    return {unit: fmean(units[unit]) for unit in sorted(units)}


def measured(row: Row, steps: Sequence[Mapping[str, float]], quantities: Sequence[str]) -> Row:
    """A row with the numbers of a trial."""
    history = {name: [(step, numbers[name]) for step, numbers in enumerate(steps) if name in numbers] for name in quantities}
    return replace(row, verdict=MEASURED, rounds=len(steps) - 1, history=history)


def progress(study: Comparison, row: Row) -> str:
    """A finished run in one line."""
    moved = [(quantity, ends(row, quantity)) for quantity in study.quantities]
    shown = [f"{quantity} {number(values[0])} to {number(values[1])}" for quantity, values in moved if values]
    return f"{row.arm} seed {row.seed}: {', '.join([row.verdict, *shown, *([row.error] if row.error else [])])}; {row.seconds:.0f} s"


def last_line(text: str) -> str | None:
    """The last line that is not empty."""
    return next((line for line in reversed(text.splitlines()) if line.strip()), None)


def machine() -> dict[str, Any]:
    """Where results were made."""
    return {"python": platform.python_version(), "torch": version("torch"), "cores": os.cpu_count(), "processor": platform.machine()}
