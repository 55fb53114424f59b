"""Tokenizers: character-level ones made here, and the wrapper that turns prompts into ids and ids into text.

Any tokenizer that `AutoTokenizer` loads will do. Sampled text is never encoded again; this module encodes prompts and gold answers.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotelic.engines.base import Vocabulary
from autotelic.errors import DataError, SettingError, nearest
from autotelic.policies.folder import declared_ends, location, resolve
from autotelic.policies.templates import ChatTemplate
from autotelic.types import Message, Prompt

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

PAD, BEGIN, END, UNKNOWN = "<|pad|>", "<|begin|>", "<|end|>", "<|unknown|>"

CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] }}:{{ message['content'] }}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
"""The chat template of the character tokenizers: one 'role:content' line a message."""
GIVEN = frozenset(("messages", "add_generation_prompt"))
"""Variables of a chat template that only the prompt decides."""
SHORT, KEPT = 64, 1 << 14
"""Ids of texts of so many characters are remembered, so many at a time: what players of a game are shown comes again, and encoding takes 0.1 ms."""

TALKS = (("user", "assistant", "user"), ("system", "user"), ("user", "assistant", "tool"))
SAID = "what the {} said"
"""Talks with which a chat template is tried: who speaks, and what."""


class Tokenizer:
    """A Hugging Face tokenizer with the few operations that this package needs.

    Special tokens are of two kinds. *Control* tokens end, begin or pad a text, stand for what is unknown, or mark the turns of a chat: in a text that is
    encoded, their spelling is only text, so that nothing in a prompt can end or open a turn. All others are text of their own, such as `<answer>` where it
    is a token: they are encoded as their ids and kept when ids are decoded.
    """

    def __init__(self, inner: "PreTrainedTokenizerBase", ends: Iterable[int] = (), generation: Mapping[str, Any] | None = None) -> None:
        """ends: ids that end a completion beside the tokenizer's own. generation: what `generation_config.json` says, kept for saving.

        Raises:
            DataError: nothing ends a completion, or the chat template cannot be read.
        """
        self.inner = inner
        self.generation = generation
        self.variables: dict[str, Any] = {}
        """Of the chat template, beside the messages; see `set_variables`."""
        own = inner.eos_token_id
        named = frozenset(own if isinstance(own, list) else [] if own is None else [own])
        self.closing = self._closing()
        """The id that the chat template writes behind what the assistant said; None where it writes none."""
        self.end = named | frozenset(ends) | frozenset([] if self.closing is None else [self.closing])
        """Ids that end a completion, each of them."""
        if not self.end:
            raise DataError("the tokenizer has no end-of-sequence token; completions could never end")
        self.end_id = min(named or self.end)
        """The id that ends a text that was written rather than sampled."""
        self.chat_end_id = self.end_id if self.closing is None else self.closing
        """The same behind a chat."""
        self.pad: int = inner.pad_token_id if inner.pad_token_id is not None else self.end_id
        self.unseen = self.end | {inner.pad_token_id, inner.bos_token_id, inner.unk_token_id}
        """Ids that stand for no text."""
        self._known: dict[tuple[str, bool], tuple[int, ...]] = {}
        self._texts: dict[tuple[int, ...], str] = {}

    @classmethod
    def load(cls, source: str | Path, model: Path | None = None) -> "Tokenizer":
        """From a folder, a GGUF file or a hub name, never running code that comes with it. model: where the weights are, if they are elsewhere.

        Raises:
            DataError: nothing loadable there, or nothing that ends a completion.
        """
        from transformers import AutoTokenizer

        path = resolve(source)
        folder, options = location(path)
        generation, ends = declared_ends(model or path)
        try:
            inner = AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False, **options)
            inner.encode("0")
        except Exception as error:  # The tokenizers library raises plain exceptions, transformers what a broken file happens to cause.
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise DataError(f"{source}: no tokenizer that transformers can load ({type(error).__name__}: {reason})") from error
        try:
            return cls(inner, ends, generation)
        except DataError as error:
            raise DataError(f"{source}: {error}") from None

    def save(self, folder: str | Path) -> None:
        """Write tokenizer.json, tokenizer_config.json and the chat template."""
        self.inner.save_pretrained(str(folder))

    def fit(self, vocab_size: int) -> None:
        """Leave out ends that a model with so many tokens can never reach, and take a padding id that it has: padding is never read, but looked up.

        Raises:
            DataError: the model lacks the end token.
        """
        for end in {self.end_id, self.chat_end_id}:
            if end >= vocab_size:
                raise DataError(f"the tokenizer's end token {end} is outside the model's vocabulary of {vocab_size}")
        self.end = frozenset(end for end in self.end if end < vocab_size)
        if not 0 <= self.pad < vocab_size:
            self.pad = self.end_id

    @property
    def vocabulary(self) -> Vocabulary:
        """What an engine needs to know."""
        return Vocabulary(self.end, self.pad, self.decode)

    @property
    def chats(self) -> bool:
        """Whether it comes with a chat template that its model may have been taught; that of the character tokenizers made here is only a default."""
        return bool(self.inner.chat_template) and self.inner.chat_template != CHAT_TEMPLATE

    def set_variables(self, variables: Mapping[str, Any]) -> None:
        """Further variables of the chat template, such as `enable_thinking`, for every prompt from now on.

        Raises:
            SettingError: the template has no such variable.
        """
        known = frozenset() if self.template is None else self.template.variables - GIVEN
        for name in variables:
            if name not in known:
                hint = (
                    f"; {nearest(name, known)}"
                    if get_close_matches(name, known, n=1, cutoff=0.5)
                    else f" (it has: {', '.join(sorted(known)) or 'none'})"
                )
                raise SettingError(f"chat_template_kwargs.{name}: the model's chat template has no such variable{hint}")
        self.variables = dict(variables)

    @cached_property
    def template(self) -> ChatTemplate | None:
        """The chat template; None where the tokenizer has none.

        Raises:
            DataError: it cannot be read.
        """
        if not self.inner.chat_template:
            return None
        try:
            source = self.inner.get_chat_template()
        except ValueError as error:
            raise DataError(f"the chat template: {' '.join(str(error).split())}") from error
        return ChatTemplate(source)

    @cached_property
    def control(self) -> frozenset[str]:
        """The spelling of the control tokens. Those that mark turns are the ones of which a template writes more for a longer talk."""
        unseen = frozenset(text for text, i in self._special.items() if i in self.unseen)
        others = self._special.keys() - unseen
        if not (others and self.inner.chat_template):
            return unseen
        short = self._tried("user")
        longer = list(filter(None, (self._tried(*roles) for roles in TALKS)))
        if short is None or not longer:
            return unseen | {text for text in others if text in str(self.inner.chat_template)}
        return unseen | {text for text in others if any(talk.count(text) > short.count(text) for talk in longer)}

    @cached_property
    def _special(self) -> dict[str, int]:
        added = {token.content: i for i, token in self.inner.added_tokens_decoder.items() if token.special}
        return added | dict(zip(self.inner.all_special_tokens, self.inner.all_special_ids, strict=True))

    @cached_property
    def _found(self) -> re.Pattern[str] | None:
        """Finds special tokens in a text that need a look: those that are text of their own, and control tokens that the tokenizer would make of text."""
        plain = {text for text in self.control if self._special[text] in self.inner.encode(text, add_special_tokens=False, split_special_tokens=True)}
        return any_of((self._special.keys() - self.control) | plain)

    def _spelled(self, text: str) -> list[int]:
        """Ids of the spelling of a special token: its own, or for a control token those of its characters."""
        if text not in self.control:
            return [self._special[text]]
        ids = self._after(text, special_text=False)
        return [i for c in text for i in self._after(c, special_text=False)] if self._special[text] in ids else ids

    @cached_property
    def _begin(self) -> list[int]:
        """The ids that the tokenizer, as it is configured, puts before a text."""
        text = "0"
        whole, bare = (list(self.inner.encode(text, add_special_tokens=special)) for special in (True, False))
        places = range(len(whole) - len(bare) + 1)
        return next((whole[:place] for place in places if whole[place : place + len(bare)] == bare), [])

    def _closing(self) -> int | None:
        """See `closing`: found by rendering an answer and looking at what follows it."""
        added = {token.content: i for i, token in self.inner.added_tokens_decoder.items()}
        if not any(text in str(self.inner.chat_template) for text in added):
            return None
        text = self._tried("user", "assistant", opened=False) or self._tried("system", "user", "assistant", opened=False) or ""
        _, found, rest = text.rpartition(SAID.format("assistant"))
        following = [text for text in added if found and rest.lstrip().startswith(text)]
        return added[max(following, key=len)] if following else None

    def _tried(self, *roles: str, opened: bool = True) -> str | None:
        """The text of a talk of these roles; None where the template refuses it."""
        try:
            return self._rendered([{"role": role, "content": SAID.format(role)} for role in roles], opened)
        except DataError:
            return None

    def render(self, prompt: Prompt) -> str:
        """The text of a prompt: as it stands, or chat messages through the chat template with the assistant's turn opened.

        Raises:
            DataError: chat messages, and the tokenizer has no chat template, or one that refuses them or fails.
        """
        return prompt if isinstance(prompt, str) else self._rendered([dict(message) for message in prompt])

    def _rendered(self, messages: list[dict[str, Any]], opened: bool = True) -> str:
        if self.template is None:
            raise DataError(
                "the prompt is a list of chat messages, but the model's tokenizer has no chat template; use plain string prompts, in worlds in English ?chat=false"
            )
        if not messages:
            raise DataError("the prompt is an empty list of chat messages")
        return self.template.render(messages, add_generation_prompt=opened, **{**self.inner.special_tokens_map, **self.variables})

    def encode_prompt(self, prompt: Prompt) -> list[int]:
        """Token ids of a prompt: a plain one behind what the tokenizer is configured to put before a text, a chat as its template writes it.

        Control tokens are those that the template wrote: their spelling in what a user, a system prompt or a tool says is text.

        Raises:
            DataError: it is empty, or holds characters that the vocabulary lacks; or as `render`.
        """
        ids = [*self._begin, *self.encode(prompt)] if isinstance(prompt, str) else self._encode_chat([dict(message) for message in prompt])
        if not ids:
            raise DataError("the prompt is empty")
        return ids

    def encode_talk(self, messages: Sequence[Message]) -> list[int]:
        """Token ids of a whole conversation, as who judges it reads it: no turn is opened, and nothing that anybody says can end or open one.

        Raises:
            DataError: as `render`.
        """
        return self._encode_chat([dict(message) for message in messages], opened=False, trusted=())

    def encode_turn(self, before: Sequence[Message], said: Sequence[int], text: str) -> list[int]:
        """Token ids of what follows an answer in a chat: the end of the assistant's turn, a message of the user, and the assistant's next turn opened.

        before: the messages that were answered. said: ids up to the end of the answer, which are never encoded again; an end of the turn that they have
        is not repeated.

        Raises:
            DataError: as `render`; or the template leaves out earlier answers.
        """
        answer, _ = unused("".join(message["content"] for message in before) + text)
        talk = [*before, Message(role="assistant", content=answer), Message(role="user", content=text)]
        ids = self._encode_chat([dict(message) for message in talk], behind=answer)
        end = self.closing
        return ids[ids.index(end) + 1 :] if end is not None and end in ids and list(said[-1:]) == [end] else ids

    def _encode_chat(
        self, messages: list[dict[str, Any]], opened: bool = True, trusted: Collection[str] = ("assistant",), behind: str | None = None
    ) -> list[int]:
        """Ids of a conversation; of what stands behind the text `behind` alone, where it is given."""
        control = any_of(self.control)
        heard = [message for message in messages if message["role"] not in trusted]
        if control is None or not any(control.search(message["content"]) for message in heard):
            text = self._behind(behind, self._rendered(messages, opened))
            return self.encode(text, special_text=True) if behind is None else self._after(text, special_text=True)
        left, right = unused("".join(message["content"] for message in messages))
        for message in heard:
            message["content"] = control.sub(rf"{left}\g<0>{right}", message["content"])
        text = self._behind(behind, self._rendered(messages, opened))
        pieces = re.split(f"{left}([^{left}{right}]*){right}|[{left}{right}]", text)  # a template may have torn two apart
        return self._joined(["", "", *pieces] if behind else pieces, special_text=True, between=self._spelled)

    def _behind(self, mark: str | None, text: str) -> str:
        if mark is None:
            return text
        _, found, rest = text.rpartition(mark)
        if not found:
            raise DataError("the chat template leaves out what the assistant said before, so that nothing can follow it")
        return rest

    def encode(self, text: str, special_text: bool = False) -> list[int]:
        """Token ids of a text; `special_text` lets the text of control tokens stand for them.

        Raises:
            DataError: the vocabulary lacks a character of it.
        """
        if (known := self._known.get((text, special_text))) is not None:
            return list(known)
        if special_text or self._found is None or not self._found.search(text):
            ids = self._plain(text, special_text)
        else:
            ids = self._joined(re.split(f"({self._found.pattern})", text), special_text, between=self._spelled)
        if len(text) <= SHORT:
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[text, special_text] = tuple(ids)
        return ids

    def _joined(self, pieces: Sequence[str | None], special_text: bool, between: Callable[[str], list[int]]) -> list[int]:
        """Ids of pieces of one text, every second of which is encoded by `between`."""
        ids: list[int] = []
        for place, piece in enumerate(pieces):
            if piece:
                ids += between(piece) if place % 2 else self._after(piece, special_text) if place else self._plain(piece, special_text)
        return ids

    def _after(self, text: str, special_text: bool) -> list[int]:
        """Ids of a text that stands behind another: some tokenizers put a space before a text that stands alone."""
        before = list(self.inner.encode("\n", add_special_tokens=False))
        ids = self._plain("\n" + text, special_text) if before and self.inner.unk_token_id not in before else []
        return ids[len(before) :] if ids[: len(before)] == before and ids else self._plain(text, special_text)

    def _plain(self, text: str, special_text: bool) -> list[int]:
        try:
            ids = list(self.inner.encode(text, add_special_tokens=False, split_special_tokens=not special_text))
        except Exception as error:  # The tokenizers library raises plain exceptions.
            raise DataError(f"the tokenizer fails on {text[:60]!r}: {error}") from error
        unknown = self.inner.unk_token_id
        # A tokenizer without unknown text may name an ordinary special token here, which a template then uses.
        if unknown is not None and unknown in ids and not (special_text and str(self.inner.unk_token) in text):
            lacking = sorted({c for c in text if unknown in self.inner.encode(c, add_special_tokens=False)})
            raise DataError(f"the model's vocabulary lacks {' '.join(map(repr, lacking))} of {text[:60]!r}")
        return ids

    def encode_completion(self, text: str, chat: bool = False) -> list[int]:
        """Token ids of a completion that was written rather than sampled: its text, then the end token, behind a chat that of the chat.

        Raises:
            DataError: the vocabulary lacks a character of it.
        """
        return [*self.encode(text), self.chat_end_id if chat else self.end_id]

    def shown(self, ids: Sequence[int]) -> str:
        """Text of token ids as the model reads them, special tokens included; for people."""
        key = (-1, *ids)
        if key not in self._texts:
            self._texts[key] = str(self.inner.decode(list(ids), skip_special_tokens=False))
        return self._texts[key]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids without those that end, begin or pad a text or stand for what is unknown."""
        key = tuple(ids)
        if (known := self._texts.get(key)) is not None:
            return known
        text = str(self.inner.decode([i for i in key if i not in self.unseen], skip_special_tokens=False))
        if len(key) <= SHORT:
            if len(self._texts) >= KEPT:
                self._texts.clear()
            self._texts[key] = text
        return text


