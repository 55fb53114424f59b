"""Talks with a model behind an endpoint as token ids: characters, and marks of who speaks. It has no tokenizer here, and nothing is trained on these ids."""

import sys
from collections.abc import Sequence

from autotelic.errors import DataError
from autotelic.types import Message, Prompt

MARKS = {name: sys.maxunicode + 1 + place for place, name in enumerate(("system", "user", "assistant", "tool"))}
"""Ids that open a message; all others are characters, so that nothing that is said can open one."""
NAMES = {mark: name for name, mark in MARKS.items()}


class Talk:
    """See `Script`. A plain text is a message of the user."""

    def encode(self, text: str) -> list[int]:
        return self._messages([Message(role="user", content=text)])

    def encode_prompt(self, prompt: Prompt) -> list[int]:
        if isinstance(prompt, str):
            return self.encode(prompt)
        if not prompt:
            raise DataError("the prompt is an empty list of chat messages")
        return self._messages(prompt)

    def encode_turn(self, before: Sequence[Message], said: Sequence[int], text: str) -> list[int]:
        return self.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(chr(i) for i in ids if i not in NAMES)

    def shown(self, ids: Sequence[int]) -> str:
        return "".join(f"\n{NAMES[i]}: " if i in NAMES else chr(i) for i in ids).lstrip("\n")

    def messages(self, ids: Sequence[int]) -> list[dict[str, str]]:
        """The messages of a talk, without the one that is opened and to be answered."""
        found: list[dict[str, str]] = []
        for i in ids:
            if i in NAMES:
                found.append({"role": NAMES[i], "content": ""})
            else:
                found[-1]["content"] += chr(i)
        return found[:-1]

    def _messages(self, messages: Sequence[Message]) -> list[int]:
        ids: list[int] = []
        for message in messages:
            if message["role"] not in MARKS:
                raise DataError(f"a message of {message['role']!r}: an endpoint knows {', '.join(MARKS)}")
            ids += [MARKS[message["role"]], *map(ord, message["content"])]
        return [*ids, MARKS["assistant"]]
