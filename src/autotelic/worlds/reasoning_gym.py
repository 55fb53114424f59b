"""The data sets of reasoning-gym (https://github.com/open-thought/reasoning-gym) as worlds, one per data set.

An adapter: tasks, answers and scoring are the library's. A task carries its entry, as JSON, so a stored task can still be scored.
The library draws six data sets (codeio, isomorphic_strings, knight_swap, polynomial_multiplication, ransom_note, word_ladder) in
part from unordered sets or global state: there the same seed gives other tasks in another process. Splits are by the text of a question: one that
says the same in other words, such as a sum with its parts in another order, may be in another split.
"""

import json
from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import count as integers
from typing import Any

from autotelic import streams
from autotelic.answers.places import extract
from autotelic.answers.safe import harmless, plain_arithmetic
from autotelic.errors import DataError, SettingError, nearest
from autotelic.tasks.english import SHOWN, Texts, english
from autotelic.tasks.language import Language, skill_of
from autotelic.tasks.splits import known_split, split_of
from autotelic.types import Skill, Task
from autotelic.worlds.base import distinct

_CHUNK = 64
_EXAMPLES = ("possible_answer", "example_answer", "example_correct_answer")
"""Where the metadata of data sets without one right answer show one that is right."""
_EVALUATED = {"string_insertion", "spiral_matrix", "binary_matrix", "n_queens"}
_PARSED = {"simple_integration", "intermediate_integration", "polynomial_multiplication", "countdown"}
"""Data sets whose scorers pass the answer to `eval`, and to SymPy's parser, which evaluates: only harmless texts may reach them."""
REFUSED = {
    "composite": "it mixes other data sets; open those",
    "game_of_life_halting": "its scorer accepts every answer (reasoning-gym 0.1.25)",
    "puzzle24": "its scorer accepts any numbers that make 24, not only those of the question (reasoning-gym 0.1.25)",
}
"""Data sets that are not opened, and why."""


class ReasoningGym:
    """One data set; knobs are the fields of its configuration but seed and size."""

    def __init__(self, dataset: str, **knobs: Any) -> None:
        try:
            from reasoning_gym.factory import DATASETS
        except ImportError as error:
            raise SettingError('reasoning-gym is not installed: pip install "autotelic[envs]"') from error
        if dataset in REFUSED:
            raise SettingError(f"the data set {dataset!r} of reasoning-gym cannot be used: {REFUSED[dataset]}")
        if dataset not in DATASETS:
            raise SettingError(f"reasoning-gym has no data set {dataset!r}: {nearest(dataset, set(DATASETS) - set(REFUSED))}")
        self.name, self.dataset, self.knobs = f"reasoning-gym:{dataset}", dataset, knobs
        self.texts = Texts()
        self.failures: Counter[str] = Counter()
        """Errors that the library's scorer raised, by type; such answers count as wrong."""
        self._fields = set(DATASETS[dataset][1].__dataclass_fields__) - {"seed", "size"}
        self._scorer = self._made(0, knobs)

    @cached_property
    def language(self) -> Language:
        """English; a writer of problems is shown some of the split "train"."""
        return english(self.texts, self, [task.prompt for task in self.tasks(SHOWN, seed=0)])

    def skill(self, name: str) -> Skill:
        """A skill of `tasks.english`; raises SettingError for another."""
        return skill_of(self.name, self.language, name)

    def _made(self, seed: int, knobs: dict[str, Any]) -> Any:
        """The library's data set of a seed and knobs."""
        from reasoning_gym import create_dataset

        for knob in set(knobs) - self._fields:
            raise SettingError(f"{self.name} has no knob {knob!r}: {nearest(knob, self._fields)}")
        try:
            return create_dataset(self.dataset, seed=seed, size=_CHUNK, **knobs)
        except (AssertionError, TypeError, ValueError) as error:
            raise SettingError(f"{self.name}: {error}") from error

    def _stream(self, seed: int, split: str, knobs: dict[str, Any]) -> Iterator[Task]:
        for chunk in integers():
            made = self._made(streams.key(self.name, seed, split, chunk) % 2**31, knobs)
            for index in range(_CHUNK):
                entry = json.loads(json.dumps(made[index]))
                gold = next((found for found in (entry["answer"], *map(entry["metadata"].get, _EXAMPLES)) if found is not None), None)
                answer = gold if isinstance(gold, str | None) else json.dumps(gold)
                yield Task(f"{self.name}-{streams.key(entry['question']):016x}", entry["question"], answer, {"entry": entry})

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """`count` tasks with distinct questions; knobs override those of the world. Raises SettingError as every world does."""
        known_split(split)
        made = self._stream(seed, split, {**self.knobs, **knobs})
        stream = (task if self._solved(task) and split_of((self.name, task.prompt)) == split else None for task in made)
        return distinct(stream, count, 10 * _CHUNK, f"{self.name}, {split}")

    def _solved(self, task: Task) -> bool:
        """False where a generator gave up and states the unsolved integral as its own solution."""
        return task.answer is None or self.dataset not in _PARSED or plain_arithmetic(task.answer)

    def parse(self, text: str) -> str | None:
        """What stands in the last <answer></answer>, else after the last 'answer:', else the whole text; stripped, thinking left out."""
        return extract(text, ("tag", "answer-block", "whole"))

    def score(self, task: Task, answer: str | None) -> float:
        """The library's score in [0, 1], which for some data sets pays for partly right answers; 0 for an answer its scorer fails on."""
        entry = task.hidden["entry"]
        if answer is None or (self.dataset in _EVALUATED and not harmless(answer)) or (self.dataset in _PARSED and not plain_arithmetic(answer)):
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
