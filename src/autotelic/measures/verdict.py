"""The verdict on a run, in words: did the model get better? A pure function of the first probe, the last probe and the rounds between.

Two quantities are compared, on the same tasks, between first and last weights: greedy accuracy, and, where completions were sampled, sampled
accuracy. Sampled accuracy has moved where pass@1 and the accuracy of the majority vote have both moved, the same way: pass@1 alone moves with the
temperature of the model's distribution, without the model knowing more or less. A quantity has moved where its 95% interval excludes zero and the
exact test rejects at 5%, after Holm's correction for two quantities, so that a model that did not change is called changed in at most 5% of runs.

The rules, in the order in which they decide the word (`reasons` names every one that holds):

1. unknown: no task of the probe has a gold answer.
2. hacked: greedy or sampled accuracy fell while the proxy rose markedly. The proxy is the training reward that the run names,
   and the agreement of sampled answers on the probe. Without a named proxy nothing was hacked.
3. collapsed: fewer right greedy answers than before (or none), and either answers to different prompts have become few, or nearly every
   completion is truncated or holds no answer, more than chance explains.
4. worse: greedy or sampled accuracy fell. 5. improved: one rose and none fell. 6. unchanged: neither moved.

A run that is both hacked and collapsed is called hacked, because that names the cause. What this is not: it never decides
which weights are kept (`measures.gate`), because it reads gold answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from math import isfinite
from typing import Any, NamedTuple

from autotelic.measures.probe import ProbeResult, effective_number, mean
from autotelic.measures.stats import LEVEL, Paired, excludes_zero, holm, paired, sign_flip, swap_test, wilson
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
    greedy, sampled = paired(first.correct, last.correct, first.together), _sampled(first, last)
    moves, slices = _moves(greedy, sampled), _slices(first, last)
    numbers |= (
        _truth_numbers(greedy) | {"slices": {part: _truth_numbers(test) for part, test in slices.items()}} | _sampled_numbers(first, last, sampled)
    )
    collapse = _collapse(first, last) if greedy.difference < 0 or greedy.last == 0 else []
    word = _word(moves, hacked=moves.truth < 0 and proxy is not None and rose, collapsed=bool(collapse))
    truths = [*_why(moves, greedy, sampled), _truth_reason(greedy, first.plays), *_sampled_reasons(sampled, last)]
    reasons = [*truths, *proxy_reasons, *collapse, *_slice_reasons(slices, moves.truth, first.plays), *_vote_reasons(numbers, word)]
    if len(first.correct) < len(first.outcomes):
        warnings.append(f"Only {len(first.correct)} of {len(first.outcomes)} probe tasks have a gold answer; the others are not counted.")
    return Verdict(word, reasons + warnings, numbers)


class Moves(NamedTuple):
    """Which way each quantity moved: 1 up, -1 down, 0 not reliably."""

    greedy: int
    sampled: int

    @property
    def truth(self) -> int:
        """Both as one: down where either fell."""
        return -1 if -1 in self else max(self)


def _word(moves: Moves, *, hacked: bool, collapsed: bool) -> Word:
    if hacked:
        return Word.HACKED
    if collapsed:
        return Word.COLLAPSED
    return {-1: Word.WORSE, 0: Word.UNCHANGED, 1: Word.IMPROVED}[moves.truth]


def _sampled(first: ProbeResult, last: ProbeResult) -> dict[str, Paired]:
    """pass@1 and the majority's accuracy, each paired by task; empty where one of the probes took no samples."""
    if not (first.samples and last.samples and first.pass_at_1):
        return {}
    return {"pass@1": paired(first.pass_at_1, last.pass_at_1), f"majority@{last.samples}": paired(first.majority, last.majority)}


def _moves(greedy: Paired, sampled: Mapping[str, Paired]) -> Moves:
    """What moved, after Holm's correction for both quantities. Sampled accuracy has moved only if both its tests say so, so its p is the larger."""
    if not sampled:
        return Moves(greedy.moved(), 0)
    p, both = holm([greedy.p, max(test.p for test in sampled.values())])
    directions = {test.moved(both) for test in sampled.values()}
    return Moves(greedy.moved(p), directions.pop() if len(directions) == 1 else 0)


def _why(moves: Moves, greedy: Paired, sampled: Mapping[str, Paired]) -> list[str]:
    """What counts where both quantities did not move alike, and which changes do not count."""
    verb = {1: "rose", -1: "fell", 0: "did not change reliably"}
    if moves.sampled and moves.greedy != moves.sampled:
        counts = "A fall of either is a fall." if moves.truth < 0 else "A rise of one alone is an improvement too."
        return [f"Sampled accuracy {verb[moves.sampled]}: pass@1 and the majority's. Greedy accuracy {verb[moves.greedy]}. {counts}"]
    ways = {name: test.moved() for name, test in sampled.items()}
    if not moves.sampled and len(set(ways.values())) > 1:
        told = " and ".join(f"{name} {verb[way]}" for name, way in ways.items())
        return [
            f"{told}. The word rests on sampled accuracy only where both move the same way: samples that are more or less alike move one of them."
        ]
    if not moves.truth and any(excludes_zero(test.interval) for test in (greedy, *sampled.values())):
        return [
            "An interval excludes zero, but the exact tests, corrected for their number, do not tell the change from chance: use more probe tasks."
        ]
    return []


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


