"""Packed rows: nothing is laid twice or left out, and a decoder over them is the decoder over padded rows, values and gradients."""

from collections.abc import Callable, Iterator

import pytest
import torch
from families import FAMILIES
from torch import Tensor

from autotelic.native import build, kernels
from autotelic.networks.decoder import Decoder
from autotelic.networks.lora import LoRA, inject
from autotelic.networks.packing import Packed, pack
from autotelic.networks.scoring import Scores, score

Tiny = Callable[..., Decoder]
PATHS = ("kernels", "portable kernels", "torch")


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """All ways to compute an operation: kernels for this machine, kernels without its special instructions, plain torch."""
    if request.param == "torch":
        monkeypatch.setattr(kernels, "suits", lambda *tensors: False)
    elif not kernels.available():
        pytest.skip("no compiler")
    elif request.param == "portable kernels":
        monkeypatch.setattr(build, "TUNINGS", ("",))
        kernels._library.cache_clear()
    yield request.param
    monkeypatch.undo()
    if request.param == "portable kernels":
        kernels._library.cache_clear()


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Groups of four, of four with a prompt longer than a block of queries, a row alone, a row without targets; holes in a mask."""
    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(0, 40, (11, 90), generator=draw)
    tokens[:4, :9], tokens[5:9, :40] = tokens[0, :9], tokens[5, :40]
    spans = [(9, 60), (9, 10), (9, 90), (9, 33), (3, 70), (40, 75), (40, 41), (40, 90), (40, 74), (0, 0), (1, 70)]
    mask = torch.zeros(11, 90)
    for row, (first, end) in enumerate(spans):
        mask[row, first:end] = 1.0
    mask[2, 30:35] = 0.0
    return tokens, torch.rand(11, generator=draw) + 0.5, mask


def padded(model: Decoder, tokens: Tensor, temperature: Tensor, mask: Tensor) -> Scores:
    """Scores by their definitions, from the padded batch."""
    logp = (model.head(model.hidden(tokens))[:, :-1] / temperature[:, None, None]).log_softmax(-1)
    chosen, entropy = logp.gather(2, tokens[:, 1:, None])[..., 0], -(logp.exp() * logp).sum(-1)
    columns = (chosen, entropy, -logp.mean(-1).detach())
    return Scores(*(torch.nn.functional.pad(column * (mask[:, 1:] != 0), (1, 0)) for column in columns))


def read(packed: Packed, source: int) -> list[int]:
    """What the packed token at `source` and those that it continues are."""
    segment = int(torch.searchsorted(packed.starts, source, right=True)) - 1
    root = int(packed.roots[segment])
    before = packed.tokens[int(packed.starts[root]) : int(packed.starts[root + 1])].tolist() if segment != root else []
    return [*before, *packed.tokens[int(packed.starts[segment]) : source + 1].tolist()]


def gradient(model: Decoder, scores: Scores) -> Tensor:
    weights = torch.randn(scores.logprobs.shape, generator=torch.Generator().manual_seed(5))
    total = (scores.logprobs * weights + 0.3 * scores.entropy * weights.abs()).sum()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.cat([part.flatten() for part in torch.autograd.grad(total, trained)])


def test_shared_prompts_are_laid_once_and_every_target_has_its_source() -> None:
    tokens, _, mask = batch()
    wanted = mask[:, 1:] != 0
    packed = pack(tokens, wanted)
    lengths = packed.starts.diff().tolist()
    assert packed.children.sum() == 3 + 3  # rows of one target have no tokens of their own
    assert sorted(lengths) == sorted([9, 50, 80, 23, 69, 40, 34, 49, 33, 69])
    assert packed.longest == 89
    rows, places = wanted.nonzero(as_tuple=True)
    for source, row, place in zip(packed.sources.tolist(), rows.tolist(), places.tolist(), strict=True):
        assert read(packed, source) == tokens[row, : place + 1].tolist()
        assert int(packed.positions[source]) == place


def alike() -> tuple[Tensor, Tensor, Tensor]:
    """Five prompts of which all begin with the same 40 tokens, as worked examples do; one is no longer than that."""
    draw = torch.Generator().manual_seed(2)
    tokens = torch.randint(0, 40, (5, 64), generator=draw)
    tokens[:, :40] = tokens[0, :40]
    tokens[:, 40] = torch.arange(5)
    mask = torch.zeros(5, 64)
    for row, (first, end) in enumerate([(48, 64), (45, 50), (40, 60), (50, 51), (44, 64)]):
        mask[row, first:end] = 1.0
    return tokens, torch.rand(5, generator=draw) + 0.5, mask


def test_what_all_prompts_begin_with_is_laid_once_where_that_saves_much() -> None:
    tokens, _, mask = alike()
    wanted = mask[:, 1:] != 0
    packed = pack(tokens, wanted)
    assert packed.starts.diff().tolist() == [40, 23, 9, 19, 10, 23]  # the last token of a row predicts nothing
    rows, places = wanted.nonzero(as_tuple=True)
    for source, row, place in zip(packed.sources.tolist(), rows.tolist(), places.tolist(), strict=True):
        assert read(packed, source) == tokens[row, : place + 1].tolist()
    short = tokens[:, 36:], wanted[:, 36:]  # four tokens shared of about twenty
    assert len(pack(*short).tree_at) - 1 == 5


def test_prompts_that_begin_alike_score_as_padded_rows_do(path: str, tiny: Tiny) -> None:
    model = tiny()
    tokens, temperature, mask = alike()
    packed, expected = score(model, tokens, temperature, mask), padded(model, tokens, temperature, mask)
    torch.testing.assert_close(packed.logprobs, expected.logprobs, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(gradient(model, packed), gradient(model, expected), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("changes", [{}, {"head_dim": 32, "kv_heads": 4, "mlp_bias": True, "output_bias": True}, {"head_dim": 18, "tied": False}])
def test_packed_rows_score_as_padded_ones(family: str, changes: dict[str, int], path: str, tiny: Tiny) -> None:
    ours, theirs = tiny(family, **changes), tiny(family, **changes)
    found, expected = score(ours, *batch()), padded(theirs, *batch())
    for name in ("logprobs", "entropy", "certainty"):
        torch.testing.assert_close(getattr(found, name), getattr(expected, name), atol=3e-5, rtol=1e-5)
    wanted = gradient(theirs, expected)
    assert float((gradient(ours, found) - wanted).norm() / wanted.norm()) < 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_products_in_bf16_stay_near(family: str, path: str, tiny: Tiny) -> None:
    """Tolerance: log-probabilities within .05, the gradient within 3% of its length, at weights of a usual size."""
    ours, theirs = tiny(family), tiny(family)
    for model in (ours, theirs):
        model.initialize(torch.Generator().manual_seed(0), std=0.1)
    found, expected = score(ours, *batch(), precision="bf16"), padded(theirs, *batch())
    assert 1e-5 < float((found.logprobs - expected.logprobs).abs().max().detach()) < 0.05
    wanted = gradient(theirs, expected)
    assert float((gradient(ours, found) - wanted).norm() / wanted.norm()) < 0.03


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_adapters_are_trained_through_packed_rows(precision: str, path: str, tiny: Tiny) -> None:
    models = [tiny("qwen2"), tiny("qwen2")]
    for model in models:
        inject(model, LoRA(rank=4))
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith("lora_B"):
                    parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)) * 0.05)
    found, expected = score(models[0], *batch(), precision=precision), padded(models[1], *batch())  # type: ignore[arg-type]
    wanted = gradient(models[1], expected)
    assert float((gradient(models[0], found) - wanted).norm() / wanted.norm()) < (1e-5 if precision == "fp32" else 0.1)
    assert all(parameter.grad is None for name, parameter in models[0].named_parameters() if "lora_" not in name)


def test_threads_do_not_change_the_values(tiny: Tiny) -> None:
    if not kernels.available():
        pytest.skip("no compiler")
    found = []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        try:
            model = tiny("qwen3")
            scores = score(model, *batch())
            found.append((scores.logprobs, gradient(model, scores)))
        finally:
            torch.set_num_threads(1)
    torch.testing.assert_close(found[1][0], found[0][0], atol=1e-5, rtol=1e-5)
    assert float((found[1][1] - found[0][1]).norm() / found[0][1].norm()) < 1e-5


def test_what_is_not_finite_shows(path: str, tiny: Tiny) -> None:
    model = tiny()
    with torch.no_grad():
        model.layers[0].mlp.up_proj.weight[3, 2] = torch.nan
    for precision in ("fp32", "bf16"):
        assert torch.isnan(score(model, *batch(), precision=precision).logprobs).any()  # type: ignore[arg-type]
