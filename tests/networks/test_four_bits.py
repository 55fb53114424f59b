"""Frozen weights in 4 bits under adapters: the same network as one whose weights are what the 4 bits stand for."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from chatting import chat_model
from torch import Tensor
from transformers import MistralConfig, MistralForCausalLM

from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import SettingError
from autotelic.learning.examples import written
from autotelic.learning.learner import Learner, Optimizer
from autotelic.learning.objectives import NLL
from autotelic.networks.four_bits import FourBitLinear, weight_count
from autotelic.networks.lora import LoRA, adapters
from autotelic.networks.model import LanguageModel
from autotelic.policies.checkpoint import save_model
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer

Tiny = Callable[..., LanguageModel]
NF4 = LoRA(rank=3, base="nf4")
ROWS = torch.randint(0, 40, (2, 12), generator=torch.Generator().manual_seed(3))


def stir(model: LanguageModel) -> None:
    """Random adapter weights, so that the adapter does something."""
    generator = torch.Generator().manual_seed(4)
    for layer in adapters(model).values():
        for part in (layer.lora_A, layer.lora_B):
            part.data.copy_(torch.randn(part.shape, generator=generator) * 0.3)


def logits(policy: Policy) -> Tensor:
    with torch.no_grad():
        return policy.model.head(policy.model.hidden(ROWS))


def load(folder: Path, lora: LoRA | None = None) -> Policy:
    return Policy.load("solver", folder, Batcher(TorchEngine()), lora=lora)


@pytest.fixture(params=["llama", "qwen2", "qwen3"])
def folder(request: pytest.FixtureRequest, tiny: Tiny, tokenizer: Tokenizer, tmp_path: Path) -> Path:
    pytest.importorskip("bitsandbytes")
    save_model(tiny(request.param), tokenizer, tmp_path / "base")
    return tmp_path / "base"


def unpacked(policy: Policy) -> Policy:
    """The same policy with plain weights where 4 bits stand for them."""
    twin = policy.clone("twin")
    for layer in adapters(twin.model).values():
        assert isinstance(layer.base, FourBitLinear)
        plain = torch.nn.Linear(layer.base.in_features, layer.base.out_features, bias=layer.base.bias is not None)
        plain.weight.data.copy_(layer.base.weight)
        if layer.base.bias is not None:
            plain.bias.data.copy_(layer.base.bias)
        layer.base = plain.requires_grad_(False)
    return twin


def gradients(policy: Policy) -> list[Tensor]:
    """Of one update, as it moves the adapter."""
    before = policy.snapshot()
    examples = [written(f"e{i}", row[:4].tolist(), row[4:].tolist()) for i, row in enumerate(ROWS)]
    Learner(policy, Optimizer(learning_rate=0.01, precision="fp32"), seed=0).learn(examples, NLL())
    return [policy.snapshot()[name] - value for name, value in before.items()]


def test_it_is_the_network_of_the_weights_that_the_bits_stand_for(folder: Path) -> None:
    policy = load(folder, NF4)
    stir(policy.model)
    plain = unpacked(policy)
    torch.testing.assert_close(logits(policy), logits(plain), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(logits(policy), logits(load(folder, LoRA(rank=3))), atol=1e-3)  # the bits do round
    for mine, theirs in zip(gradients(policy), gradients(plain), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-3)


def test_weights_are_close_small_and_counted(folder: Path) -> None:
    policy, whole = load(folder, NF4), load(folder)
    state = whole.model.state_dict()
    for name, layer in adapters(policy.model).items():
        weight = state[f"{name}.weight"]
        assert isinstance(layer.base, FourBitLinear)
        assert layer.base.packed.numel() * 2 == weight.numel()
        error = float((layer.base.weight - weight).abs().mean() / weight.abs().mean())
        assert error < 0.4  # scales, in 8 bits themselves, are coarse where a tiny layer has few
    extra = sum(p.numel() for name, p in policy.model.named_parameters() if "lora_" in name)
    assert weight_count(policy.model) == policy.parameters == whole.parameters + extra


def test_clones_share_the_bits_and_restore_their_adapters(folder: Path) -> None:
    policy = load(folder, NF4)
    stir(policy.model)
    twin, before = policy.clone("twin"), policy.snapshot()
    mine, theirs = (next(iter(adapters(one.model).values())).base for one in (policy, twin))
    assert isinstance(mine, FourBitLinear) and isinstance(theirs, FourBitLinear)
    assert mine is not theirs and mine.packed is theirs.packed and mine.state is theirs.state
    gradients(policy)
    assert not torch.equal(logits(policy), logits(twin))
    policy.restore(before)
    assert torch.equal(logits(policy), logits(twin))


def test_what_is_saved_is_whole_and_its_adapter_beside_it(folder: Path, tmp_path: Path) -> None:
    policy = load(folder, NF4)
    stir(policy.model)
    policy.save(tmp_path / "out")
    torch.testing.assert_close(logits(load(tmp_path / "out")), logits(policy), atol=1e-4, rtol=1e-4)
    again = load(tmp_path / "out" / "adapter")  # on the base in full precision
    assert {k: v.tolist() for k, v in again.snapshot().items()} == {k: v.tolist() for k, v in policy.snapshot().items()}


def test_models_that_transformers_runs(tmp_path: Path, tokenizer: Tokenizer) -> None:
    pytest.importorskip("bitsandbytes")
    size = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2}
    model = MistralForCausalLM(MistralConfig(vocab_size=len(tokenizer.inner), max_position_embeddings=96, **size))
    model.save_pretrained(tmp_path / "m")
    tokenizer.save(tmp_path / "m")
    policy = load(tmp_path / "m", NF4)
    stir(policy.model)
    torch.testing.assert_close(logits(policy), logits(unpacked(policy)), atol=1e-5, rtol=1e-5)


def test_without_the_package_a_setting_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(SettingError, match=r'lora\.base = "nf4" needs bitsandbytes: pip install "autotelic\[8bit\]"'):
        load(chat_model(tmp_path / "m"), NF4)
