"""The gate: whether the weights of a round replace the ones before it. Reads monitors that need no gold answer; it never sees the truth.

It keeps weights that cannot work out of a run: a collapse, a flood of unfinished completions, a sampler that no longer samples
what the trainer trains. It does not ask whether the model got better; that is the verdict's question, asked once, with gold answers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from pydantic import Field

from autotelic.types import Metrics, Settings


class GateSettings(Settings):
    """Limits of the gate. A share counts only where it is also worse than in the reference round, round 0."""

    enabled: bool = True
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


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate decided, and why; `reasons` is empty when the weights are kept."""

    keep: bool
    reasons: tuple[str, ...] = ()


def decide(now: Metrics, reference: Metrics, settings: GateSettings) -> Decision:
    """Keep the new weights or roll back to the old, from the metrics of this round and of the reference round.

    The reference is round 0, before training: against the round before, a slow decline would pass. A metric that is absent says nothing; one that is there and not finite rolls back where training wrote it.
    """
    if not settings.enabled:
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
