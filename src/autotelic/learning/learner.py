"""One optimizer for one trainable policy: from examples and an objective to new weights. It does not know where examples come from."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import torch
from pydantic import Field
from torch import Tensor

from autotelic.errors import TrainingError
from autotelic.learning.examples import Trainable, as_examples, token_count, units
from autotelic.learning.objectives.base import Batch, Objective, Totals
from autotelic.policies.policy import Policy
from autotelic.policies.scoring import buckets, pad, score
from autotelic.streams import generator
from autotelic.types import Example, Metrics, Settings


class Optimizer(Settings):
    """AdamW (arXiv:1711.05101) and what surrounds it."""

    learning_rate: float = Field(2e-4, gt=0)
    betas: tuple[float, float] = (0.9, 0.95)
    weight_decay: float = Field(0.0, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    """Gradients above this norm are scaled down to it."""
    warmup: int = Field(0, ge=0)
    """Updates over which the learning rate rises from 0."""
    token_budget: int = Field(8192, ge=1)
    """Padded tokens in one micro-batch: what bounds memory. Does not change the update."""


class Updates(Settings):
    """How one call of `learn` goes through its examples."""

    batch_size: int | None = Field(None, ge=1)
    """Examples (pairs, for pair losses) per optimizer step; None: all of them in one."""
    epochs: int = Field(1, ge=1)
    steps: int | None = Field(None, ge=1)
    """Optimizer steps, going round the examples as often as it takes; overrides `epochs`."""
    rate: tuple[float, float] = (1.0, 1.0)
    """Multiples of the learning rate at the first and the last step of the call, linear between."""


@dataclass(slots=True)
class Row:
    """An example and its reference log-probabilities (T,), if any."""

    item: Example
    reference: list[float] | None = None


class Learner:
    """Trains one policy. Its state (moments, step count, position in the shuffles) is saved and restored with the run."""

    def __init__(self, policy: Policy, settings: Optimizer, seed: int) -> None:
        self.policy, self.settings, self.seed = policy, settings, seed
        self.parameters = [p for name, p in policy.model.named_parameters() if policy.lora is None or "lora_" in name]
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        self.steps = 0
        self.trained = 0
        """Tokens trained on, prompts included."""
        self.seconds = 0.0
        self.reset()

    def reset(self) -> None:
        """Forget the moments, as recipes do that start each round from scratch."""
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=self.settings.learning_rate, betas=self.settings.betas, weight_decay=self.settings.weight_decay, fused=True
        )

    def learn(self, data: Trainable, objective: Objective, updates: Updates | None = None, reference: Policy | None = None) -> Metrics:
        """Update the policy; returns means over the updates.

        Raises:
            TrainingError: an example the objective refuses, a missing reference, or a loss or gradient that is not finite. The weights are then
                those before the update at fault.
        """
        start = perf_counter()
        updates = updates or Updates()
        rows = self._rows(as_examples(data), objective, reference)
        if not rows:
            return {"learner/updates": 0.0}
        schedule = list(self._schedule(rows, updates))
        sums: dict[str, list[float]] = defaultdict(list)
        for place, batch in enumerate(schedule):
            rate = self._rate(place, len(schedule), updates)
            for name, value in self._update(batch, objective, rate, first=place == 0).items():
                sums[name].append(value)
        self.policy.version += 1
        self.seconds += perf_counter() - start
        return {name: math.fsum(values) / len(values) for name, values in sums.items()} | {"learner/updates": float(len(schedule))}

    def _rows(self, examples: list[Example], objective: Objective, reference: Policy | None) -> list[Row]:
        context = self.policy.model.context
        for item in examples:
            too_long = f"its {len(item.tokens)} tokens exceed the model's context of {context}" if len(item.tokens) > context else None
            if reason := objective.refuse(item, self.policy.version) or too_long:
                raise TrainingError(f"example {item.rollout} cannot be trained on: {reason}")
        if not objective.needs_reference:
            return [Row(item) for item in examples]
        if reference is None:
            raise TrainingError(f"{type(objective).__name__} needs a reference policy; pass reference=... to learn")
        rows = []
        for temperature in sorted({item.temperature for item in examples}):
            same = [item for item in examples if item.temperature == temperature]
            found = reference.scores([item.tokens for item in same], [1] * len(same), temperature)
            rows += [Row(item, [0.0, *scores.logprobs.tolist()]) for item, scores in zip(same, found, strict=True)]
        order = {id(item): place for place, item in enumerate(examples)}
        return sorted(rows, key=lambda row: order[id(row.item)])

    def _schedule(self, rows: list[Row], updates: Updates) -> Iterator[list[Row]]:
        """The rows of each optimizer step, shuffled anew each time round; the sides of a pair stay together."""
        by_item = {id(row.item): row for row in rows}
        pieces = [[by_item[id(item)] for item in unit] for unit in units([row.item for row in rows])]
        size = min(updates.batch_size or len(pieces), len(pieces))
        per_epoch = math.ceil(len(pieces) / size)
        count = updates.steps or updates.epochs * per_epoch
        order: list[list[Row]] = []
        for step in range(count):
            if step % per_epoch == 0:
                order = list(pieces)
                generator("shuffle", self.seed, self.policy.name, self.steps, step).shuffle(order)
            start = (step % per_epoch) * size
            yield [row for piece in order[start : start + size] for row in piece]

    def _rate(self, place: int, count: int, updates: Updates) -> float:
        first, last = updates.rate
        rate = self.settings.learning_rate * min(1.0, (self.steps + 1) / max(self.settings.warmup, 1))
        return rate * (first + (last - first) * place / max(count - 1, 1))

    def _update(self, rows: list[Row], objective: Objective, rate: float, first: bool) -> Metrics:
        """One optimizer step over `rows`, in micro-batches of the token budget."""
        totals = sizes(rows)
        rows = [row for row in rows if not objective.adds_nothing(row.item)]
        metrics: dict[str, float] = defaultdict(float)
        if rows:
            self.optimizer.zero_grad(set_to_none=True)
            for batch, members in self._micro_batches(rows):
                now = score(self.policy.model, batch.tokens, batch.temperature, batch.mask)
                if first:
                    note_gap(metrics, now.logprobs.detach(), batch, [row.item.version == self.policy.version for row in members])
                loss, found = objective.loss(now, batch, totals)
                if not torch.isfinite(loss):
                    names = ", ".join(row.item.rollout for row in members[:4])
                    raise TrainingError(
                        f"the loss is not finite ({float(loss.detach())}) on a batch with rollouts {names}; weights before it are kept"
                    )
                loss.backward()  # type: ignore[no-untyped-call]
                metrics["loss"] += float(loss.detach())
                for name, value in found.items():
                    metrics[name] += value
            metrics["grad_norm"] = self._apply(rate, rows)
            self.trained += token_count(row.item for row in rows)
        metrics.pop("gap_sum", None), metrics.pop("gap_count", None)
        metrics["learning_rate"] = rate
        metrics["learner/rows"] = float(len(rows))
        self.steps += 1
        return dict(metrics)

    def _apply(self, rate: float, rows: list[Row]) -> float:
        norm = float(torch.nn.utils.clip_grad_norm_(self.parameters, self.settings.clip_norm))
        if not math.isfinite(norm):
            raise TrainingError(
                f"the gradient is not finite on a batch with rollouts {', '.join(row.item.rollout for row in rows[:4])}; weights before it are kept"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        return norm

    def _micro_batches(self, rows: list[Row]) -> Iterator[tuple[Batch, list[Row]]]:
        """Tensors of at most `token_budget` padded tokens, and the rows in them."""
        by_item = {id(row.item): row for row in rows}
        pieces = units([row.item for row in rows])
        sizes_ = [max(len(item.tokens) for item in unit) * len(unit) for unit in pieces]
        for places in buckets(sizes_, self.settings.token_budget):
            members = [by_item[id(item)] for place in places for item in pieces[place]]
            yield self._tensors(members), members

    def _tensors(self, rows: list[Row]) -> Batch:
        device = self.policy.model.device
        items = [row.item for row in rows]
        none = [[0.0] * len(item.tokens) for item in items]

        def floats(values: Sequence[Sequence[float]]) -> Tensor:
            return pad(values, 0.0, torch.float32, device)

        def row_floats(values: Sequence[float]) -> Tensor:
            return torch.tensor(values, dtype=torch.float32, device=device)

        def places(side: str) -> Tensor:
            return torch.tensor([i for i, item in enumerate(items) if item.side == side], dtype=torch.int64, device=device)

        references = [row.reference for row in rows if row.reference is not None]
        return Batch(
            tokens=pad([item.tokens for item in items], self.policy.tokenizer.pad, torch.int64, device),
            mask=floats([item.mask for item in items]),
            weight=row_floats([item.weight for item in items]),
            advantage=floats([item.advantage or zeros for item, zeros in zip(items, none, strict=True)]),
            old=floats([item.old_logprobs or zeros for item, zeros in zip(items, none, strict=True)]),
            sampled=row_floats([float(item.old_logprobs is not None) for item in items]),
            reference=floats(references) if references else None,
            temperature=row_floats([item.temperature for item in items]),
            chosen=places("chosen"),
            rejected=places("rejected"),
            kl=floats([item.kl or [1.0] * len(item.tokens) for item in items]) if any(item.kl for item in items) else None,
            parts=tuple(item.part for item in items),
            extra={
                name: row_floats([item.extra.get(name, 0.0) for item in items]) for name in sorted({name for item in items for name in item.extra})
            },
        )

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values to save."""
        tensors = {}
        for place, parameter in enumerate(self.parameters):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{place}.{name}"] = value.detach().cpu().clone()
        return tensors, {"steps": self.steps, "trained": self.trained, "seconds": self.seconds}

    def load_state(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """The inverse of `state`, bit for bit."""
        self.reset()
        for name, value in tensors.items():
            place, _, field = name.partition(".")
            parameter = self.parameters[int(place)]
            self.optimizer.state[parameter][field] = value.to(parameter.device, copy=True)
        self.steps, self.trained, self.seconds = values["steps"], values["trained"], values["seconds"]


def sizes(rows: Sequence[Row]) -> Totals:
    """The totals of one optimizer step, rows without signal included, so that skipping them does not change the gradient."""
    tokens = sum(sum(map(bool, row.item.mask)) for row in rows)
    pairs = sum(row.item.side == "chosen" for row in rows)
    parts = sorted({row.item.part for row in rows} - {""})
    by_part = {part: sizes([replace(row, item=replace(row.item, part="")) for row in rows if row.item.part == part]) for part in parts}
    return Totals(tokens=max(tokens, 1), sequences=max(len(rows), 1), pairs=max(pairs, 1), parts=by_part)


def note_gap(metrics: dict[str, float], now: Tensor, batch: Batch, fresh: Sequence[bool]) -> None:
    """Before the first update: how far the sampler's log-probabilities are from the trainer's, in nats, on rows that are `fresh`:
    sampled by these very weights."""
    wanted = (batch.mask != 0) * batch.sampled[:, None] * torch.tensor(fresh, device=now.device)[:, None]
    gap = (now - batch.old).abs() * wanted
    counted = float(wanted.sum())
    if counted:
        metrics["sampling/sampling_logp_difference/max"] = max(metrics["sampling/sampling_logp_difference/max"], float(gap.max()))
        metrics["gap_sum"] = metrics["gap_sum"] + float(gap.sum())
        metrics["gap_count"] = metrics["gap_count"] + counted
        metrics["sampling/sampling_logp_difference/mean"] = metrics["gap_sum"] / metrics["gap_count"]
