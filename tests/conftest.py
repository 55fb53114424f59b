"""Fixtures: tiny decoders of each family with a character tokenizer, and policies of them on the torch engine."""

import os
from collections.abc import Callable
from typing import Any

import pytest
import torch

from autotelic.engines.batching import Batcher
from autotelic.engines.torch_engine import TorchEngine
from autotelic.networks.decoder import Decoder, DecoderConfig
from autotelic.policies.policy import Policy
from autotelic.policies.tokenizer import Tokenizer, character_tokenizer

torch.set_num_threads(1)
os.environ["AUTOTELIC_STRICT"] = "1"  # what a run passes over is an error here, in the processes that tests start too

ALPHABET = "0123456789+-*=#,:; \n<|>abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    """One token per character of ALPHABET."""
    return character_tokenizer(ALPHABET, 96)


@pytest.fixture
def tiny(tokenizer: Tokenizer) -> Callable[..., Decoder]:
    """`tiny(family, seed, **config)`: a decoder whose weights, biases and norms included, are all random and large enough to matter."""

    def make(family: str = "llama", seed: int = 0, **changes: Any) -> Decoder:
        shape: dict[str, Any] = {
            "family": family, "vocab_size": len(tokenizer.inner), "hidden_size": 24, "intermediate_size": 40, "layers": 2, "heads": 4,
            "kv_heads": 2, "head_dim": 8, "context": 96, "qkv_bias": family == "qwen2", "qk_norm": family == "qwen3",
        }  # fmt: skip
        model = Decoder(DecoderConfig(**{**shape, **changes})).eval()
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.3 + (1.0 if "norm" in name else 0.0))
        return model

    return make


@pytest.fixture
def policy(tiny: Callable[..., Decoder], tokenizer: Tokenizer) -> Callable[..., Policy]:
    """`policy(name, family, seed, **config)`: a policy of `tiny`."""

    def make(name: str = "solver", family: str = "llama", seed: int = 0, **changes: Any) -> Policy:
        return Policy(name, tiny(family, seed, **changes), tokenizer, Batcher(TorchEngine()))

    return make
