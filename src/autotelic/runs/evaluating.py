"""`autotelic eval`: a model on tasks, without a run. Every number comes with an interval, and with what label-free training promises."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from autotelic.answers.votes import VoteRule, vote
from autotelic.engines.base import Completion, Request
from autotelic.errors import DataError, SettingError
from autotelic.learning.learner import Optimizer
from autotelic.measures.probe import Outcome, ProbeResult, mean, overruled, share_of_mode
from autotelic.measures.prospects import Prospect, prospect
from autotelic.measures.stats import Interval, mean_interval, pass_at_k, wilson
from autotelic.policies.policy import Policy
from autotelic.rounds.asking import prompt_tokens
from autotelic.rounds.context import Context
from autotelic.rounds.disturbed import generated
from autotelic.rounds.playing import environment
from autotelic.rounds.roles import Role
from autotelic.runs.framing import check_chat, frame_of, framed, say_plain
from autotelic.runs.models import load_policy
from autotelic.runs.probing import answer_of, slice_of
from autotelic.runs.progress import duration
from autotelic.runs.settings import RunSettings
from autotelic.runs.tasks import open_tasks
from autotelic.streams import key
from autotelic.tasks.file_world import FileWorld
from autotelic.tasks.mixing import MixedWorld
from autotelic.tasks.pool import TaskPool
from autotelic.tasks.prompting import Frame
from autotelic.types import Sampling, StopReason, Task, World

Item = TypeVar("Item")

LONGEST = 256
"""Most new tokens where nobody says how many."""
ROWS, MOST_ROWS = {"cpu": 64}, 512
"""Completions that are made at once, between two looks at how far it is, by device."""
PATIENCE = 10.0
"""Seconds between two lines about how far it is, where no terminal shows them."""


@dataclass(frozen=True, slots=True)
class Ask:
    """How often and how a model is asked."""

    samples: int = 8
    """Sampled completions of a task, beside the greedy one."""
    sampling: Sampling = field(default_factory=Sampling)
    """Of these; its `max_tokens` is not read."""
    max_tokens: int | None = None
    """None: LONGEST, or what room the context leaves behind a prompt."""
    limit: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.samples > 1 and self.sampling.temperature == 0:
            raise SettingError("samples: at temperature 0 all samples of a task are the same; say --samples 0, or a temperature above 0")


@dataclass(frozen=True, slots=True)
class Answered:
    """A task with what a model said to it."""

    task: Task
    prompt: str
    """As the model read it."""
    greedy: dict[str, Any]
    samples: list[dict[str, Any]]
    """Each with `completion`, `answer` and `verdict` (None where there is none, or no gold answer), `stop`, `tokens` and `logprob`, their mean log-probability."""

    def row(self) -> dict[str, Any]:
        """As a line of the file of completions."""
        where = {"id": self.task.id, "record": self.task.tags.get("record"), "slice": slice_of(self.task)}
        return {**where, "prompt": self.prompt, "gold": self.task.answer, "greedy": self.greedy, "samples": self.samples}

    def outcome(self, world: World) -> Outcome:
        """As what a probe notes of a task."""
        answers, known = [sample["answer"] for sample in self.samples], self.task.answer is not None
        return Outcome(
            task=self.task.id,
            slice=slice_of(self.task),
            answer=self.greedy["answer"],
            correct=self.greedy["verdict"],
            samples=answers,
            sample_correct=[sample["verdict"] for sample in self.samples] if known else [],
            majority_correct=world.verify(self.task, vote(answers, VoteRule()).label) if answers and known else None,
            tokens=self.greedy["tokens"],
            truncated=self.greedy["stop"] == StopReason.LENGTH,
            gold=self.task.answer,
        )


@dataclass(frozen=True, slots=True)
class Opened:
    """A model and the tasks that it is asked."""

    policy: Policy
    role: Role
    """Who is asked them."""
    world: World
    frame: Frame
    """What is put around their prompts."""
    tasks: list[Task]
    """Those with a gold answer; all, where none has one and that is allowed."""
    prompts: list[list[int]]
    left_out: int
    """How many have none."""


def opened(model: str, tasks: str, settings: RunSettings, ask: Ask, *, need_gold: bool = True) -> Opened:
    """The model and the tasks, checked; nothing is sampled.

    Raises:
        DataError: there is no task, or no task has a gold answer and `need_gold`, or the model cannot be given a prompt.
        SettingError: the settings do not fit the tasks or the model.
    """
    world = open_tasks(tasks, settings.model_copy(update={"model": model}), probe_share=1.0)
    frame = frame_of(settings, world)
    found = world.tasks(ask.limit, seed=ask.seed, split="probe")
    if given := isinstance(world, FileWorld | MixedWorld):
        found.sort(key=world.place)
    judged = [task for task in found if task.answer is not None]
    if not judged and (need_gold or not given):
        raise DataError(f"{tasks}: no task has a gold answer, so nothing can be evaluated")
    if any(environment(world, task) for task in found):
        raise SettingError(
            f"{tasks}: these tasks are played in turns; the probe of a run measures that: autotelic run gold --rounds 0 --tasks {tasks}"
        )
    policy = load_policy("model", model, settings)
    check_chat(policy, frame)
    role = framed({"solver": Role("solver", "model", ask.sampling, world.parse)}, world, frame)["solver"]
    asked = judged or found
    prompts = [prompt_tokens(policy, role, task, Sampling(max_tokens=ask.max_tokens or 1)) for task in asked]
    say_plain(policy, frame, asked)
    return Opened(policy, role, world, frame, asked, prompts, len(found) - len(judged))


def asking(given: Opened, roles: Mapping[str, Role], seed: int) -> Context:
    """What asks the opened model, its roles framed, before the first question. Random streams depend on the seed, the role and the task alone."""
    ctx = Context(
        world=given.world, pool=TaskPool(given.tasks, seed), policies={"solver": given.policy}, roles=framed(roles, given.world, given.frame), seed=seed,
        optimizer=Optimizer(),
    )  # fmt: skip
    ctx.begin_round(1)
    return ctx


def evaluate(model: str, tasks: str, settings: RunSettings, ask: Ask, out: Path | None = None, force: bool = False) -> dict[str, Any]:
    """Numbers of a model on tasks that have gold answers, or on tasks of which none has one, where several samples tell how far they agree; generated
    worlds give tasks of their probe split.

    `settings` say how tasks are read, put and judged, and how the model is loaded. Completions and verdicts go to the file `out` while they are made.

    Raises:
        DataError: no task has a gold answer and fewer than two samples are taken, the model cannot be given a prompt, or `out` exists already and is not to be written over.
        SettingError: the settings do not fit the tasks or the model.
    """
    if out is not None:
        check_vacant(out, force)
    given = opened(model, tasks, settings, ask, need_gold=ask.samples < 2)
    asked = answers(given, ask)
    outcomes = [one.outcome(given.world) for one in (asked if out is None else written(asked, out, Answered.row))]
    return {
        "model": model,
        "tasks": tasks,
        "judged": sum(task.answer is not None for task in given.tasks),
        "without_answer": given.left_out,
        "samples": ask.samples,
        "sampling": ask.sampling.model_dump(include={"temperature", "top_p", "top_k"}),
        "max_tokens": ask.max_tokens or LONGEST,
        "truncated": mean(outcome.truncated for outcome in outcomes),
        "unparsed": mean(outcome.answer is None and not outcome.truncated for outcome in outcomes),
        **numbers(ProbeResult(given.policy.version, 0, outcomes), ask.samples),
        "label_free": promised(prospect(outcomes)),
    }


def check_vacant(path: Path, force: bool) -> None:
    """Raises DataError where a file cannot be written, or is there already and not to be written over."""
    if path.is_file() and not force:
        raise DataError(f"{path}: exists already; --force writes over it")
    if path.exists() and not path.is_file():
        raise DataError(f"{path}: is not a file")
    if not path.parent.is_dir():
        raise DataError(f"{path}: the folder {path.parent} does not exist")


def answers(given: Opened, ask: Ask) -> Iterator[Answered]:
    """Every task with completions, in order, some tasks at a time."""
    policy, pace = given.policy, Pace(len(given.tasks))
    at_once = max(ROWS.get(policy.model.device.type, MOST_ROWS) // (1 + ask.samples), 1)
    asked = list(zip(given.tasks, given.prompts, strict=True))
    for start in range(0, len(asked), at_once):
        some = asked[start : start + at_once]
        wanted = [request for task, prompt in some for request in requests(policy, task, prompt, ask)]
        made = generated(policy, wanted, given.role.disturb)
        groups = zip(*[iter(made)] * (2 if ask.samples else 1), strict=True)
        for (task, prompt), group in zip(some, groups, strict=True):
            said = [judged(given, task, completion) for completions in group for completion in completions]
            pace.count(said)
            yield Answered(task, policy.tokenizer.shown(prompt), said[0], said[1:])
        pace.tell()


def requests(policy: Policy, task: Task, prompt: Sequence[int], ask: Ask) -> list[Request]:
    """The greedy completion of a task, and its samples if there are any."""
    limit = ask.max_tokens or min(LONGEST, policy.model.context - len(prompt))
    greedy = Request(tuple(prompt), (key("eval", task.id),), Sampling(temperature=0.0, max_tokens=limit))
    streams = tuple(key("eval", ask.seed, task.id, i) for i in range(ask.samples))
    return [greedy, Request(tuple(prompt), streams, ask.sampling.model_copy(update={"max_tokens": limit}))] if streams else [greedy]


def judged(given: Opened, task: Task, completion: Completion) -> dict[str, Any]:
    """A completion with its answer, and whether that is right."""
    found = answer_of(completion, given.policy, given.role)
    return {
        "completion": given.policy.tokenizer.decode(completion.tokens),
        "answer": found,
        "verdict": None if task.answer is None else given.world.verify(task, found),
        "stop": completion.stop.value,
        "tokens": len(completion.tokens),
        "logprob": mean(completion.logprobs),
    }


def written(items: Iterable[Item], path: Path, row: Callable[[Item], Mapping[str, Any]]) -> Iterator[Item]:
    """The same, each written to a file of JSON lines before the next is made.

    Raises:
        DataError: the file cannot be written.
    """
    count = 0
    try:
        with path.open("w", encoding="utf-8") as file:
            for one in items:
                file.write(json.dumps(row(one), ensure_ascii=False) + "\n")
                file.flush()
                count += 1
                yield one
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}); it holds {count} lines") from error
    except KeyboardInterrupt as stop:
        whole = path.read_bytes().count(b"\n")  # the last one may be written and not yet counted
        stop.add_note(f"{path} holds {whole} lines")
        raise


class Pace:
    """Says on stderr how far a long evaluation is: on a terminal one line that changes, elsewhere a line now and then; nothing of a short one."""

    def __init__(self, tasks: int) -> None:
        self.tasks, self.done, self.tokens = tasks, 0, 0
        self.right: list[float] = []
        self.start = self.said = monotonic()
        self.screen = sys.stderr.isatty()

    def count(self, said: Sequence[dict[str, Any]]) -> None:
        """One more task, with its completions."""
        self.done += 1
        self.right += [] if said[0]["verdict"] is None else [said[0]["verdict"]]
        self.tokens += sum(one["tokens"] for one in said)

    def tell(self) -> None:
        """Say it, if there is more to do."""
        more = self.done < self.tasks
        if self.screen:
            print(f"\r\x1b[K{self.line() if more else ''}", end="", file=sys.stderr, flush=True)
        elif more and monotonic() - self.said >= PATIENCE:
            self.said = monotonic()
            print(self.line(), file=sys.stderr, flush=True)

    def line(self) -> str:
        """How far, how good, how fast, how long."""
        seconds = max(monotonic() - self.start, 1e-9)
        left = duration(seconds * (self.tasks - self.done) / self.done)
        good = f"greedy {mean(self.right):.2f}, " if self.right else ""
        return f"{self.done}/{self.tasks} tasks, {good}{self.tokens / seconds:.0f} tokens/s, {left} left"


def numbers(result: ProbeResult, samples: int) -> dict[str, Any]:
    """Each measure as {value, low, high}: Wilson intervals for shares of tasks, `mean_interval` for pass@1 and pass@k."""
    right = [outcome.correct for outcome in result.outcomes if outcome.correct is not None]
    rows: dict[str, list[float]] = {"greedy accuracy": right} if right else {}
    judged = [(len(o.sample_correct), int(sum(o.sample_correct))) for o in result.outcomes if o.sample_correct]
    if judged:
        rows["pass@1"] = [pass_at_k(count, good, 1) for count, good in judged]
        rows[f"pass@{samples}"] = [pass_at_k(count, good, samples) for count, good in judged]
        rows[f"majority@{samples}"] = [o.majority_correct for o in result.outcomes if o.majority_correct is not None]
    if samples > 1:
        rows["agreement"] = [share_of_mode(o.samples) for o in result.outcomes]
        rows["overruled"] = [float(overruled(o)) for o in result.outcomes]
    table = {}
    for name, values in rows.items():
        whole = all(value in (0.0, 1.0) for value in values)
        interval = wilson(sum(values), len(values)) if whole else mean_interval(values)
        table[name] = {"value": mean(values), "low": interval.low, "high": interval.high}
    parts = {part: result.accuracy(part) for part in result.slices}
    return {"measures": table, "slices": {part: value for part, value in parts.items() if not isnan(value)}}


def promised(found: Prospect | None) -> dict[str, Any] | None:
    """What the first weights promise, as plain values."""
    if found is None:
        return None
    margin = None if found.interval is None else {"value": found.margin, **bounds(found.interval)}
    return {"word": found.word, "tasks": found.tasks, "margin": margin, "overruled": bounds(found.overruled)}


def bounds(interval: Interval) -> dict[str, float]:
    """An interval as plain values."""
    return {"low": interval.low, "high": interval.high}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The numbers for people."""
    yield heading(found)
    yield how(found)
    for name, row in found["measures"].items():
        yield f"{name:16} {row['value']:.3f}  [{row['low']:.3f}, {row['high']:.3f}]"
    for part, value in found["slices"].items():
        yield f"  {part:14} {value:.3f}"
    for name, meaning in (("truncated", "ran into the limit on new tokens"), ("unparsed", "ended without an answer")):
        if found[name]:
            yield f"{found[name]:.0%} of greedy completions {meaning}"
    if found["label_free"]:
        yield promise(found["label_free"])


