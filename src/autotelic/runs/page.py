"""The report of a run: one self-contained HTML page made from the files of the run directory, and from nothing else.

Everything a model wrote is untrusted: it is escaped, shortened, stripped of control characters, and the page forbids scripts and
network by its content policy. A run that was killed, has no probe or has not begun still gets a page that says so.
This module arranges: what there is to show is `runs.snapshot`, the charts are in `runs.page_charts`, rollouts in `runs.page_rollouts`, words in
`measures.verdict`, the page in `templates/report.html`.
"""

import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader

from autotelic.errors import harmless
from autotelic.measures.budget import UNLIMITED, USED, Budget
from autotelic.measures.metrics import Metric, find
from autotelic.measures.verdict import Word, how
from autotelic.runs import page_charts as charts
from autotelic.runs.again import as_text, command
from autotelic.runs.disk import explained
from autotelic.runs.page_rollouts import samples
from autotelic.runs.progress import duration, name_of
from autotelic.runs.snapshot import RunFiles, read_run

HEADLINES = {
    Word.IMPROVED: "The model got better.",
    Word.UNCHANGED: "No reliable change.",
    Word.WORSE: "The model got worse.",
    Word.COLLAPSED: "The model collapsed.",
    Word.HACKED: "The proxy was hacked: it rose while the truth fell.",
    Word.UNKNOWN: "Whether the model got better is not known.",
}


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run directory, whole or not at all, and return its path.

    Raises:
        DataError: it is no run directory, or one of its files cannot be read.
        AutotelicError: it cannot be written.
    """
    html = harmless(render(read_run(run_dir)))
    target, draft = run_dir / "report.html", run_dir / f"report.html.{os.getpid()}.part"
    with explained(run_dir, run_dir):
        draft.write_text(html, encoding="utf-8", errors="backslashreplace")
        draft.replace(target)
    return target


def render(run: RunFiles) -> str:
    """The page of a run."""
    environment = Environment(loader=PackageLoader("autotelic.runs"), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("report.html").render(
        title=_title(run),
        word=str(run.verdict.word) if run.verdict else "unfinished",
        headline=_headline(run),
        truth=_truth(run),
        plays=bool(run.first and run.first.plays),
        reasons=run.verdict.reasons if run.verdict else [],
        alarms=run.alarms,
        events=run.events,
        faults=run.faults,
        trained_on_probe=_trained_on_probe(run),
        facts=_facts(run),
        truth_chart=charts.truth_chart(run),
        proxy_chart=charts.own_scale_proxy_chart(run),
        truth_legend=charts.truth_legend(run),
        votes_chart=charts.lines_chart(run, charts.vote_lines(run), "What sampling finds on the probe", "share of tasks"),
        votes_legend=charts.vote_lines(run),
        slice_heat=charts.slice_heat(run),
        slice_bars=charts.slice_bars(run),
        labels_chart=charts.lines_chart(run, charts.LABELS, "Labels the run made for itself", "share"),
        labels_legend=[row for row in charts.LABELS if row[0] in run.names()],
        monitors=charts.monitors(run),
        seconds=charts.seconds_chart(run),
        flips=_flips(run),
        metrics=_metric_rows(run),
        settings=list(as_text(run.config).items()),
        samples=samples(run),
        command=command(name_of(run.recipe), run.settings),
    )


def _title(run: RunFiles) -> str:
    system, tasks = run.recipe.get("system") or name_of(run.recipe) or "run", run.settings.get("tasks")
    return f"{system} on {tasks}" if tasks else str(system)


def _trained_on_probe(run: RunFiles) -> bool:
    probe = run.config.get("probe")
    return bool(isinstance(probe, dict) and probe.get("probe_is_train")) or bool(run.verdict and run.verdict.numbers.get("trained_on_probe"))


def _headline(run: RunFiles) -> str:
    if run.verdict:
        return HEADLINES[run.verdict.word]
    return f"The run has not finished: {_rounds(run)} rounds are committed, so there is no verdict."


def _rounds(run: RunFiles) -> str:
    """How many there are, and of how many, unless the budget ends the run."""
    planned = run.settings.get("rounds")
    return f"{run.done} of {planned}" if planned and planned != UNLIMITED else str(run.done)


def _budget_fact(run: RunFiles) -> str | None:
    """How much of its budget the run has used."""
    if not run.settings.get("budget"):
        return None
    budget, (_, used) = Budget(**run.settings["budget"]), run.series(USED)
    return f"{max(used, default=0.0) / budget.amount:.0%} of {budget}"


def _truth(run: RunFiles) -> dict[str, Any] | None:
    """The numbers of the headline: from the verdict, or what the probes so far say."""
    if run.verdict and "accuracy_first" in run.verdict.numbers:
        return run.verdict.numbers
    _, values = run.series("probe/accuracy")
    known = [value for value in values if isfinite(value)]
    return {"accuracy_first": known[0], "accuracy_last": known[-1]} if known and not run.verdict else None


def _facts(run: RunFiles) -> list[tuple[str, str]]:
    """What was run, as rows of name and value."""
    recipe, config, settings = run.recipe, run.config, run.settings
    total = sum(value for value in run.series("seconds/total")[1] if isfinite(value))
    rows = [
        ("Recipe", recipe.get("name")),
        ("System", " · ".join(str(recipe[key]) for key in ("system", "family", "paper") if recipe.get(key))),
        ("Model", settings.get("model")),
        ("Tasks", settings.get("tasks")),
        ("Probe", _probe_fact(run)),
        ("Proxy for the truth", recipe.get("proxy") or "none"),
        ("Seed", settings.get("seed")),
        ("Rounds", _rounds(run)),
        ("Budget", _budget_fact(run)),
        ("Time", duration(total) if total else None),
        ("Tokens", _token_fact(run)),
        ("Engine", config.get("engine")),
        ("Machine", config.get("machine")),
        ("autotelic", config.get("autotelic")),
    ]
    return [(name, _plain(value)) for name, value in rows if value not in (None, "", {})]


def _probe_fact(run: RunFiles) -> str:
    if not run.first:
        return "none"
    outcomes = run.first.outcomes
    samples = max((len(outcome.samples) for outcome in outcomes), default=0)
    gold = "" if run.first.has_gold else f", {len(run.first.correct)} with a gold answer"
    if run.first.plays:
        return f"{len(outcomes)} plays, moves sampled{how(run.first)}"
    return f"{len(outcomes)} tasks{gold}, greedy" + (f" and {samples} samples each{how(run.first)}" if samples else "")


def _token_fact(run: RunFiles) -> str:
    """Tokens of the whole run; the metrics count from its beginning."""
    counts = [(name, max((v for v in run.series(f"tokens/{name}")[1] if isfinite(v)), default=0.0)) for name in ("sampled", "trained")]
    return ", ".join(f"{count:,.0f} {name}" for name, count in counts if count)


def _plain(value: Any) -> str:
    """A value of the configuration in words."""
    if isinstance(value, Mapping):
        parts = [_plain(part) if name == "name" else f"{name} {_plain(part)}" for name, part in value.items()]
        return ", ".join(parts)
    if isinstance(value, int) and not isinstance(value, bool) and value >= 10_000:
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(value)


def _flips(run: RunFiles) -> list[list[int]] | None:
    """Counts [[right-right, right-wrong], [wrong-right, wrong-wrong]] of probe tasks, first weights by last weights."""
    if not (run.first and run.last) or not run.first.correct or run.first.correct.keys() != run.last.correct.keys():
        return None
    pairs = [(run.first.correct[task] >= 0.5, run.last.correct[task] >= 0.5) for task in run.first.correct]
    return [[pairs.count((before, after)) for after in (True, False)] for before in (True, False)]


def _metric_rows(run: RunFiles) -> list[tuple[str, str, str, str, str, str]]:
    """Every metric with its first, last, least and greatest value, and what it means."""
    rows, own = [], _own_metrics(run)
    for name in sorted(run.names()):
        known = [value for value in run.series(name)[1] if isfinite(value)]
        numbers = (known[0], known[-1], min(known), max(known)) if known else ()
        cells = [f"{number:.5g}" for number in numbers] or ["not finite"] * 4
        metric = find(name, own)
        rows.append((name, cells[0], cells[1], cells[2], cells[3], f"{metric.unit}: {metric.meaning}" if metric else ""))
    return rows


def _own_metrics(run: RunFiles) -> tuple[Metric, ...]:
    """What the run's recipe says of its own metrics; nothing of a recipe file, which is a program, and a report runs none."""
    from autotelic.systems import index

    if (name := name_of(run.recipe)) not in index.shipped():
        return ()
    from autotelic.systems.registry import find  # loads torch, which the rest of the report does not need

    return find(name).metrics
