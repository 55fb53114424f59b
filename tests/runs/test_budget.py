"""Runs that end with their budget: the round in which it is reached is the last, and nothing else of the run is other than without one."""

from itertools import pairwise
from pathlib import Path

import pytest
from committed import contents

from autotelic.measures.budget import USED
from autotelic.runs import loop
from autotelic.runs.page import write_report
from autotelic.runs.progress import Progress
from autotelic.runs.reading import RunReader

QUICK = {
    "recipe": "srt", "model": "chain-good", "pool_size": 8, "probe_size": 4, "probe_samples": 2, "tasks_per_round": 2, "group_size": 2,
    "engine": "torch",
}  # fmt: skip


def run(out: Path, **more: object) -> RunReader:
    loop.start({**QUICK, "out": str(out), **more}, Progress(quiet=True))
    return RunReader.of(out)


def test_the_round_in_which_it_is_reached_is_the_last(tmp_path: Path) -> None:
    """And it has the bits of a run of so many rounds, but for what the points of the budget say of when to probe."""
    found = run(tmp_path / "budget", budget="1k")
    used = [metrics.get(USED) for metrics in found.history().values()]
    assert used[0] is None and used[-1] >= 1000 > used[-2]  # type: ignore[operator]
    assert used[1:] == [metrics["tokens/sampled"] for number, metrics in found.history().items() if number]
    assert found.verdict and found.verdict.reasons[0] == f"Ended after round {found.last}: the budget of 1k sampled tokens is used."
    page = write_report(found.folder).read_text(encoding="utf-8")
    assert "of 1k sampled tokens" in page and "of 1000000" not in page
    plain = run(tmp_path / "plain", rounds=found.last, probe_every=100)
    ours, theirs = (contents(one.folder, found.last or 0) for one in (found, plain))
    assert all(ours[name] == theirs[name] for name in theirs if name.startswith(("policy", "optimizer", "rollouts", "pool")))


def test_it_is_probed_at_points_of_the_budget_and_at_its_end(tmp_path: Path) -> None:
    found = run(tmp_path / "run", budget="3k-passes")
    points = [int(10 * metrics.get(USED, 0) / 3000) for metrics in found.history().values()]
    probed = ["probe/accuracy" in metrics for metrics in found.history().values()]
    assert probed == [True, *(b > a for a, b in pairwise(points))] and probed[-1]


def test_a_budget_of_time_ends_a_run_and_one_that_was_reached_is_not_gone_on_with(tmp_path: Path) -> None:
    found = run(tmp_path / "run", budget="0.1s")
    used = [metrics[USED] for number, metrics in found.history().items() if number]
    assert used[-1] >= 0.1 and all(one < 0.1 for one in used[:-1]) and used == sorted(used)
    assert all(
        used[number - 1] - (used[number - 2] if number > 1 else 0) <= metrics["seconds/total"]
        for number, metrics in found.history().items()
        if number
    )
    loop.resume(found.folder, None, Progress(quiet=True))
    assert RunReader.of(found.folder).last == found.last


def test_rounds_that_are_given_are_a_limit_too(tmp_path: Path) -> None:
    assert run(tmp_path / "run", budget="1M", rounds=1).last == 1


def test_a_run_that_uses_nothing_of_its_budget_is_ended(tmp_path: Path) -> None:
    outcome = loop.start(
        {**{key: value for key, value in QUICK.items() if key != "group_size"}, "recipe": "supervised", "out": str(tmp_path / "run"), "budget": "1k"},
        Progress(quiet=True),
    )
    assert outcome.stopped and "nothing is used of the budget of 1k sampled tokens" in outcome.stopped


@pytest.mark.parametrize("seeds", [(0, 1)])
def test_a_seed_of_the_probe_alone(seeds: tuple[int, int], tmp_path: Path) -> None:
    """Runs with other seeds are asked the same tasks, and trained on other ones."""
    found = [run(tmp_path / f"{seed}", rounds=0, seed=seed, probe_seed=5) for seed in seeds]
    tasks = [[outcome.task for outcome in one.probe("first").outcomes] for one in found if one.probe("first")]  # type: ignore[union-attr]
    assert tasks[0] == tasks[1] and found[0].config["digests"]["tasks"] != found[1].config["digests"]["tasks"]
    assert found[0].config["digests"]["probe"] == found[1].config["digests"]["probe"]
