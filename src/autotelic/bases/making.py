"""The making of small base models, trained from nothing on the lessons of a generated world. Which there are is in `specs`, where they are in `places`."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from autotelic.bases.places import SPEC
from autotelic.bases.specs import BaseSpec
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.policies.tokenizer import Tokenizer, character_tokenizer
from autotelic.streams import generator
from autotelic.types import Example, Task

if TYPE_CHECKING:
    from autotelic.worlds import GeneratedWorld, Lesson


def fresh(spec: BaseSpec, alphabet: str) -> tuple[Decoder, Tokenizer]:
    """An untrained model and its character tokenizer."""
    tokenizer = character_tokenizer(alphabet, spec.context)
    config = DecoderConfig(
        family="llama", vocab_size=len(tokenizer.inner), hidden_size=spec.width, intermediate_size=spec.intermediate, layers=spec.layers,
        heads=spec.heads, kv_heads=spec.heads, head_dim=spec.width // spec.heads, context=spec.context, rope_theta=spec.rope_theta, tied=False,
    )  # fmt: skip
    model = Decoder(config)
    model.initialize(torch.Generator().manual_seed(spec.seed), std=spec.std)
    return model, tokenizer


@contextmanager
def apart() -> Iterator[None]:
    """Inside, torch has one thread and random numbers of its own: neither the settings of a run nor its draws depend on a base that is made in it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


@apart()
def make(spec: BaseSpec, folder: Path, note: Callable[[int, float], None] = lambda step, loss: None) -> None:
    """Train a base and write it; `note` hears of every chunk's last step and mean loss."""
    from autotelic.engines.batching import Batcher
    from autotelic.engines.torch_engine import TorchEngine
    from autotelic.learning.learner import Learner, Optimizer, Updates
    from autotelic.learning.objectives import NLL
    from autotelic.policies.policy import Policy
    from autotelic.worlds import GeneratedWorld, open_world

    world = open_world(spec.tasks)
    assert isinstance(world, GeneratedWorld)
    model, tokenizer = fresh(spec, world.alphabet)
    policy = Policy(spec.order or spec.name, model, tokenizer, Batcher(TorchEngine()))
    optimizer = Optimizer(
        learning_rate=spec.learning_rate, betas=spec.betas, weight_decay=spec.weight_decay, warmup=spec.warmup, token_budget=1 << 15
    )
    learner = Learner(policy, optimizer, spec.seed)
    for start, examples in chunks(spec, world, tokenizer):
        steps = min(spec.chunk, spec.steps - start)
        rate = (spec.rate(start), spec.rate(start + steps))
        metrics = learner.learn(examples, NLL(), Updates(batch_size=spec.batch_size, steps=steps, rate=rate))
        note(start + steps, metrics["loss"])
    policy.save(folder)
    (folder / SPEC).write_text(json.dumps(spec.model_dump(), indent=1) + "\n", encoding="utf-8")


def chunks(spec: BaseSpec, world: "GeneratedWorld[Any]", tokenizer: Tokenizer) -> Iterator[tuple[int, list[Example]]]:
    """Fresh lessons for every `spec.chunk` steps."""
    from autotelic.worlds import GeneratedWorld, open_world

    rng = generator("lessons", spec.seed)
    opening = open_world(spec.first or spec.tasks)
    assert isinstance(opening, GeneratedWorld)
    supplies = [(stage, (task for task in stage.stream(seed=spec.seed) if task is not None)) for stage in (opening, world)]
    for start in range(0, spec.steps, spec.chunk):
        stage, tasks = supplies[start >= spec.first_steps]
        some = islice(tasks, min(spec.chunk, spec.steps - start) * spec.batch_size)
        yield start, [lesson_example(task.id, stage.lesson(task, rng), tokenizer) for task in some]


def lesson_example(name: str, lesson: "Lesson", tokenizer: Tokenizer, task: Task | None = None) -> Example:
    """A lesson in tokens: the turns of its prompt joined by the end token, and the completion, the only target, ended by it."""
    from autotelic.learning.examples import written

    first, *more = lesson.turns
    prompt = tokenizer.encode_prompt(first)
    for text in more:
        prompt += [tokenizer.end_id, *tokenizer.encode(text)]
    return written(name, prompt, tokenizer.encode_completion(lesson.completion), task=task)
