"""Preferences without pairs: each example is good or bad by itself."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from pydantic import Field
from torch import Tensor

from autotelic.learning.examples import prompt_length
from autotelic.learning.objectives.base import Batch, Seen, TextObjective, Totals
from autotelic.learning.objectives.pairs import log_ratios
from autotelic.networks.scoring import Scores
from autotelic.types import Example, Metrics


class KTO(TextObjective):
    """lambda (1 - sigmoid(beta (h - z))) of a good example, lambda (1 - sigmoid(beta (z - h))) of a bad one, a mean over examples: KTO (arXiv:2402.01306).

    h as in `pairs`. Examples are good or bad by their `side`, "chosen" or "rejected"; pairs may be given too, and are not compared. z = max(0, mean h of
    mismatched texts), without gradient: the prompt of each example of the step, followed by the completion of the next one with another prompt. It is
    0 where the step has but one prompt.
    """

    beta: float = Field(0.1, gt=0.0)
    desirable: float = Field(1.0, ge=0.0)
    """lambda of good examples."""
    undesirable: float = Field(1.0, ge=0.0)
    """lambda of bad ones. The paper advises lambdas by which both kinds weigh about the same in sum."""

    @property
    def needs_reference(self) -> bool:
        return True

    @property
    def looks_ahead(self) -> bool:
        return True

    def refuse(self, item: Example, version: int) -> str | None:
        return "it is neither good nor bad: its side is neither 'chosen' nor 'rejected'" if item.side is None else None

    def asked(self, items: Sequence[Example]) -> list[Example]:
        longest = max(len(item.tokens) for item in items)
        return [
            replace(mismatched(item, other, longest), pair=None)
            for item, other in zip(items, next_with_other_prompt(items), strict=True)
            if other is not None
        ]

    def shifts(self, items: Sequence[Example], seen: Sequence[Seen]) -> list[float]:
        return [-max(0.0, fmean(each.logprob - each.reference for each in seen)) if seen else 0.0] * len(items)

    def loss(self, now: Scores, batch: Batch, totals: Totals) -> tuple[Tensor, Metrics]:
        h = log_ratios(now, batch, "sum")
        assert batch.shift is not None, "the learner looks ahead for objectives that ask for it"
        good, bad = batch.chosen, batch.rejected
        value = self.beta * (h + batch.shift)
        losses = self.desirable * ((-value).sigmoid() * batch.weight)[good].sum() + self.undesirable * (value.sigmoid() * batch.weight)[bad].sum()
        return losses / totals.sequences, {
            "rewards/chosen": float(self.beta * h[good].detach().sum() / totals.pairs),
            "rewards/rejected": float(self.beta * h[bad].detach().sum() / max(totals.sequences - totals.pairs, 1)),
            "kl": float(-batch.shift.sum() / totals.sequences),
        }


def next_with_other_prompt(items: Sequence[Example]) -> list[Example | None]:
    """For each example the next one, in a circle, that has another prompt."""
    prompts = [tuple(item.tokens[: prompt_length(item)]) for item in items]
    found: list[Example | None] = []
    for place, prompt in enumerate(prompts):
        circle = [*range(place + 1, len(items)), *range(place)]
        found.append(next((items[other] for other in circle if prompts[other] != prompt), None))
    return found


def mismatched(item: Example, other: Example, longest: int) -> Example:
    """The prompt of `item` followed by the completion of `other`, cut to `longest` tokens."""
    own, theirs = prompt_length(item), prompt_length(other)
    tokens = [*item.tokens[:own], *other.tokens[theirs:]][:longest]
    return replace(item, tokens=tokens, mask=[*item.mask[:own], *other.mask[theirs:]][:longest], advantage=None, old_logprobs=None, kl=None)