PROMISES = {"likely": "is likely to help", "unlikely": "is unlikely to help", "unclear": "may help or not"}
BLIND = {
    "unlikely": "the majority is nearly always the greedy answer",
    "unclear": "without gold answers nobody knows whether the majority is right where it is not the greedy answer",
}
"""Why, where the truth is not known."""


def promise(found: Mapping[str, Any]) -> str:
    """What label-free training promises, in a line."""
    word, why = found["word"], BLIND.get(found["word"])
    if margin := found["margin"]:
        why = f"the majority's accuracy minus the greedy answers' is {margin['value']:+.3f} [{margin['low']:+.3f}, {margin['high']:+.3f}]"
    return f"training without labels {PROMISES[word]}: {why}"


def heading(found: Mapping[str, Any]) -> str:
    """The model and its tasks in a line."""
    if not found["judged"]:
        return f"{found['model']} on {found['without_answer']} tasks of {found['tasks']}, none with an answer"
    left_out = f" ({found['without_answer']} without answer left out)" if found["without_answer"] else ""
    return f"{found['model']} on {found['judged']} tasks of {found['tasks']}{left_out}"


def how(found: dict[str, Any]) -> str:
    """How the model was asked, in words."""
    sampling = found["sampling"]
    filters = [f"{name.replace('_', '-')} {sampling[name]:g}" for name, none in (("top_p", 1), ("top_k", 0)) if sampling[name] != none]
    drawn = f", and {found['samples']} samples at " + ", ".join([f"temperature {sampling['temperature']:g}", *filters]) if found["samples"] else ""
    return f"greedy{drawn}; at most {found['max_tokens']} new tokens"
