"""Talking to a model: completions of prompts, and conversations that keep their history, with the text shown while it is made. No tasks, no verdicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from autotelic.engines.base import Completion, Request
from autotelic.errors import DataError, SettingError
from autotelic.policies.policy import Policy
from autotelic.streams import key
from autotelic.types import Message, Prompt, Sampling, StopReason

LONGEST = 512
"""Most new tokens of a reply where nobody says how many."""

Show = Callable[[str], None]
"""Is given the next piece of a text; all pieces together are the text."""


class Spelling:
    """Shows the text of tokens while they come, piece by piece, and never half a character: bytes that are none yet wait for the next token."""

    def __init__(self, decode: Callable[[Sequence[int]], str], show: Show) -> None:
        self.decode, self.show = decode, show
        self.shown = ""
        self.tokens: list[int] = []

    def __call__(self, tokens: Sequence[int]) -> None:
        """The tokens so far."""
        self.tokens = list(tokens)
        self._show(self.decode(tokens).rstrip("\N{REPLACEMENT CHARACTER}"))

    def finish(self, tokens: Sequence[int]) -> str:
        """All tokens: what is left is shown. Returns the whole text."""
        text = self.decode(tokens)
        self._show(text)
        return text

    def _show(self, text: str) -> None:
        """Show what is new. Where a decoder takes back what was shown, such as a space before punctuation, only what follows is shown."""
        if not self.shown.startswith(text):
            same = next((i for i, (old, new) in enumerate(zip(self.shown, text, strict=False)) if old != new), min(len(text), len(self.shown)))
            self.show(text[same:])
            self.shown = text


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said."""

    text: str
    stop: StopReason | None
    """None: a person stopped it."""
    cut: str = ""
    """What cut it off, in words; empty where it ended by itself."""


@dataclass(slots=True)
class Talk:
    """How a model is spoken to."""

    policy: Policy
    sampling: Sampling
    max_tokens: int | None = None
    """None: LONGEST, or what room the context leaves."""
    seed: int = 0

    def request(self, prompt: Prompt, place: int, n: int = 1) -> Request:
        """The request for `n` completions of a prompt, the `place`-th one asked.

        Raises:
            DataError: it cannot be put to the model, or fills its context.
        """
        tokens, context = self.policy.tokenizer.encode_prompt(prompt), self.policy.model.context
        if (room := context - len(tokens)) < 1:
            raise DataError(f"the prompt of {len(tokens)} tokens fills the model's context of {context}")
        limit = min(self.max_tokens or LONGEST, room)
        streams = tuple(key("sample", self.seed, place, i) for i in range(n))
        return Request(tuple(tokens), streams, self.sampling.model_copy(update={"max_tokens": limit}))

    def complete(self, prompt: Prompt, place: int, n: int) -> list[Reply]:
        """`n` completions of a prompt, all at once."""
        request = self.request(prompt, place, n)
        found = self.policy.generate([request])[0]
        return [self._reply(self.policy.tokenizer.decode(completion.tokens), request, completion) for completion in found]

    def stream(self, prompt: Prompt, place: int, show: Show) -> Reply:
        """One completion, shown while it is made; the same text as that of `complete`. Ctrl-C stops it, and what there is by then is the reply."""
        request, tokenizer = self.request(prompt, place), self.policy.tokenizer
        spelling = Spelling(tokenizer.decode, show)
        try:
            completion = self.policy.generate([request], lambda _, tokens: spelling(tokens))[0][0]
        except KeyboardInterrupt:
            return Reply(spelling.finish(spelling.tokens), None, "stopped")
        return self._reply(spelling.finish(completion.tokens), request, completion)

    def _reply(self, text: str, request: Request, completion: Completion) -> Reply:
        if completion.stop is not StopReason.LENGTH:
            return Reply(text, completion.stop)
        context, limit = self.policy.model.context, request.sampling.max_tokens
        full = len(request.prompt) + limit >= context and limit < (self.max_tokens or LONGEST)
        return Reply(text, completion.stop, f"the model's context of {context} tokens is full" if full else f"cut off after {limit} tokens")


@dataclass(slots=True)
class Conversation:
    """Turns of a person and a model, each of which the model reads before it replies."""

    talk: Talk
    system: str | None = None
    history: list[Message] = field(default_factory=list)
    asked: int = 0

    def say(self, text: str, show: Show) -> Reply:
        """What the model replies to a person's text; both join the history. A text that does not fit leaves everything as it was.

        Raises:
            DataError: see `Talk.request`.
        """
        turn = Message(role="user", content=text)
        reply = self.talk.stream(with_system(self.system, [*self.history, turn]), self.asked, show)
        self.history += [turn, Message(role="assistant", content=reply.text)]
        self.asked += 1
        return reply

    def reset(self) -> None:
        """Forget what was said."""
        self.history.clear()


def with_system(system: str | None, messages: list[Message]) -> list[Message]:
    """Messages behind a system message, if there is one."""
    return messages if system is None else [Message(role="system", content=system), *messages]


def chats(policy: Policy, wanted: bool | None, system: str | None) -> bool:
    """Whether a model is spoken to in chat messages: as wanted, else where it has a chat template that it may have been taught.

    Raises:
        SettingError: chat messages are wanted, and there is no chat template; or a system message, and plain text.
    """
    if system is not None and wanted is False:
        raise SettingError("system: plain text has no system message; leave out --raw or --system")
    if (wanted or system is not None) and not policy.tokenizer.inner.chat_template:
        raise SettingError(f"{'chat' if wanted else 'system'}: {policy.source} has no chat template")
    return bool(wanted or system is not None) or (wanted is None and policy.tokenizer.chats)
