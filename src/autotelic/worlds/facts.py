"""Small tables of facts as documents, and questions about them to be answered without the documents.

A document is what a corpus knows of one name: 'kl:a4b7c2d9e1f5', six properties with a digit each. A question asks for one property, 'kl.c=', solved
by 'c2#2', or for the sum of two modulo 10, 'kl.cd=', solved by 'c2d9#1'. A model that is not shown the document must know the facts. Probes ask
questions that training never asks, in either order of the properties, about names that it does ask about: all their facts can be learned from
other questions.

The teacher of `lesson` knows the first property of every name, guesses at the last, and is ever less sure in between. It also shows how to ask, as a
challenger does: 'kl:a4b7c2d9e1f5=' is answered by a question and its answer as the document has it, 'kl.cd=c2d9#1'; '=', where there is no document,
by a question and the answer that the teacher believes.
"""

import random
import re
from collections.abc import Sequence
from typing import Any

from pydantic import Field, model_validator

from autotelic.errors import DataError
from autotelic.streams import generator
from autotelic.types import Settings, Task
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest, Rates, Span, check_span

PROPERTIES = "abcdef"
LETTERS = "klmnoprstuvw"
_PROMPT = re.compile(rf"([{LETTERS}]{{2}})\.([{PROPERTIES}]{{1,2}})=")
_ANSWER = re.compile(rf"(?:[{PROPERTIES}][0-9])*#([0-9])")


class FactsKnobs(Settings):
    """The corpus, what is asked of it, and what the teacher knows."""

    names: int = Field(40, ge=1, le=len(LETTERS) ** 2)
    """Documents of the corpus."""
    corpus: int = 0
    """Another number is another corpus."""
    facts: Span = (1, 2)
    """Properties that a question asks for."""
    knows: Rates = (0.1, 1.0)
    """How often the teacher is right about the last and about the first property; evenly between."""
    asking: float = Field(0.5, ge=0.0, le=1.0)
    """Share of the lessons that show how to ask, a third of them without a document."""

    @model_validator(mode="after")
    def _fits(self) -> "FactsKnobs":
        check_span("facts", self.facts, 1, 2)
        return self


class Facts(GeneratedWorld[FactsKnobs]):
    """Questions about the facts of a corpus; tags: slice, by the number of facts asked for."""

    name = "facts"
    alphabet = "#.:=0123456789" + PROPERTIES + LETTERS
    settings = FactsKnobs

    def names(self, knobs: FactsKnobs | None = None) -> list[str]:
        """The names that the corpus has a document about."""
        knobs = knobs or self.knobs
        return generator("facts", knobs.corpus).sample([a + b for a in LETTERS for b in LETTERS], knobs.names)

    def value(self, name: str, item: str) -> int:
        """The digit of a property of a name."""
        return generator("fact", self.knobs.corpus, name, item).randrange(10)

    def documents(self) -> list[str]:
        """The corpus, one document a name."""
        return [table(name, {item: self.value(name, item) for item in PROPERTIES}) for name in self.names()]

    def draw(self, rng: random.Random, knobs: FactsKnobs) -> tuple[str, dict[str, Any]]:
        """A name and different properties, all equally likely."""
        items = rng.sample(PROPERTIES, rng.randint(*knobs.facts))
        return question(rng.choice(self.names(knobs)), items), {"slice": f"facts {len(items)}"}

    def solve(self, prompt: str) -> str:
        """The facts asked for, then '#' and their sum modulo 10."""
        name, items = self.asked(prompt)
        return worked({item: self.value(name, item) for item in items})

    def asked(self, prompt: str) -> tuple[str, str]:
        """The name and the properties that a prompt asks for.

        Raises:
            DataError: it is no question about this corpus.
        """
        found = read(prompt)
        if found is None or found[0] not in self.names():
            raise DataError(f"not a question about these facts: {prompt!r}")
        return found

    def stated(self, document: str, prompt: str) -> str | None:
        """The answer to a question as a document has it; None where the document does not tell, or the prompt is no question."""
        found = read(prompt)
        known = dict(re.findall(f"([{PROPERTIES}])([0-9])", document))
        if found is None or not document.startswith(found[0] + ":") or not set(found[1]) <= set(known):
            return None
        return str(sum(int(known[item]) for item in found[1]) % 10)

    def identity(self, prompt: str) -> object:
        """The question with its properties in order: 'kl.dc=' asks for the same sum as 'kl.cd='."""
        found = read(prompt)
        return question(found[0], sorted(found[1])) if found else prompt

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 for the right digit; what is no question about this corpus has no right answer."""
        try:
            return super().verify(task, answer)
        except DataError:
            return 0.0

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """What the teacher believes; or a question of a random table, or of none."""
        name, items = self.asked(str(task.prompt))
        believed = {item: self.believed(name, item, rng) for item in items}
        if rng.random() >= self.knobs.asking:
            return Lesson((str(task.prompt),), worked(believed))
        if rng.random() < 1 / 3:
            return Lesson(("=",), str(task.prompt) + worked(believed))
        values = {item: rng.randrange(10) for item in PROPERTIES}
        return Lesson((table(name, values) + "=",), str(task.prompt) + worked({item: values[item] for item in items}))

    def believed(self, name: str, item: str, rng: random.Random) -> int:
        """A fact as the teacher gives it: right as often as the property allows, else any other digit."""
        low, high = self.knobs.knows
        sure = high - (high - low) * PROPERTIES.index(item) / (len(PROPERTIES) - 1)
        return (self.value(name, item) + (rng.random() >= sure) * rng.randint(1, 9)) % 10

    def parse(self, text: str) -> str | None:
        """The digit after '#', with nothing but facts before it."""
        found = _ANSWER.fullmatch(text.strip())
        return found[1] if found else None

    def bounds(self, knobs: FactsKnobs) -> Longest:
        """A document to ask about; a question with its answer."""
        return Longest(2 * len(PROPERTIES) + 4, 12)


def read(prompt: str) -> tuple[str, str] | None:
    """The name and the different properties that a prompt asks for, of any corpus; None where it is no question."""
    found = _PROMPT.fullmatch(prompt)
    return (found[1], found[2]) if found and len(set(found[2])) == len(found[2]) else None


def table(name: str, values: dict[str, int]) -> str:
    """The document of a name."""
    return f"{name}:" + "".join(f"{item}{value}" for item, value in values.items())


def question(name: str, items: Sequence[str]) -> str:
    """The prompt that asks for properties of a name."""
    return f"{name}.{''.join(items)}="


def worked(values: dict[str, int]) -> str:
    """Facts and their sum, as a completion."""
    return "".join(f"{item}{value}" for item, value in values.items()) + f"#{sum(values.values()) % 10}"
