"""Models that only transformers runs, behind the house's interface."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    MistralConfig,
    MistralForCausalLM,
)

from autotelic.engines.base import Request
from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.errors import DataError
from autotelic.networks.transformers_model import TransformersModel
from autotelic.policies.checkpoint import load_model
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer
from autotelic.streams import key
from autotelic.types import Sampling

SMALL: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
    "max_position_embeddings": 96, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip


def build(kind: str, size: int) -> Any:
    torch.manual_seed(0)
    if kind == "gpt2":
        model: Any = GPT2LMHeadModel(GPT2Config(vocab_size=size, n_embd=32, n_layer=2, n_head=4, n_positions=96, bos_token_id=1, eos_token_id=2))
    elif kind == "mistral":
        model = MistralForCausalLM(MistralConfig(vocab_size=size, **SMALL, sliding_window=7, tie_word_embeddings=False))
    elif kind == "gemma2":
        model = Gemma2ForCausalLM(Gemma2Config(vocab_size=size, **SMALL, final_logit_softcapping=2.0))
    else:
        types = ["sliding_attention", "full_attention"]
        model = Gemma3ForCausalLM(Gemma3TextConfig(vocab_size=size, **SMALL, sliding_window=6, layer_types=types, query_pre_attn_scalar=8))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2 + (1.0 if "norm" in name or "ln_" in name else 0.0))
    return model.eval()


def load(kind: str, tokenizer: Tokenizer, folder: Path) -> tuple[Any, TransformersModel]:
    theirs = build(kind, len(tokenizer.inner))
    theirs.save_pretrained(folder)
    ours = load_model(folder)
    assert isinstance(ours, TransformersModel)
    return theirs, ours


@pytest.mark.parametrize("kind", ["gpt2", "mistral", "gemma3"])
@torch.no_grad()
def test_hidden_prefill_and_decode_agree_with_the_model(kind: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    theirs, ours = load(kind, tokenizer, tmp_path)
    rows = torch.randint(4, ours.vocab_size, (3, 20), generator=torch.Generator().manual_seed(2))
    whole = ours.hidden(rows)
    torch.testing.assert_close(ours.head(whole), theirs(rows).logits, atol=1e-4, rtol=1e-4)
    lengths = torch.tensor([11, 4, 1])
    hidden, cache = ours.prefill(rows[:, :11], lengths, 24)
    torch.testing.assert_close(hidden, whole[torch.arange(3), lengths - 1], atol=1e-4, rtol=1e-4)
    cache = cache.repeat(torch.tensor([2, 1, 1]))
    owner, at = torch.tensor([0, 0, 1, 2]), torch.tensor([11, 11, 4, 1])
    for step in range(9):
        if step == 4:
            kept = torch.tensor([1, 3])
            cache, owner, at = cache.keep(kept), owner[kept], at[kept]
        torch.testing.assert_close(ours.decode(rows[owner, at], cache), whole[owner, at], atol=1e-4, rtol=1e-4)
        at = at + 1


@pytest.mark.parametrize("kind", ["gpt2", "mistral", "gemma3"])
def test_the_engine_samples_what_the_trainer_scores(kind: str, tokenizer: Tokenizer, tmp_path: Path) -> None:
    policy = Policy("solver", load(kind, tokenizer, tmp_path)[1], tokenizer, Batcher(TorchEngine()))
    prompts = [tuple(tokenizer.encode_prompt(text)) for text in ("12+3=", "a longer prompt: 7*8=", "9")]
    requests = [Request(p, tuple(key(i, j) for j in range(4)), Sampling(max_tokens=6 + 6 * i)) for i, p in enumerate(prompts)]
    found = TorchEngine().generate(policy.model, requests, tokenizer.vocabulary)
    for request, group in zip(requests, found, strict=True):
        for completion in group:
            score = policy.scores([[*request.prompt, *completion.tokens]], [len(request.prompt)])[0]
            torch.testing.assert_close(score.logprobs, torch.tensor(completion.logprobs), atol=1e-4, rtol=0)
    alone = TorchEngine().generate(policy.model, requests[1:2], tokenizer.vocabulary)[0]
    assert [c.tokens for c in alone] == [c.tokens for c in found[1]]


@torch.no_grad()
def test_saving_gives_a_folder_with_the_same_log_probs(tokenizer: Tokenizer, tmp_path: Path) -> None:
    theirs, ours = load("gpt2", tokenizer, tmp_path / "theirs")
    ours.inner.transformer.h[0].ln_1.bias.add_(0.5)
    Policy("solver", ours, tokenizer, Batcher(TorchEngine())).save(tmp_path / "ours")
    rows = torch.arange(4, 20)[None]
    back = AutoModelForCausalLM.from_pretrained(tmp_path / "ours")
    torch.testing.assert_close(back(rows).logits, ours.head(ours.hidden(rows)), atol=1e-5, rtol=1e-5)
    assert not torch.allclose(back(rows).logits, theirs(rows).logits, atol=1e-3)


def test_logits_capped_after_the_head_are_refused(tokenizer: Tokenizer, tmp_path: Path) -> None:
    build("gemma2", len(tokenizer.inner)).save_pretrained(tmp_path)
    with pytest.raises(DataError, match="Gemma2ForCausalLM are not those of its output embedding alone"):
        load_model(tmp_path)
