"""Small base models: which are shipped, how each was made, and the making. Trained from nothing on gold answers of a generated world."""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from autotelic.errors import SettingError, nearest
from autotelic.policies.decoder import Decoder, DecoderConfig
from autotelic.policies.tokenizer import Tokenizer, character_tokenizer
from autotelic.types import Example, Settings

if TYPE_CHECKING:
    from autotelic.tasks.worlds import GeneratedWorld

FOLDER = Path(str(files("autotelic"))) / "policies" / "shipped"
"""One model folder per base, in Hugging Face layout, with a `base.json` of its spec."""


class BaseSpec(Settings):
    """How a base is made. The same spec gives the same weights on the same machine and torch."""

    name: str
    note: str
    """What it can do and what it cannot, in one line."""
    tasks: str
    """World spec it is trained on."""
    width: int = 64
    layers: int = 3
    heads: int = 4
    intermediate: int = 192
    context: int = 160
    steps: int = 800
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup: int = 80
    final_rate: float = 0.25
    """Share of the learning rate at the last step. A base trained down to 0 sits in a minimum so sharp that one update of reinforcement learning
    undoes it."""
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.98)
    seed: int = 0
    chunk: int = Field(50, ge=1)
    """Optimizer steps per batch of freshly generated tasks."""


BASES: dict[str, BaseSpec] = {
    spec.name: spec
    for spec in (
        BaseSpec(name="chain-weak", note="chain arithmetic, 6 operations, right less than half the time", tasks="chain?ops=1-6", steps=250, seed=1),
        BaseSpec(name="chain-medium", note="chain arithmetic, 6 operations, right about two times in three", tasks="chain?ops=1-6", steps=350, seed=1),
        BaseSpec(name="chain-good", note="chain arithmetic, 6 operations, right about nine times in ten", tasks="chain?ops=1-6", steps=600, seed=1),
    )
}


def shipped() -> dict[str, Path]:
    """Folders of the bases that come with the package, by name."""
    return {path.name: path for path in sorted(FOLDER.iterdir()) if (path / "config.json").exists()} if FOLDER.is_dir() else {}


def base_folder(name: str) -> Path | None:
    """The folder of a shipped base; None when `name` is none."""
    return shipped().get(name)


def find_spec(name: str) -> BaseSpec:
    """The spec of a base by name."""
    if name not in BASES:
        raise SettingError(f"no base {name!r}; {nearest(name, BASES)}")
    return BASES[name]


def fresh(spec: BaseSpec, alphabet: str) -> tuple[Decoder, Tokenizer]:
    """An untrained model and its character tokenizer."""
    tokenizer = character_tokenizer(alphabet, spec.context)
    config = DecoderConfig(
        family="llama", vocab_size=len(tokenizer.inner), hidden_size=spec.width, intermediate_size=spec.intermediate, layers=spec.layers,
        heads=spec.heads, kv_heads=spec.heads, head_dim=spec.width // spec.heads, context=spec.context,
    )  # fmt: skip
    model = Decoder(config)
    model.initialize(torch.Generator().manual_seed(spec.seed), std=spec.width**-0.5)
    return model, tokenizer


def make(spec: BaseSpec, folder: Path, note: Callable[[int, float], None] = lambda step, loss: None) -> None:
    """Train a base and write it; `note` hears of every chunk's last step and mean loss."""
    from autotelic.engines.batching import Batcher
    from autotelic.engines.torch_engine import TorchEngine
    from autotelic.learning.learner import Learner, Optimizer, Updates
    from autotelic.learning.objectives import NLL
    from autotelic.policies.policy import Policy
    from autotelic.tasks.worlds import GeneratedWorld, open_world

    world = open_world(spec.tasks)
    assert isinstance(world, GeneratedWorld)
    model, tokenizer = fresh(spec, world.alphabet)
    policy = Policy(spec.name, model, tokenizer, Batcher(TorchEngine()))
    optimizer = Optimizer(learning_rate=spec.learning_rate, betas=spec.betas, weight_decay=spec.weight_decay, warmup=spec.warmup, token_budget=1 << 15)
    learner = Learner(policy, optimizer, spec.seed)
    for start, examples in chunks(spec, world, tokenizer):
        left = [1 - (1 - spec.final_rate) * done / spec.steps for done in (start, min(start + spec.chunk, spec.steps))]
        steps = min(spec.chunk, spec.steps - start)
        metrics = learner.learn(examples, NLL(), Updates(batch_size=spec.batch_size, steps=steps, rate=(left[0], left[1])))
        note(start + steps, metrics["loss"])
    policy.save(folder)
    (folder / "base.json").write_text(json.dumps(spec.model_dump(), indent=1) + "\n", encoding="utf-8")


def chunks(spec: BaseSpec, world: "GeneratedWorld[Any]", tokenizer: Tokenizer) -> Iterator[tuple[int, list[Example]]]:
    """Fresh gold examples for every `spec.chunk` steps."""
    from autotelic.learning.examples import written

    for start in range(0, spec.steps, spec.chunk):
        tasks = world.tasks(spec.chunk * spec.batch_size, seed=spec.seed * 100_003 + start)
        yield start, [written(t.id, tokenizer.encode_prompt(t.prompt), [*tokenizer.encode(world.gold(t)), tokenizer.end_id]) for t in tasks]
