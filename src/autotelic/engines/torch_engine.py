"""The engine that is always there: batched continuation in plain torch, on whatever device the weights are on.

The prompt of a group is read once, all rows of a chunk step together, and rows that have ended are dropped from the batch.
Log-probabilities come from the same softmax as the trainer's.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from autotelic.engines.base import Completion, Request, Vocabulary, check, not_finite
from autotelic.policies.model import Cache, LanguageModel
from autotelic.streams import uniforms
from autotelic.types import StopReason

KEEP_SHARE = 0.75
"""The batch is compacted when no more than this share of its rows still runs: compacting copies the cache."""


class TorchEngine:
    """See `Engine`. `max_rows` bounds the rows of one chunk, and so the memory of the cache."""

    name = "torch"

    def __init__(self, max_rows: int = 512) -> None:
        self.max_rows = max_rows

    @torch.inference_mode()
    def generate(self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary) -> list[list[Completion]]:
        check(model, requests)
        results: list[list[Completion]] = [[] for _ in requests]
        for chunk in self._chunks(requests):
            for index, completions in zip(chunk, _Chunk(model, [requests[i] for i in chunk], vocabulary).run(), strict=True):
                results[index] = completions
        return results

    def _chunks(self, requests: Sequence[Request]) -> Iterator[list[int]]:
        """Indices of requests in chunks of at most `max_rows` samples (or one request), similar prompt lengths together; none without samples."""
        chunk: list[int] = []
        rows = 0
        for index in sorted((i for i, request in enumerate(requests) if request.streams), key=lambda i: (len(requests[i].prompt), i)):
            if chunk and rows + len(requests[index].streams) > self.max_rows:
                yield chunk
                chunk, rows = [], 0
            chunk.append(index)
            rows += len(requests[index].streams)
        if chunk:
            yield chunk


class _Chunk:
    """One batch from prompts to completions. R is the number of samples, K the number of rows that still run."""

    def __init__(self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary) -> None:
        self.model, self.requests, self.vocabulary = model, requests, vocabulary
        self.device = model.device
        self.owner = [request for request in requests for _ in request.streams]  # R
        self.streams = np.array([key for request in requests for key in request.streams], dtype=np.uint64)
        settings = [request.sampling for request in self.owner]
        self.limit = max(s.max_tokens for s in settings)
        self.scale = self._row([s.scale for s in settings], torch.float32)
        self.greedy = self._row([s.temperature == 0 for s in settings], torch.bool)
        self.top_p = self._row([s.top_p for s in settings], torch.float64)
        self.top_k = self._row([s.top_k or model.vocab_size for s in settings], torch.int64)
        self.max_tokens = self._row([s.max_tokens for s in settings], torch.int64)
        self.limits_differ = any(s.max_tokens != self.limit for s in settings)
        self.filtered = any(s.top_p < 1 or s.top_k for s in settings)
        self.end = self._row(sorted(vocabulary.end), torch.int64)
        self.forced = torch.full((len(self.owner), self.limit), -1, dtype=torch.int64)
        for row, request in enumerate(self.owner):
            forced = request.forced[: request.sampling.max_tokens]
            self.forced[row, : len(forced)] = torch.tensor(forced, dtype=torch.int64)
        self.has_forced = any(request.forced for request in requests)
        self.forced = self.forced.to(self.device)
        self.stopping = any(s.stop for s in settings)
        self.tokens = torch.full((len(self.owner), self.limit), vocabulary.pad, dtype=torch.int64, device=self.device)
        self.logprobs = torch.zeros(len(self.owner), self.limit, dtype=torch.float32, device=self.device)
        self.lengths = torch.zeros(len(self.owner), dtype=torch.int64, device=self.device)
        self.reasons = [StopReason.LENGTH] * len(self.owner)

    def _row(self, values: Sequence[object], dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=self.device)

    def run(self) -> list[list[Completion]]:
        hidden, cache = self._prefill()
        rows = torch.arange(len(self.owner), device=self.device)  # (K,) which sample each row of the batch is
        alive = torch.ones_like(rows, dtype=torch.bool)  # (K,) ended rows ride along, unread, until compacting pays
        for position in range(self.limit):
            chosen, logprobs = self._choose(self.model.head(hidden).float(), rows, position)
            self.tokens[rows, position] = chosen
            self.logprobs[rows, position] = logprobs
            self.lengths[rows] += alive
            alive = alive & ~self._ended(chosen, rows, alive, position)
            count = int(alive.sum())
            if not count:
                break
            # A row past its own limit must go at once: it may be at the end of the context.
            spent = self.limits_differ and bool((position + 1 >= self.max_tokens[rows]).any())
            if spent or count <= KEEP_SHARE * len(rows):
                kept = alive.nonzero()[:, 0]
                rows, chosen, alive, cache = rows[kept], chosen[kept], alive[kept], cache.keep(kept)
            hidden = self.model.decode(chosen, cache)
        return self._collect()

    def _prefill(self) -> tuple[Tensor, Cache]:
        lengths = torch.tensor([len(request.prompt) for request in self.requests])
        prompts = torch.full((len(self.requests), int(lengths.max())), self.vocabulary.pad, dtype=torch.int64)
        for row, request in enumerate(self.requests):
            prompts[row, : len(request.prompt)] = torch.tensor(request.prompt)
        capacity = prompts.shape[1] + self.limit
        hidden, cache = self.model.prefill(prompts.to(self.device), lengths.to(self.device), capacity)
        counts = torch.tensor([len(request.streams) for request in self.requests], device=self.device)
        return hidden.repeat_interleave(counts, dim=0), cache.repeat(counts)

    def _choose(self, logits: Tensor, rows: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """The next token (K,) of each row and its log-probability under the whole softmax at the row's scale."""
        scores = (logits / self.scale[rows, None]).log_softmax(-1)
        weights = scores.double().exp()
        if self.filtered:
            weights = keep_top(weights, self.top_k[rows], self.top_p[rows])
        draws = torch.from_numpy(uniforms(self.streams[rows.cpu().numpy()], position)).to(self.device)
        cumulative = weights.cumsum(-1)
        chosen = torch.searchsorted(cumulative, (draws * cumulative[:, -1])[:, None], right=True)[:, 0]
        chosen = torch.where(self.greedy[rows], scores.argmax(-1), chosen.clamp(max=scores.shape[-1] - 1))
        if self.has_forced:
            forced = self.forced[rows, position]
            chosen = torch.where(forced >= 0, forced, chosen)
        return chosen, scores.gather(1, chosen[:, None])[:, 0]

    def _ended(self, chosen: Tensor, rows: Tensor, alive: Tensor, position: int) -> Tensor:
        """(K,) bool: rows that end with this token; notes why."""
        ended = torch.isin(chosen, self.end)
        if self.has_forced and position + 1 < self.limit:
            ended &= self.forced[rows, position + 1] < 0
        for sample in rows[alive & ended].tolist():
            self.reasons[sample] = StopReason.END
        if self.stopping:
            ended |= self._stopped(rows, alive & ~ended)
        return ended | (position + 1 >= self.max_tokens[rows])

    def _stopped(self, rows: Tensor, open_rows: Tensor) -> Tensor:
        """(K,) bool: open rows whose text now holds one of their stop strings."""
        stopped = torch.zeros_like(open_rows)
        for place in open_rows.nonzero()[:, 0].tolist():
            sample = int(rows[place])
            text = self.vocabulary.decode(self.tokens[sample, : int(self.lengths[sample])].tolist())
            if any(string in text for string in self.owner[sample].sampling.stop):
                stopped[place] = True
                self.reasons[sample] = StopReason.STOP
        return stopped

    def _collect(self) -> list[list[Completion]]:
        if not torch.isfinite(self.logprobs).all():
            raise not_finite(self.model)
        tokens, logprobs, lengths = self.tokens.tolist(), self.logprobs.tolist(), self.lengths.tolist()
        flat = (Completion(tokens[r][:n], logprobs[r][:n], self.reasons[r]) for r, n in enumerate(lengths))
        return [[next(flat) for _ in request.streams] for request in self.requests]


def keep_top(weights: Tensor, top_k: Tensor, top_p: Tensor) -> Tensor:
    """Zero all but the `top_k` (B,) likeliest tokens and then all past the first whose cumulative share reaches `top_p` (B,).

    weights: (B, V) probabilities; ties go to the lower token id.
    """
    ordered, order = weights.sort(dim=-1, descending=True, stable=True)
    ranks = torch.arange(weights.shape[-1], device=weights.device)
    ordered = ordered.masked_fill(ranks >= top_k[:, None], 0.0)
    before = ordered.cumsum(-1) - ordered
    ordered = ordered.masked_fill(before >= top_p[:, None] * ordered.sum(-1, keepdim=True), 0.0)
    return torch.zeros_like(weights).scatter(1, order, ordered)
