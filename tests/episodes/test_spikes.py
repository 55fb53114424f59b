"""Decoding that thinks at spikes of entropy: the threshold, the vector, the cost, and what is left of it without spikes."""

from collections.abc import Callable

import pytest
import torch

from autotelic.engines.base import Request
from autotelic.engines.torch_engine import TorchEngine
from autotelic.episodes.spikes import Spikes, entropy, fitted, think, threshold
from autotelic.policies.policy import Policy
from autotelic.types import Sampling

Make = Callable[..., Policy]
PAPER = Spikes(window=25, width=4.0, least_std=0.5, floor=1.8, early=3.0)
PROMPTS = ["1+2=", "7*2-5+1=", "3"]
NEVER = Spikes(floor=1e9, early=1e9)


def test_the_threshold_of_the_paper() -> None:
    calm = [0.3, 0.5] * 12 + [0.4]  # mean .4, deviation .098
    assert threshold(calm, PAPER) == pytest.approx(0.4 + 4 * 0.5)
    assert threshold(calm[:24], PAPER) == 3.0, "before there are N"
    assert threshold([0.01] * 25, PAPER) == pytest.approx(0.01 + 2.0)
    assert threshold([0.01] * 25, PAPER.model_copy(update={"least_std": 0.1})) == 1.8, "the floor"
    wild = [0.0, 2.0] * 12 + [1.0]
    assert threshold(wild, PAPER) == pytest.approx(1.0 + 4 * (24 / 25) ** 0.5)


def test_entropy_in_nats() -> None:
    assert entropy(torch.zeros(2, 8)).tolist() == pytest.approx([2.0794415] * 2)
    assert float(entropy(torch.tensor([0.0, -1e4]))) == pytest.approx(0.0)


@pytest.mark.parametrize(
    "sampling", [Sampling(max_tokens=12), Sampling(max_tokens=12, temperature=0.7, top_p=0.8, top_k=9), Sampling(temperature=0.0)]
)
def test_without_spikes_it_writes_what_the_engine_writes(policy: Make, sampling: Sampling) -> None:
    solver = policy()
    prompts = [solver.tokenizer.encode_prompt(text) for text in PROMPTS]
    found, edits = think(solver, prompts, [11, 22, 33], sampling, NEVER)
    requests = [Request(tuple(prompt), (stream,), sampling) for prompt, stream in zip(prompts, (11, 22, 33), strict=True)]
    expected = [group[0] for group in TorchEngine().generate(solver.model, requests, solver.tokenizer.vocabulary)]
    assert edits == 0
    assert [(one.tokens, one.stop) for one in found] == [(one.tokens, one.stop) for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


def test_what_it_costs(policy: Make) -> None:
    solver = policy()
    prompts = [solver.tokenizer.encode_prompt(text) for text in PROMPTS]
    always = Spikes(floor=0.0, early=0.0, width=0.0, least_std=0.0, where="random", share=1.0, most=2, steps=3)
    meter = solver.meter
    found, edits = think(solver, prompts, [1, 2, 3], Sampling(max_tokens=6), always)
    assert edits == sum(min(2, len(one.tokens)) for one in found)
    assert meter.read == sum(map(len, prompts)) and meter.sampled == sum(len(one.tokens) for one in found) and meter.completions == 3
    assert meter.trained == sum(
        3 * (len(prompt) + place) for prompt, one in zip(prompts, found, strict=True) for place in range(min(2, len(one.tokens)))
    )


def test_where_it_thinks_is_keyed_and_changes_what_it_writes(policy: Make) -> None:
    solver = policy()
    prompts = [solver.tokenizer.encode_prompt(text) for text in PROMPTS] * 4
    runs = {
        name: [one.tokens for one in think(solver, prompts, range(12), Sampling(max_tokens=20), rule)[0]]
        for name, rule in {
            "spikes": Spikes(rate=0.5),
            "again": Spikes(rate=0.5),
            "random": Spikes(where="random", share=0.3, rate=0.5),
            "never": NEVER,
        }.items()
    }
    assert runs["spikes"] == runs["again"]
    assert len({str(runs[name]) for name in ("spikes", "random", "never")}) == 3


def test_the_vector_of_one_step_moves_each_part_by_the_rate_against_the_gradient(policy: Make) -> None:
    """AdamW's first step is the learning rate times the sign of the gradient, which is checked by differences."""
    solver = policy()
    text = solver.tokenizer.encode_prompt("7*2-5+1=")
    model, rule = solver.model, Spikes(steps=1, rate=0.01)
    with torch.no_grad():
        states = model.hidden(torch.tensor([text]))[0]
    (vector,) = fitted(model, [states], [text], 1.0, rule)

    def loss(shift: torch.Tensor) -> float:
        logits = model.head(states + shift).double()
        own = -logits.log_softmax(-1)[range(len(text) - 1), text[1:]].mean()
        return float(0.95 * own + 0.05 * entropy(logits[-1]))

    with torch.no_grad():
        signs = []
        for part in range(len(vector)):
            shift = torch.zeros_like(vector)
            shift[part] = 1e-2
            signs.append(loss(-shift) - loss(shift))
        steep = torch.tensor(signs).abs() > 1e-5
        assert steep.sum() > len(vector) // 2
        assert torch.allclose(vector[steep], 0.01 * torch.tensor(signs).sign()[steep], atol=1e-6)
        assert loss(vector) < loss(torch.zeros_like(vector))
    several = fitted(model, [states, states[:5]], [text, text[:5]], 1.0, rule)
    assert torch.allclose(several[0], vector, atol=1e-5), "what else is fitted changes nothing"
