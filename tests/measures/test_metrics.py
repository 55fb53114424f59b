"""The metrics as data. That every recipe's own numbers are documented and within their range is checked wherever a test runs one: tests are strict."""

import re
from pathlib import Path

import pytest
from small import small

from autotelic.errors import MetricError, strict
from autotelic.measures.metrics import RANGES, Metric, check, find, known
from autotelic.runs import loop, page_charts
from autotelic.runs.progress import Progress
from autotelic.systems.registry import recipes

RECIPE = """
from autotelic.systems.base import Recipe, recipe
{extra}
@recipe(name="mine", system="Mine", paper="", family="mine")
class Mine(Recipe):
    {declared}
    async def round(self, ctx):
        ctx.log(**{{"mine/kept": {value}}})
"""


@pytest.mark.parametrize(
    ("name", "documented"),
    [
        ("probe/accuracy", "probe/accuracy"),
        ("probe/accuracy/source a/b.jsonl", "probe/accuracy/{slice}"),
        ("probe/pass@16", "probe/pass@{k}"),
        ("judge/answers/unparsed", "answers/unparsed"),
        ("evaluate:agent-2/rewards/interaction/mean", "rewards/{name}/mean"),
        ("questioner/policy/entropy", "entropy"),
        ("score/score/error", "score/error"),
        ("critic/unparsed", "{role}/unparsed"),
        ("probe/unparsed", "probe/unparsed"),
    ],
)
def test_a_name_is_found_with_its_role_policy_or_slice(name: str, documented: str) -> None:
    found = find(name)
    assert found is not None and found.name == documented


@pytest.mark.parametrize("name", ["probe/pass@", "probe/acuracy", "probe/loss", "a/b/reward", "a/b/c/loss", "rewards/mean", ""])
def test_what_is_not_documented_is_not_found(name: str) -> None:
    assert find(name) is None


def test_a_recipe_s_own_come_first() -> None:
    own = (Metric("proposals/unparsed", "proposals", "that cannot be read"),)
    assert find("proposals/unparsed", own) is own[0] and find("proposals/unparsed") is not own[0]


def test_undocumented_names_and_values_out_of_range_are_refused() -> None:
    check({"label/kept": 1.0, "kl": -0.1, "probe/accuracy": float("nan"), "label/purity": 1 + 1e-12})
    with pytest.raises(MetricError, match=r"'label/kept' is 1.27, outside of 0 to 1, the range of 'label/kept': what the recipe's filter keeps"):
        check({"label/kept": 1.27})
    with pytest.raises(MetricError, match=r"'judge/answers/unparsed' is -0.1"):
        check({"judge/answers/unparsed": -0.1})
    with pytest.raises(MetricError, match=r"'label/keept' is not documented; did you mean 'label/kept'\?; declare it"):
        check({"label/keept": 1.0})
    with pytest.raises(MetricError, match="outside of 0 to 3"):
        check({"mine": 4.0}, [Metric("mine", "things", "mine", high=3.0)])


def test_every_metric_is_well_documented() -> None:
    declared = [metric for cls in recipes().values() for metric in vars(cls).get("metrics", ())]
    names = [metric.name for metric in known()]
    assert len(set(names)) == len(names)
    for metric in (*known(), *declared):
        assert metric.meaning and metric.meaning[-1] not in ".,;" and "|" not in metric.meaning
        assert metric.unit in RANGES or re.fullmatch(r"[a-z ]+", metric.unit)
        low, high = metric.range
        assert low < high


def test_what_reports_and_verdicts_read_is_documented() -> None:
    proxies = {cls.about.proxy: cls.metrics for cls in recipes().values() if cls.about.proxy}
    shown = {row[0]: () for row in (*page_charts.MONITORS, *page_charts.LABELS)}
    assert [name for name, own in (proxies | shown).items() if find(name, own) is None] == ["frontier"]


def run_of(tmp_path: Path, value: str, declared: str = "") -> None:
    extra = "from typing import ClassVar\nfrom autotelic.measures.metrics import Metric" if declared else ""
    tmp_path.mkdir()
    file = tmp_path / "mine.py"
    file.write_text(RECIPE.format(extra=extra, declared=declared, value=value), encoding="utf-8")
    run = {"recipe": str(file), "rounds": 1, "pool_size": 8, "probe_size": 2, "probe_samples": 0, "out": str(tmp_path / "run")}
    loop.start(run, Progress(quiet=True))


def test_a_run_stops_at_a_number_that_nobody_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert strict()
    with pytest.raises(MetricError, match="'mine/kept' is not documented"):
        run_of(tmp_path / "a", "0.5")
    monkeypatch.delenv("AUTOTELIC_STRICT")
    run_of(tmp_path / "b", "0.5")


def test_a_run_stops_at_a_share_above_one(tmp_path: Path) -> None:
    declared = 'metrics: ClassVar = (Metric("mine/kept", "share", "what is kept"),)'
    run_of(tmp_path / "a", "0.5", declared)
    with pytest.raises(MetricError, match=r"'mine/kept' is 1.27, outside of 0 to 1"):
        run_of(tmp_path / "b", "1.27", declared)


def test_pairs_of_two_rounds_are_no_share_of_one(tmp_path: Path) -> None:
    """SPIN trains on the pairs of two rounds: up to two for each task."""
    outcome = loop.start(small("spin", rounds=2, out=str(tmp_path / "run")), Progress(quiet=True))
    text = (outcome.folder / "metrics.jsonl").read_text(encoding="utf-8")
    assert "pairs/task" in text and "label/kept" not in text


def test_the_report_says_what_metrics_mean(tmp_path: Path) -> None:
    outcome = loop.start(small("b-star", rounds=1, out=str(tmp_path / "run")), Progress(quiet=True))
    page = outcome.report.read_text(encoding="utf-8")
    assert 'title="share: greedy completions without an answer">probe/unparsed<' in page
    assert 'title="share: product of both, mean over tasks">balance/effect<' in page
