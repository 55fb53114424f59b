"""What an engine is asked for and what it returns. Not an engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from autotelic.errors import DataError, SettingError
from autotelic.types import Sampling, StopReason

if TYPE_CHECKING:
    from autotelic.networks.model import LanguageModel


@dataclass(frozen=True, slots=True)
class Request:
    """One prompt and the samples wanted of it. The prompt's cache is computed once for all of them."""

    prompt: tuple[int, ...]
    streams: tuple[int, ...]
    """One 64-bit random key per sample wanted (see `autotelic.streams`)."""
    sampling: Sampling
    forced: tuple[int, ...] = ()
    """Tokens every completion must begin with; they are scored, and count as new tokens."""


@dataclass(slots=True)
class Completion:
    """One sampled continuation: token ids (the end token included) and their log-probabilities at `Sampling.scale`."""

    tokens: list[int]
    logprobs: list[float]
    stop: StopReason
    given: tuple[int, ...] = ()
    """Places of tokens that were not sampled but put there by the world, whose log-probabilities are 0; no engine makes any."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an engine must know of a tokenizer."""

    end: frozenset[int]
    """Ids that end a completion."""
    pad: int
    decode: Callable[[Sequence[int]], str]
    """Only called for requests with stop strings."""


Watch = Callable[[int, Sequence[int]], None]
"""Told, while a batch is made, the place of a sample among all samples of the call and the tokens it has so far, after every token but an end token.
What it raises ends the batch. It may be called on other threads, several at a time."""


class Engine(Protocol):
    """Continues prompts. The same request with the same weights gives the same completion whatever else is in the batch
    (up to the rounding of matrix products, which may differ with the batch)."""

    name: str

    def generate(
        self, model: "LanguageModel", requests: Sequence[Request], vocabulary: Vocabulary, watch: Watch | None = None
    ) -> list[list[Completion]]:
        """For each request, one completion per stream, in order; `watch` changes nothing of them.

        Raises:
            DataError: an empty prompt, a token id that the model has not, or weights that give logits that are not finite.
            SettingError: a prompt and its `max_tokens` exceed the model's context.
        """


def check(model: "LanguageModel", requests: Sequence[Request]) -> None:
    """What every engine refuses before it begins; see `Engine.generate`."""
    for request in requests:
        if not request.prompt:
            raise DataError("a request has an empty prompt")
        for token in (min((*request.prompt, *request.forced)), max((*request.prompt, *request.forced))):
            if not 0 <= token < model.vocab_size:
                raise DataError(f"token id {token} is not in the model's vocabulary of {model.vocab_size}")
        length, limit = len(request.prompt), request.sampling.max_tokens
        if length + limit - 1 > model.context:  # the last token is never read
            raise SettingError(f"max_tokens: a prompt of {length} tokens and {limit} new ones exceed the model's context of {model.context}")


def not_finite(model: "LanguageModel") -> DataError:
    """The error for logits that are NaN or infinite; names a weight at fault, if it is one."""
    name = next((name for name, parameter in model.named_parameters() if not torch.isfinite(parameter).all()), None)
    why = f"{name} holds NaN or infinity" if name else "the weights are finite, but activations are too large"
    return DataError(f"the model cannot be sampled from, its logits are not finite: {why}")
