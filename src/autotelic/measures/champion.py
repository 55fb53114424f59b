"""Whether new weights replace the champion, by held-out tasks: a paired test whose error is bounded for the whole run, and what must not be lost for it.

The champion is the first weights until others win. Training goes on from weights that are neither better nor worse; those that are worse, or have
forgotten what they could do, or are too far from the first ones, go back to the champion. The tasks that decide here are not among those that the
verdict rests on. Limits that no weights may break are in `measures.gate`. Numbers in, numbers out.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from autotelic.measures.gate import GateSettings
from autotelic.measures.probe import Outcome, ProbeResult
from autotelic.measures.stats import LEVEL, Paired, paired
from autotelic.types import Metrics

Action = Literal["promoted", "waits", "rolled back"]
CHAMPION, PROMOTED, ABILITIES, DRIFT = "gate/champion", "gate/promoted", "gate/abilities", "gate/drift"
SURE = 0.5
"""Of the first weights' samples of a task more than this share must agree before their answer counts as known where there is no gold."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Who is champion, and how often it was challenged."""

    round: int
    looks: int


def standing(history: Mapping[int, Metrics]) -> Standing:
    """From the metrics of the rounds so far."""
    looks = [metrics[CHAMPION] for _, metrics in sorted(history.items()) if CHAMPION in metrics]
    return Standing(int(looks[-1]) if looks else 0, len(looks))


def level(error: float, look: int) -> float:
    """What of the error a look may spend, from look 1 on: error / (look * (look + 1)), which sums to the error however many looks there are."""
    return error / (look * (look + 1))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What becomes of a challenger."""

    action: Action
    reasons: tuple[str, ...]
    metrics: Metrics


def rule(
    champion: ProbeResult,
    challenger: ProbeResult,
    first: ProbeResult,
    look: int,
    settings: GateSettings,
    abilities: tuple[ProbeResult, ProbeResult] | None = None,
    drift: float | None = None,
) -> Ruling:
    """What becomes of a challenger at its `look`, from 1 on.

    All three saw the same tasks. `abilities`: what the first weights and the challenger did with tasks of earlier abilities. `drift`: how far the
    challenger is from the first weights, in nats a token. With gold it is promoted where the exact paired test (`stats.sign_flip`), of one side, says at
    `level` that it is better than the champion. With votes there is no better: it is promoted where it has lost nothing that the first weights were sure
    of. What was lost is tested at 5% in every look, so that a loss is seen soon.
    """
    label_free = settings.by == "votes"
    test = compared(first if label_free else champion, challenger, settings, first)
    spent = level(settings.error, look)
    metrics: Metrics = {"gate/difference": test.difference} if test.tasks else {}
    reasons = [] if not worse(test) else [f"{WHAT[settings.by]} on {test.tasks} tasks fell {change(test)}"]
    if abilities is not None:
        kept = paired(abilities[0].correct, abilities[1].correct)
        metrics[ABILITIES] = kept.last
        reasons += [f"accuracy on {kept.tasks} tasks of earlier abilities fell {change(kept)}"] if worse(kept) else []
    if drift is not None and settings.max_drift is not None:
        metrics[DRIFT] = drift
        reasons += [f"{drift:.3f} nats a token from the first weights, above {settings.max_drift}"] if not drift <= settings.max_drift else []
    if reasons:
        return Ruling("rolled back", tuple(reasons), metrics)
    if label_free:
        return Ruling("promoted", (), metrics)
    if better(test) <= spent:
        return Ruling("promoted", (f"{WHAT[settings.by]} on {test.tasks} tasks rose {change(test)}, at a level of {spent:.2g}",), metrics)
    return Ruling("waits", (), metrics)


WHAT = {"accuracy": "greedy accuracy", "pass@1": "sampled accuracy", "votes": "agreement with what the first weights were sure of"}


def compared(before: ProbeResult, after: ProbeResult, settings: GateSettings, first: ProbeResult) -> Paired:
    """Two sets of weights by what decides."""
    known = sure(first) if settings.by == "votes" else {}
    one, two = (graded(result, settings, known) for result in (before, after))
    return paired(one, two, after.together)


def graded(result: ProbeResult, settings: GateSettings, known: Mapping[str, str]) -> dict[str, float]:
    """By task, from 0 to 1, what decides."""
    if settings.by == "votes":
        return {outcome.task: float(outcome.answer == known[outcome.task]) for outcome in result.outcomes if outcome.task in known}
    return result.correct if settings.by == "accuracy" else result.pass_at_1


def sure(first: ProbeResult) -> dict[str, str]:
    """By task the answer on which the first weights' samples agree, where more than `SURE` of them do."""
    return {outcome.task: label for outcome in first.outcomes if (label := agreed(outcome)) is not None}


def agreed(outcome: Outcome) -> str | None:
    """The answer of more than `SURE` of the samples."""
    votes = Counter(answer for answer in outcome.samples if answer is not None).most_common(1)
    return votes[0][0] if votes and votes[0][1] > SURE * len(outcome.samples) else None


def better(test: Paired) -> float:
    """The p-value of one side that the last is better than the first."""
    return test.p / 2 if test.difference > 0 else 1.0


def worse(test: Paired) -> bool:
    """Whether the last is worse than the first, at 5% of one side."""
    return test.difference < 0 and test.p / 2 < LEVEL


def change(test: Paired) -> str:
    """First to last."""
    return f"{test.first:.3f} -> {test.last:.3f} (exact test of one side p = {test.p / 2:.2g})"


def told(champion: int, last: int, settings: GateSettings, deciding: int, judging: int) -> str:
    """What a report says of the weights that are handed over."""
    who = "the first ones: none after them passed" if champion == 0 else f"those of round {champion} of {last}, the last to pass"
    by = WHAT[settings.by]
    chance = "" if settings.by == "votes" else f", with a chance of {settings.error:g} for the run that weights which are no better pass"
    return f"The weights are {who} the gate, by {by} on {deciding} probe tasks{chance}. The verdict rests on the other {judging}."
