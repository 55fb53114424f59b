"""The world over a fixed list of tasks, such as those of a task file, with a checker by name."""

from typing import Any, get_args

from autotelic import streams
from autotelic.answers import mathematics, unit_tests
from autotelic.answers.places import PLACES as KNOWN_PLACES
from autotelic.answers.reading import Verifier, credit, read, read_gold
from autotelic.errors import DataError, SettingError, nearest
from autotelic.sandbox import why_not
from autotelic.tasks.columns import task_name
from autotelic.tasks.english import SHOWN, Texts, english, posed_like
from autotelic.tasks.language import Language, skill_of
from autotelic.tasks.splits import known_split
from autotelic.types import Skill, Task

PLACES = ("boxed", "hashes", "answer", "tag", "line")
MATH_PLACES = ("boxed", "hashes", "answer", "tag", "dollars", "line")


class FileWorld:
    r"""A world over a fixed list of tasks, with a checker by name.

    Args:
        tasks: what `read_tasks` gave; tasks without an answer can be trained on but not verified.
        verifier: 'exact' (the same text), 'number' (the same number) or 'math' (mathematically equal, by math-verify); 'tests' or
            'partial-tests': answers are unit tests, which completions must pass in the sandbox, all of them or a share.
        places: where a completion's answer stands, tried in this order; keys of answers.places.PLACES. None means PLACES of this
            module, for 'math' MATH_PLACES. Of unmarked text, the last line is looked at by 'exact' and 'math', all of it by 'number'.
        probe_share: share of the prompts that is held out as the split 'probe'. At least one is, as long as one remains to train on; 1: all are.
        validation: share held out as the split 'validation'.
        repeated: records of the file that said nothing new, for the run's config.
        prompt_column: the column that the prompts came from, for a template that names it.
        texts: how a model is asked in English to judge, criticize, mend or write problems.
        language: another language in which it is asked, such as that of a world whose problems these are.

    Raises:
        SettingError: an unknown verifier or place, shares outside 0 to 1, or math-verify is not installed.
        DataError: no tasks, repeated ids, or an answer that the verifier cannot read.
    """

    def __init__(
        self,
        tasks: list[Task],
        *,
        verifier: str = "exact",
        places: tuple[str, ...] | None = None,
        probe_share: float = 0.1,
        validation: float = 0.0,
        name: str = "file",
        repeated: int = 0,
        prompt_column: str = "prompt",
        texts: Texts | None = None,
        language: Language | None = None,
    ) -> None:
        self.name, self.verifier, self.repeated, self.prompt_column = name, verifier, repeated, prompt_column
        self.places = places or (MATH_PLACES if verifier == "math" else PLACES)
        self.reading = (verifier, self.places)
        """How answers are found in completions."""
        self._check_settings(probe_share, validation)
        if not tasks:
            raise DataError(f"{name}: holds no tasks")
        if len({task.id for task in tasks}) < len(tasks):
            raise DataError(f"{name}: task ids repeat")
        for task in tasks:
            if task.answer is not None and read_gold(task.answer, verifier, self.places) is None:
                raise DataError(f"{name}: {task_name(task)}: the verifier {verifier!r} finds no answer in {task.answer[:80]!r}")
        self.splits = _assign(tasks, probe_share, validation)
        self._places = {task.id: place for place, task in enumerate(tasks)}
        self.language = language or english(texts or Texts(), self, [task.prompt for task in (self.splits["train"] or tasks)[:SHOWN]])

    def _check_settings(self, probe_share: float, validation: float) -> None:
        if self.verifier not in get_args(Verifier):
            raise SettingError(f"no verifier {self.verifier!r}: {nearest(self.verifier, get_args(Verifier))}")
        for place in self.places:
            if place not in KNOWN_PLACES:
                raise SettingError(f"no place {place!r} for an answer: {nearest(place, KNOWN_PLACES)}")
        if not (0 <= probe_share <= 1 and 0 <= validation <= 1 and (probe_share + validation < 1 or (probe_share, validation) == (1, 0))):
            raise SettingError(f"probe_share and validation must be shares that leave something to train on, got {probe_share} and {validation}")
        if self.verifier == "math" and not mathematics.available():
            raise SettingError('the verifier "math" needs math-verify: pip install "autotelic[math]"')

        if self.verifier in unit_tests.NAMES and (reason := why_not()):
            raise SettingError(f"the verifier {self.verifier!r} runs code of models: {reason}")

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        """`count` tasks of a split in an order drawn from the seed, or all where it has fewer; fewer are a prefix of more.

        Raises:
            SettingError: an unknown split, a knob (there are none), or a negative count.
        """
        known_split(split)
        if knobs:
            raise SettingError(f"{self.name}: a task file has no knob {next(iter(knobs))!r}")
        if count < 0:
            raise SettingError(f"{self.name}: the number of tasks must be 0 or more, got {count}")
        held = self.splits[split]
        return streams.generator("file", seed, split).sample(held, len(held))[:count]  # of all: a sample of fewer is another one

    def place(self, task: Task) -> int:
        """Where a task stands in the file, from 0."""
        return self._places[task.id]

    def task(self, prompt: str) -> Task:
        """The task of a problem that somebody wrote, put as the file puts its own, and without an answer.

        Raises:
            DataError: it says nothing.
        """
        if not prompt.strip():
            raise DataError(f"{self.name}: the problem is empty")
        first = next((tasks[0] for tasks in (self.splits["train"], self.splits["probe"]) if tasks), None)
        return Task(f"written-{streams.key(prompt):016x}", posed_like(first.prompt if first else "", prompt.strip()))

    def skill(self, name: str) -> Skill:
        """A skill of `tasks.english`; raises SettingError for another."""
        return skill_of(self.name, self.language, name)

    def parse(self, text: str) -> str | None:
        """The canonical answer in a completion; None where it has none that can be read with certainty."""
        return read(text, self.verifier, self.places)

    def verify(self, task: Task, answer: str | None) -> float:
        """1.0 when `answer`, as `parse` gives it, equals the task's, a share with 'partial-tests', else 0.0; raises DataError when the task has none."""
        if task.answer is None:
            raise DataError(f"{self.name}: task {task.id!r} has no answer to verify against")
        gold = read_gold(task.answer, self.verifier, self.places)
        return 0.0 if answer is None or gold is None else credit(gold, answer, self.verifier)

    def gold(self, task: Task) -> str:
        """The task's completion where the file has one that verifies, else its answer, marked if it must be; raises DataError without either."""
        if task.answer is None:
            raise DataError(f"{self.name}: task {task.id!r} has no answer")
        marked = (task.hidden.get("completion"), task.answer, f"<answer>{task.answer}</answer>", f"\\boxed{{{task.answer}}}")
        for text in marked:
            if isinstance(text, str) and self.verify(task, self.parse(text)) == 1.0:
                return text
        raise DataError(f"{self.name}: task {task.id!r}: no form of the answer {task.answer[:80]!r} can be read back")


def _assign(tasks: list[Task], probe_share: float, validation: float) -> dict[str, list[Task]]:
    """Tasks by split: prompts in order of their hash, those that can be checked first, so that the same file always splits the same way."""
    prompts: dict[int, list[Task]] = {}
    for task in tasks:
        prompts.setdefault(streams.key("split", task.prompt), []).append(task)
    order = sorted(prompts, key=lambda key: (all(task.answer is None for task in prompts[key]), key))
    sizes = [round(len(order) * share) or int(share > 0) for share in (probe_share, validation)]
    while probe_share < 1 and sum(sizes) >= len(order) > 0 and any(sizes):
        sizes[sizes.index(max(sizes))] -= 1
    first, second = sizes[0], sum(sizes)
    parts = {"probe": order[:first], "validation": order[first:second], "train": order[second:]}
    return {split: [task for key in keys for task in prompts[key]] for split, keys in parts.items()}
