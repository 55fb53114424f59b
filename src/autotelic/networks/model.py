"""The interface of a language model in this package: hidden states, a head, and a cache to continue from. Networks themselves are in `decoder` and
`transformers_model`."""

from typing import Protocol

import torch
from torch import Tensor, nn


class Cache(Protocol):
    """Keys and values of the tokens seen so far, one row per sequence."""

    def repeat(self, counts: Tensor) -> "Cache":
        """Row `i` becomes `counts[i]` equal rows: how a group shares its prompt. counts: (B,) int64."""

    def keep(self, rows: Tensor) -> "Cache":
        """Only these rows: how finished sequences are dropped. rows: (K,) int64."""


class LanguageModel(nn.Module):
    """A causal language model. Subclasses: `Decoder` (Llama and Qwen families), `TransformersModel` (all others)."""

    vocab_size: int
    context: int
    """Most tokens in one sequence."""

    def hidden(self, tokens: Tensor) -> Tensor:
        """(B, T) int64, padded on the right, to the last hidden states (B, T, D)."""
        raise NotImplementedError

    def head(self, hidden: Tensor) -> Tensor:
        """(..., D) to logits (..., V)."""
        raise NotImplementedError

    def prefill(self, tokens: Tensor, lengths: Tensor, capacity: int) -> tuple[Tensor, Cache]:
        """Read prompts (B, T), padded on the right to T, of `lengths` (B,); the hidden state (B, D) of each one's last token, and a
        cache with room for `capacity` tokens a row."""
        raise NotImplementedError

    def decode(self, tokens: Tensor, cache: Cache) -> Tensor:
        """Append one token (B,) to every row of the cache; its hidden state (B, D)."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device
