"""The report of a run: one self-contained HTML page made from the files of the run directory, and from nothing else.

Everything a model wrote is untrusted: it is escaped, shortened, stripped of control characters, and the page forbids scripts and
network by its content policy. A run that was killed, has no probe or has not begun still gets a page that says so.
This module arranges; reading is `runs.reading`, charts are in `runs.plots`, words in `measures.verdict`, the page in `templates/report.html`.
"""

import json
import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from heapq import nlargest, nsmallest
from math import isfinite, nan
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader
from markupsafe import Markup

from autotelic import streams
from autotelic.measures.metrics import Metric, find
from autotelic.measures.probe import ProbeResult
from autotelic.measures.stats import wilson
from autotelic.measures.verdict import Verdict, Word, how
from autotelic.runs.disk import explained
from autotelic.runs.plots import Bar, Series, bar_chart, heat_map, line_chart
from autotelic.runs.progress import duration, name_of
from autotelic.runs.reading import RunReader, flat
from autotelic.types import Metrics

HEADLINES = {
    Word.IMPROVED: "The model got better.",
    Word.UNCHANGED: "No reliable change.",
    Word.WORSE: "The model got worse.",
    Word.COLLAPSED: "The model collapsed.",
    Word.HACKED: "The proxy was hacked: it rose while the truth fell.",
    Word.UNKNOWN: "Whether the model got better is not known.",
}
MOST_TEXT = 3000
"""Longer prompts and completions are cut in the report; the whole text is in the rollouts file."""
SAMPLES = 4
"""Rollouts of each kind: best, worst, some."""
MONITORS = (
    ("entropy", "Entropy of sampled tokens", "nats"),
    ("probe/entropy", "Entropy on the probe", "nats"),
    ("answers/distinct", "Distinct answers in a group", "share"),
    ("probe/distinct", "Distinct answers, probe", "share of tasks"),
    ("completions/mean_length", "Length of completions", "tokens"),
    ("completions/clipped_ratio", "Truncated completions", "share"),
    ("answers/unparsed", "Completions without an answer", "share"),
    ("frac_reward_zero_std", "Groups without signal", "share"),
    ("reward_std", "Spread of rewards", ""),
    ("kl", "KL to the reference", "nats"),
    ("clip_ratio/region_mean", "Clipped tokens", "share"),
    ("sampling/sampling_logp_difference/mean", "Sampler-trainer log-prob gap, mean", "nats"),
    ("sampling/sampling_logp_difference/max", "Sampler-trainer log-prob gap, largest", "nats"),
    ("loss", "Loss", ""),
    ("grad_norm", "Gradient norm", ""),
    ("learning_rate", "Learning rate", ""),
    ("frontier", "Frontier of difficulty", ""),
    ("gate/rolled_back", "Rolled back by the gate", "1 is yes"),
    ("flips/wrong_to_right", "Probe tasks wrong at first, right now", "tasks"),
    ("flips/right_to_wrong", "Probe tasks right at first, wrong now", "tasks"),
)
PHASES = {"sample": "sampling", "learn": "learning", "probe": "probing", "reward": "judging", "own": "everything else"}
"""Words for the `seconds/` metrics; others show under their own names."""
LABELS = (
    ("label/purity", "right (purity, never trained on)", "c1"),
    ("label/majority_is_gold", "majority answer is gold", "c3"),
    ("label/agreement", "agreement of votes", "c2"),
    ("label/kept", "kept by filters", "c4"),
    ("label/coverage", "tasks that got a label", "c0"),
)


@dataclass(slots=True)
class RunFiles:
    """What a run directory held at one moment; whatever is missing is empty."""

    reader: RunReader
    rounds: list[tuple[int, Metrics]]
    first: ProbeResult | None
    last: ProbeResult | None
    verdict: Verdict | None
    events: list[str]
    """What happened to the run beside its rounds."""
    faults: list[str]
    """What is wrong with its files."""

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config."""
        return self.reader.config

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe's entry of the config."""
        return self.reader.recipe

    @property
    def settings(self) -> dict[str, Any]:
        """All settings of recipe and run by name."""
        return self.reader.settings

    @property
    def done(self) -> int:
        """The last committed round; 0 before training."""
        return self.rounds[-1][0] if self.rounds else 0

    @property
    def span(self) -> tuple[float, float]:
        """The rounds that every chart spans, so that charts can be read beside one another."""
        return 0.0, float(max(self.done, 1))

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """Rounds and values of a metric, of the rounds that have it."""
        known = [(float(r), metrics[name]) for r, metrics in self.rounds if name in metrics]
        return [r for r, _ in known], [value for _, value in known]

    def names(self) -> list[str]:
        """All metrics, in order of first appearance."""
        return list(dict.fromkeys(name for _, metrics in self.rounds for name in metrics))