def any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    """A pattern that finds any of some texts, the longest first; None where there is none."""
    ordered = sorted(filter(None, texts), key=lambda text: (-len(text), text))
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def unused(text: str) -> tuple[str, str]:
    """Two characters for private use that a text does not hold."""
    first, second, *_ = (c for c in map(chr, range(0xE000, 0xF900)) if c not in text)
    return first, second


def character_tokenizer(alphabet: str, context: int) -> Tokenizer:
    """One token per character of `alphabet`, and pad, begin, end and unknown; every text of these characters survives unchanged.

    It is configured to put the begin token before a text."""
    from tokenizers import Regex, decoders, models, pre_tokenizers
    from tokenizers import Tokenizer as Fast
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: i for i, token in enumerate([PAD, BEGIN, END, UNKNOWN, *sorted(set(alphabet))])}
    fast = Fast(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    fast.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    fast.decoder = decoders.Fuse()
    options: dict[str, Any] = {
        "pad_token": PAD, "bos_token": BEGIN, "eos_token": END, "unk_token": UNKNOWN,
        "add_bos_token": True, "model_max_length": context, "clean_up_tokenization_spaces": False, "chat_template": CHAT_TEMPLATE,
    }  # fmt: skip
    return Tokenizer(PreTrainedTokenizerFast(tokenizer_object=fast, **options))  # type: ignore[no-untyped-call]
