"""The charts of a report, from what a run directory holds: truth and proxy, votes, slices, monitors, seconds. How a chart is drawn is in `runs.plots`."""

from collections.abc import Iterable, Sequence
from math import isfinite, nan

from markupsafe import Markup

from autotelic.measures.stats import wilson
from autotelic.runs.plots import Bar, Series, bar_chart, heat_map, line_chart
from autotelic.runs.snapshot import RunFiles

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


def truth_chart(run: RunFiles) -> Markup:
    return line_chart(_truth_lines(run), name="Truth and proxy over rounds", x_label="round", y_label="share", x_range=run.span, y_range=(0.0, 1.0))


def truth_legend(run: RunFiles) -> list[tuple[str, str, str]]:
    return [("", line.name, line.color + (" dashed" if line.dashed else "")) for line in _truth_lines(run)]


def own_scale_proxy_chart(run: RunFiles) -> Markup:
    """The proxy alone, where it is no share and needs a scale of its own."""
    proxy = _proxy_series(run)
    if not proxy or _is_share(proxy.ys):
        return Markup()
    return line_chart([proxy], name=proxy.name, x_label="round", y_label=proxy.name, x_range=run.span, size=(480, 220))


def vote_lines(run: RunFiles) -> list[tuple[str, str, str]]:
    """Metrics, names and colors of pass@k and majority@k."""
    found = [name for name in run.names() if name.startswith(("probe/pass@", "probe/majority@"))]
    colors = {"probe/pass@1": "c1"}
    return [(name, name.removeprefix("probe/"), colors.get(name, "c3" if "pass" in name else "c2")) for name in found]


def lines_chart(run: RunFiles, rows: Sequence[tuple[str, str, str]], name: str, unit: str) -> Markup:
    lines = [Series(words, *run.series(metric), color=color) for metric, words, color in rows]
    return line_chart(lines, name=name, x_label="round", y_label=unit, x_range=run.span, y_range=(0.0, 1.0))


def _slices(run: RunFiles) -> list[str]:
    """The slices of the probe, where there are several."""
    named = run.first.slices if run.first else []
    prefix = "probe/accuracy/"
    found = list(dict.fromkeys([*named, *(name.removeprefix(prefix) for name in run.names() if name.startswith(prefix))]))
    return found if len(found) > 1 else []


def slice_heat(run: RunFiles) -> Markup:
    slices = _slices(run)
    probed = [(float(r), metrics) for r, metrics in run.rounds if any(f"probe/accuracy/{part}" in metrics for part in slices)]
    values = [[metrics.get(f"probe/accuracy/{part}", nan) for _, metrics in probed] for part in slices]
    return heat_map(slices, [r for r, _ in probed], values, name="Accuracy by slice over rounds", x_label="round")


def slice_bars(run: RunFiles) -> Markup:
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


def monitors(run: RunFiles) -> list[tuple[str, str, str, Markup]]:
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


def seconds_chart(run: RunFiles) -> Markup:
    """Seconds of the whole run by phase."""
    phases = [name for name in run.names() if name.startswith("seconds/") and name != "seconds/total"]
    sums = [(name.removeprefix("seconds/"), sum(v for v in run.series(name)[1] if isfinite(v))) for name in phases]
    rows = [(PHASES.get(phase, phase), [Bar("seconds", total, "c1")]) for phase, total in sorted(sums, key=lambda row: -row[1])]
    return bar_chart(rows, name="Seconds by phase", x_label="seconds, all rounds")