def read_run(path: Path) -> RunFiles:
    """What a run directory holds, finished or not.

    Raises:
        DataError: it is no run directory, or a file that is made from its rounds is damaged.
    """
    run = RunReader.of(path)
    return RunFiles(
        run,
        sorted(run.history().items()),
        run.probe("first"),
        run.probe("last"),
        run.verdict,
        [f"{event.get('time')}, {event.get('event')}: {event.get('text')}" for event in run.events],
        run.faults(),
    )


def write_report(run_dir: Path) -> Path:
    """Write `report.html` into a run directory, whole or not at all, and return its path.

    Raises:
        DataError: it is no run directory, or one of its files cannot be read.
        AutotelicError: it cannot be written.
    """
    html = render(read_run(run_dir))
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
        events=run.events,
        faults=run.faults,
        trained_on_probe=_trained_on_probe(run),
        facts=_facts(run),
        truth_chart=_truth_chart(run),
        proxy_chart=_own_scale_proxy_chart(run),
        truth_legend=_truth_legend(run),
        votes_chart=_lines_chart(run, _vote_lines(run), "What sampling finds on the probe", "share of tasks"),
        votes_legend=_vote_lines(run),
        slice_heat=_slice_heat(run),
        slice_bars=_slice_bars(run),
        labels_chart=_lines_chart(run, LABELS, "Labels the run made for itself", "share"),
        labels_legend=[row for row in LABELS if row[0] in run.names()],
        monitors=_monitors(run),
        seconds=_seconds_chart(run),
        flips=_flips(run),
        metrics=_metric_rows(run),
        settings=list(_flat(run.config).items()),
        samples=_samples(run),
        command=_command(run),
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
    rounds = run.settings.get("rounds")
    return f"The run has not finished: {run.done}{f' of {rounds}' if rounds else ''} rounds are committed, so there is no verdict."


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
        ("Rounds", f"{run.done} of {settings['rounds']}" if settings.get("rounds") else run.done),
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


def _base_vote(run: RunFiles) -> float:
    """Accuracy of the first weights' majority vote, NaN where the probe took no samples."""
    if run.verdict and "majority_first" in run.verdict.numbers:
        return float(run.verdict.numbers["majority_first"])
    if not run.rounds:
        return nan
    return next((value for name, value in run.rounds[0][1].items() if name.startswith("probe/majority@")), nan)


def _truth_series(run: RunFiles) -> Series:
    """Probe accuracy with its Wilson band."""
    rounds, values = run.series("probe/accuracy")
    tasks = len(run.first.correct) if run.first else 0
    bands = [wilson(value * tasks, tasks) if isfinite(value) else (nan, nan) for value in values]
    return Series("accuracy on the probe", rounds, values, [low for low, _ in bands], [high for _, high in bands], "c1")


def _proxy_series(run: RunFiles) -> Series | None:
    """The proxy of the run; where none is named, the reward."""
    name = run.recipe.get("proxy") or "reward"
    rounds, values = run.series(name)
    return Series(f"{'proxy' if run.recipe.get('proxy') else 'training reward'} ({name})", rounds, values, color="c2") if values else None


def _is_share(values: Iterable[float]) -> bool:
    return all(0 <= value <= 1 for value in values if isfinite(value))


def _truth_lines(run: RunFiles) -> list[Series]:
    """Truth, agreement on the probe, base vote, and the proxy where it is a share too."""
    lines = [_truth_series(run)]
    proxy, vote = _proxy_series(run), _base_vote(run)
    if proxy and _is_share(proxy.ys):
        lines.append(proxy)
    agreement = run.series("probe/agreement")
    if any(map(isfinite, agreement[1])):
        lines.append(Series("agreement of samples on the probe", *agreement, color="c3"))
    if isfinite(vote) and run.rounds:
        ends = list(run.span)
        lines.append(Series("majority vote of the first weights", ends, [vote, vote], color="c0", dashed=True))
    return [line for line in lines if any(map(isfinite, line.ys))]


def _truth_chart(run: RunFiles) -> Markup:
    return line_chart(_truth_lines(run), name="Truth and proxy over rounds", x_label="round", y_label="share", x_range=run.span, y_range=(0.0, 1.0))


