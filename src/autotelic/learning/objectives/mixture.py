"""Sums of objectives, each over its own part of the examples."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from pydantic import Field, SerializeAsAny, field_validator
from torch import Tensor

from autotelic.learning.objectives.base import Batch, Objective, Seen, Totals
from autotelic.networks.scoring import Scores
from autotelic.types import Example, Metrics, Settings


class Term(Settings):
    """One term of a `Mixture`: coefficient x objective over the examples whose `part` bears its name."""

    objective: SerializeAsAny[Objective]
    coefficient: float = 1.0


class Mixture(Objective):
    """sum over terms of coefficient x loss of the term's own rows, each normalized by the totals of its own rows.

    A policy gradient beside a likelihood on other text, or beside a regression on one token, is a mixture. Metrics of a term bear its name.
    """

    terms: dict[str, Term] = Field(min_length=1)

    @field_validator("terms", mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """A bare objective is a term with coefficient 1."""
        return {name: Term(objective=term) if isinstance(term, Objective) else term for name, term in value.items()}

    @property
    def needs_reference(self) -> bool:
        return any(term.objective.needs_reference for term in self.terms.values())

    @property
    def looks_ahead(self) -> bool:
        return any(term.objective.looks_ahead for term in self.terms.values())

    def scored_at(self, item: Example) -> float:
        return self.terms[item.part].objective.scored_at(item)

    def leaves_out(self, item: Example) -> bool:
        return item.part in self.terms and self.terms[item.part].objective.leaves_out(item)

    def adds_nothing(self, item: Example) -> bool:
        return self.terms[item.part].objective.adds_nothing(item)

    def refuse(self, item: Example, version: int) -> str | None:
        if item.part not in self.terms:
            return f"its part {item.part!r} is none of {sorted(self.terms)}"
        return self.terms[item.part].objective.refuse(item, version)

    def asked(self, items: Sequence[Example]) -> list[Example]:
        return [item for _, own, objective in self._looking(items) for item in objective.asked(own)]

    def shifts(self, items: Sequence[Example], seen: Sequence[Seen]) -> list[float]:
        found, rest = [0.0] * len(items), iter(seen)
        for places, own, objective in self._looking(items):
            shifts = objective.shifts(own, list(islice(rest, len(objective.asked(own)))))
            for place, shift in zip(places, shifts, strict=True):
                found[place] = shift
        return found

    def _looking(self, items: Sequence[Example]) -> Iterator[tuple[list[int], list[Example], Objective]]:
        """The places and the rows of each term that looks ahead and has any."""
        for name, term in self.terms.items():
            places = [place for place, item in enumerate(items) if item.part == name]
            if term.objective.looks_ahead and places:
                yield places, [items[place] for place in places], term.objective

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        losses: list[Tensor] = []
        metrics: Metrics = {}
        for name, term in self.terms.items():
            rows = torch.tensor([i for i, part in enumerate(batch.parts) if part == name], dtype=torch.int64, device=batch.tokens.device)
            if len(rows):
                loss, found = term.objective.loss(now.select(rows), batch.select(rows), totals.parts[name])
                losses.append(term.coefficient * loss)
                metrics |= {f"{name}/{key}": value for key, value in found.items()}
        return torch.stack(losses).sum(), metrics
