"""A run of ten thousand rounds: its directory stays small, and to go on with it, to report it and to commit a round stay quick."""

import os
import shutil
from pathlib import Path
from time import perf_counter

from small import small

from autotelic.runs import loop
from autotelic.runs.page import write_report
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader
from autotelic.runs.store import Store

MANY = 10_000


def long_run(folder: Path) -> Path:
    """A run whose second round stands in for all that follow, but for the last, by links to its files."""
    loop.start({**small("srt", rounds=3), "out": str(folder)}, Progress(quiet=True))
    store = RunReader(folder)
    store.round(3).rename(store.round(MANY))
    names = [path.name for path in store.round(1).iterdir()]
    for number in (*range(3, MANY),):
        store.round(number).mkdir()
        for name in names:
            os.link(store.round(1) / name, store.round(number) / name)
    return folder


def test_ten_thousand_rounds_stay_small_and_quick(tmp_path: Path) -> None:
    run = long_run(tmp_path / "run")
    held = sum(path.stat().st_size for path in RunReader(run).round(1).iterdir())
    assert held < 100_000, "a round without its weights"
    began = perf_counter()
    with Store.open(run) as store:
        assert store.step_back() == (MANY, [])
        opened = perf_counter()
        shutil.rmtree(store.round(MANY))
        store.commit(MANY, metrics={"reward": 0.5}, state={}, events=[], groups=[], tensors={}, keep=2)
        again = perf_counter()
        store.commit(MANY + 1, metrics={"reward": 0.5}, state={}, events=[], groups=[], tensors={}, keep=2)
        committed = perf_counter()
    assert write_report(run).stat().st_size < 2_000_000
    told = perf_counter()
    print(
        f"opened {opened - began:.1f} s, first commit {again - opened:.2f} s, commit {committed - again:.2f} s, report {told - committed:.1f} s, {held} bytes"
    )
    assert opened - began < 120 and committed - again < 5 and told - committed < 120