def _truth_legend(run: RunFiles) -> list[tuple[str, str, str]]:
    return [("", line.name, line.color + (" dashed" if line.dashed else "")) for line in _truth_lines(run)]


def _own_scale_proxy_chart(run: RunFiles) -> Markup:
    """The proxy alone, where it is no share and needs a scale of its own."""
    proxy = _proxy_series(run)
    if not proxy or _is_share(proxy.ys):
        return Markup()
    return line_chart([proxy], name=proxy.name, x_label="round", y_label=proxy.name, x_range=run.span, size=(480, 220))


def _vote_lines(run: RunFiles) -> list[tuple[str, str, str]]:
    """Metrics, names and colors of pass@k and majority@k."""
    found = [name for name in run.names() if name.startswith(("probe/pass@", "probe/majority@"))]
    colors = {"probe/pass@1": "c1"}
    return [(name, name.removeprefix("probe/"), colors.get(name, "c3" if "pass" in name else "c2")) for name in found]


def _lines_chart(run: RunFiles, rows: Sequence[tuple[str, str, str]], name: str, unit: str) -> Markup:
    lines = [Series(words, *run.series(metric), color=color) for metric, words, color in rows]
    return line_chart(lines, name=name, x_label="round", y_label=unit, x_range=run.span, y_range=(0.0, 1.0))


def _slices(run: RunFiles) -> list[str]:
    """The slices of the probe, where there are several."""
    named = run.first.slices if run.first else []
    prefix = "probe/accuracy/"
    found = list(dict.fromkeys([*named, *(name.removeprefix(prefix) for name in run.names() if name.startswith(prefix))]))
    return found if len(found) > 1 else []


def _slice_heat(run: RunFiles) -> Markup:
    slices = _slices(run)
    probed = [(float(r), metrics) for r, metrics in run.rounds if any(f"probe/accuracy/{part}" in metrics for part in slices)]
    values = [[metrics.get(f"probe/accuracy/{part}", nan) for _, metrics in probed] for part in slices]
    return heat_map(slices, [r for r, _ in probed], values, name="Accuracy by slice over rounds", x_label="round")


def _slice_bars(run: RunFiles) -> Markup:
    """First against last, with Wilson intervals, from the two probes."""
    sides = [(name, probe, color) for name, probe, color in (("first", run.first, "c0"), ("last", run.last, "c1")) if probe and probe.correct]
    rows = []
    for part in _slices(run):
        bars = []
        for name, probe, color in sides:
            right = [o.correct for o in probe.outcomes if o.slice == part and o.correct is not None]
            bars.append(Bar(name, probe.accuracy(part), color, *wilson(sum(right), len(right))))
        rows.append((part, bars))
    return bar_chart(rows, name="Accuracy by slice, first and last weights", x_label="accuracy on the probe, 95% interval", x_range=(0.0, 1.0))


def _monitors(run: RunFiles) -> list[tuple[str, str, str, Markup]]:
    """Name, unit, last value and small chart of each monitor that the run has."""
    found = []
    for metric, name, unit in MONITORS:
        rounds, values = run.series(metric)
        chart = line_chart(
            [Series(name, rounds, values)], name=name, x_label="round", y_label="", x_range=run.span, size=(260, 130), kind="chart small"
        )
        if chart:
            last = next(value for value in reversed(values) if isfinite(value))
            found.append((name, unit, f"{last:.3g}", chart))
    return found


def _seconds_chart(run: RunFiles) -> Markup:
    """Seconds of the whole run by phase."""
    phases = [name for name in run.names() if name.startswith("seconds/") and name != "seconds/total"]
    sums = [(name.removeprefix("seconds/"), sum(v for v in run.series(name)[1] if isfinite(v))) for name in phases]
    rows = [(PHASES.get(phase, phase), [Bar("seconds", total, "c1")]) for phase, total in sorted(sums, key=lambda row: -row[1])]
    return bar_chart(rows, name="Seconds by phase", x_label="seconds, all rounds")


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


