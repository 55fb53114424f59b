"""The engine that is always there: batched continuation in plain torch, on whatever device the weights are on.

The prompt of a group is read once, all rows of a chunk step together, and rows that have ended are dropped from the batch now and then. How a model steps
is in `decoding`. Log-probabilities come from the same softmax as the trainer's.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import numpy as np
import torch
from torch import Tensor

from autotelic.engines.base import Completion, Request, Vocabulary, Watch, check, not_finite
from autotelic.engines.decoding import Decoding, Eager, Recorded
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.networks.model import LanguageModel
from autotelic.networks.operations import Precision
from autotelic.streams import uniforms
from autotelic.types import StopReason

KEEP_SHARE = 0.75
"""The batch is compacted when no more than this share of its rows still runs: compacting copies the cache."""
LOOK_EVERY = 8
"""Steps on a GPU between two looks at which rows have ended: to look is to wait for it."""
REASONS = (StopReason.LENGTH, StopReason.END, StopReason.STOP)


class TorchEngine:
    """See `Engine`. In bf16, weights and activations are bf16, and logits and log-probabilities are computed in fp32 from them."""

    name = "torch"

    def __init__(self, max_rows: int = 512, precision: Precision = "fp32", recorded: bool | None = None) -> None:
        """max_rows bounds the rows of one chunk, and so the memory of the cache. recorded: whether a `Decoder` steps on fixed memory; None: on a GPU."""
        self.max_rows, self.precision, self.recorded = max_rows, precision, recorded
        self._recorded: dict[tuple[DecoderConfig, torch.device], Recorded] = {}

    @torch.inference_mode()
    def generate(
        self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary, watch: Watch | None = None
    ) -> list[list[Completion]]:
        check(model, requests)
        results: list[list[Completion]] = [[] for _ in requests]
        decoding, rows = self._decoding(model, requests)
        firsts = [0, *accumulate(len(request.streams) for request in requests)]
        for chunk in chunks(requests, rows):
            places = [firsts[i] + sample for i in chunk for sample in range(len(requests[i].streams))]
            made = _Chunk(decoding, [requests[i] for i in chunk], vocabulary, watch, places).run()
            if made is None:
                raise not_finite(model)
            for index, completions in zip(chunk, made, strict=True):
                results[index] = completions
        return results

    def _decoding(self, model: LanguageModel, requests: Sequence[Request]) -> tuple[Decoding, int]:
        """How to step, and the most rows of a chunk."""
        room = max((request.sampling.max_tokens for request in requests), default=1)
        on_fixed_memory = model.device.type == "cuda" if self.recorded is None else self.recorded
        if not (on_fixed_memory and isinstance(model, Decoder)):
            return Eager(model, self.precision, room), self.max_rows
        place = (model.config, model.device)
        if place not in self._recorded:
            self._recorded[place] = Recorded(model.config, self.precision, model.device)
        decoding = self._recorded[place].take(model)
        capacity = max((len(request.prompt) for request in requests), default=1) + room
        rows = min(decoding.most_rows(capacity) or self.max_rows, self.max_rows)
        wanted = sum(len(request.streams) for request in requests)
        decoding.reserve(decoding.size(max(min(rows, wanted), *(len(request.streams) for request in requests), 1)), capacity)
        return decoding, rows


def chunks(requests: Sequence[Request], most: int) -> Iterator[list[int]]:
    """Indices of requests in chunks of at most `most` samples (or one request), similar prompt lengths together; none without samples."""
    chunk: list[int] = []
    rows = 0
    for index in sorted((i for i, request in enumerate(requests) if request.streams), key=lambda i: (len(requests[i].prompt), i)):
        if chunk and rows + len(requests[index].streams) > most:
            yield chunk
            chunk, rows = [], 0
        chunk.append(index)
        rows += len(requests[index].streams)
    if chunk:
        yield chunk


class _Chunk:
    """One batch from prompts to completions. N is the number of samples, R that with those that only fill up the batch, K the number of rows in it."""

    def __init__(
        self, decoding: Decoding, requests: Sequence[Request], vocabulary: Vocabulary, watch: Watch | None = None, places: Sequence[int] = ()
    ) -> None:
        """places (N,): of the samples among all of the call, for `watch`."""
        self.decoding, self.requests, self.vocabulary, self.watch, self.places = decoding, requests, vocabulary, watch, places
        self.device = decoding.model.device
        self.exact = torch.float64 if self.device.type == "cpu" else torch.float32
        """Of cumulative probabilities. A GPU would spend more time on them than on the model."""
        self.samples = sum(len(request.streams) for request in requests)
        size = decoding.size(self.samples)
        owners = [i for i, request in enumerate(requests) for _ in request.streams]
        self.owner = owners + owners[-1:] * (size - self.samples)  # R
        settings = [requests[i].sampling for i in self.owner]
        self.limit = max(s.max_tokens for s in settings)
        self.scale = self._row([s.scale for s in settings], torch.float32)
        self.greedy = self._row([s.temperature == 0 for s in settings], torch.bool)
        self.top_p = self._row([s.top_p for s in settings], self.exact)
        self.top_k = self._row([s.top_k or decoding.model.vocab_size for s in settings], torch.int64)
        self.max_tokens = self._row([s.max_tokens for s in settings], torch.int64)
        self.filtered = any(s.top_p < 1 or s.top_k for s in settings)
        self.end = self._row(sorted(vocabulary.end), torch.int64)
        self.forced = self._forced()
        self.has_forced = any(request.forced for request in requests)
        self.stopping = any(s.stop for s in settings)
        self.look_every = LOOK_EVERY if self.device.type == "cuda" and not self.stopping and watch is None else 1
        streams = np.array([key for request in requests for key in request.streams], dtype=np.uint64)
        draws = np.zeros((size, self.limit))
        draws[: self.samples] = uniforms(streams[:, None], np.arange(self.limit, dtype=np.uint64)[None])
        self.draws = torch.from_numpy(draws).to(self.exact).to(self.device)  # (R, limit)
        self.tokens = torch.full((size, self.limit), vocabulary.pad, dtype=torch.int64, device=self.device)
        self.logprobs = torch.zeros(size, self.limit, dtype=torch.float32, device=self.device)
        self.lengths = torch.zeros(size, dtype=torch.int64, device=self.device)
        self.reasons = torch.zeros_like(self.lengths)  # places in REASONS

    def _row(self, values: Sequence[object], dtype: torch.dtype) -> Tensor:
        return torch.tensor(values, dtype=dtype, device=self.device)

    def _forced(self) -> Tensor:
        """(R, limit) int64: tokens that completions begin with, then -1."""
        forced = torch.full((len(self.owner), self.limit), -1, dtype=torch.int64)
        for row, index in enumerate(self.owner):
            given = self.requests[index].forced[: self.requests[index].sampling.max_tokens]
            forced[row, : len(given)] = torch.tensor(given, dtype=torch.int64)
        return forced.to(self.device)

    def run(self) -> list[list[Completion]] | None:
        """The completions of each request; None where logits were not finite."""
        hidden = self._read()
        rows = torch.arange(len(self.owner), device=self.device)  # (K,) which sample each row of the batch is
        alive = rows < self.samples  # (K,) ended rows ride along, unread, until compacting pays
        for position in range(self.limit):
            chosen, logprobs = self._choose(self.decoding.model.head(hidden).float(), rows, position)
            self.tokens[rows, position] = chosen
            self.logprobs[rows, position] = logprobs
            self.lengths[rows] += alive
            alive = alive & ~self._ended(chosen, rows, alive, position)
            if position + 1 == self.limit:
                break
            if (position + 1) % self.look_every == 0:
                count = int(alive.sum())
                if not count:
                    break
                if (size := self.decoding.size(count)) < len(rows) and count <= KEEP_SHARE * len(rows):
                    kept = alive.to(torch.uint8).argsort(descending=True, stable=True)[:size]
                    rows, chosen, alive = rows[kept], chosen[kept], alive[kept]
                    self.decoding.keep(kept)
            hidden = self.decoding.step(chosen)
        return self._collect()

    def _read(self) -> Tensor:
        lengths = torch.tensor([len(request.prompt) for request in self.requests])
        prompts = torch.full((len(self.requests), int(lengths.max())), self.vocabulary.pad, dtype=torch.int64)
        for row, request in enumerate(self.requests):
            prompts[row, : len(request.prompt)] = torch.tensor(request.prompt)
        return self.decoding.begin(prompts.to(self.device), lengths.to(self.device), self._row(self.owner, torch.int64))

    def _choose(self, logits: Tensor, rows: Tensor, position: int) -> tuple[Tensor, Tensor]:
        """The next token (K,) of each row and its log-probability under the whole softmax at the row's scale."""
        scores = (logits / self.scale[rows, None]).log_softmax(-1)
        weights = scores.to(self.exact).exp()
        if self.filtered:
            weights = keep_top(weights, self.top_k[rows], self.top_p[rows])
        cumulative = weights.cumsum(-1)
        chosen = torch.searchsorted(cumulative, (self.draws[rows, position] * cumulative[:, -1])[:, None], right=True)[:, 0]
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
        self.reasons[rows] = torch.where(alive & ended, REASONS.index(StopReason.END), self.reasons[rows])
        if self.watch is not None:
            self._tell(self.watch, rows, alive & ~ended)
        if self.stopping:
            stopped = self._stopped(rows, alive & ~ended)
            self.reasons[rows] = torch.where(stopped, REASONS.index(StopReason.STOP), self.reasons[rows])
            ended |= stopped
        return ended | (position + 1 >= self.max_tokens[rows])

    def _tell(self, watch: Watch, rows: Tensor, open_rows: Tensor) -> None:
        """Let the caller see what the open rows (K,) hold by now."""
        for place in open_rows.nonzero()[:, 0].tolist():
            sample = int(rows[place])
            watch(self.places[sample], self.tokens[sample, : int(self.lengths[sample])].tolist())

    def _stopped(self, rows: Tensor, open_rows: Tensor) -> Tensor:
        """(K,) bool: open rows whose text now holds one of their stop strings."""
        stopped = torch.zeros_like(open_rows)
        for place in open_rows.nonzero()[:, 0].tolist():
            sample = int(rows[place])
            text = self.vocabulary.decode(self.tokens[sample, : int(self.lengths[sample])].tolist())
            stopped[place] = any(string in text for string in self.requests[self.owner[sample]].sampling.stop)
        return stopped

    def _collect(self) -> list[list[Completion]] | None:
        columns = (self.tokens, self.logprobs, self.lengths, self.reasons)
        tokens, logprobs, lengths, reasons = (column[: self.samples].cpu() for column in columns)
        if not torch.isfinite(logprobs).all():
            return None
        rows = zip(tokens.tolist(), logprobs.tolist(), lengths.tolist(), reasons.tolist(), strict=True)
        flat = (Completion(tokens[:n], logprobs[:n], REASONS[why]) for tokens, logprobs, n, why in rows)
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
