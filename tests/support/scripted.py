"""Rounds of recipes with given completions: the engine is made to write them, everything else is real."""

import asyncio
from collections.abc import Sequence
from typing import Any

from engines import sampled_by

from autotelic.engines.base import Completion, Request, Vocabulary
from autotelic.engines.torch_engine import TorchEngine
from autotelic.learning.examples import Trainable, as_examples
from autotelic.learning.learner import Optimizer, Updates
from autotelic.learning.objectives import Objective
from autotelic.networks.model import LanguageModel
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer
from autotelic.rounds.context import Context
from autotelic.systems.base import Recipe
from autotelic.systems.registry import find
from autotelic.tasks.pool import TaskPool
from autotelic.types import Example, Metrics, Sampling, Task

GOLD = {"1+1=": "2", "2+2=": "4", "6*411=": "2466"}


SHORT = Sampling(max_tokens=8)


def made(name: str, **settings: Any) -> Recipe:
    """A shipped recipe with some settings changed."""
    return find(name).model_validate(settings)


class Sums:
    """A world of three tasks; an answer is a text of digits."""

    name = "sums"

    def tasks(self, count: int, *, seed: int, split: str = "train", **knobs: Any) -> list[Task]:
        return [Task(prompt, prompt, answer) for prompt, answer in list(GOLD.items())[:count]]

    def parse(self, text: str) -> str | None:
        return text if text.isdigit() else None

    def verify(self, task: Task, answer: str | None) -> float:
        return float(answer == task.answer)

    def gold(self, task: Task) -> str:
        return GOLD[task.id]


class Scripted:
    """The torch engine, forced to write the given texts as the samples of each prompt."""

    name = "scripted"

    def __init__(self, tokenizer: Tokenizer, script: dict[str, list[str]]) -> None:
        self.texts = {
            tuple(tokenizer.encode_prompt(prompt)): [(*tokenizer.encode(t), tokenizer.end_id) for t in texts] for prompt, texts in script.items()
        }

    def generate(self, model: LanguageModel, requests: Sequence[Request], vocabulary: Vocabulary) -> list[list[Completion]]:
        singles = [Request(r.prompt, (s,), r.sampling, text) for r in requests for s, text in zip(r.streams, self.texts[r.prompt], strict=True)]
        found = iter(TorchEngine().generate(model, singles, vocabulary))
        return [[next(found)[0] for _ in request.streams] for request in requests]


class Noting(Context):
    """A context that keeps what was learned from."""

    learned: list[tuple[list[Example], Objective, Policy | None]]

    def learn(self, policy: str, data: Trainable, objective: Objective, updates: Updates | None = None, reference: Policy | None = None) -> Metrics:
        self.learned.append((as_examples(data), objective, reference))
        return super().learn(policy, data, objective, updates, reference)


def play(recipe: Recipe, policy: Policy, script: dict[str, list[str]]) -> Noting:
    """The context after one round on the tasks of the script; further policies are copies of the one."""
    world = Sums()
    policy = sampled_by(Scripted(policy.tokenizer, script), policy)
    pool = TaskPool([task for task in world.tasks(9, seed=0) if task.id in script], 0)
    ctx = Noting(
        world=world,
        pool=pool,
        policies={"solver": policy, **{name: policy.clone(name) for name in recipe.policies()}},
        roles=recipe.roles(world),
        seed=0,
        optimizer=Optimizer(learning_rate=1e-3),
    )
    ctx.learned = []
    start = policy.clone("start")
    ctx.set_start("solver", lambda: start)
    ctx.begin_round(1)
    asyncio.run(recipe.round(ctx))
    return ctx
