"""The data sets of reasoning-gym (https://github.com/open-thought/reasoning-gym) as worlds, one per data set.

An adapter: tasks, answers and scoring are the library's. A task keeps only how to make its entry again, so it can be stored as JSON.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import count as integers
from typing import Any

from autotelic import streams
from autotelic.errors import DataError, SettingError, nearest
from autotelic.rewards.verifiers import extract, harmless, plain_arithmetic
from autotelic.tasks.worlds.base import distinct, known_split, split_of
from autotelic.types import Task

_CHUNK = 64
_EXAMPLES = ("possible_answer", "example_answer", "example_correct_answer")
"""Where the metadata of data sets without one right answer show one that is right."""
_EVALUATED = {"string_insertion", "spiral_matrix", "binary_matrix", "n_queens"}
_PARSED = {"simple_integration", "intermediate_integration", "polynomial_multiplication", "puzzle24", "countdown"}
"""Data sets whose scorers pass the answer to `eval`, and to SymPy's parser, which evaluates: only harmless texts may reach them."""


class ReasoningGym:
    """One data set; knobs are the fields of its configuration but seed and size."""

    def __init__(self, dataset: str, **knobs: Any) -> None:
        try:
            from reasoning_gym.factory import DATASETS
        except ImportError as error:
            raise SettingError('reasoning-gym is not installed: pip install "autotelic[envs]"') from error
        known = set(DATASETS) - {"composite"}
        if dataset not in known:
            raise SettingError(f"reasoning-gym has no data set {dataset!r}: {nearest(dataset, known)}")
        self.name, self.dataset, self.knobs = f"reasoning-gym:{dataset}", dataset, knobs
        self._fields = set(DATASETS[dataset][1].__dataclass_fields__) - {"seed", "size"}
        self._sets: dict[str, Any] = {}
        self._set(0, knobs)

    def _set(self, seed: int, knobs: dict[str, Any]) -> Any:
        """The library's data set of a seed and knobs, with a cache of its entries."""
        from reasoning_gym import create_dataset

        for knob in set(knobs) - self._fields:
            raise SettingError(f"{self.name} has no knob {knob!r}: {nearest(knob, self._fields)}")
        if (key := repr((seed, sorted(knobs.items())))) not in self._sets:
            try:
                made = create_dataset(self.dataset, seed=seed, size=_CHUNK, **knobs)
            except (AssertionError, TypeError, ValueError) as error:
                raise SettingError(f"{self.name}: {error}") from error
            self._sets[key] = made, lru_cache(maxsize=_CHUNK)(made.__getitem__)
        return self._sets[key]

    def _stream(self, seed: int, split: str, knobs: dict[str, Any]) -> Iterator[Task]:
        for chunk, index in (divmod(place, _CHUNK) for place in integers()):
            chunk_seed = streams.key(self.name, seed, split, chunk) % 2**31
            entry = self._set(chunk_seed, knobs)[1](index)
            examples = (entry["answer"], *(entry["metadata"].get(name) for name in _EXAMPLES))
            gold = next((example for example in examples if example is not None), None)
            answer = gold if isinstance(gold, str | None) else json.dumps(gold)
            yield Task(f"{self.name}-{streams.key(entry['question']):016x}", entry["question"], answer, {"seed": chunk_seed, "index": index, "knobs": knobs})

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """`count` tasks with distinct questions; knobs override those of the world. Raises SettingError as every world does."""
        known_split(split)
        stream = self._stream(seed, split, {**self.knobs, **knobs})
        return distinct(stream, count, 10 * _CHUNK, lambda task: split_of((self.name, task.prompt)) == split, f"{self.name}, {split}")

    def parse(self, text: str) -> str | None:
        """What stands in the last <answer></answer>, else after the last 'answer:', else the whole text; stripped."""
        return extract(text, ("tag", "answer-block", "whole"))

    def score(self, task: Task, answer: str | None) -> float:
        """The library's score in [0, 1], which for some data sets pays for partly right answers."""
        if answer is None or (self.dataset in _EVALUATED and not harmless(answer)) or (self.dataset in _PARSED and not plain_arithmetic(answer)):
            return 0.0
        made, entry = self._set(task.hidden["seed"], dict(task.hidden["knobs"]))
        return float(made.score_answer(answer, entry(task.hidden["index"])))

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 for a full score, else 0.0."""
        return float(self.score(task, answer) >= 1.0)

    def gold(self, task: Task) -> str:
        """The answer in its tag; raises DataError for the data sets that come without answers."""
        if task.answer is None:
            raise DataError(f"{self.name} has no gold answers")
        return f"<answer>{task.answer}</answer>"
