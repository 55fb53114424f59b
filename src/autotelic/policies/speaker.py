"""What a role needs of whoever speaks it: a policy of the run, or a model behind an endpoint. Not those speakers themselves."""

from collections.abc import Sequence
from typing import Protocol

from autotelic.engines.base import Completion, Request
from autotelic.types import Message, Prompt


class Script(Protocol):
    """How what is said becomes token ids, and how these become text. A `Tokenizer` is one."""

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""

    def encode_prompt(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt."""

    def encode_turn(self, before: Sequence[Message], said: Sequence[int], text: str) -> list[int]:
        """Token ids of what follows an answer in a chat."""

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids."""

    def shown(self, ids: Sequence[int]) -> str:
        """Text of token ids as the model reads them."""


class Speaker(Protocol):
    """Who answers requests under a role."""

    name: str
    version: int

    @property
    def tokenizer(self) -> Script:
        """Its writing."""

    @property
    def context(self) -> int:
        """Most tokens of a prompt and its answer."""

    async def sample(self, requests: Sequence[Request]) -> list[list[Completion]]:
        """Completions of each request, one for each of its streams."""
