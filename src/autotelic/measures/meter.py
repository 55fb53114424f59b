"""What a run has cost: tokens and seconds, counted in one place. Cumulative over the run, whatever is rolled back or dropped. The budget of a run is `measures.budget`."""

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from autotelic.types import Metrics

TRAINED = 3
"""A token that is trained on costs about as much as so many that are sampled or read: once forward, and about twice that backward."""


@dataclass(slots=True)
class Meter:
    """One per run. The engine's front, the policies and the learners add to it."""

    sampled: int = 0
    """Tokens sampled."""
    read: int = 0
    """Tokens read without being sampled or trained on: prompts, once for all samples of a request, and texts that a policy scores."""
    trained: int = 0
    """Tokens trained on, prompts included, once for every update."""
    calls: int = 0
    """Batches sent to the engine."""
    completions: int = 0
    """Completions sampled, which made up these batches."""
    sampling: float = 0.0
    """Seconds in the engine."""
    learning: float = 0.0
    """Seconds in learners."""
    asked: int = 0
    """Requests to endpoints. They and their tokens are apart from those of the run's own weights, and in no sum with them."""
    endpoint_read: int = 0
    """Tokens of prompts, as endpoints count them."""
    endpoint_sampled: int = 0
    """Tokens of replies, as endpoints count them."""

    @property
    def passes(self) -> int:
        """All tokens, in ones that went through the network once."""
        return self.sampled + self.read + TRAINED * self.trained

    def copy(self) -> "Meter":
        """The counts as they are now."""
        return replace(self)

    def since(self, before: "Meter") -> "Meter":
        """What was counted after `before` was."""
        return Meter(**{field.name: getattr(self, field.name) - getattr(before, field.name) for field in fields(self)})

    def set(self, other: "Meter") -> None:
        """Take over the counts of another."""
        for field in fields(self):
            setattr(self, field.name, getattr(other, field.name))

    def state(self) -> dict[str, Any]:
        """Plain values to save."""
        return asdict(self)

    def metrics(self) -> Metrics:
        """The cumulative counts of tokens and calls, under the names of a run's history."""
        own = {f"tokens/{name}": float(getattr(self, name)) for name in ("sampled", "read", "trained")} | {"engine/calls": float(self.calls)}
        if not self.asked:
            return own
        return own | {
            "endpoint/requests": float(self.asked),
            "endpoint/read": float(self.endpoint_read),
            "endpoint/sampled": float(self.endpoint_sampled),
        }
