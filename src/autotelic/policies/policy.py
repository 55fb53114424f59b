"""A policy: one named set of weights with a version, its tokenizer, and what can be asked of it. Not a role: several roles may share one."""

import copy
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from autotelic.engines.base import Completion, Request, Watch
from autotelic.engines.batching import Batcher
from autotelic.errors import DataError
from autotelic.measures.meter import Meter
from autotelic.networks.four_bits import weight_count
from autotelic.networks.lora import LoRA, adapters, save_adapter
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision
from autotelic.networks.scoring import Scores, buckets, pad, score
from autotelic.policies.checkpoint import save_model
from autotelic.policies.loading import Loaded, load
from autotelic.policies.tokenizer import Tokenizer

TOKEN_BUDGET = 16384
"""Padded tokens in one scoring batch."""

Snapshot = dict[str, Tensor]


class Policy:
    """Weights under a name. `version` counts the updates; it is written into every turn the policy samples."""

    def __init__(self, name: str, model: LanguageModel, tokenizer: Tokenizer, batcher: Batcher, version: int = 0) -> None:
        self.name, self.model, self.tokenizer, self.batcher, self.version = name, model, tokenizer, batcher, version
        self.lora: LoRA | None = None
        self.source = name
        """Where the weights came from: an absolute path, or a hub name."""

    @classmethod
    def of(cls, name: str, loaded: Loaded, batcher: Batcher) -> "Policy":
        """A model that was loaded, under a name, sampled from through a batcher."""
        policy = cls(name, loaded.model, loaded.tokenizer, batcher)
        policy.lora, policy.source = loaded.lora, loaded.source
        return policy

    @classmethod
    def load(cls, name: str, source: str | Path, batcher: Batcher, device: str = "cpu", lora: LoRA | None = None) -> "Policy":
        """What `policies.loading.load` loads, and raises."""
        return cls.of(name, load(source, device, lora), batcher)

    @property
    def meter(self) -> Meter:
        """What counts the cost of sampling and scoring, of all policies that share the batcher."""
        return self.batcher.meter

    @property
    def context(self) -> int:
        """Most tokens of a prompt and its completion."""
        return self.model.context

    async def sample(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Completions of each request; batched with whatever else the run is sampling."""
        return await self.batcher.generate(self.model, requests, self.tokenizer.vocabulary)

    def generate(self, requests: Sequence[Request], watch: Watch | None = None) -> list[list[Completion]]:
        """The same at once, where no run batches requests: a caller that can be interrupted, and may watch."""
        return self.batcher.engine.generate(self.model, requests, self.tokenizer.vocabulary, watch)

    @torch.inference_mode()
    def scores(
        self, sequences: Sequence[Sequence[int]], starts: Sequence[int], temperature: float = 1.0, precision: Precision = "fp32"
    ) -> list[Scores]:
        """Scores of the tokens of each sequence from its start on: tensors (T - start,) on the CPU, in order."""
        results: dict[int, Scores] = {}
        self.meter.read += sum(map(len, sequences))
        for batch in buckets([len(sequence) for sequence in sequences], TOKEN_BUDGET):
            tokens = pad([sequences[i] for i in batch], self.tokenizer.pad, torch.int64, self.model.device)
            mask = pad([[0.0] * starts[i] + [1.0] * (len(sequences[i]) - starts[i]) for i in batch], 0.0, torch.float32, self.model.device)
            found = score(self.model, tokens, torch.full((len(batch),), temperature, device=self.model.device), mask, precision)
            for row, i in enumerate(batch):
                span = slice(starts[i], len(sequences[i]))
                results[i] = Scores(found.logprobs[row, span].cpu(), found.entropy[row, span].cpu(), found.certainty[row, span].cpu())
        return [results[i] for i in range(len(sequences))]

    @torch.inference_mode()
    def next_logprobs(self, sequences: Sequence[Sequence[int]]) -> Tensor:
        """(B, V) on the CPU: log-probabilities, at temperature 1, of every token after each sequence."""
        rows: dict[int, Tensor] = {}
        self.meter.read += sum(map(len, sequences))
        for batch in buckets([len(sequence) for sequence in sequences], TOKEN_BUDGET):
            tokens = pad([sequences[i] for i in batch], self.tokenizer.pad, torch.int64, self.model.device)
            last = torch.tensor([len(sequences[i]) - 1 for i in batch], device=self.model.device)
            hidden = self.model.hidden(tokens)[torch.arange(len(batch), device=self.model.device), last]
            rows |= zip(batch, self.model.head(hidden).float().log_softmax(-1).cpu(), strict=True)
        return torch.stack([rows[i] for i in range(len(sequences))]) if rows else torch.zeros(0, self.model.vocab_size)

    def clone(self, name: str) -> "Policy":
        """An independent policy with the same weights, frozen: an anchor, a teacher, an opponent. One with an adapter has an adapter of its own on the
        same layers, which never change."""
        shared = {} if self.lora is None else {id(p): p for name, p in self.model.named_parameters() if "lora_" not in name}
        twin = Policy(name, copy.deepcopy(self.model, shared).requires_grad_(False), self.tokenizer, self.batcher, self.version)
        twin.lora, twin.source = self.lora, self.source
        return twin

    @torch.no_grad()
    def blend(self, other: "Policy", alpha: float) -> None:
        """weights <- (1 - alpha) weights + alpha other's: a moving average when repeated, a merge when not."""
        for mine, theirs in zip(self.model.parameters(), other.model.parameters(), strict=True):
            mine.lerp_(theirs, alpha)
        self.version += 1

    def snapshot(self) -> Snapshot:
        """A copy of what training can change: all weights, or the adapter."""
        return {name: value.detach().cpu().clone() for name, value in self._trainable().items()}

    @torch.no_grad()
    def restore(self, snapshot: Snapshot, version: int | None = None) -> None:
        """Take the weights of a snapshot of this policy or of a clone of it."""
        current = self._trainable()
        if current.keys() != snapshot.keys():
            raise DataError(f"the snapshot does not fit policy {self.name!r}: {sorted(current.keys() ^ snapshot.keys())[:2]}")
        for name, value in current.items():
            value.copy_(snapshot[name])
        self.version = self.version + 1 if version is None else version

    def _trainable(self) -> dict[str, Tensor]:
        if self.lora is None:
            return dict(self.model.named_parameters())
        return {f"{name}.{part}": getattr(layer, part) for name, layer in adapters(self.model).items() for part in ("lora_A", "lora_B")}

    def save(self, folder: Path) -> None:
        """Write a model in Hugging Face layout, adapters merged; a LoRA policy also writes its adapter in PEFT layout beside it."""
        save_model(self.model, self.tokenizer, folder)
        if self.lora is not None:
            save_adapter(self.model, self.lora, self.source, folder / "adapter")

    @property
    def parameters(self) -> int:
        """Number of weights."""
        return weight_count(self.model)

    def check_engine(self, probes: Sequence[Sequence[int]], limit: float) -> float:
        """The largest difference between the engine's and the trainer's log-probabilities on short continuations of some prompts.

        Raises:
            DataError: it is above `limit`: sampler and trainer do not compute the same distribution.
        """
        from autotelic.streams import key
        from autotelic.types import Sampling

        room = max(1, min(8, self.model.context - max(len(probe) for probe in probes)))
        requests = [Request(tuple(p), (key("check", i),), Sampling(max_tokens=room)) for i, p in enumerate(probes)]
        try:
            found = self.generate(requests)
        except DataError as error:
            raise DataError(f"{self.source}: {error}") from error
        whole = [[*probe, *group[0].tokens] for probe, group in zip(probes, found, strict=True)]
        scores = self.scores(whole, [len(probe) for probe in probes])
        gaps = [np.abs(s.logprobs.numpy() - np.array(g[0].logprobs)).max() for s, g in zip(scores, found, strict=True)]
        gap = float(np.max(gaps))  # nan if any is
        if not gap <= limit:
            raise DataError(
                f"{self.source}: the {self.batcher.engine.name} engine's log-probabilities differ from the trainer's by {gap:.2g} (limit {limit:g})"
            )
        return gap
