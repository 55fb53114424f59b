"""What an engine is asked for and what it returns. Not an engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from autotelic.types import Sampling, StopReason

if TYPE_CHECKING:
    from autotelic.policies.model import LanguageModel


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


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What an engine must know of a tokenizer."""

    end: frozenset[int]
    """Ids that end a completion."""
    pad: int
    decode: Callable[[Sequence[int]], str]
    """Only called for requests with stop strings."""


class Engine(Protocol):
    """Continues prompts. The same request with the same weights gives the same completion whatever else is in the batch
    (up to the rounding of matrix products, which may differ with the batch)."""

    name: str

    def generate(self, model: "LanguageModel", requests: Sequence[Request], vocabulary: Vocabulary) -> list[list[Completion]]:
        """For each request, one completion per stream, in order."""
