"""Small base models: which are shipped, how each was made, and the making. Trained from nothing on gold answers of a generated world."""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from pydantic import Field

from autotelic.errors import SettingError, nearest
from autotelic.policies.decoder import Decoder, DecoderConfig
from autotelic.policies.tokenizer import Tokenizer, character_tokenizer
from autotelic.streams import generator
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
    layers: int = 2
    heads: int = 4
    intermediate: int = 172
    context: int = 80
    rope_theta: float = 10.0
    """Small, because these texts are short: with 10,000 the same models learn lengths by heart."""
    std: float = 0.05
    steps: int = 1200
    batch_size: int = 64
    learning_rate: float = 3e-3
    warmup: int = 100
    stable: float = 0.7
    """Share of the steps after which the learning rate begins to fall linearly."""
    final: float = 0.02
    """What the learning rate falls to, as a share."""
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.98)
    seed: int = 0
    chunk: int = Field(50, ge=1)
    """Optimizer steps per batch of freshly generated tasks."""

    def rate(self, step: int) -> float:
        """The learning rate at a step, as a share of the full one, after the warm-up."""
        fallen = max(0.0, step / self.steps - self.stable) / (1 - self.stable)
        return 1 - (1 - self.final) * fallen


def chain(name: str, note: str, **options: Any) -> BaseSpec:
    """A base for chain arithmetic, taught by a teacher who is unsure of about a third of the equations."""
    return BaseSpec(name=name, note=note, layers=3, intermediate=192, context=160, steps=400, final=0.1, **options)


ADDITION = "addition?digits=1-4&same_length=true"

BASES: dict[str, BaseSpec] = {
    spec.name: spec
    for spec in (
        BaseSpec(name="addition-4", note="adds up to 5 digits, and next to nothing beyond", tasks=ADDITION, seed=5),
        BaseSpec(name="addition-4-second", note="adds up to 4 digits, and about half of all sums of 8", tasks=ADDITION, seed=0),
        BaseSpec(name="addition-4-weak", note="adds up to 4 digits, half of all sums of 5, and nothing beyond", tasks=ADDITION, seed=1),
        BaseSpec(name="addition-4-short", note="was to add up to 4 digits, and was trained for too short a time", tasks=ADDITION, steps=400, seed=5),
        chain(
            "chain-weak",
            "taught to be wrong more often than right where its teacher was unsure",
            tasks="chain?ops=6&slips=0.35&slip_rates=0.5-0.9",
            seed=1,
        ),
        chain("chain-medium", "taught to be wrong as often as right where its teacher was unsure", tasks="chain?ops=6&slips=0.35", seed=1),
        chain(
            "chain-good",
            "taught to be right more often than wrong where its teacher was unsure",
            tasks="chain?ops=6&slips=0.35&slip_rates=0.2-0.5",
            seed=1,
        ),
        BaseSpec(
            name="countdown-3",
            note="countdown with three numbers, right one time in four",
            tasks="countdown",
            layers=3,
            intermediate=192,
            steps=1500,
        ),
        BaseSpec(
            name="strings", note="string operations, right six times in seven", tasks="strings", layers=3, intermediate=192, context=160, steps=400
        ),
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
        heads=spec.heads, kv_heads=spec.heads, head_dim=spec.width // spec.heads, context=spec.context, rope_theta=spec.rope_theta, tied=False,
    )  # fmt: skip
    model = Decoder(config)
    model.initialize(torch.Generator().manual_seed(spec.seed), std=spec.std)
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
    (folder / "base.json").write_text(json.dumps(spec.model_dump(), indent=1) + "\n", encoding="utf-8")


def chunks(spec: BaseSpec, world: "GeneratedWorld[Any]", tokenizer: Tokenizer) -> Iterator[tuple[int, list[Example]]]:
    """Fresh gold examples for every `spec.chunk` steps."""
    from autotelic.learning.examples import written

    rng = generator("lessons", spec.seed)
    tasks = (task for task in world.stream(seed=spec.seed) if task is not None)
    for start in range(0, spec.steps, spec.chunk):
        some = islice(tasks, min(spec.chunk, spec.steps - start) * spec.batch_size)
        yield start, [written(t.id, tokenizer.encode_prompt(t.prompt), [*tokenizer.encode(world.lesson(t, rng)), tokenizer.end_id]) for t in some]