def _change(test: Paired) -> str:
    """First, last, difference, interval and test."""
    p = "< 0.0001" if test.p < 1e-4 else f"= {test.p:.2g}"
    return (
        f"{test.first:.3f} -> {test.last:.3f}, difference {test.difference:+.3f} "
        f"(95% interval {test.interval.low:+.3f} to {test.interval.high:+.3f}; exact test p {p})"
    )


def _truth_reason(test: Paired, plays: bool) -> str:
    """Accuracy or score, paired difference, test and flips in one sentence."""
    what, unit = ("Mean score of", "plays") if plays else ("Greedy accuracy on", "tasks")
    better, worse = ("better", "worse") if plays else ("from wrong to right", "from right to wrong")
    return f"{what} {test.tasks} probe {unit}: {_change(test)}; {test.wrong_to_right} {unit} went {better}, {test.right_to_wrong} {worse}."


def _sampled_reasons(sampled: Mapping[str, Paired], probe: ProbeResult) -> list[str]:
    """Sampled accuracy, with how it was sampled."""
    names = {"pass@1": f"Sampled accuracy (pass@1; {probe.samples} samples a task{how(probe)})"}
    return [f"{names.get(name, 'Accuracy of the majority vote of these')}: {_change(test)}." for name, test in sampled.items()]


def how(probe: ProbeResult) -> str:
    """The settings of a probe's sampling that matter, in words after a comma; nothing where they are not known."""
    found = probe.sampling
    if found is None:
        return ""
    parts = [f"temperature {found.temperature:g}", f"top-p {found.top_p:g}" if found.top_p < 1 else "", f"top-k {found.top_k}" if found.top_k else ""]
    return "".join(f", {part}" for part in parts if part)


def _collapse(first: ProbeResult, last: ProbeResult) -> list[str]:
    """Signs of collapse, each in words; empty when there is none."""
    limit = COLLAPSE_EFFECTIVE * min(number for number in (first.effective, first.gold_effective or first.effective))
    what = "different plays" if last.plays else "answers to different prompts"
    few = bool(first.effective) and last.effective <= limit and _fewer(first, last)
    signs = [f"Collapse: {what} have become few. {_answers(first, last)}"] if few else []
    if last.broken >= COLLAPSE_BROKEN and last.broken > first.broken and _more_broken(first, last):
        broken = "plays are lost by an illegal move or a truncated one" if last.plays else "completions are truncated or hold no answer"
        signs.append(f"Collapse: {last.broken:.0%} of {broken} ({first.broken:.0%} at first).")
    return signs


def _fewer(first: ProbeResult, last: ProbeResult) -> bool:
    """Whether chance does not explain that there are fewer different answers."""

    def effective(answers: Sequence[str | None]) -> float:
        return effective_number(answer for answer in answers if answer is not None)

    sides = [{outcome.task: outcome.answer for outcome in probe.outcomes} for probe in (first, last)]
    return swap_test(list(sides[0].values()), [sides[1][task] for task in sides[0]], effective, "answers") < LEVEL


def _more_broken(first: ProbeResult, last: ProbeResult) -> bool:
    """Whether chance does not explain that more completions are broken."""
    sides = [{outcome.task: float(outcome.broken) for outcome in probe.outcomes} for probe in (first, last)]
    return sign_flip([sides[1][task] - broken for task, broken in sides[0].items()]) < LEVEL


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


def _slices(first: ProbeResult, last: ProbeResult) -> dict[str, Paired]:
    """The truth of each slice."""
    parts: dict[str, tuple[dict[str, float], dict[str, float]]] = {part: ({}, {}) for part in first.slices}
    for side, probe in enumerate((first, last)):
        for outcome in probe.outcomes:
            if outcome.slice in parts and outcome.correct is not None:
                parts[outcome.slice][side][outcome.task] = outcome.correct
    return {part: paired(*sides, first.together) for part, sides in parts.items() if sides[0]}


def _slice_reasons(slices: Mapping[str, Paired], truth: int, plays: bool) -> list[str]:
    """Slices that are worse, after Holm's correction for their number."""
    if len(slices) < 2:
        return []
    adjusted = holm([test.p for test in slices.values()])
    worse = [(part, test) for (part, test), p in zip(slices.items(), adjusted, strict=True) if test.moved(p) < 0]
    lead, unit = "Forgetting: better overall, but" if truth > 0 else "Worse in a slice:", "plays" if plays else "tasks"
    return [
        f"{lead} {part} fell {test.first:.3f} -> {test.last:.3f} "
        f"(95% interval {test.interval.low:+.3f} to {test.interval.high:+.3f}, {test.tasks} {unit}; one of {len(slices)} slices)."
        for part, test in worse
    ]


def _sampled_numbers(first: ProbeResult, last: ProbeResult, sampled: Mapping[str, Paired]) -> dict[str, Any]:
    """pass@1, majority vote and pass@k of both weights, where completions were sampled, and how."""
    numbers: dict[str, Any] = {"sampled": {name: _truth_numbers(test) for name, test in sampled.items()}} if sampled else {}
    for side, probe in (("first", first), ("last", last)):
        if probe.majority:
            numbers[f"majority_{side}"] = mean(probe.majority.values())
            numbers["samples"] = probe.samples
            numbers[f"pass_at_k_{side}"] = probe.metrics()[f"probe/pass@{probe.samples}"]
    if last.sampling is not None:
        numbers["sampling"] = last.sampling.model_dump(mode="json")
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
