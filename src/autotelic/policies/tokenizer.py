"""Tokenizers: character-level ones made here, and the wrapper that turns prompts into ids and ids into text.

Any tokenizer that `AutoTokenizer` loads will do. Sampled text is never encoded again; this module encodes prompts and gold answers.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotelic.engines.base import Vocabulary
from autotelic.errors import DataError
from autotelic.types import Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAD, BEGIN, END, UNKNOWN = "<|pad|>", "<|begin|>", "<|end|>", "<|unknown|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}:{{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
"""The chat template of the character tokenizers: one 'role:content' line a message."""
SHORT, KEPT = 64, 1 << 14
"""Ids of texts of so many characters are remembered, so many at a time: what players of a game are shown comes again, and encoding takes 0.1 ms."""


class Tokenizer:
    """A Hugging Face tokenizer with the few operations the house needs."""

    def __init__(self, inner: "PreTrainedTokenizerBase") -> None:
        self.inner = inner
        end = inner.eos_token_id
        if end is None:
            raise DataError("the tokenizer has no end-of-sequence token; completions could never end")
        self.end = frozenset(end if isinstance(end, list) else [end])
        self.end_id = min(self.end)
        self.pad = inner.pad_token_id if inner.pad_token_id is not None else self.end_id
        self._known: dict[tuple[str, bool], tuple[int, ...]] = {}
        self._texts: dict[tuple[int, ...], str] = {}

    @classmethod
    def load(cls, folder: str | Path) -> "Tokenizer":
        """From a folder or a hub name, never running code that comes with it.

        Raises:
            DataError: nothing loadable there, or it has no end-of-sequence token.
        """
        from transformers import AutoTokenizer

        try:
            return cls(AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False))
        except DataError as error:
            raise DataError(f"{folder}: {error}") from None
        except Exception as error:  # The tokenizers library raises plain exceptions, transformers what a broken file happens to cause.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(f"{folder}: no tokenizer that transformers can load ({type(error).__name__}: {reason})") from error

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json, tokenizer_config.json and the chat template."""
        self.inner.save_pretrained(str(folder))

    @property
    def vocabulary(self) -> Vocabulary:
        """What an engine needs to know."""
        return Vocabulary(self.end, self.pad, self.decode)

    def render(self, prompt: Prompt) -> str:
        """The text of a prompt: as it stands, or chat messages through the chat template with the assistant's turn opened.

        Raises:
            DataError: chat messages, and the tokenizer has no chat template.
        """
        if isinstance(prompt, str):
            return prompt
        if not self.inner.chat_template:
            raise DataError("the prompt is a list of chat messages, but the model's tokenizer has no chat template; use plain string prompts")
        messages = [dict[str, str](**message) for message in prompt]
        return str(self.inner.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def encode_prompt(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt, special tokens of the template included.

        Raises:
            DataError: it is empty, or holds characters that the vocabulary lacks.
        """
        text = self.render(prompt)
        # In a plain prompt the text of a special token is only text: it must not end or open a turn.
        ids = self.encode(text, special_text=not isinstance(prompt, str))
        begin = self.inner.bos_token_id
        if isinstance(prompt, str) and begin is not None:
            ids = [begin, *ids]
        if not ids:
            raise DataError("the prompt is empty")
        return ids

    def encode(self, text: str, special_text: bool = False) -> list[int]:
        """Token ids of a text; `special_text` lets the text of special tokens stand for them.

        Raises:
            DataError: the vocabulary lacks a character of it.
        """
        if (known := self._known.get((text, special_text))) is not None:
            return list(known)
        ids = list(self.inner.encode(text, add_special_tokens=False, split_special_tokens=not special_text))
        unknown = self.inner.unk_token_id
        # A tokenizer without unknown text may name an ordinary special token here, which a template then uses.
        if unknown is not None and unknown in ids and not (special_text and str(self.inner.unk_token) in text):
            lacking = sorted({c for c in text if unknown in self.inner.encode(c, add_special_tokens=False)})
            raise DataError(f"the model's vocabulary lacks {' '.join(map(repr, lacking))} of {text[:60]!r}")
        if len(text) <= SHORT:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[text, special_text] = tuple(ids)
        return ids

    def encode_completion(self, text: str) -> list[int]:
        """Token ids of a completion that was written rather than sampled: its text, then the end token.

        Raises:
            DataError: the vocabulary lacks a character of it.
        """
        return [*self.encode(text), self.end_id]

    def shown(self, ids: Sequence[int]) -> str:
        """Text of token ids as the model reads them, special tokens included; for people."""
        key = (-1, *ids)
        if key not in self._texts:
            self._texts[key] = str(self.inner.decode(list(ids), skip_special_tokens=False))
        return self._texts[key]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids without special tokens."""
        key = tuple(ids)
        if (known := self._texts.get(key)) is not None:
            return known
        text = str(self.inner.decode(list(key), skip_special_tokens=True))
        if len(key) <= SHORT:
            if len(self._texts) >= KEPT:
                self._texts.clear()
            self._texts[key] = text
        return text


def character_tokenizer(alphabet: str, context: int) -> Tokenizer:
    """One token per character of `alphabet`, and pad, begin, end and unknown; every text of these characters survives unchanged."""
    from tokenizers import Regex, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Fast
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate([PAD, BEGIN, END, UNKNOWN, *sorted(set(alphabet))])}
    fast = Fast(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    fast.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    fast.decoder = decoders.Fuse()
    options: dict[str, Any] = {
        "pad_token": PAD, "bos_token": BEGIN, "eos_token": END, "unk_token": UNKNOWN,
        "model_max_length": context, "clean_up_tokenization_spaces": False, "chat_template": CHAT_TEMPLATE,
    }  # fmt: skip
    return Tokenizer(PreTrainedTokenizerFast(tokenizer_object=fast, **options))  # type: ignore[no-untyped-call]
