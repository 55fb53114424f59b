"""One optimizer for one trainable policy: from examples and an objective to new weights. It does not know where examples come from."""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from autotelic.errors import SettingError, TrainingError
from autotelic.learning.batching import Piece, Row, over_call, pieces, sizes
from autotelic.learning.examples import Trainable, as_examples, prompt_length, token_count
from autotelic.learning.gradients import Found, accumulate, look
from autotelic.learning.objectives.base import Objective, Totals
from autotelic.networks.decoder import Decoder
from autotelic.networks.machine import Wanted, give_back_memory, is_large, settled, tokens_at_once
from autotelic.networks.model import LanguageModel
from autotelic.policies.policy import Policy
from autotelic.streams import generator
from autotelic.types import Example, Metrics, Settings

if TYPE_CHECKING:
    from autotelic.learning.parallel import Crew


Decay = Annotated[float, Field(ge=0.0, lt=1.0)]
Multiple = Annotated[float, Field(ge=0.0)]


class Optimizer(Settings):
    """AdamW (arXiv:1711.05101) and what surrounds it."""

    learning_rate: float | None = Field(None, gt=0, le=1)
    """None: 2e-4, which suits tiny models and adapters; where all weights of a model from 20 million parameters on are trained, 2e-5."""
    betas: tuple[Decay, Decay] = (0.9, 0.95)
    weight_decay: float = Field(0.0, ge=0)
    """Of matrices; the gains of norms and biases are left alone, as in transformers."""
    clip_norm: float = Field(1.0, gt=0)
    """Gradients above this norm are scaled down to it."""
    warmup: int = Field(0, ge=0)
    """Updates over which the learning rate rises: the k-th has k / warmup of it, so that the first is no empty one, as it is in transformers."""
    token_budget: int | None = Field(None, ge=1)
    """Tokens in one micro-batch, shared prompts once: what bounds memory. Does not change the update. None: 8192, or as many of a large decoder on a CPU as
    keep about 1.25 GiB for the way back."""
    precision: Wanted = "auto"
    """Of products of weights and activations; "auto": bf16 for models from 20 million parameters on where the CPU multiplies it, else fp32. Weights,
    their updates, the residual stream, attention, norms and heads below a million weights are fp32 always."""
    checkpointing: bool = False
    """Layers are computed again on the way back, and only what goes from one to the next is kept: less memory, about a third more time, the same bits. Of
    decoders of the Llama and Qwen families."""
    moments: Literal["fp32", "8-bit"] = "fp32"
    """How AdamW keeps its two moments: in fp32, or in blocks of 256 that share a scale (arXiv:2110.02861, of the package bitsandbytes), which takes 2 rather
    than 8 bytes a weight; those of a tensor with fewer than 4096 numbers stay fp32."""
    processes: int = Field(1, ge=1, le=1024)
    """Processes that share the rows of a step, each on one thread. Gradients differ by the rounding of sums in another order."""


def rate_for(policy: Policy) -> float:
    """The learning rate that suits a policy where none is given."""
    return 2e-5 if policy.lora is None and is_large(policy.model) else 2e-4


class Updates(Settings):
    """How one call of `learn` goes through its examples."""

    batch_size: int | None = Field(None, ge=1)
    """Examples (pairs, for pair losses) per optimizer step; None: all of them in one."""
    epochs: int = Field(1, ge=1)
    steps: int | None = Field(None, ge=1)
    """Optimizer steps, going round the examples as often as it takes; overrides `epochs`."""
    divide_by: Literal["update", "call"] = "update"
    """Whether a mean over tokens, sequences or pairs divides by those of the update at hand, or by their mean over the updates of the call, so that each
    weighs the same whichever update it falls into."""
    rate: tuple[Multiple, Multiple] = (1.0, 1.0)
    """Multiples of the learning rate at the first and the last step of the call, linear between."""


def check_optimizer(settings: Optimizer, model: LanguageModel) -> None:
    """Raises SettingError where a model cannot be trained with these settings, or a package is missing."""
    if settings.checkpointing and not isinstance(model, Decoder):
        raise SettingError(
            "optimizer.checkpointing: layers are computed again only of decoders of the Llama and Qwen families, and this model is none"
        )
    if settings.moments == "8-bit":
        eight_bits()


