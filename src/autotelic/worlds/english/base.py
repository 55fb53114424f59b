"""What the worlds in English share: problems in words, asked in a chat, with answers read as a chat model writes them. Not the words of judges and
proposers, which are in `tasks.english`."""

from collections.abc import Hashable, Iterator
from functools import cached_property
from itertools import cycle
from typing import Any, TypeVar

from pydantic import Field

from autotelic import streams
from autotelic.answers.reading import read
from autotelic.errors import DataError, SettingError
from autotelic.tasks.english import SHOWN, Texts, english, last_said
from autotelic.tasks.language import Language, skill_of
from autotelic.types import Message, Prompt, Settings, Skill, Task
from autotelic.worlds.base import GeneratedWorld

PLACES = ("boxed", "hashes", "answer", "tag", "line")
"""Where an answer may stand."""


class EnglishKnobs(Settings):
    """How problems are asked."""

    ask: str = ""
    """What is said behind a problem."""
    chat: bool = True
    """Whether a problem is a message of the user, for a chat model, or plain text."""
    shots: int = Field(4, ge=0, le=4)
    """Solved problems that stand before each problem, in a chat as earlier turns."""


AskedKnobs = TypeVar("AskedKnobs", bound=EnglishKnobs)


class EnglishWorld(GeneratedWorld[AskedKnobs]):
    """A generated world whose problems are English. `draw`, `solve`, `identity` and `held_out` see a problem alone; in the prompts of tasks solved ones
    stand before it, and the text of the knob `ask` behind it. What a model wrote is a problem here whatever it is, with an answer where it is one of
    this world."""

    alphabet = "".join(map(chr, range(32, 127))) + "\n"
    examples: tuple[str, ...]
    """Problems that are shown with their solutions."""
    texts = Texts()
    """How a model is asked to judge, criticize, mend or write problems; a run sets its own."""

    def stream(self, *, seed: int, split: str = "train", **knobs: Any) -> Iterator[Task | None]:
        """As of every world; but `ask`, `chat` and `shots` belong to the world, and no call can change them: SettingError."""
        if fixed := next((knob for knob in EnglishKnobs.model_fields if knob in knobs), None):
            raise SettingError(f"world {self.name!r}: the knob {fixed!r} is set where the world is opened, not in a call")
        return super().stream(seed=seed, split=split, **knobs)

    def task(self, prompt: str, tags: dict[str, Any] | None = None) -> Task:
        """The task of a problem, without an answer where it is none of this world.

        Raises:
            DataError: it says nothing.
        """
        text = self.problem(prompt)
        if not text:
            raise DataError(f"{self.name}: the problem is empty")
        try:
            answer = self.parse(self.solve(text))
        except DataError:
            answer = None
        return Task(f"{self.name}-{streams.key(text):016x}", self.asked(text), answer, tags=tags or {})

    def asked(self, problem: str) -> Prompt:
        """A problem as it is put to a model."""
        turns = [text for shown in self.examples[: self.knobs.shots] for text in (self._said(shown), self.solve(shown))]
        if not self.knobs.chat:
            return "\n\n".join(["\n".join(pair) for pair in zip(turns[::2], turns[1::2], strict=True)] + [f"{self._said(problem)}\n"])
        return [Message(role=role, content=text) for role, text in zip(cycle(("user", "assistant")), [*turns, self._said(problem)], strict=False)]

    def _said(self, problem: str) -> str:
        return f"{problem} {self.knobs.ask}".strip()

    def problem(self, prompt: str) -> str:
        """The problem of a plain prompt: its last paragraph, without what the knob `ask` says behind it."""
        return prompt.strip().rpartition("\n\n")[2].removesuffix(self.knobs.ask).strip()

    def posed(self, prompt: Prompt) -> str:
        """The problem in the prompt of a task."""
        return self.problem(prompt if isinstance(prompt, str) else last_said(prompt))

    def gold(self, task: Task) -> str:
        """Worked steps, and the answer in a line of its own; raises DataError for a problem of elsewhere."""
        return self.solve(self.posed(task.prompt))

    def held_out(self, prompt: str) -> bool:
        """Whether a text poses a problem of a split that training must leave alone."""
        text = self.problem(prompt)
        return self.known(text) and self.split(text) != "train"

    def known(self, problem: str) -> bool:
        """Whether a problem is one of this world."""
        try:
            return bool(self.solve(problem))
        except DataError:
            return False

    @property
    def reading(self) -> Hashable:
        """How answers are found in completions: as those of a file of numbers, where a world does not read them in its own way."""
        return ("number", PLACES) if type(self).parse is EnglishWorld.parse else type(self).parse

    def parse(self, text: str) -> str | None:
        """The number that a completion gives as its answer, as `answers.numbers` writes it."""
        return read(text, "number", PLACES)

    @cached_property
    def _english(self) -> Language:
        examples = [self.posed(task.prompt) for task in self.tasks(SHOWN, seed=0)]
        chats = [[Message(role="user", content=text)] if self.knobs.chat else text for text in examples]
        return english(self.texts, self, chats, self.posed)

    def skill(self, name: str) -> Skill:
        """A skill of `tasks.english`; raises SettingError for another."""
        return skill_of(self.name, self._english, name)
