"""Which round's weights are handed over, and when a run has seen enough: both by a part of the probe that the verdict then leaves out.

A score that chose among rounds is too high for the one it chose; so no task is used both to choose and to judge. Not the gate, which keeps weights that
cannot work out of the run as it goes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import Literal, Self

from pydantic import Field, model_validator

from autotelic import streams
from autotelic.errors import SettingError
from autotelic.measures.probe import Outcome, ProbeResult, mean
from autotelic.types import Metrics, Settings

SCORE, ROLLED_BACK = "select/score", "gate/rolled_back"
GOLD = ("accuracy", "pass@1")


class Selection(Settings):
    """How the weights that are handed over are chosen, and when a run ends early."""

    by: Literal["last", "accuracy", "pass@1", "agreement"] = "last"
    """"last": the last round's. Else those of the round with the highest score on the chosen part of the probe, the earliest of equal ones, round 0
    included: greedy accuracy, sampled accuracy, or without gold answers the agreement of samples."""
    share: float = Field(0.5, gt=0.0, lt=1.0)
    """Of the probe's tasks that choose; the others judge."""
    patience: int | None = Field(None, ge=1)
    """Probes without a higher score after which the run ends; None: it goes through all rounds."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        if self.by == "last" and self.patience is not None:
            raise ValueError("patience counts probes without a higher score: set by to 'accuracy', 'pass@1' or 'agreement'")
        return self

    @property
    def chooses(self) -> bool:
        """Whether the probe chooses."""
        return self.by != "last"


def parts(result: ProbeResult, share: float, name: str = "select.share") -> tuple[ProbeResult, ProbeResult]:
    """What a probe saw of the tasks that choose, and of those that judge: the same tasks in every round. What is not independent stays together.
    `name` is the setting that says the share.

    Raises:
        SettingError: there are too few tasks for two parts.
    """
    kinds = sorted({kind(outcome) for outcome in result.outcomes}, key=lambda name: (streams.key("select", name), name))
    count = max(1, round(len(kinds) * share))
    if count >= len(kinds):
        raise SettingError(f"{name} = {share}: of {len(kinds)} independent probe tasks none is left to judge by; use more, or a smaller share")
    chosen = set(kinds[:count])
    choosing = [outcome for outcome in result.outcomes if kind(outcome) in chosen]
    return replace(result, outcomes=choosing), replace(result, outcomes=[one for one in result.outcomes if kind(one) not in chosen])


def kind(outcome: Outcome) -> str:
    """What an outcome shares with others that are not independent of it; its task alone."""
    return outcome.shared or outcome.task


def score(result: ProbeResult, settings: Selection) -> Metrics:
    """The score of some weights, where the probe chooses.

    Raises:
        SettingError: it cannot be had: no gold answers, no samples, too few tasks.
    """
    if not settings.chooses:
        return {}
    choosing, _ = parts(result, settings.share)
    values = {"accuracy": choosing.accuracy(), "pass@1": mean(choosing.pass_at_1.values()), "agreement": choosing.agreement}
    if isnan(value := values[settings.by]):
        lacking = "no gold answer is known of the tasks that choose" if settings.by in GOLD and not choosing.correct else "the probe takes no samples"
        raise SettingError(f"select.by = {settings.by!r}: {lacking}")
    return {SCORE: value}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The best round so far."""

    round: int
    score: float
    waited: int
    """Scores since then, none of them higher."""


def best(history: Mapping[int, Metrics]) -> Chosen | None:
    """The round with the highest score, the earliest of equal ones; None without scores. Rounds that the gate rolled back count as waiting alone."""
    found: Chosen | None = None
    for number, metrics in sorted(history.items()):
        if SCORE not in metrics:
            continue
        if found is None or (metrics[SCORE] > found.score and not metrics.get(ROLLED_BACK)):
            found = Chosen(number, metrics[SCORE], 0)
        else:
            found = replace(found, waited=found.waited + 1)
    return found


def told(chosen: Chosen, last: int, settings: Selection, choosing: int, judging: int) -> str:
    """What a report says of the choice."""
    what = {"accuracy": "greedy accuracy", "pass@1": "sampled accuracy", "agreement": "agreement of samples"}[settings.by]
    return (
        f"The weights are those of round {chosen.round} of {last}, chosen by {what} ({chosen.score:.3f}) on {choosing} probe tasks. "
        f"The verdict rests on the other {judging}, which chose nothing."
    )
