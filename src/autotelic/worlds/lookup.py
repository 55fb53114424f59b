"""Search over a small corpus in several hops: a task opens an environment in which a player asks for facts, one at a time, and then answers.

The player is first shown a question such as 'klxc=': property c of what the link x of kl leads to. `?klx` asks for the link x of kl, and what it is shown
is its value and a colon, 'op:'; `?opc` asks for a property, '7:'; `#7` answers and ends the play. A source may fail, '!:', or lie.
"""

import random
import re
from collections.abc import Mapping
from functools import lru_cache
from itertools import product
from typing import Any

from pydantic import Field, model_validator

from autotelic.errors import DataError
from autotelic.streams import generator, key
from autotelic.types import Settings, Task
from autotelic.worlds.base import GeneratedWorld, Lesson, Longest, Span, check_span

LETTERS = "klmnoprstuvw"
NAMES = ["".join(pair) for pair in product(LETTERS, repeat=2)]
LINKS, PROPERTIES = "xy", "abcd"
FAILED = "!"
Corpus = Mapping[str, str]
"""The value of every name and letter: of a link another name, of a property a digit."""

_QUESTION = re.compile(rf"([{LETTERS}]{{2}})([{LINKS}]*)([{PROPERTIES}])=")
_ASK = re.compile(rf"\?([{LETTERS}]{{2}}[{LINKS}{PROPERTIES}])")
_PLAY = re.compile(r"(\d+) (\d+)")
_ANSWER = re.compile(r"(?s)(?:.*[\n:])?#([0-9])\s*")


class LookupKnobs(Settings):
    """How far the answer is, and how good the sources are."""

    hops: Span = (1, 2)
    """Facts between question and answer; of a range, every number is equally likely."""
    calls: int = Field(6, ge=1, le=30)
    """Asks that a play may have; one more is not legal."""
    fail: float = Field(0.0, ge=0.0, le=1.0)
    """Share of asks that are answered with '!'."""
    lie: float = Field(0.0, ge=0.0, le=1.0)
    """Share of asks that are answered with a wrong value, all wrong ones equally likely."""
    names: int = Field(24, ge=3, le=len(NAMES))
    corpus: int | None = None
    """The number that all facts follow from, so that they can be learned by heart; None: every task has facts of its own."""
    slip: float = Field(0.5, ge=0.0, le=1.0)
    """Of lessons: the chance that a decision is a guess, or an ask at random about a name that was met."""

    @model_validator(mode="after")
    def _fits(self) -> "LookupKnobs":
        check_span("hops", self.hops, 1, 4)
        if self.fail + self.lie > 1:
            raise ValueError(f"fail = {self.fail} and lie = {self.lie} are more than all asks")
        return self


@lru_cache(4096)
def corpus_of(seed: str | int, count: int) -> Corpus:
    """The facts about `count` names."""
    rng = generator("lookup", "corpus", seed)
    names = rng.sample(NAMES, count)
    facts = {name + link: rng.choice([other for other in names if other != name]) for name in names for link in LINKS}
    return facts | {name + letter: str(rng.randrange(10)) for name in names for letter in PROPERTIES}


def path(facts: Corpus, question: str) -> list[str]:
    """The facts between a question and its answer, such as ['klx', 'opc'].

    Raises:
        DataError: no question, or about a name that is not in the corpus.
    """
    if not (found := _QUESTION.fullmatch(question)) or found[1] + LINKS[0] not in facts:
        raise DataError(f"not a lookup question: {question!r}")
    name, asked = found[1], []
    for letter in found[2] + found[3]:
        asked.append(name + letter)
        name = facts[asked[-1]]
    return asked


class Search:
    """An `Environment` of one player: a question, and sources that may fail or lie."""

    name = "lookup"
    players = 1

    def __init__(self, question: str, facts: Corpus, knobs: LookupKnobs) -> None:
        self.question, self.facts, self.knobs = question, facts, knobs
        self.reset(0)

    def reset(self, seed: int) -> None:
        """See `Environment`."""
        self.chance = generator("lookup", "sources", seed)
        self.asked: list[str] = []
        self.answer: str | None = None
        self.shown = self.question

    @property
    def to_move(self) -> int | None:
        """See `Environment`."""
        return 0 if self.answer is None else None

    def observe(self, player: int) -> str:
        """The question, and later the value that was asked for last."""
        return self.shown

    def step(self, action: str) -> bool:
        """An ask or an answer; not legal where it is neither, or of an unknown name, or beyond the last call."""
        if re.fullmatch("#[0-9]", action):
            self.answer = action[1]
            return True
        found = _ASK.fullmatch(action)
        if not found or found[1] not in self.facts or len(self.asked) == self.knobs.calls:
            return False
        self.asked.append(found[1])
        self.shown = self.said(found[1]) + ":"
        return True

    def said(self, fact: str) -> str:
        """What the sources say of a fact."""
        luck, truth = self.chance.random(), self.facts[fact]
        if luck < self.knobs.fail:
            return FAILED
        if luck >= self.knobs.fail + self.knobs.lie:
            return truth
        values = list("0123456789") if fact[2] in PROPERTIES else sorted({other[:2] for other in self.facts} - {fact[:2]})
        return self.chance.choice([value for value in values if value != truth])

    def rewards(self) -> list[float]:
        """1 for the right digit."""
        return [float(self.answer == self.facts[path(self.facts, self.question)[-1]])]

    @property
    def outcome(self) -> str:
        """See `Environment`."""
        return f"answered {self.answer}"


