"""The weights as a run began: no copy before one is asked for, and the right ones whenever that is."""

import asyncio
import gc
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small import small

from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import DataError
from autotelic.learning.examples import written
from autotelic.learning.learner import Learner, Optimizer
from autotelic.learning.objectives import NLL
from autotelic.networks.decoder import Decoder
from autotelic.networks.lora import LoRA
from autotelic.policies.checkpoint import save_model
from autotelic.policies.policy import Policy
from autotelic.policies.start import start_of
from autotelic.policies.tokenizer import Tokenizer
from autotelic.runs.opening import plan

Tiny = Callable[..., Decoder]
TEXT = [[5, 9, 12, 13]]


@pytest.fixture
def base(tiny: Tiny, tokenizer: Tokenizer, tmp_path: Path) -> Path:
    save_model(tiny(), tokenizer, tmp_path / "base")
    return tmp_path / "base"


def load(folder: Path, lora: LoRA | None = None) -> Policy:
    return Policy.load("solver", folder, Batcher(TorchEngine()), lora=lora)


def scores(policy: Policy) -> list[float]:
    return list(policy.scores(TEXT, [1])[0].logprobs.tolist())


def train(policy: Policy) -> None:
    Learner(policy, Optimizer(learning_rate=0.05), 0).learn([written("w", [5, 6], [7, 8])], NLL())


def decoders() -> int:
    gc.collect()
    return sum(type(thing) is Decoder for thing in gc.get_objects())


def test_it_is_made_when_asked_for_and_only_once(base: Path) -> None:
    policy, before = load(base), decoders()
    start = start_of(policy, "start", lambda: load(base))
    assert decoders() == before
    first = start()
    assert start() is first and decoders() == before + 1 and first.name == "start"
    expected = scores(policy)
    train(policy)
    assert scores(start()) == expected != scores(policy)


def test_after_training_it_is_read_again(base: Path) -> None:
    policy = load(base)
    start, expected = start_of(policy, "start", lambda: load(base)), scores(policy)
    train(policy)
    assert scores(start()) == expected != scores(policy)
    assert not any(parameter.requires_grad for parameter in start().model.parameters())


def test_weights_that_have_changed_where_they_came_from_are_refused(base: Path, tiny: Tiny, tokenizer: Tokenizer) -> None:
    policy = load(base)
    start = start_of(policy, "start", lambda: load(base))
    train(policy)
    save_model(tiny(seed=1), tokenizer, base)
    with pytest.raises(DataError, match="base: these are no longer the weights that the run began with"):
        start()


def test_under_an_adapter_it_is_the_adapter_switched_off_on_the_same_layers(base: Path) -> None:
    plain, policy = load(base), load(base, LoRA(rank=2))
    start = start_of(policy, "start", lambda: load(base))
    train(policy)
    assert scores(start()) == pytest.approx(scores(plain), abs=1e-6)
    assert scores(start()) != scores(policy)
    for (name, mine), theirs in zip(policy.model.named_parameters(), start().model.parameters(), strict=True):
        assert (mine is theirs) == ("lora_" not in name)


def test_a_run_without_a_reference_holds_one_model_and_one_with_a_kl_term_two(tmp_path: Path) -> None:
    found = []
    for kl in (0.0, 0.1):
        before = decoders()
        session = plan(small("srt", objective={"kl": kl}, out=str(tmp_path / f"kl{kl}")))
        assert decoders() == before + 1
        session.ctx.begin_round(1)
        asyncio.run(session.recipe.round(session.ctx))
        found.append(decoders() - before)
        started = session.ctx.start("solver")
        assert torch.equal(
            torch.cat([p.flatten() for p in started.model.parameters()]),
            torch.cat([p.flatten() for p in plan(small("srt", out=str(tmp_path / "again"))).ctx.policies["solver"].model.parameters()]).detach(),
        )
        del session, started
    assert found == [1, 2]
