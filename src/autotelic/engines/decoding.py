"""How the torch engine reads prompts and goes on from them: with any model as it is, or with a decoder on memory that stays where it is. Samples nothing.

On fixed memory the work of a token can be recorded once and played again, as a CUDA graph: launching its hundreds of small kernels one by one takes
longer than running them.
"""

from bisect import bisect_left
from collections.abc import Callable
from copy import deepcopy
from typing import Protocol

import torch
from torch import Tensor

from autotelic.networks.decoder import Decoder, DecoderConfig, SlotCache
from autotelic.networks.lora import merged_state
from autotelic.networks.model import Cache, LanguageModel
from autotelic.networks.operations import DTYPES, Precision

SPAN_STEP = 128
"""Recorded steps attend to a multiple of this many slots, so that few are recorded."""
SIZES = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Numbers of rows that steps are recorded for; rows that are not needed ride along."""
CACHE_SHARE = 0.3
"""Of the memory of a GPU: the most that the cache on fixed memory takes, which stays taken between calls."""


class Decoding(Protocol):
    """A batch that is being continued. R rows."""

    @property
    def model(self) -> LanguageModel:
        """What is stepped: the policy's model, or a copy of it."""

    def size(self, rows: int) -> int:
        """The number of rows, at least `rows`, that is used in their place."""

    def begin(self, prompts: Tensor, lengths: Tensor, owner: Tensor) -> Tensor:
        """Read prompts (P, T), padded on the right, of `lengths` (P,), and let row r continue prompt owner[r]: hidden states (R, D) of its last token."""

    def keep(self, rows: Tensor) -> None:
        """Go on with these rows (K,) only."""

    def step(self, tokens: Tensor) -> Tensor:
        """Append a token (R,) to every row; its hidden states (R, D). The result lasts until the next call."""


class Eager:
    """Any model, operation by operation; see `Decoding`."""

    cache: Cache

    def __init__(self, model: LanguageModel, precision: Precision, room: int) -> None:
        """room: tokens that a row may be continued by."""
        self.model, self.room = model if precision == "fp32" else rounded(model, precision), room

    def size(self, rows: int) -> int:
        return rows

    def begin(self, prompts: Tensor, lengths: Tensor, owner: Tensor) -> Tensor:
        hidden, cache = self.model.prefill(prompts, lengths, prompts.shape[1] + self.room)
        self.cache = cache.repeat(torch.bincount(owner, minlength=len(prompts)))
        return hidden[owner]

    def keep(self, rows: Tensor) -> None:
        self.cache = self.cache.keep(rows)

    def step(self, tokens: Tensor) -> Tensor:
        return self.model.decode(tokens, self.cache)


class Recorded:
    """A decoder with weights, cache and steps of its own, made once for a shape and used for every policy of that shape; see `Decoding`.

    A step is recorded the first time that its number of rows and its span are met. On other devices than a GPU nothing is recorded, and the same work is
    done on the same memory.
    """

    def __init__(self, config: DecoderConfig, precision: Precision, device: torch.device) -> None:
        dtype = DTYPES[precision]
        with device:
            self.model: Decoder = Decoder(config).requires_grad_(False)
        for parameter in self.model.parameters():
            parameter.data = parameter.data.to(dtype)  # buffers, such as the tables of rotary positions, stay fp32
        self.config, self.dtype, self.device = config, dtype, device
        self.rows, self.span = 0, 0
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self._recordings: dict[tuple[int, int], Callable[[], Tensor]] = {}
        self._reserve(1, 1)

    def take(self, model: Decoder) -> "Recorded":
        """With the weights of `model`, adapters merged."""
        state = merged_state(model)
        for name, tensor in (*self.model.named_parameters(), *self.model.named_buffers()):
            tensor.copy_(state[name] if name in state else model.get_buffer(name))
        return self

    def most_rows(self, capacity: int) -> int | None:
        """The most rows of so many tokens that a GPU's share for the cache has room for, at least 1; None: no bound."""
        if self.device.type != "cuda":
            return None
        c = self.config
        row = 2 * c.layers * c.kv_heads * c.head_dim * _rounded_up(capacity) * self.dtype.itemsize
        fitting = int(CACHE_SHARE * torch.cuda.get_device_properties(self.device).total_memory / row)
        return max((size for size in SIZES if size <= fitting), default=1)

    def size(self, rows: int) -> int:
        return SIZES[bisect_left(SIZES, rows)] if rows <= SIZES[-1] else rows

    def reserve(self, rows: int, capacity: int) -> None:
        """Memory for as many rows of as many tokens. To grow it is to record anew."""
        if rows > len(self._tokens) or capacity > self.capacity:
            self._reserve(max(rows, len(self._tokens)), max(_rounded_up(capacity), self.capacity))

    def begin(self, prompts: Tensor, lengths: Tensor, owner: Tensor) -> Tensor:
        hidden, read = self.model.prefill(prompts, lengths, prompts.shape[1])
        self.rows, self.span = len(owner), prompts.shape[1]
        assert isinstance(read, SlotCache)
        for mine, theirs in zip((*self.keys, *self.values), (*read.keys, *read.values), strict=True):
            mine[: self.rows, :, : self.span] = theirs[owner]
        self._lengths[: self.rows] = lengths[owner]
        return hidden[owner]

    def keep(self, rows: Tensor) -> None:
        self.rows = len(rows)
        for tensor in (*self.keys, *self.values):
            tensor[: self.rows, :, : self.span] = tensor[rows, :, : self.span]
        self._lengths[: self.rows] = self._lengths[rows]

    def step(self, tokens: Tensor) -> Tensor:
        self.span += 1
        self._tokens[: self.rows] = tokens
        shape = (self.rows, min(_rounded_up(self.span), self.capacity))
        if shape not in self._recordings:
            self._recordings[shape] = recorded(lambda: self._work(*shape), self.device)
        hidden = self._recordings[shape]()
        self._lengths[: self.rows] += 1
        return hidden

    def _work(self, rows: int, span: int) -> Tensor:
        """What is recorded. To do it twice writes the same twice."""
        keys, values = [k[:rows] for k in self.keys], [v[:rows] for v in self.values]
        return self.model.step(self._tokens[:rows], keys, values, self._lengths[:rows], span)

    def _reserve(self, rows: int, capacity: int) -> None:
        self._recordings.clear()
        self.keys, self.values = [], []  # the old memory is free before the new is taken
        self.capacity = capacity
        shape = (rows, self.config.kv_heads, capacity, self.config.head_dim)
        self.keys, self.values = ([torch.zeros(shape, dtype=self.dtype, device=self.device) for _ in range(self.config.layers)] for _ in range(2))
        self._tokens, self._lengths = (torch.zeros(rows, dtype=torch.int64, device=self.device) for _ in range(2))


def recorded(work: Callable[[], Tensor], device: torch.device) -> Callable[[], Tensor]:
    """Something that does `work` again on the same memory: a CUDA graph of it on a GPU, `work` itself elsewhere. Work may be done once more than asked for."""
    if device.type != "cuda":
        return work
    aside = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        work()  # libraries take their workspaces now, not while recording
    torch.cuda.current_stream(device).wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = work()

    def play() -> Tensor:
        graph.replay()
        return out

    return play


def rounded(model: LanguageModel, precision: Precision) -> LanguageModel:
    """A copy of a model with its parameters, not its buffers, in another precision."""
    twin = deepcopy(model).requires_grad_(False)
    for parameter in twin.parameters():
        parameter.data = parameter.data.to(DTYPES[precision])
    return twin


def _rounded_up(span: int) -> int:
    return -(-span // SPAN_STEP) * SPAN_STEP
