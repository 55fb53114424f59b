"""How much a run may use, as a setting: seconds, or tokens of some kind. What was used is counted by the meter; nothing is stopped here."""

import re
from typing import Any, Literal

from pydantic import Field, model_validator

from autotelic.measures.meter import TRAINED
from autotelic.types import Metrics, Settings

USED = "budget/used"
"""The metric that says how much of its budget a run has used."""
POINTS = 10
"""A run with a budget is probed at so many points of it, where nothing else is said."""
UNLIMITED = 10**6
"""Rounds of a run that ends with its budget."""
IDLE = 10
"""A run that has used nothing of its budget after so many rounds would never end."""
TIMES = {"s": 1, "m": 60, "min": 60, "h": 3600}
COUNTS = {"": 1, "k": 10**3, "M": 10**6, "B": 10**9}
KINDS = ("sampled", "trained", "passes")
NAMES = {"seconds": "s of wall time", "sampled": "sampled tokens", "trained": "trained tokens", "passes": "passes"}
SHAPE = re.compile(r"([0-9]*\.?[0-9]+)([a-zA-Z]*)(?:[ :-]([a-z]+))?")
EXAMPLES = "5m or 2h of wall time, 200k sampled tokens, 200k-trained, 1M-passes"


class Budget(Settings):
    """How much a run may use; the round in which it is reached is the last. As text such as "5m" or "200k-trained"."""

    amount: float = Field(gt=0.0, le=1e15)
    """In the unit."""
    unit: Literal["seconds", "sampled", "trained", "passes"] = "sampled"
    """Seconds of wall time without probes, tokens sampled, tokens trained on, or passes: 1 for a token sampled or read, 3 for one trained on."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return value if isinstance(value, dict | Budget) else parts_of(str(value))

    def used(self, metrics: Metrics, seconds: float) -> float:
        """What a run has used after so many seconds and with these counts of tokens in its metrics."""
        sampled, trained = metrics["tokens/sampled"], metrics["tokens/trained"]
        passes = sampled + metrics["tokens/read"] + TRAINED * trained
        return {"seconds": seconds, "sampled": sampled, "trained": trained, "passes": passes}[self.unit]

    def point(self, metrics: Metrics) -> int:
        """How many of the points at which a run is probed lie behind it."""
        return int(metrics.get(USED, 0.0) * POINTS / self.amount)

    def is_used(self, metrics: Metrics) -> bool:
        """Whether nothing is left of it."""
        return metrics.get(USED, 0.0) >= self.amount

    def __str__(self) -> str:
        """For people: "200k sampled tokens", "5 min"."""
        scales = [("h", 3600), ("min", 60), ("s", 1)] if self.unit == "seconds" else [("B", 10**9), ("M", 10**6), ("k", 10**3), ("", 1)]
        name, scale = next((one for one in scales if self.amount >= one[1]), scales[-1])
        return f"{self.amount / scale:g}{' ' * (self.unit == 'seconds')}{name}" + (f" {NAMES[self.unit]}" if self.unit != "seconds" else "")


def parts_of(text: str) -> dict[str, Any]:
    """The parts of a budget.

    Raises:
        ValueError: it is none.
    """
    found = SHAPE.fullmatch(text.strip())
    number, suffix, kind = found.groups() if found else ("", "", None)
    if number and suffix in TIMES and kind is None:
        return {"amount": float(number) * TIMES[suffix], "unit": "seconds"}
    if number and suffix in COUNTS and (kind in KINDS or (kind is None and suffix)):
        return {"amount": float(number) * COUNTS[suffix], "unit": kind or "sampled"}
    raise ValueError(f"{text!r} is no budget; say {EXAMPLES}")
