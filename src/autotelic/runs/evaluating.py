"""`autotelic eval` and `autotelic sample`: a model on tasks or prompts, without a run."""

import asyncio
from collections.abc import Iterable, Iterator
from math import isnan
from typing import Any

from autotelic.engines.base import Request
from autotelic.errors import DataError
from autotelic.measures.probe import ProbeResult, mean
from autotelic.measures.stats import mean_interval, pass_at_k, wilson
from autotelic.rounds.roles import Role
from autotelic.runs.opening import is_world, load_policy, open_tasks
from autotelic.runs.probing import probe
from autotelic.runs.settings import RunSettings
from autotelic.streams import key
from autotelic.types import Sampling


def evaluate(model: str, tasks: str, settings: RunSettings, *, samples: int, limit: int, max_tokens: int, seed: int) -> dict[str, Any]:
    """Numbers of a model on tasks that have gold answers; generated worlds give tasks of their probe split.

    `settings` say how tasks are read and judged, and how the model is loaded.

    Raises:
        DataError: no task has a gold answer.
    """
    world = open_tasks(tasks, settings, held_out=0.0)
    found = world.tasks(limit, seed=seed, split="probe" if is_world(tasks) else "train")
    judged = [task for task in found if task.answer is not None]
    if not judged:
        raise DataError(f"{tasks}: no task has a gold answer, so nothing can be evaluated")
    policy = load_policy("model", model, settings)
    role = Role("solver", "model", Sampling(max_tokens=max_tokens), world.parse)
    result = asyncio.run(probe(policy, role, world, judged, samples=samples, round_number=0))
    return {
        "model": model,
        "tasks": tasks,
        "judged": len(judged),
        "without_answer": len(found) - len(judged),
        "samples": samples,
        **numbers(result, samples),
    }


def numbers(result: ProbeResult, samples: int) -> dict[str, Any]:
    """Each measure as {value, low, high}: Wilson intervals for shares of tasks, `mean_interval` for pass@1 and pass@k."""
    right = [outcome.correct for outcome in result.outcomes if outcome.correct is not None]
    rows: dict[str, list[float]] = {"greedy accuracy": right}
    if samples:
        judged = [(len(o.sample_correct), int(sum(o.sample_correct))) for o in result.outcomes]
        rows["pass@1"] = [pass_at_k(count, good, 1) for count, good in judged]
        rows[f"pass@{samples}"] = [pass_at_k(count, good, samples) for count, good in judged]
        rows[f"majority@{samples}"] = [o.majority_correct for o in result.outcomes if o.majority_correct is not None]
    table = {}
    for name, values in rows.items():
        whole = all(value in (0.0, 1.0) for value in values)
        interval = wilson(sum(values), len(values)) if whole else mean_interval(values)
        table[name] = {"value": mean(values), "low": interval.low, "high": interval.high}
    parts = {part: result.accuracy(part) for part in result.slices}
    return {"measures": table, "slices": {part: value for part, value in parts.items() if not isnan(value)}}


def lines(found: dict[str, Any]) -> Iterator[str]:
    """The numbers for people."""
    yield f"{found['model']} on {found['judged']} tasks of {found['tasks']}" + (
        f" ({found['without_answer']} without answer left out)" if found["without_answer"] else ""
    )
    for name, row in found["measures"].items():
        yield f"{name:16} {row['value']:.3f}  [{row['low']:.3f}, {row['high']:.3f}]"
    for part, value in found["slices"].items():
        yield f"  {part:14} {value:.3f}"


def complete(model: str, prompts: Iterable[str], *, n: int, temperature: float, max_tokens: int, chat: bool, seed: int) -> Iterator[str]:
    """Completions of each prompt as it comes."""
    policy = load_policy("model", model, RunSettings())
    sampling = Sampling(temperature=temperature, max_tokens=max_tokens)
    for place, text in enumerate(prompts):
        tokens = policy.tokenizer.encode_prompt([{"role": "user", "content": text}] if chat else text)
        room = policy.model.context - len(tokens)
        if room < 1:
            raise DataError(f"the prompt of {len(tokens)} tokens fills the model's context of {policy.model.context}")
        settings = sampling.model_copy(update={"max_tokens": min(max_tokens, room)})
        request = Request(tuple(tokens), tuple(key("sample", seed, place, i) for i in range(n)), settings)
        for completion in asyncio.run(policy.sample([request]))[0]:
            yield policy.tokenizer.decode(completion.tokens)
