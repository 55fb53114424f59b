"""The gate: its settings, and the limits that no weights may break. Reads monitors that need no gold answer; here the truth is never seen.

Limits keep weights that cannot work out of a run: a collapse, a flood of unfinished completions, a sampler that no longer samples
what the trainer trains. Whether new weights are also better than those before is asked by `measures.champion`, where `by` says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Self

from pydantic import Field, model_validator

from autotelic.types import Metrics, Settings


class GateSettings(Settings):
    """What weights must pass. A share counts only where it is also worse than in the reference round, round 0."""

    mode: Literal["off", "warn", "gate"] = "gate"
    """"gate": weights that do not pass are rolled back. "warn": it is only said. "off": nothing is asked."""
    by: Literal["limits", "accuracy", "pass@1", "votes"] = "limits"
    """What new weights must do beyond keeping the limits below, before they are the champion that is handed over. "accuracy" and "pass@1": be better
    than the champion with gold answers, greedily or in samples. "votes", without gold answers: lose nothing that the first weights' samples agreed on."""
    error: float = Field(0.05, gt=0.0, lt=1.0)
    """The chance, for the whole run, that weights which are no better than the champion replace it."""
    share: float = Field(0.5, gt=0.0, lt=1.0)
    """Of the probe's tasks that decide; the verdict rests on the others."""
    abilities: str | None = None
    """Held-out tasks of earlier abilities with gold answers, named as `tasks`; weights that are worse than the first ones on these do not pass."""
    abilities_size: int = Field(100, ge=1, le=10**6)
    """How many of them are asked, greedily."""
    max_drift: float | None = Field(None, gt=0.0)
    """The largest distance from the first weights in nats a token: the KL divergence from them, along answers that are sampled to the deciding tasks."""
    max_unparsed: float = Field(0.9, ge=0.0, le=1.0)
    """Share of the probe's completions without an answer. A round's own rollouts do not count: a curriculum makes them harder on purpose."""
    max_truncated: float = Field(0.9, ge=0.0, le=1.0)
    """Share of the probe's completions that ran into the limit on new tokens."""
    min_distinct: float = Field(0.25, ge=0.0, le=1.0)
    """Distinct greedy answers on the probe, as a share of the reference's."""
    min_entropy: float = Field(0.0, ge=0.0)
    """Next-token entropy in nats. 0 is off: a model that is sure and right also has little entropy."""
    max_logp_gap: float = Field(0.5, gt=0.0)
    """Mean absolute difference in nats between the log-probabilities of the sampler and of the trainer for the same tokens."""

    @model_validator(mode="after")
    def _sensible(self) -> Self:
        extra = [name for name in ("abilities", "max_drift") if getattr(self, name) is not None]
        if extra and not self.challenges:
            raise ValueError(
                f"{extra[0]} is asked of challengers of a champion: set by to 'accuracy', 'pass@1' or 'votes', and mode to 'gate' or 'warn'"
            )
        return self

    @property
    def challenges(self) -> bool:
        """Whether there is a champion that new weights must pass."""
        return self.by != "limits" and self.mode != "off"

    @property
    def decides(self) -> bool:
        """Whether that champion is what is handed over."""
        return self.challenges and self.mode == "gate"


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate decided, and why; `reasons` is empty when the weights are kept."""

    keep: bool
    reasons: tuple[str, ...] = ()


def decide(now: Metrics, reference: Metrics, settings: GateSettings) -> Decision:
    """Keep the new weights or roll back to the old, from the metrics of this round and of the reference round.

    The reference is round 0, before training: against the round before, a slow decline would pass. A metric that is absent says nothing; one that is there and not finite rolls back where training wrote it.
    """
    if settings.mode == "off":
        return Decision(keep=True)
    reasons = tuple(_reasons(now, reference, settings))
    return Decision(not reasons, reasons)


def _reasons(now: Metrics, reference: Metrics, settings: GateSettings) -> Iterator[str]:
    for name in ("loss", "grad_norm"):
        if name in now and not isfinite(now[name]):
            yield f"{name} is {now[name]}"
    limits = (
        ("probe/unparsed", settings.max_unparsed),
        ("probe/truncated", settings.max_truncated),
    )
    for name, limit in limits:
        if now.get(name, 0.0) > max(limit, reference.get(name, 0.0)):
            yield f"{name} rose {reference.get(name, 0.0):.3f} -> {now[name]:.3f}, above {limit}"
    if "probe/distinct" in now and now["probe/distinct"] < settings.min_distinct * reference.get("probe/distinct", 0.0):
        yield f"probe/distinct fell {reference['probe/distinct']:.3f} -> {now['probe/distinct']:.3f}, below {settings.min_distinct} of the reference"
    for name in ("entropy", "probe/entropy"):
        if now.get(name, settings.min_entropy) < settings.min_entropy:
            yield f"{name} {now[name]:.4f} is below {settings.min_entropy}"
    gap = "sampling/sampling_logp_difference/mean"
    if abs(now.get(gap, 0.0)) > settings.max_logp_gap:
        yield f"{gap} {now[gap]:.3f} is above {settings.max_logp_gap}"
