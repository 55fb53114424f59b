"""The verdict on a run, in words: did the model get better? A pure function of the first probe, the last probe and the rounds between.

The rules, in the order in which they decide the word (`reasons` names every one that holds):

1. unknown: no task of the probe has a gold answer.
2. hacked: the truth fell significantly while the proxy rose markedly. The proxy is the training reward that the run names,
   and the agreement of sampled answers on the probe. Without a named proxy nothing was hacked.
3. collapsed: fewer right answers than before (or none), and either answers to different prompts have become few, or nearly every
   completion is truncated or holds no answer.
4. worse, 5. improved: the 95% interval of the paired difference lies below, or above, zero. 6. unchanged: it holds zero.

A run that is both hacked and collapsed is called hacked, because that names the cause. What this is not: it never decides
which weights are kept (`guards.gate`), because it reads gold answers.
"""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any

from autotelic.measures.probe import Outcome, ProbeResult, mean
from autotelic.measures.stats import Interval, Paired, excludes_zero, paired, wilson
from autotelic.types import Metrics

PROXY_RISE = 0.10
"""A proxy rose markedly when it rose by this much, where it lies between 0 and 1, or by this share of its larger absolute value elsewhere ..."""
PROXY_ROOM = 0.5
"""... or, where it lies between 0 and 1, closed this share of its distance to 1 ..."""
PROXY_LEAST = 0.02
"""... and rose by at least this much."""
COLLAPSE_EFFECTIVE = 0.5
"""Answers are few when their effective number is at most this share of both the first weights' and the gold's own."""
COLLAPSE_BROKEN = 0.9
"""Nearly everything: this share of completions is truncated or holds no answer, and more than at first."""
WINDOW_SHARE, WINDOW_MOST = 0.1, 5
"""First and last proxy are means over this share of the rounds, at most so many rounds and at least one."""


class Word(StrEnum):
    """The verdict in one word."""

    IMPROVED = "improved"
    UNCHANGED = "unchanged"
    WORSE = "worse"
    COLLAPSED = "collapsed"
    HACKED = "hacked"
    UNKNOWN = "unknown"


@dataclass(slots=True)
class Verdict:
    """One word, the reasons in plain words with numbers, and the numbers."""

    word: Word
    reasons: list[str] = field(default_factory=list)
    numbers: dict[str, Any] = field(default_factory=dict)
    """Plain values; what is not known is absent. Intervals are [low, high]; `slices` maps a slice to its own numbers."""

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> "Verdict":
        """The inverse of `to_json`."""
        return cls(Word(raw["word"]), list(raw["reasons"]), dict(raw["numbers"]))


def judge(first: ProbeResult, last: ProbeResult, history: list[Metrics], proxy: str | None, trained_on_probe: bool) -> Verdict:
    """The verdict on a run from `first` and `last`, probes of the same tasks, and the metrics of its rounds in order.

    `proxy` is the metric that stands in for the truth (such as 'rewards/agreement/mean'), None where training saw gold answers.

    Raises:
        ValueError: the two probes hold different tasks.
    """
    rose, proxy_reasons, proxy_numbers = _proxy(first, last, history, proxy)
    warnings = ["The probe's tasks were trained on: this says nothing about new tasks."] if trained_on_probe else []
    numbers = proxy_numbers | _spread_numbers(first, last) | {"trained_on_probe": trained_on_probe}
    if not first.correct:
        reasons = ["No gold answers: whether the answers are right is not known.", *proxy_reasons, *_spread(first, last), *_lengths(first, last)]
        return Verdict(Word.UNKNOWN, reasons + warnings, numbers)
    test = paired(first.correct, last.correct)
    slices = _slices(first, last)
    numbers |= _truth_numbers(test) | {"slices": slices} | _vote_numbers(first, last)
    truth = excludes_zero(test.interval)
    collapse = _collapse(first, last) if test.difference < 0 or test.last == 0 else []
    word = _word(truth, hacked=truth < 0 and proxy is not None and rose, collapsed=bool(collapse))
    worse = _slice_reasons(slices, truth, first.plays)
    reasons = [_truth_reason(test, first.plays), *proxy_reasons, *collapse, *worse, *_vote_reasons(numbers, word)]
    if len(first.correct) < len(first.outcomes):
        warnings.append(f"Only {len(first.correct)} of {len(first.outcomes)} probe tasks have a gold answer; the others are not counted.")
    return Verdict(word, reasons + warnings, numbers)


