"""The data sets of reasoning-gym (https://github.com/open-thought/reasoning-gym) as worlds, one per data set.

An adapter: tasks, answers and scoring are the library's. A task carries its entry, as JSON, so a stored task can still be scored.
The library draws six data sets (codeio, isomorphic_strings, knight_swap, polynomial_multiplication, ransom_note, word_ladder) in
part from unordered sets or global state: there the same seed gives other tasks in another process. Splits are by the text of a question: one that
says the same in other words, such as a sum with its parts in another order, may be in another split.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import count as integers
from typing import Any

from autotelic import streams
from autotelic.answers.markup import bare
from autotelic.answers.numbers import canonical_number, only_number
from autotelic.answers.places import extract
from autotelic.answers.safe import harmless, plain_arithmetic
from autotelic.errors import DataError, SettingError, nearest
from autotelic.tasks.english import SHOWN, Texts, english, words
from autotelic.tasks.language import Language, skill_of
from autotelic.tasks.splits import known_split, split_of
from autotelic.types import Message, Prompt, Skill, Task
from autotelic.worlds.base import distinct

_CHUNK = 64
_EXAMPLES = ("possible_answer", "example_answer", "example_correct_answer")
"""Where the metadata of data sets without one right answer show one that is right."""
_EVALUATED = {"string_insertion", "spiral_matrix", "binary_matrix", "n_queens"}
_PARSED = {"simple_integration", "intermediate_integration", "polynomial_multiplication", "countdown"}
"""Data sets whose scorers pass the answer to `eval`, and to SymPy's parser, which evaluates: only harmless texts may reach them."""
_SAID = re.compile(r"(?i)\banswer is:?[ \t]+([^\n]*[^\n.])\.?\Z|\*\*([^*\n]+)\*\*\.?\Z")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_WORDS = frozenset(("yes", "no", "true", "false"))
REFUSED = {
    "composite": "it mixes other data sets; open those",
    "game_of_life_halting": "its scorer accepts every answer (reasoning-gym 0.1.25)",
    "puzzle24": "its scorer accepts any numbers that make 24, not only those of the question (reasoning-gym 0.1.25)",
}
"""Data sets that are not opened, and why."""