def _flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Settings by dotted names, as text."""
    return {name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str) for name, value in flat(values).items()}


def _command(run: RunFiles) -> str:
    """The command that makes the run again: the settings that differ from their defaults, as options and overrides."""
    from autotelic.errors import AutotelicError
    from autotelic.runs.settings import resolve
    from autotelic.systems.registry import find as find_recipe  # loads torch, which the rest of the report does not need

    name, chosen = name_of(run.recipe), _flat(run.settings)
    defaults: dict[str, str] = {}
    if not name.endswith(".py"):  # a recipe file is a program, and a report runs none
        with suppress(AutotelicError):
            about, own = find_recipe(name).about, resolve({"recipe": name})
            defaults = _flat(
                {key: value for part in own for key, value in part.model_dump(mode="json").items()} | {"model": about.model, "tasks": about.tasks}
            )
    left_out = {"recipe", "out", "seed"}
    changed = [f"{key}={value}" for key, value in chosen.items() if key not in left_out and value not in (defaults.get(key), "null")]
    return shlex.join(["autotelic", "run", name, "--seed", chosen.get("seed", "0"), *changed])


def _newest_rollouts(run: RunFiles) -> int | None:
    """The newest committed round that has rollouts, whole ones."""
    files = ((number, run.reader.round(number) / "rollouts.jsonl") for number in reversed(run.reader.numbers) if number <= run.done)
    kept = (number for number, file in files if file.is_file() and file.stat().st_size)
    return next((number for number in kept if not run.reader.fault(number, "rollouts.jsonl".__eq__)), None)


def _samples(run: RunFiles) -> list[tuple[str, list[dict[str, Any]]]]:
    """Best, worst and some rollouts of the last committed round that has any; the file is read once and never held whole."""
    number = _newest_rollouts(run)
    if number is None:
        return []
    some: list[dict[str, Any]] = []
    random = streams.generator("report", number)
    best: list[tuple[float, int, dict[str, Any]]] = []
    worst: list[tuple[float, int, dict[str, Any]]] = []
    for i, rollout in enumerate(run.reader.rollouts(number)):
        total = _total(rollout)
        if len(best) < SAMPLES or total > best[-1][0]:
            best = nlargest(SAMPLES, [*best, (total, -i, rollout)], key=lambda row: row[:2])
        if len(worst) < SAMPLES or total < worst[-1][0]:
            worst = nsmallest(SAMPLES, [*worst, (total, i, rollout)], key=lambda row: row[:2])
        place = i if i < SAMPLES else random.randrange(i + 1)
        if place < SAMPLES:
            some[place : place + 1] = [rollout]
    kinds = (("Some", some), ("Highest reward", [row[2] for row in best]), ("Lowest reward", [row[2] for row in worst]))
    return [(f"{kind} of round {number}", [_shown(rollout) for rollout in rollouts]) for kind, rollouts in kinds if rollouts]


def _total(rollout: Mapping[str, Any]) -> float:
    """Sum of the rewards of a rollout: only to choose what to show."""
    rewards = rollout.get("rewards") or {}
    total = sum(float(value) for value in rewards.values() if value is not None)
    return total if isfinite(total) else 0.0


def _shown(rollout: Mapping[str, Any]) -> dict[str, Any]:
    """A rollout as the page shows it: texts visible and short."""
    prompt = rollout.get("prompt")
    if isinstance(prompt, list):
        prompt = "\n".join(f"{message.get('role')}: {message.get('content')}" for message in prompt if isinstance(message, dict))
    advantage = rollout.get("advantage")
    return {
        "id": visible(str(rollout.get("id", ""))),
        "prompt": visible(str(prompt or "")),
        "text": visible(str(rollout.get("text") or "")),
        "answer": None if rollout.get("answer") is None else visible(str(rollout["answer"])),
        "gold": None if rollout.get("gold") is None else visible(str(rollout["gold"])),
        "rewards": [(name, f"{value:.3g}" if isinstance(value, int | float) else "none") for name, value in (rollout.get("rewards") or {}).items()],
        "advantage": f"{advantage:+.3g}" if isinstance(advantage, int | float) else None,
        "training": _training(rollout),
        "turns": [(f"{kind} {role}" if role else str(kind), visible(str(text))) for kind, role, text in rollout.get("turns") or ()],
        "about": ", ".join(f"{name} {rollout[name]}" for name in ("role", "tokens", "stop") if isinstance(rollout.get(name), str | int)),
    }


def _training(rollout: Mapping[str, Any]) -> str:
    """Whether a rollout was trained on, and with which weight where it is not 1."""
    weight = rollout.get("weight")
    if not rollout.get("trained"):
        return "not trained on"
    return "trained on" if weight in (None, 1.0) else f"trained on with weight {weight:.3g}"


def visible(text: str, most: int = MOST_TEXT) -> str:
    """Text cut to `most` characters, with control characters other than line breaks and tabs shown by their Unicode pictures."""
    cut = text if len(text) <= most else f"{text[:most]} … ({len(text) - most:,} more characters)"
    return "".join(chr(0x2400 + ord(c)) if ord(c) < 32 and c not in "\n\t" else c for c in cut)