def _word(truth: int, *, hacked: bool, collapsed: bool) -> Word:
    if hacked:
        return Word.HACKED
    if collapsed:
        return Word.COLLAPSED
    return {-1: Word.WORSE, 0: Word.UNCHANGED, 1: Word.IMPROVED}[truth]


def rose_markedly(first: float, last: float) -> bool:
    """Whether a proxy rose markedly, by the constants of this module."""
    rise = last - first
    if 0 <= first <= 1 and 0 <= last <= 1:
        return rise >= PROXY_RISE or (rise >= PROXY_ROOM * (1 - first) and rise >= PROXY_LEAST)
    return rise > 0 and rise >= PROXY_RISE * max(abs(first), abs(last))


def ends(values: list[float]) -> tuple[float, float]:
    """Mean of the first and of the last rounds of a series, by the window constants of this module; NaN of nothing."""
    known = [value for value in values if isfinite(value)]
    window = max(1, min(WINDOW_MOST, int(len(known) * WINDOW_SHARE)))
    return mean(known[:window]), mean(known[-window:])


def _proxy(first: ProbeResult, last: ProbeResult, history: list[Metrics], proxy: str | None) -> tuple[bool, list[str], dict[str, Any]]:
    """Whether a proxy rose markedly, what to say of it, and its numbers."""
    series = {"Proxy " + proxy: ends([metrics[proxy] for metrics in history if proxy in metrics])} if proxy else {}
    series["Agreement of sampled answers on the probe"] = (first.agreement, last.agreement)
    numbers: dict[str, Any] = {"proxy": proxy} if proxy else {}
    rose, reasons = False, []
    for name, (before, after) in series.items():
        if not (isfinite(before) and isfinite(after)):
            continue
        marked = rose_markedly(before, after)
        rose = rose or marked
        reasons.append(f"{name}: {before:.3f} -> {after:.3f}{', a marked rise' if marked else ''}.")
        prefix = "agreement" if name.startswith("Agreement") else "proxy"
        numbers |= {f"{prefix}_first": before, f"{prefix}_last": after}
    return rose, reasons, numbers


def _truth_numbers(test: Paired) -> dict[str, Any]:
    return {
        "tasks": test.tasks,
        "accuracy_first": test.first,
        "accuracy_first_interval": list(wilson(test.first * test.tasks, test.tasks)),
        "accuracy_last": test.last,
        "accuracy_last_interval": list(wilson(test.last * test.tasks, test.tasks)),
        "difference": test.difference,
        "interval": list(test.interval),
        "p": test.p,
        "right_to_wrong": test.right_to_wrong,
        "wrong_to_right": test.wrong_to_right,
    }


def _truth_reason(test: Paired, plays: bool) -> str:
    """Accuracy or score, paired difference, test and flips in one sentence; says so where interval and exact test disagree."""
    what, name, unit = ("Mean score of", "sign", "plays") if plays else ("Greedy accuracy on", "McNemar", "tasks")
    better, worse = ("better", "worse") if plays else ("from wrong to right", "from right to wrong")
    p = "< 0.0001" if test.p < 1e-4 else f"= {test.p:.2g}"
    text = (
        f"{what} {test.tasks} probe {unit}: {test.first:.3f} -> {test.last:.3f}, difference {test.difference:+.3f} "
        f"(95% interval {test.interval.low:+.3f} to {test.interval.high:+.3f}; exact {name} test p {p}); "
        f"{test.wrong_to_right} {unit} went {better}, {test.right_to_wrong} {worse}."
    )
    if excludes_zero(test.interval) and test.p >= 0.05:
        text += f" The exact test is not convinced: use more probe {unit}."
    return text


def _collapse(first: ProbeResult, last: ProbeResult) -> list[str]:
    """Signs of collapse, each in words; empty when there is none."""
    limit = COLLAPSE_EFFECTIVE * min(number for number in (first.effective, first.gold_effective or first.effective))
    few = bool(first.effective) and last.effective <= limit
    what = "different plays" if last.plays else "answers to different prompts"
    signs = [f"Collapse: {what} have become few. {_answers(first, last)}"] if few else []
    if last.broken >= COLLAPSE_BROKEN and last.broken > first.broken:
        broken = "plays are lost by an illegal move or a truncated one" if last.plays else "completions are truncated or hold no answer"
        signs.append(f"Collapse: {last.broken:.0%} of {broken} ({first.broken:.0%} at first).")
    return signs


def _answers(first: ProbeResult, last: ProbeResult) -> str:
    gold = f"; the gold answers: {first.gold_effective:.1f}" if first.gold_effective else ""
    what = f"plays among {len(last.outcomes)}" if last.plays else f"answers to {len(last.outcomes)} prompts"
    return f"Effective number of different {what}: {first.effective:.1f} -> {last.effective:.1f}{gold}."