class Lookup(GeneratedWorld[LookupKnobs]):
    """Questions about a corpus; tags: hops. A task of a fresh corpus is a number and its hops, '4711 2', and one of a fixed corpus is its question."""

    name = "lookup"
    alphabet = "?#=:!\n" + LETTERS + LINKS + PROPERTIES + "0123456789"
    settings = LookupKnobs

    def draw(self, rng: random.Random, knobs: LookupKnobs) -> tuple[str, dict[str, Any]]:
        """A number, or a question about the fixed corpus."""
        hops = rng.randint(*knobs.hops)
        if self.knobs.corpus is None:
            return f"{rng.randrange(10**6)} {hops}", {"hops": hops}
        return self.question(rng, corpus_of(self.knobs.corpus, self.knobs.names), hops), {"hops": hops}

    def question(self, rng: random.Random, facts: Corpus, hops: int) -> str:
        """A random question."""
        names = sorted({fact[:2] for fact in facts})
        return rng.choice(names) + "".join(rng.choices(LINKS, k=hops - 1)) + rng.choice(PROPERTIES) + "="

    def posed(self, prompt: str) -> tuple[str, Corpus]:
        """The question of a task and the corpus that it is about.

        Raises:
            DataError: it is none of this world.
        """
        if self.knobs.corpus is not None:
            facts = corpus_of(self.knobs.corpus, self.knobs.names)
            path(facts, prompt)
            return prompt, facts
        if not (found := _PLAY.fullmatch(prompt)) or not 1 <= int(found[2]) <= 4:
            raise DataError(f"not a lookup task: {prompt!r}")
        facts = corpus_of(prompt, self.knobs.names)
        return self.question(generator("lookup", "question", prompt), facts, int(found[2])), facts

    def open(self, task: Task) -> Search:
        """The environment of a task, not begun yet. Raises DataError where the task is none of this world."""
        return Search(*self.posed(str(task.prompt)), self.knobs)

    def task(self, prompt: str, tags: dict[str, Any] | None = None) -> Task:
        """The task of a prompt; hidden: seed, which all chance in its plays follows from."""
        return super().task(prompt, tags).changed(hidden={"seed": key("lookup", "play", prompt)})

    def solve(self, prompt: str) -> str:
        """The moves of one who knows the facts and asks for them all the same, again where a source does not say the truth."""
        question, facts = self.posed(prompt)
        play = Search(question, facts, self.knobs)
        play.reset(key("lookup", "play", prompt))
        moves: list[str] = []
        asked = path(facts, question)
        for fact in asked:
            while len(moves) < self.knobs.calls:
                moves.append("?" + fact)
                play.step(moves[-1])
                if play.shown == facts[fact] + ":":
                    break
        return "\n".join([*moves, "#" + facts[asked[-1]]])

    def lesson(self, task: Task, rng: random.Random) -> Lesson:
        """One decision in a play of a teacher who goes on along the path, or slips: it then guesses, or asks for anything about a
        name that it has met."""
        play = self.open(task)
        play.reset(rng.getrandbits(32))
        decisions, turns = [], [play.observe(0)]
        while play.to_move is not None:
            move = self.taught(play, rng)
            decisions.append((tuple(turns), move))
            play.step(move)
            turns = [*turns[:-1], turns[-1] + move, play.observe(0)]
        return Lesson(*rng.choice(decisions))

    def taught(self, play: Search, rng: random.Random) -> str:
        """A teacher's move."""
        known = {f"?{fact}": play.facts[fact] for fact in path(play.facts, play.question)}
        ask = next((ask for ask in known if ask[1:] not in play.asked), None)
        last = len(play.asked) == self.knobs.calls
        if rng.random() < self.knobs.slip:
            met = [play.question[:2], *(value for fact in play.asked if (value := play.facts[fact]) + LINKS[0] in play.facts)]
            return f"#{rng.randrange(10)}" if last or rng.random() < 0.5 else "?" + rng.choice(met) + rng.choice(LINKS + PROPERTIES)
        return "#" + list(known.values())[-1] if ask is None or last else ask

    def parse(self, text: str) -> str | None:
        """The digit after the last '#', which opens its move."""
        found = _ANSWER.fullmatch(text)
        return found[1] if found else None

    def bounds(self, knobs: LookupKnobs) -> Longest:
        """Of the first text that a player is shown, and of a player's moves."""
        return Longest(3 + knobs.hops[1], 5 * knobs.calls + 2)
