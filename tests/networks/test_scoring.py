"""Log-probabilities, entropy and self-certainty in chunks, with their gradients."""

from collections.abc import Callable

import pytest
import torch

from autotelic.networks.decoder import Decoder
from autotelic.networks.scoring import CHUNK_ELEMENTS, buckets, pad, score

Tiny = Callable[..., Decoder]


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, temperatures and a mask with a prompt, holes and padding."""
    tokens = torch.randint(0, 40, (3, 10), generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(3, 10)
    mask[0, 4:], mask[1, 2:6], mask[2, 1], mask[2, 9] = 1.0, 1.0, 1.0, 0.5
    return tokens, torch.tensor([1.0, 0.5, 2.0]), mask


def test_scores_equal_their_definitions(tiny: Tiny) -> None:
    model = tiny()
    tokens, temperature, mask = batch()
    found = score(model, tokens, temperature, mask)
    logits = model.head(model.hidden(tokens))[:, :-1] / temperature[:, None, None]
    logp = logits.log_softmax(-1)
    wanted = mask[:, 1:] != 0
    expected = {
        "logprobs": logp.gather(2, tokens[:, 1:, None])[..., 0],
        "entropy": -(logp.exp() * logp).sum(-1),
        "certainty": -logp.mean(-1),  # = logsumexp(z) - mean(z)
    }
    for name, value in expected.items():
        ours = getattr(found, name)
        torch.testing.assert_close(ours[:, 1:], value * wanted, atol=1e-5, rtol=1e-5)
        assert torch.equal(ours[:, 0], torch.zeros(3))


@pytest.mark.parametrize("name", ["logprobs", "entropy", "certainty"])
def test_gradients_equal_those_of_the_definitions(name: str, tiny: Tiny) -> None:
    tokens, temperature, mask = batch()
    model = tiny().requires_grad_(True)
    parameters = list(model.parameters())
    found = torch.autograd.grad((getattr(score(model, tokens, temperature, mask), name) * mask).sum(), parameters)
    logp = (model.head(model.hidden(tokens))[:, :-1] / temperature[:, None, None]).log_softmax(-1)
    plain = {"logprobs": logp.gather(2, tokens[:, 1:, None])[..., 0], "entropy": -(logp.exp() * logp).sum(-1), "certainty": -logp.mean(-1)}
    for ours, theirs in zip(found, torch.autograd.grad((plain[name] * mask[:, 1:]).sum(), parameters), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_chunks_change_neither_values_nor_gradients(rows: int, tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, temperature, mask = batch()
    results = []
    for elements in (1 << 24, rows * tiny().vocab_size):
        monkeypatch.setitem(CHUNK_ELEMENTS, "cpu", elements)
        model = tiny().requires_grad_(True)
        found = score(model, tokens, temperature, mask)
        (found.logprobs.square().sum() + 0.3 * found.entropy.sum() + 0.2 * found.certainty.sum()).backward()  # type: ignore[no-untyped-call]
        gradients = [parameter.grad for parameter in model.parameters()]
        results.append((found, gradients))
    (whole, whole_grads), (parts, part_grads) = results
    for name in ("logprobs", "entropy", "certainty"):
        torch.testing.assert_close(getattr(parts, name), getattr(whole, name), atol=1e-6, rtol=1e-6)
    for a, b in zip(part_grads, whole_grads, strict=True):
        assert a is not None
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


def test_nothing_wanted_gives_zeros(tiny: Tiny) -> None:
    tokens, temperature, mask = batch()
    found = score(tiny(), tokens, temperature, torch.zeros_like(mask))
    assert not found.logprobs.any()
    found.logprobs.sum().backward()  # type: ignore[no-untyped-call]


def test_buckets_hold_every_index_once_within_the_budget() -> None:
    lengths = [3, 50, 7, 7, 1, 20, 19, 3]
    found = buckets(lengths, 40)
    assert sorted(i for batch in found for i in batch) == list(range(8))
    assert found[0] == [1]  # longer than the budget: alone
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 40 for b in found)
    assert found == [[1], [5, 6], [2, 3, 0, 7, 4]]
    assert buckets([], 40) == []


def test_pad_is_on_the_right() -> None:
    assert pad([[1, 2], [3]], 9, torch.int64, torch.device("cpu")).tolist() == [[1, 2], [3, 9]]