class ReasoningGym:
    """One data set.

    Args:
        dataset: its name.
        chat: whether a question is a message of the user, for a chat model, or plain text.
        ask: what is said behind a question, such as "End with a line 'Answer: ' and the answer."
        knobs: the fields of its configuration but seed and size.

    Raises:
        SettingError: reasoning-gym is not installed, or has no such data set or field, or a value does not fit.
    """

    def __init__(self, dataset: str, chat: bool = True, ask: str = "", **knobs: Any) -> None:
        try:
            from reasoning_gym.factory import DATASETS
        except ImportError as error:
            raise SettingError('reasoning-gym is not installed: pip install "autotelic[envs]"') from error
        if dataset in REFUSED:
            raise SettingError(f"the data set {dataset!r} of reasoning-gym cannot be used: {REFUSED[dataset]}")
        if dataset not in DATASETS:
            raise SettingError(f"reasoning-gym has no data set {dataset!r}: {nearest(dataset, set(DATASETS) - set(REFUSED))}")
        if not isinstance(chat, bool):
            raise SettingError(f"reasoning-gym:{dataset}: chat must be true or false, got {chat!r}")
        self.name, self.dataset, self.knobs, self.chat, self.ask = f"reasoning-gym:{dataset}", dataset, knobs, chat, str(ask).strip()
        self.texts = Texts()
        self.failures: Counter[str] = Counter()
        """Errors that the library's scorer raised, by type; such answers count as wrong."""
        self._fields = set(DATASETS[dataset][1].__dataclass_fields__) - {"seed", "size"}
        self._scorer = self._made(0, knobs)

    @cached_property
    def language(self) -> Language:
        """English; a writer of problems is shown some of the split "train"."""
        problems = [self.posed(task.prompt) for task in self.tasks(SHOWN, seed=0)]
        return english(self.texts, self, [[Message(role="user", content=text)] if self.chat else text for text in problems], self.posed)

    def asked(self, question: str) -> Prompt:
        """A question as it is put to a model."""
        said = f"{question}\n\n{self.ask}" if self.ask else question
        return [Message(role="user", content=said)] if self.chat else said

    def posed(self, prompt: Prompt) -> str:
        """The question in the prompt of a task."""
        return words(prompt).removesuffix(self.ask).strip()

    def skill(self, name: str) -> Skill:
        """A skill of `tasks.english`; raises SettingError for another."""
        return skill_of(self.name, self.language, name)

    def _made(self, seed: int, knobs: dict[str, Any]) -> Any:
        """The library's data set of a seed and knobs."""
        from reasoning_gym import create_dataset

        for knob in set(knobs) - self._fields:
            raise SettingError(f"{self.name} has no knob {knob!r}: {nearest(knob, [*sorted(self._fields), 'chat', 'ask'])}")
        try:
            return create_dataset(self.dataset, seed=seed, size=_CHUNK, **knobs)
        except (AssertionError, TypeError, ValueError) as error:
            raise SettingError(f"{self.name}: {error}") from error

    def _stream(self, seed: int, split: str, knobs: dict[str, Any]) -> Iterator[Task]:
        for chunk in integers():
            made = self._made(streams.key(self.name, seed, split, chunk) % 2**31, knobs)
            for index in range(_CHUNK):
                entry = json.loads(json.dumps(made[index], default=str))  # gsm_symbolic has fractions among its variables
                gold = next((found for found in (entry["answer"], *map(entry["metadata"].get, _EXAMPLES)) if found is not None), None)
                answer = gold if isinstance(gold, str | None) else json.dumps(gold)
                yield Task(f"{self.name}-{streams.key(entry['question']):016x}", self.asked(entry["question"]), answer, {"entry": entry})

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """`count` tasks with distinct questions; knobs override those of the world. Raises SettingError as every world does."""
        known_split(split)
        made = self._stream(seed, split, {**self.knobs, **knobs})
        stream = (task if self._solved(task) and split_of((self.name, task.hidden["entry"]["question"])) == split else None for task in made)
        return distinct(stream, count, 10 * _CHUNK, f"{self.name}, {split}")

    def _solved(self, task: Task) -> bool:
        """False where a generator gave up and states the unsolved integral as its own solution."""
        return task.answer is None or self.dataset not in _PARSED or plain_arithmetic(task.answer)

    def parse(self, text: str) -> str | None:
        r"""What stands in the last <answer></answer>, after the last 'answer:', in a \boxed{} or behind '####'; else behind 'the answer is' or bold
        at the end of the last line, else the whole text; stripped, thinking left out."""
        found = extract(text, ("tag", "answer-block", "boxed", "hashes", "whole"))
        said = _SAID.search(found[found.rfind("\n") + 1 :]) if found else None
        return (said[1] or said[2]) if said else found

    def score(self, task: Task, answer: str | None) -> float:
        """The best score in [0, 1] of the ways to read an answer: as it stands, without Markdown around it and a full stop, and as the one number of its
        last line where a number is asked for. The library's scorers pay for partly right answers of some data sets; one that fails gives 0."""
        return max((self._scored(task, reading) for reading in _readings(answer, task.hidden["entry"]["answer"])), default=0.0)

    def _scored(self, task: Task, answer: str) -> float:
        entry = task.hidden["entry"]
        if (self.dataset in _EVALUATED and not harmless(answer)) or (self.dataset in _PARSED and not plain_arithmetic(answer)):
            return 0.0
        if answer == (entry["answer"] or "").strip():
            return 1.0 if answer else 0.0
        try:
            return float(self._scorer.score_answer(answer, entry))
        except Exception as error:  # Scorers meet any text here, and raise what they please.
            self.failures[type(error).__name__] += 1
            return 0.0

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 for a full score, else 0.0."""
        return float(self.score(task, answer) >= 1.0)

    def gold(self, task: Task) -> str:
        """The answer in its tag; raises DataError for the data sets that come without answers."""
        if task.answer is None:
            raise DataError(f"{self.name} has no gold answers")
        return f"<answer>{task.answer}</answer>"


def _readings(answer: str | None, gold: str | None) -> list[str]:
    """The ways to read an answer, each once, the text itself first; a number or a yes that equals the gold answer is written as that is."""
    if answer is None:
        return []
    gold, lines = (gold or "").strip(), answer.splitlines()
    found = [answer, *([bare(answer.removesuffix("."))] if len(lines) == 1 else [])]
    if _NUMBER.fullmatch(gold):
        number = canonical_number(answer) or (only_number(lines[-1]) if lines else None)
        found += [gold] if number is not None and number == canonical_number(gold) else []
    elif gold.lower() in _WORDS and re.findall(r"[a-z]+", answer.lower())[:1] == [gold.lower()]:
        found.append(gold)
    return list(dict.fromkeys(found))