def check_room(policy: Policy, settings: Optimizer, free: int | None) -> None:
    """See to it that memory, of which so many bytes are `free`, has room for a gradient and two moments of every weight that is trained.

    Raises:
        SettingError: it has not.
    """
    trained = sum(parameter.numel() for name, parameter in policy.model.named_parameters() if policy.lora is None or "lora_" in name)
    needed = trained * (4 + (2 if settings.moments == "8-bit" else 8))
    if free is not None and needed > free:
        raise SettingError(
            f"model: training {trained:,} weights of {policy.source} needs {needed / 1e9:.1f} GB more for gradients and moments, and {free / 1e9:.1f} GB of "
            "memory are free; an adapter needs less (lora.rank=16), or moments in 8 bits (optimizer.moments=8-bit)"
        )


def eight_bits() -> Any:
    """The module of optimizers whose moments have 8 bits.

    Raises:
        SettingError: there is none.
    """
    try:
        from bitsandbytes import optim
    except ImportError as error:
        raise SettingError('optimizer.moments = "8-bit" needs bitsandbytes: pip install "autotelic[8bit]"') from error
    return optim


class Learner:
    """Trains one policy. Its state (moments, step count, position in the shuffles) is saved and restored with the run."""

    def __init__(self, policy: Policy, settings: Optimizer, seed: int) -> None:
        """Raises:
        SettingError: see `check_optimizer`.
        """
        check_optimizer(settings, policy.model)
        self.policy, self.settings, self.seed = policy, settings, seed
        if isinstance(policy.model, Decoder):
            policy.model.recomputes = settings.checkpointing
        self.precision = settled(settings.precision, policy.model)
        self.token_budget = settings.token_budget or tokens_at_once(policy.model, self.precision, policy.lora is not None)
        self.learning_rate = settings.learning_rate or rate_for(policy)
        self.parameters = [p for name, p in policy.model.named_parameters() if policy.lora is None or "lora_" in name]
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        self.scale = 1.0
        """What the learning rate is multiplied by; the run's business."""
        self.steps = 0
        self.meter = policy.meter
        self._crew: Crew | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the moments, as recipes do that start each round from scratch."""
        groups = [
            {"params": [p for p in self.parameters if p.ndim >= 2], "weight_decay": self.settings.weight_decay},
            {"params": [p for p in self.parameters if p.ndim < 2], "weight_decay": 0.0},
        ]
        kind = eight_bits().AdamW8bit if self.settings.moments == "8-bit" else partial(torch.optim.AdamW, fused=True)
        self.optimizer = kind([group for group in groups if group["params"]], lr=self.learning_rate, betas=self.settings.betas)

    def learn(self, data: Trainable, objective: Objective, updates: Updates | None = None, reference: Policy | None = None) -> Metrics:
        """Update the policy; returns means over the updates.

        Raises:
            TrainingError: an example the objective refuses, a missing reference, or a loss or gradient that is not finite. The weights are then
                those before the update at fault.
        """
        start = perf_counter()
        updates = updates or Updates()
        given = as_examples(data)
        items = [item for item in given if not objective.leaves_out(item)]
        metrics = {"learner/left_out": float(len(given) - len(items))} if len(items) < len(given) else {}
        if not items:
            return {**metrics, "learner/updates": 0.0}
        self.policy.batcher.release(self.policy.model)
        steps = self._steps(self._rows(items, objective, reference), objective, updates)
        sums: dict[str, list[float]] = defaultdict(list)
        for place, (rows, totals) in enumerate(steps):
            if objective.looks_ahead:
                rows = self._ahead(rows, objective, reference)
            rate = self._rate(place, len(steps), updates)
            for name, value in self._update(rows, objective, totals, rate, first=place == 0).items():
                sums[name].append(value)
        give_back_memory(self.policy.model)
        self.policy.version += 1
        self.meter.learning += perf_counter() - start
        means = {name: math.fsum(values) / len(values) for name, values in sums.items()}
        return {**metrics, **means, "learner/updates": float(len(steps))}

    def _rows(self, examples: Sequence[Example], objective: Objective, reference: Policy | None) -> list[Row]:
        """Examples with the temperature at which they are scored, and their log-probabilities under the reference."""
        for item in examples:
            if reason := objective.refuse(item, self.policy.version) or self._misfit(item):
                raise TrainingError(f"example {item.rollout} cannot be trained on: {reason}")
        rows = [Row(item, objective.scored_at(item)) for item in examples]
        if not objective.needs_reference:
            return rows
        if reference is None:
            raise TrainingError(f"{type(objective).__name__} needs a reference policy; pass reference=... to learn")
        for temperature in sorted({row.temperature for row in rows}):
            same = [row for row in rows if row.temperature == temperature]
            starts = [prompt_length(row.item) for row in same]
            found = reference.scores([row.item.tokens for row in same], starts, temperature, self.precision)
            for row, start, each in zip(same, starts, found, strict=True):
                row.reference = [*[0.0] * start, *each.logprobs.tolist()]
        return rows

    def _misfit(self, item: Example) -> str | None:
        """Why no objective can train on an example; None where one can."""
        if len(item.tokens) > (context := self.policy.model.context):
            return f"its {len(item.tokens)} tokens exceed the model's context of {context}"
        return "its first token is a target, and nothing comes before it that could predict it" if item.mask[:1] and item.mask[0] else None

    def _steps(self, rows: list[Row], objective: Objective, updates: Updates) -> list[tuple[list[Row], Totals]]:
        """For each optimizer step the rows that are scored, and what its means divide by."""
        whole = list(self._schedule(rows, updates))
        scored = [[row for row in step if not objective.adds_nothing(row.item)] for step in whole]
        totals = [sizes(step, some) for step, some in zip(whole, scored, strict=True)]
        return list(zip(scored, totals if updates.divide_by == "update" else over_call(totals), strict=True))

    def _schedule(self, rows: list[Row], updates: Updates) -> Iterator[list[Row]]:
        """The rows of each optimizer step, shuffled anew each time round; the sides of a pair stay together."""
        whole = pieces(rows)
        size = min(updates.batch_size or len(whole), len(whole))
        per_epoch = math.ceil(len(whole) / size)
        count = updates.steps or updates.epochs * per_epoch
        order: list[Piece] = []
        for step in range(count):
            if step % per_epoch == 0:
                order = list(whole)
                generator("shuffle", self.seed, self.policy.name, self.steps, step).shuffle(order)
            start = (step % per_epoch) * size
            yield [row for piece in order[start : start + size] for row in piece]

    def _rate(self, place: int, count: int, updates: Updates) -> float:
        first, last = updates.rate
        rate = self.scale * self.learning_rate * min(1.0, (self.steps + 1) / max(self.settings.warmup, 1))
        return rate * (first + (last - first) * place / max(count - 1, 1))

    def _ahead(self, rows: list[Row], objective: Objective, reference: Policy | None) -> list[Row]:
        """The rows of a step with what the objective finds out about them as a whole."""
        items = [row.item for row in rows]
        known = {id(row.item): row for row in rows}
        asked = objective.asked(items)
        known |= {id(row.item): row for row in self._rows([item for item in asked if id(item) not in known], objective, reference)}
        seen = look(self.policy, [known[id(item)] for item in asked], self.token_budget, self.precision)
        return [replace(row, shift=shift) for row, shift in zip(rows, objective.shifts(items, seen), strict=True)]

    def _update(self, rows: list[Row], objective: Objective, totals: Totals, rate: float, first: bool) -> Metrics:
        """One optimizer step over `rows`, in micro-batches of the token budget."""
        metrics: Metrics = {}
        if rows:
            self.optimizer.zero_grad(set_to_none=True)
            found = self._accumulate(rows, objective, totals, first)
            metrics = {**found.sums, **found.gap.metrics, "grad_norm": self._apply(rate, rows)}
            self.meter.trained += token_count(row.item for row in rows)
        metrics["learning_rate"] = rate
        metrics["learner/rows"] = float(len(rows))
        self.steps += 1
        return metrics

    def _accumulate(self, rows: list[Row], objective: Objective, totals: Totals, first: bool) -> Found:
        """The gradient of a step, made here or by several processes."""
        settings = self.settings
        if settings.processes == 1:
            return accumulate(self.policy, rows, objective, totals, self.token_budget, self.precision, first)
        from autotelic.learning.parallel import Crew, Job  # not every torch can

        if self._crew is None or not self._crew.alive:
            self._crew = Crew(self.policy, self.parameters, settings.processes)
        return self._crew.accumulate(rows, Job(objective, totals, self.token_budget, self.precision, first, self.policy.version))

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

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Tensors and plain values to save."""
        tensors = {}
        for place, parameter in enumerate(self.parameters):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{place}.{name}"] = torch.as_tensor(value).detach().cpu().clone()  # the number of steps may be a plain one
        return tensors, {"steps": self.steps}

    def load_state(self, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
        """The inverse of `state`, bit for bit."""
        self.reset()
        for name, value in tensors.items():
            place, _, field = name.partition(".")
            parameter = self.parameters[int(place)]
            plain = field == "step" and self.settings.moments == "8-bit"
            self.optimizer.state[parameter][field] = int(value) if plain else value.to(parameter.device, copy=True)
        self.steps = values["steps"]
