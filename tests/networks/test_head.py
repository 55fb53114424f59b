"""The head of a large vocabulary in bf16: values are those of fp32 sums over rounded operands, gradients within the rounding of probabilities."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autotelic.engines.base import Request, Vocabulary
from autotelic.engines.native import NativeEngine
from autotelic.native import kernels
from autotelic.networks import head
from autotelic.networks.decoder import Decoder
from autotelic.networks.operations import token_scores
from autotelic.networks.scoring import score
from autotelic.types import Sampling

Scores = tuple[Tensor, ...]
ROWS, WIDTH, WORDS = 21, 34, 75  # no multiple of what the kernels take at once

pytestmark = pytest.mark.skipif(not kernels.available(), reason="no compiler")


def given() -> list[Tensor]:
    """Hidden states, weights, targets (that of row 0 is all but certain) and temperatures."""
    generator = torch.Generator().manual_seed(0)
    hidden, weight = torch.randn(ROWS, WIDTH, generator=generator), torch.randn(WORDS, WIDTH, generator=generator) * 0.4
    targets = torch.randint(0, WORDS, (ROWS,), generator=generator)
    hidden[0] = weight[targets[0]] * 2.5
    return [hidden.requires_grad_(), weight.requires_grad_(), targets, torch.rand(ROWS, generator=generator) + 0.5]


def plain(hidden: Tensor, weight: Tensor, targets: Tensor, scale: Tensor) -> Scores:
    """The definition: fp32 of operands rounded to bf16, which gradients pass as if they had not been."""
    return token_scores(hidden.bfloat16().float() @ weight.bfloat16().float().T, targets, scale)


def gradients(found: Scores, wanted: str, *leaves: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 2, ROWS)
    parts = {"logprobs": found[0], "entropy": found[1], "certainty": found[2], "all": found[0] + 0.5 * found[1] - 0.25 * found[2]}
    return list(torch.autograd.grad((parts[wanted] * weights).sum(), leaves))


@pytest.mark.parametrize("chunk", [1, 8, 100])
def test_values_are_those_of_rounded_operands(chunk: int) -> None:
    for ours, theirs in zip(head.scores(*given(), chunk=chunk), plain(*given()), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("wanted", ["logprobs", "entropy", "certainty", "all"])
def test_gradients_are_those_of_the_definition_within_a_percent(wanted: str) -> None:
    mine, its = given(), given()
    ours, theirs = (gradients(f, wanted, *leaves[:2]) for f, leaves in ((head.scores(*mine, chunk=8), mine), (plain(*its), its)))
    for a, b in zip(ours, theirs, strict=True):
        assert float((a - b).norm() / b.norm()) < 0.01


def test_what_is_all_but_certain_keeps_its_small_gradient() -> None:
    """1 - p of a probability that bf16 rounds to 1."""
    mine, its = given(), given()
    ours, theirs = head.scores(*mine, chunk=8), plain(*its)
    assert 1e-6 < 1 - float(theirs[0][0].detach().exp()) < 2**-9
    a, b = (torch.autograd.grad(found[0][0], leaves[0])[0][0] for found, leaves in ((ours, mine), (theirs, its)))
    assert float((a - b).norm() / b.norm()) < 0.01


def test_a_frozen_head_gets_no_gradient_and_threads_change_nothing() -> None:
    hidden, weight, *rest = given()
    found = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            scores = head.scores(hidden, weight.detach(), *rest, chunk=8)
            found.append([*scores, *torch.autograd.grad(scores[0].sum(), [hidden])])
        finally:
            torch.set_num_threads(1)
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))
    with torch.no_grad():
        assert not any(part.requires_grad for part in head.scores(hidden, weight, *rest, chunk=8))


def test_the_gap_to_a_sampler_in_bf16_does_not_grow(tiny: Callable[..., Decoder], monkeypatch: pytest.MonkeyPatch) -> None:
    """Log-probabilities of what the native engine sampled in bf16, as training in bf16 scores it: nearer with the head in bf16, as the sampler's is."""
    monkeypatch.setattr(head, "multiplies_bf16", lambda: True)
    model = tiny(hidden_size=64, vocab_size=600)
    model.initialize(torch.Generator().manual_seed(0), std=0.2)
    requests = [Request((1, 2, 3 + i), tuple(range(i * 8, i * 8 + 8)), Sampling(max_tokens=24)) for i in range(8)]
    made = NativeEngine(1, "bf16").generate(model, requests, Vocabulary(frozenset(), 0, str))
    rows = [([*request.prompt, *c.tokens], c.logprobs) for request, group in zip(requests, made, strict=True) for c in group]
    tokens, sampled = torch.tensor([row for row, _ in rows]), torch.tensor([values for _, values in rows])
    mask = torch.zeros(tokens.shape)
    mask[:, 3:] = 1.0
    gaps = []
    for least in (1 << 40, 1):
        monkeypatch.setattr(head, "LEAST", least)
        with torch.no_grad():
            gaps.append(float((score(model, tokens, torch.ones(len(rows)), mask, "bf16").logprobs[:, 3:] - sampled).abs().mean()))
    assert 1e-5 < gaps[1] < gaps[0] < 0.05, gaps