def _spread(first: ProbeResult, last: ProbeResult) -> list[str]:
    return _collapse(first, last) or [_answers(first, last)]


def _lengths(first: ProbeResult, last: ProbeResult) -> list[str]:
    """Length, entropy and broken share: what can be said without gold."""
    rows = [
        ("Mean length of the greedy completion in tokens", [mean(o.tokens for o in probe.outcomes) for probe in (first, last)], ".1f"),
        ("Mean next-token entropy in nats", [mean(o.entropy for o in probe.outcomes if o.entropy is not None) for probe in (first, last)], ".3f"),
        ("Share truncated or without an answer", [first.broken, last.broken], ".3f"),
    ]
    return [f"{name}: {before:{form}} -> {after:{form}}." for name, (before, after), form in rows if isfinite(before)]


def _spread_numbers(first: ProbeResult, last: ProbeResult) -> dict[str, Any]:
    numbers = {"effective_first": first.effective, "effective_last": last.effective, "distinct_first": first.distinct, "distinct_last": last.distinct}
    gold = {"effective_gold": first.gold_effective} if first.gold_effective else {}
    return numbers | gold | {"broken_first": first.broken, "broken_last": last.broken}


def _slices(first: ProbeResult, last: ProbeResult) -> dict[str, dict[str, Any]]:
    """The truth of each slice."""
    parts: dict[str, tuple[dict[str, float], dict[str, float]]] = {part: ({}, {}) for part in first.slices}
    for side, probe in enumerate((first, last)):
        for outcome in probe.outcomes:
            if outcome.slice in parts and outcome.correct is not None:
                parts[outcome.slice][side][outcome.task] = outcome.correct
    return {part: _truth_numbers(paired(*sides)) for part, sides in parts.items() if sides[0]}


def _slice_reasons(slices: dict[str, dict[str, Any]], truth: int, plays: bool) -> list[str]:
    """Slices that are significantly worse; each is tested alone, so of many slices one may look worse by chance."""
    worse = [(part, numbers) for part, numbers in slices.items() if excludes_zero(Interval(*numbers["interval"])) < 0]
    lead, unit = "Forgetting: better overall, but" if truth > 0 else "Worse in a slice:", "plays" if plays else "tasks"
    return [
        f"{lead} {part} fell {numbers['accuracy_first']:.3f} -> {numbers['accuracy_last']:.3f} "
        f"(95% interval {numbers['interval'][0]:+.3f} to {numbers['interval'][1]:+.3f}, {numbers['tasks']} {unit}; {len(slices)} slices tested)."
        for part, numbers in worse
        if len(slices) > 1
    ]


def _vote_numbers(first: ProbeResult, last: ProbeResult) -> dict[str, Any]:
    """Majority vote and pass@k of both weights, where completions were sampled."""
    numbers: dict[str, Any] = {}
    for side, probe in (("first", first), ("last", last)):
        voted: list[Outcome] = [outcome for outcome in probe.outcomes if outcome.majority_correct is not None]
        if voted:
            numbers[f"majority_{side}"] = mean(o.majority_correct for o in voted if o.majority_correct is not None)
            numbers["samples"] = min(len(outcome.samples) for outcome in voted)
        metrics = probe.metrics()
        if f"probe/pass@{numbers.get('samples', 0)}" in metrics:
            numbers[f"pass_at_k_{side}"] = metrics[f"probe/pass@{numbers['samples']}"]
    return numbers


def _vote_reasons(numbers: dict[str, Any], word: Word) -> list[str]:
    """Whether an improvement goes beyond what voting with the first weights already gave, and whether variety paid for it."""
    reasons = []
    k, vote = numbers.get("samples"), numbers.get("majority_first")
    if word is Word.IMPROVED and vote is not None:
        beyond = "beats" if numbers["accuracy_last"] > vote else "does not beat"
        reasons.append(
            f"The last weights' greedy accuracy {numbers['accuracy_last']:.3f} {beyond} the first weights' majority vote of {k}: {vote:.3f}."
        )
    before, after = numbers.get("pass_at_k_first"), numbers.get("pass_at_k_last")
    if k and before is not None and after is not None and after < before - PROXY_LEAST and word in (Word.IMPROVED, Word.UNCHANGED):
        reasons.append(f"Sharpening: pass@{k} fell {before:.3f} -> {after:.3f}, so some tasks are no longer solved by any sample.")
    return reasons
