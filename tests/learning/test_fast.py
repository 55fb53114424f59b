"""The fast learner is the plain one: shared prompts, bf16 products, token budgets and skipped rows give the gradient of padded fp32 rows."""

import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from rows import KINDS, apart, data, examples
from torch import Tensor

from autotelic.errors import SettingError
from autotelic.learning.batching import Row, micro_batches, shares
from autotelic.learning.learner import Learner, Optimizer
from autotelic.networks.decoder import Decoder
from autotelic.networks.model import LanguageModel
from autotelic.networks.scoring import score
from autotelic.policies.policy import Policy

Make = Callable[..., Policy]


class Padded(LanguageModel):
    """A decoder that is not known as one, so that its rows are read padded, each with its prompt."""

    def __init__(self, inner: Decoder) -> None:
        super().__init__()
        self.inner, self.vocab_size, self.context = inner, inner.vocab_size, inner.context

    def hidden(self, tokens: Tensor) -> Tensor:
        return self.inner.hidden(tokens)

    def head(self, hidden: Tensor) -> Tensor:
        return self.inner.head(hidden)


def learned(policy: Make, kind: str, plain: bool = False, **settings: Any) -> Tensor:
    """The gradient of one update, from weights of a usual size."""
    solver, reference = policy(), policy("reference", seed=1)
    for seed, each in enumerate((solver, reference)):
        assert isinstance(each.model, Decoder)
        each.model.initialize(torch.Generator().manual_seed(seed), std=0.1)
        if plain:
            each.model = Padded(each.model)
    learner = Learner(solver, Optimizer(clip_norm=1e9, **settings), 0)
    rows, objective = data(kind)
    learner.learn(rows, objective, reference=reference)
    return torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten() for p in learner.parameters])


@pytest.mark.parametrize("kind", KINDS)
def test_shared_prompts_give_the_gradient_of_padded_rows(kind: str, policy: Make) -> None:
    assert apart(learned(policy, kind), learned(policy, kind, plain=True)) < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_bf16_products_give_the_gradient_within_three_percent(kind: str, policy: Make) -> None:
    assert 1e-5 < apart(learned(policy, kind, precision="bf16"), learned(policy, kind, plain=True)) < 0.03


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [1, 100, 300])
def test_the_token_budget_does_not_change_the_update(budget: int, kind: str, policy: Make) -> None:
    assert apart(learned(policy, kind, token_budget=budget), learned(policy, kind)) < 1e-5


def test_other_models_learn_in_bf16_too(policy: Make) -> None:
    assert 1e-5 < apart(learned(policy, "likelihood", plain=True, precision="bf16"), learned(policy, "likelihood", plain=True)) < 0.05


@pytest.mark.parametrize("budget", [1, 60, 200, 10_000])
def test_micro_batches_hold_every_row_once_within_the_budget(budget: int) -> None:
    rows = [Row(example) for example in examples()]
    batches = list(micro_batches(rows, budget, packed=True))
    assert sorted(id(row) for batch in batches for row in batch) == sorted(map(id, rows))
    for batch in batches:
        tokens = sum(len(p) for p in {row.prompt for row in batch}) + sum(len(row.item.tokens) - len(row.prompt) for row in batch)
        assert tokens <= budget or len(batch) == 1
    assert len(batches) == (1 if budget == 10_000 else len(batches))
    together = [batch for batch in batches if len({row.prompt for row in batch}) < len(batch)]
    assert together or budget == 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_shares_are_even_and_keep_groups_whole(count: int) -> None:
    rows = [Row(example) for example in examples(prompts=9)]
    parts = shares(rows, count)
    assert sorted(id(row) for part in parts for row in part) == sorted(map(id, rows))
    homes = [{row.prompt for row in part} for part in parts]
    assert sum(map(len, homes)) == 9
    work = [sum(map(len, home)) + sum(len(row.item.tokens) - len(row.prompt) for row in part) for home, part in zip(homes, parts, strict=True)]
    assert max(work) < 1.35 * min(work)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", KINDS)
def test_layers_that_are_computed_again_give_the_same_bits(kind: str, precision: str, policy: Make) -> None:
    assert torch.equal(learned(policy, kind, precision=precision, checkpointing=True), learned(policy, kind, precision=precision))


def test_layers_that_are_computed_again_keep_less(policy: Make) -> None:
    def kept(again: bool) -> int:
        """Bytes of a way there that the way back reads."""
        solver, total = policy(), 0
        Learner(solver, Optimizer(checkpointing=again), 0)

        def note(tensor: Tensor) -> Tensor:
            nonlocal total
            total += tensor.numel() * tensor.element_size()
            return tensor

        tokens = torch.arange(40)[None] % solver.model.vocab_size
        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            score(solver.model, tokens, torch.ones(1), torch.ones(1, 40))
        return total

    assert kept(True) < 0.6 * kept(False)


def test_only_decoders_compute_layers_again(policy: Make) -> None:
    solver = policy()
    assert isinstance(solver.model, Decoder)
    solver.model = Padded(solver.model)
    with pytest.raises(SettingError, match=r"optimizer\.checkpointing: layers are computed again only of decoders"):
        Learner(solver, Optimizer(checkpointing=True), 0)


def test_moments_of_8_bits_need_their_package(policy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(SettingError, match=r'optimizer\.moments = "8-bit" needs bitsandbytes: pip install "autotelic\[8bit\]"'):
        Learner(policy(), Optimizer(moments="8-bit"), 0)


def test_moments_of_8_bits_train_and_go_on_with_the_same_bits(policy: Make) -> None:
    pytest.importorskip("bitsandbytes", reason="the extra 8bit is not installed")

    def learner() -> Learner:
        return Learner(policy(intermediate_size=200), Optimizer(moments="8-bit", learning_rate=1e-3), 0)

    through, first, second = learner(), learner(), learner()
    rows, objective = data("likelihood")
    for one in (through, through, first):
        one.learn(rows, objective)
    moments = {str(value.dtype) for name, value in through.state()[0].items() if "state" in name}
    assert moments == {"torch.uint8", "torch.float32"}
    second.policy.restore(first.policy.snapshot())
    second.load_state(*first.state())
    second.learn(rows, objective)
    assert all(torch.equal(a, b) for a, b in zip(through.parameters, second.parameters, strict=True))
